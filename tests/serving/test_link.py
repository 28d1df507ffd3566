"""POST /link: the values of Linker.link, and one sentence for every mistake."""

import asyncio
import json
import math

import httpx
import pytest

from elq.serving.answers import finite, json_response
from elq.serving.contract import Answer
from elq.serving.link import plain_link
from elq.types import NIL, Link
from tests.serving.servers import SECONDS

TEXT = "who directed titanic?"
ASKED = [
    {"question": TEXT},
    {"questions": [TEXT, "how long is the nile", "", "who wrote hamlet and who sang hello"]},
    {"question": TEXT, "threshold": -8.0},
    {"question": TEXT, "min_probability": 0.2},
    {"question": TEXT, "types": ["ship"]},
    {"question": TEXT, "ids": ["Q25173"], "threshold": -9.0},
    {"question": "who is the mayor of my village in paris", "nil": True, "threshold": -6.0},
    {"question": TEXT, "mentions": [[13, 20], [0, 3]]},
    {"questions": [TEXT, "is paris in texas"], "mentions": [[[13, 20]], [[3, 8], [12, 17]]], "candidates": 3},
    {"question": "what about titanic?", "context": ["i watch films"]},
    {"question": "what about titanic?", "context": []},
    {"question": "what about titanic?", "context": ["i watch films"], "mentions": [[11, 18]]},
    {"question": TEXT, "candidates": 4, "threshold": -5.0},
    {"question": "who plays baseball", "threshold": -5.0, "concepts": "keep"},
    {"question": "who plays baseball", "threshold": -5.0, "concepts": "drop"},
]


def expected(linker, asked):
    """The links of Linker.link, one call for each question."""
    texts = [asked["question"]] if "question" in asked else asked["questions"]
    options = {name: value for name, value in asked.items() if name not in ("question", "questions", "mentions")}
    found = []
    for place, text in enumerate(texts):
        given = asked.get("mentions")
        spans = given if given is None or "question" in asked else given[place]
        found.append(linker.link(text, mentions=None if spans is None else [tuple(span) for span in spans], **options))
    return found


def same(links: list[dict], wanted: list[Link]) -> None:
    assert [(one["start"], one["end"], one["entity"]) for one in links] == [(o.start, o.end, o.entity) for o in wanted]
    for one, other in zip(links, wanted, strict=True):
        for name in ("mention", "title", "description"):
            assert one[name] == getattr(other, name)
        assert one["types"] == list(other.types)
        assert one["score"] == pytest.approx(other.score, abs=1e-3)
        assert one["mention_score"] == pytest.approx(other.mention_score, abs=1e-3)
        assert one["probability"] == (None if other.probability is None else pytest.approx(other.probability, abs=1e-3))


def test_requests_of_all_kinds_at_once_have_the_values_of_the_linker(server, linker):
    async def ask():
        async with httpx.AsyncClient(base_url=server.url, timeout=SECONDS) as client:
            return await asyncio.gather(*(client.post("/link", json=asked) for asked in ASKED * 3))

    before = server.metric("elq_batch_questions_count")
    answers = asyncio.run(ask())
    texts = sum(len(asked.get("questions", [1])) for asked in ASKED * 3)
    assert server.metric("elq_batch_questions_count") - before < texts / 2  # they were linked in batches
    for asked, answer in zip(ASKED * 3, answers, strict=True):
        assert answer.status_code == 200, answer.text
        Answer.model_validate_json(answer.content)
        for result, wanted in zip(answer.json()["results"], expected(linker, asked), strict=True):
            same(result["links"], wanted)


def test_nil_is_answered(server):
    found = server.link(question="who is the mayor of qqqq in titanic", mentions=[[20, 24]], nil=True)["results"][0]["links"]
    assert found[0]["entity"] == NIL
    assert found[0]["probability"] is None


def test_candidates_have_titles_descriptions_types_and_scores(server, linker):
    plain = server.link(question=TEXT)["results"][0]["links"][0]
    assert "candidates" not in plain
    [found] = server.link(question=TEXT, with_candidates=True)["results"][0]["links"]
    wanted = linker.link(TEXT)[0].candidates
    assert [one["entity"] for one in found["candidates"]] == [one.entity for one in wanted]
    assert found["candidates"][0]["description"] == found["description"] != ""
    assert "film" in found["candidates"][0]["types"]
    assert found["candidates"][1]["score"] == pytest.approx(wanted[1].score, abs=1e-3)
    shares = [math.exp(score) for score in (found["nil_score"], *(one["score"] for one in found["candidates"]))]
    assert sum(shares) == pytest.approx(1, abs=1e-3)
    assert "nil_score" not in plain


def test_a_catalogue_of_ones_own_is_asked_by_its_name_and_shares_the_network(server):
    found = server.link(path="/v1/shop/link", question=TEXT)
    assert found["catalogue"] == "shop"
    assert found["results"][0]["links"][0]["title"] == "Titanic (1997 film)"
    shop = server.state.catalogues["shop"].now
    assert shop.linker.model is server.state.default.now.linker.model
    assert found["version"] == shop.version != server.link(question=TEXT)["version"]


@pytest.mark.parametrize("before", ["👩‍🚀 🏴󠁧󠁢󠁥󠁮󠁧󠁿 ", "cafe\u0301 a\u0308 ", "𝔘𝔫𝔦 𐍈 ", "日本 "])
def test_offsets_count_code_points(server, before):
    text = f"{before}who directed titanic?"
    result = server.link(question=text)["results"][0]
    found = {(one["start"], one["end"]) for one in result["links"]}
    assert (text.index("titanic"), text.index("titanic") + 7) in found
    assert result["text"] == text
    assert all(text[one["start"] : one["end"]] == one["mention"] for one in result["links"])


def test_a_long_text_is_read_in_windows_and_nothing_is_cut(server, linker):
    short, long = "who directed titanic?", "and then nothing more was said of it " * 90 + "who directed titanic?"
    assert server.link(question=short)["results"][0]["windows"] == 1
    result = server.link(question=long)["results"][0]
    limit, tokens = linker.model.encoder.max_tokens, int(linker.scorer.tokens([long]).attention.sum())
    assert tokens > limit
    assert result["windows"] == 1 + math.ceil((tokens - limit) / (limit // 2 - 1))
    assert result["links"][-1]["start"] == long.rindex("titanic")


def test_a_million_dots_are_answered_at_once_and_thousands_are_read(server):
    assert "may have 10000" in server.link(question="." * 1_000_000, status=413)["error"]
    assert server.link(question="." * 3_000)["results"][0]["windows"] == 11


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "is not JSON"),
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"question": "a\\ud800b"}', "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b"[" * 100_000, "is not JSON"),
        (b"{}", "neither question nor questions"),
        (b'{"question": "a", "questions": ["b"]}', "both question and questions"),
        (b'{"questions": []}', "empty list"),
        (b'{"question": 5}', "question is 5"),
        (b'{"questions": ["a", null]}', "questions.1 is None"),
        (b'{"question": "a", "treshold": -1}', "'treshold' is unknown"),
        (b'{"question": "a", "threshold": 1}', "threshold is 1"),
        (b'{"question": "a", "threshold": NaN}', "threshold is nan"),
        (b'{"question": "a", "threshold": "-1"}', "threshold is '-1'"),
        (b'{"question": "a", "min_probability": 1.5}', "min_probability is 1.5"),
        (b'{"question": "a", "concepts": "some"}', "concepts"),
        (b'{"question": "a", "candidates": 0}', "candidates is 0"),
        (b'{"question": "a", "candidates": 1000000}', "candidates is 1000000"),
        (b'{"question": "a", "candidates": true}', "candidates is True"),
        (b'{"question": "a", "nil": "yes"}', "nil is 'yes'"),
        (b'{"question": "titanic", "mentions": [[0]]}', "mentions"),
        (b'{"question": "titanic", "mentions": [[0, 99]]}', "end 99"),
        (b'{"question": "titanic", "mentions": [[3, 2]]}', "start 3 and end 2"),
        (b'{"question": "titanic?", "mentions": [[[0, 7]]]}', "must be two whole numbers"),
        (b'{"questions": ["titanic"], "mentions": [[0, 7]]}', "must be"),
        (b'{"questions": ["titanic", "paris"], "mentions": [[[0, 7]]]}', "2 questions, but mentions has 1 lists"),
        (b'{"questions": ["titanic"], "mentions": [[[0, 7]], [[0, 5]]]}', "1 questions, but mentions has 2 lists"),
        (b'{"question": "a titanic ", "mentions": [[1, 2]]}', "overlaps no token"),
        (b'{"question": "titanic", "mentions": [[0, 7]], "threshold": -1}', "leave out one of them"),
        (b'{"question": "a", "types": ["planet x"]}', "planet x"),
        (b'{"question": "a", "types": []}', "types has []"),
        (b'{"question": "a", "ids": ["Q0"]}', "Q0"),
        (b'{"question": "a", "context": "b"}', "context is 'b'"),
        (b'{"questions": ["a"], "context": ["b"]}', "belongs to one question"),
    ],
)
def test_a_mistake_is_one_sentence(server, body, words):
    answer = httpx.post(f"{server.url}/link", content=body, headers={"Content-Type": "application/json"}, timeout=SECONDS)
    assert answer.status_code == 400, answer.text
    assert list(answer.json()) == ["error"]
    assert words in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/link", 405), ("POST", "/v1/nobody/link", 404), ("GET", "/%", 404)],
)
def test_other_addresses_are_one_sentence(server, method, path, status):
    answer = httpx.request(method, server.url + path, json={"question": "a"} if method == "POST" else None)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]


def test_a_form_is_refused_so_that_no_web_page_can_send_one(server):
    answer = httpx.post(f"{server.url}/link", content=b'{"question": "a"}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert "Content-Type: application/json" in answer.json()["error"]


def test_a_lone_percent_in_a_query_is_no_error(server):
    assert httpx.get(f"{server.url}/health?q=100%&x=%zz").status_code == 200
    answer = httpx.post(f"{server.url}/link?%", json={"question": TEXT}, timeout=SECONDS)
    assert answer.status_code == 200


def test_a_context_that_is_too_long_is_refused(server):
    assert "10001 characters" in server.link(question="a", context=["b" * 10_000, "c"], status=413)["error"]


def test_too_many_questions_are_refused(server):
    assert "1001 questions" in server.link(questions=["a"] * 1001, status=413)["error"]


def test_numbers_that_json_lacks_become_null():
    link = Link(0, 1, "a", "Q1", "A", "", -math.inf, (), math.nan, math.inf)
    text = json_response({"links": [plain_link(link)]}).body.decode()
    found = json.loads(text, parse_constant=lambda name: pytest.fail(name))["links"][0]
    assert (found["score"], found["mention_score"], found["probability"]) == (None, None, None)
    assert finite(-0.5) == -0.5
