"""A page for a colleague: one file that holds the overview, and full resolution where the codec lost most."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import UsageError
from rsic_geo.geo.lattice import CELL, cell_counts
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.view.graticule import graticule
from rsic_geo.view.quality import blocks_in, measured
from rsic_geo.view.scene import TILE, SceneView
from rsic_geo.view.site import part
from rsic_geo.view.told import described

_LONGEST = 1024
"""Longest side of the overview (px), less where it would take more than half of the page."""
_MOST_PLACES = 24


class _Album:
    """Tiles as text, each picture once, up to so many bytes."""

    def __init__(self, view: SceneView, most: int) -> None:
        self._view, self._most = view, most
        self.tiles: dict[str, int] = {}
        self.pictures: list[str] = []
        self._known: dict[bytes, int] = {}
        self.size = 0

    def add(self, places: list[tuple[str, int, int, int]], most: int | None = None) -> bool:
        """Take tiles (layer, level, column, row) in, all of them or none where they are too many bytes."""
        made = {place: self._view.tile(place[0], self._view.usual_look, *place[1:]) for place in places}
        fresh = {picture for picture in made.values() if picture not in self._known}
        size = sum(-(-len(picture) // 3) * 4 for picture in fresh)
        if self.size + size > (most or self._most):
            return False
        self.size += size
        for (layer, level, column, row), picture in made.items():
            if picture not in self._known:
                self._known[picture] = len(self.pictures)
                self.pictures.append(b64encode(picture).decode())
            self.tiles[f"{layer}/{level}/{column}/{row}"] = self._known[picture]
        return True


def exported_page(view: SceneView, most_mb: float, progress: Progress) -> str:
    """Return a page that needs no server and loads nothing.

    Args:
        view: an open archive, and perhaps its original.
        most_mb: megabytes the page may have, about.
        progress: asked after every place whether to go on.

    Raises:
        UsageError: not even an overview fits into so many bytes.
        RsicGeoError: the files cannot be read.
    """
    fixed = sum(
        len(part(name)) for name in ("leaflet.js", "leaflet.css", "view.css", "common.js", "scene.js")
    )
    album = _Album(view, int(most_mb * 1e6) - fixed - 50_000)
    overview = next(
        (
            level
            for level in range(view.levels + 1)
            if max(view.profile.height, view.profile.width) >> level <= _LONGEST
            and album.add(_tiles(view, level), album._most // (2 if level < view.levels else 1))
        ),
        None,
    )
    if overview is None:
        raise UsageError(f"an overview does not fit into {most_mb:g} MB: give more with --export-size")
    for level in range(overview + 1, view.levels + 1):
        album.add(_tiles(view, level))
    places = []
    for count, (row, column) in enumerate(_places(view), 1):
        tile = Window(row_off=row * TILE, col_off=column * TILE, height=TILE, width=TILE)
        inner = tile.intersection(Window.full(view.profile.height, view.profile.width))
        if inner is None or not album.add([(layer, 0, column, row) for layer in view.layers]):
            break
        places.append({
            "text": f"column {inner.col_off}, row {inner.row_off}",
            "row": inner.row_off + inner.height / 2, "column": inner.col_off + inner.width / 2,
            "top": inner.row_off, "bottom": inner.row_stop, "left": inner.col_off, "right": inner.col_stop,
            "quality": measured(view, inner),
        })  # fmt: skip
        progress.report(count / _MOST_PLACES, "making the page")
    whole = Window.full(view.profile.height, view.profile.width)
    return _page({
        "meta": described(view), "tiles": album.tiles, "pictures": album.pictures, "places": places,
        "quality": measured(view, whole), "graticule": graticule(view.profile, whole),
    })  # fmt: skip


def _tiles(view: SceneView, level: int) -> list[tuple[str, int, int, int]]:
    rows, columns = (-(-side // (TILE << level)) for side in (view.profile.height, view.profile.width))
    return [
        (layer, level, column, row)
        for layer in view.layers
        for row in range(rows)
        for column in range(columns)
    ]


def _places(view: SceneView) -> list[tuple[int, int]]:
    """Return cells (row, column) that are no neighbours, those first in which the codec lost most.

    An archive that records no errors gives cells spread evenly.
    """
    rows, columns = cell_counts(view.profile.height, view.profile.width)
    losses: NDArray[Any] = np.zeros((rows, columns))
    if "distortion" in view.layers:
        losses = view.recorded_error(view.usual_look.bands[0])
        order = [divmod(int(each), columns) for each in np.argsort(-losses, axis=None, kind="stable")]
    else:
        blocks, _ = blocks_in(view, Window.full(view.profile.height, view.profile.width), _MOST_PLACES)
        order = [(block.row_off // CELL, block.col_off // CELL) for block in blocks]
    chosen: list[tuple[int, int]] = []
    for row, column in order:
        if all(max(abs(row - other), abs(column - another)) > 1 for other, another in chosen):
            chosen.append((row, column))
        if len(chosen) == _MOST_PLACES:
            break
    return chosen


def _page(content: dict[str, Any]) -> str:
    """Return the page of a scene with everything that it loads inside, and a policy that allows just that."""
    html = part("scene.html")
    scripts = [part(name) for name in re.findall(r'<script src="static/([^"]+)"></script>', html)]
    styles = [part(name) for name in re.findall(r'<link rel="stylesheet" href="static/([^"]+)">', html)]
    script, style = "\n".join(scripts), "\n".join(styles)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    # What could end the element is written as JSON can, too; names in it come from anywhere.
    data = json.dumps(content, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")
    html = re.sub(r'<script src="[^"]+"></script>\n', "", html)
    html = re.sub(r'<link rel="stylesheet" href="[^"]+">\n', "", html)
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<style>{style}</style>\n</head>'
    body = (
        f'<script type="application/json" id="exported">{data}</script>\n<script>{script}</script>\n</body>'
    )
    return html.replace("</head>", head).replace("</body>", body)


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"
