"""Memory does not grow with the scene."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsic_geo.evaluation.memory import measure, repeated_scene, table
from rsic_geo.geo.window import Window
from rsic_geo.raster import open_scene


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
    """GDAL's cache takes 256 MiB, start-up and two threads' tiles about 350; one float copy would show."""
    row = measure(str(sample_data / "fields_rgb_utm.tif"), 8000, "bpp=1", tmp_path, threads=2)
    print(table([row]))
    assert row.compress.peak_mib < 900
    assert row.decompress.peak_mib < 600
    assert not list(tmp_path.iterdir())
