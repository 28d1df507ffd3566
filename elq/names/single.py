"""Single words: decides from their capitals and their neighbours which function words, letters and numbers are names."""

import re
from typing import NamedTuple

from elq.names.surface import FUNCTION_WORDS

LETTER = re.compile(r"(?<![^\s(\[{\"“‘*_`])[A-Z](?![^\s)\]}\"”’',;:!?*_`.]|\.\s*\S)")  # it stands alone, and is no initial
WITHIN = frozenset(" '\"“‘(_*`")  # characters between two words of one sentence
PRONOUNS = frozenset("you he she it we they me him her us them".split())
COUNTED = frozenset(  # after a number, these words say that the number counts something
    "dollar dollars euro euros pound pounds cent cents percent hundred thousand million billion people men women children times"
    " year years month months week weeks day days hour hours minute minutes second seconds mile miles km kilometers kilometres"
    " meter meters metre metres feet foot inches kg kilos grams degrees points".split()
)


class Piece(NamedTuple):
    """A folded word, and the characters [start, end) of the text from which it was made."""

    word: str
    start: int
    end: int


NOTHING = Piece("", 0, 0)


def single(written: str, word: str) -> str:
    """The key of a name of one word. A function word keeps its capitals, and a letter too; other words are folded.

    >>> single("IT", "it"), single("It", "it"), single("it", "it"), single("C", "c"), single("I", "i"), single("NASA", "nasa")
    ('IT', 'It', 'it', 'C', 'i', 'nasa')
    """
    letter = len(word) == 1 and word.isascii()
    if word in ("a", "i") or not (letter or word in FUNCTION_WORDS):
        return word
    return word.upper() if written.isupper() else word.capitalize() if written.istitle() and not letter else word


def alone(text: str, piece: Piece, before: Piece, after: Piece, shouted: bool, silent: frozenset[str] = frozenset()) -> str:
    """The key of a word of a text as a name of its own.

    - A number that counts something has no key: "300 dollars".
    - A function word keeps its capitals where they say something: all letters are capitals in a text that has others, or the
      first letter is one after a word in lower case of the same sentence ("who wrote It", but not "It rains").
    - A pronoun after "the" gets capitals: "the us".
    - A letter keeps its capital where it stands alone and is no initial.
    - A function word of another language has no key in a text of this language, unless its capitals say something.

    Args:
        text: the text of the word.
        piece: the word.
        before: the word before it; it is empty if there is none.
        after: the word after it; it is empty if there is none.
        shouted: whether the whole text is in capitals, so that they say nothing.
        silent: the words that are function words in the language of the text (elq/names/function_words.py).
    """
    word, start, end = piece
    if word.isdigit():
        counts = after.word in COUNTED or text[end : end + 1] == "%" or (start > 0 and text[start - 1] in "$€£¥")
        return "" if counts else word
    if len(word) > 1 and word not in FUNCTION_WORDS:
        return "" if word in silent and not _is_title(text, piece, before, shouted) else word
    if before.word == "the" and word in PRONOUNS:
        return word.upper()
    if shouted or (len(word) == 1 and not LETTER.match(text, start)):
        return word
    written = text[start:end]
    return single(written, word) if _within(text, piece, before) or written.isupper() else word


def _within(text: str, piece: Piece, before: Piece) -> bool:
    """Whether a word stands behind a word in lower case of the same sentence, so that a capital says something."""
    return text[before.start : before.end].islower() and WITHIN.issuperset(text[before.end : piece.start])


def _is_title(text: str, piece: Piece, before: Piece, shouted: bool) -> bool:
    """Whether the capitals of a word of another language say that it is a name: "wer schrieb Es", "LA", but not "Die Stadt"."""
    written = text[piece.start : piece.end]
    return not shouted and (written.isupper() or (written[:1].isupper() and _within(text, piece, before)))
