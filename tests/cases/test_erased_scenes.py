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
    with rasterio.open(source) as scene:
        # Of hundreds of bands some dozen: what erases one erases any, and the search takes a minute for all.
        bands = tuple(range(1, scene.count + 1, max(1, scene.count // 16)))
    try:
        report = rsic_geo.compress(source, archive, target="psnr=40", model="none", bands=bands)
    except StructureLostError:  # the bits a file tells of may be far more than it uses
        assert not archive.exists()
        return
    pixels, counts = (each[[band - 1 for band in bands]] for each in scored(source))
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
        ("uint16", (20, 300), 65535, "snr"),
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
    more = {"quantize": quantize, "model": "none"}
    with pytest.raises(StructureLostError, match="without a few extreme samples.*--nodata") as caught:
        rsic_geo.compress(str(scene), str(tmp_path / "a.jp2"), **{target: 40}, **more)
    assert caught.value.exit_code == 4
    assert not (tmp_path / "a.jp2").exists()
    more["accept_loss"] = True
    report = rsic_geo.compress(str(scene), str(tmp_path / "a.jp2"), **{target: 40}, **more)
    assert any("far from all others" in words for words in report.warnings)
    told = rsic_geo.compress(
        str(scene), str(tmp_path / "b.jp2"), **{target: 40}, **more, nodata=float(pixels[0, 0, 0])
    )
    assert not any("far from all others" in words for words in told.warnings)


def _fields(pixels: np.ndarray) -> np.ndarray:
    """Return a scene of gentle structure, some forty counts either side of 150."""
    rows, columns = np.mgrid[: pixels.shape[1], : pixels.shape[2]]
    noise = np.random.default_rng(7).normal(0, 3, rows.shape)
    return np.broadcast_to(
        150 + 40 * np.sin(columns / 9) + 30 * np.cos(rows / 7) + noise, pixels.shape
    ).copy()


def _written(path: Path, pixels: np.ndarray) -> str:
    count, height, width = pixels.shape
    settings = {"height": height, "width": width, "count": count, "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver="GTiff", **settings) as scene:
        scene.write(pixels)
    return str(path)


@pytest.mark.parametrize("extremes", ["column", "scattered", "both ends", "one corner"])
@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
@pytest.mark.parametrize("target", ["psnr=40", "snr=40", "bpp=0.05"])
def test_a_few_extreme_samples_hide_no_erased_band(tmp_path: Path, extremes, dtype, target) -> None:
    """The spread of all samples is theirs, so SNR looked fine where all else was gone."""
    pixels = _fields(np.empty((1, 256, 256)))
    rng, top = np.random.default_rng(3), {"uint16": 65535, "int16": 32767, "float32": 1e9}[dtype]
    if extremes == "column":
        pixels[:, :, :9] = top
    elif extremes == "scattered":
        pixels[rng.random(pixels.shape) < 0.008] = rng.uniform(0.95, 1) * top
    elif extremes == "both ends":
        pixels[:, :, 40:43], pixels[:, 90:93] = top, 0 if dtype == "uint16" else -top
    else:
        pixels[:, -20:, -20:] = top
    source = _written(tmp_path / "s.tif", pixels.astype(dtype))
    how = {"target": target, "model": "none", "quantize": "uint16" if dtype == "float32" else None}
    with pytest.raises(StructureLostError, match="without a few extreme samples"):
        rsic_geo.compress(source, str(tmp_path / "a.jp2"), **how)
    report = rsic_geo.compress(source, str(tmp_path / "a.jp2"), **how, accept_loss=True)
    judged = report.details["quality"][0]
    assert judged["verdict"] == "lost"
    assert judged["judged_by"] == "snr without extremes"
    with rsic_geo.open(str(tmp_path / "a.jp2")) as scene:
        decoded = scene.read()[0].astype(float)
    calm = np.abs(pixels[0] - 150) < 120
    error = np.sqrt(np.mean((decoded[calm] - pixels[0][calm]) ** 2))
    assert error > pixels[0][calm].std() / 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_land_beside_a_calm_sea_is_no_extreme(tmp_path: Path, share: float) -> None:
    pixels = _fields(np.empty((1, 256, 256))) * 20
    sea = np.arange(256) >= 256 * (1 - share)
    pixels[:, :, sea] = np.random.default_rng(1).normal(40, 3, pixels[:, :, sea].shape)
    source = _written(tmp_path / "s.tif", pixels.astype("uint16"))
    report = rsic_geo.compress(source, str(tmp_path / "a.jp2"), psnr=40, model="none")
    assert report.details["quality"][0]["judged_by"] == "snr"
    assert report.details["quality"][0]["verdict"] == "good"


def test_steps_too_coarse_for_what_lies_beside_an_extreme_are_a_loss(tmp_path: Path) -> None:
    """Rounding to steps is no error of the codec: "lossless" kept one value of a whole scene."""
    pixels = _fields(np.empty((1, 128, 128))).astype("float32")
    pixels[0, 0, 0] = -3.4e38
    source = _written(tmp_path / "s.tif", pixels)
    with pytest.raises(StructureLostError):
        rsic_geo.compress(source, str(tmp_path / "a.jp2"), quantize="uint16")
    told = rsic_geo.compress(
        source, str(tmp_path / "a.jp2"), quantize="uint16", nodata=float(pixels[0, 0, 0])
    )
    assert told.details["quality"][0]["verdict"] == "good"
