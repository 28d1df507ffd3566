"""Surface forms: the names in an entity's record, and which words can be a name."""

import re
from unicodedata import normalize

from elq.names.scripts import ALONE
from elq.types import Entity

IN_BRACKETS = re.compile(r"[\s_]+\([^()]*\)$")
QUANTITY = re.compile(  # a number with a unit of length, mass, volume or memory, or of a packet, at the end of a title
    r"(?<![\s_,])[\s_,]+(?:\d+\s?[x×]\s?)?\d+(?:[.,]\d+)?[\s-]?(?:"
    r"(?P<short>l|(?-i:g))|[mcd]l|litres?|liters?|[km]g|kilos?|[mck]m|inch|ft|oz|lbs?|mah|[kmgt]b|packs?|pcs|pieces?)$",
    re.IGNORECASE,
)
FUNCTION_WORDS = frozenset(  # "may" and "up" are none: they are a month and a famous film
    (
        "a an the and or not no if as of in on at to for from by with about there many much"
        " is are was were be been do does did has have had can could will would what which who whom whose where when why how"
        " that this these those i you he she it we they me him her us them my your his its our their"
        " am being doing having shall should might must ought cannot myself yourself himself herself itself ourselves"
        " yourselves themselves mine yours hers ours theirs someone something anyone anything everyone everything nobody"
        " nothing none each every any some such other another same both either neither several more most less least"
        " so too also very just then than thus hence here now only even again still yet ever never always often quite rather"
        " maybe perhaps but nor because since until unless while whether although though into onto upon among between through"
        " during before after above below under over within without against toward towards per via"
    ).split()
)
# Chinese and Japanese words of several characters, each of which is a word (elq/names/words.py).
UNSPACED_WORDS = frozenset(
    normalize("NFD", " ".join(word))
    for word in (
        "什么 哪里 哪儿 怎么 怎样 怎么样 为什么 多少 几个 我们 你们 他们 她们 这个 那个 这里 那里 因为 所以 但是 可以 没有 现在"
        " 时候 どこ だれ なに いつ なぜ どう どの これ それ あれ この その です ます ですか から まで こと もの"
    ).split()
)


def without_brackets(title: str) -> str:
    """The title without the text in brackets at its end.

    >>> without_brackets("Titanic (1997 film)"), without_brackets("Titanic_(1997_film)")
    ('Titanic', 'Titanic')
    """
    return IN_BRACKETS.sub("", title) if title.endswith(")") else title  # endswith is fast, and few titles have brackets


def without_quantity(title: str) -> str:
    """The title without the quantity at its end, which people rarely say; the title itself if it has none.

    A unit of one letter may also be a part of a number ("Gate 12 L"), so two words must stand before it.

    >>> [*map(without_quantity, ("Hay Milk 1 L", "Sock 2-Pack", "Apollo 11", "5 kg", "Galaxy A52 5G", "Gate 12 L"))]
    ['Hay Milk', 'Sock', 'Apollo 11', '5 kg', 'Galaxy A52 5G', 'Gate 12 L']
    """
    found = QUANTITY.search(title) if title[-1:].isalpha() else None
    if found is None or (found["short"] and len(title[: found.start()].split()) < 2):
        return title
    return title[: found.start()]


def names_of(entity: Entity) -> list[str]:
    """The names of an entity as they are written in its record, each once: title, title without brackets, label, aliases.

    The title without a quantity is a name too. A name that is a letter or a function word in lower case is given in capitals,
    since only in capitals it can be a name.

    >>> names_of(Entity("Q44578", "Titanic (1997 film)", "Titanic", aliases=("Titanic 1997", "it")))
    ['Titanic (1997 film)', 'Titanic', 'Titanic 1997', 'IT']
    """
    short = without_brackets(entity.title)
    names = (entity.title, short, entity.label, without_quantity(short), *entity.aliases)
    return list(dict.fromkeys(name.upper() if name in FUNCTION_WORDS or len(name) == 1 else name for name in names))


def is_name(key: str) -> bool:
    """Whether folded words in a text may be used as a name.

    A single letter or a single English function word may not, unless its key has capitals (elq/names/single.py). Many
    aliases in Wikidata are codes ("IN" for India, "IT" for Italy), and a possessive leaves the word "s": without this rule
    nearly every question without an entity gets a link. On webqsp_dev the rule raises precision a little (.748 to .753), and
    recall does not fall. A single character of a script without spaces and a Korean particle may not either.

    >>> is_name("the who"), is_name("who"), is_name("WHO"), is_name("c"), is_name("C")
    (True, False, True, False, True)
    """
    if not key.isascii() and (key in UNSPACED_WORDS or ALONE.fullmatch(key)):
        return False
    return key not in FUNCTION_WORDS and (len(key) > 1 or key.isupper())
