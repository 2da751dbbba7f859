"""Random corruption of every kind of archive: no wrong pixel, mask, place or tag, through us or through GDAL.

Bits, bytes, cuts, removed and doubled pieces, boxes in another order. Through us: an error, a warning, or
exactly what was stored. Through GDAL: what ``validate`` calls valid is seen by GDAL as the archive was.

``RSIC_CORRUPTIONS=10000 python -m pytest tests/cases/test_corruption.py`` tries ten thousand in all.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import painted

import rsic_geo
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.errors import RsicGeoError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.scenes.archive import Archive

TRIALS = int(os.environ.get("RSIC_CORRUPTIONS", "480"))
KINDS = {
    "lossless": {"target": "lossless"},
    "lossy with a filter": {"target": "bpp=3", "model": "rsic-linear"},
    "nodata and a mask": {"target": "bpp=4", "model": "none"},
    "steps": {"target": "max-error=3", "model": "none"},
    "growing steps": {"target": "max-rel-error=3%", "model": "none"},
    "rotated": {"target": "bpp=4", "model": "none", "spectral": "rotated"},
    "learned": {"target": "bpp=2", "codec": "learned", "model": "none"},
    "cog": {"codec": "cog"},
    "cog within a bound": {"codec": "cog", "target": "max-error=9", "accept_loss": True},
}
pytestmark = pytest.mark.filterwarnings("ignore")


def _scene(path: Path, kind: str) -> Path:
    pixels = painted((3, 140, 150))
    mask = None
    settings = {
        "driver": "GTiff", "height": 140, "width": 150, "count": 3, "dtype": "uint8", "crs": "EPSG:32633",
        "transform": rasterio.transform.from_origin(4e5, 5e6, 10, 10), "photometric": "RGB",
    }  # fmt: skip
    if kind == "nodata and a mask":
        pixels[:, :30, :40] = 0
        settings["nodata"] = 0
        mask = np.add.outer(np.arange(140), np.arange(150)) < 250
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **settings) as target:
        target.write(pixels)
        target.update_tags(PLATFORM="x", ACQUIRED="2024-05-06")
        if mask is not None:
            target.write_mask(mask)
    return path


def _corrupted(good: bytes, boxes: list[tuple[int, int]], seed: int) -> bytes:
    """Return bytes damaged in the way that the seed chooses."""
    chance = random.Random(seed)
    data = bytearray(good)
    way = seed % 8
    if way < 3:
        for _ in range((1, 1, 12)[way]):
            at = chance.randrange(len(data))
            data[at] ^= 1 << chance.randrange(8)
    elif way == 3:
        del data[chance.randrange(len(data)) :]
    elif way == 4:
        at, length = chance.randrange(len(data)), chance.randrange(1, 300)
        data[at : at + length] = data[at : at + length][::-1]
    elif way == 5:
        at, length = chance.randrange(len(data)), chance.randrange(1, 300)
        data[at:at] = data[at : at + length]
    elif way == 6:
        del data[(at := chance.randrange(len(data))) : at + chance.randrange(1, 300)]
    else:
        parts = [good[start:end] for start, end in boxes]
        first, second = chance.sample(range(len(parts)), 2)
        match chance.randrange(3):
            case 0:
                parts[first], parts[second] = parts[second], parts[first]
            case 1:
                parts.insert(second, parts[first])
            case 2:
                del parts[first]
        data = bytearray(b"".join(parts))
    return bytes(data)


def _ours(path: Path):
    """Return what we read of a file; None where we say that something is wrong with it."""
    try:
        with Archive(str(path), execution=Execution(threads=1)) as opened:
            whole = Window.full(opened.profile.height, opened.profile.width)
            pixels, mask = opened.read(), opened.read_mask(whole)
            said = opened.snapshot.to_json()
            if opened.warnings:
                return None
    except RsicGeoError:
        return None
    return pixels.tobytes(), pixels.shape, None if mask is None else mask.tobytes(), said


def _gdals(path: Path):
    """Return what GDAL reads of a file, one thread, by blocks."""
    with rasterio.Env(GDAL_NUM_THREADS="1", GDAL_PAM_ENABLED="NO"), rasterio.open(path) as opened:
        pixels = np.zeros((opened.count, opened.height, opened.width), opened.dtypes[0])
        for _, window in opened.block_windows(1):
            pixels[(slice(None), *window.toslices())] = opened.read(window=window)
        points, system = opened.gcps
        return (
            pixels.tobytes(), pixels.shape, opened.transform, opened.crs, opened.colorinterp, len(points),
            system, opened.tags(),
        )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_corruption_is_found_or_changes_nothing_for_anyone(kind, tmp_path):
    source = _scene(tmp_path / "s.tif", kind)
    suffix = {"learned": ".rsic.tif", "cog": ".cog.tif"}.get(KINDS[kind].get("codec"), ".jp2")
    archive = tmp_path / f"a{suffix}"
    rsic_geo.compress(str(source), str(archive), threads=1, **KINDS[kind])
    for sidecar in tmp_path.glob(f"a{suffix}.*"):
        sidecar.unlink()  # what is tried is the archive alone
    good, truth, shown = archive.read_bytes(), _ours(archive), _gdals(archive)
    assert truth is not None
    if suffix.endswith(".tif"):
        cuts = sorted(random.Random(1).sample(range(8, len(good)), 6))
        boxes = list(zip([0, *cuts], [*cuts, len(good)], strict=True))
    else:
        with archive.open("rb") as file:
            boxes = [(box.offset, box.end) for box in iter_boxes(file)]
    path, counted = tmp_path / f"m{suffix}", Counter()
    for seed in range(TRIALS // len(KINDS)):
        data = _corrupted(good, boxes, seed)
        if data == good:
            continue
        path.write_bytes(data)
        found = _ours(path)
        if found is not None:
            assert found == truth, f"seed {seed}: other pixels, masks or tags, without a word"
        try:
            is_valid = rsic_geo.validate(str(path))["valid"]
        except RsicGeoError:
            is_valid = False
        if is_valid:
            assert found is not None, f"seed {seed}: valid, and not to be read"
            assert _gdals(path) == shown, f"seed {seed}: valid, and GDAL sees another scene"
        counted["valid" if is_valid else "found"] += 1
    assert counted["found"] > 0.9 * sum(counted.values()), counted
