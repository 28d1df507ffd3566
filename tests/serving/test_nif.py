"""POST /nif: the answers of a real server, as GERBIL asks for them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from elq import Linker, Mention
from elq.exchange.nif import Document, read_nif
from elq.serving import nif_routes
from tests.exchange.test_nif import CONTEXT, PREFIXES, SPAN
from tests.serving.servers import running

MODEL = Path(__file__).parents[1] / "data" / "format4" / "model"
TURTLE = {"Content-Type": "application/x-turtle", "Accept": "application/x-turtle"}  # what GERBIL sends


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("nif")
    shop = folder / "shop.csv"
    shop.write_text('id,title,description\nA-1,Hex key set,keys for screws\n"B 2 ""x""",Garden hose,green hose of 20 metres\n')
    patch = pytest.MonkeyPatch()
    patch.setenv("ELQ_CACHE", str(folder / "cache"))
    served = running(model=(f"tiny={MODEL}",), catalogue=(f"shop={shop}",), reload_seconds=0)
    with served as server, httpx.Client(base_url=server.url, timeout=60) as opened:
        yield opened
    patch.undo()


@pytest.fixture(scope="module")
def linker() -> Linker:
    return Linker.from_pretrained(str(MODEL))


def posted(client: httpx.Client, body: str, path: str = "/nif", **headers: str) -> list[Document]:
    answer = client.post(path, content=(PREFIXES + body).encode(), headers={**TURTLE, **headers})
    assert answer.status_code == 200, answer.text
    return read_nif(answer.content, "turtle", "the answer")[0]


def context(number: int, text: str) -> str:
    return f'<http://d/{number}#char=0,{len(text)}> a nif:Context ; nif:isString "{text}" .\n'


def test_mentions_are_found(client, linker):
    texts = ["👩‍🚀 who directed titanic?", "what is the capital of e\u0301 france and paris"]
    expected = linker.link(texts)
    assert sum(map(len, expected)) > 1
    questions = posted(client, "".join(context(number, text) for number, text in enumerate(texts)))
    assert [one.iri for one in questions] == [f"http://d/{number}#char=0,{len(text)}" for number, text in enumerate(texts)]
    for question, links in zip(questions, expected, strict=True):
        assert question.mentions == tuple(Mention(link.start, link.end, link.entity) for link in links)
    assert (
        posted(client, context(0, texts[0]), "/v1/tiny/nif", **{"Content-Type": "text/turtle; charset=utf-8"}) == questions[:1]
    )


def test_given_mentions_are_linked_and_no_others(client, linker):
    [question] = posted(client, CONTEXT + SPAN)
    [expected] = linker.link("🎬 who directed Titanic ?", mentions=[(15, 22)])
    assert question.mentions == (Mention(15, 22, expected.entity),)
    assert [one.mentions for one in posted(client, CONTEXT + SPAN + context(5, "nothing here"))] == [question.mentions, ()]


def test_ids_with_quotes_and_nil_of_another_catalogue(client):
    hose, other = context(1, "how long is the garden hose"), context(2, "who was napoleon")
    [first, second] = posted(client, hose + other, "/v1/shop/nif?nil=true")
    assert first.mentions == (Mention(16, 27, 'B 2 "x"'),)
    assert second.mentions == (Mention(8, 16, None),)
    assert posted(client, other, "/v1/shop/nif")[0].mentions == ()


def test_scores_and_the_prefix_on_request(client):
    plain = client.post("/nif", content=(PREFIXES + CONTEXT + SPAN).encode(), headers=TURTLE)
    assert plain.headers["content-type"] == "application/x-turtle; charset=utf-8"
    assert "taConfidence" not in plain.text
    assert "http://www.wikidata.org/entity/Q" in plain.text
    asked = {"scores": "true", "entity_prefix": "http://example.org/kb/"}
    scored = client.post("/nif", content=(PREFIXES + CONTEXT + SPAN).encode(), headers=TURTLE, params=asked)
    assert "taConfidence" in scored.text
    assert "<http://example.org/kb/Q" in scored.text


@pytest.mark.parametrize(
    ("body", "kind", "path", "status", "said"),
    [
        ("<a> <b>", "text/turtle", "/nif", 400, "the document is not valid RDF (turtle;"),
        ("", "text/turtle", "/nif", 400, "the document has no nif:Context with a nif:isString"),
        (
            "{}",
            "application/json",
            "/nif",
            400,
            "the content type is 'application/json', but must be one of application/x-turtle",
        ),
        ("", "text/turtle", "/v1/other/nif", 404, "there is no catalogue 'other': take one of tiny, shop"),
        ("", "text/turtle", "/nif?entity_prefix=a%20b", 400, "the entity prefix is 'a b', but must be the beginning of an IRI"),
        ("", "text/turtle", "/nif?scores=maybe", 400, "scores is 'maybe'"),
        (context(1, "x" * 20_001), "text/turtle", "/nif", 413, "a text has 20001 characters"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(client, body, kind, path, status, said):
    answer = client.post(path, content=(PREFIXES + body).encode(), headers={"Content-Type": kind})
    assert answer.status_code == status
    assert said in answer.json()["error"]


def test_half_a_character_in_an_escape_is_answered(client):
    [question] = posted(client, context(1, r"\ud800 who directed titanic?"))
    assert question.text == "\ufffd who directed titanic?"


def test_a_server_without_rdflib_says_what_to_install(client, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'rdflib'", name="rdflib")

    monkeypatch.setattr(nif_routes, "read_nif", missing)
    answer = client.post("/nif", content=b"", headers=TURTLE)
    assert (answer.status_code, answer.json()["error"]) == (
        501,
        "POST /nif needs rdflib, which is not installed: pip install 'elq[nif]'",
    )
