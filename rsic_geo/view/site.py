"""What is served of one scene: its page, what it tells, its tiles, and how good it is where one looks."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from importlib.resources import files

from rsic_geo.errors import UsageError
from rsic_geo.geo.window import Window
from rsic_geo.view.graticule import graticule
from rsic_geo.view.quality import measured
from rsic_geo.view.scene import CUTS, Look, SceneView
from rsic_geo.view.server import Answer
from rsic_geo.view.told import described

_KINDS = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
PARTS = ("leaflet.js", "leaflet.css", "common.js", "scene.js", "ledger.js", "view.css")
"""What pages load."""


def part(name: str) -> str:
    """Return a file of ours that pages are made of."""
    return (files("rsic_geo.view") / "static" / name).read_text(encoding="utf-8")


def page(name: str) -> Answer:
    """Answer with a page of ours."""
    return Answer(part(name).encode(), "text/html; charset=utf-8")


def static(words: tuple[str, ...]) -> Answer | None:
    """Answer with what pages load."""
    if len(words) != 2 or words[0] != "static" or words[1] not in PARTS:
        return None
    return Answer(part(words[1]).encode(), _KINDS[words[1].rpartition(".")[2]], is_lasting=True)


class SceneSite:
    """The page of one archive."""

    def __init__(self, view: SceneView) -> None:
        """Serve an open archive."""
        self.view = view
        self._asked, self._latest = itertools.count(1), 0

    def answer(self, words: tuple[str, ...], query: Mapping[str, str]) -> Answer | None:
        """Answer a request below the page's address; see :class:`rsic_geo.view.server.Site`."""
        view = self.view
        if words == ("",):
            return page("scene.html")
        if words == ("meta.json",):
            return Answer.json(described(view))
        if words == ("values.json",):
            row, column = (_whole(query, name) for name in ("row", "column"))
            return Answer.json(view.values(row, column))
        if words == ("graticule.json",):
            return Answer.json(graticule(view.profile, self._window(query)))
        if words == ("quality.json",):
            self._latest = mine = next(self._asked)
            return Answer.json(measured(view, self._window(query), lambda: self._latest == mine))
        if len(words) == 5 and words[0] == "tile" and words[4].endswith(".png"):
            level, x, y = (number(each.removesuffix(".png"), "a tile") for each in words[2:])
            return Answer(view.tile(words[1], self._look(query), level, x, y), "image/png", is_lasting=True)
        if len(words) == 5 and words[0] == "samples" and words[4].endswith(".tif"):
            fineness, x, y = (number(each.removesuffix(".tif"), "a tile") for each in words[2:])
            bands = tuple(number(each, "a band") for each in query.get("bands", "0").split(","))
            # GDAL counts levels from the coarsest one
            tile = view.samples(words[1], bands, view.levels - fineness, x, y)
            return Answer(tile, "image/tiff", is_lasting=True)
        return static(words)

    def _look(self, query: Mapping[str, str]) -> Look:
        usual = self.view.usual_look
        bands = (
            tuple(number(each, "a band") for each in query["bands"].split(","))
            if "bands" in query
            else usual.bands
        )
        if len(bands) not in (1, 3) or not all(0 <= band < self.view.profile.count for band in bands):
            raise UsageError(
                f"bands={query.get('bands')}: give one or three of the {self.view.profile.count} bands"
            )
        cut = _finite(query, "cut", usual.cut)
        scale = _finite(query, "scale", usual.scale)
        if cut not in CUTS or not scale > 0:
            raise UsageError(
                "cut is one of " + ", ".join(f"{each:g}" for each in CUTS) + "; scale is above 0"
            )
        return Look(bands=bands, cut=cut, scale=scale)

    def _window(self, query: Mapping[str, str]) -> Window:
        """Return the part of the scene that is in view."""
        top, bottom, left, right = (_whole(query, name) for name in ("top", "bottom", "left", "right"))
        p = self.view.profile
        top, left, bottom, right = max(0, top), max(0, left), min(p.height, bottom), min(p.width, right)
        if top >= bottom or left >= right:
            raise UsageError("nothing of the scene is in view")
        return Window.between(top, bottom, left, right)


def box_of(query: Mapping[str, str]) -> tuple[float, float, float, float]:
    """Return west, south, east and north of a query. Raises UsageError where they are no numbers."""
    west, south, east, north = (_finite(query, name) for name in ("west", "south", "east", "north"))
    return west, south, east, north


def number(text: str, what: str) -> int:
    """Return the whole number, 0 or more, that a client wrote. Raises UsageError where it is none."""
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise UsageError(f"{text[:40]!r} is no number of {what}")
    return int(text)


def _whole(query: Mapping[str, str], name: str) -> int:
    return math.floor(_finite(query, name))


def _finite(query: Mapping[str, str], name: str, usual: float = math.nan) -> float:
    try:
        value = float(query.get(name, usual))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or abs(value) > 1e30:
        raise UsageError(f"{name}={str(query.get(name, 'missing'))[:40]}: give a number")
    return value
