"""Text to tokens and back: ids, masks, and the characters each token came from.

File format: ``tokenizer.json`` of the tokenizers library.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from elq.errors import ElqError
from elq.types import Mention, TokenBatch

SURROGATES = re.compile("[\ud800-\udfff]")


class QuestionTokenizer:
    """Tokenises questions without ever padding or cutting them itself, so it may be shared between threads.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``; its own padding and truncation are switched off.
        max_tokens: longer text is cut there, special tokens included; None keeps all of it.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_tokens: int | None = None) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self._pad = next((i for i in map(tokenizer.token_to_id, ("[PAD]", "<pad>")) if i is not None), 0)

    @classmethod
    def from_file(cls, path: str | Path, *, max_tokens: int | None = None) -> "QuestionTokenizer":
        """Read ``tokenizer.json``.

        Raises:
            ElqError: the file is missing or is not a tokenizer.
        """
        try:
            return cls(Tokenizer.from_file(str(path)), max_tokens=max_tokens)
        except Exception as error:  # the tokenizers library raises bare Exception
            raise ElqError(f"{path} is not a readable tokenizer.json ({error}): give a folder that has one") from None

    def save(self, path: str | Path) -> None:
        """Write ``tokenizer.json``."""
        self._tokenizer.save(str(path))

    @property
    def size(self) -> int:
        """One more than the largest id it gives: of the vocabulary, the added tokens, and those around every text."""
        return 1 + max([*self._tokenizer.get_vocab(with_added_tokens=True).values(), *self._tokenizer.encode("").ids, 0])

    def __call__(self, texts: Sequence[str]) -> TokenBatch:
        """Tokenise B texts, padded to the longest of them.

        Returns:
            ids (B, T), masks (B, T), and offsets in characters of the texts as given (code points, end exclusive).
        """
        # A lone surrogate cannot be encoded; one replacement character in its place keeps every offset right.
        try:
            encodings = self._tokenizer.encode_batch([SURROGATES.sub("\ufffd", text) for text in texts])
        except Exception as error:  # of the tokenizers library, where tokenizer.json contradicts itself
            raise ElqError(f"the tokenizer cannot be used ({error}): give a folder with a whole tokenizer.json") from None
        cuts = [_cut(len(e.ids), sum(e.special_tokens_mask[1:]), self.max_tokens) for e in encodings]
        width = max(map(len, cuts), default=0)

        def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
            return torch.tensor([row + [fill] * (width - len(row)) for row in rows], dtype=torch.int64).view(len(rows), width)

        ids = padded([[e.ids[t] for t in cut] for e, cut in zip(encodings, cuts, strict=True)], self._pad)
        special = padded([[e.special_tokens_mask[t] for t in cut] for e, cut in zip(encodings, cuts, strict=True)], 1)
        attention = padded([[1] * len(cut) for cut in cuts], 0)
        offsets = tuple(tuple(e.offsets[t] for t in cut) for e, cut in zip(encodings, cuts, strict=True))
        return TokenBatch(ids, attention.bool(), special == 0, offsets)  # all (B, T)


def _cut(length: int, closing: int, limit: int | None) -> list[int]:
    """Which tokens stay: the first of the text, and the closing special tokens.

    >>> _cut(6, 1, 4)
    [0, 1, 2, 5]
    """
    if limit is None or length <= limit:
        return list(range(length))
    return [*range(limit - closing), *range(length - closing, length)]


def token_span(mention: Mention, offsets: Sequence[tuple[int, int]], text_mask: Sequence[bool]) -> tuple[int, int] | None:
    """The tokens [start, end) that a mention's characters touch, or None if there are none (cut off, or only spaces).

    >>> token_span(Mention(4, 9, "Q1"), [(0, 0), (0, 3), (4, 7), (7, 9), (0, 0)], [False, True, True, True, False])
    (2, 4)
    """
    touched = [
        t
        for t, ((start, end), inside) in enumerate(zip(offsets, text_mask, strict=False))
        if inside and start < mention.end and end > mention.start
    ]
    return (touched[0], touched[-1] + 1) if touched else None
