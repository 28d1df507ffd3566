"""The cross-encoder: reads a marked mention and the text of one entity together, and gives the entity a score.

A mention and its K candidates are K pairs ``[CLS] context [SEP] entity [SEP]`` (elq/encoding/marked.py). A softmax over the K
scores says which of them the mention means. Source: BLINK (Wu et al., EMNLP 2020, section 4.2).

File format of a saved cross-encoder: ``config.json`` (:class:`CrossConfig`), ``model.safetensors`` and ``tokenizer.json``.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from elq.encoding.added_words import with_words
from elq.encoding.marked import MarkedTexts, Markers, padded, pair_ids, with_markers
from elq.encoding.packed import load_weights
from elq.encoding.pretrained import load_tokenizer
from elq.encoding.tokens import QuestionTokenizer
from elq.encoding.transformer import Encoder, without_memory
from elq.entities.texts import EntityText
from elq.errors import ElqError
from elq.files import write_json
from elq.model.cross_config import CrossConfig, CrossSettings, read_cross_config
from elq.model.network import refuse_others, save_weights
from elq.types import Entity

WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs of a context and an entity text, padded to the longest of them."""

    ids: Tensor  # (P, T) int64
    attention: Tensor  # (P, T) bool, False on padding
    types: Tensor  # (P, T) int64, 1 on the entity text and on the padding behind it

    def to(self, target: torch.device | str) -> "Pairs":
        """The same pairs with their tensors on another device."""
        return Pairs(self.ids.to(target), self.attention.to(target), self.types.to(target))


def pairs_of(contexts: Sequence[Sequence[int]], entities: Sequence[Sequence[int]], padding: int) -> Pairs:
    """Pairs of contexts and entity texts whose ids have special tokens, one entity for each context.

    >>> pairs_of([[80, 1, 81]], [[80, 5, 6, 81]], 0)
    Pairs(ids=tensor([[80,  1, 81,  5,  6, 81]]), attention=tensor([[True, True, True, True, True, True]]), \
types=tensor([[0, 0, 0, 1, 1, 1]]))
    """
    rows = padded([pair_ids(context, entity) for context, entity in zip(contexts, entities, strict=True)], padding)
    starts = torch.tensor([*map(len, contexts)], dtype=torch.int64).unsqueeze(-1)  # (P, 1)
    types = (torch.arange(rows.ids.shape[1]) >= starts).long()  # (P, T)
    return Pairs(rows.ids, rows.attention, types)


class CrossEncoder(nn.Module):
    """The network: an encoder, and a linear map of the vector of [CLS] to one score.

    Args:
        config: the configuration.
        trained: whether it will be trained. If not, most encoders need no transformers, whose import takes seconds.
    """

    def __init__(self, config: CrossConfig, *, trained: bool = True) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.encoder, trained=trained)
        if (longest := config.context_tokens + config.entity_tokens - 1) > self.encoder.max_tokens:
            raise ElqError(
                f"context_tokens and entity_tokens make pairs of {longest} tokens, but the encoder takes"
                f" {self.encoder.max_tokens}: lower one of them"
            )
        self.head = nn.Linear(self.encoder.width, 1)

    @classmethod
    def from_encoder(cls, name: str | Path, **settings: Any) -> tuple["CrossEncoder", QuestionTokenizer]:
        """A network with the weights of an encoder and a new head, and the tokenizer with the markers.

        Args:
            name: folder or name of an encoder, or a model folder, whose encoder is taken.
            settings: fields of :class:`CrossSettings`.

        Raises:
            ElqError: there is no such encoder, or it takes no pairs of this length.
        """
        tokenizer, _ = with_markers(load_tokenizer(name))
        encoder = with_words(Encoder.from_pretrained(name), tokenizer.size)  # a vocabulary may lack the markers
        network = cls(CrossConfig(encoder=encoder.config, **settings))
        network.encoder.load_state_dict(encoder.state_dict())
        return network, tokenizer

    def forward(self, pairs: Pairs) -> Tensor:
        """The scores (P,) fp32 of P pairs."""
        hidden = self.encoder(pairs.ids, pairs.attention, pairs.types)  # (P, T, D)
        with torch.autocast(hidden.device.type, enabled=False):  # in fp32, even in a training in bf16
            scores: Tensor = self.head(hidden[:, 0]).squeeze(-1)  # (P,)
        return scores

    def candidate_scores(self, pairs: Pairs, there: Tensor) -> Tensor:
        """The scores (Q, K) of the candidates of Q mentions.

        Args:
            pairs: the pairs of all candidates, mention by mention.
            there: (Q, K) bool, whether there is a candidate. Where there is none, the score is −inf.
        """
        scores = torch.full(there.shape, -torch.inf, device=pairs.ids.device)  # (Q, K)
        return scores.masked_scatter(there.to(scores.device), self.forward(pairs))  # (Q, K)

    def save_pretrained(self, folder: str | Path, tokenizer: QuestionTokenizer) -> None:
        """Write the files into an existing folder."""
        folder = Path(folder)
        write_json(folder / "config.json", asdict(self.config))
        save_weights(folder / WEIGHTS, {key: value.detach().cpu().numpy() for key, value in self.state_dict().items()})
        tokenizer.save(folder / "tokenizer.json")

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, trained: bool = False) -> "CrossEncoder":
        """Read a network from the files that :meth:`save_pretrained` wrote.

        Raises:
            ElqError: a file is missing or unreadable, or the folder is no cross-encoder.
        """
        from safetensors import SafetensorError

        folder = Path(folder)
        file, config = folder / WEIGHTS, read_cross_config(folder)
        try:
            weights = {key: value.float() for key, value in load_weights(file).items()}
        except (OSError, SafetensorError) as error:
            raise ElqError(
                f"{file} cannot be read ({error}): put a whole copy of the file in its place, or train the cross-encoder again"
            ) from None
        try:
            with without_memory():
                network = cls(config, trained=trained)
            refuse_others(weights, {key: value.shape for key, value in network.state_dict().items()}, file)
            if not network.encoder.is_plain:
                network = cls(config, trained=trained)
        except ElqError:
            raise
        except Exception as error:  # transformers and torch raise many kinds of errors for a bad value
            reason = " ".join(str(error).split())[:200]
            raise ElqError(
                f"{folder / 'config.json'} describes no cross-encoder that can be built ({type(error).__name__}: {reason}): put"
                " a whole copy of the file in its place, or train the cross-encoder again"
            ) from None
        network.load_state_dict(weights, assign=network.encoder.is_plain)
        return network.eval()


class PairTexts:
    """Makes the pairs of a cross-encoder. Its state does not change.

    Args:
        tokenizer: the tokenizer of the cross-encoder, which knows the markers.
        settings: the settings of the cross-encoder.

    Raises:
        ElqError: the tokenizer puts a prefix before every text.
    """

    def __init__(self, tokenizer: QuestionTokenizer, settings: CrossSettings) -> None:
        copy, markers = with_markers(tokenizer)
        self.marked = MarkedTexts(copy, markers, context_tokens=settings.context_tokens, entity_tokens=settings.entity_tokens)
        if self.marked.ends.prefix:
            raise ElqError(
                "the encoder of a cross-encoder has a prefix before every text, but a cross-encoder reads two texts as one:"
                " give as model.encoder one without a prefix, such as sentence-transformers/all-MiniLM-L6-v2"
            )
        self.text = EntityText(fields=tuple(settings.entity_fields), separator=f" {_name(copy, markers)} ")

    def contexts(self, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> list[list[int]]:
        """The ids of one context for each mention, text by text; ``mentions`` are characters [start, end) of each text."""
        return self.marked.contexts(texts, mentions)

    def entities(self, records: Sequence[Entity]) -> list[list[int]]:
        """The ids of the texts of entities: title, aliases, a marker, description."""
        return self.marked.entities([self.text(record) for record in records])


def _name(tokenizer: QuestionTokenizer, markers: Markers) -> str:
    return tokenizer.words[markers.description]
