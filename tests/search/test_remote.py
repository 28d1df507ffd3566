"""The remote index against milvus-lite, which speaks the protocol of a large Milvus, in a process of its own."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from elq.commands import run
from elq.entities.build import BuildSettings, build_entities
from elq.entities.edit import add_entities, compact_entities, remove_entities
from elq.entities.manifest import open_entities
from elq.errors import ElqError
from elq.search.exact import ExactIndex
from elq.search.kinds import build_index, open_index
from elq.search.milvus import Collection, Server
from elq.search.remote import REMOTE_FILE, RemoteIndex, RemoteOptions
from elq.search.shortlist import GATHERED
from elq.search.table import EntityTable
from tests.conftest import RECORDS
from tests.search.slow import WIDTH, brute_force

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

SERVE = (
    "import sys; from milvus_lite.adapter.grpc.server import run_server; run_server(sys.argv[1], '127.0.0.1', int(sys.argv[2]))"
)
SECRET = "root:s3cret-of-the-test"


class Process:
    """A server that can be killed and started again over the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.folder), str(self.port)], stdout=subprocess.DEVNULL
        )
        for _ in range(600):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert self.process.poll() is None
            time.sleep(0.1)
        raise AssertionError("the server did not start in a minute")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = Process(tmp_path_factory.mktemp("milvus"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _address_of_the_server(monkeypatch, server):
    monkeypatch.setenv("ELQ_MILVUS_URL", server.url)


@pytest.fixture
def own() -> EntityTable:
    """A table that no other test has, so that it has a collection of its own."""
    return EntityTable(np.random.default_rng(time.time_ns()).standard_normal((60, WIDTH)).astype(np.float32))


def other(index: RemoteIndex) -> Collection:
    """The same collection through another connection."""
    return Collection(Server(index.collection.server.url, 30.0), index.collection.name)


# ── search ──


@pytest.mark.parametrize("search", ["exact", "graph"])
def test_the_server_finds_what_comparing_all_finds(search, table, queries):
    index = build_index("remote", table, {"search": search})
    scores, rows = index.search(queries, 10)
    expected, truth = brute_force(table, queries, 10)
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-5, atol=1e-5)
    assert (rows.numpy() == truth).mean() > 0.99


def test_a_search_in_a_graph_has_the_list_that_was_chosen(own, queries, monkeypatch):
    asked = []
    monkeypatch.setattr(
        Collection, "nearest", lambda self, vectors, k, params: asked.append((k, params)) or [[0]] * len(vectors)
    )
    build_index("remote", own, {"search": "graph", "ef_search": 77}).search(queries, 5)
    build_index("remote", own).search(queries, 5)
    assert asked == [(5, {"ef": 77}), (5, {})]


def test_columns_of_a_prior_are_part_of_the_inner_product(table, queries):
    fame = np.random.default_rng(3).random((len(table), 2)).astype(np.float16)
    with_prior = EntityTable(np.concatenate([table.vectors, fame], axis=1))
    asked = torch.cat([queries, torch.tensor([25.0, -9.0]).expand(len(queries), 2)], 1)  # fame decides more than similarity
    found, truth = build_index("remote", with_prior).search(asked, 10)[1], ExactIndex(with_prior).search(asked, 10)[1]
    assert (found == truth).float().mean() > 0.99
    assert (found != ExactIndex(table).search(queries, 10)[1]).any()


def test_a_graph_is_refused_with_a_prior():
    with pytest.raises(
        ElqError,
        match="the remote index with search=graph misses many .*: use another index, such as exact",
    ):
        BuildSettings(index="remote", index_options={"search": "graph"}, prior=("qid",))
    assert BuildSettings(index="remote", prior=("qid",)).prior == ("qid",)


def test_the_rows_of_a_large_batch_are_not_in_memory_together(own, monkeypatch):
    index, taken, gather = build_index("remote", own), [], EntityTable.gather
    monkeypatch.setattr(EntityTable, "gather", lambda self, rows: taken.append(rows.numel()) or gather(self, rows))
    many = own.tensor().repeat(10, 1)  # (600, D)
    assert (index.search(many, 60)[1].sort(-1).values == torch.arange(60)).all()
    assert sum(taken) == 600 * 60
    assert max(taken) * own.width <= GATHERED


def test_a_large_batch_is_several_requests(own, monkeypatch):
    index, asked, nearest = build_index("remote", own), [], Collection.nearest
    monkeypatch.setattr(Collection, "nearest", lambda self, some, *more: asked.append(len(some)) or nearest(self, some, *more))
    many = own.tensor().repeat(3, 1)[:150]
    assert torch.equal(index.search(many, 3)[1], ExactIndex(own).search(many, 3)[1])
    assert asked == [64, 64, 22]


# ── upload ──


def test_a_collection_has_a_name_that_says_what_it_contains(own):
    name = build_index("remote", own).collection.name
    assert name.startswith("elq_")
    assert build_index("remote", own, {"links": 8, "batch": 7}).collection.name == name  # without a graph there are no links
    graph = build_index("remote", own, {"search": "graph"}).collection.name
    changed = own.vectors.copy()
    changed[7, 3] += 1e-3
    names = {name, graph, build_index("remote", EntityTable(changed)).collection.name}
    names.add(build_index("remote", own, {"search": "graph", "links": 8}).collection.name)
    assert len(names) == 4


KILLED = """
import sys, os, signal
import numpy as np
from elq.search.kinds import build_index
from elq.search.milvus import Collection
from elq.search.table import EntityTable

write, written = Collection.write, []

def one_more(self, start, vectors):
    if len(written) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, start, vectors)
    written.append(start)

Collection.write = one_more
build_index("remote", EntityTable(np.load(sys.argv[1])), {"batch": 100})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_an_upload_that_was_killed_goes_on_where_it_was(tmp_path, queries, monkeypatch):
    table = EntityTable(np.random.default_rng(9).standard_normal((1_010, WIDTH)).astype(np.float32))
    np.save(tmp_path / "t.npy", table.vectors)
    assert subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "t.npy")]).returncode == -9
    written, write = [], Collection.write
    monkeypatch.setattr(Collection, "write", lambda self, start, vectors: written.append(start) or write(self, start, vectors))
    index = build_index("remote", table, {"batch": 100})
    assert written == [*range(300, 1_010, 100)]
    assert (index.search(queries, 10)[1].numpy() == brute_force(table, queries, 10)[1]).mean() > 0.99
    build_index("remote", table)  # everything is there already
    assert len(written) == 8


# ── what is refused ──


def test_a_collection_that_is_gone_is_refused(own, tmp_path):
    index = build_index("remote", own)
    index.save(tmp_path)
    other(index).server.client.drop_collection(index.collection.name)
    with pytest.raises(
        ElqError, match=f"has no collection {index.collection.name}, which .* needs: give the server that has it"
    ):
        open_index("remote", own, tmp_path)


def test_a_collection_with_fewer_vectors_is_refused(own, tmp_path):
    index = build_index("remote", own)
    index.save(tmp_path)
    other(index).server.client.delete(index.collection.name, ids=[5])
    with pytest.raises(ElqError, match=r"has 59 × 24 vectors, but the table has 60 × 24: delete the collection"):
        open_index("remote", own, tmp_path)
    assert build_index("remote", own).collection.count() == 60  # a new build completes it


def test_a_collection_with_other_vectors_is_refused(own, tmp_path):
    index = build_index("remote", own)
    index.save(tmp_path)
    other(index).write(0, np.ones((1, WIDTH), np.float32))
    for again in (lambda: open_index("remote", own, tmp_path), lambda: build_index("remote", own)):
        with pytest.raises(ElqError, match=r"has another vector than the table in row 0: delete the collection"):
            again()


@pytest.mark.parametrize("url", ["http://milvus.example:19530", "/tmp/of_a_stranger.db"])
def test_a_folder_does_not_choose_another_machine(own, tmp_path, monkeypatch, url):
    build_index("remote", own).save(tmp_path)
    monkeypatch.delenv("ELQ_MILVUS_URL")
    with pytest.raises(
        ElqError, match=f"names the Milvus server at {url}, which gets the vectors .* in the environment variable"
    ):
        open_index("remote", own, tmp_path, {"url": url})


def test_a_file_of_another_table_or_that_is_none_is_refused(own, tmp_path):
    index = build_index("remote", own)
    index.save(tmp_path)
    with pytest.raises(ElqError, match=r"is about 60 × 24 vectors, but the table has 30 × 24: make the entities folder again"):
        open_index("remote", EntityTable(own.vectors[:30]), tmp_path)
    for content in ("[]", "{}", "not JSON", json.dumps({"collection": "c", "rows": 60, "width": 24, "colour": "red"})):
        (tmp_path / REMOTE_FILE).write_text(content)
        with pytest.raises(ElqError, match=r"does not describe a remote index \(.*\): make the entities folder again"):
            open_index("remote", own, tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "fast"}, "has search 'fast', but the remote index has exact and graph: choose one"),
        ({"url": "http://root:s3cret@host:1"}, "has a url with a password or a query, which would be written to files"),
        ({"url": "https://host:1?token=s3cret"}, "has a url with a password or a query"),
        ({"url": "host:19530"}, "has url 'host:19530', but it must be http://HOST:PORT or https://HOST:PORT"),
        ({"timeout": 0}, "has timeout 0, but it must be a number from 0.1 to 3600"),
        ({"batch": 0}, "has batch 0, but it must be a whole number from 1 to 100000"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ElqError) as told:
        BuildSettings(index="remote", index_options=options)
    assert message in str(told.value)
    assert "s3cret" not in str(told.value)


def test_a_server_that_is_not_there_is_one_sentence_before_the_work_begins(
    encoder_folder, catalogue_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("ELQ_MILVUS_URL")
    options = ["--catalogue", str(catalogue_file), "--encoder", str(encoder_folder), "--output", str(tmp_path / "e")]
    where = "url=http://127.0.0.1:9,timeout=5"
    assert run("build", [*options, "--precision", "fp32", "--index", "remote", "--index-options", where]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told == (
        "elq: the Milvus server at http://127.0.0.1:9 does not answer within 5 seconds: start it (`docker compose --file"
        " deploy/milvus.yaml up --detach`), or give its address in ELQ_MILVUS_URL"
    )
    assert not (tmp_path / "e").exists()


def test_a_server_that_never_answers_costs_the_timeout_and_no_more(own, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("ELQ_MILVUS_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ElqError, match="does not answer within 1 seconds: start it"):
            build_index("remote", own, {"timeout": 1})
        assert time.monotonic() - began < 20


def test_a_server_that_was_started_again_is_used_again(server, own, queries, tmp_path):
    index = build_index("remote", own, {"timeout": 2})
    index.save(tmp_path)
    expected = index.search(queries, 5)[1]
    server.stop()
    try:
        with pytest.raises(ElqError, match="does not answer within 2 seconds: start it"):
            index.search(queries, 5)
    finally:
        server.start()
    assert torch.equal(index.search(queries, 5)[1], expected)  # at once, in a process that goes on
    assert torch.equal(open_index("remote", own, tmp_path).search(queries, 5)[1], expected)


# ── folders ──


def test_a_folder_grows_and_is_compacted_and_no_file_has_the_token(
    encoder_folder, catalogue_file, tmp_path, monkeypatch, server
):
    monkeypatch.setenv("ELQ_MILVUS_TOKEN", SECRET)
    settings = BuildSettings(encoder=str(encoder_folder), precision="fp32", index="remote", index_options={"timeout": 20})
    folder = tmp_path / "e"
    assert build_entities(catalogue_file, folder, settings).files[REMOTE_FILE] > 0
    first = open_entities(folder).index.collection.name
    add_entities(folder, [{"id": "Q64", "title": "Berlin"}, {"id": "Q2", "title": "Earth"}])
    remove_entities(folder, ["Q90", "Q2"])
    for place in (folder, None):
        opened = open_entities(folder)
        own = opened.table.tensor()
        exact = ExactIndex(opened.table, removed=opened.catalogue.removed)
        found, truth = opened.index.search(own, 5), exact.search(own, 5)
        assert found[1].tolist() == truth[1].tolist()
        torch.testing.assert_close(found[0], truth[0])
        assert len(RECORDS) == opened.manifest.entities
        if place:
            compact_entities(folder)
    assert opened.index.collection.name != first
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert SECRET.encode() not in path.read_bytes()
        assert server.url.encode() not in path.read_bytes()


def test_the_options_of_a_folder_are_those_of_the_build(own, tmp_path):
    build_index("remote", own, {"search": "graph", "links": 8}).save(tmp_path)
    opened = open_index("remote", own, tmp_path, {"ef_search": 99})
    assert isinstance(opened, RemoteIndex)
    assert opened.chosen == RemoteOptions(search="graph", links=8, ef_search=99)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks")
def test_a_forked_process_has_a_connection_of_its_own(own):
    index = build_index("remote", own)
    before = index.collection.server.client
    index.collection.server._client = (os.getpid() - 1, before)  # as it is in a child
    assert index.collection.server.client is not before
