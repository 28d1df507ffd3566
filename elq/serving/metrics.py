"""Metrics: counts and times of a server, in the text format of Prometheus."""

from collections.abc import Callable, Sequence
from time import perf_counter

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import disable_created_metrics as leave_out_times_of_creation
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elq.serving.catalogues import Served

leave_out_times_of_creation()  # type: ignore[no-untyped-call]

router = APIRouter(tags=["about"])

SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
QUESTIONS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)


class Metrics:
    """The metrics of one server, in a registry of its own."""

    def __init__(self) -> None:
        own = self.registry = CollectorRegistry()
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)
        self.requests = Counter("elq_requests", "Requests by route and status", ["route", "status"], registry=own)
        self.errors = Counter("elq_errors", "Answers with a status of 400 or more", ["status"], registry=own)
        self.seconds = Histogram(
            "elq_request_seconds", "Time from a request to its answer", ["route"], buckets=SECONDS, registry=own
        )
        self.questions = Counter("elq_questions", "Questions that were linked", registry=own)
        self.queue = Gauge("elq_queue_questions", "Questions that wait for the model", registry=own)
        self.wait = Histogram(
            "elq_queue_wait_seconds", "Time for which a question waited", buckets=(0.001, 0.002, *SECONDS), registry=own
        )
        self.batch = Histogram("elq_batch_questions", "Questions in a batch", buckets=QUESTIONS, registry=own)
        self.tokens = Histogram("elq_batch_tokens", "Tokens in a batch, estimated", buckets=TOKENS, registry=own)
        self.batch_seconds = Histogram("elq_batch_seconds", "Time to link a batch", buckets=SECONDS, registry=own)
        self.reloads = Counter(
            "elq_reloads", "Changed files that were opened, or refused", ["catalogue", "outcome"], registry=own
        )
        self.entities = Gauge("elq_catalogue_entities", "Entities of a catalogue", ["catalogue"], registry=own)

    def batched(self, tokens: int, waits: Sequence[float], seconds: float) -> None:
        """Count a batch: its tokens, for how long each question waited, and the seconds in which it was linked."""
        self.questions.inc(len(waits))
        self.batch.observe(len(waits))
        self.tokens.observe(tokens)
        self.batch_seconds.observe(seconds)
        for wait in waits:
            self.wait.observe(wait)

    def count_entities(self, served: Served) -> None:
        """Note the number of entities of an opened catalogue."""
        self.entities.labels(served.name).set(served.now.linker.entities.manifest.entities)

    def reloaded(self, served: Served, outcome: str) -> None:
        """Count changed files, whose outcome is ``opened`` or ``refused``."""
        self.reloads.labels(served.name, outcome).inc()
        self.count_entities(served)


class Measured:
    """Counts every request of an application. While the server stops, it asks the clients to close their connections."""

    def __init__(self, app: ASGIApp, metrics: Metrics, stopping: Callable[[], bool]) -> None:
        self.app, self.metrics, self.stopping = app, metrics, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if self.stopping():
                    message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(perf_counter() - began)
            if status >= 400:
                self.metrics.errors.labels(status).inc()


@router.get("/metrics", response_class=Response, summary="Metrics for Prometheus")
async def metrics(request: Request) -> Response:
    """Counts and times since the start, in the text format of Prometheus."""
    found: Metrics = request.app.state.elq.metrics
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)
