import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from elq.commands import run
from elq.encoding.device import own_device, resolve_precision
from elq.encoding.entity_texts import EntityEncoder
from elq.encoding.pretrained import GENERAL
from elq.encoding.transformer import cls_vectors
from elq.entities.build import BuildSettings, build_entities
from elq.entities.manifest import CATALOGUE, MANIFEST, NAMES, TABLE, Manifest, open_entities
from elq.entities.texts import EntityText
from elq.errors import ElqError
from tests.conftest import RECORDS, write_lines


@pytest.fixture
def settings(encoder_folder):
    return BuildSettings(encoder=str(encoder_folder), precision="fp32", dtype="float32")


def table_of(folder):
    return np.array(open_entities(folder).table.vectors)


def test_rows_are_the_texts_encoded_one_by_one(settings, catalogue_file, tmp_path):
    build_entities(catalogue_file, tmp_path / "e", settings)
    entities, encoder = open_entities(tmp_path / "e"), EntityEncoder(settings.encoder, precision="fp32")
    singles = torch.cat([encoder([settings.text(entity)]) for entity in entities.catalogue])
    np.testing.assert_allclose(entities.table.vectors, singles.numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(entities.table.vectors, axis=1), 1, atol=1e-5)
    assert [entity.id for entity in entities.catalogue] == [record["id"] for record in RECORDS]
    assert sorted(path.name for path in (tmp_path / "e").iterdir()) == [CATALOGUE, MANIFEST, NAMES, "plan.json", TABLE]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".e.lock", "e"]


def test_permuting_the_catalogue_permutes_rows_only(settings, tmp_path):
    plain = write_lines(tmp_path / "a.jsonl", RECORDS)
    turned = write_lines(tmp_path / "b.jsonl", RECORDS[::-1])
    build_entities(plain, tmp_path / "a", settings)
    build_entities(turned, tmp_path / "b", settings)
    np.testing.assert_allclose(table_of(tmp_path / "a"), table_of(tmp_path / "b")[::-1], atol=1e-5)


def test_names_that_are_too_long_in_the_tokens_of_the_encoder_are_said(settings, tmp_path, caplog):
    """The last name has thirteen tokens of this encoder, but one of the general model."""
    caplog.set_level(logging.INFO)
    titles = ["paris", "the queen of the city of the river of the titanic ship", "international"]
    source = write_lines(tmp_path / "c.jsonl", [{"id": f"E{n}", "title": title} for n, title in enumerate(titles)])
    build_entities(source, tmp_path / "e", settings)
    assert f"only names of more than 10 tokens: 2, such as {titles[1]!r} of E1: a mention" in caplog.text
    build_entities(source, tmp_path / "general", replace(settings, encoder=GENERAL))
    assert f"only names of more than 10 tokens: 1, such as {titles[1]!r} of E1: a mention" in caplog.text


def test_every_setting_changes_the_table(settings, catalogue_file, tmp_path):
    build_entities(catalogue_file, tmp_path / "plain", settings)
    plain = table_of(tmp_path / "plain")
    changes = [
        {"pooling": "cls"},
        {"text": EntityText(fields=("title",))},
        {"max_tokens": 4},
        {"precision": "bf16"},
        {"dtype": "float16"},
    ]
    for number, change in enumerate(changes):
        build_entities(catalogue_file, tmp_path / str(number), replace(settings, **change))
        assert not np.array_equal(table_of(tmp_path / str(number)), plain), change
    build_entities(catalogue_file, tmp_path / "graph", replace(settings, index="hnsw"))
    assert (tmp_path / "graph" / "index.faiss").is_file()
    assert open_entities(tmp_path / "graph").index.kind == "hnsw"
    hidden = torch.randn(2, 3, 4)
    assert torch.equal(cls_vectors(hidden, torch.ones(2, 3)), hidden[:, 0])


def test_a_finished_build_is_kept_and_a_changed_catalogue_builds_anew(settings, tmp_path):
    """The first ELQ had a cache of titles, which was used instead of a new catalogue without any message."""
    source = write_lines(tmp_path / "c.jsonl", RECORDS)
    first = build_entities(source, tmp_path / "e", settings)
    stamp = (tmp_path / "e" / TABLE).stat().st_mtime_ns
    assert build_entities(source, tmp_path / "e", settings) == first
    assert (tmp_path / "e" / TABLE).stat().st_mtime_ns == stamp
    times = source.stat()
    write_lines(source, [{**RECORDS[0], "title": "Pariz"}, *RECORDS[1:]])
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))  # same size, same times
    second = build_entities(source, tmp_path / "e", settings)
    assert second.catalogue_sha256 != first.catalogue_sha256
    assert open_entities(tmp_path / "e").catalogue[0].title == "Pariz"


def test_resumes_after_kill_9_and_loses_at_most_one_part(encoder_folder, settings, tmp_path):
    records = [{"id": f"E{n}", "title": f"{['river', 'city', 'film'][n % 3]} {n}"} for n in range(3_000)]
    source = write_lines(tmp_path / "c.jsonl", records)
    script = (
        "import elq.entities.assembly, elq.entities.build as b, sys; elq.entities.assembly.PART = 256\n"
        "s = b.BuildSettings(encoder=sys.argv[1], precision='fp32', dtype='float32')\n"
        "b.build_entities(sys.argv[2], sys.argv[3], s)"
    )
    command = [sys.executable, "-c", script, str(encoder_folder), str(source), str(tmp_path / "killed")]
    markers = tmp_path / ".killed.building" / "parts"
    process = subprocess.Popen(command)
    while process.poll() is None and len(list(markers.glob("[0-9]*"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in markers.glob("[0-9]*")}
    assert 3 <= len(done) < 12
    assert not (tmp_path / "killed").exists()
    source_of_truth = tmp_path / "plain"
    # a marked part is not encoded again: what stands in it is kept as it is
    table = np.load(tmp_path / ".killed.building" / TABLE, mmap_mode="r+")
    first = min(int(path.name) for path in done)
    table[first] = 0.5
    table.flush()
    subprocess.run(command, check=True)
    build_entities(source, source_of_truth, settings)
    killed, plain = table_of(tmp_path / "killed"), table_of(source_of_truth)
    assert (killed[first] == 0.5).all()
    killed[first] = plain[first]
    np.testing.assert_allclose(killed, plain, atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".killed.lock", ".plain.lock", "c.jsonl", "killed", "plain"]


def test_an_encoder_that_changed_in_place_builds_anew(settings, catalogue_file, encoder_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    mine = shutil.copytree(encoder_folder, tmp_path / "mine")
    settings = replace(settings, encoder=str(mine))
    build_entities(catalogue_file, tmp_path / "e", settings)
    before = table_of(tmp_path / "e")
    weights = load_file(mine / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] *= -1
    save_file(weights, mine / "model.safetensors")
    build_entities(catalogue_file, tmp_path / "e", settings)
    assert not np.allclose(table_of(tmp_path / "e"), before)


def test_markers_without_a_table_count_for_nothing(settings, catalogue_file, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("elq.entities.assembly._finish", lambda *_: (_ for _ in ()).throw(RuntimeError("stopped")))
        with pytest.raises(RuntimeError, match="stopped"):
            build_entities(catalogue_file, tmp_path / "e", settings)
    (tmp_path / ".e.building" / TABLE).unlink()
    build_entities(catalogue_file, tmp_path / "e", settings)
    assert np.linalg.norm(table_of(tmp_path / "e"), axis=1).min() > 0.9


SHARED_BUILD = """
import os, pathlib, sys, time, elq.entities.assembly as a, elq.entities.build as b, elq.entities.parts as p
begun = pathlib.Path(sys.argv[4])
a.PART, p.WAIT_SECONDS, claimed = 256, 0.01, a.claimed_parts
def told(*arguments):
    for part in claimed(*arguments):
        (begun / str(os.getpid())).touch()
        print(part[0], flush=True)
        while len([*begun.iterdir()]) < 2:  # until the other has one, too
            time.sleep(0.01)
        yield part
a.claimed_parts = told
b.build_entities(sys.argv[2], sys.argv[3], b.BuildSettings(encoder=sys.argv[1], precision="fp32", dtype="float32"))
"""


@pytest.mark.parametrize("one_dies", [False, True])
def test_two_processes_share_a_build(one_dies, encoder_folder, settings, tmp_path):
    records = [{"id": f"E{n}", "title": f"{['river', 'city', 'film'][n % 3]} {n}"} for n in range(6_000)]
    source = write_lines(tmp_path / "c.jsonl", records)
    (begun := tmp_path / "begun").mkdir()
    command = [sys.executable, "-c", SHARED_BUILD, str(encoder_folder), str(source), str(tmp_path / "e"), str(begun)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    if one_dies:
        processes[0].stdout.readline()  # it has a part
        processes[0].kill()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [-signal.SIGKILL if one_dies else 0, 0]
    starts = [str(start) for start in range(0, 6_000, 256)]
    if one_dies:
        assert set(told[1]) >= {*starts} - {*told[0]}
    else:
        assert sorted(told[0] + told[1], key=int) == starts  # each part once
        assert told[0]
        assert told[1]
    build_entities(source, tmp_path / "plain", settings)
    np.testing.assert_allclose(table_of(tmp_path / "e"), table_of(tmp_path / "plain"), atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".e.lock", ".plain.lock", "begun", "c.jsonl", "e", "plain"]


@pytest.mark.parametrize(
    ("place", "cards", "device"), [(None, 4, "cuda"), ("3", 4, "cuda:3"), ("3", 1, "cuda"), ("5", 4, "cuda:1")]
)
def test_each_process_of_a_host_has_a_card_of_its_own(place, cards, device, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: cards)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if place:
        monkeypatch.setenv("SLURM_LOCALID", place)
    assert own_device("cuda") == device
    assert own_device("cpu") == "cpu"


def test_a_build_whose_folder_another_took_stops_before_it_writes(settings, catalogue_file, tmp_path, monkeypatch):
    """A second build writes another catalogue to the same output while the first build encodes its catalogue."""

    def taken(*_):
        (tmp_path / ".e.building" / "plan.json").write_text('{"source_sha256": "another"}')

    monkeypatch.setattr("elq.entities.build.EncodedTexts.announce", taken)
    with pytest.raises(ElqError, match="was taken by a build from another catalogue or with other settings"):
        build_entities(catalogue_file, tmp_path / "e", settings)
    assert not np.load(tmp_path / ".e.building" / TABLE).any()
    assert not (tmp_path / "e").exists()


def test_an_approximate_index_prints_its_recall(settings, catalogue_file, tmp_path, caplog):
    with caplog.at_level("INFO"):
        build_entities(catalogue_file, tmp_path / "e", replace(settings, index="hnsw"))
    assert "the hnsw index finds 100.0% of the true 10 nearest" in caplog.text


def test_the_options_of_an_index_are_part_of_what_is_built(settings, catalogue_file, tmp_path, caplog):
    graph = replace(settings, index="hnsw")
    plain = build_entities(catalogue_file, tmp_path / "e", graph)
    assert plain.index_options == {}
    chosen = replace(graph, index_options={"links": "4", "ef_search": 3})
    manifest = build_entities(catalogue_file, tmp_path / "e", chosen)
    assert json.loads((tmp_path / "e" / MANIFEST).read_text())["index_options"] == {"links": 4, "ef_search": 3}
    assert manifest.files["index.faiss"] < plain.files["index.faiss"]
    assert open_entities(tmp_path / "e").index.ef_search == 3
    stamp = (tmp_path / "e" / TABLE).stat().st_mtime_ns
    with caplog.at_level("INFO"):
        build_entities(catalogue_file, tmp_path / "e", replace(graph, index_options={"ef_search": "3", "links": 4}))
    assert f"{tmp_path / 'e'} is up to date" in caplog.text
    assert (tmp_path / "e" / TABLE).stat().st_mtime_ns == stamp


def test_without_options_the_plan_and_the_manifest_are_those_of_before(settings, catalogue_file, tmp_path):
    build_entities(catalogue_file, tmp_path / "e", replace(settings, index="hnsw"))
    plan = json.loads((tmp_path / "e" / "plan.json").read_text())
    assert [*plan["settings"]] == ["encoder", "pooling", "text", "max_tokens", "dtype", "precision", "index"]
    manifest = json.loads((tmp_path / "e" / MANIFEST).read_text())
    assert manifest.pop("index_options") == {}
    (tmp_path / "e" / MANIFEST).write_text(json.dumps(manifest))
    assert open_entities(tmp_path / "e").index.ef_search == 7  # 512 of the file, cut to the entities


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"typo": 1},
            "names 'typo', which is unknown: the hnsw index has links=32, ef_construction=200, ef_search=512",
        ),
        ({"ef_search": 0}, "has ef_search 0, but it must be a whole number from 1 to 100000: the hnsw index has links=32"),
        ([1], "is \\[1\\], but must be a mapping from options to values"),
        ({"links": [1]}, "has links \\[1\\], but it must be"),
    ],
)
def test_bad_options_in_a_manifest(options, message, settings, catalogue_file, tmp_path):
    build_entities(catalogue_file, tmp_path / "e", replace(settings, index="hnsw"))
    manifest = json.loads((tmp_path / "e" / MANIFEST).read_text())
    (tmp_path / "e" / MANIFEST).write_text(json.dumps({**manifest, "index_options": options}))
    with pytest.raises(ElqError, match=f"index_options {message}"):
        Manifest.load(tmp_path / "e")


def test_the_build_command_reads_options_and_lists_them(encoder_folder, catalogue_file, tmp_path, capsys):
    command = ["--catalogue", str(catalogue_file), "--output", str(tmp_path / "e"), "--encoder", str(encoder_folder)]
    command += ["--precision", "fp32", "--index", "hnsw", "--index-options"]
    assert run("build", [*command, "links=48, ef_search=5"]) == 0
    assert Manifest.load(tmp_path / "e").index_options == {"links": 48, "ef_search": 5}
    for wrong, message in (
        ("links", "--index-options has 'links', but must be OPTION=VALUE pairs such as links=48,ef_search=256"),
        (
            "links=many",
            "index_options has links 'many', but it must be a whole number from 2 to 1024: the hnsw index has links=32",
        ),
        ("knots=1", "index_options names 'knots', which is unknown: the hnsw index has links=32, ef_construction=200"),
    ):
        assert run("build", [*command, wrong]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("build", ["--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "exact (default) or hnsw" in told
    assert "exact: no options; hnsw: links=32 (graph links per entity" in told


def test_says_beforehand_what_it_takes(settings, catalogue_file, tmp_path, caplog):
    with caplog.at_level("INFO"):
        build_entities(catalogue_file, tmp_path / "e", settings)
    assert "7 entities needs 0 MB of disk" in caplog.text
    assert "and 0 MB of memory for the exact index" in caplog.text
    assert "encoding 7 of 7 entities will take about 0.0 minutes (fp32)" in caplog.text


def test_no_room_on_the_disk(settings, catalogue_file, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("elq.entities.assembly.shutil.disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(ElqError, match="the build needs 0 MB, but .* has 0 MB free"):
        build_entities(catalogue_file, tmp_path / "e", settings)
    assert not (tmp_path / "e").exists()


def test_bad_settings_and_places(settings, catalogue_file, tmp_path, encoder_folder):
    for change in ({"pooling": "max"}, {"dtype": "int8"}, {"precision": "fp8"}, {"index": "ivf"}, {"max_tokens": 2}):
        with pytest.raises(ElqError, match=next(iter(change))):
            replace(settings, **change)
    with pytest.raises(ElqError, match="does not exist"):
        build_entities(tmp_path / "none.jsonl", tmp_path / "e", settings)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ElqError, match="was not made by `elq build`"):
        build_entities(catalogue_file, tmp_path / "mine", settings)
    assert resolve_precision("auto", "cpu") in ("bf16", "fp32")


def test_an_encoder_that_gives_nan_is_refused(encoder_folder, catalogue_file, tmp_path):
    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(encoder_folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.LayerNorm.weight"][:] = float("nan")
    save_file(weights, broken / "model.safetensors")
    with pytest.raises(ElqError, match="gave NaN or Inf"):
        build_entities(catalogue_file, tmp_path / "e", BuildSettings(encoder=str(broken), precision="fp32"))


def test_manifest_says_how_it_was_made(entities_folder, encoder_folder, entities):
    manifest = Manifest.load(entities_folder)
    assert manifest.encoder == str(encoder_folder)
    assert manifest.catalogue_sha256 == entities.catalogue.sha256
    assert json.loads((entities_folder / MANIFEST).read_text())["text"]["fields"] == ["title", "aliases", "description"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc")
def test_a_folder_in_which_no_file_can_be_made_is_refused_before_it_is_locked(settings, catalogue_file):
    """The lock would wait without an end for a file that it cannot make."""
    with pytest.raises(ElqError, match="/proc cannot be used"):
        build_entities(catalogue_file, "/proc/x", settings)
