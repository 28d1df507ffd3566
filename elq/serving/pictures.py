"""The routes of pictures: a page on which one shows a picture, and POST /pictures/link, with the model of ``--pictures``.

The model is opened beside the catalogues. It answers one request at a time, in a thread of its own.
"""

import base64
import io
import logging
import threading
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from elq.errors import ElqError
from elq.files import is_file
from elq.serving.answers import RequestError, json_response, read_record
from elq.serving.contract import CANDIDATES, LinkAnswer, Record, Span
from elq.serving.link import ERRORS, plain_link
from elq.serving.page_routes import HEADERS, page_file
from elq.serving.state import SOON, check_mentions, check_texts, state_of, too_late
from elq.types import BoxLink, Entity, Link
from elq.vision.pictures import LIMITS, open_picture
from elq.vision.problems import PictureProblem

if TYPE_CHECKING:
    from elq.multimodal.disambiguator import MultimodalDisambiguator

log = logging.getLogger(__name__)

router = APIRouter(tags=["pictures"])

SIDE = 160  # the longer side of a picture of an entity, in pixels
WAITING = 32  # requests that may wait for the model
POLICY = "Content-Security-Policy"
SHOWS_PICTURES = {**HEADERS, POLICY: HEADERS[POLICY].replace("img-src 'self'", "img-src 'self' blob:")}
NONE_SERVED = "this server has no model for pictures: start it with --pictures DIR"


class PicturesRequest(Record):
    """A text with given mentions, and its picture."""

    text: str = Field(description="the text", examples=["the georgia team"])
    mentions: list[Span] | None = Field(
        None, description="the mentions, a list of [start, end] in code points; without one, `box` is what is meant"
    )
    image: str | None = Field(None, description="the file of the picture in base64: JPEG, PNG, GIF, WebP, BMP, TIFF or AVIF")
    box: list[float] | None = Field(None, description="the part that is meant: left, top, right and bottom in pixels")
    candidates: int | None = Field(None, ge=1, le=CANDIDATES, description="K, the number of entities of an answer")


class PicturesAnswer(Record):
    """The links of a text with a picture."""

    text: str
    links: list[LinkAnswer] = Field(description="one for each mention; for a box alone, one that has no words")
    pictures: dict[str, int] = Field(description="how many pictures the page can show of an entity, by its id")


class Pictures:
    """The model for pictures of a server.

    Args:
        folder: its model folder.
        files: the folder to which the paths of the entities' pictures are relative; empty: their pictures are not shown.
        most: the largest number of bytes of a picture in a request.
    """

    def __init__(self, folder: str, files: str = "", most: int = LIMITS.bytes) -> None:
        self.most = most
        self.folder, self.files = folder, Path(files).resolve() if files else None
        self.model: MultimodalDisambiguator | None = None
        self._lock, self._places = threading.Lock(), threading.BoundedSemaphore(WAITING)

    def open(self, device: str) -> None:
        """Open the model.

        Raises:
            ElqError: a file is missing or damaged, or what pictures need is not installed.
        """
        from elq.multimodal.disambiguator import MultimodalDisambiguator

        if self.files is not None and not self.files.is_dir():
            raise ElqError(f"--picture-files is {self.files}, but is no folder: give the folder of the catalogue file")
        self.model = MultimodalDisambiguator.from_pretrained(self.folder, device=device)

    def opened(self) -> "MultimodalDisambiguator":
        """The opened model. Raises RequestError if it is not open yet (503)."""
        if self.model is None:
            raise RequestError(503, "the model for pictures is not open yet: send the request again in 2 seconds", SOON)
        return self.model

    def link(self, asked: PicturesRequest, deadline: float) -> list[Link] | None:
        """The links of a request; None if the model was not free before the deadline, a time of :func:`time.monotonic`.

        One picture is opened at a time, since each may take hundreds of megabytes of memory.

        Raises:
            RequestError: too many requests wait (429).
            ElqError: the request is wrong.
        """
        model = self.opened()
        mentions = None if asked.mentions is None else [(start, end) for start, end in asked.mentions]
        box = None if asked.box is None else asked.box
        if not self._places.acquire(blocking=False):
            raise RequestError(429, f"{WAITING} requests with pictures wait already: send the request again in 2 seconds", SOON)
        try:
            if not self._lock.acquire(timeout=max(0.0, deadline - monotonic())):
                return None
            try:
                picture = None if asked.image is None else decoded(asked.image, self.most)
                return model.link(asked.text, mentions, image=picture, box=box, candidates=asked.candidates)  # type: ignore[arg-type]
            finally:
                self._lock.release()
        finally:
            self._places.release()

    def paths(self, entity: str) -> list[Path]:
        """The files of the pictures of an entity that are in the folder of the pictures."""
        record = self.opened().entities.catalogue.by_id([entity]).get(entity)
        return [] if record is None else self.paths_in(record)

    def paths_in(self, record: Entity) -> list[Path]:
        """The same for a record that was looked up: each lookup reads all ids of the catalogue."""
        from elq.entities.image_build import paths_of

        if self.files is None:
            return []
        found = [(self.files / path).resolve() for path in paths_of(record) if "\0" not in path]
        return [path for path in found if path.is_relative_to(self.files) and is_file(path)]


def decoded(text: str, most: int = LIMITS.bytes) -> Any:
    """The opened picture of a text in base64, also of one that begins as a data URL does.

    Raises:
        RequestError: it is not base64, or not a picture that can be used (400), or has more than ``most`` bytes (413).
    """
    head, comma, rest = text.partition(",")
    data = rest if comma and head.startswith("data:") else text
    try:
        file = base64.b64decode(data, validate=True)
        if len(file) > most:
            raise RequestError(
                413, f"the picture has {len(file)} bytes, but may have {most} (--max-picture): send a smaller one"
            )
        return open_picture(file)
    except PictureProblem as problem:
        raise RequestError(400, f"the {problem}: send another picture") from None
    except ValueError:  # also a letter that is not ASCII
        raise RequestError(400, "image is not base64: send the bytes of a picture file in base64") from None


def pictures_of(request: Request) -> Pictures:
    """The model for pictures of the server. Raises RequestError if it has none (404)."""
    found: Pictures | None = state_of(request).pictures
    if found is None:
        raise RequestError(404, NONE_SERVED)
    return found


@router.get("/pictures", include_in_schema=False)
async def page(request: Request) -> Response:
    """The page for pictures. Like the other page, it needs no token."""
    pictures_of(request)
    found = await page_file("pictures.html")
    found.headers.update(SHOWS_PICTURES)
    return found


@router.post("/pictures/link", response_model=PicturesAnswer, responses=ERRORS, summary="Link mentions with a picture")
async def link(request: Request) -> Response:
    """Say which entities the mentions of a text mean, or what is in a box of its picture."""
    pictures, asked, settings = pictures_of(request), await read_record(request, PicturesRequest), state_of(request).settings
    check_texts([asked.text], settings)
    check_mentions([[(start, end) for start, end in asked.mentions or ()]])
    links, deadline = None, monotonic() + settings.timeout
    with anyio.move_on_after(settings.timeout):  # a thread that is too late goes on to its end, and keeps its place until then
        links = await anyio.to_thread.run_sync(pictures.link, asked, deadline, abandon_on_cancel=True)
    if links is None:
        raise too_late(settings, "try again later")
    return json_response(await run_in_threadpool(answer_of, pictures, asked.text, links))


def answer_of(pictures: Pictures, text: str, links: list[Link]) -> dict[str, Any]:
    """The answer of the contract as plain values."""
    ids = {one.entity for each in links for one in each.candidates} | {each.entity for each in links}
    records = pictures.opened().entities.catalogue.by_id(ids)
    plain = [plain_link(each, records) | ({"box": [*each.box]} if isinstance(each, BoxLink) else {}) for each in links]
    shown = {one: len(pictures.paths_in(records[one])) if one in records else 0 for one in sorted(ids)}
    return {"text": text, "links": plain, "pictures": shown}


@router.get("/pictures/entities/{number}/{entity:path}", responses=ERRORS, summary="A picture of an entity")
async def picture(request: Request, number: int, entity: str) -> Response:
    """A small PNG of a picture of an entity, counted from 0."""
    paths = await run_in_threadpool(pictures_of(request).paths, entity)
    if not 0 <= number < len(paths):
        raise RequestError(404, f"there is no picture {number} of the entity {entity!r}: it has {len(paths)}, counted from 0")
    return Response(await run_in_threadpool(small, paths[number]), media_type="image/png")


def small(path: Path) -> bytes:
    """A picture file as a PNG whose sides have at most :data:`SIDE` pixels.

    Raises:
        RequestError: the file cannot be used (404).
    """
    try:
        opened = open_picture(path)
    except PictureProblem as problem:
        log.warning("%s", problem)
        raise RequestError(404, f"the picture {path.name} cannot be used: the log of the server says why") from None
    opened.thumbnail((SIDE, SIDE))
    stream = io.BytesIO()
    opened.save(stream, "PNG")
    return stream.getvalue()
