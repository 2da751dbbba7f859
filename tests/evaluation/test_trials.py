"""The trials say what is so on pixels whose answer is known."""

from __future__ import annotations

import re

import numpy as np
import pytest
import rasterio

from rsic_geo.evaluation.trials import (
    FOREIGN,
    blind_ratio,
    colour_gain,
    foreign_gain,
    middle,
    print_nodata,
    print_phase,
)


def textured(seed: int) -> np.ndarray:
    """Return (h, w) of rough brightness."""
    noise = np.random.default_rng(seed).normal(0, 1, (256, 256))
    return (
        128
        + 30 * noise.cumsum(axis=0).cumsum(axis=1) / np.abs(noise.cumsum(axis=0).cumsum(axis=1)).max()
        + 8 * noise
    )


def test_bands_alike_gain_and_bands_apart_do_not() -> None:
    alike = np.stack([textured(1)] * 3).clip(0, 255).astype(np.uint8)
    apart = np.stack([textured(seed) for seed in (1, 2, 3)]).clip(0, 255).astype(np.uint8)
    assert colour_gain(alike, 8) > 2
    assert colour_gain(apart, 8) < 0.5


def test_shifted_recompression_comes_near_the_truth() -> None:
    pixels = np.stack([textured(seed) for seed in (1, 1, 1)]).clip(0, 255).astype(np.uint8)
    assert 0.8 < blind_ratio(pixels, 1.2) < 2.5


def test_files_of_other_codecs_are_enhanced_and_measured(tmp_path) -> None:
    pixels = np.stack([textured(seed) for seed in (1, 1, 1)]).clip(0, 255).astype(np.uint8)
    for name in ("JPEG 25", "JPEG 2000 0.6 bpp"):
        gain, factor, error = foreign_gain(pixels, FOREIGN[name], tmp_path)
        assert error > 3
        # what leaves less error than before is going the right way, and not more than twice too far
        assert (gain > 0) == (factor > 0.5)


def test_a_cut_at_an_odd_place_costs_until_it_is_told(sample_data, capsys) -> None:
    print_phase([middle(str(sample_data / "fields_rgb_utm.tif"))], (0.6,))
    lines = capsys.readouterr().out.splitlines()
    assert all("found 1 of 1" in line for line in lines)
    gains = [[float(number) for number in re.findall(r"0\.\d{3}", line)] for line in lines]
    whole, both = gains[0][0], gains[3]
    assert whole == gains[0][1] == pytest.approx(both[1], abs=0.02)
    assert both[0] < 0.6 * whole


@pytest.mark.parametrize(("step", "sign"), [(9000, "-"), (0, "+")])
def test_nodata_far_from_the_scene_belong_into_planes(step: int, sign: str, tmp_path, capsys) -> None:
    """A jump costs more than a plane; a step that is none costs nothing."""
    rows, columns = np.mgrid[:256, :256]
    pixels = (step + 300 + textured(3)).astype("uint16")
    hole = (rows - 128) ** 2 + (columns - 99) ** 2 < 60**2 if step else (rows < 64)
    pixels[hole] = 0
    for name, more in (("s.tif", {"nodata": 0}), ("none.tif", {})):
        with rasterio.open(
            tmp_path / name, "w", driver="GTiff", height=256, width=256, count=1, dtype="uint16", **more
        ) as scene:
            scene.write(pixels[None])
    print_nodata([str(tmp_path / "s.tif"), str(tmp_path / "none.tif")])
    (line,) = capsys.readouterr().out.splitlines()
    assert f"in planes {sign}" in line
