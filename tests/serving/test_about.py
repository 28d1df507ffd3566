"""What the server says about itself: its state, its facts, its metrics and its OpenAPI document."""

import httpx
import pytest

import elq
from elq.serving.contract import InfoAnswer, StateAnswer
from tests.serving.servers import SECONDS


def test_health_and_ready(server):
    for path, status in (("/health", "ok"), ("/ready", "ready")):
        answer = httpx.get(server.url + path)
        assert answer.status_code == 200
        assert StateAnswer.model_validate_json(answer.content).status == status


def test_ready_is_503_before_the_warm_up_and_while_the_server_stops(server):
    state = server.state
    try:
        state.ready = False
        assert httpx.get(f"{server.url}/ready").status_code == 503
        state.ready, state.stopping = True, True
        answer = httpx.get(f"{server.url}/ready")
        assert (answer.status_code, answer.json(), answer.headers["connection"]) == (503, {"status": "stopping"}, "close")
    finally:
        state.ready, state.stopping = True, False


def test_info(server, linker):
    found = InfoAnswer.model_validate_json(httpx.get(f"{server.url}/info").content)
    assert (found.elq, found.default) == (elq.__version__, "default")
    assert list(found.catalogues) == ["default", "shop"]
    assert found.catalogues["default"].entities == 1367
    assert found.catalogues["shop"].entities == 7
    assert found.catalogues["default"].threshold == linker.threshold
    assert found.catalogues["default"].calibration
    assert found.limits.text_characters == 10_000


def test_metrics(server):
    server.link(question="who directed titanic?")
    server.link(status=400)
    text = httpx.get(f"{server.url}/metrics").text
    lines = dict(line.rpartition(" ")[::2] for line in text.splitlines() if not line.startswith("#"))
    assert float(lines['elq_requests_total{route="/link",status="200"}']) >= 1
    assert float(lines['elq_errors_total{status="400"}']) >= 1
    assert float(lines['elq_catalogue_entities{catalogue="shop"}']) == 7
    for name in ("elq_queue_questions", "elq_queue_wait_seconds_count", "elq_batch_questions_sum", "elq_batch_tokens_sum"):
        assert name in lines
    assert float(lines['elq_request_seconds_bucket{le="+Inf",route="/link"}']) >= 2


def test_every_route_documents_its_answer(server):
    document = httpx.get(f"{server.url}/openapi.json").json()
    body = document["paths"]["/link"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["additionalProperties"] is False
    assert all("description" in field for field in body["properties"].values())
    assert {"400", "401", "404", "408", "413", "429", "503", "504"} <= document["paths"]["/link"]["post"]["responses"].keys()
    assert {"/health", "/ready", "/info", "/metrics"} <= document["paths"].keys()


def test_what_a_program_makes_of_the_document_never_fails_the_server(server):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis import checks

    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    wanted = [checks.not_a_server_error, checks.CHECKS.get_one("status_code_conformance")]
    wanted += [checks.CHECKS.get_one(name) for name in ("content_type_conformance", "response_schema_conformance")]
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=6,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            case.call_and_validate(checks=wanted, timeout=SECONDS)

        ask()
