"""Sentences: finds where the sentences of a text end, and divides a long text into windows of whole sentences.

A model that was trained on questions links more in a sentence alone than in the same sentence within a long text.
"""

import re

SENTENCES = 1  # of a window
LONG = 250  # characters up to which a text is read as a whole; nearly all questions are shorter
ENDS = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[”’」』）]*|\n\s*\n")
WORD = re.compile(r"[^\s(\[{\"“‘'«]+\Z")
COMMA = re.compile(r"[,;、，；](?:\s+|(?=\D))")
ITEM, ITEMS = 20, 10  # a list: the most characters of its items in the mean, and the fewest items
BEHIND = 24  # characters before an end in which the word before it is looked for
WIDE = "。！？"  # they end a sentence without a blank behind them
# After these words a full stop ends no sentence: titles, parts of names, and other short forms.
SHORT_FORMS = frozenset(
    "mr mrs ms mx dr prof rev hon gov sen rep gen col lt sgt capt cpl maj cmdr adm pres st ste mt ft jr sr messrs mme fr"
    " bros inc ltd corp llc plc co dept univ assn ave blvd rd hwy pt vs etc cf ca approx viz feat vol vols ed eds"
    " op cit ph.d".split()
)
BEFORE_NUMBERS = frozenset("no nos nr p pp fig figs ch sec art jan feb mar apr jun jul aug sep sept oct nov dec".split())


def sentence_ends(text: str) -> list[int]:
    """The places behind the sentences of a text; the last is the end of the text.

    >>> text = "J. R. R. Tolkien met Dr. No in St. Louis. Who was there? the U.S. team"
    >>> [text[:end].rsplit(" ", 1)[-1] for end in sentence_ends(text)]
    ['Louis.', 'there?', 'team']
    """
    cased = any(character.isupper() for character in text)
    found = [match.end() for match in ENDS.finditer(text) if _ends(text, match, cased)]
    return found if found and not text[found[-1] :].strip() else [*found, len(text)]


def _ends(text: str, match: re.Match[str], cased: bool) -> bool:
    """Whether a mark ends a sentence.

    Args:
        text: the text.
        match: the mark, with the quotation marks and brackets behind it.
        cased: whether the text has capitals, so that a sentence begins with one.
    """
    mark, after = match[0], text[match.end() : match.end() + BEHIND].lstrip()[:1]
    if not mark.strip() or mark[0] in WIDE or mark.endswith("?"):
        return True
    if after.islower() and (cased or "." not in mark):
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    found = WORD.search(text[max(0, match.start() - BEHIND) : match.start()])
    word = found[0].casefold() if found else ""
    parts = [part for part in re.split(r"[.-]", word) if part]
    initials = bool(parts) and all(len(part) == 1 and part.isalpha() for part in parts)  # "J.", "U.S.", "J.-P."
    return not (initials or word in SHORT_FORMS or (word in BEFORE_NUMBERS and after.isdecimal()))


def is_long(text: str) -> bool:
    """Whether a text is read in several windows."""
    return len(text) > LONG and len(windows(text)) > 1


def windows(text: str, sentences: int = SENTENCES) -> list[tuple[int, int]]:
    """The windows in which a text is read, as characters [start, end): the whole text if it is not long.

    Args:
        text: the text.
        sentences: the number of sentences of a window.

    >>> text = "who wrote it? " * 20
    >>> len(text), len(windows(text)), windows(text)[1], windows(text[:100])
    (280, 20, (14, 27), [(0, 100)])
    """
    if len(text) <= LONG:
        return [(0, len(text))]
    ends = sentence_ends(text)
    chosen = [*ends[sentences - 1 : -1 : sentences], ends[-1]]
    found = []
    for start, end in zip((0, *chosen), chosen, strict=False):
        part = text[start:end]
        if part.strip():
            found += list_parts(text, start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip()))
    return found or [(0, len(text))]


def list_parts(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """The items of a window [start, end) that is long and lists many short items, with their commas. Another stays whole.

    The words around an item of a long list say nothing about it, and a model links few of so many items together.

    >>> text = "oslo, rome, lima, bern, kyiv, baku, doha, male, suva, riga, bonn, " * 5
    >>> [text[first:after] for first, after in list_parts(text, 0, len(text))][:2]
    ['oslo,', 'rome,']
    """
    cuts = [match.end() for match in COMMA.finditer(text, start, end) if match.end() < end]
    if end - start <= LONG or len(cuts) < ITEMS or end - start > ITEM * len(cuts):
        return [(start, end)]
    parts = [(at, at + len(text[at:after].rstrip())) for at, after in zip((start, *cuts), (*cuts, end), strict=True)]
    return [part for part in parts if part[0] < part[1]]
