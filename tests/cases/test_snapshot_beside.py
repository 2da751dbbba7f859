"""Other images in a file are named, metadata that only our route loses stop nobody, defaults give way."""

from __future__ import annotations

import json
import sqlite3
from contextlib import nullcontext

import numpy as np
import PIL.Image
import pytest
import rasterio
import tifffile

pytest.importorskip("osgeo.gdal")
from osgeo import gdal
from snapshots.cases import CASES, SEVERAL, create, painted

import rsic_geo
from rsic_geo.cli import main
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster import metadata_lost_in_geotiff, open_scene

NAMED = {"pages": ("GTIFF_DIR:2:", "GTIFF_DIR:3:"), "nitf": ("NITF_IM:1:",)}


@pytest.mark.parametrize("name", SEVERAL)
def test_other_images_are_named_with_how_to_open_each(name, tmp_path, capsys):
    source, archive = SEVERAL[name](tmp_path), tmp_path / "a.jp2"
    assert main(["compress", str(source), str(archive)]) == 0
    said = capsys.readouterr().err
    for start in NAMED[name]:
        assert f"{start}{source}" in said
        with open_scene(f"{start}{source}") as other:  # the name given opens it
            assert other.profile.height > 0
    report = rsic_geo.compress(str(source), str(archive), overwrite=True)
    assert any(NAMED[name][0] in text for text in report.warnings)


def test_a_page_opened_by_its_own_name_names_the_others_too(tmp_path):
    source = SEVERAL["pages"](tmp_path)
    with open_scene(f"GTIFF_DIR:2:{source}") as reader:
        others = reader.others
    assert f"GTIFF_DIR:2:{source}" not in others


@pytest.mark.parametrize("name", ["nbits12", "premultiplied", "overviews", "miniswhite_1_bit"])
def test_nothing_is_beside_a_scene_alone(name, tmp_path):
    report = rsic_geo.compress(str(CASES[name](tmp_path)), str(tmp_path / "a.jp2"))
    assert report.warnings == ()


def _animation(path, kind):
    frames = [PIL.Image.fromarray(painted()[0] + np.uint8(shift)) for shift in (0, 40, 90)]
    frames[0].save(path, kind, save_all=True, append_images=frames[1:], duration=90)
    return path


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_frames_that_gdal_passes_over_are_said(kind, tmp_path):
    source = _animation(tmp_path / f"s.{kind}", kind)
    report = rsic_geo.compress(str(source), str(tmp_path / "a.jp2"), target="lossless")
    assert any("holds 3 images, of which only the first" in text for text in report.warnings)
    with open_scene(source) as reader:
        assert [name.partition(" of ")[0] for name in reader.others] == ["frame 2", "frame 3"]
    still = tmp_path / f"still.{kind}"
    PIL.Image.fromarray(painted()[0]).save(still, kind)
    report = rsic_geo.compress(str(still), str(tmp_path / "b.jp2"), target="lossless")
    assert not any("images" in text for text in report.warnings)


def test_a_second_codestream_of_a_jpx_file_is_said(tmp_path):
    source = tmp_path / "s.jp2"
    rsic_geo.compress(str(CASES["nbits12"](tmp_path)), str(source), sidecar="never")
    content = source.read_bytes()
    content = content[: content.rindex(b"uuid") - 4]
    start = content.index(b"jp2c") - 4
    assert int.from_bytes(content[start : start + 4], "big") == len(content) - start
    twice = tmp_path / "twice.jp2"
    twice.write_bytes(content + content[start:])
    with open_scene(twice) as reader:
        assert reader.others == (f"frame 2 of {twice}",)
    with open_scene(source) as reader:
        assert reader.others == ()


def test_a_mask_and_overviews_are_no_other_images(tmp_path):
    path = tmp_path / "s.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", driver="GTiff", height=300, width=300, count=1, dtype="uint8") as target,
    ):
        target.write(np.full((1, 300, 300), 7, np.uint8))
        target.write_mask(np.eye(300, dtype=bool))
        target.build_overviews([2, 4])
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 6
    assert rsic_geo.compress(str(path), str(tmp_path / "a.jp2")).warnings == ()


@pytest.mark.parametrize("name", SEVERAL)
def test_a_batch_has_it_in_its_ledger(name, tmp_path):
    (tmp_path / "in").mkdir()
    source = SEVERAL[name](tmp_path / "in")
    ledger = tmp_path / "l.gpkg"
    words = ["batch", "run", str(source), str(tmp_path / "out"), "--ledger", str(ledger), "-q"]
    assert main(words) == 0
    with sqlite3.connect(ledger) as database:
        rows = database.execute("select state, warnings from scenes").fetchall()
    assert len(rows) == 1
    assert rows[0][0] == "done"
    assert NAMED[name][0] in rows[0][1]


ASKED = [
    (("NBITS", "12"),),
    (("NBITS", "12"), ("COMPRESS", "DEFLATE")),
    (("NBITS", "16"),),
    (("COMPRESS", "ZSTD"),),
]


@pytest.mark.parametrize("options", ASKED, ids=str)
@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("name", ["nbits12", "plain16"])
def test_a_default_does_not_fight_what_was_asked_for(name, driver, options, tmp_path):
    """NBITS=12 was refused for a predictor nobody asked for."""
    if name == "plain16":
        source = tmp_path / "s.tif"
        create(source, painted(1, 4000, "uint16"))
    else:
        source = CASES[name](tmp_path)
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    rsic_geo.compress(str(source), str(archive))
    rsic_geo.decompress(str(archive), str(back), driver=driver, creation_options=options)
    bits = int(dict(options).get("NBITS", "12" if name == "nbits12" else "16"))
    with tifffile.TiffFile(back) as file:
        assert file.pages[0].tags["BitsPerSample"].value == bits
    np.testing.assert_array_equal(gdal.Open(str(back)).ReadAsArray(), gdal.Open(str(source)).ReadAsArray())


def test_bits_that_lose_something_are_taken_and_said(tmp_path):
    source, archive, back = tmp_path / "s.tif", tmp_path / "a.jp2", tmp_path / "b.tif"
    create(source, painted(1, 200))
    rsic_geo.compress(str(source), str(archive))
    report = rsic_geo.decompress(str(archive), str(back), creation_options=(("NBITS", "4"),))
    assert any("change the pixels" in text for text in report.warnings)


@pytest.mark.parametrize("name", ["nadgrids", "geoidgrids", "pixel_without_area", "pixels_on_one_line"])
def test_what_is_only_logged_of_metadata_ends_no_run(name, tmp_path, capsys):
    source, archive = CASES[name](tmp_path), tmp_path / "a.jp2"
    assert main(["compress", str(source), str(archive), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verified"]
    assert main(["info", str(archive)]) == 0
    assert main(["validate", str(archive)]) == 0
    if name.startswith("pixel"):
        assert report["footprint"] is None
    assert main(["batch", "run", str(source), str(tmp_path / "out"), "-q"]) == 0


def test_what_no_geotiff_can_say_is_left_out_and_said(tmp_path, capsys):
    """A mask that belongs to one band: GDAL knows it of VRTs alone."""
    create(tmp_path / "plain.tif", painted(), place=None, crs=None)
    path, back = tmp_path / "masked.vrt", tmp_path / "back.tif"
    source = '<SimpleSource><SourceFilename relativeToVRT="1">plain.tif</SourceFilename></SimpleSource>'
    mask = f'<MaskBand><VRTRasterBand dataType="Byte">{source}</VRTRasterBand></MaskBand>'
    band = '<VRTRasterBand dataType="Byte" band="{}">{}{}</VRTRasterBand>'
    bands = band.format(1, source, "") + band.format(2, source, mask)
    path.write_text(f'<VRTDataset rasterXSize="90" rasterYSize="70">{bands}</VRTDataset>')
    assert main(["decompress", str(path), str(back)]) == 0
    said = capsys.readouterr().err
    assert "no GeoTIFF can say this, it was left out: mask_flags of band 2" in said
    assert main(["compare", str(path), str(back)]) == 4
    assert "mask_flags" in capsys.readouterr().out


def test_what_a_geotiff_can_say_and_the_output_does_not_ends_the_run(tmp_path, capsys, monkeypatch):
    source, archive, back = CASES["premultiplied"](tmp_path), tmp_path / "a.jp2", tmp_path / "b.tif"
    words = ["decompress", str(archive), str(back), "--of", "COG", "--overwrite"]
    assert main(["compress", str(source), str(archive)]) == 0
    assert main(words) == 0
    with tifffile.TiffFile(back) as file:
        assert file.pages[0].tags["ExtraSamples"].value == (1,)
    back.unlink()
    # GDAL's COG driver has no option for it and does not copy it: it is told by configuration alone.
    monkeypatch.setattr("rsic_geo.raster.write.as_alpha_is_said", lambda _: nullcontext())
    assert main(words) == 4
    assert "is_premultiplied" in capsys.readouterr().err
    assert not back.exists()


BLANK_TEXTS = {
    "descriptions": (" lead", "behind \n"),
    "units": (" m", "\n"),
    "categories": {1: (" a", "b "), 2: ("\tc",)},
    "tags": {
        "": {" KEY": "x", "A\nB": "y", "C": "\x01"},
        "xml:X": {"": "no xml <"},
        "json:Y": {"": ' {"a": 1}'},
    },
    "band_tags": {2: {"MINE": {"LOOK": "\r\n v"}}},
}


@pytest.mark.parametrize("field", BLANK_TEXTS)
def test_texts_of_every_kind_keep_their_blanks(field):
    said = MetadataSnapshot(width=9, height=9, count=2, **{field: BLANK_TEXTS[field]})
    assert metadata_lost_in_geotiff(said) == []
