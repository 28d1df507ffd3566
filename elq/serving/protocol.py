"""The protocol of a connection: closes one whose headers arrive too slowly, which uvicorn leaves open."""

import asyncio
from typing import Any

import orjson

HEADER_SECONDS = 10.0  # in which the headers of a request have to arrive
MOST_HEADERS = 65_536  # bytes of the headers of one request
REASONS = {
    400: (b"Bad Request", "the request is not HTTP/1.1, or its headers are too long: correct it, or send shorter headers"),
    408: (b"Request Timeout", "the headers did not arrive in time: send them faster"),
}
HEAD = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"


class HeaderTimer:
    """A connection with a timer that runs while the headers of a request are awaited. It stands before a class of uvicorn."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    cycle: Any  # the request that is answered
    _timer: asyncio.TimerHandle | None = None
    _bytes = 0  # of headers that are not complete

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)  # type: ignore[misc]
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Read what has arrived."""
        super().data_received(data)  # type: ignore[misc]
        if self._answering:
            self._stop()
            return
        if not self._reading_body:  # of a request that was answered before its body was here, such as one without a token
            self._bytes += len(data)
        if self._bytes > MOST_HEADERS and not self.transport.is_closing():
            self._refuse(400)
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop to wait."""
        self._stop()
        super().connection_lost(exc)  # type: ignore[misc]

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, in one sentence, as all errors are."""
        self._refuse(400)

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def _reading_body(self) -> bool:
        return self.cycle is not None and bool(self.cycle.more_body)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._late)

    def _stop(self) -> None:
        self._bytes = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        self._timer = None
        if self.transport.is_closing() or self._answering:
            return
        if self._bytes:
            self._refuse(408)
        else:  # nothing was sent, so nobody waits for an answer
            self.transport.close()

    def _refuse(self, status: int) -> None:
        reason, sentence = REASONS[status]
        body = orjson.dumps({"error": sentence})
        self.transport.write(HEAD % (status, reason, len(body)) + body)
        self.transport.close()


def guarded_protocol(base: Any) -> type[asyncio.Protocol]:
    """A protocol class of uvicorn (that for httptools, or that for h11) with the timer."""
    return type("Guarded", (HeaderTimer, base), {})
