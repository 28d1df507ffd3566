"""The released ELQ: what stands in its files, in our names, and back.

File formats (Li et al. 2020, the code's release): a state dict (``elq_*.bin``) with both encoders and the span scorer; its
parameters (``*_params.txt``), JSON or a Python literal; the catalogue (``entity.jsonl``: text, idx, title, entity, kb_idx),
whose row n is row n of the table (``all_entities_*.t7``); and the encoder's ``config.json`` and ``vocab.txt``.
"""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece

from elq.encoding.transformer import Encoder, without_memory
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import SURROGATES, read_jsonl
from elq.model.config import ELQConfig
from elq.model.network import ELQ
from elq.tensors import Array
from elq.types import Entity

QUESTION, ENTITY = "context_encoder.bert_model.", "cand_encoder.bert_model."
SCORER = "classification_heads.mention_scores.bound_classifier."
UNREAD = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")  # saved with a BERT, used by nothing here
TITLE_TAG = "[unused2]"  # between an entity's title and its text
ENTITY_TEXT = EntityText(fields=("title", "description"), separator=f" {TITLE_TAG} ")
THRESHOLD, CANDIDATES, QUESTION_TOKENS = -4.5, 10, 32  # the released defaults
FIXED = {
    "mention_aggregation_type": "all_avg",
    "mention_scoring_method": "qa_linear",
    "add_linear": False,
    "pull_from_layer": -1,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedParams:
    """What of a parameter file changes a computation."""

    bert_model: str  # name of the encoder that both were started from
    max_span_tokens: int  # L; the released max_mention_length is one less, since it is compared with end − start
    entity_tokens: int
    lowercase: bool


def read_params(path: str | Path) -> ReleasedParams:
    """Read ``*_params.txt``: JSON, or a Python literal with single quotes, True, False and None.

    Raises:
        ElqError: missing, neither of them, a key missing, or a setting that no released model has.
    """
    path = Path(path)
    if not path.is_file():
        raise ElqError(f"{path} does not exist: give the released elq_*_params.txt")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(text.strip())  # literals only: nothing is called
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            values = None
    if not isinstance(values, dict):
        raise ElqError(f"{path} holds neither a JSON object nor a Python dictionary: give the released elq_*_params.txt")
    for key, value in FIXED.items():
        if values.get(key, value) != value:
            raise ElqError(f"{path} has {key} {values[key]!r}, but only {value!r} can be imported: give a released model's")
    lengths = {"max_mention_length": 10, "max_cand_length": 128}
    for key in lengths:
        if type(values.setdefault(key, lengths[key])) is not int or values[key] < 3:
            raise ElqError(f"{path} has {key} {values[key]!r}, but it must be a whole number of at least 3")
    return ReleasedParams(
        bert_model=str(values.get("bert_model", "bert-large-uncased")),
        max_span_tokens=values["max_mention_length"] + 1,
        entity_tokens=values["max_cand_length"],
        lowercase=bool(values.get("lowercase", True)),
    )


def read_encoder_config(folder: str | Path) -> dict[str, Any]:
    """The encoder's ``config.json`` as plain values, in the shape of today's.

    Raises:
        ElqError: missing, unreadable, or no BERT.
    """
    path = Path(folder) / "config.json"
    try:
        values = {"model_type": "bert", **json.loads(path.read_text(encoding="utf-8"))}
        with without_memory():
            config = Encoder(values).config
    except Exception as error:  # transformers names a bad value in many ways
        reason = " ".join(str(error).split())[:200]
        raise ElqError(f"{path} is not the configuration of a BERT ({reason}): give the encoder's folder") from None
    if config["model_type"] != "bert":
        raise ElqError(f"{path} describes a {config['model_type']}, but the released encoders are of the type bert")
    return config


def model_config(encoder: dict[str, Any], params: ReleasedParams, question_tokens: int) -> ELQConfig:
    """The model that the released scorer and pooling amount to.

    How far a question is read is no matter of the parameters: the released scripts set it (32), whatever stands in them.
    """
    return ELQConfig(
        encoder=encoder,
        max_span_tokens=params.max_span_tokens,
        projection=False,
        unit_norm=False,
        question_tokens=question_tokens,
    )


def released_name(key: str) -> str:
    """The released name of a weight of :class:`elq.model.network.ELQ`.

    >>> released_name("scorer.linear.bias")
    'classification_heads.mention_scores.bound_classifier.bias'
    """
    if key.startswith("scorer.linear."):
        return SCORER + key.removeprefix("scorer.linear.")
    return QUESTION + key.removeprefix("encoder.transformer.")


def question_weights(weights: Mapping[str, Array], config: ELQConfig, source: Path) -> dict[str, Array]:
    """The released weights under the names of :class:`elq.model.network.ELQ`; raises ElqError as :func:`_renamed`."""
    with without_memory():
        wanted = {key: tuple(value.shape) for key, value in ELQ(config).state_dict().items()}
    names = {released_name(key): (key, shape) for key, shape in wanted.items()}
    return _renamed(weights, names, QUESTION, source)


def entity_weights(weights: Mapping[str, Array], config: ELQConfig, source: Path) -> dict[str, Array]:
    """The released entity encoder's weights under transformers' names; raises ElqError as :func:`_renamed`."""
    with without_memory():
        wanted = {key: tuple(value.shape) for key, value in Encoder(config.encoder).transformer.state_dict().items()}
    return _renamed(weights, {ENTITY + key: (key, shape) for key, shape in wanted.items()}, ENTITY, source)


def _renamed(
    weights: Mapping[str, Array],
    wanted: Mapping[str, tuple[str, tuple[int, ...]]],
    prefix: str,
    source: Path,
) -> dict[str, Array]:
    """Weights under new names.

    Raises:
        ElqError: a weight is missing, is there although nothing wants it, or has another shape (all of them named or counted).
    """
    other = ENTITY if prefix == QUESTION else (QUESTION, SCORER)  # looked at on its own
    unread = {prefix + name for name in UNREAD}
    missing = sorted(wanted.keys() - weights.keys())
    extra = sorted(name for name in weights.keys() - wanted.keys() - unread if not name.startswith(other))
    for what, names in (("lacks", missing), ("has, beyond what the configuration asks for,", extra)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ElqError(f"{source} {what} {', '.join(names[:3])}{more}: give the configuration that belongs to the weights")
    for name, (_, shape) in wanted.items():
        if (found := weights[name].shape) != shape:
            raise ElqError(f"{source} has {name} of shape {list(found)}, but the configuration asks for {list(shape)}")
        if not np.issubdtype(weights[name].dtype, np.floating) or not np.isfinite(weights[name]).all():
            raise ElqError(f"{source} has {name} with values that are no finite numbers: download or save it again")
    return {key: weights[name] for name, (key, _) in wanted.items()}


def bert_tokenizer(folder: str | Path, *, lowercase: bool, rows: int, entities: int = 0) -> Tokenizer:
    """BERT's tokenizer from ``vocab.txt``.

    Args:
        folder: that holds it.
        lowercase: lower-case and strip accents.
        rows: of the word embeddings.
        entities: tokens of an entity text, for the tokenizer of these, where the title's tag is a token of its own; 0 for that
            of questions, which know of none.

    Raises:
        ElqError: no vocabulary, one of another size, or without BERT's special tokens.
    """
    path = Path(folder) / "vocab.txt"
    if not path.is_file():
        raise ElqError(f"{folder} has no vocab.txt: give the folder of the encoder's config.json and vocab.txt")
    try:
        words = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ElqError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): give the released vocabulary") from None
    vocabulary = {word.removesuffix("\r"): number for number, word in enumerate(words)}
    if len(words) != rows:
        raise ElqError(
            f"{path} has {len(words)} words, but the weights have {rows}: give the vocabulary they were trained with"
        )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *([TITLE_TAG] if entities else [])]
    if lacking := [token for token in special if token not in vocabulary]:
        raise ElqError(f"{path} lacks {', '.join(lacking)}: give the vocabulary of a BERT")
    made = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    made.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(special)
    ends = [(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")]
    if entities:
        made.enable_truncation(entities)
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return made


def read_released_entities(path: str | Path) -> Iterator[Entity]:
    """Stream ``entity.jsonl``. An entity's id is its ``kb_idx``, or where that is missing or taken, its Wikipedia page or row.

    Raises:
        ElqError: a missing file or a bad record (with its file and line).
    """
    taken: set[str] = set()
    for number, (line, record) in enumerate(read_jsonl(path)):
        title, text, known, page = (record.get(key) for key in ("title", "text", "kb_idx", "idx"))
        if not isinstance(title, str) or not title or not isinstance(text, str):
            raise ElqError(f'{path}, line {line}: an entity needs "title" and "text": give the released entity.jsonl')
        choices = (known, f"curid={page.rpartition('curid=')[2]}" if isinstance(page, str) and "curid=" in page else None)
        identity = next((name for name in choices if isinstance(name, str) and name and name not in taken), f"row={number}")
        taken.add(identity)
        if SURROGATES.search(identity + title + text):
            raise ElqError(f"{path}, line {line}: holds half of a character (a lone surrogate): correct it")
        yield Entity(identity, title, title, text.strip())
