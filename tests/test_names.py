"""Names as people say them: who may be meant, against a slow oracle that looks at every name of the catalogue."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from elq.catalogue import Catalogue, write_catalogue
from elq.dictionary import FUNCTION_WORDS, Dictionary
from elq.names import KINDS, MOST_BEARERS, NameIndex, initials, roots, spelling
from elq.spans import NameBonus, SpanScorer
from elq.types import Entity

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
        "nobel prize for literature": {"Q5": "both ends"},
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
        "the of": {},
        "": {},
    }.items(),
)
def test_who_may_be_meant(said, meant, dictionary):
    bearers, ids = dictionary.bearers([said]), [*NAMES]
    found = {ids[row]: KINDS[kind // 2] for row, kind in zip(bearers.rows[0].tolist(), bearers.kinds[0].tolist(), strict=True)}
    assert found == meant


def test_the_most_famous_of_a_kind_has_a_number_of_its_own(dictionary):
    bearers = dictionary.bearers(["hampton", "nobody", "andrew jackson"])
    assert bearers.rows.tolist() == [[5, 10], [-1, -1], [6, 11]]
    assert bearers.kinds.tolist() == [[0, 1], [-1, -1], [0, 8]]


WORDS = ("ka", "bo", "the", "s", "ii", "kas", "kans")


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=8),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
)
def test_the_index_finds_what_a_look_at_every_name_finds(names, said):
    keys = [" ".join(name) for name in names]
    bearers: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        bearers.setdefault(key, []).append(row)
    fame = [float(len(keys) - row) for row in range(len(keys))]  # the last row is the most famous
    silent = frozenset({"the", "s"})
    key, content = " ".join(said), not silent.issuperset(said)

    def longest_inside() -> set[str]:
        parts = {" ".join(said[a:b]) for a in range(len(said)) for b in range(a + 1, len(said) + 1)} - {key}
        known = {part for part in parts if part in keys and len(part) > 1 and not silent.issuperset(part.split())}
        most = max((part.count(" ") for part in known), default=0)
        return {part for part in known if part.count(" ") == most} if key not in keys else set()

    def has_ends(name: str) -> bool:
        return len(said) > 1 and said[0] not in silent and name.startswith(f"{said[0]} ") and name.endswith(f" {said[-1]}")

    def is_spelling(name: str) -> bool:
        return spelling(name) == spelling(key) or key in initials(name, silent) or spelling(key) in initials(name, silent)

    tests = [
        lambda name: name == key,
        lambda name: content and name != key and is_spelling(name),
        lambda name: content and len(said) == 1 and name in roots(key),
        lambda name: content and name.endswith(f" {key}"),
        lambda name: content and name.startswith(f"{key} "),
        lambda name: content and name != key and has_ends(name),
        lambda name: content and name in longest_inside() and key.endswith(f" {name}"),
        lambda name: content and name in longest_inside(),
    ]
    slow: dict[int, int] = {}
    for kind, fits in enumerate(tests):
        rows = [row for row in range(len(keys)) if fits(keys[row]) and row not in slow]
        for place, row in enumerate(sorted(rows, key=lambda row: fame[row])):
            slow[row] = 2 * kind + min(place, 1)
    assert NameIndex(bearers, fame, silent).lookup(key) == slow


def test_what_too_many_names_have_says_nothing():
    many = {f"john {chr(97 + n % 26)}{n}": [n] for n in range(300)}
    index = NameIndex(many, [0.0] * 300, FUNCTION_WORDS)
    assert index.lookup("john") == {}
    assert index.kind("john") == -1
    few = NameIndex({key: rows for key, rows in many.items() if rows[0] < 100}, [0.0] * 300, FUNCTION_WORDS)
    assert len(few.lookup("john")) == MOST_BEARERS
    assert few.kind("john") == 2


def test_who_is_one_too_many_of_a_kind_is_of_no_other():
    smiths = {"smith": [*range(40)], "will smith": [3, 39], "smithson": [40]}
    found = NameIndex(smiths, [float(row) for row in range(41)], FUNCTION_WORDS).lookup("smith")
    assert found == {row: min(row, 1) for row in range(MOST_BEARERS)}


def test_an_alias_without_a_word_is_no_code(tmp_path):
    titles = {"Q1": "Paris, Texas", "Q2": ", Texas", "Q3": "The, Texas", "Q4": "Texas"}
    entities = [Entity(entity, title, title, "", ("🤠",)) for entity, title in titles.items()]
    write_catalogue(entities, tmp_path / "catalogue")
    bearers = Dictionary(Catalogue(tmp_path / "catalogue")).bearers(["paris"])
    assert (bearers.rows.tolist(), KINDS[bearers.kinds[0, 0] // 2]) == ([[0]], "beginning")


def test_kinds_of_spans(dictionary, tokenizer):
    index = dictionary._index
    assert [index.kind(key) for key in ("hampton", "mlb", "gretzky", "nobody", "the", "s", "in literature")] == [
        0,
        1,
        2,
        -1,
        -1,
        -1,
        2,
    ]
    scorer, mask = SpanScorer(4, max_tokens=2, names=True), torch.ones(1, 4, dtype=torch.bool)
    hidden, named = torch.randn(1, 4, 4), torch.tensor([[[0, 1], [2, 0], [3, 0], [0, 0]]])
    worth = scorer(hidden, mask, named) - scorer(hidden, mask, torch.zeros_like(named))
    torch.testing.assert_close(worth[0, :3], torch.tensor([[0.0, 4.0], [2.0, 0.0], [0.0, 0.0]]))


def test_the_worth_of_every_kind_and_of_none():
    bonus = NameBonus()
    assert bonus(torch.tensor([[0, 1, 4, 15, -1]])).tolist() == [[4.0, 4.0, 2.0, 2.0, 0.0]]
    bonus(torch.tensor([[-1, 3]])).sum().backward()
    assert bonus.weight.grad.nonzero().flatten().tolist() == [3]
