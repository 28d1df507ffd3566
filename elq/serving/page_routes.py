"""The routes of the web page: GET / and its files, and what the page needs to know of a catalogue."""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from elq.entities.catalogue import Catalogue
from elq.serving.answers import RequestError, finite, json_response
from elq.serving.examples import examples_of
from elq.serving.feedback import file_of
from elq.serving.state import state_of

if TYPE_CHECKING:
    from elq.linking.linker import Linker

router = APIRouter(include_in_schema=False)

FOLDER = Path(__file__).parent / "page"
KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {path.name: path for path in FOLDER.iterdir() if path.suffix in KINDS}
TYPES = 1000  # types that the page offers as a filter
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # the browser asks whether its copy is still the newest
}

_about: WeakKeyDictionary[Catalogue, dict[str, Any]] = WeakKeyDictionary()


@router.get("/")
async def page() -> Response:
    """The web page. It needs no token, and holds nothing of the catalogue."""
    return await page_file("index.html")


@router.get("/page/{name}")
async def page_file(name: str) -> Response:
    """A file of the web page."""
    if (path := FILES.get(name)) is None:
        raise RequestError(404, f"the page has no file {name!r}: open / in a browser")
    return FileResponse(path, headers=HEADERS, media_type=KINDS[path.suffix])


@router.get("/v1/{catalogue}/page")
async def about_page(request: Request, catalogue: str) -> Response:
    """What the page needs to know of a catalogue: its thresholds, examples and types, and where feedback is written."""
    served = state_of(request).catalogue(catalogue)
    opened, file = served.now, file_of(request, served.name)
    found = await run_in_threadpool(about, opened.linker)
    where = None if file is None else file.path.name
    return json_response({"catalogue": served.name, "version": opened.version, "feedback": where, **found})


def about(linker: "Linker") -> dict[str, Any]:
    """What the page needs to know of a linker.

    ``min_probability`` is the probability of a link at the threshold; null if the slider of the page is to be one for γ: the
    model has no calibration, or shows links for which the calibration says nothing. ``lowest`` is the lowest γ of the slider.
    """
    from elq.linking.calibration import LEAST_SCORE

    catalogue, threshold = linker.entities.catalogue, linker.threshold
    if catalogue not in _about:
        counts = sorted([*catalogue.type_counts().items()][:TYPES], key=lambda pair: pair[0].casefold())
        types = [{"type": name, "entities": count} for name, count in counts]
        _about[catalogue] = {"examples": examples_of(catalogue), "types": types}
    likely = linker.calibration is not None and threshold >= LEAST_SCORE
    return {
        "entities": linker.entities.manifest.entities,
        "threshold": finite(threshold),
        "mention_threshold": None if linker.mention_threshold is None else finite(linker.mention_threshold),
        "min_probability": linker.calibration.probability(0.0, threshold) if likely and linker.calibration else None,
        "lowest": min(LEAST_SCORE, threshold) if finite(threshold) is not None else LEAST_SCORE,
        **_about[catalogue],
    }
