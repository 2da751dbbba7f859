"""`psnr=40` of every 16-bit scene there is: no band ends below 20 dB SNR without being named."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import scored
from rasterio.errors import RasterioIOError
from support import SCENES, needs_shared

import rsic_geo
from rsic_geo.errors import StructureLostError


def wide_scenes() -> list[str]:
    """Return the names of the scenes of 16 bits; opened as copies are, without writing beside them."""
    found = []
    for path in sorted(SCENES.glob("*")) if SCENES.is_dir() else []:
        try:
            with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path) as scene:
                found += [path.name] if scene.dtypes[0] in ("uint16", "int16") else []
        except RasterioIOError:
            continue
    return found


@needs_shared
@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize("name", wide_scenes())
def test_forty_db_erase_no_band_in_silence(tmp_path: Path, name: str) -> None:
    source, archive = tmp_path / name, tmp_path / "a.jp2"
    shutil.copyfile(SCENES / name, source)
    try:
        report = rsic_geo.compress(source, archive, target="psnr=40", model="none")
    except StructureLostError:  # the bits a file tells of may be far more than it uses
        assert not archive.exists()
        return
    pixels, counts = scored(source)
    with rsic_geo.open(archive) as scene:
        decoded = scene.read()
    text = " ".join(report.warnings)
    for band, described in enumerate(report.details["quality"]):
        place = described["band"] - 1
        values = pixels[place][counts[place]].astype(np.float64)
        if not values.size:
            continue
        error = decoded[place][counts[place]] - values
        rmse, spread = np.sqrt(np.mean(error**2)), values.std()
        if spread >= 1 and rmse > spread / 10:  # 20 dB
            assert f"{described['name']} (" in text or " more" in text, (band, rmse, spread)
            assert described["verdict"] == "weak"
        elif spread < 1 and rmse > 0:
            assert np.abs(error).max() <= 1 or described["name"] in text


@pytest.mark.parametrize(
    ("dtype", "span", "far", "target"),
    [
        ("uint16", (20, 300), 65535, "psnr"),
        ("uint16", (20, 4000), 65535, "snr"),
        ("int16", (-50, 900), -32768, "psnr"),
        ("float32", (0, 1), -9999, "psnr"),
        ("float32", (0, 1), -3.4e38, "psnr"),
    ],
)
def test_untagged_nodata_beside_which_a_scene_is_lost_is_named(
    tmp_path: Path, dtype: str, span: tuple[int, int], far: float, target: str
) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.uniform(*span, (1, 128, 128)).astype(dtype)
    pixels[0, :, :10] = far
    scene = tmp_path / "scene.tif"
    with rasterio.open(scene, "w", driver="GTiff", height=128, width=128, count=1, dtype=dtype) as dataset:
        dataset.write(pixels)
    quantize = "uint16" if dtype == "float32" else None
    more = {"quantize": quantize, "model": "none", "accept_loss": True}
    report = rsic_geo.compress(str(scene), str(tmp_path / "a.jp2"), **{target: 40}, **more)
    assert any("far from all others" in words for words in report.warnings)
    told = rsic_geo.compress(
        str(scene), str(tmp_path / "b.jp2"), **{target: 40}, **more, nodata=float(pixels[0, 0, 0])
    )
    assert not any("far from all others" in words for words in told.warnings)
