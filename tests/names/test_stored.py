"""Stored names give what the Python dictionaries of before gave (tests/names/oracle.py), for one part and for several."""

import json
import random
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import elq
from elq.entities.catalogue import Catalogue, write_catalogue
from elq.entities.catalogue_files import read_entities
from elq.errors import ElqError
from elq.names.dictionary import Dictionary
from elq.names.joined import JoinedNames
from elq.names.ordered import Ordered
from elq.names.stored import open_names
from elq.names.words import words
from elq.names.writing import collect, write_names
from elq.types import Entity
from tests.names import oracle

STARTER = Path(elq.__file__).parent / "starter"
SHARED = Path(__file__).parents[3] / "shared"


def dictionaries(entities: Iterable[Entity], folder: Path) -> tuple[Dictionary, oracle.Dictionary]:
    write_catalogue(entities, folder / "catalogue")
    catalogue = Catalogue(folder / "catalogue")
    slow = oracle.Dictionary(catalogue)
    digest = write_names(collect(catalogue), folder / "names.arrow")
    catalogue.names = open_names(folder / "names.arrow", digest)
    return Dictionary(catalogue), slow


def misspelt(name: str, chance: random.Random) -> str:
    place = chance.randrange(len(name))
    before, letter, after = name[:place], name[place], name[place + 1 :]
    other = chance.choice("abcdefghijklmnop ")
    return chance.choice(
        [before + after, before + other + letter + after, before + other + after, before + after[:1] + letter + after[1:]]
    )


def phrases(names: Iterable[str], texts: Iterable[str], seed: int) -> set[str]:
    """Names, their words and parts, misspellings, and the phrases of texts."""
    chance, made = random.Random(seed), set()
    for name in names:
        said = name.split()
        made |= {name, misspelt(name, chance), *said, " ".join(said[1:]), " ".join(said[:-1]), f"{said[0]} {said[-1]}"}
        made |= {f"{name} s", f"{name}s", f"the {name}", " ".join(reversed(said)), "".join(word[0] for word in said)}
    for text in texts:
        said = [word.text for word in words(text)]
        made |= {" ".join(said[i:j]) for i in range(len(said)) for j in range(i + 1, min(i + 6, len(said) + 1))}
    return made


def assert_equal(fast: Dictionary, slow: oracle.Dictionary, keys: Iterable[str]) -> None:
    for key in keys:
        assert fast._index.kind(key) == slow._index.kind(key), key
        assert fast._index.lookup(key) == slow._index.lookup(key), key


def texts_of(*files: Path) -> list[str]:
    return [json.loads(line)["text"] for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_all_names_and_texts_of_the_starter(tmp_path):
    fast, slow = dictionaries(read_entities(STARTER / "catalogue.jsonl"), tmp_path)
    texts = texts_of(*(STARTER / f"{split}.jsonl" for split in ("train", "dev", "test")))
    keys = phrases(slow._rows_of, texts, 0)
    assert len(keys) > 30_000
    assert_equal(fast, slow, keys)
    for text in texts:
        assert [*fast.matches(text)] == [*slow.matches(text)]
    assert fast.names.longest == slow._longest


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not (SHARED / "catalogue").is_dir(), reason="the shared data folder is not there")
def test_ten_thousand_names_and_the_questions_of_the_shared_data(tmp_path):
    fast, slow = dictionaries(read_entities(SHARED / "catalogue" / "wikidata_154k.jsonl"), tmp_path)
    names = random.Random(1).sample(sorted(slow._rows_of), 10_000)
    texts = texts_of(*(path for path in sorted((SHARED / "questions").glob("*dev*.jsonl"))))
    assert_equal(fast, slow, phrases(names, texts[:2_000], 1))


WORDS = ("ka", "bo", "the", "s", "ii", "k", "kas", "kasbok", "kasbo", "Kans", "va", "kaskbaska")
NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)
TITLES = st.one_of(NAMES, st.tuples(NAMES, NAMES).map(", ".join))
RECORDS = st.lists(st.tuples(TITLES, st.lists(NAMES, max_size=2)), min_size=1, max_size=8)


def entities_of(records: list[tuple[str, list[str]]], start: int = 0) -> list[Entity]:
    """Entities of which every second has a Wikidata id, with the more famous ones behind."""
    ids = [f"Q{90 - row}" if row % 2 else f"e{row}" for row in range(start, start + len(records))]
    return [Entity(one, title, title, "", tuple(aliases)) for one, (title, aliases) in zip(ids, records, strict=True)]


@settings(max_examples=150, deadline=None)
@given(RECORDS, st.lists(NAMES, min_size=1, max_size=5))
def test_small_catalogues(tmp_path_factory, records, said):
    fast, slow = dictionaries(entities_of(records), tmp_path_factory.mktemp("small"))
    assert_equal(fast, slow, {*said, *slow._rows_of, *phrases(slow._rows_of, said, 2)})


class Before:
    """The parts before a part: what elq/names/writing.py asks of them."""

    def __init__(self, names: JoinedNames, entities: list[Entity]) -> None:
        self.rows, self.titled, self.record = names.rows, names.titled, entities.__getitem__


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORDS, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=4), st.sets(st.integers(0, 20)))
def test_parts_and_removed_rows_are_like_a_catalogue_without_them(tmp_path_factory, parts, said, removed):
    folder = tmp_path_factory.mktemp("parts")
    entities, files = [], []
    for number, records in enumerate(parts):
        own, first = entities_of(records, len(entities)), len(entities)
        opened = [open_names(path, digest, first=row, removed=frozenset()) for path, digest, row in files]
        earlier = Before(JoinedNames(opened), entities) if opened else None
        digest = write_names(collect(own, first=first, earlier=earlier), folder / f"{number}")
        files.append((folder / f"{number}", digest, first))
        entities += own
    gone = frozenset(row for row in removed if row < len(entities))
    left = [row for row in range(len(entities)) if row not in gone]
    if not left:
        return
    write_catalogue([entities[row] for row in left], folder / "left")
    slow = oracle.Dictionary(Catalogue(folder / "left"))
    write_catalogue(entities, folder / "all")
    catalogue = Catalogue(folder / "all", removed=gone)
    catalogue.names = JoinedNames([open_names(path, digest, first=row, removed=gone) for path, digest, row in files])
    fast = Dictionary(catalogue)
    assert fast.names.longest == slow._longest
    for key in phrases(slow._rows_of, said, 3) | phrases({*said, "ka va", "kas bo"}, [], 4):
        assert fast._index.kind(key) == slow._index.kind(key), key
        expected = {left[row]: kind for row, kind in slow._index.lookup(key).items()}
        assert fast._index.lookup(key) == expected, key


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.text("ab é\U0001f600", min_size=1, max_size=4), max_size=40),
    st.text("ab é", max_size=3),
    st.sets(st.integers(0, 39)),
)
def test_a_range_of_ordered_names(names, start, gone):
    ordered = sorted(names)
    raw = [f"{name}\n".encode() for name in ordered]
    offsets = np.cumsum([0, *map(len, raw)]).astype(np.uint32)
    dead = np.array(sorted(place for place in gone if place < len(ordered)), np.int64)
    made = Ordered(memoryview(b"".join(raw)), offsets, dead)
    made._step, made._fences = 3, [name.encode() for name in ordered[::3]]
    expected = [name for place, name in enumerate(ordered) if name.startswith(start) and place not in gone]
    places = made.range(start, f"{start}\U0010ffff")
    assert made.names(places) == expected
    assert made.count(places) == len(expected)
    for most in (1, 2, len(expected) + 1):
        assert made.first(places, most) == expected[:most]


@pytest.mark.parametrize("change", ["flip", "cut", "other"])
def test_a_damaged_file_is_refused(change, tmp_path):
    digest = write_names(collect([Entity("Q90", "Paris", "Paris")]), tmp_path / "names.arrow")
    raw = bytearray((tmp_path / "names.arrow").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "names.arrow").write_bytes({"flip": raw, "cut": raw[:-9], "other": b"x"}[change])
    with pytest.raises(ElqError, match="has the sha256 sum"):
        open_names(tmp_path / "names.arrow", digest)
    write_catalogue([Entity("Q90", "Paris", "Paris")], tmp_path / "catalogue")
    with pytest.raises(ElqError, match="is not a readable file of names"):
        open_names(tmp_path / "catalogue", sha256((tmp_path / "catalogue").read_bytes()).hexdigest())


def test_a_number_that_leads_out_of_the_file_is_refused(tmp_path, monkeypatch):
    names = collect([Entity("Q90", "Paris", "Paris"), Entity("Q1", "New York, Paris", "New York")])
    blocks = names.blocks()
    for block in ("rows", "forward_names", "forward_offsets", "forms_names", "short_offsets"):
        wrong = blocks[block].copy()
        wrong[-1] += 1_000
        monkeypatch.setattr(names, "blocks", lambda block=block, wrong=wrong: {**blocks, block: wrong})
        digest = write_names(names, tmp_path / "names.arrow")
        with pytest.raises(ElqError, match="a number in it leads out of the file"):
            open_names(tmp_path / "names.arrow", digest)
