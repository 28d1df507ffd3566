"""The application: its routes, its state, and what happens when it starts and stops."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI

import elq
from elq.errors import ElqError
from elq.serving import about, entities, feedback, link, page_routes
from elq.serving.answers import add_error_answers
from elq.serving.batcher import Batcher
from elq.serving.catalogues import catalogues_of, open_all
from elq.serving.settings import Settings
from elq.serving.state import State

log = logging.getLogger(__name__)

DESCRIPTION = "Says which characters of a question are a mention, and which entity of a catalogue they mean."


def make_app(settings: Settings, *, on_failure: Callable[[], None] = lambda: None) -> FastAPI:
    """The application of a server. Its state, a :class:`State`, is ``app.state.elq``.

    Args:
        settings: the settings.
        on_failure: is called, in the thread of the model, if the catalogues cannot be opened; ``State.failed`` says why.

    Raises:
        ElqError: the names of the catalogues contradict each other.
    """
    catalogues = catalogues_of(settings)
    batcher = Batcher(max_queue=settings.max_queue, max_tokens=settings.max_batch_tokens, max_wait=settings.max_wait_ms / 1000)
    state = State(settings, catalogues, batcher)

    def prepare() -> None:
        try:
            open_all(state.catalogues, settings.device)
            state.ready = True
            log.info("ready")
        except Exception as error:
            state.failed = error
            if not isinstance(error, ElqError):
                log.exception("the catalogues could not be opened")
            on_failure()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.batcher.start(prepare)
        try:
            yield
        finally:
            state.stopping = True
            state.batcher.stop(settings.timeout)

    app = FastAPI(
        title="elq", version=elq.__version__, description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.elq = state
    app.state.feedback = feedback.feedback_files(settings, [*catalogues])
    for router in (link.router, about.router, entities.router, feedback.router, page_routes.router):
        app.include_router(router)
    add_error_answers(app)
    return app
