"""Changes of a folder: they equal a build of the resulting catalogue, survive kill -9, and leave other folders alone."""

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from elq.commands import run
from elq.entities.build import BuildSettings, build_entities
from elq.entities.catalogue import Catalogue
from elq.entities.edit import (
    add_entities,
    compact_entities,
    edit_entity,
    remove_entities,
    update_entities,
)
from elq.entities.manifest import MANIFEST, Manifest, open_entities
from elq.entities.segments import Segment
from elq.errors import ElqError
from elq.linking.linker import Linker
from elq.model.network import ELQ
from elq.names.dictionary import Dictionary
from elq.search.kinds import INDEX_KINDS
from tests.conftest import QUESTIONS, RECORDS, write_encoder, write_lines

WORDS = ("paris", "texas", "titanic", "ship", "queen", "band", "river", "city", "va", "tx")
TEXTS = [text for text, _, _ in QUESTIONS] + ["who lives in paris tx", "the queens band", "titanics of the city texas", "va"]


@pytest.fixture(scope="module")
def made(encoder_folder, tmp_path_factory):
    """The settings of a build, and a folder that was built with them from RECORDS."""
    place = tmp_path_factory.mktemp("edited")
    chosen = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32")
    build_entities(write_lines(place / "c.jsonl", RECORDS), place / "e", chosen)
    return chosen, place / "e"


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made[1], tmp_path / "e")


@pytest.fixture(scope="module")
def named_model(encoder_folder):
    torch.manual_seed(2)
    model = ELQ.from_encoder(encoder_folder, max_span_tokens=4, names=True).eval()
    with torch.no_grad():
        model.name_bonus.weight.copy_(torch.linspace(-0.2, 0.3, len(model.name_bonus.weight)))
    return model


def record_of(entity):
    return {name: getattr(entity, name) for name in entity.__slots__}


def state(folder: Path) -> list[dict]:
    return [record_of(entity) for entity in open_entities(folder).catalogue]


def assert_like_a_build(folder: Path, chosen: BuildSettings, place: Path, model, tokenizer) -> None:
    """A folder gives what a build of its records gives."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    build_entities(write_lines(place / "c.jsonl", state(folder)), place / "e", chosen)
    changed, built = open_entities(folder), open_entities(place / "e")
    ids = [entity.id for entity in built.catalogue]
    rows = changed.catalogue.rows(ids)
    assert (rows >= 0).all()
    assert list(rows) == sorted(rows)
    np.testing.assert_allclose(changed.table.gather(torch.from_numpy(rows)), built.table.tensor(), atol=1e-5)
    own, other = Dictionary(changed.catalogue), Dictionary(built.catalogue)
    names = {word for entity in built.catalogue for name in (entity.title, *entity.aliases) for word in (name, *name.split())}
    for key in sorted({name.lower().replace(",", "") for name in names} | {"paris tx", "queen va", "titanics"}):
        assert own._index.kind(key) == other._index.kind(key), key
        expected = {int(rows[row]): kind for row, kind in other._index.lookup(key).items()}
        assert own._index.lookup(key) == expected, key
    for mode in ("candidates", "table"):
        linkers = [
            Linker(model, tokenizer, entities, threshold=-math.inf, candidates=4, score_mode=mode)
            for entities in (changed, built)
        ]
        for links, wanted in zip(*(linker.link(TEXTS) for linker in linkers), strict=True):
            assert [(link.start, link.end) for link in links] == [(link.start, link.end) for link in wanted]
            for link, right in zip(links, wanted, strict=True):
                assert link.score == pytest.approx(right.score, abs=2e-3)
                scores = [candidate.score for candidate in link.candidates]
                assert scores == pytest.approx([candidate.score for candidate in right.candidates], abs=2e-3)
                if all(before - after > 5e-3 for before, after in pairwise(scores)):
                    same = [candidate.entity for candidate in right.candidates]
                    assert [candidate.entity for candidate in link.candidates][:-1] == same[:-1]


NAMES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
RECORD = st.fixed_dictionaries(
    {
        "title": st.one_of(NAMES, st.tuples(NAMES, st.sampled_from(["texas", "va"])).map(", ".join)),
        "aliases": st.lists(NAMES, max_size=2),
        "description": NAMES,
    }
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(RECORD, min_size=1, max_size=4)),
        st.tuples(st.just("remove"), st.integers(0, 50)),
        st.tuples(st.just("edit"), st.tuples(st.integers(0, 50), RECORD)),
        st.tuples(st.just("update"), st.tuples(st.integers(0, 50), RECORD)),
        st.tuples(st.just("compact"), st.none()),
    ),
    min_size=1,
    max_size=6,
)


def act(folder: Path, what: str, value, number: int) -> None:
    ids = [record["id"] for record in state(folder)]

    def unlike(record: dict, place: int) -> dict:
        """The record with another description than all others have, since the order of equal scores depends on the rows."""
        return {**record, "description": f"{record['description']} {number} {'abcdefgh'[place] * (number + 1)}"}

    if what == "add":
        add_entities(folder, [{"id": f"Q{7 * number}{place}", **unlike(record, place)} for place, record in enumerate(value)])
    elif what == "remove" and len(ids) > 1:
        remove_entities(folder, [ids[value % len(ids)]])
    elif what == "edit":
        edit_entity(folder, ids[value[0] % len(ids)], **unlike(value[1], 5))
    elif what == "update":
        records = state(folder)
        place = value[0] % len(records)
        records[place] |= unlike(value[1], 6)
        removed = [] if len(records) < 3 else [records.pop((place + 1) % len(records))]
        records.append({"id": f"x{number}", **unlike(value[1], 7)})
        change = update_entities(folder, write_lines(folder.parent / "new.jsonl", records))
        assert len(change.new) == 1
        assert len(change.gone) == len(removed)
    elif what == "compact":
        compact_entities(folder)


@example(
    actions=[("edit", (0, {"title": "paris", "aliases": [], "description": "paris"})), ("remove", 1)]
)  # the longest name goes
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(actions=ACTIONS)
def test_any_changes_are_like_a_build_of_the_result(actions, made, named_model, tokenizer, tmp_path_factory):
    place = tmp_path_factory.mktemp("law")
    folder = shutil.copytree(made[1], place / "e")
    for number, (what, value) in enumerate(actions):
        act(folder, what, value, number)
    assert_like_a_build(folder, made[0], place / "built", named_model, tokenizer)


def test_the_segments_of_many_small_changes_are_few(folder, made, named_model, tokenizer, tmp_path):
    for number in range(20):
        add_entities(folder, [{"id": f"n{number}", "title": f"{WORDS[number % 8]} {number}"}])
    manifest = Manifest.load(folder)
    assert manifest.version == 20
    assert manifest.entities == 27
    assert [segment.rows for segment in manifest.segments] == [16, 4]
    assert_like_a_build(folder, made[0], tmp_path / "built", named_model, tokenizer)


def test_what_a_change_says(folder, tmp_path):
    records = [
        {**RECORDS[0], "description": "town"},
        *RECORDS[2:],
        {"id": "Q5", "title": "Rome"},
        {"id": "Q6", "title": "Oslo"},
    ]
    file = write_lines(tmp_path / "new.jsonl", records)
    before = sorted(path.name for path in folder.iterdir())
    planned = update_entities(folder, file, dry_run=True)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert Manifest.load(folder).version == 0
    change = update_entities(folder, file)
    assert (change.new, change.gone, change.changed) == (("Q5", "Q6"), ("Q830149",), ("Q90",))
    assert (planned.new, planned.gone, planned.changed, planned.version) == (change.new, change.gone, change.changed, 0)
    assert (change.entities, change.version) == (8, 1)
    again = update_entities(folder, file)
    assert (again.new, again.gone, again.changed, again.version) == ((), (), (), 1)
    assert sorted(record["id"] for record in state(folder)) == sorted(record["id"] for record in records)


def test_only_new_and_changed_records_are_encoded(folder, tmp_path, monkeypatch):
    from elq.entities.build import EncodedTexts

    seen = []
    plain = EncodedTexts.vectors
    monkeypatch.setattr(EncodedTexts, "vectors", lambda self, some: seen.extend(some) or plain(self, some))
    update_entities(folder, write_lines(tmp_path / "new.jsonl", [*RECORDS[1:], {"id": "Q5", "title": "Rome"}]))
    edit_entity(folder, "Q116", title="King")
    assert [entity.id for entity in seen] == ["Q5", "Q116"]
    assert (seen[1].title, seen[1].label) == ("King", "queen")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda folder: remove_entities(folder, ["Q90", "nobody"]), "entity nobody is not in the catalogue"),
        (lambda folder: remove_entities(folder, [record["id"] for record in RECORDS]), "no entity would be left"),
        (lambda folder: add_entities(folder, [{"id": "Q90", "title": "Rome"}]), "entity Q90 is in the catalogue already"),
        (lambda folder: add_entities(folder, [{"id": "n", "title": "a"}] * 2), "entity n occurs more than once"),
        (lambda folder: add_entities(folder, [{"id": "n"}]), "entity n has neither title nor label"),
        (lambda folder: edit_entity(folder, "Q90", name="x"), "entity Q90 cannot get the field 'name'"),
        (lambda folder: edit_entity(folder, "Q90", title=5.5), "title is 5.5, but must be a string"),
        (lambda folder: compact_entities(folder.parent), "is neither a model folder nor an entities folder"),
    ],
)
def test_bad_changes_change_nothing(call, message, folder):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ElqError, match=message) as told:
        call(folder)
    assert "\n" not in str(told.value)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_another_encoder_of_the_same_width_is_refused(folder, tmp_path):
    (tmp_path / "other").mkdir()
    other = write_encoder(tmp_path / "other")
    from safetensors.torch import load_file, save_file

    weights = load_file(other / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= -1
    save_file(weights, other / "model.safetensors")
    new = [{"id": "n", "title": "Rome"}]
    with pytest.raises(ElqError, match="but that of the encoder that made .* is"):
        add_entities(folder, new, encoder=str(other))
    values = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**values, "encoder_sha256": ""}))
    (folder / "plan.json").unlink()
    with pytest.raises(ElqError, match="gives other vectors than the table has"):
        add_entities(folder, new, encoder=str(other))
    assert add_entities(folder, new).entities == 8
    (folder / MANIFEST).write_text(json.dumps({**json.loads((folder / MANIFEST).read_text()), "encoder": "/nowhere"}))
    with pytest.raises(ElqError, match="it must be the encoder that made"):
        add_entities(folder, [{"id": "m", "title": "Rome"}])


def test_new_names_that_are_too_long_for_a_mention_are_said(folder, caplog):
    caplog.set_level(logging.INFO)
    add_entities(folder, [{"id": "n", "title": "international"}, {"id": "m", "title": "Rome"}])  # letters of this encoder
    assert "entities that have only names of more than 10 tokens: 1, such as 'international' of n: a mention" in caplog.text
    caplog.clear()
    edit_entity(folder, "n", aliases=["rome"])
    assert "tokens" not in caplog.text


def test_a_folder_of_an_older_version_gets_its_names_first(folder, made, named_model, tokenizer, tmp_path):
    values = json.loads((folder / MANIFEST).read_text())
    (folder / "names.arrow").unlink()
    old = {
        key: value for key, value in values.items() if key not in ("names_sha256", "encoder_sha256", "max_tokens", "version")
    }
    for key in ("base", "segments", "removed", "removed_rows"):
        del old[key]
    del old["files"]["names.arrow"]
    (folder / MANIFEST).write_text(json.dumps({**old, "format": 3, "threshold": -2.0, "score_mode": "table"}))
    assert open_entities(folder).catalogue.names is None
    add_entities(folder, [{"id": "n", "title": "Rome, Texas"}])
    manifest = Manifest.load(folder)
    assert (manifest.base, manifest.places, manifest.version) == ("base-1", ("base-1", "segment-2"), 2)
    assert json.loads((folder / MANIFEST).read_text())["threshold"] == -2.0  # the decision of a model, of that version
    assert sorted(path.name for path in folder.iterdir()) == ["base-1", MANIFEST, "plan.json", "segment-2"]
    assert_like_a_build(folder, made[0], tmp_path / "built", named_model, tokenizer)


def test_a_changed_folder_is_built_again_and_a_training_refuses_it(folder, made, tmp_path):
    from elq.entities.manifest import refuse_changed

    remove_entities(folder, ["Q90"])
    with pytest.raises(ElqError, match="has changes that are not merged, which a training does not read: run `elq compact`"):
        refuse_changed(open_entities(folder), "a training")
    compact_entities(folder)
    refuse_changed(open_entities(folder), "a training")
    assert build_entities(made[1].parent / "c.jsonl", folder, made[0]).entities == 7


def test_hard_links_in_other_folders_stay_as_they_are(folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        os.link(path, other / path.name)
    before = {path.name: path.read_bytes() for path in other.iterdir()}
    add_entities(folder, [{"id": "n", "title": "Rome"}])
    remove_entities(folder, ["Q90"])
    compact_entities(folder)
    assert {path.name: path.read_bytes() for path in other.iterdir()} == before
    assert len(open_entities(other).catalogue) == 7


@pytest.mark.parametrize("kind", [kind for kind in INDEX_KINDS if kind != "remote"])  # which needs a server
def test_removed_entities_are_found_by_no_search(kind, encoder_folder, tmp_path):
    records = [{"id": f"E{n}", "title": f"{WORDS[n % 8]} {WORDS[n % 5]} {n}"} for n in range(200)]
    chosen = BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32", index=kind)
    build_entities(write_lines(tmp_path / "c.jsonl", records), tmp_path / "e", chosen)
    queries = open_entities(tmp_path / "e").table.tensor(0, 40) + 0.0
    remove_entities(tmp_path / "e", [f"E{n}" for n in range(0, 60, 2)])
    add_entities(tmp_path / "e", [{"id": f"N{n}", "title": f"{WORDS[n % 8]} {n}"} for n in range(30)])
    remove_entities(tmp_path / "e", ["N3", "N4"])
    opened = open_entities(tmp_path / "e")
    assert opened.index.kind == kind
    left = sorted({*range(230)} - {*range(0, 60, 2), 203, 204})
    products = queries @ opened.table.tensor()[left].T
    scores, rows = opened.index.search(queries, 10)
    assert set(rows.flatten().tolist()) <= {*left}
    wanted = products.topk(10)
    torch.testing.assert_close(scores, wanted.values, atol=1e-4, rtol=1e-4)
    _, rows = opened.index.search(queries[:2], 1_000)
    assert rows.shape[1] == len(left)
    if kind == "exact":
        assert sorted(rows[0].tolist()) == left
        total = opened.index.search_normalised(queries, 3)[2]
        torch.testing.assert_close(total, products.logsumexp(-1), atol=1e-4, rtol=1e-4)
    assert compact_entities(tmp_path / "e").entities == len(left)
    again = open_entities(tmp_path / "e").index.search(queries, 10)[0]
    torch.testing.assert_close(again, wanted.values, atol=1e-4, rtol=1e-4)


def test_a_linker_takes_the_new_state_and_keeps_the_old_one_for_running_calls(run_folder, tmp_path):
    model = shutil.copytree(run_folder / "model", tmp_path / "model")
    linker = Linker.from_pretrained(model)
    encoder = Manifest.load(run_folder / "model" / "entities").encoder
    assert not linker.reload()
    old = linker.score(["who directed titanic?"], threshold=-math.inf)
    change = remove_entities(model, ["Q44578"])
    assert change.version == 1
    assert any(link.entity == "Q44578" for link in linker.link("who directed titanic?", threshold=-math.inf))
    assert linker.reload()
    assert not linker.reload()
    links = linker.link(TEXTS, threshold=-math.inf)
    assert not any(c.entity == "Q44578" for found in links for link in found for c in link.candidates)
    assert linker.links(old, threshold=-math.inf)[0]
    assert encoder
    alone = Linker(linker.model, linker.tokenizer, linker.entities, threshold=0.0)
    assert not alone.reload()  # the entities know their folder
    compact_entities(model)
    assert linker.reload()
    assert not linker.reload()  # the base is now a folder in the entities folder


@pytest.mark.parametrize(
    "values",
    [
        {"version": -1},
        {"base": "../base-1"},
        {"removed": "../removed-1.npy"},
        {"removed_rows": "1"},
        {"segments": [{"folder": "segment-1/../..", "rows": 1, "catalogue_sha256": "", "names_sha256": ""}]},
        {"segments": [{"folder": "segment-1", "rows": 0, "catalogue_sha256": "", "names_sha256": ""}]},
        {"segments": [{"folder": "segment-1"}]},
        {"segments": 5},
    ],
)
def test_a_manifest_with_wrong_parts_is_refused(values, folder):
    about = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**about, **values}))
    with pytest.raises(ElqError) as told:
        open_entities(folder)
    assert "\n" not in str(told.value)


def test_a_list_of_removed_rows_that_is_wrong_is_refused(folder):
    remove_entities(folder, ["Q90", "Q116"])
    file = folder / Manifest.load(folder).removed
    for rows in ([0, 7], [0, 0], [-1, 2]):
        np.save(file, np.array(rows, np.int64))
        with pytest.raises(ElqError, match="does not list 2 of the 7 rows"):
            open_entities(folder)
    assert Segment(folder="segment-1", rows=1, catalogue_sha256="", names_sha256="").rows == 1


KILLED = """
import json, os, random, shutil, signal, sys
import torch
from elq.entities.edit import compact_entities, update_entities
from elq.entities.manifest import Manifest, open_entities

torch.set_num_threads(1)  # threads do not survive a fork
folder, file, good = sys.argv[1:]
EVENTS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "shutil.rmtree")


def change(last):
    done = 0

    def kill(event, arguments):
        nonlocal done
        if event in EVENTS and any("killed" in str(argument) for argument in arguments):
            done += 1
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill)
    update_entities(folder, file)
    compact_entities(folder)
    return done


def child(last):
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(change(last)).encode())
        os._exit(0)
    os.close(write)
    os.wait()
    return os.read(read, 100).decode()


shutil.copytree(good, folder)
total = int(child(0))
chance = random.Random(16)
print(json.dumps([total, Manifest.load(folder).version]), flush=True)
for last in sorted(chance.sample(range(1, total + 1), 20)):
    if last % 3 or Manifest.load(folder).version == 2:  # some go on after a kill
        shutil.rmtree(folder)
        shutil.copytree(good, folder)
    finished = child(last) != ""
    opened = open_entities(folder)
    print(json.dumps([finished, opened.manifest.version, sorted(entity.id for entity in opened.catalogue)]), flush=True)
child(0)
"""


def test_a_killed_change_leaves_the_old_or_the_new_state(folder, tmp_path):
    """A child kills itself with kill -9 at 20 seeded accesses to files of the folder, in an update and a compaction."""
    records = [*RECORDS[1:], *({"id": f"n{n}", "title": f"{WORDS[n % 8]} {n}"} for n in range(40))]
    file = write_lines(tmp_path / "new.jsonl", records)
    states = [sorted(record["id"] for record in some) for some in (RECORDS, records)]
    killed = tmp_path / "killed"
    command = [sys.executable, "-c", KILLED, str(killed), str(file), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    (total, version), *lines = map(json.loads, done.stdout.splitlines())
    assert total > 60
    assert version == 2
    assert len(lines) == 20
    assert sum(finished for finished, _, _ in lines) < 5
    for _, version, found in lines:
        assert found == states[version > 0]
    assert {version for _, version, _ in lines} == {0, 1, 2}
    assert sorted(record["id"] for record in state(killed)) == states[1]
    manifest = Manifest.load(killed)
    assert sorted(path.name for path in killed.iterdir()) == sorted([*manifest.places, MANIFEST, "plan.json"])


def test_two_writers_at_once_wait_for_each_other(folder, tmp_path):
    script = "import sys\nfrom elq.entities.edit import add_entities\nfor n in range(5):\n"
    script += "    add_entities(sys.argv[1], [{'id': f'{sys.argv[2]}{n}', 'title': 'Rome'}])"
    processes = [subprocess.Popen([sys.executable, "-c", script, str(folder), name]) for name in "ab"]
    assert [process.wait() for process in processes] == [0, 0]
    assert {record["id"] for record in state(folder)} >= {f"{name}{n}" for name in "ab" for n in range(5)}
    assert Manifest.load(folder).version == 10


def test_the_commands(folder, tmp_path, capsys, quiet):
    file = write_lines(tmp_path / "new.jsonl", [*RECORDS[1:], {"id": "Q5", "title": "Rome"}])
    assert run("update", [str(folder), "--catalogue", str(file), "--dry-run"]) == 0
    assert capsys.readouterr().out == "new: 1 (Q5)\ngone: 1 (Q90)\nchanged: 0\nnothing was written\n"
    assert run("update", [str(folder), "--catalogue", str(file)]) == 0
    assert capsys.readouterr().out == "new: 1 (Q5)\ngone: 1 (Q90)\nchanged: 0\nversion 1: 7 entities\n"
    assert run("add", [str(folder), '{"id": "Q6", "title": "Oslo", "aliases": ["Christiania"]}']) == 0
    assert run("edit", [str(folder), "Q6", "--title", "Oslo (city)", "--alias", "Tiger City", "--description", "capital"]) == 0
    assert run("remove", [str(folder), "Q5", "Q116"]) == 0
    assert run("compact", [str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "version 5: 6 entities"
    [oslo] = [entity for entity in Catalogue(folder / "base-5" / "catalogue.arrow") if entity.id == "Q6"]
    assert (oslo.title, oslo.aliases, oslo.description) == ("Oslo (city)", ("Tiger City",), "capital")
    for command, message in (
        (["add", str(folder)], "give the new entities either as --catalogue FILE or as JSON records"),
        (["add", str(folder), "[1]"], "the records on the command line, line 1: the line is a list"),
        (["edit", str(folder), "Q6"], "nothing to change in entity Q6 was given"),
        (["remove", str(folder), "nobody"], "entity nobody is not in the catalogue"),
        (["update", str(tmp_path), "--catalogue", str(file)], "is neither a model folder nor an entities folder"),
    ):
        assert run(command[0], command[1:]) == 2
        assert message in capsys.readouterr().err


def test_a_build_does_not_replace_a_folder_that_was_changed(folder, made, tmp_path):
    remove_entities(folder, [RECORDS[0]["id"]])
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    other = write_lines(tmp_path / "other.jsonl", RECORDS[:2])
    with pytest.raises(ElqError, match=r"\(version 1\), and a build would lose that: choose another folder"):
        build_entities(other, folder, made[0])
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
