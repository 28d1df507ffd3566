"""The server in two replicas behind the proxy of Ray Serve."""

import sys
from pathlib import Path

import pytest

from elq.commands import run
from elq.errors import ElqError
from elq.linking.linker import Linker
from elq.serving.settings import Settings
from tests.bulk.conftest import MODEL

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*")
httpx = pytest.importorskip("httpx")
TEXT = "who sang the queen song"
TOKEN = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def address(cluster):
    from ray import serve

    from elq.serving.replicas import checked, start_replicas

    settings = checked(Settings(model=(MODEL,), port=0, token="secret", max_questions=3))
    yield start_replicas(settings, 2, sys.modules["ray"])
    serve.shutdown()


def test_the_replicas_answer_as_one_server_does(address):
    links = Linker.from_pretrained(MODEL).link(TEXT, threshold=-9.0)
    with httpx.Client(base_url=address, headers=TOKEN, timeout=30) as client:
        for _ in range(8):  # some of them reach the other replica
            [result] = client.post("/link", json={"question": TEXT, "threshold": -9.0}).raise_for_status().json()["results"]
            assert [(one["start"], one["end"], one["entity"]) for one in result["links"]] == [
                (link.start, link.end, link.entity) for link in links
            ]
        assert client.get("/ready").status_code == 200
        assert client.post("/link", json={"questions": []}).status_code == 400
        assert client.post("/link", json={"questions": ["a"] * 4}).status_code == 413
        assert client.get("/%").status_code == 404


def test_the_replicas_want_the_token_and_count_for_themselves(address):
    with httpx.Client(base_url=address, timeout=30) as client:
        assert client.post("/link", json={"question": TEXT}).status_code == 401
        texts = [client.get("/metrics", headers=TOKEN).text for _ in range(30)]
    started = {line for text in texts for line in text.splitlines() if line.startswith("process_start_time_seconds")}
    assert len(started) == 2


def test_wrong_flags_are_one_sentence(tmp_path, capsys, monkeypatch):
    from elq.serving.replicas import checked

    assert run("serve", ["--replicas", "none"]) == 2
    assert "--replicas (ELQ_REPLICAS) is 'none'" in capsys.readouterr().err
    assert run("serve", ["--ray"]) == 2
    assert "only --replicas uses it" in capsys.readouterr().err
    with pytest.raises(ElqError, match="nowhere"):
        checked(Settings(model=("nowhere",)))
    monkeypatch.chdir(Path(MODEL).parent)
    assert checked(Settings(model=("a=model",))).model == (f"a={MODEL}",)
