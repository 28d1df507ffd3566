"""Scripts: finds the script of a name, and the language that its function words show."""

import unicodedata
from collections import Counter
from functools import lru_cache

NONE = "no letters"
SCRIPTS = {  # first word of a character's Unicode name → the script, where the two differ
    "CJK": "Chinese characters",
    "HANGUL": "Korean",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "FULLWIDTH": "Latin",
    "HALFWIDTH": "Japanese",
    "MYANMAR": "Burmese",
}
# Words that stand in names of one of these languages and hardly in those of another.
LANGUAGE_WORDS = {
    "English": "the of and for with from at by on to is",
    "German": "der das und für von im zum zur ein eine auf mit bei aus",
    "French": "le les du des et au aux une sur dans l d",
    "Spanish": "el los las y al",
    "Portuguese": "da do dos em ao",
    "Italian": "il della di delle degli del dei gli nel",
    "Dutch": "het een van en voor",
    "Polish": "w na z dla",
    "Swedish": "och av på för med",
}
LANGUAGE_OF = {word: language for language, words in LANGUAGE_WORDS.items() for word in words.split()}


@lru_cache(maxsize=1 << 16)
def script_of_character(character: str) -> str:
    """The script of a character; "" if it is no letter.

    >>> script_of_character("ж"), script_of_character("京"), script_of_character("7")
    ('Cyrillic', 'Chinese characters', '')
    """
    if not character.isalpha():
        return ""
    first = unicodedata.name(character, "UNKNOWN").partition(" ")[0]
    return SCRIPTS.get(first, first.capitalize())


def script_of(name: str) -> str:
    """The script of most letters of a name. Chinese characters beside Japanese ones are Japanese.

    >>> script_of("Титаник"), script_of("東京タワー"), script_of("東京"), script_of("911")
    ('Cyrillic', 'Japanese', 'Chinese characters', 'no letters')
    """
    if name.isascii():
        return "Latin" if any(map(str.isalpha, name)) else NONE
    counts = Counter(script for character in name if (script := script_of_character(character)))
    if not counts:
        return NONE
    return "Japanese" if "Japanese" in counts and "Chinese characters" in counts else counts.most_common(1)[0][0]


def language_of(folded: str) -> str | None:
    """The language whose function words a name of several words has; None if it has none, or those of several languages.

    Args:
        folded: the folded words of the name, with one space between them.

    >>> language_of("lord of the rings"), language_of("das boot"), language_of("paris"), language_of("the van")
    ('English', 'German', None, None)
    """
    words = folded.split(" ")
    if len(words) < 2:
        return None
    found = {LANGUAGE_OF[word] for word in words if word in LANGUAGE_OF}
    return found.pop() if len(found) == 1 else None
