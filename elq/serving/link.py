"""The routes of linking: POST /link and POST /v1/{catalogue}/link."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from elq.serving.answers import finite, json_response, read_record
from elq.serving.catalogues import Opened, Served
from elq.serving.contract import Answer, ErrorAnswer, LinkRequest
from elq.serving.jobs import Linked, LinkOptions
from elq.serving.state import link_texts, state_of
from elq.types import Candidate, Entity, Link


class DirectRoute(APIRoute):
    """A route whose function reads the request itself, so that FastAPI's own reading, which takes longer, is left out."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """A function that answers a request."""

        async def handle(request: Request) -> Response:
            answer: Response = await self.endpoint(request, **request.path_params)
            return answer

        return handle


router = APIRouter(tags=["linking"], route_class=DirectRoute)

ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "the request is wrong: its JSON, a field, or a value"},
    401: {"model": ErrorAnswer, "description": "the token is missing or wrong"},
    404: {"model": ErrorAnswer, "description": "there is no such catalogue or address"},
    408: {"model": ErrorAnswer, "description": "the request arrived too slowly"},
    413: {"model": ErrorAnswer, "description": "the body, the number of questions or of mentions, or a text is too large"},
    429: {"model": ErrorAnswer, "description": "too many questions wait; the header Retry-After says for how many seconds"},
    500: {"model": ErrorAnswer, "description": "an error of the server"},
    503: {"model": ErrorAnswer, "description": "the server starts or stops, or the server of its index does not answer"},
    504: {"model": ErrorAnswer, "description": "the answer took too long"},
}
BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": LinkRequest.model_json_schema()}}},
}


@router.post("/link", response_model=Answer, responses=ERRORS, openapi_extra=BODY, summary="Link questions")
async def link(request: Request) -> Response:
    """Find the mentions in one question, or in several, and say which entities of the first catalogue they mean."""
    return await _link(request, None)


@router.post(
    "/v1/{catalogue}/link", response_model=Answer, responses=ERRORS, openapi_extra=BODY, summary="Link with a catalogue"
)
async def link_with(request: Request, catalogue: str) -> Response:
    """Find the mentions in one question, or in several, and say which entities of a catalogue they mean."""
    return await _link(request, catalogue)


async def _link(request: Request, name: str | None) -> Response:
    served = state_of(request).catalogue(name)
    opened, asked = served.now, await read_record(request, LinkRequest)
    options = LinkOptions(
        threshold=asked.threshold,
        min_probability=asked.min_probability,
        candidates=asked.candidates,
        types=None if asked.types is None else tuple(asked.types),
        ids=None if asked.ids is None else tuple(asked.ids),
        nil=asked.nil,
        concepts=asked.concepts,
    )
    found = await link_texts(
        request, opened, asked.texts, options, asked.spans, None if asked.context is None else [asked.context]
    )
    if asked.with_candidates:  # the records are looked up in the whole catalogue, which must not stop other requests
        answer = await run_in_threadpool(answer_of, served, opened, asked.texts, found, True)
    else:
        answer = answer_of(served, opened, asked.texts, found)
    return json_response(answer)


def answer_of(
    served: Served, opened: Opened, texts: list[str], found: list[Linked], with_candidates: bool = False
) -> dict[str, Any]:
    """The answer of the contract as plain values."""
    records = candidate_records(opened, found) if with_candidates else None
    results = [
        {"text": text, "windows": one.windows, "links": [plain_link(each, records) for each in one.links]}
        for text, one in zip(texts, found, strict=True)
    ]
    return {"catalogue": served.name, "version": opened.version, "results": results}


def candidate_records(opened: Opened, found: list[Linked]) -> dict[str, Entity]:
    """The catalogue's records of all candidates, by their ids."""
    return opened.linker.entities.catalogue.by_id(
        one.entity for linked in found for each in linked.links for one in each.candidates
    )


def plain_link(link: Link, records: dict[str, Entity] | None = None) -> dict[str, Any]:
    """A link as plain values of the contract.

    Args:
        link: the link.
        records: the records of its candidates; None: the candidates are left out.
    """
    found = {
        "start": link.start,
        "end": link.end,
        "mention": link.mention,
        "entity": link.entity,
        "title": link.title,
        "description": link.description,
        "score": finite(link.score),
        "mention_score": finite(link.mention_score),
        "probability": finite(link.probability),
        "types": list(link.types),
        "data": dict(link.data),
    }
    if link.type_scores:
        found["type_scores"] = dict(link.type_scores)
    if records is not None:
        found["candidates"] = [_candidate(one, records.get(one.entity)) for one in link.candidates]
        found["nil_score"] = finite(link.nil_score)
    return found


def _candidate(candidate: Candidate, record: Entity | None) -> dict[str, Any]:
    return {
        "entity": candidate.entity,
        "title": candidate.title,
        "description": record.description if record else "",
        "types": list(record.types) if record else [],
        "score": finite(candidate.score),
    }
