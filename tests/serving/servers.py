"""Runs a real server in a thread of the test, at a free port."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from elq.serving.server import make_server
from elq.serving.settings import Settings
from elq.serving.state import State

SECONDS = 60  # a busy machine opens a model in much less


@dataclass(frozen=True)
class Running:
    url: str
    state: State
    port: int

    def link(self, *, status: int = 200, path: str = "/link", **body) -> dict:
        answer = httpx.post(self.url + path, json=body, timeout=SECONDS)
        assert answer.status_code == status, answer.text
        return answer.json()

    def metric(self, name: str, **labels: str) -> float:
        return self.state.metrics.registry.get_sample_value(name, labels) or 0.0


@contextmanager
def running(**settings) -> Iterator[Running]:
    server, opened = make_server(Settings(port=0, **settings))
    port = opened.getsockname()[1]
    thread = threading.Thread(target=server.run, args=([opened],), daemon=True)
    thread.start()
    try:
        wait_until(lambda: server.state.ready or server.state.failed)
        if server.state.failed:
            raise server.state.failed
        yield Running(f"http://127.0.0.1:{port}", server.state, port)
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()


def wait_until(condition, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
