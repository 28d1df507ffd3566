"""Tests of further names: they equal a slow look at every name, and take nothing from words that match in a usual way."""

import functools
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.names.dictionary import Dictionary
from elq.names.ordinary import ordinary_words
from elq.names.spelling import COUNTED
from elq.types import NAME_KINDS, Entity
from tests.names.small import NameIndex
from tests.names.test_lookup import SILENT, is_spelling, letters_wrong, says_something

NAMES = {
    "1": ("Golden Mouse", "Gold Mice"),
    "2": ("Halo Wash",),
    "3": ("Line Twelve",),
    "4": ("Err 02", "FP9"),
    "5": ("Service Manual",),
    "6": ("Pepper",),
    "7": ("Gail Winter",),
    "8": ("Prof. Dr. Ada Sommer",),
    "9": ("Charles V",),
    "10": ("Second Opinion",),
    "11": ("Page One",),
    "12": ("Patch O'Leary",),
    "13": ("Station Square",),
    "14": ("Robert Harris",),
    "15": ("Veg Box Large",),
    "16": ("Carla Kranz",),
    "17": ("Bakery Lane",),
    "18": ("Wednesday",),
    "19": ("Quiet Corner",),
    "20": ("Locker 13",),
    "21": ("X-Men: First Class", "X-Men"),
    "22": ("Porsche",),
    "23": ("The Hobbit",),
    "24": ("Nobel",),
    "25": ("Apollo 13",),
    "26": ("Apollo",),
    "27": ("Label",),
    "28": ("Nine Lives",),
    "29": ("Thunder Hour", "Thunder X"),
}
MATCH = {"name": 0, "spelling": 1, "misspelling": 2, "adjective": 3, "end": 4, "beginning": 5, "both ends": 6}


@functools.cache
def dictionary(folder: Path, *, fine: bool = True) -> Dictionary:
    path = folder / f"further {fine}"
    write_catalogue([Entity(entity, names[0], names[0], "", names[1:]) for entity, names in NAMES.items()], path)
    return Dictionary(Catalogue(path), fine=fine)


def meant_by(said: str, names: Dictionary) -> dict[str, str]:
    found, ids = names.name_matches([said]), [*NAMES]
    rows, kinds = found.rows[0].tolist(), found.kinds[0].tolist()
    return {ids[row]: NAME_KINDS[kind // 2] for row, kind in zip(rows, kinds, strict=True) if row >= 0}


FORMS = {
    "golden mice": {"1": "spelling"},
    "gold mouse": {"1": "spelling"},
    "halo washes": {"2": "spelling"},
    "kranzes": {"16": "end"},
    "boxes": {},  # an ordinary word is no part
    "line 12": {"3": "spelling"},
    "locker thirteen": {"20": "spelling"},
    "9 lives": {"28": "spelling"},
    "err 2": {"4": "spelling"},
    "err 002": {"4": "spelling"},
    "err 3": {},
    "fp09": {"4": "spelling"},
    "fp08": {},
    "2nd opinion": {"10": "spelling"},
    "charles the fifth": {"9": "spelling"},
    "the fifth": {},
    "pageone": {"11": "spelling"},
    "oleary": {"12": "end"},
    "station sq": {"13": "spelling"},
    "bob harris": {"14": "spelling"},
    "bob": {},
    "bakeries": {"17": "beginning"},
    "mrs winter": {"7": "end"},
    "mr gail winter": {"7": "spelling"},
    "mrs gail": {},  # a first name is none with an honorific
    "mr the hobbit": {"23": "more before"},  # not before a function word
    "ada": {"8": "beginning"},
    "adas": {"8": "beginning"},
    "miss thunder hour": {"29": "more before"},  # "we miss Thunder Hour"
    "serv manual": {"5": "misspelling"},
    "service man": {},  # "man" is an ordinary word
    "thund hour": {"29": "misspelling"},
    "thund x": {},  # a letter says nothing
    "peper": {"6": "misspelling"},
    "peppr": {"6": "misspelling"},
    "paper": {},
    "wensday": {"18": "misspelling"},
    "lables": {"27": "misspelling"},
    "quiet corners": {"19": "spelling"},
    "quite corner": {"19": "spelling"},
    "apolo": {"25": "misspelling", "26": "misspelling"},  # a part of a name, and a whole name
}
USUAL = {
    "xmen": {"21": "spelling"},
    "porsches": {"22": "spelling"},
    "miss the": {},
    "novel": {},
    "golden mouse": {"1": "name"},
    "winter": {"7": "end"},
    "the hobbit": {"23": "name"},
}


@pytest.mark.parametrize(("said", "meant"), {**FORMS, **USUAL}.items())
def test_who_may_be_meant_in_a_further_form(said, meant, tmp_path_factory):
    names = dictionary(tmp_path_factory.getbasetemp())
    assert meant_by(said, names) == meant
    kinds = [MATCH[kind] for kind in meant.values() if kind in MATCH]
    assert names._index.match(said) == min(kinds, default=-1)


def test_models_with_coarse_names_have_no_further_forms(tmp_path_factory):
    fine, coarse = (dictionary(tmp_path_factory.getbasetemp(), fine=fine) for fine in (True, False))
    assert {said: meant_by(said, coarse) for said in USUAL} == {said: meant_by(said, fine) for said in USUAL}
    assert meant_by("golden mice", coarse) == {}
    assert meant_by("serv manual", coarse) == {}


# The slow oracle: every word that the test draws, and what it may stand for.
SAME = [{"mouse", "mice"}, {"12", "twelve"}, {"road", "rd"}, {"junior", "jr"}]
SINGULAR = {"kasches": "kasch", "bakeries": "bakery"}
ZEROS = [{"2", "02", "002"}, {"12", "012"}]
TITLES = ("dr", "miss", "dr dr", "dr miss", "miss dr", "miss miss")
WORDS = "mouse mice 12 twelve road rd junior jr kasches kasch bakery bakeries 2 02 the kasbok dr miss kasb kasbo xkas".split()


def others_of(words: list[str]) -> list[str]:
    """The words with one of them in another form."""
    found = []
    *before, last = words
    numbers = {"mouse": "mice", "mice": "mouse", **SINGULAR}
    found += [" ".join([*before, numbers[last]])] if last in numbers else []
    for place, word in enumerate(words):
        rest = words[:place] + words[place + 1 :]
        if says_something(" ".join(rest)):
            groups = [group for group in SAME[1:] + ZEROS if word in group]
            found += [" ".join([*words[:place], form, *words[place + 1 :]]) for group in groups for form in group - {word}]
    return found


def sayings(said: list[str]) -> list[tuple[str, str]]:
    """Other words for some words, and as what they may be a name: whole (w), the end (e), the beginning (b)."""
    key = " ".join(said)
    found = [(other, "web" if len(said) > 1 or key not in ordinary_words() else "w") for other in others_of(said)]
    if len(said) == 1:
        one = key[:-1] if len(key) > 3 and key.endswith("s") and not key.endswith("ss") else key
        return found + [(f"{title} {each}", "b") for title in TITLES for each in (key, one)]
    if said[0] in ("dr", "miss") and said[1] not in SILENT:
        found.append((" ".join(said[1:]), "we" if said[0] == "dr" else "e"))
    return found


def further_match(name: str, said: list[str]) -> int:
    """The match of words with a name in a further form; −1 for none."""
    for match, kind, fits in (
        (1, "w", lambda other: name == other or is_spelling(name, other)),
        (4, "e", lambda other: name.endswith(f" {other}")),
        (5, "b", lambda other: name.startswith(f"{other} ")),
    ):
        if any(kind in kinds and fits(other) for other, kinds in sayings(said)):
            return match
    return -1


@settings(max_examples=300, deadline=None)
@example([["junior", "kasbok"]], ["jr", "kasbok"])
@example([["dr", "kasbok", "mouse"]], ["kasbok"])
@example([["kasbok", "mouse"]], ["dr", "mouse"])
@example([["kasbok", "mouse"]], ["kasb", "mouse"])
@example([["road", "kasch"]], ["kasches"])
@example([["dr", "12", "mouse"]], ["12"])
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), min_size=1, max_size=6),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
)
def test_further_forms_equal_a_look_at_every_name(names, said):
    keys, key = [" ".join(name) for name in names], " ".join(said)
    rows_of = {name: [row for row, other in enumerate(keys) if other == name] for name in keys}
    fame = [float(row) for row in range(len(keys))]
    usual, index = (NameIndex(rows_of, fame, SILENT, further=further) for further in (False, True))
    if usual.match(key) >= 0:  # then the usual kinds are as they were; a whole name may be misspelt beside a part
        assert index.match(key) == usual.match(key)
        assert usual.match(key) == 2 or index.lookup(key) == usual.lookup(key)
        return
    expected = {}
    if SILENT.isdisjoint((said[0], said[-1])) and len(key) > 2:
        matches = {row: further_match(name, said) for row, name in enumerate(keys)}
        expected = {row: match for row, match in matches.items() if match >= 0}
        fits = is_short if len(said) == 1 else is_cut
        expected = expected or {row: 2 for row, name in enumerate(keys) if fits(said, name.split())}
    assert index.match(key) == min(expected.values(), default=-1)
    before = {row: kind // 2 for row, kind in usual.lookup(key).items()}  # names inside the words
    assert {row: kind // 2 for row, kind in index.lookup(key).items()} == before | expected


def is_cut(said: list[str], words: list[str]) -> bool:
    """Whether the last or the first of some words is the beginning of the word of a name."""
    for place, right in ((-1, slice(None, -1)), (0, slice(1, None))):
        cut, rest = said[place], " ".join(said[right])
        rare = cut.isalpha() and len(cut) > 2 and cut not in ordinary_words()
        if rare and said[right] == words[right] and (rest.isdigit() or says_something(rest)):
            return len(said) == len(words) and words[place].startswith(cut)
    return False


def is_short(said: list[str], words: list[str]) -> bool:
    """Whether a word, or the word without the "s" of a plural, is a misspelling of a name of one word."""
    [word] = said
    forms = {word, word[:-1] if len(word) > 3 and word.endswith("s") else word}
    if len(words) > 1 or forms & ordinary_words() or any(len(form) < 4 for form in forms):
        return False
    alike = [form for form in forms if form.isalpha() and words[0].isalpha() and form[0] == words[0][0]]
    return any(letters_wrong(words[0], form) <= (2 if len(form) > 6 else 1) for form in alike if form not in COUNTED)
