"""Names as they are said: in the script of a sentence, misspelt, and with the form that the word before them needs."""

import random
import re
import unicodedata
from collections.abc import Sequence
from string import ascii_lowercase

from elq.names.scripts import unspaced

VOWEL_FORMS = {"en": (r"\ba $", "an "), "fr": (r"\b([dD]|[qQ]u)e $", r"\1'")}


def in_script(names: Sequence[str], language: str) -> list[str]:
    """The names in the script of a language, or all names if there are none. Chinese differs from the others.

    >>> in_script(["Goethe", "歌德"], "zh"), in_script(["Goethe", "歌德"], "de"), in_script(["Goethe"], "zh")
    (['歌德'], ['Goethe'], ['Goethe'])
    """
    return [name for name in names if unspaced(name) == (language == "zh")] or [*names]


def before_name(text: str, name: str, language: str) -> str:
    """The text before a name, with the form that its last word has before a vowel: "an" in English, "d'" in French.

    >>> before_name("is it a ", "Apple", "en"), before_name("le roi de ", "Égypte", "fr"), before_name("de ", "España", "es")
    ('is it an ', "le roi d'", 'de ')
    """
    vowel = unicodedata.normalize("NFD", name)[0] in "aeiouAEIOU"
    if not vowel or language not in VOWEL_FORMS:
        return text
    return re.sub(*VOWEL_FORMS[language], text)


def misspell(name: str, draws: random.Random) -> str:
    """The name with one error after its first letter: a letter is dropped, doubled, replaced or swapped with the next one.

    >>> misspell("Philadelphia", random.Random(1))
    'Phiadelphia'
    """
    places = [place for place, letter in enumerate(name) if letter.isalpha()][1:]
    wrong = name
    while wrong in (name, "") or wrong != wrong.strip():
        place = draws.choice(places)
        before, here, after = name[:place], name[place], name[place + 1 :]
        misspellings = (after, here * 2 + after, draws.choice(ascii_lowercase) + after, after[:1] + here + after[1:])
        wrong = before + draws.choice(misspellings)
    return wrong
