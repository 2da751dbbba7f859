"""Memory does not grow with the scene."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from rasterio.env import get_gdal_config
from snapshots.eyes import needs_gdalinfo

from rsic_geo.evaluation.memory import measure, repeated_scene, table
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.raster import gdal_config, open_scene
from rsic_geo.scenes.source import fitting_cache


def test_a_repeated_scene_repeats(sample_data: Path, tmp_path: Path) -> None:
    scene = str(sample_data / "fields_rgb_utm.tif")
    repeated_scene(scene, 1300, tmp_path / "big.vrt")
    with open_scene(scene) as small, open_scene(tmp_path / "big.vrt") as big:
        height, width = small.profile.height, small.profile.width
        assert (big.profile.height, big.profile.width, big.profile.count) == (1300, 1300, small.profile.count)
        part = Window(row_off=2 * height, col_off=width, height=200, width=300)
        same = Window(row_off=0, col_off=0, height=200, width=300)
        assert (big.read(part) == small.read(same)).all()


@pytest.mark.slow
def test_memory_is_bounded(sample_data: Path, tmp_path: Path) -> None:
    """GDAL's cache takes 64 MiB, start-up and two threads' tiles about 200; one float copy would show."""
    row = measure(str(sample_data / "fields_rgb_utm.tif"), 8000, "bpp=1", tmp_path, threads=2)
    print(table([row]))
    assert row.compress.peak_mib < 400
    assert row.decompress.peak_mib < 300
    assert not list(tmp_path.iterdir())


def test_the_cache_holds_what_rows_of_tiles_share_and_no_more(sample_data: Path, tmp_path: Path) -> None:
    scene = str(sample_data / "fields_rgb_utm.tif")
    repeated_scene(scene, 12000, tmp_path / "wide.vrt")
    held = {}
    for path, most in ((scene, 256), (scene, 32), (tmp_path / "wide.vrt", 256), (tmp_path / "wide.vrt", 80)):
        execution = Execution(memory_mib=most)
        with gdal_config(execution.gdal), open_scene(path) as opened, fitting_cache(opened, execution):
            held[opened.profile.width, most] = int(get_gdal_config("GDAL_CACHEMAX")) / 2**20
    narrow = min(width for width, _ in held)
    wide = 2.5 * 1024 * 12000 * 3 / 2**20
    assert held == {(narrow, 256): 64, (narrow, 32): 32, (12000, 256): -(-wide // 1), (12000, 80): 80}


@needs_gdalinfo
def test_the_cache_holds_the_blocks_of_a_mosaic_s_members(tmp_path: Path) -> None:
    """GDAL says of a VRT that its blocks are small; members of one block each were decoded for every tile."""
    tall, of_it, of_that = tmp_path / "tall.tif", tmp_path / "part.vrt", tmp_path / "warped.vrt"
    tiled = ("-co", "TILED=YES", "-co", "BLOCKXSIZE=8192", "-co", "BLOCKYSIZE=8192", "-co", "SPARSE_OK=YES")
    run = partial(subprocess.run, check=True)
    run(
        (
            "gdal_create",
            "-q",
            "-outsize",
            "8192",
            "8192",
            "-a_srs",
            "EPSG:32633",
            "-a_ullr",
            "0",
            "8192",
            "8192",
            "0",
            *tiled,
            tall,
        )
    )
    run(("gdal_translate", "-q", "-of", "VRT", "-srcwin", "0", "0", "600", "600", tall, of_it))
    run(("gdalwarp", "-q", "-of", "VRT", "-t_srs", "EPSG:4326", of_it, of_that))
    for path in (of_it, of_that):
        with open_scene(path) as opened, fitting_cache(opened, Execution()):
            assert int(get_gdal_config("GDAL_CACHEMAX")) == 2.5 * 8192 * 8192


def test_what_is_freed_goes_back_and_threads_share_it() -> None:
    """A process of ours, in which as many threads as cores each freed many small pieces, is small again."""
    code = (
        "import sys; from rsic_geo import heap; from concurrent.futures import ThreadPoolExecutor\n"
        "resident = lambda: int(open('/proc/self/statm').read().split()[1]) * 4096 / 2**20\n"
        "heap.few_arenas()\n"
        "def work(_):\n"
        "    pieces = [bytearray(60_000) for _ in range(1500)]\n"
        "    return [bytearray(50) for _ in pieces]\n"
        "with ThreadPoolExecutor(4) as pool: kept = list(pool.map(work, range(4)))\n"
        "before = resident(); heap.give_back(); print(before - resident(), resident())"
    )
    if sys.platform != "linux":
        pytest.skip("glibc alone keeps what is freed")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    given, left = map(float, done.stdout.split())
    print(given, left)
    assert left < 60
