"""The entities of which a name begins with what a person types, against a slow search in all records."""

from pathlib import Path

import pytest

import elq
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import read_entities
from elq.names.beginning import rows_beginning
from elq.names.joined import JoinedNames
from elq.names.records import fame_of, keys_of
from elq.names.writing import collect, in_memory
from elq.types import Entity

STARTER = [*read_entities(Path(elq.__file__).parent / "starter" / "catalogue.jsonl")]


@pytest.fixture(scope="module")
def names():
    return in_memory(collect(STARTER))


def slow(key: str, gone: frozenset[int] = frozenset()) -> list[int]:
    rows = [row for row in range(len(STARTER)) if row not in gone and any(one.startswith(key) for one in keys_of(STARTER[row]))]
    return sorted(rows, key=lambda row: (key not in keys_of(STARTER[row]), fame_of(STARTER[row]), row))


@pytest.mark.parametrize("typed", ["tit", "titanic", "leonardo di", "é", "The Be", "zzz", "jav"])
def test_the_rows_are_those_of_a_slow_search(names, typed):
    key = typed.lower().replace("é", "e")
    assert rows_beginning(names, typed, 2_000) == slow(key)
    assert rows_beginning(names, typed, 3) == slow(key)[:3]


@pytest.mark.parametrize("typed", ["", " ", "?", "\U0001f600"])
def test_nothing_is_found_for_what_has_no_letters(names, typed):
    assert rows_beginning(names, typed, 10) == []


def test_parts_and_removed_rows():
    gone = frozenset(row for row, entity in enumerate(STARTER) if entity.title == "Titanic (1997 film)")
    half = len(STARTER) // 2
    parts = [in_memory(collect(STARTER[:half]), gone), in_memory(collect(STARTER[half:], first=half), gone)]
    found = rows_beginning(JoinedNames(parts), "ti", 2_000)
    assert found == slow("ti", gone)
    assert not gone & {*found}


def test_a_function_word_is_found_in_small_letters_too(tmp_path):
    write_catalogue([Entity("a", "IT", "IT"), Entity("b", "It Crowd", "It Crowd")], tmp_path / "catalogue")
    names = in_memory(collect(Catalogue(tmp_path / "catalogue")))
    assert rows_beginning(names, "IT", 9) == [0, 1]
    assert rows_beginning(names, "it", 9) == [1]
