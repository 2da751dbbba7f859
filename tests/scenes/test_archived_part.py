"""Archiving a window, some bands, another nodata value: as gdal_translate would have cut it out before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from jp2_support import assert_valid
from pipeline_support import assert_same_place, osgeo_gdal, painted, view, write_scene
from rasterio.enums import ColorInterp

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import UsageError
from rsic_geo.scenes.archive import Archive


def translated(source: Path, target: Path, **options) -> Path:
    """Return what gdal_translate makes of a part of a scene."""
    gdal = osgeo_gdal()
    gdal.Translate(str(target), str(source), **options)
    return target


CASES = {
    "window": (["--srcwin", "30", "40", "200", "150"], {"srcWin": [30, 40, 200, 150]}),
    "bands": (["-b", "2", "-b", "1"], {"bandList": [2, 1]}),
    "one band": (["--band", "3"], {"bandList": [3]}),
    "a band twice": (["-b", "2,2"], {"bandList": [2, 2]}),
    "all bands turned": (["-b", "3,2,1"], {"bandList": [3, 2, 1]}),
    "nodata": (["-a_nodata", "7"], {"noData": 7}),
    "no nodata": (["--nodata", "none"], {"noData": "none"}),
    "everything": (
        ["-srcwin", "1", "2", "64", "33", "-b", "3", "-a_nodata", "255"],
        {"srcWin": [1, 2, 64, 33], "bandList": [3], "noData": 255},
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["fields_rgb_utm", "coast_4band_rotated"])
def test_a_part_is_archived_as_gdal_would_have_cut_it_out(tmp_path, sample_data, name, case) -> None:
    words, options = CASES[case]
    source = sample_data / f"{name}.tif"
    oracle = view(translated(source, tmp_path / "oracle.tif", **options))
    assert main(["compress", str(source), str(tmp_path / "a.jp2"), "-q", *words]) == 0
    assert_valid(tmp_path / "a.jp2")
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    ours = view(tmp_path / "r.tif")
    np.testing.assert_array_equal(ours.pixels, oracle.pixels)
    np.testing.assert_array_equal(ours.valid, oracle.valid)
    assert_same_place(oracle, ours)
    assert ours.nodata == oracle.nodata
    for mine, theirs in zip(ours.bands, oracle.bands, strict=True):
        for item in ("description", "scale", "offset", "table"):  # GDAL drops units and guesses colours
            assert mine[item] == theirs[item]
    assert {band["unit"] for band in ours.bands} == {band["unit"] for band in view(source).bands}


def test_a_box_and_control_points_follow(tmp_path, sample_data) -> None:
    source = sample_data / "town_pan_gcps.tif"
    window = {"srcWin": [64, 32, 180, 100]}
    oracle = view(translated(source, tmp_path / "oracle.tif", **window))
    rsic_geo.compress(source, tmp_path / "a.jp2", srcwin=(64, 32, 180, 100))
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    assert_same_place(oracle, view(tmp_path / "r.tif"))
    placed = sample_data / "fields_rgb_utm.tif"
    with Archive(placed) as scene:
        transform = scene.profile.transform
    (left, top), (right, bottom) = transform * (50, 60), transform * (150, 100)
    report = rsic_geo.compress(placed, tmp_path / "b.jp2", bbox=(left, bottom, right, top))
    assert report.details["part"]["srcwin"] == [50, 60, 100, 40]
    assert (report.output["width"], report.output["height"]) == (100, 40)


def test_masks_and_alpha_follow(tmp_path) -> None:
    mask = np.zeros((90, 120), bool)
    mask[20:70, 10:100] = True
    source = write_scene(tmp_path / "s.tif", painted((3, 90, 120)), mask=mask)
    rsic_geo.compress(source, tmp_path / "a.jp2", srcwin=(5, 15, 60, 40), bands=(3, 1), target="max-error=3")
    with Archive(tmp_path / "a.jp2") as scene:
        from rsic_geo.geo.window import Window

        np.testing.assert_array_equal(
            scene.read_mask(Window.full(40, 60)), mask[15:55, 5:65].astype(np.uint8) * 255
        )


@pytest.mark.parametrize("nodata", [None, "none", 9])
@pytest.mark.parametrize("bands", [(1, 2, 3), (4,), (2, 4), ()])
def test_alpha_goes_or_stays_with_its_band(tmp_path, bands, nodata) -> None:
    import rasterio

    pixels = painted((4, 60, 90))
    pixels[3] = 255
    pixels[3, :20] = 0
    settings = {"count": 4, "height": 60, "width": 90, "dtype": "uint8", "crs": "EPSG:32633"}
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", photometric="RGB", alpha="YES", **settings
    ) as scene:
        scene.write(pixels)
    options = {"bandList": list(bands)} if bands else {}
    options |= {} if nodata is None else {"noData": nodata}
    oracle = view(translated(tmp_path / "s.tif", tmp_path / "oracle.tif", **options))
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "a.jp2", bands=bands, nodata=nodata)
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    ours = view(tmp_path / "r.tif")
    np.testing.assert_array_equal(ours.pixels, oracle.pixels)
    assert (ours.mask_flags, ours.nodata) == (oracle.mask_flags, oracle.nodata)
    if nodata is None:
        rsic_geo.compress(tmp_path / "s.tif", tmp_path / "whole.jp2")
        rsic_geo.decompress(tmp_path / "whole.jp2", tmp_path / "p.tif", bands=bands)
        assert view(tmp_path / "p.tif").mask_flags == oracle.mask_flags


def test_a_part_of_an_archive_is_read_from_its_final_output(tmp_path) -> None:
    pixels = painted((3, 90, 120))
    pixels[:, :20] = 0
    source = write_scene(tmp_path / "s.tif", pixels, nodata=0)
    rsic_geo.compress(source, tmp_path / "a.jp2", target="max-error=4")
    rsic_geo.compress(tmp_path / "a.jp2", tmp_path / "b.jp2", srcwin=(10, 10, 50, 60), bands=(2,))
    with rsic_geo.open(tmp_path / "a.jp2") as whole, Archive(tmp_path / "b.jp2") as part:
        np.testing.assert_array_equal(part.read(), whole.read()[1:2, 10:70, 10:60])
        assert part.profile.nodata == (0,)


@pytest.mark.parametrize(
    "words",
    [
        ["-b", "4"],
        ["-b", "0"],
        ["--srcwin", "0", "0", "500", "20"],
        ["--nodata", "300"],
        ["--nodata", "1.5"],
        ["--nodata", "nan"],
        ["--nodata", "black"],
        ["--bbox", "1,2,3,4"],
        ["--bbox", "1,2,3,4", "--srcwin", "0", "0", "5", "5"],
    ],
)
def test_parts_that_are_not_there_are_refused_in_one_line(tmp_path, capsys, words) -> None:
    source = write_scene(tmp_path / "s.tif", painted((3, 90, 120)))
    assert main(["compress", str(source), str(tmp_path / "a.jp2"), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_quantised_scenes_too(tmp_path) -> None:
    pixels = painted((2, 90, 120), "uint16").astype(np.float32) / 7
    pixels[1, 30:40] = -1
    source = write_scene(tmp_path / "s.tif", pixels)
    rsic_geo.compress(
        source, tmp_path / "a.jp2", quantize="uint16", bands=(2,), nodata=-1.0, srcwin=(0, 20, 120, 70)
    )
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        found = scene.read()
    np.testing.assert_array_equal(found == -1, pixels[1:, 20:] == -1)
    np.testing.assert_allclose(found, pixels[1:, 20:], atol=0.1)
    with pytest.raises(UsageError):
        rsic_geo.compress(source, tmp_path / "b.jp2", quantize="uint16", bands=(3,))


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (4, {"bands": (1, 2, 4)}),
        (4, {"bands": (1, 4)}),
        (4, {"bands": (4, 1)}),
        (4, {"bands": (4,)}),
        (4, {"bands": (1, 2)}),
        (4, {"nodata": "none"}),
        (5, {"bands": (1, 2, 3, 5)}),
        (5, {"bands": (5, 1)}),
        (5, {"nodata": "none"}),
        (5, {"nodata": 3, "bands": (1, 5)}),
    ],
)
def test_parts_of_scenes_with_alpha_say_of_masks_what_gdal_says(tmp_path, count, options) -> None:
    pixels = painted((count, 40, 60))
    pixels[-1] = 255
    pixels[-1, :9] = 0
    source = write_scene(tmp_path / "s.tif", pixels, photometric="RGB", alpha="YES")
    with rasterio.open(source, "r+") as file:
        others = (ColorInterp.undefined,) * (count - 4)
        file.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, *others, ColorInterp.alpha)
    rsic_geo.compress(source, tmp_path / "a.jp2", **options)
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    of_parts = {key: value for key, value in options.items() if key == "bands"}
    if of_parts == options:
        rsic_geo.compress(source, tmp_path / "whole.jp2")
        rsic_geo.decompress(tmp_path / "whole.jp2", tmp_path / "part.tif", **of_parts)
        assert rsic_geo.compare(tmp_path / "r.tif", tmp_path / "part.tif").is_equal
    bands = options.get("bands", tuple(range(1, count + 1)))
    ours = view(tmp_path / "r.tif")
    np.testing.assert_array_equal(ours.pixels, pixels[[band - 1 for band in bands]])
    assert [band["colour"] for band in ours.bands].count(6) == bands.count(count)  # GCI_AlphaBand


VENDOR_RPC = {
    "LINE_OFF": "+000032.00 pixels", "SAMP_OFF": "+000032.00 pixels", "LAT_OFF": "+10.0000 degrees",
    "LONG_OFF": "+010.0 degrees", "HEIGHT_OFF": "+0100.000 meters", "LINE_SCALE": "+000032.00 pixels",
    "SAMP_SCALE": "+000032.00 pixels", "LAT_SCALE": "+00.1 degrees", "LONG_SCALE": "+000.1 degrees",
    "HEIGHT_SCALE": "+0500.000 meters",
}  # fmt: skip


@pytest.mark.parametrize("box", [None, (8, 4, 32, 30)])
def test_coefficients_with_units_behind_their_numbers(tmp_path, box) -> None:
    source = write_scene(tmp_path / "s.tif", painted((1, 64, 64)), crs=None, transform=None)
    ones = {"LINE_NUM": 3, "LINE_DEN": 1, "SAMP_NUM": 2, "SAMP_DEN": 1}
    lines = [f"{name}: {text}" for name, text in VENDOR_RPC.items()]
    for name, one in ones.items():
        lines += [f"{name}_COEFF_{i}: {'+1' if i == one else '+0'}.0E+00" for i in range(1, 21)]
    (tmp_path / "s_RPC.TXT").write_text("\n".join(lines) + "\n")
    oracle = view(translated(source, tmp_path / "oracle.tif", srcWin=box or (0, 0, 64, 64)))
    rsic_geo.compress(source, tmp_path / "a.jp2", srcwin=box)
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "r.tif")
    ours = view(tmp_path / "r.tif")
    assert ours.rpcs["LINE_OFF"] == ("28" if box else "32")
    assert ours.rpcs["ERR_BIAS"] == "-1"
    assert ours.rpcs.keys() == oracle.rpcs.keys()
    for name, text in oracle.rpcs.items():
        assert [float(word) for word in ours.rpcs[name].split()] == [float(word) for word in text.split()]
