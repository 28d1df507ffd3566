"""The hierarchy of types: topological, the same for every order of the records, and without cycles."""

import json
import random

import numpy as np
import pytest

from elq.entities.catalogue import temporary_catalogue
from elq.entities.hierarchy import Hierarchy, RowTypes, head_of, make_hierarchy, parents_by_name, read_parents
from elq.errors import ElqError
from elq.training.type_data import TypeSettings, types_of
from elq.types import Entity

PARENTS = {"city": "place", "capital": "city", "film": "work", "silent film": "film", "place": "thing"}
TYPES = [
    ["city"],
    ["capital", "city"],
    ["film"],
    ["silent film"],
    ["silent film"],
    [],
    ["river"],
    ["river"],
    ["river"],
    ["river"],
]


def oracle_above(hierarchy: Hierarchy) -> np.ndarray:
    found = np.zeros((len(hierarchy), len(hierarchy)), bool)
    for start in range(len(hierarchy)):
        place = start
        while place >= 0:
            found[start, place] = True
            place = hierarchy.parents[place]
    return found


def test_parents_stand_before_their_children_and_counts_include_what_is_below():
    made = make_hierarchy(TYPES, PARENTS, least=2)
    assert made.names == ("river", "work", "film", "thing", "place", "city", "silent film")
    assert made.parents == (-1, -1, 1, -1, 3, 4, 2)
    assert (made.above() == oracle_above(made)).all()


def test_the_order_of_the_records_changes_nothing():
    draws = random.Random(1)
    for _ in range(20):
        shuffled, pairs = draws.sample(TYPES, len(TYPES)), draws.sample([*PARENTS.items()], len(PARENTS))
        assert make_hierarchy(shuffled, dict(pairs)) == make_hierarchy(TYPES, PARENTS)


def test_a_kept_type_keeps_its_parent_whatever_the_number():
    whole = make_hierarchy(TYPES, PARENTS)
    for most in range(1, len(whole) + 1):
        made = make_hierarchy(TYPES, PARENTS, most=most)
        assert (made.names, made.parents) == (whole.names[:most], whole.parents[:most])


def test_flat_types_have_no_parents():
    assert set(make_hierarchy(TYPES).parents) == {-1}


def test_a_cycle_is_one_sentence():
    with pytest.raises(ElqError, match="has the cycle a → b → c → a: remove one"):
        make_hierarchy([["a"]], {"x": "a", "a": "b", "b": "c", "c": "a"})


@pytest.mark.parametrize("parents", [(0, -1), (-1, 2), (-2, -1), (-1,), (-1, "0")])
def test_no_topological_order_is_refused(parents):
    with pytest.raises(ElqError, match="is no topological order"):
        Hierarchy(("a", "b"), parents)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json"])
def test_files_of_all_kinds_give_the_same_parents(suffix, tmp_path, caplog):
    pairs = [("city", "place"), ("capital", "city"), ("city", "settlement"), ("city", "place"), ("odd", "odd")]
    records = [{"child": child, "parent": parent} for child, parent in pairs]
    path = tmp_path / f"types.{suffix}"
    if suffix in ("csv", "tsv"):
        sign = "\t" if suffix == "tsv" else ","
        path.write_text("\n".join([f"child{sign}parent", *(sign.join(pair) for pair in pairs)]))
    else:
        lines = [json.dumps(record) for record in records]
        path.write_text("\n".join(lines) if suffix == "jsonl" else f"[{','.join(lines)}]")
    assert read_parents(path) == {"city": "place", "capital": "city"}
    assert "1 types have more than one parent" in caplog.text


@pytest.mark.parametrize("record", [{"child": "city"}, {"child": "city", "parent": ""}, {"child": 3, "parent": "x"}, ["city"]])
def test_a_record_without_a_pair_is_one_sentence(record, tmp_path):
    (path := tmp_path / "types.json").write_text(json.dumps([record]))
    with pytest.raises(ElqError, match="needs the columns child and parent"):
        read_parents(path)


def test_names_say_which_type_is_more_general():
    known = ["city", "big city", "city of Japan", "very big city", "research university", "university", "film actor", "of"]
    assert parents_by_name(known) == {
        "big city": "city",
        "city of Japan": "city",
        "very big city": "big city",
        "research university": "university",
    }
    assert head_of("town of the river city", {"city", "river city"}) is None  # what follows "of" is no head


def test_rows_have_the_types_of_their_records():
    made = make_hierarchy(TYPES, PARENTS)
    rows = RowTypes(TYPES, made)
    assert len(rows) == len(TYPES)
    wanted = [1, -1, 5, 4]
    expected = [{} if row < 0 else {*TYPES[row]} for row in wanted]
    assert [{made.names[place] for place in np.flatnonzero(line)} for line in rows.of(wanted)] == [*map(set, expected)]


def test_the_types_of_a_catalogue(tmp_path):
    records = [Entity(f"Q{n}", "x", "x", types=tuple(types)) for n, types in enumerate(TYPES)]
    path = tmp_path / "types.csv"
    path.write_text("child,parent\n" + "\n".join(f"{child},{parent}" for child, parent in PARENTS.items()))
    with temporary_catalogue(records) as catalogue:
        by_file = types_of(catalogue, TypeSettings(hierarchy=str(path), least=1))[0]
        by_name = types_of(catalogue, TypeSettings(least=1))[0]
        flat = types_of(catalogue, TypeSettings(hierarchy="flat", least=2, most=1))[0]
        with pytest.raises(ElqError, match="no type of the catalogue has 9 entities"):
            types_of(catalogue, TypeSettings(least=9))
    assert by_file == make_hierarchy(TYPES, PARENTS)
    assert by_name == make_hierarchy(TYPES, {"silent film": "film"})
    assert flat == Hierarchy(("river",), (-1,))


@pytest.mark.parametrize("name", ["least", "most"])
def test_numbers_of_types_are_at_least_one(name):
    with pytest.raises(ElqError, match=rf"data\.types\.{name} is 0, but must be at least 1"):
        TypeSettings(**{name: 0})
