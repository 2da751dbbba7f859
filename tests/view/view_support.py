"""What a client of ``rsic view`` gets, and a scene whose name and words are hostile."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from rsic_geo.view.server import Serving

NAME = '"><img src=x onerror=alert(1)>'
WORDS = "</script><script>alert(2)</script>"


@dataclass(frozen=True)
class Pair:
    """A scene and its archive, and the pixels that rasterio reads of what ``decompress`` makes of it."""

    source: Path
    archive: Path
    original: NDArray[Any]
    codec: NDArray[Any]
    repaired: NDArray[Any]
    valid: NDArray[np.bool_]

    def layer(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = getattr(self, name)
        return found


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def get(served: Serving, path: str, *, method: str = "GET", **headers: str) -> Reply:
    """Ask as a client does that knows the address; ``path`` is below it, or whole if it begins with /."""
    place = urlsplit(served.url)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
    connection.request(method, path if path.startswith("/") else place.path + path, headers=headers)
    answer = connection.getresponse()
    found = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return found
