"""Tiles share a scene's bits as well as one big tile does: the whole scene coded at once is the yardstick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from pipeline_support import write_scene

import rsic_geo
from rsic_geo.codecs import layered
from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile_bytes
from rsic_geo.geo.window import Window
from rsic_geo.raster import open_scene
from rsic_geo.write.passes import is_sample
from rsic_geo.write.rate import control


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("bpp", [0.25, 0.5, 1.0])
def test_a_heterogeneous_scene_is_coded_as_well_as_in_one_tile(
    shared_dir: Path, sample_data: Path, tmp_path: Path, bpp: float
) -> None:
    with open_scene(shared_dir / "data/scenes/zanzibar_oam_rgb_8192x4096.tif") as reader:
        town = reader.read(Window(row_off=1000, col_off=2000, height=2048, width=1024))
    with open_scene(sample_data / "fields_rgb_utm.tif") as reader:
        fields = reader.read(Window(row_off=150, col_off=200, height=256, width=256))
    scene = np.zeros((3, 2048, 2048), np.uint8)
    scene[:, :, :1024] = town
    scene[:, :1024, 1024:] = np.kron(fields, np.ones((1, 4, 4), np.uint8))  # smooth
    water = 40 + np.random.default_rng(1).normal(0, 1.2, (3, 1024, 1024))
    scene[:, 1024:, 1024:] = np.clip(water, 0, 255)
    scene[:, 1500:, 1700:] = 0  # a collar
    path = tmp_path / "mixed.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=2048, width=2048, count=3, dtype="uint8", photometric="RGB",
        crs="EPSG:32737", transform=rasterio.Affine(0.3, 0, 520000, 0, -0.3, 9310000),
    ) as file:  # fmt: skip
        file.write(scene)

    report = rsic_geo.compress(path, tmp_path / "mixed.jp2", target=f"bpp={bpp}", model="none").to_json()

    whole = J2KParams(lossless=False, mct=True, tile_size=2048)
    yardstick = decode_tile(encode_tile_bytes(scene, whole, report["bytes"]))
    error = np.mean((yardstick.astype(np.float64) - scene) ** 2)
    assert report["psnr"] > 10 * np.log10(255**2 / error) - 0.1


def test_what_does_not_count_takes_few_bytes(tmp_path: Path) -> None:
    """Constant bands beside a busy alpha, which is kept exactly apart from the codec."""
    rng = np.random.default_rng(5)
    pixels = np.full((4, 300, 300), 10000, np.uint16)
    pixels[3] = 255 * (rng.random((300, 300)) < 0.5)
    source = write_scene(tmp_path / "s.tif", pixels, alpha="YES", photometric="RGB")
    made = {
        target: rsic_geo.compress(source, tmp_path / "a.jp2", target=target, model="none", overwrite=True)
        for target in ("psnr=40", "lossless")
    }
    sizes = {target: report.output["bytes"] for target, report in made.items()}
    assert sizes["psnr=40"] < 0.6 * sizes["lossless"], sizes
    assert made["psnr=40"].details["max_abs_error"] == 0


@pytest.mark.shared
def test_curves_reach_where_the_encoder_thinks_too_well_of_its_own(shared_dir: Path, tmp_path: Path) -> None:
    """Far from the middle of their bits it knows a mean to a factor of four: 50 dB for 28 once."""
    made = rsic_geo.compress(
        shared_dir / "data/scenes/sentinel2_B01_60m_T15_original.jp2",
        tmp_path / "a.jp2",
        srcwin=(0, 1024, 512, 512),
        tile_size=256,
        target="psnr=28",
        model="none",
        accept_loss=True,
    )
    assert 28 <= made.details["psnr"] < 32


@pytest.mark.parametrize("target", ["psnr=32", "psnr=36"])
def test_a_part_of_the_tiles_tells_what_the_encoder_leaves_in_all(
    tmp_path: Path, sample_data: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """Grain, stronger in the west, and water, decoded in any case; the target is met as if all were."""
    with open_scene(sample_data / "fields_rgb_utm.tif") as reader:
        fields = reader.read(Window(row_off=0, col_off=0, height=512, width=512))
    rng = np.random.default_rng(4)
    pixels = np.tile(fields, (1, 2, 3)) + rng.normal(0, 25, (3, 1024, 1536)) * np.linspace(2, 1, 1536)
    pixels[:, 512:, 1024:] = 60 + rng.normal(0, 1.5, fields.shape)
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    source, looks = write_scene(tmp_path / "s.tif", pixels, photometric="RGB"), []
    decode = layered._squared_error

    def counted(*arguments: Any) -> Any:
        looks.append(1)
        return decode(*arguments)

    monkeypatch.setattr(layered, "_squared_error", counted)

    def made() -> dict[str, Any]:
        looks.clear()
        how = {"target": target, "model": "none", "tile_size": 256, "overwrite": True}
        return rsic_geo.compress(source, tmp_path / "a.jp2", **how).to_json()

    few = made()
    assert 0 < len(looks) < 24
    monkeypatch.setattr(control, "_SAMPLED_TILES", 10**6)
    all_of_them = made()
    assert len(looks) >= 24
    assert few["encoding_passes"] <= all_of_them["encoding_passes"]
    assert abs(few["psnr"] - all_of_them["psnr"]) < 0.1
    gain = 20 * np.log10(few["bytes"] / all_of_them["bytes"])  # 6 dB for twice the bytes, or more
    assert few["psnr"] - all_of_them["psnr"] > gain - 0.03


def test_tiles_that_are_no_sample_do_not_speak_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every sampled tile is water: the town between is decoded, too, and met as if nobody had tried."""
    rng, looks = np.random.default_rng(8), []
    pixels = np.empty((1, 1024, 1024), np.uint8)
    for number in range(16):
        rows, cols = (slice(256 * k, 256 * k + 256) for k in divmod(number, 4))
        spread, wide = (1.0, 1) if is_sample(number) else (60.0, 4)
        grain = np.kron(rng.normal(120, spread, (256 // wide, 256 // wide)), np.ones((wide, wide)))
        pixels[0, rows, cols] = np.clip(grain, 0, 255)
    source, decode = write_scene(tmp_path / "s.tif", pixels), layered._squared_error
    monkeypatch.setattr(layered, "_squared_error", lambda *given: looks.append(1) or decode(*given))
    how = {"target": "psnr=35", "model": "none", "tile_size": 256, "overwrite": True}
    found = rsic_geo.compress(source, tmp_path / "a.jp2", **how)
    assert len(looks) >= 16
    monkeypatch.setattr(control, "_SAMPLED_TILES", 10**6)
    wanted = rsic_geo.compress(source, tmp_path / "b.jp2", **how)
    assert found.details["encoding_passes"] == wanted.details["encoding_passes"]
    assert (tmp_path / "a.jp2").read_bytes() == (tmp_path / "b.jp2").read_bytes()
