"""Formats: reads the files of the released ELQ, and translates their names.

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
from elq.files import SURROGATES
from elq.model.config import ELQConfig
from elq.model.network import ELQ
from elq.reading.json_lines import read_jsonl
from elq.tensors import Array
from elq.types import Entity

QUESTION, ENTITY = "context_encoder.bert_model.", "cand_encoder.bert_model."
SCORER = "classification_heads.mention_scores.bound_classifier."
UNREAD = ("pooler.dense.weight", "pooler.dense.bias", "embeddings.position_ids")  # saved with a BERT, but not used
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
    """The parameters in ``*_params.txt`` that change the computation."""

    bert_model: str  # name of the encoder from which both encoders were trained
    max_span_tokens: int  # L; the released max_mention_length is L − 1, because it limits (last − first token)
    entity_tokens: int
    lowercase: bool


def read_params(path: str | Path) -> ReleasedParams:
    """Read ``*_params.txt``: JSON, or a Python literal with single quotes, True, False and None.

    Raises:
        ElqError: the file is missing, has neither form, or has a value that cannot be imported.
    """
    path = Path(path)
    if not path.is_file():
        raise ElqError(f"{path} does not exist: give the released file elq_*_params.txt with --params")
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        try:
            values = ast.literal_eval(text.strip())  # reads only literals, and calls nothing
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            values = None
    if not isinstance(values, dict):
        raise ElqError(f"{path} holds neither a JSON object nor a Python dictionary: give the released elq_*_params.txt")
    for key, value in FIXED.items():
        if values.get(key, value) != value:
            raise ElqError(f"{path} has {key} {values[key]!r}, but only {value!r} can be imported: give a released file")
    lengths = {"max_mention_length": 10, "max_cand_length": 128}
    for key in lengths:
        if type(values.setdefault(key, lengths[key])) is not int or values[key] < 3:
            raise ElqError(
                f"{path} has {key} {values[key]!r}, but it must be a whole number of at least 3: give the released file"
            )
    return ReleasedParams(
        bert_model=str(values.get("bert_model", "bert-large-uncased")),
        max_span_tokens=values["max_mention_length"] + 1,
        entity_tokens=values["max_cand_length"],
        lowercase=bool(values.get("lowercase", True)),
    )


def read_encoder_config(folder: str | Path) -> dict[str, Any]:
    """The values of the encoder's ``config.json``, with the keys of current transformers.

    Raises:
        ElqError: the file is missing, cannot be read, or is not that of a BERT.
    """
    path = Path(folder) / "config.json"
    try:
        values = {"model_type": "bert", **json.loads(path.read_text(encoding="utf-8"))}
        with without_memory():
            config = Encoder(values).config
    except Exception as error:  # transformers raises many kinds of errors for a bad value
        reason = " ".join(str(error).split())[:200]
        raise ElqError(f"{path} is not the configuration of a BERT ({reason}): give the folder of the encoder") from None
    if config["model_type"] != "bert":
        raise ElqError(f"{path} describes a {config['model_type']}, but a released encoder has the type bert: give its folder")
    return config


def model_config(encoder: dict[str, Any], params: ReleasedParams, question_tokens: int) -> ELQConfig:
    """The configuration of a model that computes the same as the released scorer and pooling.

    The number of question tokens is not read from the parameters, because the released scripts always set it to 32.
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
    """The released weights with the names of :class:`elq.model.network.ELQ`. Raises ElqError like :func:`_renamed`."""
    with without_memory():
        wanted = {key: tuple(value.shape) for key, value in ELQ(config).state_dict().items()}
    names = {released_name(key): (key, shape) for key, shape in wanted.items()}
    return _renamed(weights, names, QUESTION, source)


def entity_weights(weights: Mapping[str, Array], config: ELQConfig, source: Path) -> dict[str, Array]:
    """The weights of the released entity encoder with the names of transformers. Raises ElqError like :func:`_renamed`."""
    with without_memory():
        wanted = {key: tuple(value.shape) for key, value in Encoder(config.encoder).transformer.state_dict().items()}
    return _renamed(weights, {ENTITY + key: (key, shape) for key, shape in wanted.items()}, ENTITY, source)


def _renamed(
    weights: Mapping[str, Array],
    wanted: Mapping[str, tuple[str, tuple[int, ...]]],
    prefix: str,
    source: Path,
) -> dict[str, Array]:
    """The weights with new names.

    Raises:
        ElqError: a weight is missing, has no place in the model, or has another shape; the message names some of them.
    """
    other = ENTITY if prefix == QUESTION else (QUESTION, SCORER)  # these weights are read by another call
    unread = {prefix + name for name in UNREAD}
    missing = sorted(wanted.keys() - weights.keys())
    extra = sorted(name for name in weights.keys() - wanted.keys() - unread if not name.startswith(other))
    for what, names in (("lacks", missing), ("has more weights than the configuration needs, such as", extra)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise ElqError(f"{source} {what} {', '.join(names[:3])}{more}: give the configuration of these weights")
    for name, (_, shape) in wanted.items():
        if (found := weights[name].shape) != shape:
            raise ElqError(
                f"{source} has {name} of shape {list(found)}, but the configuration asks for {list(shape)}: give the"
                " configuration that belongs to the weights"
            )
        if not np.issubdtype(weights[name].dtype, np.floating) or not np.isfinite(weights[name]).all():
            raise ElqError(f"{source} has {name} with values that are not finite numbers: download or save the file again")
    return {key: weights[name] for name, (key, _) in wanted.items()}


def bert_tokenizer(folder: str | Path, *, lowercase: bool, rows: int, entities: int = 0) -> Tokenizer:
    """Make the tokenizer of a BERT from its ``vocab.txt``.

    Args:
        folder: the folder that contains ``vocab.txt``.
        lowercase: whether to lower-case texts and remove accents.
        rows: number of rows of the word embeddings.
        entities: for entity texts, the number of tokens after which they are cut; the tag after the title is then one token.
            0 for questions, which are not cut here and have no tag.

    Raises:
        ElqError: there is no vocabulary, it has another size, or it lacks special tokens of BERT.
    """
    path = Path(folder) / "vocab.txt"
    if not path.is_file():
        raise ElqError(f"{folder} has no vocab.txt: give the folder that has config.json and vocab.txt of the encoder")
    try:
        words = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise ElqError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}): give the released vocab.txt") from None
    vocabulary = {word.removesuffix("\r"): number for number, word in enumerate(words)}
    if len(words) != rows:
        raise ElqError(f"{path} has {len(words)} words, but the weights have {rows}: give the vocab.txt that belongs to them")
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
    """Read ``entity.jsonl`` one entity at a time.

    The id of an entity is its ``kb_idx``. If that is missing or already used, it is its Wikipedia page, or else its row.

    Raises:
        ElqError: the file is missing, or a record is bad; the message has the file and the line.
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
            raise ElqError(
                f"{path}, line {line}: holds half of a character (a lone surrogate): correct or remove this character"
            )
        yield Entity(identity, title, title, text.strip())
