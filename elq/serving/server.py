"""The server: runs the application with uvicorn until it is told to stop."""

import logging
import socket
from types import FrameType

import uvicorn

from elq.errors import ElqError
from elq.serving.app import make_app
from elq.serving.settings import Settings
from elq.serving.state import State

log = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 after SIGTERM, once it has answered what it took."""

    state: State

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop: /ready answers 503 from now on."""
        self.state.stopping = True
        super().handle_exit(sig, frame)
        self._captured_signals.clear()  # otherwise uvicorn raises the signal again, and the exit code is not 0


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
    except OSError as error:
        opened.close()
        raise ElqError(
            f"the server cannot listen at {settings.host}, port {settings.port} ({error.strerror}): choose another --host or"
            " --port"
        ) from None
    return opened


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ElqError: the address or a catalogue cannot be opened.
    """

    def stop() -> None:
        server.should_exit = True

    app = make_app(settings, on_failure=stop)
    opened = listening(settings)
    server = Server(
        uvicorn.Config(
            app,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            timeout_graceful_shutdown=max(1, round(settings.timeout + 1)),
        )
    )
    server.state = app.state.elq
    host, port = opened.getsockname()[:2]
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    log.info("elq serves at http://%s:%s", f"[{host}]" if ":" in host else host, port)
    server.run(sockets=[opened])
    if isinstance(error := server.state.failed, ElqError):
        raise error
    if error is not None:
        raise RuntimeError("the catalogues could not be opened") from error
