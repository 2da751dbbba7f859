"""Any flipped bit of any byte of an archive is found: others see what we see, or ``validate`` says so."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.container.jp2 import find_codestream
from rsic_geo.scenes.archive import Archive


@pytest.fixture(scope="module", params=["lossless", "bpp=1.5"])
def archive(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("boxes")
    pixels = painted((3, 150, 170))
    pixels[:, :20, :30] = 0
    source = write_scene(folder / "s.tif", pixels, nodata=0)
    path = folder / "a.jp2"
    rsic_geo.compress(
        str(source), str(path), target=request.param, model="none", tile_size=256, sidecar="never"
    )
    return path


def _finds(path) -> bool:
    return not rsic_geo.validate(str(path), pixels=False)["valid"]


def test_one_bit_of_every_byte_outside_the_tiles_is_found(archive, tmp_path):
    good, path, missed = archive.read_bytes(), tmp_path / "m.jp2", []
    with archive.open("rb") as file:
        bodies = {
            at
            for part in find_codestream(file).parts
            for at in range(part.offset + 12, part.offset + part.length)
        }
    rng = np.random.default_rng(1)
    places = [at for at in range(len(good)) if at not in bodies]
    places += [int(at) for at in rng.choice(sorted(bodies), 100, replace=False)]
    for at in places:
        data = bytearray(good)
        data[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(data)
        if not _finds(path):
            missed.append(at)
    assert not missed


def test_a_moved_place_is_named_and_the_scene_is_read_all_the_same(archive, tmp_path):
    good, path = archive.read_bytes(), tmp_path / "m.jp2"
    with archive.open("rb") as file:
        box = next(box for box in iter_boxes(file) if box.kind == b"uuid")
    data = bytearray(good)
    west = rasterio.open(archive).transform.c
    at = good.index(np.float64(west).tobytes(), box.offset)
    data[at + 5] ^= 16
    path.write_bytes(data)
    assert rasterio.open(path).transform.c != west, "the damage is none that others see"
    problems = rsic_geo.validate(str(path))["problems"]
    assert len(problems) == 1
    assert "GeoJP2 box" in problems[0]
    with Archive(str(path)) as moved, Archive(str(archive)) as right:
        np.testing.assert_array_equal(moved.read(), right.read())
        assert moved.snapshot == right.snapshot
        assert any("GeoJP2" in text for text in moved.warnings)


def test_boxes_added_or_in_another_order_are_found(archive, tmp_path):
    good, path = archive.read_bytes(), tmp_path / "m.jp2"
    with archive.open("rb") as file:
        boxes = list(iter_boxes(file))
    parts = [good[box.offset : box.end] for box in boxes]
    kinds = [box.kind for box in boxes]
    first, second = kinds.index(b"uuid"), kinds.index(b"asoc")
    swapped = list(parts)
    swapped[first], swapped[second] = parts[second], parts[first]
    doubled = [*parts[: second + 1], parts[second], *parts[second + 1 :]]
    for mutant in (swapped, doubled, parts[:first] + parts[first + 1 :]):
        path.write_bytes(b"".join(mutant))
        assert _finds(path)
