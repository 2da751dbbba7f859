"""moto's S3 behind a door that tears and refuses some requests: ``python s3_server.py``.

``POST /_faults?share=40&seed=1&kind=write`` makes the door fail that many percent of the requests of a kind
(``write``, ``read``, ``all``) from then on, by chance of the seed: it answers 503, breaks the connection
before the store has seen the request, or after it has. Of the kind ``alter`` it changes a byte of what is
written, of ``shut`` it says that nobody may write anything but reports.

Prints its port. A process of its own, as a store is.
"""

from __future__ import annotations

import io
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl
from urllib.request import urlopen

KEYS = {
    "AWS_ACCESS_KEY_ID": "a",
    "AWS_SECRET_ACCESS_KEY": "b",
    "AWS_REGION": "us-east-1",
    "AWS_HTTPS": "NO",
    "AWS_VIRTUAL_HOSTING": "FALSE",
}
"""What GDAL, and so rsic, has to be told of the store beside its endpoint."""


class _Door:
    def __init__(self, store: Any) -> None:
        self.store = store
        self.share, self.kind, self.chance = 0.0, "all", random.Random(0)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        path = environ["PATH_INFO"]
        if path == "/_faults":
            asked = dict(parse_qsl(environ["QUERY_STRING"]))
            self.share, self.kind = int(asked["share"]) / 100, asked.get("kind", "all")
            self.chance = random.Random(int(asked.get("seed", 0)))
            start("200 OK", [])
            return [b""]
        is_write = environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE")
        is_meant = self.kind == "all" or (self.kind != "read") == is_write
        if is_meant and self.chance.random() < self.share:
            how = self.chance.randrange(3)
            if self.kind == "shut" and not path.endswith(".json"):
                return _refused(environ, start, "403 Forbidden", "AccessDenied")
            if self.kind == "shut":
                return self.store(environ, start)
            if self.kind == "alter":
                content = bytearray(_sent(environ))
                if content:
                    content[len(content) // 2] ^= 1
                return self.store(environ | {"wsgi.input": io.BytesIO(content)}, start)
            if how == 0:
                return _refused(environ, start, "503 Slow Down", "SlowDown")
            if how == 1:  # the store does what it was asked, and nobody hears of it
                b"".join(self.store(environ, lambda *_: None))
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        return self.store(environ, start)


def _sent(environ: dict[str, Any]) -> bytes:
    return bytes(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))


def _refused(environ: dict[str, Any], start: Any, status: str, code: str) -> list[bytes]:
    _sent(environ)
    start(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>not now</Message></Error>".encode()]


def told(address: str) -> dict[str, str]:
    """Return the environment by which GDAL and rsic find the store."""
    return {**KEYS, "AWS_S3_ENDPOINT": address.removeprefix("http://")}


def faults(address: str, share: int, **more: object) -> None:
    """Let some requests fail from now on."""
    query = "&".join(f"{key}={value}" for key, value in {"share": share, **more}.items())
    urlopen(f"{address}/_faults?{query}", data=b"").close()


@contextmanager
def storing() -> Iterator[str]:
    """Run the store in another process; yields its address."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    app = _Door(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()
