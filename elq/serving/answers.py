"""Answers: JSON responses, and errors as one sentence."""

import logging
import math
from collections.abc import Mapping
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException

from elq.errors import ElqError
from elq.linking.inputs import shown

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)
FAILED = "elq could not answer because of an error of its own, which is in the log of the server: send the request again"
UNAVAILABLE = "the server that searches the entities does not answer, which the log here explains: send the request again later"


class RequestError(Exception):
    """A request that is refused.

    Args:
        status: the HTTP status.
        sentence: the value, the limit and the remedy.
        headers: further headers of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, dict(headers or {})

    def response(self) -> Response:
        """The answer to the request."""
        return json_response({"error": self.sentence}, self.status, self.headers)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of plain values as JSON, UTF-8. Half a character, which UTF-8 cannot have, becomes a question mark."""
    try:
        body = orjson.dumps(value)
    except TypeError:  # a lone surrogate in a sentence that repeats what the client sent
        body = orjson.dumps({"error": str(value.get("error", FAILED)).encode("utf-8", "replace").decode()})
    return Response(body, status, dict(headers or {}), "application/json")


def finite(value: float | None) -> float | None:
    """A number that JSON can have; None for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


async def read_record(request: Request, record: type[Model]) -> Model:
    """The body of a request as a record of the contract.

    Raises:
        RequestError: the body is not JSON in UTF-8, or the record has another form.
        ElqError: its values contradict each other.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        said = f"the content type is {shown(kind)}" if kind else "the request has no content type"
        raise RequestError(400, f"{said}, but must be application/json: send the header Content-Type: application/json")
    try:
        return record.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestError(400, sentence_of(error)) from None


def sentence_of(error: ValidationError | RequestValidationError) -> str:
    """The first mistake of a body in one sentence."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"] if not (isinstance(part, str) and (part.startswith("list[") or part == "body"))]
    place, said = ".".join(path), str(first["msg"])
    said = said[:1].lower() + said[1:]
    if first["type"] == "json_invalid":
        detail = said.removeprefix("invalid JSON: ")
        return f"the body is not JSON ({detail}): send a JSON object in UTF-8, as /openapi.json says"
    if first["type"] == "extra_forbidden":
        return f"the field {shown(place)} is unknown: leave it out, or correct its name (/openapi.json has the names)"
    if first["type"] == "missing":
        return f"the field {shown(place)} is missing: give it (/openapi.json has the fields)"
    if not place:
        return f"the body is {shown(first.get('input'))}, but must be a JSON object: send one, as /openapi.json says"
    return f"{place} is {shown(first.get('input'))}, but {said}: correct it (/openapi.json says what is allowed)"


def add_error_answers(app: FastAPI) -> None:
    """Let every error of an application be answered by one sentence."""

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestError)
        return error.response()

    async def wrong_input(_: Request, error: Exception) -> Response:
        return json_response({"error": str(error)}, 400)

    async def wrong_parameter(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return json_response({"error": sentence_of(error)}, 400)

    async def not_found(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = {
            404: f"there is nothing at {shown(request.url.path)}: /openapi.json lists the addresses",
            405: f"{request.method} is not possible at {shown(request.url.path)}: /openapi.json lists what is",
        }.get(error.status_code, str(error.detail))
        return json_response({"error": said}, error.status_code, error.headers)

    async def failed(_: Request, error: Exception) -> Response:
        return json_response({"error": FAILED}, 500)

    for kind, handler in (
        (RequestError, refused),
        (ElqError, wrong_input),
        (RequestValidationError, wrong_parameter),
        (HTTPException, not_found),
        (Exception, failed),
    ):
        app.add_exception_handler(kind, handler)
