"""Limits: the size of a body, the time in which it arrives, and the token of a request, before a route sees it."""

import asyncio
import hmac

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from elq.serving.answers import RequestError
from elq.serving.state import State

OPEN_PATHS = (
    "/",
    "/pictures",
    "/health",
    "/ready",
)  # what needs no token: the probes, and the pages, which ask for it themselves
WITH_PICTURE = "/pictures/link"  # a body of it may also have a picture
OPEN_FOLDER = "/page/"  # the files of the page
BODY_SECONDS = 20.0  # in which a body has to arrive
DISCARDED = 64 * 1024 * 1024  # bytes of a body that is too large which are read, so that the client can read the answer


class Tokens:
    """Refuses requests without the token (401).

    Args:
        app: the application.
        state: the state, whose settings have the token; an empty one asks for none.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path, token = scope.get("path", ""), self.state.settings.token
        if scope["type"] == "http" and token and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDER):
            kind, _, given = Headers(scope=scope).get("authorization", "").partition(" ")
            right = hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())
            if kind.lower() != "bearer" or not right:
                said = "the token is wrong" if given else "the request has no token"
                error = RequestError(
                    401, f"{said}: send the header Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
                )
                await error.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Bodies:
    """Reads the whole body of a request, and refuses one that is too large (413) or arrives too slowly (408).

    Args:
        app: the application.
        state: the state, whose settings have the largest size.
    """

    def __init__(self, app: ASGIApp, state: State) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(scope, receive)
        except TimeoutError:
            said = f"the body did not arrive in {BODY_SECONDS:g} seconds: send it faster, or send a smaller one"
            await RequestError(408, said, {"Connection": "close"}).response()(scope, receive, send)
        except RequestError as error:
            await error.response()(scope, receive, send)
        else:
            if body is not None:
                await self.app(scope, _replayed(body, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None if the client has left. Raises RequestError if it is too large."""
        declared = Headers(scope=scope).get("content-length", "")
        said = int(declared) if declared.isdecimal() else 0
        most, flag = self._most(scope)
        read = max(DISCARDED, most)
        size, parts, more = 0, list[bytes](), said <= read
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            size += len(message.get("body", b""))
            if max(size, said) <= most:
                parts.append(message.get("body", b""))
            more = message.get("more_body", False) and size <= read
        if (size := max(size, said)) > most:
            what = f"the body has {size} bytes or more, but may have {most} ({flag}): divide the request"
            raise RequestError(413, what, {"Connection": "close"})
        return b"".join(parts)

    def _most(self, scope: Scope) -> tuple[int, str]:
        """The largest body of a request, and the flag that changes it. In base64, 3 bytes of a picture have 4 characters."""
        settings = self.state.settings
        if scope.get("path", "") == WITH_PICTURE and self.state.pictures is not None:
            return settings.max_body + 4 * -(-settings.max_picture // 3), "--max-picture"
        return settings.max_body, "--max-body"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A function that returns a body that was read, and after it what the client does."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read
