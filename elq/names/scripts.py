"""Scripts: what a word is in texts without spaces and in Korean, and which marks belong to a letter."""

import re
from collections.abc import Collection
from itertools import pairwise
from unicodedata import category, combining, normalize

# In Chinese, Japanese, Thai, Lao, Burmese and Khmer every letter is a word, with its marks.
UNSPACED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ebd\u0ec0-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u109d"
    "\ua9e0-\ua9fe\uaa60-\uaa7f\u1780-\u17d3\u17dc"
)
JAMO = "\u1100-\u11ff"  # the letters of Korean syllables
STACKERS = "\u1039\u17d2"  # the letter after it is written below the letter before it (Burmese, Khmer)
_BLOCKS = (*range(0x900, 0x1AB0), *range(0x1B00, 0x1CD0), 0x3099, 0x309A, *range(0xA800, 0xAC00), *range(0x11000, 0x12000))
# Vowel signs and the like: without them, it is another word. Accents, Hebrew points and Arabic vowels are not among them.
KEPT = frozenset(chr(code) for code in _BLOCKS if category(chr(code))[0] == "M" and combining(chr(code)) != 230)


def _ranges(characters: Collection[str]) -> str:
    """Characters as the ranges of a regular expression; characters that are not assigned may be among them."""
    found = sorted(map(ord, characters))
    gaps = [
        place
        for place in range(1, len(found))
        if any(category(chr(c)) != "Cn" for c in range(found[place - 1] + 1, found[place]))
    ]
    bounds = [0, *gaps, len(found)]
    return "".join(f"{chr(found[start])}-{chr(found[end - 1])}" for start, end in pairwise(bounds))


_IS_UNSPACED = re.compile(f"[{UNSPACED}{JAMO}]")
_SIGNS = _ranges([mark for mark in KEPT if _IS_UNSPACED.match(mark) or "\u3000" < mark < "\u3100"])
# Of all other scripts, and with the letters between them: fewer ranges are quicker to compile.
_MARKS = _ranges([c for c in map(chr, _BLOCKS) if (c in KEPT or c.isalnum()) and not _IS_UNSPACED.match(c)])

_SYLLABLE = "(?:[\u1100-\u1112][\u1161-\u1175][\u11a8-\u11c2]?)"
# Particles and endings of "to be", in syllables. Names are cut like texts, so that a name may end with one of them.
_PARTICLES = "은는이가을를의에서로으와과도만랑나란라고께인입니다요야죠부터까지한테게처럼보"
_PARTICLE = rf"(?:(?:{'|'.join(normalize('NFD', syllable) for syllable in _PARTICLES)})(?![\u11a8-\u11c2]))"
_KOREAN = rf"(?<=[\u1161-\u11c2]){_PARTICLE}|{_SYLLABLE}+(?!{_PARTICLE}){_SYLLABLE}|{_SYLLABLE}{{1,2}}|[{JAMO}]"

_CHARACTER = rf"[{UNSPACED}](?:[{_SIGNS}]|(?<=[{STACKERS}])[{UNSPACED}])*"
_LETTER = rf"[^\W_{UNSPACED}{JAMO}]"
_SIGNED = r"[^\W\d_](?:\+\+|#)(?!\w)"  # C++ and C#
_STRAY = f"[{_MARKS}{_SIGNS}]"  # a mark that belongs to no letter before it is a word
WORD = re.compile(rf"{_SIGNED}|{_LETTER}+(?:[{_MARKS}]{_LETTER}*)*|{_CHARACTER}|{_KOREAN}|{_STRAY}")  # in a folded text
ASCII_WORD = re.compile(rf"{_SIGNED}|[^\W_]+")  # the same for a text of ASCII characters, but quicker
ALONE = re.compile(rf"{_CHARACTER}|{_PARTICLE}")  # no name: one character, or a particle
ANY_UNSPACED = re.compile(rf"[{UNSPACED}{JAMO}\uac00-\ud7a3]")


def unspaced(text: str) -> bool:
    """Whether a text has letters of a script without spaces, or Korean ones, so that a name may be a part of a word.

    >>> unspaced("where is Tokyo"), unspaced("東京はどこ"), unspaced("서울은 어디")
    (False, True, True)
    """
    return not text.isascii() and ANY_UNSPACED.search(text) is not None


def particle_of(before: str, word: str) -> bool:
    """Whether a folded word that stands directly behind another is its Korean particle.

    >>> particle_of(normalize("NFD", "서울"), normalize("NFD", "은")), particle_of("東", "京")
    (True, False)
    """
    return "\u1100" <= before[-1] <= "\u11ff" and "\u1100" <= word[0] <= "\u11ff"
