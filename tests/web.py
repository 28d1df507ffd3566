"""A web server on this machine, which has files in a folder of its memory, and ends connections where a test asks for it."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """Path → content, the bytes after which the next answer for a path breaks off, and the requests: path and Range."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def log_message(self, *_):
        pass

    def do_GET(self):
        path, ranged = self.path[1:], self.headers["Range"]
        self.web.asked.append((path, ranged))
        body = self.web.files.get(path)
        start = int(re.fullmatch(r"bytes=(\d+)-", ranged)[1]) if ranged and body is not None else 0
        self.send_response(404 if body is None else 206 if start else 200)
        rest = b"" if body is None else body[start:]
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", '"one"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        cut = self.web.cuts.pop(path, None)
        self.wfile.write(rest[:cut])
        self.close_connection = cut is not None


@contextmanager
def running(handler: type[BaseHTTPRequestHandler], **bound: object) -> Iterator[str]:
    """The address of a server on this machine that answers with a handler, whose class has the ``bound`` attributes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), bound))
    server.daemon_threads, server.block_on_close = True, False  # a client may keep its connection open
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serving() -> Iterator[Web]:
    """A running server without files."""
    web = Web()
    with running(Handler, web=web) as address:
        web.url = f"{address}/mirror/"
        yield web
