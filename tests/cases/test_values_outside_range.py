"""Decoded samples never leave what the encoder saw (`shared/cases/sensors/b4_values_outside_range.py`).

A lossy codec rings: beside 700 a valid 12 becomes 0, which means "no data" by convention or by tag, or -4,
which no sensor measures; beside 4095 a sample exceeds the 12 bits it has. Every way pixels are read is asked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import Smoother, installed, write_scene
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive

SIDE = 260


def sensor(low: int = 1, high: int = 30000) -> np.ndarray:
    """Return the two bands of the public report, cropped: one bright, one dark with hard edges."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    dark = np.where((x // 40 + y // 50) % 3 == 0, 700, 12) + rng.poisson(6, (SIDE, SIDE))
    bright = 3000 + 900 * np.sin(x / 19) + rng.normal(0, 300, (SIDE, SIDE))
    return np.clip(np.stack([bright, dark]), low, high)


def as_reported(path: Path) -> Path:
    return write_scene(path, sensor().astype("uint16"))


def as_reported_signed(path: Path) -> Path:
    return write_scene(path, sensor().astype("int16"))


def below_zero(path: Path) -> Path:
    """Depths: all of them negative, some of them by 3."""
    return write_scene(path, (-sensor(low=3)).astype("int16"))


def nodata_below(path: Path) -> Path:
    """Nodata is the value next to the darkest one, and there are holes."""
    pixels = sensor(low=13).astype("uint16")
    pixels[:, 30:60, 90:140] = 12
    return write_scene(path, pixels, nodata=12)


def nodata_above(path: Path) -> Path:
    """Nodata is the value next to the brightest one."""
    pixels = np.clip(sensor(), 1, 3600).astype("int16")
    pixels[:, 30:60, 90:140] = 3601
    return write_scene(path, pixels, nodata=3601)


def twelve_bits(path: Path) -> Path:
    """A sensor of 12 bits, saturated in part."""
    pixels = np.clip(sensor() * 1.25, 0, 4095).astype("uint16")
    return write_scene(path, pixels, nbits=12)


def bytes_near_the_ends(path: Path) -> Path:
    """Type uint8, where 0 and 255 are often no measurement."""
    return write_scene(path, np.clip(sensor() / 14, 1, 254).astype("uint8"))


SCENES = (
    as_reported, as_reported_signed, below_zero, nodata_below, nodata_above, twelve_bits, bytes_near_the_ends
)  # fmt: skip


def ends(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[float | None]]:
    """Return pixels, least and greatest valid value per band, and nodata, read without rsic_geo."""
    with rasterio.open(path) as scene:
        pixels, nodata = scene.read(), list(scene.nodatavals)
    valid = [
        plane[plane != value] if value is not None else plane
        for plane, value in zip(pixels, nodata, strict=True)
    ]
    return (
        pixels,
        np.array([plane.min() for plane in valid]),
        np.array([plane.max() for plane in valid]),
        nodata,
    )


def assert_within(found: np.ndarray, path: Path) -> None:
    """Fail if a sample that is no nodata lies outside of its band's range in a source."""
    _, low, high, nodata = ends(path)
    for band, plane in enumerate(found):
        valid = plane[plane != nodata[band]] if nodata[band] is not None else plane
        assert valid.size
        assert low[band] <= valid.min()
        assert valid.max() <= high[band]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize(("target", "enhanced"), [("ratio=10", False), ("ratio=20", True), ("psnr=28", True)])
def test_no_sample_leaves_the_range_of_its_band(tmp_path, scene, target, enhanced):
    source, archive, back = scene(tmp_path / "s.tif"), tmp_path / "o.jp2", tmp_path / "r.tif"
    with installed(Smoother()):
        report = rsic_geo.compress(
            source, archive, target=target, model="auto" if enhanced else "none", threads=1, tile_size=256
        )
        rsic_geo.decompress(archive, back)
        with Archive(archive) as opened:
            whole = opened.read()
            window = opened.read(Window(row_off=20, col_off=70, height=90, width=101))
            assert_within(opened.read(out_shape=(97, 91)), source)
            np.testing.assert_array_equal(opened.read(bands=(1,)), whole[1:])
        rsic_geo.decompress(archive, tmp_path / "half.tif", level=1)
    assert_within(whole, source)
    np.testing.assert_array_equal(window, whole[:, 20:110, 70:171])
    with rasterio.open(back) as result, rasterio.open(tmp_path / "half.tif") as half:
        np.testing.assert_array_equal(result.read(), whole)
        assert_within(half.read(), source)
    # what was measured for the target is what comes out
    pixels, _, _, nodata = ends(source)
    for band, told in enumerate(report.details["quality"]):
        keep = pixels[band] != nodata[band] if nodata[band] is not None else np.ones(pixels[band].shape, bool)
        error = (whole[band].astype(float) - pixels[band])[keep]
        assert told["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-6)
        assert told["max_abs_error"] == np.abs(error).max()
        np.testing.assert_array_equal(whole[band] == nodata[band], pixels[band] == nodata[band])


@pytest.mark.parametrize("scene", [as_reported, nodata_below])
def test_the_learned_codec_keeps_to_the_range_too(tmp_path, scene):
    source, archive = scene(tmp_path / "s.tif"), tmp_path / "o.rsic.tif"
    with network(Remembering()):
        report = rsic_geo.compress(
            source, archive, target="psnr=28", codec="learned", model="none", threads=1, tile_size=256
        )
        with Archive(archive) as opened:
            whole = opened.read()
            assert_within(opened.read(out_shape=(65, 60)), source)
    assert report.details["max_abs_error"] > 0
    assert_within(whole, source)


def test_limits_of_another_scene_are_refused(tmp_path):
    """A box that tells of other bands, or of values its samples cannot hold, is not of this scene."""
    from dataclasses import replace

    from rsic_geo.container.integrity import checked_limits
    from rsic_geo.container.sideinfo import SideInfo
    from rsic_geo.errors import ContainerError
    from rsic_geo.geo.metadata import MetadataSnapshot
    from rsic_geo.geo.profile import SceneProfile

    stored = SceneProfile(height=4, width=4, count=2, dtype="int16")
    side = SideInfo(lossless=False, snapshot=MetadataSnapshot(width=4, height=4, count=2))
    assert checked_limits(replace(side, limits=((-5, 5), None)), stored) == ((-5, 5), None)
    for limits in (((-5, 5),), ((-5, 5), (0, 32768)), ((-32769, 5), None)):
        with pytest.raises(ContainerError, match="altered"):
            checked_limits(replace(side, limits=limits), stored)
