"""The colour transform by trial: what bands are called decides nothing but ties."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from pipeline_support import crop, painted, write_scene
from rasterio.enums import ColorInterp
from rasterio.windows import Window
from support import SCENES, needs_shared

import rsic_geo
from rsic_geo.raster import open_scene
from rsic_geo.write import spectral

RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
GREY = (ColorInterp.gray, ColorInterp.undefined, ColorInterp.undefined)


def tagged(path: Path, pixels: np.ndarray, names: tuple[ColorInterp, ...]) -> Path:
    """Write a scene whose first three bands are called so."""
    write_scene(path, pixels, photometric="MINISBLACK")
    with rasterio.open(path, "r+") as scene:
        scene.colorinterp = (*names, *scene.colorinterp[3:])
    return path


def alike(dtype: str) -> np.ndarray:
    """Return bands that look alike, as red, green and blue of a town do."""
    grey = painted((1, 200, 220), dtype)
    noise = np.random.default_rng(1).integers(0, 3, (3, 200, 220))
    return (grey + noise).astype(dtype)


def unlike(dtype: str) -> np.ndarray:
    """Return a rough band between two smooth ones: the transform would make all three rough."""
    rng = np.random.default_rng(5)
    swing, middle = (30, 120) if dtype == "uint8" else (700, 2500)
    y, x = np.mgrid[:200, :220]
    rough = [np.sin(x / 40), np.kron(rng.normal(0, 1, (100, 110)), np.ones((2, 2))), np.cos(y / 50)]
    return np.clip(np.stack(rough) * swing + middle, 0, 255 if dtype == "uint8" else 9000).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("names", [RGB, GREY])
def test_pixels_decide_not_names(tmp_path, dtype, lossless, names):
    for make, wanted in ((alike, True), (unlike, False)):
        with open_scene(tagged(tmp_path / f"{make.__name__}.tif", make(dtype), names)) as reader:
            assert spectral.colour_transform_pays(reader, lossless=lossless) is wanted


@pytest.mark.parametrize(
    ("ratio", "rgb", "grey"),
    [(0.9, True, True), (0.985, True, False), (1.015, True, False), (1.03, False, False)],
)
def test_names_break_ties(tmp_path, monkeypatch, ratio, rgb, grey):
    monkeypatch.setattr(spectral, "_colour_trial", lambda *_args, **_options: (ratio, 1.0))
    for names, wanted in ((RGB, rgb), (GREY, grey)):
        with open_scene(tagged(tmp_path / "s.tif", alike("uint8"), names)) as reader:
            assert spectral.colour_transform_pays(reader, lossless=True) is wanted
        (tmp_path / "s.tif").unlink()


def test_false_colours_tagged_as_rgb_are_no_larger_for_the_tag(tmp_path):
    sizes = {}
    for key, names in (("rgb", RGB), ("grey", GREY)):
        source = tagged(tmp_path / f"{key}.tif", unlike("uint8"), names)
        sizes[key] = rsic_geo.compress(source, tmp_path / f"{key}.jp2", threads=1).details["bytes"]
    assert sizes["rgb"] == pytest.approx(sizes["grey"], rel=0.01)


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("lossless", [True, False])
def test_a_photo_of_a_town_still_has_the_transform(tmp_path, lossless):
    source = crop(SCENES / "zanzibar_oam_rgb_8192x4096.tif", tmp_path / "s.tif", Window(2000, 1000, 512, 512))
    with open_scene(source) as reader:
        assert spectral.colour_transform_pays(reader, lossless=lossless)
