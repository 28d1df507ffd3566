"""A server with several catalogues that the tests of the page share."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI

from elq.encoding.pretrained import GENERAL
from elq.serving.app import make_app
from elq.serving.catalogues import Opened, Served
from elq.serving.feedback import feedback_files
from elq.serving.limits import Tokens
from elq.serving.settings import Settings

SCRIPT = "<script>window.hacked = 1</script>"
ODD = [
    {
        "id": "x'1",
        "title": SCRIPT,
        "label": "scripty",
        "description": '<img src="x" onerror="window.hacked = 1">',
        "types": ["<b>trick</b>"],
        "bad": "javascript:window.hacked=1",
        "site": "https://example.org/a?b=<i>",
    },
    {"id": "smile", "title": "😀 Smile", "label": "Smile", "description": "a face", "types": ["emoji"]},
    {"id": "cairo", "title": "القاهرة", "description": "عاصمة مصر", "types": ["مدينة"]},
    {"id": "hose", "title": "Garden hose", "description": "green hose of 20 metres"},
]


@dataclass
class PageServer:
    """A running server: its address, its application, and the folder of its feedback files."""

    url: str
    app: FastAPI
    folder: Path
    client: httpx.Client  # one for all requests: a new one reads the certificates of this machine

    def link(self, catalogue: str, text: str, **options: Any) -> dict[str, Any]:
        """What the server answers to one question."""
        answer = self.client.post(f"v1/{catalogue}/link", json={"question": text, **options})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def saved(self, catalogue: str) -> list[dict[str, Any]]:
        """The records in the feedback file of a catalogue."""
        path = self.folder / f"feedback.{catalogue}.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@contextmanager
def page_server(folder: Path) -> Iterator[PageServer]:
    """Serve the starter, a catalogue with strange titles, the starter without a calibration, and with a mention threshold."""
    odd = folder / "odd.jsonl"
    odd.write_text("".join(json.dumps(record) + "\n" for record in ODD), encoding="utf-8")
    settings = Settings(
        model=(f"starter={GENERAL}",), feedback=str(folder / "feedback.jsonl"), reload_seconds=0, max_text=20_000
    )
    app = make_app(settings)
    with _running(uvicorn.Config(app, port=0, log_level="warning")) as url:
        while not app.state.elq.ready:
            assert app.state.elq.failed is None, app.state.elq.failed
            time.sleep(0.05)
        _add_catalogues(app, settings, odd)
        with httpx.Client(base_url=url, timeout=60) as client:
            yield PageServer(url, app, folder, client)


def _add_catalogues(app: FastAPI, settings: Settings, odd: Path) -> None:
    starter = app.state.elq.catalogues["starter"].opened.linker
    linkers = {"odd": starter.with_catalogue(odd), "plain": copy(starter), "strict": copy(starter)}
    linkers["plain"].calibration, linkers["strict"].mention_threshold = None, -0.4
    for name, linker in linkers.items():
        app.state.elq.catalogues[name] = Served(name, GENERAL, None, Opened(linker, name))
    app.state.feedback = feedback_files(settings, [*app.state.elq.catalogues])


@contextmanager
def with_token(server: PageServer, token: str) -> Iterator[str]:
    """The address of the same server, which asks for a token there."""
    state = server.app.state.elq
    guarded = Tokens(server.app, replace(state, settings=replace(state.settings, token=token)))
    with _running(uvicorn.Config(guarded, port=0, lifespan="off", log_level="warning")) as url:
        yield url


@contextmanager
def _running(config: uvicorn.Config) -> Iterator[str]:
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()
