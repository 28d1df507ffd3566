"""What happens to requests while the files change, and when the server is told to stop."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from elq.commands import run
from elq.linking.model_folder import build_model_folder
from elq.serving.server import make_server
from elq.serving.settings import Settings
from tests.conftest import RECORDS, write_lines
from tests.serving.servers import SECONDS, running, wait_until
from tests.test_packaging import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no open folder, and has no SIGTERM")

TEXT = "who directed titanic?"
MORE = {"id": "Q7", "title": "Zorblax", "description": "a river", "types": ["river"]}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A model folder over the small catalogue, and one with an entity more."""
    folder = tmp_path_factory.mktemp("changes")
    small = write_lines(folder / "small.jsonl", RECORDS)
    large = write_lines(folder / "large.jsonl", [*RECORDS, MORE])
    build_model_folder(small, folder / "small")
    build_model_folder(large, folder / "large")
    return folder


@pytest.fixture(scope="module")
def live(built, tmp_path_factory):
    """A server that looks often at a copy of the small folder."""
    model = tmp_path_factory.mktemp("live") / "model"
    shutil.copytree(built / "small", model)
    with running(model=(f"m={model}",), reload_seconds=0.2) as found:
        yield found, model


def replace_folder(model, new):
    """Replace a folder as one should: the new one is written beside it, and then renamed."""
    beside = model.with_name("beside")
    shutil.copytree(new, beside)
    old = model.with_name(f"old-{time.monotonic_ns()}")
    model.rename(old)
    beside.rename(model)


@contextmanager
def asking(server, clients=4):
    """Clients that ask without end; yields the statuses and versions of their answers."""
    found, done = [], threading.Event()

    def ask():
        with httpx.Client(base_url=server.url, timeout=SECONDS) as client:
            while not done.is_set():
                answer = client.post("/link", json={"question": TEXT})
                found.append((answer.status_code, answer.json().get("version"), len(answer.json()["results"][0]["links"])))

    with ThreadPoolExecutor(clients) as pool:
        tasks = [pool.submit(ask) for _ in range(clients)]
        try:
            yield found
        finally:
            done.set()
        for task in tasks:
            task.result()


def version(server):
    return httpx.get(f"{server.url}/info").json()["catalogues"]["m"]


def test_a_replaced_folder_is_served_and_no_request_is_dropped(live, built):
    server, model = live
    before = version(server)
    opened = server.metric("elq_reloads_total", catalogue="m", outcome="opened")
    with asking(server) as found:
        replace_folder(model, built / "large")
        wait_until(lambda: version(server)["entities"] == 8)
        time.sleep(0.2)
    assert {status for status, _, _ in found} == {200}
    assert {links for _, _, links in found} == {1}
    assert {one for _, one, _ in found} == {before["version"], version(server)["version"]}
    assert server.metric("elq_reloads_total", catalogue="m", outcome="opened") == opened + 1
    assert server.metric("elq_catalogue_entities", catalogue="m") == 8
    assert server.link(question="where is zorblax")["results"][0]["links"][0]["entity"] == "Q7"


def test_elq_update_on_the_folder_is_picked_up(live, built, quiet):
    server, model = live
    before = version(server)
    changed = write_lines(built / "changed.jsonl", [*RECORDS, {**MORE, "title": "Quibnar"}])
    assert run("update", [str(model), "--catalogue", str(changed)]) == 0
    wait_until(lambda: version(server)["version"] != before["version"])
    assert server.link(question="where is quibnar")["results"][0]["links"][0]["title"] == "Quibnar"


def test_a_broken_folder_is_refused_and_the_old_one_goes_on(live, built, tmp_path):
    server, model = live
    before = version(server)
    refused = server.metric("elq_reloads_total", catalogue="m", outcome="refused")
    broken = tmp_path / "broken"
    shutil.copytree(built / "large", broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    with asking(server, 2) as found:
        replace_folder(model, broken)
        wait_until(lambda: version(server)["reload_error"])
    assert {(status, links) for status, _, links in found} == {(200, 1)}
    assert "model.safetensors" in version(server)["reload_error"]
    assert version(server)["version"] == before["version"]
    assert server.metric("elq_reloads_total", catalogue="m", outcome="refused") == refused + 1
    replace_folder(model, built / "small")
    wait_until(lambda: version(server)["reload_error"] is None and version(server)["entities"] == 7)


def test_a_changed_catalogue_file_is_opened_with_the_same_network(tmp_path):
    file = write_lines(tmp_path / "c.jsonl", RECORDS)
    with running(catalogue=(str(file),), reload_seconds=0.2) as server:
        before = server.state.default.now
        write_lines(tmp_path / "new.jsonl", [*RECORDS, MORE]).replace(file)
        wait_until(lambda: server.state.default.now is not before)
        assert server.state.default.now.linker.model is before.linker.model
        assert server.link(question="where is zorblax")["results"][0]["links"][0]["entity"] == "Q7"


def test_sigterm_under_load_finishes_what_was_taken_and_ends_with_code_0(built):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "elq", "serve", "--port", "0", "--model", str(built / "small")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    url = process.stderr.readline().split()[-1]
    assert url.startswith("http://127.0.0.1:")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    wait_until(lambda: httpx.get(f"{url}/ready").status_code == 200)
    answers, stopping = [], []

    def ask():
        with httpx.Client(base_url=url, timeout=SECONDS) as client:
            while True:
                answer = client.post("/link", json={"questions": [TEXT] * 20})
                answers.append((answer.status_code, len(answer.json()["results"])))
                if answer.headers.get("connection") == "close":
                    return

    with ThreadPoolExecutor(8) as pool:
        tasks = [pool.submit(ask) for _ in range(8)]
        wait_until(lambda: len(answers) >= 8)
        process.send_signal(signal.SIGTERM)
        while not stopping or stopping[-1].status_code == 200:  # the first questions may come before the signal
            stopping.append(httpx.get(f"{url}/ready"))
        for task in tasks:
            task.result(SECONDS)
    assert process.wait(SECONDS) == 0
    assert set(answers) == {(200, 20)}
    assert (stopping[-1].status_code, stopping[-1].json()) == (503, {"status": "stopping"})


def test_sigterm_of_an_idle_server_ends_it_at_once(built):
    command = [sys.executable, "-m", "elq", "serve", "--port", "0", "--model", str(built / "small")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert process.stderr is not None
    url = process.stderr.readline().split()[-1]
    wait_until(lambda: httpx.get(f"{url}/ready").status_code == 200)
    with httpx.Client(base_url=url, timeout=SECONDS) as client:  # its connection stays open, as a browser's does
        assert client.post("/link", json={"question": TEXT}).status_code == 200
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    assert time.monotonic() - began < 5  # 0.6 on an idle machine
    assert "Traceback" not in process.stderr.read()


def test_a_stopping_server_stays_while_requests_come(monkeypatch):
    server, opened = make_server(Settings(port=0))
    opened.close()
    server.state.ready = True
    now = 100.0
    monkeypatch.setattr("elq.serving.server.monotonic", lambda: now)
    server.handle_exit(signal.SIGTERM, None)
    for now, requests, tasks, stops in ((100.2, 0, 0, False), (100.4, 1, 0, False), (100.6, 1, 1, False), (100.9, 1, 0, True)):
        server.server_state.total_requests, server.server_state.tasks = requests, set(range(tasks))
        assert asyncio.run(server.on_tick(1)) is stops, now
    server.should_exit = False
    server.server_state.tasks, now = {1}, 101.1
    assert asyncio.run(server.on_tick(1)) is True  # it takes no more, and answers what it took


def test_a_second_signal_stops_at_once_and_is_not_raised_again():
    server, opened = make_server(Settings(port=0))
    opened.close()
    server.handle_exit(signal.SIGTERM, None)
    assert (server.state.stopping, server.should_exit) == (True, False)
    server.handle_exit(signal.SIGTERM, None)
    assert (server.should_exit, server._captured_signals) == (True, [])  # what is there would be raised at the end
