"""Limits: sizes, times and the token, tried with sockets that behave badly."""

import asyncio
import json
import socket
import time
from dataclasses import replace

import httpx
import pytest

from elq.serving import limits, protocol
from elq.serving.protocol import MOST_HEADERS
from tests.serving.servers import SECONDS

QUESTION = {"question": "who directed titanic?"}


@pytest.fixture
def changed(server):
    """Changes settings of the running server for one test."""
    before = server.state.settings

    def change(**settings):
        server.state.settings = replace(before, **settings)

    yield change
    server.state.settings = before


@pytest.fixture
def hurry(monkeypatch):
    """The headers and the body of a request have to arrive in a second."""
    monkeypatch.setattr(limits, "BODY_SECONDS", 1.0)
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 1.0)


def talk(server, parts, pause=0.0, wait=10.0):
    """Send parts one after the other, and return what the server answers until it closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as client:
        for part in parts:
            try:
                client.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        found = b""
        while True:
            try:
                part = client.recv(65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            found += part
    return found


@pytest.mark.parametrize("in_chunks", [False, True])
def test_a_body_that_is_allowed_is_read_whole_although_less_of_a_refused_one_would_be(server, monkeypatch, in_chunks):
    monkeypatch.setattr(limits, "DISCARDED", 100)
    body = json.dumps({**QUESTION, "candidates": 1}).encode() + b" " * 5000
    content = iter([body[:150], body[150:]]) if in_chunks else body
    answer = httpx.post(f"{server.url}/link", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["results"][0]["text"]) == (200, QUESTION["question"]), answer.text


def test_headers_that_arrive_a_byte_at_a_time_are_ended(server, hurry):
    began = time.monotonic()
    found = talk(server, [bytes([byte]) for byte in b"GET /health HTTP/1.1\r\nHost: a\r\n"], pause=0.1)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b'{"error":' in found
    assert time.monotonic() - began < 8


def test_a_body_that_arrives_a_byte_at_a_time_is_ended(server, hurry):
    head = b"POST /link HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n"
    began = time.monotonic()
    found = talk(server, [head, *([b"{"] * 12)], pause=0.15)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in found.lower()
    assert time.monotonic() - began < 8


def test_a_connection_without_a_request_is_closed_silently(server, hurry):
    assert talk(server, []) == b""


def test_a_second_request_on_a_connection_may_come_late(server, hurry):
    with httpx.Client(base_url=server.url) as client:
        assert client.get("/health").status_code == 200
        time.sleep(1.5)  # longer than the headers may take
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * (2 * MOST_HEADERS)])
def test_what_is_no_http_is_refused_in_one_sentence(server, sent):
    found = talk(server, [sent])
    assert found.startswith(b"HTTP/1.1 400 ")
    assert found.endswith(b"}")


def test_a_body_of_10_mb_is_refused(server):
    body = b'{"question": "' + b"a" * 10_000_000 + b'"}'
    headers = {"Content-Type": "application/json"}
    for content in (body, (body[place : place + 65_536] for place in range(0, len(body), 65_536))):  # the second in chunks
        answer = httpx.post(f"{server.url}/link", content=content, headers=headers, timeout=SECONDS)
        assert answer.status_code == 413
        assert "1048576 (--max-body)" in answer.json()["error"]


def test_a_length_beyond_all_limits_is_refused_before_the_body(server):
    head = b"POST /link HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    assert talk(server, [head]).startswith(b"HTTP/1.1 413 ")


def test_a_slow_answer_is_504(server, changed):
    changed(timeout=0.01)
    found = server.link(questions=["who directed titanic?"] * 50, status=504)
    assert "0.01 seconds (--timeout)" in found["error"]


def test_a_client_that_leaves_is_not_linked(server):
    before = server.metric("elq_requests_total", route="/link", status="499")
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server.url}/link", json={"questions": ["who directed titanic?"] * 300}, timeout=0.1)
    end = time.monotonic() + 10
    while server.metric("elq_requests_total", route="/link", status="499") == before and time.monotonic() < end:
        time.sleep(0.02)
    assert server.metric("elq_requests_total", route="/link", status="499") == before + 1
    server.link(**QUESTION)


@pytest.fixture
def token(changed):
    """The running server with a token for one test."""
    changed(token="a-long-secret")
    return "a-long-secret"


@pytest.mark.parametrize("path", ["/link", "/v1/shop/link", "/info", "/metrics", "/openapi.json"])
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic a-long-secret", "a-long-secret", "Bearer ä", "Bearer a-long-secretX"]
)
def test_a_wrong_token_is_401(server, token, path, header):
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = httpx.request("POST" if "link" in path else "GET", server.url + path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "Authorization: Bearer TOKEN" in answer.json()["error"]


def test_a_body_that_follows_its_401_does_not_disturb_the_connection(server, token):
    size = 3 * protocol.MOST_HEADERS
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(b"POST /link HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        assert client.recv(65_536).startswith(b"HTTP/1.1 401")
        for _ in range(3):
            client.sendall(bytes(size // 3))
            time.sleep(0.05)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200")


def test_a_body_that_never_follows_its_401_is_ended(server, token, hurry):
    began = time.monotonic()
    talk(server, [b"POST /link HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", *[b"x"] * 100], pause=0.1)
    assert time.monotonic() - began < 8


def test_too_many_mentions_are_refused(server):
    said = server.link(question="titanic", mentions=[[0, 7]] * 10_001, status=413)["error"]
    assert "10001 mentions, but may have 10000" in said


def test_the_right_token_opens_everything_and_the_probes_need_none(server, token):
    headers = {"Authorization": f"bearer {token}"}
    assert httpx.post(f"{server.url}/link", json=QUESTION, headers=headers, timeout=SECONDS).status_code == 200
    assert httpx.get(f"{server.url}/info", headers=headers).status_code == 200
    assert [httpx.get(server.url + path).status_code for path in ("/health", "/ready")] == [200, 200]


def test_a_thousand_clients_at_once_are_all_answered(server):
    resource = pytest.importorskip("resource")
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < 2500:
        pytest.skip(f"a process may open {most} files only")
    body = b'{"question": "who directed titanic?"}'
    request = (
        b"POST /link HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    )

    async def one(go: asyncio.Event) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await go.wait()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head.partition(b"\r\n")[0]

    async def all_of_them() -> list[bytes]:
        go = asyncio.Event()
        tasks = [asyncio.ensure_future(one(go)) for _ in range(1000)]
        await asyncio.sleep(0.3)
        go.set()
        return await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)

    assert set(asyncio.run(all_of_them())) == {b"HTTP/1.1 200 OK"}
