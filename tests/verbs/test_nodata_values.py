"""Scenes with the item NODATA_VALUES, as RGB PNG files and some mosaics have: a mask that no file stores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.windows import Window

from rsic_geo.cli.entry import main


@pytest.fixture(params=["with nodata", "the item alone", "png"])
def scene(request, sample_data, tmp_path) -> Path:
    """Return a small scene with empty pixels (0, 0, 0) and pixels of which one band is 0."""
    with rasterio.open(sample_data / "fields_rgb_utm.tif") as source:
        pixels = source.read(window=Window(0, 0, 160, 128))
        profile = source.profile | {"width": 160, "height": 128, "tiled": False}
    pixels = np.maximum(pixels, 1)
    pixels[:, :40, :50] = 0
    pixels[1, 100:110, 20:90] = 0
    profile["nodata"] = None if request.param == "the item alone" else 0
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", **profile) as target:
        target.write(pixels)
        target.update_tags(NODATA_VALUES="0 0 0", PLATFORM="test")
    if request.param == "png":
        rasterio.shutil.copy(str(path), str(tmp_path / "scene.png"), driver="PNG")
        path = tmp_path / "scene.png"
    with rasterio.open(path) as found:
        assert {flag.name for flag in found.mask_flag_enums[0]} == {"per_dataset", "nodata"}
    return path


@pytest.mark.parametrize("target", ["lossless", "psnr=38"])
def test_they_come_back_with_their_mask(scene, tmp_path, target) -> None:
    archive, back = str(tmp_path / "a.jp2"), str(tmp_path / "b.tif")
    assert main(["compress", str(scene), archive, "--target", target, "--model", "none", "-q"]) == 0
    assert main(["decompress", archive, back, "-q"]) == 0
    bounds = [] if target == "lossless" else ["--min-psnr", "38"]
    assert main(["compare", str(scene), back, *bounds, "-q"]) == 0
    with rasterio.open(scene) as ours, rasterio.open(back) as theirs:
        np.testing.assert_array_equal(ours.dataset_mask(), theirs.dataset_mask())
        assert not theirs.dataset_mask()[0, 0]
        assert theirs.dataset_mask()[105, 50]


@pytest.mark.parametrize("words", [["-b", "3,1"], ["-b", "2"], ["--srcwin", "30", "20", "100", "100"]])
def test_so_do_parts_of_them(scene, tmp_path, words) -> None:
    whole, part, back = (str(tmp_path / name) for name in ("a.jp2", "part.jp2", "b.tif"))
    assert main(["compress", str(scene), whole, "-q"]) == 0
    assert main(["compress", str(scene), part, *words, "-q"]) == 0
    assert main(["decompress", whole, back, *words, "-q"]) == 0
    assert main(["compare", back, part, "-q"]) == 0


@pytest.mark.parametrize("nodata", ["7", "none"])
def test_another_nodata_value_takes_their_place(scene, tmp_path, nodata) -> None:
    archive, back = str(tmp_path / "a.jp2"), str(tmp_path / "b.tif")
    assert main(["compress", str(scene), archive, "--nodata", nodata, "-q"]) == 0
    assert main(["decompress", archive, back, "-q"]) == 0
    with rasterio.open(back) as found:
        assert found.nodata == (None if nodata == "none" else 7)
        assert "NODATA_VALUES" not in found.tags()
