"""What a JP2 archive itself tells programs that know nothing of rsic_geo: bits, alpha, white."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio

pytest.importorskip("osgeo.gdal")
from osgeo import gdal
from snapshots.cases import CASES, create, painted
from snapshots.eyes import gdalinfo, jp2_boxes, needs_gdalinfo

import rsic_geo
from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile, encode_tile_bytes
from rsic_geo.errors import UnsupportedSceneError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.scenes.archive import Archive


def _text(boxes, name: str) -> list[str]:
    return [each.text for each in boxes.iter(name)]


@needs_gdalinfo
@pytest.mark.parametrize("target", ["lossless", "max-error=2", "ratio=2"])
@pytest.mark.parametrize(
    ("name", "bits"), [("nbits12", 12), ("nbits10_rgb", 10), ("nbits15", 15), ("nbits4", 4), ("nbits1", 1)]
)
def test_bits_are_the_precision_of_the_codestream(name, bits, target, tmp_path):
    """Both GDALs and jpylyzer see them, without a sidecar; no decoder can leave them."""
    if name in ("nbits1", "nbits4") and target == "ratio=2":
        pytest.skip("it is smaller than that without loss")
    if name == "nbits1" and target != "lossless":
        pytest.skip("GDAL makes a palette of it, and palettes are kept as they are")
    source, archive = CASES[name](tmp_path), tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), target=target, model="none", sidecar="never")
    boxes = jp2_boxes(archive)
    assert set(_text(boxes, "bPCDepth")) == {str(bits)}
    precisions = [text for each in boxes.iter("siz") for text in _text(each, "ssizDepth")]
    assert precisions
    assert set(precisions) == {str(bits)}
    assert not any("bits" in text for text in report.details["others_miss"])
    told = [band["metadata"]["IMAGE_STRUCTURE"]["NBITS"] for band in gdalinfo(archive)["bands"]]
    with rasterio.open(archive) as opened:
        assert told == [opened.tags(band, ns="IMAGE_STRUCTURE")["NBITS"] for band in opened.indexes]
        decoded = opened.read()
    assert set(told) == {str(bits)}
    np.testing.assert_array_equal(gdal.Open(str(archive)).ReadAsArray().reshape(decoded.shape), decoded)
    assert decoded.max() < 1 << bits
    pixels = gdal.Open(str(source)).ReadAsArray().reshape(decoded.shape)
    difference = np.abs(decoded.astype(int) - pixels)
    assert difference.max() <= {"lossless": 0, "max-error=2": 2}.get(target, 1 << bits)
    with Archive(str(archive)) as own:
        # Ours are held to what the bands of the source hold, too.
        ends = (pixels.min(axis=(1, 2), keepdims=True), pixels.max(axis=(1, 2), keepdims=True))
        np.testing.assert_array_equal(own.read(), np.clip(decoded, *ends))
        assert own.profile.bits == (bits,) * len(decoded)


def test_a_size_is_reached_whatever_the_bits(tmp_path):
    """OpenJPEG counts ratios against the bits of the precision."""
    noisy = painted(1, 3000, "uint16") + np.random.default_rng(0).integers(0, 800, (1, 70, 90)).astype(
        "uint16"
    )
    for bits in (12, 14, None):
        found = encode_tile_bytes(noisy, J2KParams(lossless=False, bits=bits), 3000)
        assert 2700 < len(found) < 3200, bits


def test_enhanced_pixels_keep_to_the_bits(tmp_path):
    pixels = np.where(painted(3, 1000, "uint16") > 500, 1023, 3).astype("uint16")
    source, archive, back = tmp_path / "s.tif", tmp_path / "a.jp2", tmp_path / "b.tif"
    create(source, pixels, ["NBITS=10", "PHOTOMETRIC=RGB"])
    rsic_geo.compress(str(source), str(archive), target="bpp=6", model="rsic-linear")
    rsic_geo.decompress(str(archive), str(back))
    with rsic_geo.open(str(archive)) as own:
        decoded = own.read()
    assert decoded.max() <= 1023
    np.testing.assert_array_equal(gdal.Open(str(back)).ReadAsArray(), decoded)


@pytest.mark.parametrize(("suffix", "codec"), [(".jp2", "jp2"), (".rsic.tif", "learned")])
def test_lossy_pixels_of_either_codec_keep_to_the_bits(suffix, codec, tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / f"a{suffix}"
    large = np.where(np.kron(painted(3, 127), np.ones((1, 4, 4))) > 60, 127, 3).astype("uint8")
    create(source, large, ["NBITS=7", "PHOTOMETRIC=RGB"])
    report = rsic_geo.compress(str(source), str(archive), target="bpp=2", codec=codec)
    assert report.details["verified"]
    with Archive(str(archive)) as own:
        assert own.read().max() <= 127
        assert own.profile.bits == (7, 7, 7)
    compared = rsic_geo.compare(str(source), str(archive))
    assert compared.metadata == ()


def test_nodata_that_is_the_greatest_sample_stays_apart(tmp_path):
    """A valid sample that becomes nodata steps off it: downwards, for above it there is nothing."""
    source, archive, back = tmp_path / "s.tif", tmp_path / "a.jp2", tmp_path / "b.tif"
    pixels = np.kron(painted(1, 4094, "uint16"), np.ones((1, 4, 4), "uint16"))
    pixels[:, :40] = 4095
    dataset = create(source, pixels, ["NBITS=12"])
    dataset.GetRasterBand(1).SetNoDataValue(4095)
    del dataset
    rsic_geo.compress(str(source), str(archive), target="bpp=1", model="none")
    rsic_geo.decompress(str(archive), str(back))
    found = gdal.Open(str(back)).ReadAsArray()
    np.testing.assert_array_equal(found == 4095, pixels[0] == 4095)
    assert found.max() == 4095
    compared = rsic_geo.compare(str(source), str(back))
    assert compared.valid_equal
    assert compared.metadata == ()


@pytest.mark.parametrize(("dtype", "bits"), [("uint8", 5), ("uint16", 12), ("int16", 11)])
def test_a_tile_of_fewer_bits_comes_back(dtype, bits):
    signed = dtype == "int16"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    pixels = np.random.default_rng(1).integers(low, high, (2, 40, 50), endpoint=True).astype(dtype)
    pixels[0, 0, :2] = low, high
    decoded = decode_tile(encode_tile(pixels, J2KParams(lossless=True, bits=bits)))
    np.testing.assert_array_equal(decoded, pixels)
    assert decoded.dtype == pixels.dtype
    pixels[1, 3, 4] = high + 1
    with pytest.raises(UnsupportedSceneError, match=f"{bits} bits"):
        encode_tile(pixels, J2KParams(lossless=True, bits=bits))


@pytest.mark.parametrize(
    ("dtype", "told", "bits"),
    [
        ("uint16", (12, 12), 12), ("uint16", (10, 12), 12), ("uint16", (12, None), None),
        ("uint16", (4, 5), 9), ("int16", (11, 11), 11), ("uint8", (1, 1), 1), ("uint8", (None, None), None),
        ("float32", (16, 16), None),
    ],
)  # fmt: skip
def test_bits_of_all_bands_together(dtype, told, bits):
    assert SceneProfile(height=1, width=1, count=2, dtype=dtype, bits=told).sample_bits == bits


@pytest.mark.parametrize("name", ["premultiplied", "premultiplied_grey", "premultiplied_16_bits"])
def test_premultiplied_alpha_is_said_by_the_channel_definition(name, tmp_path):
    source, archive = CASES[name](tmp_path), tmp_path / "a.jp2"
    report = rsic_geo.compress(str(source), str(archive), sidecar="never")
    kinds = _text(jp2_boxes(archive), "cTyp")
    assert len([kind for kind in kinds if kind.lower().startswith("premultiplied")]) == 1, kinds
    assert any("colorinterp" in text for text in report.details["others_miss"]), "GDAL reads it as no alpha"
    # A JP2 that says so is itself a scene that is premultiplied.
    copy = tmp_path / "copy.jp2"
    content = archive.read_bytes()
    copy.write_bytes(content[: content.rindex(b"uuid") - 4])
    with rsic_geo.raster.open_scene(source) as original, rsic_geo.raster.open_scene(copy) as reader:
        assert reader.metadata().is_premultiplied
        assert reader.profile.colorinterp == original.profile.colorinterp
        shown = [each.read_valid_overview(30, 30) for each in (original, reader)]
        np.testing.assert_array_equal(*shown)
    rsic_geo.compress(str(copy), str(tmp_path / "again.jp2"), sidecar="never")
    assert _text(jp2_boxes(tmp_path / "again.jp2"), "cTyp") == _text(jp2_boxes(copy), "cTyp")
    back = tmp_path / "back.tif"
    rsic_geo.decompress(str(tmp_path / "again.jp2"), str(back))
    with rsic_geo.raster.open_scene(back) as reader:
        assert reader.metadata().is_premultiplied


@pytest.mark.parametrize("prefix", ["/vsizip/{}/in side/s.tif", "GTIFF_DIR:1:/vsizip/{}/in side/s.tif"])
def test_premultiplied_alpha_is_seen_behind_names_of_gdal(prefix, tmp_path):
    source = CASES["premultiplied"](tmp_path)
    with zipfile.ZipFile(tmp_path / "a&b.zip", "w") as folder:
        folder.write(source, "in side/s.tif")
    with rsic_geo.raster.open_scene(prefix.format(tmp_path / "a&b.zip")) as reader:
        assert reader.metadata().is_premultiplied


@needs_gdalinfo
@pytest.mark.parametrize("name", ["miniswhite", "miniswhite_1_bit"])
def test_a_least_value_that_is_white_is_shown_white(name, tmp_path):
    source, archive = CASES[name](tmp_path), tmp_path / "a.jp2"
    rsic_geo.compress(str(source), str(archive), sidecar="never")
    entries = gdalinfo(archive)["bands"][0]["colorTable"]["entries"]
    assert entries[0] == [255, 255, 255, 255]
    assert entries[-1] == [0, 0, 0, 255]
    assert jp2_boxes(archive) is not None


def test_an_archive_of_an_archive_keeps_it(tmp_path: Path):
    source, first, second = CASES["premultiplied"](tmp_path), tmp_path / "1.jp2", tmp_path / "2.jp2"
    rsic_geo.compress(str(source), str(first))
    rsic_geo.compress(str(first), str(second))
    assert rsic_geo.compare(str(source), str(second)).is_equal
