"""Variants: other words that people say for the words of a name, as pure functions and tables of English.

They are plurals with "es" and irregular plurals, numbers in words and in digits, zeros before numbers, abbreviations, short
first names, and honorifics. They take and return folded words (elq/names/words.py).
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from elq.names.spelling import ROMAN

CACHED = 1_024  # words whose other forms are kept
HONORIFICS = frozenset("dr doctor prof professor mr mrs ms miss mx sir dame".split())
SIBILANTS = ("ches", "shes", "xes", "sses", "zzes", "zes", "ses", "oes")  # the ends of plurals with "es"


def _pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of words in a text with commas between them."""
    return [(pair.split()[0], pair.split()[1]) for pair in text.split(",")]


def _both(*pairs: Iterable[tuple[str, str]]) -> Mapping[str, tuple[str, ...]]:
    """Every word of pairs → the other words of its pairs."""
    found: dict[str, tuple[str, ...]] = {}
    for one, other in (pair for some in pairs for pair in some):
        found[one] = (*found.get(one, ()), other)
        found[other] = (*found.get(other, ()), one)
    return found


PLURALS = _both(  # irregular plurals
    _pairs(
        "mouse mice,dormouse dormice,goose geese,foot feet,tooth teeth,man men,woman women,child children,knife knives,"
        "wife wives,shelf shelves,bookshelf bookshelves,wolf wolves,half halves,thief thieves,leaf leaves,loaf loaves,"
        "scarf scarves,calf calves,elf elves,life lives"
    )
)
CARDINALS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen"
    " nineteen twenty"
).split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth"
    " sixteenth seventeenth eighteenth nineteenth twentieth"
).split()
ENDINGS = {1: "st", 2: "nd", 3: "rd"}  # of an ordinal in digits; the others end in "th"
WORDS = _both(  # a word → what people say for it beside other words of a name
    ((word, str(number)) for number, word in enumerate(CARDINALS, 1)),
    ((word, f"{number}{ENDINGS.get(number, 'th')}") for number, word in enumerate(ORDINALS, 1)),
    _pairs(
        "jr junior,sr senior,sq square,rd road,st street,st saint,ave avenue,hse house,bldg building,dept department,mt mount,"
        "ft fort,uni university,intl international,natl national,govt government,mgr manager,mgmt management,asst assistant,"
        "vol volume,ed edition,ch chapter,pt part,ep episode,rm room,lib library,lab laboratory,dev development,"
        "eng engineering,admin administration,conf conference,info information,maths mathematics,math mathematics,"
        "tv television,utd united,"
        "ctr center,ctr centre,center centre,theater theatre,catalog catalogue,org organisation,ext extension,temp temporary,"
        "quite quiet,xmas christmas,nite night,lite light,thru through"
    ),
)
FIRST_NAMES = _both(  # beside the other names of a person
    _pairs(
        "bill william,bob robert,rob robert,dick richard,rick richard,mike michael,jim james,joe joseph,tom thomas,"
        "tony anthony,dave david,dan daniel,ben benjamin,matt matthew,nick nicholas,chris christopher,steve steven,"
        "steve stephen,ed edward,ted edward,andy andrew,alex alexander,sam samuel,greg gregory,jeff jeffrey,"
        "ken kenneth,larry lawrence,pete peter,phil philip,ron ronald,tim timothy,kate katherine,kathy katherine,"
        "liz elizabeth,beth elizabeth,betty elizabeth,maggie margaret,peggy margaret,meg margaret,sue susan,"
        "jenny jennifer,jen jennifer,becky rebecca,vicky victoria,debbie deborah,patty patricia,pat patrick,"
        "jack john,harry henry,hank henry,chuck charles,charlie charles,gabe gabriel,nate nathaniel,zach zachary,"
        "fred frederick,gus augustus,max maximilian,abby abigail,ellie eleanor"
    )
)
NUMBERED = re.compile(r"(?P<letters>[a-z]*)(?P<digits>[0-9]{1,3})")
SPOKEN = {word: str(number) for number, word in enumerate(CARDINALS, 1)} | {
    roman: number for roman, number in ROMAN.items() if len(roman) > 1
}
RANKS = {word: str(number) for number, word in enumerate(ORDINALS, 1)}


@lru_cache(CACHED)
def other_words(word: str) -> tuple[str, ...]:
    """What people say for a word of a name: numbers in digits or in words, numbers with zeros or without, abbreviations.

    >>> other_words("twelve"), other_words("2nd"), other_words("02"), other_words("c7"), other_words("jr"), other_words("road")
    (('12',), ('second',), ('2', '002'), ('c07', 'c007'), ('junior',), ('rd',))
    """
    return (*WORDS.get(word, ()), *zeros(word))


def with_digits(word: str) -> tuple[str, ...]:
    """A code of letters and digits with other zeros before the number; nothing for another word.

    >>> with_digits("fp9"), with_digits("e02"), with_digits("9"), with_digits("r2d2")
    (('fp09', 'fp009'), ('e2', 'e002'), (), ())
    """
    return zeros(word) if word[:1].isalpha() else ()


def zeros(word: str) -> tuple[str, ...]:
    """A number of at most three digits, which letters may stand before, with other zeros before it.

    >>> zeros("2"), zeros("e02"), zeros("112"), zeros("drill")
    (('02', '002'), ('e2', 'e002'), (), ())
    """
    if not word[-1:].isdigit() or not (match := NUMBERED.fullmatch(word)):
        return ()
    plain = match["digits"].lstrip("0") or "0"
    found = [match["letters"] + plain.zfill(width) for width in range(len(plain), 4)]
    return tuple(other for other in found if other != word)


def other_numbers(word: str) -> tuple[str, ...]:
    """The forms of the last word of a name in the singular or plural, apart from a plain "s".

    >>> other_numbers("washes"), other_numbers("mice"), other_numbers("diaries"), other_numbers("drills"), other_numbers("fox")
    (('wash',), ('mouse',), ('diary',), (), ())
    """
    found = PLURALS.get(word, ())
    if len(word) > 4 and word.endswith(SIBILANTS):
        found = (*found, word[:-2])
    if len(word) > 4 and word.endswith("ies"):
        found = (*found, f"{word[:-3]}y")
    return found


def divided(word: str) -> tuple[str, ...]:
    """The forms of one word that people write for several: a number at its end in digits, and names such as O'Leary, McQueen.

    >>> divided("pagetwelve"), divided("harexl"), divided("oleary"), divided("macqueen"), divided("drill")
    (('page12',), ('hare40',), ('o leary',), ('mcqueen', 'mc queen'), ())
    """
    found = [word[: -len(end)] + number for end, number in SPOKEN.items() if word.endswith(end) and len(word) > len(end) + 2]
    if word.startswith("o") and len(word) > 4:
        found.append(f"o {word[1:]}")
    if word.startswith(("mac", "mc")) and len(word) > 5:
        rest = word.removeprefix("mac") if word.startswith("mac") else word.removeprefix("mc")
        found += [other for other in (f"mac{rest}", f"mc{rest}", f"mc {rest}") if other != word]
    return tuple(found)
