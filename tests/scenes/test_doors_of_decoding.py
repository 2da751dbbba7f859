"""What decoding says where there is nothing to enhance with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil
from PIL import Image

import rsic_geo
from rsic_geo.errors import UsageError, WeightsMismatchError
from rsic_geo.geo.lattice import byte_from_strength, level_from_rmse, strength_from_byte
from rsic_geo.options import Execution
from rsic_geo.repair.blind import MOST_STRENGTH, blind_strengths
from rsic_geo.repair.phase import wavelet_phase
from rsic_geo.scenes.archive import Archive


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


@pytest.mark.parametrize(
    "creation",
    [
        {"driver": "GTiff", "compress": "WEBP", "webp_lossless": "YES"},
        {"driver": "GTiff", "compress": "LERC"},
        {"driver": "GTiff", "compress": "LERC_ZSTD", "max_z_error": 0},
        {"driver": "JP2OpenJPEG", "reversible": "YES", "quality": 100},
        {"driver": "WEBP", "lossless": "YES"},
        {"driver": "PNG"},
    ],
)
def test_codecs_that_can_lose_nothing_are_asked_whether_they_did(sample_data, tmp_path, creation) -> None:
    path = tmp_path / "lossless"
    rasterio.shutil.copy(sample_data / "fields_rgb_utm.tif", path, **creation)
    with pytest.raises(UsageError, match="stored losslessly"):
        rsic_geo.enhance(path, tmp_path / "better.tif")


@pytest.mark.parametrize(
    "creation",
    [
        {"driver": "GTiff", "compress": "WEBP", "webp_level": 40},
        {"driver": "GTiff", "compress": "LERC", "max_z_error": 9},
        {"driver": "GTiff", "compress": "JPEG", "jpeg_quality": 30},
        {"driver": "WEBP", "quality": 40},
        {"driver": "JPEG", "quality": 30},
    ],
)
def test_lossy_files_of_many_codecs_are_enhanced(sample_data, tmp_path, creation) -> None:
    path = tmp_path / "lossy"
    rasterio.shutil.copy(sample_data / "fields_rgb_utm.tif", path, **creation)
    report = rsic_geo.enhance(path, tmp_path / "better.tif").to_json()
    assert report["estimated"]
    assert 0 < report["strength"] <= MOST_STRENGTH
    assert not rsic_geo.compare(path, tmp_path / "better.tif").pixels_equal


def test_the_less_was_lost_the_less_is_done() -> None:
    error = np.array([[[0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 50.0]]]) / 255
    levels, rgb = level_from_rmse(error), ((0, 1, 2),)
    strengths = strength_from_byte(blind_strengths(levels, rgb, 1.0, "other"))[0, 0]
    assert not strengths[:3].any()
    assert (np.diff(strengths) >= 0).all()
    assert strengths[-1] == pytest.approx(MOST_STRENGTH, abs=0.01)
    webp = strength_from_byte(blind_strengths(levels, rgb, 1.0, "WebP"))[0, 0]
    assert (webp[3:] < strengths[3:]).all()
    assert webp[-1] > 0
    by_rate = [
        strength_from_byte(blind_strengths(levels, rgb, bpp, "JPEG2000")) for bpp in (0.01, 0.3, 1, 2, 9)
    ]
    assert all(len(np.unique(found)) == 1 for found in by_rate)
    assert (np.diff([found.mean() for found in by_rate]) < 0).all()
    assert not by_rate[-1].any()
    # one band of one, or of three that were coded one by one
    alone = blind_strengths(levels, ((0,),), 0.65, "JPEG2000")
    assert np.array_equal(alone, blind_strengths(levels, rgb, 1.0, "JPEG2000"))
    three = blind_strengths(levels.repeat(3, axis=0), ((0,), (1,), (2,)), 3 * 0.65, "JPEG2000")
    assert (three == alone).all()
    assert (blind_strengths(levels, rgb, 1.0, "other", 0.5) == byte_from_strength(0.5)).all()


def test_another_model_is_named_in_the_report_and_the_way_to_it_in_the_refusal(sample_data, tmp_path) -> None:
    archive, back = tmp_path / "a.jp2", tmp_path / "back.tif"
    rsic_geo.compress(sample_data / "fields_rgb_utm.tif", archive, target="bpp=0.5", model="rsic-tiny")
    with pytest.raises(WeightsMismatchError, match="--allow-other-model"):
        rsic_geo.decompress(archive, back, enhance="rsic-tiny-learned")
    report = rsic_geo.decompress(archive, back, enhance="rsic-tiny-learned", allow_other_model=True).to_json()
    assert report["model"]["name"] == "rsic-tiny-learned"
    with rasterio.open(back) as file:
        assert file.tags(ns="RSIC")["RSIC_MODEL"] == "rsic-tiny-learned"
    assert rsic_geo.info(archive)["model"]["name"] == "rsic-tiny"


def test_reading_may_be_fast_and_writing_archives_may_not(sample_data: Path, tmp_path: Path) -> None:
    archive = tmp_path / "scene.jp2"
    with pytest.raises(UsageError, match="fast is for reading"):
        rsic_geo.compress(sample_data / "town_pan_gcps.tif", archive, fast=True)
    rsic_geo.compress(sample_data / "town_pan_gcps.tif", archive)
    rsic_geo.decompress(archive, tmp_path / "back.tif", fast=True)
    with Archive(archive, execution=Execution(fast=True)) as scene:
        assert scene.execution.fast


def test_every_tile_begins_on_an_even_row_and_column(sample_data: Path, tmp_path: Path) -> None:
    """So networks, which know where low-pass samples lie, find them in any window of a scene."""
    source, archive = sample_data / "fields_rgb_utm.tif", tmp_path / "t.jp2"
    with pytest.raises(UsageError, match="tile size 333"):
        rsic_geo.compress(source, archive, target="bpp=0.6", tile_size=333)
    rsic_geo.compress(source, archive, target="bpp=0.6", model="none", tile_size=256)
    with rasterio.open(archive) as file:
        pixels = file.read()
    for row, col in ((0, 0), (1, 0), (0, 3), (201, 155), (255, 257)):
        assert wavelet_phase(pixels[:, row : row + 250, col : col + 250]) == (row % 2, col % 2)


def test_a_file_whose_wavelet_began_elsewhere_is_repaired_as_such(sample_data: Path, tmp_path: Path) -> None:
    with rasterio.open(sample_data / "fields_rgb_utm.tif") as file:
        original = file.read()
    image, better = Image.fromarray(np.ascontiguousarray(original.transpose(1, 2, 0))), tmp_path / "e.tif"
    how = {"irreversible": True, "mct": 1, "quality_mode": "rates", "quality_layers": [40]}
    gains = []
    for phase in (0, 1):
        path = tmp_path / f"{phase}.jp2"
        place = {"offset": (phase, phase), "tile_offset": (0, 0), "tile_size": (1024, 1024)}
        image.save(path, **how, **place)
        report = rsic_geo.enhance(path, better, overwrite=True).to_json()
        assert report["wavelet_phase"] == [phase, phase]
        assert any("odd row or column" in line for line in report["warnings"]) == bool(phase)
        with rasterio.open(path) as coded, rasterio.open(better) as enhanced:
            before, after = (np.square(f.read() - original.astype(float)).mean() for f in (coded, enhanced))
        gains.append(10 * np.log10(before / after))
    assert gains[1] > 0.7 * gains[0] > 0.1
