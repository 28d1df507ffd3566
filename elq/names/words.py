"""Words: cuts a text into folded words, without case, accents and punctuation."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

from elq.encoding.characters import TRADE, hidden
from elq.names.function_words import FOREIGN, silent_words
from elq.names.scripts import ASCII_WORD, KEPT, WORD, particle_of
from elq.names.single import NOTHING, Piece, alone, single
from elq.names.surface import FUNCTION_WORDS

FOLDING = 3  # how names are folded: another number if stored names have to be made again
CACHED = 1_024  # texts whose words are kept, since each text of a batch is asked for several times
LONG, CACHED_LONG = 1_000, 8  # of texts with more characters fewer are kept: words take a hundred times the memory of a text
SAID = itemgetter(0)  # the word of a piece
ABBREVIATION = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}(?!\w)")  # U.S., J.R.R.
LETTERS = str.maketrans(  # letters that cannot be divided into a base letter and an accent
    {"ı": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"}
    | {"ى": "ي", "ی": "ي", "ک": "ك"}  # forms of Arabic yeh and kaf, the last two Persian
)


@dataclass(frozen=True, slots=True)
class Word:
    """A folded word, and the characters ``[start, end)`` of the original text from which it was made.

    ``alone`` is the key of the word where it is a name of its own (:func:`key_of`); it is empty where the word is none.
    """

    text: str
    start: int
    end: int
    alone: str


def words(text: str) -> tuple[Word, ...]:
    """Cut a text into words: case-folded, without accents and invisible characters, and with offsets into the original text.

    Folding may make a text longer ("ß" → "ss") or shorter (a combining accent is removed), so the origin of every folded
    character is stored. A removed accent belongs to the character before it, and the last period of "U.S." to its last letter.
    In Chinese, Japanese, Thai, Lao, Burmese and Khmer a letter with its marks is a word, since these texts have no spaces. The
    particles of a Korean word are words.

    >>> [(word.text, word.start, word.end) for word in words("_Zoë's_ U.S.")]
    [('zoe', 1, 4), ('s', 5, 6), ('u', 8, 9), ('s', 10, 12)]
    """
    return kept(text) if len(text) <= LONG else kept_long(text)


def _words(text: str) -> tuple[Word, ...]:
    found = _cut(text)
    if "." in text:
        periods = {match.end() - 1 for match in ABBREVIATION.finditer(text)}
        found = [Piece(word, start, end + (end in periods)) for word, start, end in found]
    shouted = text.isupper() and sum(piece.word.isalpha() for piece in found) > 1
    silent = silent_words([*map(SAID, found)])
    sides = zip([NOTHING, *found], found, [*found[1:], NOTHING], strict=False)
    return tuple(Word(*piece, alone(text, piece, before, after, shouted, silent)) for before, piece, after in sides)


kept, kept_long = lru_cache(CACHED)(_words), lru_cache(CACHED_LONG)(_words)  # the words of the last texts


def _cut(text: str) -> list[Piece]:
    """The folded words of a text, each with its characters [start, end)."""
    if text.isascii() and text.isprintable():  # nearly all texts of a catalogue; this way is six times faster
        return [Piece(match[0], *match.span()) for match in ASCII_WORD.finditer(text.lower())]
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    gone = hidden(text)
    for position, character in enumerate(text):
        if position in gone:
            continue
        piece = _fold(character)
        if not piece and ends:
            ends[-1] = position + 1
        pieces.append(piece)
        starts += [position] * len(piece)
        ends += [position + 1] * len(piece)
    found = WORD.finditer("".join(pieces))
    return [Piece(_ordered(match[0]), starts[match.start()], ends[match.end() - 1]) for match in found]


def _ordered(word: str) -> str:
    """The word with its marks in the order of Unicode's canonical forms."""
    return word if word.isascii() else unicodedata.normalize("NFD", word)


def borders(text: str, found: Sequence[Word]) -> tuple[frozenset[int], frozenset[int]]:
    """The places between the words of a text before which no name begins, and those at which none ends.

    A character such as "㍿" has several words, which belong together. A name does not begin with the particle of another word.

    >>> [[*sorted(places)] for places in borders("㍿", words("㍿"))], borders("a b", words("a b"))
    ([[1, 2, 3], [1, 2, 3]], (frozenset(), frozenset()))
    """
    if text.isascii():
        return frozenset(), frozenset()
    pairs = [(place, before, word) for place, (before, word) in enumerate(pairwise(found), 1)]
    shared = frozenset(place for place, before, word in pairs if word.start < before.end)
    glued = {place for place, before, word in pairs if word.start == before.end and particle_of(before.text, word.text)}
    return shared | glued, shared


def _fold(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.translate(TRADE))
    spoken = "".join(part for part in parts if part in KEPT or not unicodedata.category(part).startswith("M"))
    return spoken.casefold().translate(LETTERS)


def key_of(found: Sequence[Word]) -> str:
    """The key by which the words of a phrase are looked up as a name.

    The key of a single word is that of elq/names/single.py: "IT" is not "it", and a number that counts something has no key.

    >>> [key_of([word]) for word in words("It costs the us 300 dollars; call IT, who wrote It")]
    ['it', 'costs', 'the', 'US', '', 'dollars', 'call', 'IT', 'who', 'wrote', 'It']
    >>> [key_of([word]) for word in words("CALL IT")], key_of(words("call IT"))
    (['call', 'it'], 'call it')
    """
    return found[0].alone if len(found) == 1 else " ".join(word.text for word in found)


def as_name(text: str, start: int, end: int) -> str:
    """The characters [start, end) of a text; a word whose key depends on the words around it is written as this key.

    >>> as_name("CALL IT", 5, 7), as_name("the us army", 4, 6), as_name("the us army", 0, 11)
    ('it', 'US', 'the us army')
    """
    written = text[start:end]
    key = folded(written)
    if " " in key or not (len(key) == 1 or key.isdigit() or key.lower() in FUNCTION_WORDS or key in FOREIGN):
        return written
    return next((word.alone for word in words(text) if start < word.end and word.start < end), written)


def folded(name: str) -> str:
    """The folded words of a name, with one space between them. A single function word or letter keeps its capitals.

    >>> folded("Zoë's Café"), folded("ŁÓDŹ Ørsted Topkapı Đà Æneid Œuvre Þór Bragð")
    ('zoe s cafe', 'lodz orsted topkapi da aeneid oeuvre thor bragd')
    >>> folded("IT"), folded("It"), folded("IT Crowd"), folded("New_York"), folded("C++"), folded("C")
    ('IT', 'It', 'it crowd', 'new york', 'c++', 'C')
    """
    if name.isascii() and name.isprintable():
        found = ASCII_WORD.findall(name.lower())
    else:
        gone = hidden(name)
        plain = _fold("".join(character for place, character in enumerate(name) if place not in gone))
        found = [_ordered(word) for word in WORD.findall(plain)]
    return single(name, found[0]) if len(found) == 1 else " ".join(found)
