"""Spelling: pure functions that map the spellings of a name to one form.

They take and return folded names (elq/names/words.py).
"""

from itertools import pairwise

from elq.names.scripts import unspaced

ROMAN = {  # 1 to 49
    tens + ones: str(10 * ten + one)
    for ten, tens in enumerate(("", "x", "xx", "xxx", "xl"))
    for one, ones in enumerate(("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix"))
    if ten or one
}
NUMBERS = {word: str(number) for number, word in enumerate("one two three four five six seven eight nine ten".split(), 1)}
COUNTED = frozenset(
    {*ROMAN, *NUMBERS}
    | {f"{few}teen{th}" for few in "thir four fif six seven eigh nine".split() for th in ("", "th")}
    | {f"{few}t{ending}" for few in "twen thir for fif six seven eigh nine".split() for ending in ("y", "ieth")}
)
UNSPOKEN = frozenset({"the", "and", "s"})  # words that people add or omit; "&" is not a word, and a possessive leaves an "s"
JOINING = frozenset({*UNSPOKEN, *"at by for from in of on to with".split()})
ADJECTIVES = ("ese", "ian", "ean", "an", "n", "ish", "ic", "ist", "i")
PLACES = ("", *"a e o y en ey and ain ism es".split())  # Japan, Canada, Europe, Mexico, Italy, Sweden, Turkey, …
IRREGULAR = {  # adjectives and names of peoples from which no rule makes the name of the place
    people: place
    for place, peoples in {
        "afghanistan": "afghan",
        "argentina": "argentine",
        "australia": "aussie",
        "belgium": "belgian",
        "cyprus": "cypriot",
        "czech republic": "czech",
        "denmark": "danish dane",
        "finland": "finnish finn",
        "france": "french",
        "greece": "greek",
        "ireland": "irish",
        "lebanon": "lebanese",
        "monaco": "monegasque",
        "netherlands": "dutch",
        "norway": "norwegian",
        "peru": "peruvian",
        "philippines": "filipino",
        "portugal": "portuguese",
        "saudi arabia": "saudi",
        "scotland": "scottish scot",
        "slovakia": "slovak",
        "spain": "spanish spaniard",
        "sweden": "swede",
        "switzerland": "swiss",
        "thailand": "thai",
        "united kingdom": "british briton brit",
        "wales": "welsh",
    }.items()
    for people in peoples.split()
}


def numbers_in(key: str) -> set[str]:
    """The words of a name that have digits.

    >>> sorted(numbers_in("skf 6205 2z bearing"))
    ['2z', '6205']
    """
    return {word for word in key.split() if any(map(str.isdigit, word))}


def singular(name: str) -> str:
    """The word or name without the "s" of a plural.

    >>> singular("golden globes"), singular("express"), singular("us")
    ('golden globe', 'express', 'us')
    """
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.endswith("ss") else name


def stem(word: str) -> str:
    """A form that a word and its plural share.

    >>> stem("awards"), stem("diaries"), stem("express"), stem("us")
    ('award', 'diary', 'express', 'us')
    """
    return f"{word[:-3]}y" if len(word) > 4 and word.endswith("ies") else singular(word)


def spelling(key: str) -> str:
    """A form that all spellings of a name share.

    It has no spaces, no "the", no "and" and no possessive "s". The last word is singular; if it follows other words and is a
    number word or a Roman number, it is written in digits.

    >>> spelling("j r r tolkien s"), spelling("the jrr tolkien"), spelling("final fantasy vii"), spelling("academy awards")
    ('jrrtolkien', 'jrrtolkien', 'finalfantasy7', 'academyaward')
    >>> spelling("percy jackson the olympians"), spelling("formula one"), spelling("the one"), spelling("c s lewis")
    ('percyjacksonolympian', 'formula1', 'one', 'cslewi')
    """
    words = key.lower().split()  # the key of a code has capitals: "US" is another spelling of "u s"
    spoken = [word for before, word in pairwise(["", *words]) if word not in UNSPOKEN or (word == "s" and len(before) == 1)]
    *before, last = spoken or words or [""]
    return "".join([*before, stem(ROMAN.get(last) or NUMBERS.get(last) or last if before else last)])


def words_of(key: str) -> int:
    """The number of words of a name without those that people add or omit, but at least 1.

    >>> words_of("the drift"), words_of("newton s"), words_of("drift cruiser"), words_of("the the")
    (1, 1, 2, 1)
    """
    return max(1, sum(word not in UNSPOKEN for word in key.split()))


def reordered(key: str) -> str:
    """The words of a name in alphabetical order, in the singular and without joining words; adjacent letters become one word.

    The result is "" for fewer than two words, and if a word is a number, since the order of numbers has a meaning. It is
    also "" in scripts without spaces, in which other words have the same letters in another order.

    >>> reordered("president of the us"), reordered("u s presidents"), reordered("the king"), reordered("season 1 episode 2")
    ('president us', 'president us', '', '')
    """
    if unspaced(key):
        return ""
    words: list[str] = []
    letters = False
    for word in key.split():
        if len(word) == 1 and letters:
            words[-1] += word
        else:
            words.append(word)
        letters = len(word) == 1
    words = sorted(stem(word) for word in words if word not in JOINING)
    return " ".join(words) if len(words) > 1 and all(map(str.isalpha, words)) and COUNTED.isdisjoint(words) else ""


def initials(key: str, silent: frozenset[str]) -> list[str]:
    """The initials of a name of several words, without and with its function words.

    >>> initials("a song of ice and fire", frozenset({"a", "of", "and"}))
    ['sif', 'asoiaf']
    """
    words = key.split()
    spoken = [word[0] for word in words if word not in silent]
    return list(dict.fromkeys("".join(some) for some in (spoken, [word[0] for word in words]) if len(some) > 1))


def roots(key: str) -> list[str]:
    """The names from which an adjective or the name of a people may be made.

    >>> {"japan", "mexico", "catholicism"} <= {*roots("japanese"), *roots("mexicans"), *roots("catholics")}
    True
    >>> "costa rica" in roots("costa ricans"), roots("british")[0]
    (True, 'united kingdom')
    """
    before, space, word = key.rpartition(" ")
    if word in ROMAN:
        return []
    word = word[:-1] if word.endswith("s") else word
    stems = [word, *(word.removesuffix(ending) for ending in ADJECTIVES if word.endswith(ending))]
    made = [before + space + stem + ending for stem in stems if len(stem) > 2 for ending in PLACES]
    irregular = [] if before else [IRREGULAR[form] for form in (key, word) if form in IRREGULAR]
    return list(dict.fromkeys([*irregular, *made]))
