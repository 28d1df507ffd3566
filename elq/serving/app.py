"""The application: its routes, its state, and what happens when it starts and stops."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

import elq
from elq.errors import ElqError
from elq.serving import about, entities, feedback, link, metrics, nif_routes, page_routes, pictures
from elq.serving.answers import add_error_answers
from elq.serving.batcher import Batcher
from elq.serving.catalogues import catalogues_of, forget_garbage, open_all
from elq.serving.limits import Bodies, Tokens
from elq.serving.reload import Reloader
from elq.serving.settings import Settings
from elq.serving.state import State
from elq.serving.tracing import start_tracing

log = logging.getLogger(__name__)

DESCRIPTION = "Says which characters of a question are a mention, and which entity of a catalogue they mean."
ROUTERS = tuple(one.router for one in (link, about, metrics, entities, feedback, nif_routes, page_routes, pictures))


def make_app(settings: Settings, *, on_failure: Callable[[], None] = lambda: None) -> FastAPI:
    """The application of a server. Its state, a :class:`State`, is ``app.state.elq``.

    Args:
        settings: the settings.
        on_failure: is called, in the thread of the model, if the catalogues cannot be opened; ``State.failed`` says why.

    Raises:
        ElqError: the names of the catalogues contradict each other, or a folder of pictures is given without a model for them.
    """
    state = make_state(settings)
    reloader = Reloader(state.catalogues, settings.opening, settings.reload_seconds, state.metrics.reloaded)

    def stop_tracing() -> None:
        """Nothing is traced."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.batcher.start(lambda: prepare(state, reloader, on_failure))
        try:
            yield
        finally:
            state.stopping = True
            reloader.stop()
            state.batcher.stop(settings.timeout)
            stop_tracing()

    app = FastAPI(
        title="elq", version=elq.__version__, description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.elq = state
    app.state.feedback = feedback.feedback_files(settings, [*state.catalogues])
    for router in ROUTERS:
        app.include_router(router)
    add_error_answers(app)
    app.add_middleware(Bodies, state=state)
    app.add_middleware(Tokens, state=state)  # what is added last sees a request first
    app.add_middleware(metrics.Measured, metrics=state.metrics, stopping=lambda: state.stopping)
    if settings.tracing:
        state.span, stop_tracing = start_tracing(app)
    return app


def make_state(settings: Settings) -> State:
    """The state of a server whose catalogues are not open yet."""
    if settings.picture_files and not settings.pictures:
        raise ElqError("--picture-files (ELQ_PICTURE_FILES) is given, but --pictures is not: give the model for pictures too")
    counted = metrics.Metrics()
    batcher = Batcher(
        max_queue=settings.max_queue,
        max_tokens=settings.max_batch_tokens,
        max_wait=settings.max_wait_ms / 1000,
        observe=counted.batched,
    )
    counted.queue.set_function(lambda: batcher.length)
    shown = pictures.Pictures(settings.pictures, settings.picture_files, settings.max_picture) if settings.pictures else None
    return State(settings, catalogues_of(settings), batcher, counted, pictures=shown)


def prepare(state: State, reloader: Reloader, on_failure: Callable[[], None]) -> None:
    """Open the catalogues, and begin to look for changed files. It runs in the thread of the model."""
    try:
        reloader.note()
        open_all(state.catalogues, state.settings.opening)
        if state.pictures is not None:
            state.pictures.open(state.settings.device)
    except Exception as error:
        state.failed = error
        if not isinstance(error, ElqError):
            log.exception("the catalogues could not be opened")
        on_failure()
        return
    for served in state.catalogues.values():
        state.metrics.count_entities(served)
    forget_garbage()
    state.ready = True
    reloader.start()
    log.info("ready")
