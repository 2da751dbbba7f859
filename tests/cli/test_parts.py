"""Parts of scenes from the command line, under GDAL's names old and new."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from rsic_geo.cli.entry import main


@pytest.fixture(scope="module")
def archive(sample_data, tmp_path_factory) -> Path:
    """Return a lossless archive of a scene placed by control points."""
    path = tmp_path_factory.mktemp("parts") / "a.jp2"
    assert main(["compress", str(sample_data / "town_pan_gcps.tif"), str(path), "-q"]) == 0
    return path


@pytest.mark.parametrize(
    "window", [["-srcwin", "10", "20", "100", "80"], ["--srcwin", "10", "20", "100", "80"]]
)
def test_a_window_in_pixels(archive, sample_data, tmp_path, capsys, window) -> None:
    assert main(["decompress", str(archive), str(tmp_path / "b.tif"), *window, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["part"] == {
        "srcwin": [10, 20, 100, 80],
        "level": 0,
        "bands": None,
    }
    with rasterio.open(sample_data / "town_pan_gcps.tif") as whole, rasterio.open(tmp_path / "b.tif") as part:
        np.testing.assert_array_equal(part.read(), whole.read()[:, 20:100, 10:110])
        moved = [(point.col - 10, point.row - 20) for point in whole.gcps[0]]
        np.testing.assert_allclose([(point.col, point.row) for point in part.gcps[0]], moved, atol=1e-9)


def test_a_level(archive, tmp_path, capsys) -> None:
    assert (
        main(["decompress", str(archive), str(tmp_path / "b.tif"), "--level", "2", "-b", "1", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["output"]["width"] == 64
    with rasterio.open(tmp_path / "b.tif") as part:
        assert part.shape == (56, 64)


@pytest.mark.parametrize(
    ("words", "is_lossless", "warnings"),
    [
        (["--srcwin", "10", "20", "100", "80"], True, 0),
        (["--level", "1"], False, 0),
        (["--co", "DISCARD_LSB=4"], False, 1),
    ],
)
def test_only_what_kept_every_pixel_is_called_lossless(
    archive, tmp_path, capsys, words, is_lossless, warnings
) -> None:
    command = ["decompress", str(archive), str(tmp_path / "b.tif"), *words, "--json"]
    assert main(command) == 0
    out = capsys.readouterr()
    assert json.loads(out.out)["lossless"] is is_lossless
    assert len(json.loads(out.out)["warnings"]) == out.err.count("change the pixels") == warnings
    assert main([*command[:-1], "--overwrite"]) == 0
    assert ("lossless" in capsys.readouterr().out) is is_lossless


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-srcwin", "0", "0", "999", "1"], "does not lie in the scene"),
        (["-srcwin", "0", "0", "1"], "requires 4 arguments"),
        (["-projwin", "-1", "2", "3", "-4"], "no geotransform: give the window in pixels (--srcwin)"),
        (["--bbox", "1,2,3"], "is not xmin,ymin,xmax,ymax"),
        (["--bbox-crs", "EPSG:4326"], "needs a window"),
        (["-b", "2"], "there is no band 2: the scene has 1"),
        (["-b", "0"], "counted from 1"),
        (["--level", "9"], "less than a pixel"),
    ],
)
def test_nonsense_is_one_line_and_nothing_is_written(archive, tmp_path, capsys, words, said) -> None:
    assert main(["decompress", str(archive), str(tmp_path / "b.tif"), *words]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_bound_below_zero_is_refused(archive, tmp_path, capsys) -> None:
    assert main(["enhance", str(archive), str(tmp_path / "b.tif"), "--max-change", "-1"]) == 2
    assert "max-change" in capsys.readouterr().err


def test_enhance_says_too_when_its_output_is_lossy(tmp_path, sample_data, capsys) -> None:
    with rasterio.open(sample_data / "fields_rgb_utm.tif") as source:
        profile = source.profile | {"compress": "JPEG", "width": 64, "height": 64}
        pixels = source.read(window=((0, 64), (0, 64)))
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as lossy:
        lossy.write(pixels)
    command = ["enhance", str(tmp_path / "a.tif"), str(tmp_path / "b.tif"), "--co", "COMPRESS=JPEG"]
    assert main(command) == 0
    assert "the creation options change the pixels" in capsys.readouterr().err
