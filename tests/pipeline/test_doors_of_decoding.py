"""What decoding says where there is nothing to enhance with."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio.shutil

import rsic_geo
from rsic_geo.errors import UsageError


@pytest.fixture
def foreign(sample_data: Path, tmp_path: Path) -> Path:
    """Return a lossy JP2 of GDAL's."""
    path = tmp_path / "foreign.jp2"
    rasterio.shutil.copy(sample_data / "town_pan_gcps.tif", path, driver="JP2OpenJPEG", QUALITY="10")
    return path


def test_a_foreign_file_is_decoded_as_it_is_and_that_is_said(foreign: Path, tmp_path: Path) -> None:
    report = rsic_geo.decompress(foreign, tmp_path / "back.tif").to_json()
    assert any("no archive of rsic_geo" in line for line in report["warnings"])
    assert rsic_geo.compare(foreign, tmp_path / "back.tif").pixels_equal


def test_a_model_asked_for_where_it_has_no_strengths_is_refused(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rsic enhance"):
        rsic_geo.decompress(foreign, tmp_path / "back.tif", enhance="rsic-tiny")
    assert not (tmp_path / "back.tif").exists()


def test_a_lossless_archive_has_nothing_to_enhance(sample_data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "scene.jp2"
    rsic_geo.compress(sample_data / "town_pan_gcps.tif", archive)
    with pytest.raises(UsageError, match="made without a model"):
        rsic_geo.decompress(archive, tmp_path / "back.tif", enhance="rsic-tiny")
    rsic_geo.decompress(archive, tmp_path / "back.tif", enhance="none")
    assert rsic_geo.compare(sample_data / "town_pan_gcps.tif", tmp_path / "back.tif").is_equal


def test_enhancing_by_estimate_says_so(foreign: Path, tmp_path: Path) -> None:
    report = rsic_geo.enhance(foreign, tmp_path / "better.tif").to_json()
    assert report["estimated"]
    assert any("not a promise" in line for line in report["warnings"])
    with rasterio.open(tmp_path / "better.tif") as file:
        tags = file.tags(ns="RSIC")
    assert tags["RSIC_ESTIMATED"] == "YES"
    assert tags["RSIC_MODEL_SHA256"] == report["model"]["sha256"]


def test_a_losslessly_stored_file_is_not_enhanced(sample_data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stored losslessly"):
        rsic_geo.enhance(sample_data / "town_pan_gcps.tif", tmp_path / "better.tif")
    assert not list(tmp_path.iterdir())


def test_reading_may_be_fast_and_writing_archives_may_not(sample_data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "scene.jp2"
    with pytest.raises(UsageError, match="fast is for reading"):
        rsic_geo.compress(sample_data / "town_pan_gcps.tif", archive, fast=True)
    rsic_geo.compress(sample_data / "town_pan_gcps.tif", archive)
    rsic_geo.decompress(archive, tmp_path / "back.tif", fast=True)
    with rsic_geo.open(archive, fast=True) as scene:
        assert scene.execution.fast
