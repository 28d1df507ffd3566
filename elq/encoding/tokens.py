"""Tokens: turns text into token ids and masks, and finds the characters of tokens.

File format: ``tokenizer.json`` of the tokenizers library.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from unicodedata import category

import torch
from tokenizers import AddedToken, Encoding, Tokenizer

from elq.encoding.characters import PlainText, plain
from elq.encoding.tokenizer_file import open_tokenizer, usable
from elq.tensors import TokenBatch
from elq.types import Mention

BATCH = 1024  # texts that are tokenised at once if their characters are not asked for
SPACE = "▁"  # a piece that is only a space before a word

Row = tuple[list[int], list[int], tuple[tuple[int, int], ...]]  # ids, special-token mask and offsets of the tokens of one text


class QuestionTokenizer:
    """Tokenises questions. Its state does not change, so several threads may use it.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``; its own padding and truncation are switched off, since they would be state.
        max_tokens: longer texts are cut to this number of tokens, which includes the special tokens. None keeps the whole text.
        special_text: whether special tokens count as text, without characters of their own, as in the released ELQ.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int | None = None, special_text: bool = False) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.max_tokens, self.special_text = max_tokens, special_text
        self._pad = next((i for i in map(tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)
        self._space = tokenizer.token_to_id(SPACE)

    @classmethod
    def from_file(cls, path: str | Path, *, max_tokens: int | None = None) -> "QuestionTokenizer":
        """Read ``tokenizer.json``.

        Raises:
            ElqError: the file is missing or does not contain a tokenizer.
        """
        return cls(open_tokenizer(path), max_tokens=max_tokens)

    def released(self, max_tokens: int) -> "QuestionTokenizer":
        """The same tokenizer with the behaviour of the released ELQ: texts are cut, and spans may contain [CLS] and [SEP]."""
        return QuestionTokenizer(self._tokenizer, max_tokens=max_tokens, special_text=True)

    def save(self, path: str | Path) -> None:
        """Write ``tokenizer.json``."""
        self._tokenizer.save(str(path))

    def with_tokens(self, names: Iterable[str]) -> "QuestionTokenizer":
        """A copy that reads each of some names as one token. Those that the vocabulary lacks get the next ids."""
        copy = Tokenizer.from_str(self._tokenizer.to_str())
        copy.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
        return QuestionTokenizer(copy, max_tokens=self.max_tokens, special_text=self.special_text)

    def id_of(self, token: str) -> int | None:
        """The id of a token; None if the vocabulary lacks it."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    @property
    def words(self) -> list[str]:
        """The vocabulary in the order of its ids."""
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return sorted(vocabulary, key=vocabulary.__getitem__)

    @property
    def size(self) -> int:
        """The largest id that the tokenizer can give, plus 1. Added tokens and special tokens count too."""
        return 1 + max([*self._tokenizer.get_vocab(with_added_tokens=True).values(), *self._tokenizer.encode("").ids, 0])

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, special tokens included, before it is cut and without ``gaps`` and ``cuts``."""
        return [*map(len, self._without_characters([*map(_read, texts)]))]

    def __call__(
        self,
        texts: Sequence[str],
        gaps: Sequence[Collection[int]] | None = None,
        cuts: Sequence[Collection[int]] | None = None,
    ) -> TokenBatch:
        """Tokenise B texts, padded to the longest of them.

        The encoder reads the plain form of a text (elq/encoding/characters.py).

        Args:
            texts: the texts.
            gaps: for each text, the places of spaces between names that do not belong together; none by default.
            cuts: for each text, the places at which a token must begin or end; where one of them is inside a token, the encoder
                reads a space. None by default.

        Returns:
            ids (B, T), masks (B, T), and offsets in characters of the original texts (code points, end exclusive).
        """
        forms = [*map(plain, texts)] if gaps is None else [*map(plain, texts, gaps)]
        rows = self._rows(texts, forms)
        for b, places in enumerate(cuts or ()):
            if any(start < place < end for place in places for start, end in rows[b][2]):
                form = plain(texts[b], () if gaps is None else gaps[b], places)
                (rows[b],) = self._rows(texts[b : b + 1], [form])
        width = max((len(ids) for ids, *_ in rows), default=0)

        def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
            return torch.tensor([row + [fill] * (width - len(row)) for row in rows], dtype=torch.int64).view(len(rows), width)

        ids = padded([ids for ids, *_ in rows], self._pad)
        special = padded([mask for _, mask, _ in rows], 1)
        attention = padded([[1] * len(ids) for ids, *_ in rows], 0)
        offsets = tuple(characters for *_, characters in rows)
        text = attention.bool() if self.special_text else special == 0
        blank = None
        if self._space is not None:
            blank = text & (ids == self._space)
            blank = blank if blank.any() else None
        return TokenBatch(ids, attention.bool(), text, offsets, blank=blank)  # all (B, T)

    def _without_characters(self, texts: Sequence[str]) -> Iterator[Encoding]:
        """The tokens of texts in their plain forms; they have no offsets, which is quicker."""
        for at in range(0, len(texts), BATCH):
            with usable():
                part = self._tokenizer.encode_batch_fast(texts[at : at + BATCH])
            yield from part

    def _rows(self, texts: Sequence[str], forms: Sequence[PlainText | None]) -> list[Row]:
        """The tokens of B texts, which the encoder reads in their plain forms."""
        read = [text if form is None else form.text for text, form in zip(texts, forms, strict=True)]
        with usable():
            one = len(read) == 1  # without the threads of a batch
            encodings = [self._tokenizer.encode(read[0])] if one else self._tokenizer.encode_batch(read)
        kept = (
            _kept(encoding, self.max_tokens, text, form, self._space)
            for encoding, text, form in zip(encodings, texts, forms, strict=True)
        )
        return [(ids, special, _with_marks(text, found)) for text, (ids, special, found) in zip(texts, kept, strict=True)]


def _read(text: str) -> str:
    """What the encoder reads of a text without gaps and cuts: its plain form."""
    return text if (form := plain(text)) is None else form.text


def _cut(length: int, closing: int, limit: int | None) -> list[int]:
    """The places of the tokens that are kept: the first tokens, and the special tokens at the end.

    >>> _cut(6, 1, 4)
    [0, 1, 2, 5]
    """
    if limit is None or length <= limit:
        return list(range(length))
    return [*range(limit - closing), *range(length - closing, length)]


def _closing(special: Sequence[int]) -> int:
    """The number of special tokens at the end of a text, without the first token.

    >>> _closing([1, 1, 0, 0, 1]), _closing([1, 1])
    (1, 1)
    """
    return next((count for count, mask in enumerate(reversed(special[1:])) if not mask), len(special) - 1)


def _kept(encoding: Encoding, limit: int | None, text: str, form: PlainText | None, space: int | None) -> Row:
    """The ids, the special-token mask and the characters of the tokens that are kept, in the text as the user wrote it.

    A special token, a sign for a gap, and a token that is only a space have no characters: the offsets of such a token are both
    the end of the text before it.
    """
    ids, special, found = encoding.ids, encoding.special_tokens_mask, encoding.offsets  # each access copies a list
    cut = _cut(len(ids), _closing(special), limit)
    if space is not None and not text.isascii():
        found = _composed(text if form is None else form.text, found)
    if form is not None:
        special = [1 if place[0] in form.signs else mask for mask, place in zip(special, found, strict=True)]
        found = [form.origin(*place) for place in found]
    offsets, end = [], 0
    for t in cut:
        offsets.append((end, end) if special[t] or ids[t] == space else found[t])
        end = offsets[-1][1]
    return [ids[t] for t in cut], [special[t] for t in cut], tuple(offsets)


def _composed(text: str, offsets: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Offsets in which a token also has the characters after it that became one letter with the letter before them.

    >>> _composed("cafe\u0301 au", [(0, 4), (6, 8)])
    [(0, 5), (6, 8)]
    """
    made, limit = [], len(text)
    for start, end in reversed(offsets):
        longer = end
        while start < end and longer < limit and not (text[longer].isspace() or text[longer] == SPACE):
            longer += 1
        made.append((start, longer))
        limit = start if start < end else limit
    return made[::-1]


def _with_marks(text: str, offsets: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """The characters of the tokens with the marks behind them, which many tokenizers remove.

    >>> _with_marks("le\u0301a\u0301", [(0, 0), (0, 2), (3, 4), (4, 4)])
    ((0, 0), (0, 3), (3, 5), (5, 5))
    """
    if text.isascii():
        return tuple(offsets)
    starts, found = [*(start for start, end in offsets if start < end), len(text)], list[tuple[int, int]]()
    reached, place = 0, 0
    for start, end in offsets:
        place += start < end
        while start < end < max(end, starts[place]) and category(text[end])[0] == "M":
            end += 1
        reached = max(reached, end)
        found.append((start, end) if start < end else (reached, reached))
    return tuple(found)


def token_span(mention: Mention, offsets: Sequence[tuple[int, int]], text_mask: Sequence[bool]) -> tuple[int, int] | None:
    """The tokens [start, end) that contain characters of a mention; None if there are none (it was cut off, or is only spaces).

    >>> token_span(Mention(4, 9, "Q1"), [(0, 0), (0, 3), (4, 7), (7, 9), (0, 0)], [False, True, True, True, False])
    (2, 4)
    """
    return token_finder(offsets, text_mask)(mention.start, mention.end)


def token_finder(offsets: Sequence[tuple[int, int]], text_mask: Sequence[bool]) -> Callable[[int, int], tuple[int, int] | None]:
    """:func:`token_span` for many spans of one text: returns a function that takes the characters [start, end) of a span.

    >>> find = token_finder([(0, 0), (0, 3), (4, 7), (7, 9), (0, 0)], [False, True, True, True, False])
    >>> find(4, 9), find(3, 4)
    ((2, 4), None)
    """
    places = [t for t, ((start, end), inside) in enumerate(zip(offsets, text_mask, strict=False)) if inside and start < end]
    starts, ends = ([offsets[t][side] for t in places] for side in (0, 1))  # both ascend, as tokens do

    def find(start: int, end: int) -> tuple[int, int] | None:
        first, after = bisect_right(ends, start), bisect_left(starts, end)
        return (places[first], places[after - 1] + 1) if first < after else None

    return find
