"""Marked mentions: texts in which two marker tokens stand around one mention, as token ids.

The forms are those of BLINK (Wu et al. 2020, section 4):

- context: ``[CLS] left [unused0] mention [unused1] right [SEP]``;
- entity: ``[CLS] title [unused2] description [SEP]``;
- pair, for a cross-encoder: ``[CLS] context [SEP] entity [SEP]``.

An encoder may put further tokens behind [CLS] in every text, such as those of ``query:``; they stay there.
The texts are cut into wordpieces first, and the markers are put between them. Of a context that is too long, the words nearest
to the mention are kept, as many on the left as on the right. If one side needs less, the other side gets its room.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elq.encoding.tokens import QuestionTokenizer, token_finder
from elq.errors import ElqError
from elq.tensors import TokenBatch
from elq.types import Entity

BLINK = ("[unused0]", "[unused1]", "[unused2]")  # these tokens are in the vocabularies of BERT, where nothing uses them
CHINESE = ("[ENT_S]", "[ENT_E]", "[ENT_D]")  # they are added to a vocabulary
AROUND = 4  # [CLS], two markers and [SEP]; the tokens of a prefix come on top


@dataclass(frozen=True, slots=True)
class Markers:
    """The ids of the marker tokens."""

    mention_start: int
    mention_end: int
    description: int  # between the title and the description of an entity


@dataclass(frozen=True, slots=True)
class Ends:
    """The ids of the special tokens at the start and at the end of a text."""

    start: int  # [CLS]
    end: int  # [SEP]
    prefix: tuple[int, ...] = ()  # behind [CLS], such as the tokens of "query:"

    @property
    def before(self) -> list[int]:
        """The ids at the start of a text."""
        return [self.start, *self.prefix]


@dataclass(frozen=True, slots=True)
class Rows:
    """B rows of token ids, padded to the longest of them."""

    ids: Tensor  # (B, T) int64
    attention: Tensor  # (B, T) bool, False on padding

    def to(self, target: torch.device | str) -> "Rows":
        """The same rows with their tensors on another device."""
        return Rows(self.ids.to(target), self.attention.to(target))


def kept_around(left: int, right: int, room: int) -> tuple[int, int]:
    """How many tokens of the left and of the right side are kept where there is room for ``room`` tokens.

    >>> kept_around(10, 10, 7), kept_around(1, 10, 7), kept_around(10, 1, 7), kept_around(10, 10, 1), kept_around(2, 3, 7)
    ((3, 4), (1, 6), (6, 1), (0, 1), (2, 3))
    """
    half = room // 2
    return min(left, max(half, room - right)), min(right, max(room - half, room - left))


def context_ids(
    left: Sequence[int], mention: Sequence[int], right: Sequence[int], markers: Markers, ends: Ends, length: int
) -> list[int]:
    """``[CLS] left [unused0] mention [unused1] right [SEP]``, at most ``length`` ids. A mention that is too long loses its end.

    >>> context_ids([1, 2], [5], [8, 9], Markers(70, 71, 72), Ends(80, 81), 7)
    [80, 2, 70, 5, 71, 8, 81]
    """
    room = length - AROUND - len(ends.prefix)
    mention = mention[:room]
    before, after = kept_around(len(left), len(right), room - len(mention))
    marked = [markers.mention_start, *mention, markers.mention_end]
    return [*ends.before, *left[len(left) - before :], *marked, *right[:after], ends.end]


def entity_ids(title: Sequence[int], description: Sequence[int], markers: Markers, ends: Ends, length: int) -> list[int]:
    """``[CLS] title [unused2] description [SEP]``, at most ``length`` ids. Without a description there is no marker.

    >>> entity_ids([1, 2], [5, 6, 7], Markers(70, 71, 72), Ends(80, 81), 7)
    [80, 1, 2, 72, 5, 6, 81]
    """
    text = [*title, markers.description, *description] if description else [*title]
    return [*ends.before, *text[: length - 2 - len(ends.prefix)], ends.end]


def pair_ids(context: Sequence[int], entity: Sequence[int]) -> list[int]:
    """``[CLS] context [SEP] entity [SEP]`` of ids that have special tokens. The entity begins at the place ``len(context)``.

    >>> pair_ids([80, 1, 81], [80, 5, 6, 81])
    [80, 1, 81, 5, 6, 81]
    """
    return [*context, *entity[1:]]


def padded(rows: Sequence[Sequence[int]], padding: int) -> Rows:
    """Rows of ids as tensors (B, T), padded to the longest of them.

    >>> padded([[80, 1, 81], [80, 81]], 0).ids.tolist()
    [[80, 1, 81], [80, 81, 0]]
    """
    width = max(map(len, rows), default=0)
    ids = torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows], dtype=torch.int64).view(len(rows), width)
    lengths = torch.tensor([*map(len, rows)], dtype=torch.int64)
    return Rows(ids, torch.arange(width) < lengths.unsqueeze(-1))  # both (B, T)


def chinese_entity(entity: Entity, aliases: int = 3, types: int = 3) -> str:
    """The text of an entity for the Chinese encoder: ``name; 类型: …; 别名: …``. What is unknown is left out.

    Source: the entity form of the Chinese dual tower of DAMO, whose contexts have ``[ENT_S] mention [ENT_E]``.

    >>> chinese_entity(Entity("Q90", "巴黎", "巴黎", "", ("花都", "光之城"), ("城市",)))
    '巴黎; 类型: 城市; 别名: 花都、光之城'
    """
    parts = [("类型", entity.types[:types]), ("别名", entity.aliases[:aliases])]
    return "; ".join([entity.label, *(f"{name}: {'、'.join(values)}" for name, values in parts if values)])


def with_markers(tokenizer: QuestionTokenizer, names: Sequence[str] = BLINK) -> tuple[QuestionTokenizer, Markers]:
    """A copy of a tokenizer that reads the names of the markers as one token each, and the ids of these tokens.

    A token that the vocabulary has keeps its id. The others get the next ids, for which an encoder needs rows of its own.
    """
    copy = tokenizer.with_tokens(names)
    found = [copy.id_of(name) for name in names]
    return copy, Markers(*(number for number in found if number is not None))


def ends_of(tokenizer: QuestionTokenizer) -> Ends:
    """The special tokens around every text.

    Raises:
        ElqError: there is none before the text, or not exactly one behind it.
    """
    empty = tokenizer([""]).ids[0].tolist()
    text = tokenizer(["1"]).text_mask[0].tolist()
    before = text.index(True) if True in text else 0
    if before < 1 or len(empty) != before + 1:
        raise ElqError(
            f"the tokenizer puts {len(empty)} special tokens around a text, but marked texts need one or more before the text"
            " and exactly one behind it: give an encoder of the BERT family, such as sentence-transformers/all-MiniLM-L6-v2"
        )
    return Ends(empty[0], empty[-1], tuple(empty[1:-1]))


class MarkedTexts:
    """Turns texts with marked mentions, and entity texts, into ids. Its state does not change.

    Args:
        tokenizer: a tokenizer that knows the markers, see :func:`with_markers`.
        markers: their ids.
        context_tokens: the length of the longest context, in tokens with the special tokens and the markers.
        entity_tokens: the length of the longest entity text, in tokens with the special tokens.
        plain: the tokenizer of entity texts, if these have no markers; None: the same tokenizer.
        cut: whether a token ends where a mention begins or ends. If not, a mention has all characters of its tokens. A
            Chinese text has no spaces, so a token may have the last character of a mention and the first one behind it.
    """

    def __init__(
        self,
        tokenizer: QuestionTokenizer,
        markers: Markers,
        *,
        context_tokens: int = 64,
        entity_tokens: int = 64,
        plain: QuestionTokenizer | None = None,
        cut: bool = False,
    ) -> None:
        self.tokenizer, self.markers, self.plain, self.cut = tokenizer, markers, plain or tokenizer, cut
        self.ends = ends_of(tokenizer)
        more = len(self.ends.prefix)
        for name, value, least in (("context_tokens", context_tokens, AROUND + 1), ("entity_tokens", entity_tokens, 3)):
            if type(value) is not int or value < least + more:
                raise ElqError(f"{name} is {value!r}, but must be a whole number of at least {least + more}: raise it")
        self.context_tokens, self.entity_tokens = context_tokens, entity_tokens

    def contexts(self, texts: Sequence[str], mentions: Sequence[Sequence[tuple[int, int]]]) -> list[list[int]]:
        """The ids of one context for each mention, text by text.

        Args:
            texts: B texts.
            mentions: for each text, the characters [start, end) of its mentions. The tokens that contain some of these
                characters are the mention.

        Raises:
            ElqError: a mention overlaps no token.
        """
        if self.cut:  # each mention has tokens of its own, so the other mentions of its text change nothing
            texts = [text for b, text in enumerate(texts) for _ in mentions[b]]
            mentions = [[span] for spans in mentions for span in spans]
        tokens = self.tokenizer(texts, cuts=[[*spans[0]] for spans in mentions] if self.cut else None)
        return [ids for b, text in enumerate(texts) for ids in self._contexts(tokens, b, text, mentions[b])]

    def _contexts(self, tokens: TokenBatch, b: int, text: str, mentions: Sequence[tuple[int, int]]) -> Iterator[list[int]]:
        inside = tokens.text_mask[b]
        own = len(self.ends.before)
        ids = tokens.ids[b, : int(tokens.attention[b].sum())].tolist()[own:-1]
        find = token_finder(tokens.offsets[b], inside.tolist())
        for start, end in mentions:
            if (span := find(start, end)) is None:
                raise ElqError(
                    f"the mention {text[start:end]!r} (characters {start} to {end}) overlaps no token that the model reads:"
                    " give a mention with letters or digits"
                )
            first, after = span[0] - own, span[1] - own  # ids lack the special tokens at the start
            yield context_ids(ids[:first], ids[first:after], ids[after:], self.markers, self.ends, self.context_tokens)

    def entities(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of entity texts, in which the name of a marker is one token. Longer texts are cut."""
        tokens, before = self.plain(texts), self.ends.before
        lengths = tokens.attention.sum(1).tolist()
        rows = [tokens.ids[b, :length].tolist()[len(before) : -1] for b, length in enumerate(lengths)]
        return [[*before, *row[: self.entity_tokens - 1 - len(before)], self.ends.end] for row in rows]

    def pairs(self, contexts: Sequence[Sequence[int]], entities: Sequence[Sequence[int]]) -> list[list[int]]:
        """The ids of pairs of a context and an entity, for a cross-encoder. A prefix is there once."""
        own = len(self.ends.prefix)
        return [pair_ids(context, entity[own:]) for context, entity in zip(contexts, entities, strict=True)]
