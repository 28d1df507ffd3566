"""The state of a server, which its routes share: ``request.app.state.elq``."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any

from fastapi import Request

from elq.serving.answers import RequestError
from elq.serving.batcher import Batcher
from elq.serving.catalogues import Opened, Served
from elq.serving.jobs import Job, Linked, LinkOptions
from elq.serving.metrics import Metrics
from elq.serving.settings import Settings

if TYPE_CHECKING:
    from elq.serving.pictures import Pictures

SOON = {"Retry-After": "2"}
MENTIONS = 10_000  # given mentions of one request; each costs a search, and memory for its candidates


def no_span(name: str, **attributes: Any) -> AbstractContextManager[Any]:
    """Nothing is traced."""
    return nullcontext()


@dataclass(slots=True, eq=False)
class State:
    """The state of a server.

    Args:
        settings: the settings.
        catalogues: name → catalogue; the first is that of ``POST /link``.
        batcher: links the questions.
        metrics: counts and times.
        ready: whether all catalogues are open and warm.
        stopping: whether the server is about to stop.
        pictures: the model for mentions with pictures; None: there is none.
        failed: why the catalogues could not be opened; None if they could.
        span: opens a span of the trace of a request, with a name and attributes.
    """

    settings: Settings
    catalogues: dict[str, Served]
    batcher: Batcher
    metrics: Metrics
    ready: bool = False
    stopping: bool = False
    failed: Exception | None = None
    pictures: "Pictures | None" = None
    span: Callable[..., AbstractContextManager[Any]] = no_span

    @property
    def default(self) -> Served:
        """The first catalogue."""
        return next(iter(self.catalogues.values()))

    def catalogue(self, name: str | None) -> Served:
        """The catalogue of a request; None: the first.

        Raises:
            RequestError: there is no such catalogue (404), or the catalogues are not open yet (503).
        """
        served = self.default if name is None else self.catalogues.get(name)
        if served is None:
            raise RequestError(404, f"there is no catalogue {name!r}: take one of {', '.join(self.catalogues)}")
        if served.opened is None:
            raise RequestError(503, "the catalogues are not open yet: send the request again in 2 seconds", SOON)
        return served


def state_of(request: Request) -> State:
    """The state of the server that has received a request."""
    state: State = request.app.state.elq
    return state


def check_texts(texts: Sequence[str], settings: Settings) -> None:
    """Raise a RequestError for no texts (400), and for too many or too long ones (413)."""
    if not texts:
        raise RequestError(400, "questions is an empty list, but at least one question is needed: give one, or send no request")
    if (number := len(texts)) > settings.max_questions:
        raise RequestError(
            413,
            f"the request has {number} questions, but may have {settings.max_questions} (--max-questions): divide it",
        )
    if (longest := max(map(len, texts))) > settings.max_text:
        raise RequestError(
            413,
            f"a text has {longest} characters, but may have {settings.max_text} (--max-text): divide it, or link it with"
            " `elq predict`",
        )


def check_context(context: Sequence[Sequence[str]] | None, settings: Settings) -> None:
    """Raise a RequestError for a context with too many characters (413)."""
    longest = max((sum(map(len, turns)) for turns in context or ()), default=0)
    if longest > settings.max_text:
        raise RequestError(
            413,
            f"the context has {longest} characters, but may have {settings.max_text} (--max-text): leave out the oldest turns",
        )


def check_mentions(mentions: Sequence[Sequence[tuple[int, int]]] | None) -> None:
    """Raise a RequestError for too many given mentions (413)."""
    if (number := sum(map(len, mentions or ()))) > MENTIONS:
        raise RequestError(413, f"the request has {number} mentions, but may have {MENTIONS}: divide it")


async def link_texts(
    request: Request,
    opened: Opened,
    texts: Sequence[str],
    options: LinkOptions,
    mentions: Sequence[Sequence[tuple[int, int]]] | None = None,
    context: Sequence[Sequence[str]] | None = None,
) -> list[Linked]:
    """Link texts in a batch with those of other requests.

    Args:
        request: the request, whose body was read: if its client leaves, the texts are not linked.
        opened: what answers.
        texts: the texts, at least one.
        options: the options of all texts.
        mentions: for each text, the given mentions; None: they are found.
        context: for each text, the turns before it; None: there are none.

    Raises:
        RequestError: there are too many or too long texts, or too many mentions (413), the queue is full (429), or the time-out
            has passed (504).
        ElqError: an option or a mention is wrong.
    """
    state = state_of(request)
    check_texts(texts, state.settings)
    check_context(context, state.settings)
    check_mentions(mentions)
    loop = asyncio.get_running_loop()
    job = Job(opened, texts, options, mentions, context, monotonic() + state.settings.timeout, loop.create_future())
    state.batcher.submit(job)
    gone = loop.create_task(_left(request))
    waited: tuple[asyncio.Future[Any], ...] = (job.answered, gone)
    try:
        with state.span("elq.link", questions=len(texts), version=opened.version):
            await asyncio.wait(waited, timeout=state.settings.timeout, return_when=asyncio.FIRST_COMPLETED)
        if job.answered.done():
            return job.answered.result()
        if gone.done():
            raise RequestError(499, "the client has closed the connection before the answer")
        raise too_late(state.settings, "send fewer or shorter questions, or try again later")
    finally:
        job.gone = True
        gone.cancel()


def too_late(settings: Settings, advice: str) -> RequestError:
    """The error (504) of an answer that has taken longer than ``--timeout``; ``advice`` is what the client can do."""
    return RequestError(504, f"the answer took longer than {settings.timeout:g} seconds (--timeout): {advice}")


async def _left(request: Request) -> None:
    """Ends when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
