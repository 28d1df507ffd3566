"""The server: runs the application with uvicorn until it is told to stop."""

import logging
import os
import socket
import sys
from contextlib import suppress
from time import monotonic
from types import FrameType

import uvicorn
from fastapi import FastAPI

from elq.errors import ElqError
from elq.serving.app import make_app
from elq.serving.protocol import guarded_protocol
from elq.serving.settings import Settings
from elq.serving.state import State

LEAVING = 1.0  # seconds after a signal in which clients and load balancers can see that the server stops
QUIET = 0.3  # seconds without any request after a signal, after which nobody is expected to look
KEEP_ALIVE = 75  # seconds for which a connection without requests stays open
SWITCH = 0.001  # seconds after which the thread of the model lets that of the connections run; Python's own value is 0.005

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 after SIGTERM, once it has answered what it took."""

    state: State
    _until: float | None = None
    _quiet: float = 0.0  # when the last request was seen to begin or to run
    _requests: int = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop soon: /ready answers 503 from now on, and every answer asks its client to close the connection.

        A second signal stops at once.
        """
        if self.state.stopping:
            super().handle_exit(sig, frame)
            self._captured_signals.clear()  # otherwise uvicorn raises the signal again, and the exit code is not 0
            return
        self.state.stopping = True
        self._quiet = monotonic()
        self._until = self._quiet + (LEAVING if self.state.ready else 0)

    async def on_tick(self, counter: int) -> bool:
        """Whether the server is to stop; asked ten times a second."""
        if self._until is not None:
            now, there = monotonic(), self.server_state
            if there.tasks or there.total_requests != self._requests:
                self._quiet, self._requests = now, there.total_requests
            self.should_exit |= now >= self._until or now >= self._quiet + QUIET
        return await super().on_tick(counter)


def listening(settings: Settings) -> socket.socket:
    """The socket of a server.

    Raises:
        ElqError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except (OSError, TypeError) as error:  # TypeError: a name that cannot be encoded, such as "ü..b"
        opened.close()
        reason = error.strerror if isinstance(error, OSError) else "no host has such a name"
        raise ElqError(
            f"the server cannot listen at {settings.host}, port {settings.port} ({reason}): choose another --host or --port"
        ) from None
    return opened


def configured(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """The settings of uvicorn."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(settings.timeout + 1)),
    )
    config.load()
    config.http_protocol_class = guarded_protocol(config.http_protocol_class)
    return config


def make_server(settings: Settings) -> tuple[Server, socket.socket]:
    """A server that does not run yet, and the socket at which it will listen.

    Raises:
        ElqError: the address cannot be used, or the names of the catalogues contradict each other.
    """

    def stop() -> None:
        server.should_exit = True

    app = make_app(settings, on_failure=stop)
    server = Server(configured(app, settings))
    server.state = app.state.elq
    return server, listening(settings)


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ElqError: the address or a catalogue cannot be opened.
    """
    server, opened = make_server(settings)
    host, port = opened.getsockname()[:2]
    sys.setswitchinterval(SWITCH)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    log.info("elq serves at http://%s:%s", f"[{host}]" if ":" in host else host, port)
    server.run(sockets=[opened])
    if isinstance(error := server.state.failed, ElqError):
        raise error
    if error is not None:
        raise RuntimeError("the catalogues could not be opened") from error


def leave() -> None:
    """End the process at once, with exit code 0, after all that was to be done is done.

    Taking libraries and catalogues apart first takes a fifth of a second of processor time, and seconds on a busy machine.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed already, or nobody reads it
            stream.flush()
    os._exit(0)
