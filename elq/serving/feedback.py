"""The route of feedback: checks the verdicts of people, and writes them as annotated questions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from elq.entities.catalogue import Catalogue
from elq.errors import ElqError
from elq.files import SURROGATES
from elq.linking.inputs import shown
from elq.serving.answers import RequestError, json_response, read_record
from elq.serving.contract import Record
from elq.serving.feedback_file import FeedbackFile
from elq.serving.link import ERRORS
from elq.serving.settings import Settings
from elq.serving.state import check_texts, state_of

router = APIRouter(tags=["feedback"])

OFF = (
    "verdicts are not kept, since the server was started without --feedback: start it with"
    " `elq serve --feedback feedback.jsonl`"
)
MENTIONS = 1000  # of one question


class MentionRecord(Record):
    """A mention, and the entity that it means."""

    start: int = Field(description="its first character, in code points of the text, counted from 0")
    end: int = Field(description="the place after its last character")
    entity: str | None = Field(description="the id of its entity; null if the entity is not in the catalogue")


class FeedbackRequest(Record):
    """A question with all its mentions, as a person says that they should be."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"text": "who directed titanic?", "mentions": [{"start": 13, "end": 20, "entity": "Q44578"}]}]
        }
    )

    text: str = Field(description="the question")
    mentions: list[MentionRecord] = Field(max_length=MENTIONS, description="all its mentions; an empty list if it has none")


class FeedbackAnswer(Record):
    """What became of the question."""

    id: str = Field(description="the id of the question in the file; the same text has the same id")
    file: str = Field(description="the name of the file")
    questions: int = Field(description="the number of questions in the file")
    replaced: bool = Field(description="whether an older verdict about this text was replaced")


BODY = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": FeedbackRequest.model_json_schema()}}},
}


def feedback_files(settings: Settings, names: Sequence[str]) -> dict[str, FeedbackFile]:
    """The feedback file of each catalogue; none if no feedback was asked for.

    The ids of different catalogues do not belong into one file. So if there are several catalogues, the name of the catalogue
    stands before the ending: feedback.shop.jsonl.

    Args:
        settings: the settings.
        names: the names of the catalogues.

    Raises:
        ElqError: a file cannot be used.
    """
    if not settings.feedback:
        return {}
    path = Path(settings.feedback)
    if len(names) == 1:
        return {names[0]: FeedbackFile(path)}
    return {name: FeedbackFile(path.with_name(f"{path.stem}.{name}{path.suffix}")) for name in names}


def file_of(request: Request, catalogue: str) -> FeedbackFile | None:
    """The feedback file of a catalogue; None if verdicts are not kept."""
    files: dict[str, FeedbackFile] = request.app.state.feedback
    return files.get(catalogue)


@router.post(
    "/v1/{catalogue}/feedback",
    response_model=FeedbackAnswer,
    responses=ERRORS,
    openapi_extra=BODY,
    summary="Keep a verdict as an annotated question",
)
async def feedback(request: Request, catalogue: str) -> Response:
    """Write a question with its right mentions into the file of --feedback. The last verdict about a text counts."""
    state = state_of(request)
    served = state.catalogue(catalogue)
    opened = served.now
    if (file := file_of(request, served.name)) is None:
        raise RequestError(404, OFF)
    asked = await read_record(request, FeedbackRequest)
    check_texts([asked.text], state.settings)
    mentions = await run_in_threadpool(checked, asked, opened.linker.entities.catalogue)
    identity = f"feedback-{sha256(asked.text.encode()).hexdigest()[:12]}"
    record: dict[str, Any] = {"id": identity, "text": asked.text, "mentions": mentions}
    about = {"catalogue": served.name, "version": opened.version, "time": datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        saved = await run_in_threadpool(file.save, {**record, **about})
    except ElqError as error:  # the fault of the server, not of the request
        raise RequestError(503, str(error)) from None
    return json_response({"id": identity, "file": file.path.name, **saved._asdict()})


def checked(asked: FeedbackRequest, catalogue: Catalogue) -> list[dict[str, Any]]:
    """The mentions of a request in the order of the text, as plain values.

    Raises:
        ElqError: the text is empty or has half a character, or a mention is empty, outside the text, overlaps another one, or
            has an entity that the catalogue does not have.
    """
    text, mentions = asked.text, sorted(asked.mentions, key=lambda one: (one.start, one.end))
    if not text.strip():
        raise ElqError(f"text is {shown(text)}, but a question has letters: send the question that the verdict is about")
    strings = [text, *(one.entity for one in mentions if one.entity is not None)]
    if any(SURROGATES.search(string) for string in strings):
        raise ElqError("the text or an id has half a character (a lone surrogate), which UTF-8 cannot have: leave it out")
    before = 0
    for one in mentions:
        if not 0 <= one.start < one.end <= len(text):
            raise ElqError(
                f"a mention has start {one.start} and end {one.end}, but must lie in the {len(text)} characters of the text and"
                " not be empty: correct them"
            )
        if one.start < before:
            raise ElqError(f"a mention starts at {one.start} inside another one, which ends at {before}: leave out one of them")
        before = one.end
    ids = [one.entity for one in mentions if one.entity is not None]
    if lacking := [one for one, row in zip(ids, catalogue.rows(ids).tolist(), strict=True) if row < 0]:
        raise ElqError(
            f"the catalogue has no entity with the id {shown(lacking[0])}: take one that GET /v1/CATALOGUE/entities finds,"
            " or null if the catalogue does not have it"
        )
    return [{"start": one.start, "end": one.end, "entity": one.entity} for one in mentions]
