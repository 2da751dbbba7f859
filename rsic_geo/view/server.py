"""A server for one person on this machine: it answers under a random token, on the loopback address only.

Nothing is looked up by a name that a client sends: pages, tiles and scenes are told apart by words and
numbers, so there is no path that could lead elsewhere.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from rsic_geo.errors import JobCancelledError, RsicGeoError, UsageError

HOST = "127.0.0.1"
_OWN_NAMES = ("127.0.0.1", "localhost")
"""What a browser on this machine calls us, with any port: a tunnel has another one. A page of somebody else
whose name was made to lead here (DNS rebinding) sends its own name."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_LONGEST_QUERY = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    body: bytes
    kind: str
    """Its media type."""
    is_lasting: bool = False
    """Whether it stays the same as long as the server runs."""

    @classmethod
    def json(cls, value: object) -> Answer:
        """Answer with a plain value."""
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        return cls(text.encode(), "application/json; charset=utf-8")


class Site(Protocol):
    """What is served."""

    def answer(self, words: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
        """Return what lies under the words of a path; None where there is nothing.

        Raises:
            UsageError: the request makes no sense.
            RsicGeoError: what is asked for cannot be read.
        """
        ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64  # of five at a time, the usual, a sixth waits a second for its next try
    allow_reuse_address = sys.platform != "win32"  # there it would share the port of another program
    site: Site
    token: str

    def __init__(self, port: int) -> None:
        """Take a port. Raises OSError."""
        super().__init__((HOST, port), _Handler)
        self._change = threading.Condition()
        self._answering, self._is_over = 0, False

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Hold the site while it is asked."""
        with self._change:
            if self._is_over:
                raise JobCancelledError("rsic view was ended")
            self._answering += 1
        try:
            yield
        finally:
            with self._change:
                self._answering -= 1
                self._change.notify_all()

    def let_go(self) -> None:
        """Ask the site no more; return when nobody reads its files, which may be closed then."""
        with self._change:
            self._is_over = True
            self._change.wait_for(lambda: not self._answering)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Say nothing of a browser that went away; anything else is a bug and says where."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "rsic", ""
    timeout = 60

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the class above calls it
        """Say nothing: the token would stand in the log."""

    def do_GET(self) -> None:
        """Answer one request."""
        host = self.headers.get("Host", "")
        if host.rpartition(":")[0] not in _OWN_NAMES and host not in _OWN_NAMES:
            return self._refuse(HTTPStatus.FORBIDDEN, "rsic view answers to 127.0.0.1 and localhost only")
        place = urlsplit(self.path)
        token, *words = place.path.removeprefix("/").split("/")
        if not secrets.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            return self._refuse(HTTPStatus.NOT_FOUND, "open the address that rsic view printed")
        if not words:
            return self._redirect(f"/{self.server.token}/")
        try:
            if len(place.query) > _LONGEST_QUERY:
                raise UsageError("the query is too long")
            query = dict(parse_qsl(place.query, max_num_fields=16))
            with self.server.answering():
                found = self.server.site.answer(tuple(words), query)
        except JobCancelledError as error:
            return self._refuse(HTTPStatus.CONFLICT, str(error))
        except UsageError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (RsicGeoError, OSError, ValueError) as error:
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        if found is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is nothing of this name")
        return self._send(HTTPStatus.OK, found)

    do_HEAD = do_GET  # noqa: N815

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse, in one line, what is no request or has another method; Python would send a page of its own.

        The connection ends: what follows may be the body of what was refused.
        """
        del explain
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            return self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "rsic view answers GET and HEAD only")
        return self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase)

    def _redirect(self, place: str) -> None:
        self.send_response(HTTPStatus.PERMANENT_REDIRECT)
        self.send_header("Location", place)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refuse(self, status: HTTPStatus, text: str) -> None:
        line = " ".join(text.split()).encode("utf-8", "backslashreplace")
        self._send(status, Answer(line + b"\n", "text/plain; charset=utf-8"))

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", answer.kind)
        self.send_header("Cache-Control", "private, max-age=3600" if answer.is_lasting else "no-store")
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


class Serving:
    """A site that is being served; ends with the ``with`` block."""

    def __init__(self, site: Site, port: int = 0) -> None:
        """Take a port, or with 0 a free one, and answer on it.

        Raises:
            UsageError: the port is taken, or not ours to take.
        """
        try:
            self._server = _Server(port)
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise UsageError(
                f"port {port} {why}: give another --port, or none for one that is free"
            ) from error
        self._server.site, self._server.token = site, secrets.token_urlsafe(24)
        self.port = int(self._server.server_address[1])
        self.url = f"http://{HOST}:{self.port}/{self._server.token}/"
        """Where a browser finds it."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )

    def __enter__(self) -> Serving:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop to answer."""
        self._server.shutdown()
        self._server.let_go()
        self._server.server_close()
        self._thread.join()


def has_display() -> bool:
    """Return whether a browser has a screen; without one Python would start one inside the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
