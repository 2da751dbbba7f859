"""A store that serves a folder by ranges and tears some of its answers: ``python range_server.py FOLDER``.

``/SHARE/SEED/NAME`` is the file NAME, of whose answers SHARE percent break off or fail, by chance of SEED.
``/SHARE/SEED/`` lists the folder, as servers do. ``/count`` is how many requests were answered, and with how
many bytes, since it was asked last.

Prints its port. A process of its own: GDAL waits for it with Python's lock held.
"""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.request import urlopen


class _Store(BaseHTTPRequestHandler):
    folder: ClassVar[Path]
    chances: ClassVar[dict[str, random.Random]] = {}
    counts: ClassVar[list[int]] = [0, 0]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        if self.path == "/count":
            self.send_response(200)
            self.end_headers()
            self.wfile.write("{} {}".format(*self.counts).encode())
            self.counts[:] = 0, 0
            return
        self.counts[0] += 1
        _, share, seed, name = [*self.path.split("/"), "", "", ""][:4]
        if len(self.path.split("/")) > 3 and not name:
            self._list()
            return
        path = self.folder / Path(name).name
        if not path.is_file():
            self.send_error(404)
            return
        content = path.read_bytes()
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(found[1]) if found else 0
        last = min(int(found[2]) if found and found[2] else len(content) - 1, len(content) - 1)
        chance = self.chances.setdefault(f"{share}/{seed}", random.Random(int(seed)))
        fate, torn = chance.random(), int(share) / 100
        if with_body and fate < torn / 3:
            self.send_error(503)
            return
        self.send_response(206 if found else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last + 1 - first))
        self.end_headers()
        if with_body:
            length = last + 1 - first
            if fate < torn:
                length = chance.randrange(length + 1)
            self.counts[1] += length
            self.wfile.write(content[first : first + length])

    def _list(self) -> None:
        names = "".join(f'<a href="{each.name}">{each.name}</a>\n' for each in sorted(self.folder.iterdir()))
        page = f"<html><head><title>Index of {self.path}</title></head><body>\n{names}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.counts[1] += len(page)
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def counted(address: str) -> tuple[int, int]:
    """Return requests and bytes since the last call."""
    with urlopen(f"{address}/count") as answer:
        requests, sent = map(int, answer.read().split())
    return requests, sent


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder from another process; yields the address."""
    with subprocess.Popen(
        [sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    _Store.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Store)
    print(server.server_port, flush=True)
    server.serve_forever()
