"""Characters: brings the characters of a text to their plain form, and keeps their places in the text."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# Controls but no spaces, soft hyphens, joiners, direction marks, Arabic tatweel, variation selectors, byte-order marks,
# lone surrogates.
INVISIBLE = (
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u0640\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff"
)
ESCAPE = (
    r"\x1b\[[0-?]*[ -/]*[@-~](?![\u0300-\u036f])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-2AB]"  # ANSI: colours, links, …
)
HIDDEN = re.compile(f"{ESCAPE}|[{INVISIBLE}]")
MARKUP = re.compile(
    r"_|(?<!\w)[*`~]+|[*`~]+(?!\w)"
)  # stands for a space, as in barack_obama, or for italics, as in **Titanic**
TAB = re.compile(r"(?<=\S) *\t[ \t]*(?=\S)")  # between the columns of a table
ODD = re.compile(f"[^ -~]|{MARKUP.pattern}")  # a text without these is plain
TRADE = str.maketrans("™℠", "  ")  # they are no letters of the word before them
GAP = " | "
FULL_WIDTH = range(0xFF01, 0xFFEF)


@dataclass(frozen=True, slots=True)
class PlainText:
    """The plain form of a text, and for each of its characters the characters ``[start, end)`` of the text it comes from.

    ``signs`` are the places of the signs in the plain text that stand for gaps. They belong to no name.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]
    signs: frozenset[int] = frozenset()

    def origin(self, start: int, end: int) -> tuple[int, int]:
        """The characters of the original text from which the characters ``[start, end)`` of the plain text come."""
        if start < end:
            return self.starts[start], self.ends[end - 1]
        place = self.ends[end - 1] if end else 0
        return place, place


def hidden(text: str) -> frozenset[int]:
    """The places of the characters that nobody sees: invisible characters and escape sequences of terminals.

    >>> sorted(hidden("ti\\u200dtan")), sorted(hidden("\\x1b[1mtitan\\x1b[0m"))
    ([2], [0, 1, 2, 3, 9, 10, 11, 12])
    """
    if text.isascii() and text.isprintable():
        return frozenset()
    return frozenset(place for match in HIDDEN.finditer(text) for place in range(*match.span()))


def _plain(character: str) -> str:
    """The plain form of one visible character: letters without ligature and of normal width, and one kind of space."""
    if character.isspace():
        return " "
    if character.isascii() or ord(character) in TRADE:
        return character
    normal = unicodedata.normalize("NFKC", character)
    if normal.startswith(" "):  # a letter's accent that stands alone, or a wide space
        return " "
    return normal if normal.isalnum() or ord(character) in FULL_WIDTH else character


def plain(text: str, gaps: Collection[int] = (), cuts: Collection[int] = ()) -> PlainText | None:
    """The plain form of a text, or None if the text is plain already.

    Ligatures and letters of full width become ordinary letters (NFKC). Invisible characters and escape sequences are removed.
    Underscores, and the asterisks and backticks of Markdown, become spaces. A tab between words becomes " | ". So does each of
    ``gaps``, the places of spaces between names that do not belong together. A space is put before each of ``cuts``.

    >>> found = plain("\\ufb01nland_\\uff54\\uff49\\u200btan")
    >>> found.text, found.origin(0, 7), found.origin(8, 13)
    ('finland titan', (0, 6), (7, 13))
    >>> plain("who directed titanic?") is None, plain("Rome\\tParis").text, plain("Rome Paris", [4]).text
    (True, 'Rome | Paris', 'Rome | Paris')
    >>> plain("東京はどこ", cuts=[2]).text
    '東京 はどこ'
    """
    if ODD.search(text) is None and not gaps and not cuts:
        return None
    gaps = {*gaps, *(match.start() for match in TAB.finditer(text))}
    gone = hidden(text)
    marks = {place for match in MARKUP.finditer(text) for place in range(*match.span())}
    pieces, starts, ends = [], [], []
    for place, character in enumerate(text):
        if place in cuts:
            pieces.append(" ")
            starts.append(place)
            ends.append(place)
        if place not in gone:
            piece = GAP if place in gaps else " " if place in marks else _plain(character)
            pieces.append(piece)
            starts += [place] * len(piece)
            ends += [place + 1] * len(piece)
    changed = "".join(pieces)
    signs = frozenset(place for place, origin in enumerate(starts) if origin in gaps and changed[place] == GAP.strip())
    return None if changed == text else PlainText(changed, starts, ends, signs)
