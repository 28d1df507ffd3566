"""What the spellings of one name have in common: pure functions on folded names (elq/dictionary.py)."""

ROMAN = {word: str(number) for number, word in enumerate("i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi".split(), 1)}
NUMBERS = {
    word: str(number)
    for words in ("one two three four five six seven eight nine ten", "first second third fourth fifth sixth seventh eighth")
    for number, word in enumerate(words.split(), 1)
}
UNSPOKEN = frozenset({"the", "and", "s"})  # left out or put in as one likes: "&" is no word, and the possessive leaves an s
JOINING = frozenset("a an and at by for from in of on s the to with".split())
ADJECTIVES = ("ese", "ian", "ean", "an", "n", "ish", "ic", "ist", "i", "er")
PLACES = ("", *"a e o y en ey and ain ism es".split())  # Japan, Canada, Europe, Mexico, Italy, Sweden, Turkey, …
IRREGULAR = {  # adjectives and peoples whose endings do not tell the place
    people: place
    for place, peoples in {
        "afghanistan": "afghan",
        "argentina": "argentine",
        "australia": "aussie",
        "cyprus": "cypriot",
        "czech republic": "czech",
        "denmark": "danish dane",
        "finland": "finnish finn",
        "france": "french",
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
        "spain": "spanish spaniard",
        "switzerland": "swiss",
        "thailand": "thai",
        "united kingdom": "british briton brit",
        "wales": "welsh",
    }.items()
    for people in peoples.split()
}


def singular(word: str) -> str:
    """A word without its plural ending.

    >>> singular("awards"), singular("diaries"), singular("express"), singular("us")
    ('award', 'diary', 'express', 'us')
    """
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def spelling(key: str) -> str:
    """The form that spellings of one name share: no article, "and", possessive, plural or space, digits for numbers.

    >>> spelling("j r r tolkien s"), spelling("the jrr tolkien"), spelling("final fantasy vii"), spelling("academy awards")
    ('jrrtolkien', 'jrrtolkien', 'finalfantasy7', 'academyaward')
    >>> spelling("percy jackson the olympians"), spelling("formula one")
    ('percyjacksonolympian', 'formula1')
    """
    words = key.split()
    if len(words) > 1:
        words = [NUMBERS.get(word, word) for word in words if word not in UNSPOKEN] or words
    last = ROMAN.get(words[-1], words[-1]) if len(words) > 1 else words[-1]
    return "".join([*words[:-1], singular(last)])


def reordered(key: str) -> str:
    """The words of a name in the order of the alphabet, without joining words and plural; "" for fewer than two.

    >>> reordered("president of the us"), reordered("u s presidents"), reordered("the king")
    ('president us', 'president us', '')
    """
    words: list[str] = []
    letters = False
    for word in key.split():
        if len(word) == 1 and letters:
            words[-1] += word
        else:
            words.append(word)
        letters = len(word) == 1
    words = sorted(singular(word) for word in words if word not in JOINING)
    return " ".join(words) if len(words) > 1 else ""


def initials(key: str, silent: frozenset[str]) -> list[str]:
    """The abbreviations of a name of several words, without and with its function words.

    >>> initials("a song of ice and fire", frozenset({"a", "of", "and"}))
    ['sif', 'asoiaf']
    """
    words = key.split()
    spoken = [word[0] for word in words if word not in silent]
    return list(dict.fromkeys("".join(some) for some in (spoken, [word[0] for word in words]) if len(some) > 1))


def roots(key: str) -> list[str]:
    """What an adjective or a people's name may come from.

    >>> {"japan", "mexico", "catholicism"} <= {*roots("japanese"), *roots("mexicans"), *roots("catholics")}
    True
    >>> "costa rica" in roots("costa ricans"), roots("british")[0]
    (True, 'united kingdom')
    """
    before, space, word = key.rpartition(" ")
    word = word[:-1] if word.endswith("s") else word
    stems = [word, *(word.removesuffix(ending) for ending in ADJECTIVES if word.endswith(ending))]
    made = [before + space + stem + ending for stem in stems if len(stem) > 2 for ending in PLACES]
    irregular = [] if before else [IRREGULAR[form] for form in (key, word) if form in IRREGULAR]
    return list(dict.fromkeys([*irregular, *made]))
