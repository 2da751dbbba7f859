"""Small overviews beside archives: few requests for a thumbnail, nothing changed for readers of ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
from far import far_reads
from far.range_server import serving
from pipeline_support import painted
from pipeline_support import write_scene as write_rgb

import rsic_geo
from rsic_geo.errors import UsageError


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Many tiles, each one run of bytes, as in a large scene."""
    folder = tmp_path_factory.mktemp("far")
    tagged = write_rgb(folder / "tagged.tif", painted((3, 1100, 900)))
    scene = folder / "s.tif"  # without tags, so that no .aux.xml, another two requests, is needed
    with rasterio.open(tagged) as one, rasterio.open(scene, "w", **one.profile, photometric="rgb") as two:
        two.write(one.read())
    report = rsic_geo.compress(scene, folder / "s.jp2", target="lossless", tile_size=256, overviews="small")
    return folder / "s.jp2", scene, report


def test_a_thumbnail_far_away_is_few_requests(archive, tmp_path):
    path, _, _ = archive
    for each in path.parent.glob("s.jp2*"):
        shutil.copyfile(each, tmp_path / each.name)
    with serving(tmp_path) as address:
        requests, sent = far_reads.thumbnail(address, "s.jp2")
        assert requests <= 4  # one HEAD, and one that lists the folder, among them
        assert sent <= 80_000
        assert far_reads.windows(address, "s.jp2", 64)[0] <= 10  # of which the first meets four tiles
        assert far_reads.windows(address, "s.jp2", 64, GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR")[0] <= 10
        asked = f"from far import far_reads; print(*far_reads.windows({address!r}, 's.jp2', 512))"
        words = [sys.executable, "-W", "ignore", "-c", asked]
        # GDAL asks this once in its life: 13 tiles of noise are 2 MB, and its own 16 kB are for less.
        wide = {**os.environ, "CPL_VSIL_CURL_CHUNK_SIZE": "524288", "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(words, env=wide, capture_output=True, text=True, check=True)
        assert int(done.stdout.split()[0]) <= 10
        (tmp_path / "s.jp2.ovr").unlink()
        assert far_reads.thumbnail(address, "s.jp2")[1] > 0.9 * path.stat().st_size  # as it was without


def test_an_overview_is_small_shows_the_scene_and_is_known_to_the_archive(archive, tmp_path):
    path, scene, report = archive
    overview = path.with_name("s.jp2.ovr")
    assert overview.stat().st_size <= 0.02 * path.stat().st_size
    assert report.details["sidecar_bytes"] >= overview.stat().st_size
    with rasterio.open(path) as shown, rasterio.open(scene) as original:
        (factor,) = set(shown.overviews(1))
        size = (3, -(-shown.height // factor), -(-shown.width // factor))
        assert max(size) <= 512
        small = shown.read(out_shape=size).astype(float)
        exact = original.read(out_shape=size, resampling=rasterio.enums.Resampling.average)
        assert np.abs(small - exact).mean() < 8
    assert rsic_geo.validate(path)["valid"]
    whole = rsic_geo.open(path).read(out_shape=(3, 110, 90))
    copy = tmp_path / "s.jp2"
    shutil.copyfile(path, copy)
    assert "s.jp2.ovr, which other programs read, is missing" in rsic_geo.validate(copy)["problems"][0]
    assert np.array_equal(rsic_geo.open(copy).read(out_shape=(3, 110, 90)), whole)  # ours look at none
    content = bytearray(overview.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "s.jp2.ovr").write_bytes(content)
    assert "s.jp2.ovr, read for small sizes, was altered" in rsic_geo.validate(copy)["problems"][0]
    back = tmp_path / "back.tif"
    rsic_geo.decompress(path, back)
    assert not (tmp_path / "back.tif.ovr").exists()
    assert rsic_geo.compare(path, back).is_equal


@pytest.mark.parametrize(("dtype", "more"), [("uint8", {"nodata": 7}), ("uint16", {}), ("int16", {})])
def test_what_is_no_plain_picture_is_kept_without_loss_or_not_at_all(tmp_path, dtype, more):
    flat = np.repeat(np.repeat(painted((1, 20, 20)), 32, 1), 32, 2).astype(dtype)
    scene = write_rgb(tmp_path / "s.tif", flat, **more)
    report = rsic_geo.compress(scene, tmp_path / "s.jp2", target="lossless", overviews="small")
    overview = tmp_path / "s.jp2.ovr"
    if not overview.exists():
        assert "no overview was written" in " ".join(report.warnings)
        return
    with rasterio.open(overview) as shown:
        assert shown.dtypes[0] == dtype
        assert set(np.unique(shown.read())) <= set(np.unique(flat))


def test_none_and_auto_write_none(tmp_path):
    scene = write_rgb(tmp_path / "s.tif", painted((1, 300, 300)))
    for number, word in enumerate(("auto", "none")):
        rsic_geo.compress(scene, tmp_path / f"{number}.jp2", target="lossless", overviews=word)
    assert not list(tmp_path.glob("*.ovr"))
    with pytest.raises(UsageError, match="overviews 'large': use auto, small or none"):
        rsic_geo.compress(scene, tmp_path / "x.jp2", target="lossless", overviews="large")
