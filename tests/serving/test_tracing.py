"""Tracing: the spans of a request arrive at a collector."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from tests.serving.servers import running

pytest.importorskip("opentelemetry.sdk")


def test_the_spans_of_a_request_reach_the_collector(shop, monkeypatch):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                names = {one.key: one.value.string_value for one in resource.resource.attributes}
                spans.extend((names["service.name"], one) for scope in resource.scope_spans for one in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    collector = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_address[1]}")
    with running(catalogue=(f"shop={shop}",), reload_seconds=0, tracing=True) as server:
        server.link(questions=["who directed titanic?", "a"])
        httpx.get(f"{server.url}/health")
    collector.shutdown()
    found = {one.name: one for name, one in spans if name == "elq"}
    assert set(found) == {"POST /link", "elq.link"}
    assert found["elq.link"].parent_span_id == found["POST /link"].span_id
    assert {one.key: one.value.int_value for one in found["elq.link"].attributes}["elq.questions"] == 2
