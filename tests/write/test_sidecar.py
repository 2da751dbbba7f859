"""The GDAL sidecar of an archive: when it is written, and what other programs find in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio
import rasterio.transform
from pipeline_support import assert_same_place, painted, view
from support import REPOSITORY

import rsic_geo

SAMPLES = sorted((REPOSITORY / "sample_data").glob("*.tif"))


def sidecar_of(archive: Path) -> Path:
    return archive.with_name(archive.name + ".aux.xml")


def bare(path: Path, bands: int) -> Path:
    """Write a scene of which a JP2 says everything."""
    settings = {"count": bands, "height": 40, "width": 50, "dtype": "uint8", "crs": "EPSG:32633"}
    settings["transform"] = rasterio.transform.from_origin(500000, 5600000, 0.5, 0.5)
    with rasterio.open(path, "w", driver="GTiff", **settings) as scene:
        scene.write(painted((bands, 40, 50)))
    return path


@pytest.mark.parametrize(("choice", "expected"), [("auto", False), ("never", False), ("require", True)])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_scene_of_which_the_jp2_says_everything(tmp_path, choice, expected, bands) -> None:
    source = bare(tmp_path / "s.tif", bands)
    rsic_geo.compress(source, tmp_path / "a.jp2", sidecar=choice)
    assert sidecar_of(tmp_path / "a.jp2").exists() == expected
    assert_same_place(view(source), view(tmp_path / "a.jp2"))
    assert rsic_geo.compare(source, tmp_path / "a.jp2").is_equal


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sidecar_that_is_required_says_all_that_auto_says_and_more(tmp_path, path) -> None:
    for choice in ("auto", "require"):
        rsic_geo.compress(path, tmp_path / f"{choice}.jp2", sidecar=choice, model="none")
    usual, whole = view(tmp_path / "auto.jp2"), view(tmp_path / "require.jp2")
    assert_same_place(view(path), whole)
    assert (whole.nodata, whole.bands, whole.tags) == (usual.nodata, usual.bands, usual.tags)
    text = sidecar_of(tmp_path / "require.jp2").read_text()
    assert "<SRS" in text or "<GCPList" in text
