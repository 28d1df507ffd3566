"""Words: cuts a text into folded words, without case, accents and punctuation."""

import re
import unicodedata
from dataclasses import dataclass

WORD = re.compile(r"\w+")
LETTERS = str.maketrans(  # letters that cannot be divided into a base letter and an accent
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
)


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word, and the characters ``[start, end)`` of the original text from which it was made."""

    text: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """Cut a text into words: case-folded, without accents, and with offsets into the original text.

    Folding may make a text longer ("ß" → "ss") or shorter (a combining accent is removed), so the origin of every folded
    character is stored. A removed accent belongs to the character before it.

    >>> words("Zoë's")
    [Word(text='zoe', start=0, end=3), Word(text='s', start=4, end=5)]
    """
    if text.isascii():  # nearly all texts of a catalogue; this way is six times faster
        return [Word(match[0].lower(), *match.span()) for match in WORD.finditer(text)]
    folded: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for position, character in enumerate(text):
        pieces = _fold(character)
        if not pieces and ends:
            ends[-1] = position + 1
        folded.append(pieces)
        starts += [position] * len(pieces)
        ends += [position + 1] * len(pieces)
    found = WORD.finditer("".join(folded))
    return [Word(match[0], starts[match.start()], ends[match.end() - 1]) for match in found]


def _fold(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.category(part).startswith("M")).casefold().translate(LETTERS)


def folded(name: str) -> str:
    """The folded words of a name, with one space between them.

    >>> folded("Zoë's Café"), folded("ŁÓDŹ Ørsted Topkapı Đà Æneid Œuvre Þór Bragð")
    ('zoe s cafe', 'lodz orsted topkapi da aeneid oeuvre thor bragd')
    """
    return " ".join(WORD.findall(name.lower() if name.isascii() else _fold(name)))
