"""The routes about the server itself: GET /health, /ready and /info."""

from typing import Any

from fastapi import APIRouter, Request, Response

import elq
from elq.serving.answers import finite, json_response
from elq.serving.catalogues import Served
from elq.serving.contract import CANDIDATES, ErrorAnswer, InfoAnswer, StateAnswer
from elq.serving.state import State, state_of

router = APIRouter(tags=["about"])

UNAUTHORISED: dict[int | str, dict[str, Any]] = {401: {"model": ErrorAnswer, "description": "the token is missing or wrong"}}


@router.get("/health", response_model=StateAnswer, summary="Whether the process lives")
async def health() -> Response:
    """Answers 200 as long as the process lives. It needs no token."""
    return json_response({"status": "ok"})


@router.get(
    "/ready",
    response_model=StateAnswer,
    responses={503: {"model": StateAnswer, "description": "the server starts or stops"}},
    summary="Whether requests can be answered",
)
async def ready(request: Request) -> Response:
    """Answers 200 when all catalogues are open and warm, and 503 before and while the server stops. It needs no token."""
    state = state_of(request)
    status = "stopping" if state.stopping else "ready" if state.ready else "starting"
    return json_response({"status": status}, 200 if status == "ready" else 503)


@router.get("/info", response_model=InfoAnswer, responses=UNAUTHORISED, summary="What is served")
async def info(request: Request) -> Response:
    """The version of elq, the catalogues, and the limits of a request."""
    state = state_of(request)
    found = {name: described for name, served in state.catalogues.items() if (described := describe(served))}
    return json_response(
        {"elq": elq.__version__, "default": state.default.name, "catalogues": found, "limits": limits_of(state)}
    )


def describe(served: Served) -> dict[str, Any] | None:
    """Facts about a catalogue; None if it is not open yet."""
    if served.opened is None:
        return None
    linker = served.opened.linker
    return {
        "entities": linker.entities.manifest.entities,
        "version": served.opened.version,
        "threshold": finite(linker.threshold),
        "candidates": linker.candidates,
        "calibration": linker.calibration is not None,
        "nil": linker.model.nil is not None,
        "reload_error": served.error,
    }


def limits_of(state: State) -> dict[str, Any]:
    """The limits of a request."""
    settings = state.settings
    return {
        "body_bytes": settings.max_body,
        "questions": settings.max_questions,
        "text_characters": settings.max_text,
        "candidates": CANDIDATES,
        "timeout_seconds": settings.timeout,
        "queue_questions": settings.max_queue,
    }
