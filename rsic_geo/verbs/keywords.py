"""The keywords of the Python verbs, for type checkers and editors; their meaning stands in the options.

A keyword is a field of a class of :mod:`rsic_geo.options`, of the same name and type (a test holds them
together): a typing error in a call is found by mypy and pyright before it is run, and by
:func:`check_keywords` when it is.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Literal, TypedDict

StrPath = str | os.PathLike[str]
"""A path, or a name that GDAL knows."""


class ExecutionKeywords(TypedDict, total=False):
    """How the work is carried out: :class:`rsic_geo.options.Execution`."""

    threads: int
    device: str
    window_size: int
    memory_mib: int
    fast: bool


class PartKeywords(TypedDict, total=False):
    """Which part of a scene is meant: at most one of the three windows."""

    srcwin: tuple[int, int, int, int] | None
    projwin: tuple[float, float, float, float] | None
    bbox: tuple[float, float, float, float] | None
    window_crs: str | None
    bands: tuple[int, ...]


class TargetKeywords(TypedDict, total=False):
    """One target as a keyword, instead of ``target="psnr=40"``: :class:`rsic_geo.options.Target`."""

    psnr: float
    snr: float
    max_error: float | str | tuple[float, ...]
    ratio: float
    bpp: float
    bpppb: float


class EncodeKeywords(ExecutionKeywords, PartKeywords, TargetKeywords, total=False):
    """What ``compress`` takes: :class:`rsic_geo.options.EncodeOptions`."""

    codec: str
    model: str
    effort: Literal["fast", "normal", "best"]
    tile_size: int
    seed: int
    quantize: str | None
    nodata: float | Literal["none"] | None
    spectral: Literal["as-is", "rotated", "auto"]
    band_weights: str
    sidecar: Literal["auto", "never", "require"]
    georef: Literal["both", "geojp2", "gml"]
    seal: bool
    accept_damaged: bool
    accept_loss: bool
    verify: Literal["none", "full", "later"]
    overwrite: bool


class ProductKeywords(ExecutionKeywords, PartKeywords, total=False):
    """What ``decompress`` and ``enhance`` take both: :class:`rsic_geo.options.DecodeOptions`."""

    driver: str
    creation_options: tuple[tuple[str, str], ...]
    strength: float | None
    allow_other_model: bool
    level: int
    change: str | None
    max_change: float | None
    overwrite: bool


class DecodeKeywords(ProductKeywords, total=False):
    """What ``decompress`` takes."""

    enhance: str


def check_keywords(verb: str, given: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse keywords a verb does not have.

    Raises:
        TypeError: naming the first of them, and the keyword that may have been meant.
    """
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f", did you mean {near[0]!r}?" if near else f": it has {', '.join(sorted(known))}"
            raise TypeError(f"{verb}() has no keyword {name!r}{hint}")
