"""Lengths of names: finds the names that have more tokens than other mentions can have."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING

from elq.encoding.characters import plain
from elq.encoding.pretrained import GENERAL, resolve_encoder
from elq.encoding.tokenizer_file import open_tokenizer, usable
from elq.names.surface import names_of
from elq.types import Entity

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)

SPAN_TOKENS = 10  # L, the largest number of tokens of a mention that is no name, if model.max_span_tokens is the usual one
BATCH = 4096  # entities whose labels are cut into tokens together


def surely_short(name: str) -> bool:
    """Whether the characters of a name already say that it has at most L tokens: in ASCII each token has at least one.

    >>> surely_short("Titanic"), surely_short("Donaudampfschiff"), surely_short("서울대학교")
    (True, False, False)
    """
    return len(name) <= SPAN_TOKENS and name.isascii()


class Lengths:
    """Finds the names that have more than L tokens: only a whole name, or another spelling of it, is then a mention.

    Args:
        encoder: the encoder whose tokens are counted, as :func:`elq.encoding.pretrained.resolve_encoder` takes it. Its
            tokenizer is read when it is needed first.

    Raises:
        ElqError: when it is needed, the encoder cannot be found, or its tokenizer.json cannot be used.
    """

    def __init__(self, encoder: str = GENERAL) -> None:
        self.encoder = encoder

    def too_long(self, names: Sequence[str]) -> list[bool]:
        """For each name whether it has more than L tokens.

        >>> Lengths().too_long(["Titanic", "The Lord of the Rings", "XK-2938-AB-1234-77"])
        [False, False, True]
        """
        unsure = [place for place, name in enumerate(names) if not surely_short(name)]
        found = [False] * len(names)
        if unsure:
            read = [names[place] if (form := plain(names[place])) is None else form.text for place in unsure]
            tokenizer = self._tokenizer  # a file that cannot be read has its own sentence
            with usable():
                cut = tokenizer.encode_batch_fast(read, add_special_tokens=False)
            for place, tokens in zip(unsure, cut, strict=True):
                found[place] = len(tokens) > SPAN_TOKENS
        return found

    def watched(self, entities: Iterable[Entity]) -> Iterator[Entity]:
        """Yield the entities. At the end, the log says how many of them have only names that are too long."""
        count, example, unsure = 0, "", list[Entity]()

        def look() -> None:
            nonlocal count, example
            labels = self.too_long([entity.label for entity in unsure])
            for one in compress(unsure, labels):
                if all(self.too_long(names_of(one))):
                    count, example = count + 1, example or f"{one.title!r} of {one.id}"
            unsure.clear()

        for entity in entities:
            yield entity
            if not surely_short(entity.label):
                unsure.append(entity)
            if len(unsure) == BATCH:
                look()
        look()
        if count:
            log.info(
                "entities that have only names of more than %d tokens: %s, such as %s: a mention of so many tokens is"
                " found only if it is a whole name, and only by a model that was trained with model.names=true: give each of"
                " these entities a shorter alias too",
                *(SPAN_TOKENS, f"{count:,}", example),
            )

    @cached_property
    def _tokenizer(self) -> "Tokenizer":
        return open_tokenizer(resolve_encoder(self.encoder) / "tokenizer.json")
