"""Trying one scene of a batch, whole or in windows of it, and what that says of all of it."""

from __future__ import annotations

import math
import os
import random
import tempfile
import time
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.batch.copies import check_copied
from rsic_geo.batch.message import SceneJob
from rsic_geo.batch.scene import archive_scene
from rsic_geo.batch.source import look_at
from rsic_geo.errors import JobCancelledError, SceneError, UsageError
from rsic_geo.geo.part import Part
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.raster.write import SceneWriter
from rsic_geo.scenes.kinds import open_store
from rsic_geo.scenes.protocol import StoredScene
from rsic_geo.verbs import compress
from rsic_geo.verbs.names import archive_suffixes, usual_suffix
from rsic_geo.write.fit import FITTING, SAMPLE_SIDE, SAMPLE_WINDOWS

_SIDE = 256
"""Side of windows drawn from large scenes (px); half of it where there are many bands."""
_MANY_BANDS = 6
_DRAWN, _KEPT = 24, 12
"""Windows looked at, and archived, of a large scene."""
_WHOLE = 2 * _KEPT * _SIDE * _SIDE
"""Pixels up to which a scene is tried whole."""
_BOXES = 1500
"""About what an archive takes beside its pixels (bytes): windows have it once, as their scene has."""
_QUICK = 5.0
"""Seconds up to which a trial is worth another, by which it is told what of it is for all scenes alike."""
_LEAST_GROWTH = 0.2
"""Share of a trial's time that grows with pixels, at least."""
_OF_WINDOWS = 0.2
"""How far a few windows of a scene are from all of it (natural logarithm)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the header of a scene says."""

    path: str
    pixels: int
    size: int
    """Bytes of its file; where those are not known of its samples."""
    samples: int
    """Pixels times bands."""
    kind: tuple[str, ...]
    """Sample type, bands (and rule), and compression: what scenes of one class share."""
    options: EncodeOptions | None
    """What the product is to be; None for a copy."""

    @property
    def work(self) -> float:
        """What its time goes by: samples, and how much is in them, as the bytes of its file tell."""
        return math.sqrt(self.size * self.samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a scene was found, or is expected, to take."""

    known: Known
    size: float
    """Bytes of the product."""
    seconds: float
    scatter: float = 0.02
    """How far these are likely off (natural logarithm)."""
    startup: float = 0.0
    """Seconds besides, that a process takes once."""


class _Clock:
    """Times a trial; apart what of it no scene takes longer for than so many windows do."""

    def __init__(self, path: str, product: str, options: EncodeOptions) -> None:
        """Archive a scene."""
        self._last, self._is_fitting = time.perf_counter(), False
        self.filters = self.others = 0.0
        self.size = int(compress.compress(path, product, options, self).details["bytes"])
        self(1.0, "")

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.filters + self.others

    def __call__(self, _fraction: float, message: str) -> bool:
        """Count what was done since progress was told of last."""
        now = time.perf_counter()
        if self._is_fitting:
            self.filters += now - self._last
        else:
            self.others += now - self._last
        self._last, self._is_fitting = now, message == FITTING
        return True


def tried(known: Known, options: EncodeOptions | None, *, is_first: bool) -> Trial:
    """Archive a scene, or windows of it, in a temporary folder.

    Args:
        known: the scene.
        options: what the product is to be; None for a copy.
        is_first: nothing was archived by this process yet: libraries and networks are loaded besides.

    Raises:
        RsicGeoError: the scene will fail.
        OSError: nothing can be written.
    """
    if options is None:
        started = time.perf_counter()
        check_copied(known.path, look_at(known.path))
        return Trial(known=known, size=known.size, seconds=3 * (time.perf_counter() - started))
    if known.pixels <= _WHOLE:
        size, seconds = _archived(known.path, options)
        if not is_first or seconds >= _QUICK:
            return Trial(known=known, size=size, seconds=seconds)
        size, again = _archived(known.path, options)
        return Trial(known=known, size=size, seconds=again, startup=max(0.0, seconds - again))
    with tempfile.TemporaryDirectory(prefix="rsic-plan-") as folder:
        product = str(Path(folder) / f"tried{usual_suffix(options.codec)}")
        options = replace(options, verify="full", overwrite=True)
        patch = str(Path(folder) / "patch.tif")
        with closing(open_store(known.path, options.execution).reader) as reader:
            patched = _write_patch(reader, patch)
        if not patched.pixels:
            return Trial(known=known, size=_BOXES, seconds=patched.reading, scatter=1.0)
        # What a target is relative to may be what the scene uses, of which a few windows use less.
        options = replace(options, target=options.target.widened(patched.narrower))
        clock, startup = _timed(patch, product, options, is_first=is_first)
        share, full = patched.share, patched.share * known.pixels
        return Trial(
            known=known,
            # Bytes go by what is valid: the rest of a window that holds some is filled smoothly.
            size=_BOXES + max(0, clock.size - _BOXES) * patched.valid * known.pixels / patched.pixels,
            seconds=patched.reading + _grown(clock, (patch, product, options), patched.pixels, full),
            # The second: of the share itself.
            scatter=math.sqrt(_OF_WINDOWS**2 + (1 - share) / (share * _DRAWN)),
            startup=startup,
        )


def check(path: str, options: EncodeOptions) -> None:
    """Find out, without coding it, whether what is asked for can be done with a scene of its kind.

    Raises:
        RsicGeoError: it cannot.
    """
    with tempfile.TemporaryDirectory(prefix="rsic-plan-") as folder, suppress(JobCancelledError):
        product = os.path.join(folder, f"tried{usual_suffix(options.codec)}")
        compress.compress(path, product, options, lambda _fraction, _message: False)


def _archived(path: str, options: EncodeOptions) -> tuple[int, float]:
    """Archive a scene as a batch does, proof and report included; return bytes and seconds."""
    endings = archive_suffixes(options.codec)
    with tempfile.TemporaryDirectory(prefix="rsic-plan-") as folder:
        product = os.path.join(folder, f"tried{endings[0]}")
        job = SceneJob(
            fid=0, run="", source=path, product=product, report=f"{product}.json", workshop=folder,
            options=options, fingerprint="", suffixes=endings, companions=False,
        )  # fmt: skip
        started = time.perf_counter()
        outcome = archive_scene(job)
        seconds = time.perf_counter() - started
    if outcome.state == "halted":
        raise OSError(outcome.error)
    if outcome.state != "done":
        kind = UsageError if outcome.error_kind == UsageError.__name__ else SceneError
        raise kind(outcome.error or "it cannot be archived")
    return int(outcome.values["product_bytes"]), seconds


def _timed(path: str, product: str, options: EncodeOptions, *, is_first: bool) -> tuple[_Clock, float]:
    """Return what archiving takes, and how many seconds more the first time, if that was short."""
    clock = _Clock(path, product, options)
    if not is_first or clock.seconds >= _QUICK:
        return clock, 0.0
    again = _Clock(path, product, options)
    return again, max(0.0, clock.seconds - again.seconds)


def _grown(clock: _Clock, how: tuple[str, str, EncodeOptions], pixels: int, full: float) -> float:
    """Return the seconds that ``full`` pixels take, of which so many took what a clock says.

    A scene takes something whatever its size: what its first window alone takes tells how much.
    """
    path, product, options = how
    grows = clock.others / pixels
    if clock.others < _QUICK:
        side = math.isqrt(pixels // _KEPT)
        alone = _Clock(path, product, replace(options, srcwin=(0, 0, side, side)))
        # Where both are about equal, it is chance how equal.
        grows = max((clock.others - alone.others) / (pixels - side * side), _LEAST_GROWTH * grows)
    filters = clock.filters * max(1.0, min(full / pixels, SAMPLE_WINDOWS * SAMPLE_SIDE**2 / pixels))
    return clock.others + grows * (full - pixels) + filters


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patch:
    """Windows that hold data, written side by side."""

    share: float
    """Of the windows looked at, those that do."""
    pixels: int
    """Written."""
    reading: float
    """Seconds that reading all of the scene takes."""
    valid: float = 0.0
    """Share of valid pixels in all windows looked at, over that in what was written."""
    narrower: float = 0.0
    """How much narrower (dB) the range is that bands use in what was written; 0 where it is no peak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What is valid in a window."""

    share: float
    """Of its samples."""
    low: NDArray[Any]
    """Least sample of each band (bands,)."""
    high: NDArray[Any]


def _write_patch(reader: StoredScene, path: str) -> _Patch:
    """Look at windows, and write some of those that hold data side by side."""
    profile = reader.profile
    side = _SIDE if profile.count <= _MANY_BANDS else _SIDE // 2
    height, width = min(side, profile.height), min(side, profile.width)
    chance = random.Random(0)
    # One in each field of a grid, at random within it: closer to all of the scene than as many anywhere.
    rows, columns = _DRAWN // 4, 4
    windows = [
        Window(
            row_off=round((profile.height - height) * (row + chance.random()) / rows),
            col_off=round((profile.width - width) * (column + chance.random()) / columns),
            height=height,
            width=width,
        )
        for row in range(rows)
        for column in range(columns)
    ]
    chance.shuffle(windows)
    before = time.perf_counter()
    looks = {window: look for window in windows if (look := _look(reader, window)) is not None}
    full = list(looks)
    decoded = sum(_blocks(window, reader.block_shape) for window in windows)
    reading = (time.perf_counter() - before) * profile.height * profile.width / decoded
    kept = full[:_KEPT]
    if not kept:
        return _Patch(share=0.0, pixels=0, reading=reading)
    area = Window(row_off=0, col_off=0, height=height, width=width * len(kept))
    part = Part(window=area)
    snapshot = part.of_snapshot(reader.metadata())
    with SceneWriter(path, _resized(part.of_profile(profile), area), snapshot) as writer:
        for number, window in enumerate(kept):
            place = Window(row_off=0, col_off=number * width, height=height, width=width)
            writer.write(place, reader.read(window))
            mask = reader.read_mask(window)
            if mask is not None:
                writer.write_mask(place, mask)
        writer.commit(accept_loss=True)
    seen, used = list(looks.values()), [looks[window] for window in kept]
    narrower = 0.0
    is_told = profile.dtype == "uint8" or any(bits is not None for bits in profile.bits)
    if not is_told and np.dtype(profile.dtype).kind in "iu":  # what floats use may be infinite
        narrower = max(0.0, float(np.median(20 * np.log10(_span(seen) / _span(used)))))
    valid = sum(look.share for look in seen) / len(windows) / np.mean([look.share for look in used])
    return _Patch(
        share=len(full) / len(windows),
        pixels=area.pixel_count,
        reading=reading,
        valid=float(valid),
        narrower=narrower,
    )


def _span(looks: list[_Look]) -> NDArray[np.float64]:
    """Return how wide a range each band (bands,) uses in some windows together."""
    low, high = np.min([look.low for look in looks], axis=0), np.max([look.high for look in looks], axis=0)
    span: NDArray[np.float64] = np.maximum(high.astype(np.float64) - low, 1.0)
    return span


def _blocks(window: Window, shape: tuple[int, int]) -> int:
    """Return the pixels of the blocks a window touches: a reader decodes them whole."""
    spans = ((window.row_off, window.row_stop, shape[0]), (window.col_off, window.col_stop, shape[1]))
    rows, columns = (-(-stop // side) * side - start // side * side for start, stop, side in spans)
    return rows * columns


def _resized(profile: SceneProfile, area: Window) -> SceneProfile:
    return replace(profile, height=area.height, width=area.width)


def _look(reader: StoredScene, window: Window) -> _Look | None:
    """Return what is valid in a window; None where it holds no data, or the same everywhere."""
    pixels = reader.read(window)
    valid = reader.read_valid(window, pixels)
    mask = reader.read_mask(window)
    if mask is not None:
        valid = valid & (mask != 0)
    if not valid.any() or all(np.ptp(band) == 0 for band in pixels):
        return None
    kept = [band[keep] if keep.any() else band.ravel()[:1] for band, keep in zip(pixels, valid, strict=True)]
    low, high = np.array([band.min() for band in kept]), np.array([band.max() for band in kept])
    return _Look(share=float(valid.mean()), low=low, high=high)
