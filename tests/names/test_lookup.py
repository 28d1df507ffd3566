"""Tests of the name lookup: it equals a slow oracle that compares a phrase with every name of the catalogue."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elq.entities.catalogue import Catalogue, write_catalogue
from elq.model.heads import NameBonus
from elq.model.spans import SpanScorer
from elq.names.dictionary import Dictionary
from elq.names.lookup import MOST_MATCHES
from elq.names.spelling import COUNTED, initials, reordered, roots, spelling
from elq.names.surface import FUNCTION_WORDS
from elq.types import NAME_KINDS, Entity
from tests.names.small import NameIndex

NAMES = {
    "Q1": ("J. R. R. Tolkien", "John Ronald Reuel Tolkien"),
    "Q2": ("Grand Theft Auto IV",),
    "Q3": ("Major League Baseball",),
    "Q4": ("Wayne Gretzky",),
    "Q5": ("Nobel Prize in Literature",),
    "Q6": ("Hampton", "Hampton, Virginia"),
    "Q7": ("Andrew Jackson",),
    "Q8": ("Japan",),
    "Q9": ("Academy Awards",),
    "Q10": ("Spider-Man 3",),
    "Q11": ("Hampton",),
    "Q12": ("Andrew Jackson Junior",),
    "Q13": ("Mexico",),
    "Q14": ("us", "United States"),
    "Q15": ("Jack Daniel's",),
    "Q16": ("Troy, Illinois",),
    "Q17": ("Illinois", "IL", "Prairie State"),
    "Q18": ("Bryan Cranston",),
    "Q19": ("President of Ruritania",),
    "Q20": ("Lord of the Rings",),
    "Q21": ("Ruritania",),
    "Q22": ("Topkapı",),
    "Q23": ("United Kingdom",),
    "Q24": ("Olympic Games",),
    "Q25": ("John Lennon",),
    "Q26": ("Apollo 1968", "Area kasb7", "Zone kasba"),
    "Q27": ("Elizabeth I",),
    "Q28": ("West Ruritania",),
    "Q29": ("Scary Movie", "Season 12 Episode 3"),
    "Q30": ("X-Men: The Last Stand", "1"),
    "Q31": ("Henry VII", "Sixteenth Amendment"),
    "Q33": ("Henry VIII", "Super Bowl XXIV", "Season One Episode Two"),
    "Q32": ("Greece", "John XXIII", "Louis Xvo"),
}


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    path = tmp_path_factory.mktemp("names") / "catalogue"
    write_catalogue([Entity(entity, names[0], names[0], "", names[1:]) for entity, names in NAMES.items()], path)
    return Dictionary(Catalogue(path))


@pytest.mark.parametrize(
    ("said", "meant"),
    {
        "j. r. r. tolkien": {"Q1": "name"},
        "JRR Tolkien": {"Q1": "spelling"},
        "tolkien": {"Q1": "end"},
        "john tolkien": {"Q1": "both ends"},  # begins and ends as it does
        "grand theft auto 4": {"Q2": "spelling"},
        "mlb": {"Q3": "spelling"},
        "gretzky": {"Q4": "end"},
        "nobel prize for literature": {"Q5": "spelling"},
        "nobel literature": {"Q5": "both ends"},
        "hampton va": {"Q6": "more behind", "Q11": "more behind"},
        "hampton": {"Q6": "name", "Q11": "name"},
        "president andrew jackson": {"Q7": "more before"},
        "andrew jackson": {"Q7": "name", "Q12": "beginning"},
        "japanese": {"Q8": "adjective"},
        "mexicans": {"Q13": "adjective"},
        "oscar": {},
        "academy award": {"Q9": "spelling"},
        "spiderman 3": {"Q10": "spelling"},
        "jack daniels": {"Q15": "spelling"},
        "US": {"Q14": "name"},
        "Troy IL": {"Q16": "spelling", "Q17": "more before"},
        "troy": {"Q16": "beginning"},
        "brian cranston": {"Q18": "misspelling"},
        "bryan cranstone": {"Q18": "misspelling"},
        "brian cranstone": {},  # both ends wrong
        "ruritanai": {"Q21": "misspelling"},
        "ruritania president": {"Q19": "spelling", "Q21": "more behind"},
        "Ruritania's presidents": {"Q19": "spelling", "Q21": "more behind"},
        "lord of rings": {"Q20": "spelling"},
        "topkapi": {"Q22": "name"},
        "british": {"Q23": "adjective"},
        "west ruritanians": {"Q28": "adjective"},
        "ruritanian": {"Q21": "adjective"},  # and no wrong spelling of it
        "olympics": {"Q24": "beginning"},
        "j lennon": {"Q25": "both ends"},
        "apollo 1969": {},  # numbers are not misspelt
        "area kasba": {},
        "zone kasb7": {},
        "xone kasba": {},  # the first letter is right
        "john xiii": {},  # and so is a Roman number
        "louis xvi": {},
        "scary movies": {"Q29": "adjective"},
        "the first": {},  # not the number
        "the one": {},
        "season 3 episode 12": {},
        "x men stand": {"Q30": "both ends"},
        "henry viii": {"Q33": "name"},
        "super bowl xxv": {},
        "super bowl 24": {"Q33": "spelling"},
        "season two episode one": {},
        "sixtieth amendment": {},
        "gretzky's": {"Q4": "end"},
        "greek": {"Q32": "adjective"},
        "japam": {},  # too short
        "topkapu": {"Q22": "misspelling"},
        "tpokapi": {"Q22": "misspelling"},  # two letters in the wrong order
        "queen elizabeth 1": {"Q27": "more before"},
        "the of": {},
        "": {},
    }.items(),
)
def test_who_may_be_meant(said, meant, dictionary):
    name_matches, ids = dictionary.name_matches([said]), [*NAMES]
    found = {
        ids[row]: NAME_KINDS[kind // 2]
        for row, kind in zip(name_matches.rows[0].tolist(), name_matches.kinds[0].tolist(), strict=True)
    }
    assert found == meant


SHOP = {
    "1": ("Hay Milk 1 L",),
    "2": ("Mozzarella Ball 125 g",),
    "3": ("Powder Queen 172",),
    "4": ("Pulse 5",),
    "5": ("OriginCheck",),
    "6": ("Old Clinic Map",),
    "7": ("Department of Cardiology",),
    "8": ("Prof. Dr. Ada Sommer",),
    "9": ("Line Twelve",),
    "10": ("Halo Drill",),
    "11": ("Lecture Hall",),
    "12": ("Golden Mouse",),
    "13": ("Gail Winter",),
}


@pytest.mark.parametrize(
    ("said", "meant"),
    {
        "hay milk": {"1": "name"},  # without the quantity
        "haymilk": {"1": "spelling"},
        "golden mouse": {"12": "name"},
        "halo drills": {"10": "spelling"},
        "mozarella ball": {"2": "misspelling"},
        "mozzarella blal": {"2": "misspelling"},
        "mozzarella bal": {},  # a short word is not misspelt
        "mozzarela ball 125 g": {"2": "misspelling"},
        "powder qeen": {"3": "misspelling"},  # a part
        "puls 5": {"4": "misspelling"},
        "orign check": {"5": "misspelling"},
        "clinc map": {"6": "misspelling"},
        "old clinc": {"6": "misspelling"},
        "cardiolgy": {"7": "misspelling"},
        "kardiology": {},  # the first letters of a part are right
        "lecturer": {},  # another word, and no misspelling
        "powdr qeen": {},  # two wrong words
    }.items(),
)
def test_other_forms_of_the_names_of_a_shop(said, meant, tmp_path_factory):
    dictionary, ids = shop(tmp_path_factory.getbasetemp()), [*SHOP]
    found = dictionary.name_matches([said])
    rows, kinds = found.rows[0].tolist(), found.kinds[0].tolist()
    assert {ids[row]: NAME_KINDS[kind // 2] for row, kind in zip(rows, kinds, strict=True)} == meant
    match = {"name": 0, "spelling": 1, "misspelling": 2, "end": 4, "beginning": 5}
    assert dictionary._index.match(said) == next((match[kind] for kind in meant.values()), -1)


@functools.cache
def shop(folder: Path) -> Dictionary:
    write_catalogue([Entity(entity, names[0], names[0], "") for entity, names in SHOP.items()], folder / "shop")
    return Dictionary(Catalogue(folder / "shop"), fine=True)


def test_the_most_famous_of_a_kind_has_a_number_of_its_own(dictionary):
    name_matches = dictionary.name_matches(["hampton", "nobody", "andrew jackson"])
    assert name_matches.rows.tolist() == [[5, 10], [-1, -1], [6, 11]]
    assert name_matches.kinds.tolist() == [[0, 1], [-1, -1], [0, 10]]


WORDS = ("ka", "bo", "the", "s", "ii", "k", "kas", "kans", "kasbok", "kasbo", "kabsok", "kaskbaska", "kasbasak")


@functools.cache
def letters_wrong(word: str, other: str) -> int:
    """The slow oracle of the distance: insertions, deletions, replacements and swaps of neighbours, no letter used twice."""
    if not word or not other:
        return len(word) + len(other)
    found = min(
        letters_wrong(word[1:], other) + 1,
        letters_wrong(word, other[1:]) + 1,
        letters_wrong(word[1:], other[1:]) + (word[0] != other[0]),
    )
    if word[:2] == other[1::-1] and len(word) > 1:
        found = min(found, letters_wrong(word[2:], other[2:]) + 1)
    return found


SILENT = frozenset({"the", "s"})


def says_something(key: str) -> bool:
    return len(key) > 1 and not SILENT.issuperset(key.split())


def is_spelling(name: str, key: str) -> bool:
    others = {spelling(name), reordered(name), *(initials(name, SILENT) if " " in name else ())} - {""}
    return name != key and bool({name, *others} & {spelling(key), reordered(key), key})


def nearly(word: str, other: str) -> bool:
    most = 2 if len(word) >= 8 else 1 if len(word) >= 4 else 0
    if word in SILENT or word[0] != other[0] or not (word + other).isalpha() or {word, other} & COUNTED:
        return False
    return letters_wrong(word, other) <= most


def is_misspelt(name: str, key: str, keys: list[str]) -> bool:
    if any(other == key or is_spelling(other, key) or other in roots(key) for other in keys):
        return False
    if any(is_misspelt_whole(other, key) for other in keys):
        return is_misspelt_whole(name, key)
    parts = any(fits(other) for other in keys for fits in parts_of(key, keys))
    return not parts and is_misspelt_part(name, key)


def parts_of(key: str, keys: list[str]) -> list[Callable[[str], bool]]:
    """Whether a name ends with the words, begins with them, or begins and ends as they do."""
    one = key.removesuffix(" s")
    if one == key and len(key) > 3 and key.endswith("s") and not key.endswith("ss"):
        one = key[:-1]
    end = f" {key if any(name.endswith(f' {key}') for name in keys) else one}"
    start = f"{key if any(name.startswith(f'{key} ') for name in keys) else one} "
    return [lambda name: name.endswith(end), lambda name: name.startswith(start), lambda name: begins_and_ends(name, key)]


def is_misspelt_part(name: str, key: str) -> bool:
    words, said = name.split(), key.split()
    if len(said) > 4 or len(words) <= len(said) or SILENT & {said[0], said[-1]} or (len(said) == 1 and len(key) < 5):
        return False
    for part, last in ((words[: len(said)], True), (words[-len(said) :], False)):
        wrong = [place for place in range(len(said)) if part[place] != said[place]]
        right = " ".join(word for place, word in enumerate(said) if [place] != wrong)
        if len(wrong) == 1 and wrong[0] in (0, len(said) - 1) and (not right or says_something(right)):
            form = len(said) == 1 and (part[0].startswith(key) or key.startswith(part[0]))
            letters = 1 if len(said) > 1 and last == (wrong[0] > 0) else 2
            agree = said[wrong[0]][:letters] == part[wrong[0]][:letters]
            if not form and agree and nearly(said[wrong[0]], part[wrong[0]]):
                return True
    return False


def is_misspelt_whole(name: str, key: str) -> bool:
    words, said = name.split(), key.split()
    joined = "".join(said)
    if len(words) == 1 < len(said) <= 4 and len(joined) >= 7 and not SILENT & {*said}:
        return name[0] == joined[0] and letters_wrong(name, joined) < 2
    if len(words) != len(said):
        return False
    if len(said) == 1:
        return len(key) > 5 and nearly(key, name)
    first = words[1:] == said[1:] and says_something(" ".join(said[1:])) and nearly(said[0], words[0])
    last = words[:-1] == said[:-1] and says_something(" ".join(said[:-1])) and nearly(said[-1], words[-1])
    wrong = [pair for pair in zip(said[1:-1], words[1:-1], strict=True) if pair[0] != pair[1]]
    around = words[0] == said[0] and words[-1] == said[-1] and said[0] not in SILENT and says_something(said[-1])
    return first or last or (around and len(wrong) == 1 and nearly(*wrong[0]))


def inside(key: str, keys: list[str]) -> tuple[set[str], set[str]]:
    """The longest names, or other spellings of names, inside the words: those at the end of the words, and all."""
    said = key.split()
    for length in range(len(said) - 1, 0, -1) if key not in keys else ():
        parts = [" ".join(said[start : start + length]) for start in range(len(said) - length + 1)]
        found = {part: {part} if part in keys else {name for name in keys if is_spelling(name, part)} for part in parts}
        found = {part: names if says_something(part) else set() for part, names in found.items()}
        if any(found.values()):
            return found[" ".join(said[-length:])], set().union(*found.values())
    return set(), set()


def begins_and_ends(name: str, key: str) -> bool:
    first, _, rest = key.partition(" ")
    if not rest or first in SILENT or name == key:
        return False
    initial = len(first) == 1 and name.startswith(first) and name.endswith(f" {rest}")
    return initial or (name.startswith(f"{first} ") and name.endswith(f" {rest.split()[-1]}"))


@settings(max_examples=400, deadline=None)
@example([["kasbok", "kasbok", "ka", "ka"]], ["kasbok", "kasbo", "ka", "ka"])
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=8),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
)
def test_the_index_finds_what_a_look_at_every_name_finds(names, said):
    keys, key = [" ".join(name) for name in names], " ".join(said)
    name_matches: dict[str, list[int]] = {}
    for row, name in enumerate(keys):
        name_matches.setdefault(name, []).append(row)
    fame = [float(len(keys) - row) for row in range(len(keys))]  # the last row is the most famous
    tests = [
        lambda name: name == key,
        lambda name: is_spelling(name, key),
        lambda name: is_misspelt(name, key, keys),
        lambda name: name in roots(key),
        *parts_of(key, keys),
        lambda name: name in inside(key, keys)[0],
        lambda name: name in inside(key, keys)[1],
    ]
    slow: dict[int, int] = {}
    for kind, fits in enumerate(tests if says_something(key) else tests[:1]):
        rows = [row for row in range(len(keys)) if fits(keys[row]) and row not in slow]
        for place, row in enumerate(sorted(rows, key=lambda row: fame[row])):
            slow[row] = 2 * kind + min(place, 1)
    assert NameIndex(name_matches, fame, SILENT).lookup(key) == slow


def test_what_too_many_names_have_says_nothing():
    many = {f"john {chr(97 + n % 26)}{n}": [n] for n in range(300)}
    index = NameIndex(many, [0.0] * 300, FUNCTION_WORDS)
    assert index.lookup("john") == {}
    assert index.kind("john") == -1
    few = NameIndex({key: rows for key, rows in many.items() if rows[0] < 100}, [0.0] * 300, FUNCTION_WORDS)
    assert len(few.lookup("john")) == MOST_MATCHES
    assert few.kind("john") == 2


def test_too_many_names_with_an_ending_are_not_replaced_by_those_with_its_singular():
    names = {f"a{n} williams": [n] for n in range(300)} | {"prince william": [300], "mr william": [301]}
    index = NameIndex(names, [0.0] * 302, FUNCTION_WORDS)
    assert index.lookup("williams") == {}
    assert index.lookup("william") == {300: 6 + 2, 301: 6 + 3}


def test_the_most_famous_of_many_that_a_misspelling_may_mean():
    names = {f"john {chr(97 + n)}alls": [n] for n in range(26)} | {"john xallx": [26]}
    found = NameIndex(names, [0.0] * 25 + [-1.0, 0.0], FUNCTION_WORDS).lookup("john zallk")
    assert found == {25: 4}  # one letter wrong, the first one right
    short = {f"john zall{chr(97 + n)}": [n] for n in range(26)}
    found = NameIndex(short, [-float(n) for n in range(26)], FUNCTION_WORDS).lookup("john zallé")
    assert found == {25: 4} | {row: 5 for row in range(10, 25)}


def test_what_very_many_names_share_is_no_spelling():
    names = {f"g{n:03} o{n:03}": [n] for n in range(300)}
    index = NameIndex(names, [0.0] * 300, FUNCTION_WORDS)
    assert (index.kind("go"), index.lookup("go")) == (-1, {})
    few = NameIndex({key: rows for key, rows in names.items() if rows[0] < 200}, [0.0] * 300, FUNCTION_WORDS)
    assert len(few.lookup("go")) == MOST_MATCHES


def test_words_with_another_number_mean_another_entity():
    index = NameIndex({"nu 2210 ecp": [0], "fifa world cup": [1], "boeing 747 8 jet": [2]}, [0.0] * 3, FUNCTION_WORDS)
    for said, found in {
        "nu 2250 ecp": {},
        "nu steel ecp": {0: 12},  # 12: both ends
        "nu 2210 c3 ecp": {0: 12},
        "fifa 2010 world cup": {1: 12},
        "boeing 747 jet": {2: 12},
        "boeing 767 jet": {},
    }.items():
        assert {row: kind for row, kind in index.lookup(said).items() if kind // 2 == 6} == found, said
        assert (index.match(said) == 6) == (found != {}), said


def test_who_is_one_too_many_of_a_kind_is_of_no_other():
    smiths = {"smith": [*range(40)], "will smith": [3, 39], "smithson": [40]}
    found = NameIndex(smiths, [float(row) for row in range(41)], FUNCTION_WORDS).lookup("smith")
    assert found == {row: min(row, 1) for row in range(MOST_MATCHES)}


def test_an_alias_without_a_word_is_no_code(tmp_path):
    titles = {"Q1": "Paris, Texas", "Q2": ", Texas", "Q3": "The, Texas", "Q4": "Texas"}
    entities = [Entity(entity, title, title, "", ("🤠",)) for entity, title in titles.items()]
    write_catalogue(entities, tmp_path / "catalogue")
    name_matches = Dictionary(Catalogue(tmp_path / "catalogue")).name_matches(["paris"])
    assert (name_matches.rows.tolist(), NAME_KINDS[name_matches.kinds[0, 0] // 2]) == ([[0]], "beginning")


def test_kinds_of_spans(dictionary, tokenizer):
    kinds = {"hampton": 0, "mlb": 1, "gretzky": 2, "in literature": 2, "brian cranston": -1, "nobody": -1, "the": -1, "s": -1}
    assert {key: dictionary._index.kind(key) for key in kinds} == kinds  # a misspelling is looked for where a mention is known
    scorer, mask = SpanScorer(4, max_tokens=2, names=True), torch.ones(1, 4, dtype=torch.bool)
    hidden, named = torch.randn(1, 4, 4), torch.tensor([[[0, 1], [2, 0], [3, 0], [0, 0]]])
    worth = scorer(hidden, mask, named) - scorer(hidden, mask, torch.zeros_like(named))
    torch.testing.assert_close(worth[0, :3], torch.tensor([[0.0, 4.0], [2.0, 0.0], [0.0, 0.0]]))


def test_the_worth_of_every_kind_and_of_none():
    bonus = NameBonus()
    assert bonus(torch.tensor([[0, 1, 4, 2 * len(NAME_KINDS) - 1, -1]])).tolist() == [[4.0, 4.0, 2.0, 2.0, 0.0]]
    bonus(torch.tensor([[-1, 3]])).sum().backward()
    assert bonus.weight.grad.nonzero().flatten().tolist() == [3]
