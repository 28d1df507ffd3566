"""The routes of NIF: POST /nif and POST /v1/{catalogue}/nif, as GERBIL asks an annotator."""

from typing import Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from elq.exchange.annotator import MEDIA_TYPES, calls_for, form_of_media_type, written
from elq.exchange.iris import check_prefix
from elq.exchange.nif import read_nif
from elq.serving.answers import RequestError
from elq.serving.jobs import LinkOptions
from elq.serving.link import ERRORS
from elq.serving.state import link_texts, state_of
from elq.types import Link

router = APIRouter(tags=["linking"])

EXAMPLE = """@prefix nif: <http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#> .
<http://example.org/1#char=0,21> a nif:Context ; nif:isString "who directed titanic?" .
"""
CONTENT = {media_type: {"schema": {"type": "string", "examples": [EXAMPLE]}} for media_type in MEDIA_TYPES}
BODY = {"requestBody": {"required": True, "content": CONTENT}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    **ERRORS,
    200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES}, "description": "NIF"},
    501: {"model": ERRORS[500]["model"], "description": "the server has no library for RDF"},
}
PREFIX = Query(None, description="the beginning of the entities' IRIs (default: that of Wikidata for Wikidata ids)")
SCORES = Query(
    False, description="whether each link has an itsrdf:taConfidence; GERBIL chooses a threshold of its own if it has one"
)
NIL = Query(
    False,
    description="whether mentions of entities that are not in the catalogue are linked too, to http://aksw.org/notInWiki/…",
)


@router.post("/nif", response_class=Response, responses=RESPONSES, openapi_extra=BODY, summary="Link a NIF document")
async def nif(request: Request, entity_prefix: str | None = PREFIX, scores: bool = SCORES, nil: bool = NIL) -> Response:
    """Find the mentions in the contexts of a NIF document, and say which entities of the first catalogue they mean.

    A context with mentions that have no entity is answered with the entities of these (D2KB). In any other context, mentions
    are found (A2KB).
    """
    return await _annotate(request, None, entity_prefix, scores, nil)


@router.post(
    "/v1/{catalogue}/nif",
    response_class=Response,
    responses=RESPONSES,
    openapi_extra=BODY,
    summary="Link a NIF document with a catalogue",
)
async def nif_with(
    request: Request, catalogue: str, entity_prefix: str | None = PREFIX, scores: bool = SCORES, nil: bool = NIL
) -> Response:
    """The same with a catalogue of one's choice."""
    return await _annotate(request, catalogue, entity_prefix, scores, nil)


async def _annotate(request: Request, name: str | None, prefix: str | None, scores: bool, nil: bool) -> Response:
    opened = state_of(request).catalogue(name).now
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form, options = form_of_media_type(media_type), LinkOptions(nil=nil)
    check_prefix(prefix)
    try:
        questions, _ = await run_in_threadpool(read_nif, await request.body(), form, "the document", prefix)
    except ModuleNotFoundError as error:
        raise RequestError(501, f"POST /nif needs {error.name}, which is not installed: pip install 'elq[nif]'") from None
    links: list[list[Link]] = [[] for _ in questions]
    for places, mentions in calls_for(questions):
        texts = [questions[place].text for place in places]
        for place, found in zip(places, await link_texts(request, opened, texts, options, mentions), strict=True):
            links[place] = found.links
    answer = await run_in_threadpool(written, questions, links, form, prefix=prefix, scores=scores)
    return Response(answer, media_type=f"{media_type}; charset=utf-8")
