"""Ordinary words: the words of English that are no misspelling, whatever names a catalogue has."""

import json
from functools import cache

from elq.encoding.pretrained import WEIGHTS
from elq.names.function_words import FOREIGN


@cache
def ordinary_words() -> frozenset[str]:
    """The words that the vocabulary of the general model has in one piece, and function words of other languages.

    It has the 21,745 words that are most frequent in English texts, so a word that it lacks is rare, a name, or a misspelling.

    >>> [word in ordinary_words() for word in ("novel", "train", "tethr", "peper")]
    [True, True, False, False]
    """
    vocabulary = json.loads((WEIGHTS / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return frozenset(word for word in vocabulary if word.isascii() and word.isalpha()) | FOREIGN
