"""A store that tears connections: what is read over HTTP is right, or the command ends."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest
import rasterio
from damage_support import scene, write

import rsic_geo
from rsic_geo.errors import RsicGeoError

pytestmark = pytest.mark.filterwarnings("ignore")


class _Store(BaseHTTPRequestHandler):
    """Serves one file by ranges; some answers break off, say less than they promise, or fail."""

    content: ClassVar[bytes] = b""
    chance: ClassVar[random.Random] = random.Random(0)
    torn_share: ClassVar[float] = 0.0
    torn: ClassVar[int] = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()

    def do_GET(self) -> None:
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(found[1]) if found else 0
        last = min(int(found[2]) if found and found[2] else len(self.content) - 1, len(self.content) - 1)
        body = self.content[first : last + 1]
        fate = self.chance.random()
        if fate < self.torn_share / 3:
            type(self).torn += 1
            self.send_error(503)
            return
        self.send_response(206 if found else 200)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fate < self.torn_share:
            type(self).torn += 1
            body = body[: self.chance.randrange(len(body) + 1)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def store() -> Iterator[tuple[type[_Store], str]]:
    """Return the handler and the address of a store on this machine."""
    handler = type("Handler", (_Store,), {"torn": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield handler, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("name", ["cog.tif", "jpeg.tif", "scene.jp2"])
def test_torn_answers_never_become_pixels(name, store, tmp_path):
    handler, address = store
    source = write(tmp_path, name)
    handler.content = source.read_bytes()
    with rasterio.open(source) as opened:
        expected = opened.read()
    failed = right = 0
    for trial in range(24):
        handler.chance, handler.torn_share = random.Random(trial), (0.0, 0.2, 0.5, 0.8)[trial % 4]
        archive = tmp_path / f"{trial}.jp2"
        # A name of its own each time: GDAL keeps what it has read of an address.
        url = f"/vsicurl/{address}/{trial}/{name}"
        try:
            rsic_geo.compress(url, str(archive))
        except RsicGeoError:
            failed += 1
            assert not archive.exists()
            continue
        right += 1
        with rsic_geo.open(str(archive)) as opened:
            np.testing.assert_array_equal(opened.read(), expected, err_msg=f"trial {trial}")
    assert handler.torn
    assert failed
    assert right >= 6, "what was not torn must be read"
    assert expected.shape == scene().shape
