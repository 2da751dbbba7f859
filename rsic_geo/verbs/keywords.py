"""The keywords of the Python verbs, for type checkers and editors; their meaning stands in the options.

A keyword is a field of a class of :mod:`rsic_geo.options`, of the same name and type (a test holds them
together): a typing error in a call is found by mypy and pyright before it is run, and by
:func:`check_keywords` when it is.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Literal, TypedDict

from rsic_geo.errors import UsageError
from rsic_geo.options import Execution
from rsic_geo.targets import Target, numbered

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
    rmse: float | str | tuple[float, ...]
    max_error: float | str | tuple[float, ...]
    max_rel_error: float | str | tuple[float, ...]
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
    overviews: Literal["auto", "small", "none"]
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


_EXECUTION = tuple(field.name for field in fields(Execution))
TARGET_NAMES = tuple(kind.replace("-", "_") for kind in numbered())


def split_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as fields of an options class, those of the execution as one value."""
    execution = {name: value for name, value in options.items() if name in _EXECUTION}
    others = {name: value for name, value in options.items() if name not in _EXECUTION}
    return {**others, "execution": Execution(**execution)}


def target_of(target: str | Target | None, options: Mapping[str, Any]) -> Target:
    """Return the one target asked for, as a text or as a keyword. Raises UsageError."""
    named = {name: value for name, value in options.items() if name in TARGET_NAMES}
    if len(named) + (target is not None) > 1:
        words = [*named, *(["target"] if target is not None else [])]
        raise UsageError(f"give one target only, not {' and '.join(words)}")
    for name, value in named.items():
        values = value if isinstance(value, tuple | list) else (value,)
        return Target.parse(f"{name}={','.join(map(str, values))}")
    return Target.parse("lossless" if target is None else target)
