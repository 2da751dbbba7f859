"""JP2 files: valid by jpylyzer, read alike by GDAL, rasterio and OpenJPEG, with or without our box."""

from __future__ import annotations

import shutil
import struct
import subprocess

import numpy as np
import pytest
import rasterio
from jp2_support import assert_valid, landscape, noise, tiles, write_jp2
from rasterio.windows import Window

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile
from rsic_geo.container.boxes import box_header, iter_boxes
from rsic_geo.container.codestream import read_tile, tile_crc
from rsic_geo.container.jp2 import (
    Jp2Boxes,
    Jp2Layout,
    Jp2Writer,
    append_side_information,
    find_codestream,
    lead_with_side_information,
    read_side_information,
    strip_side_information,
)
from rsic_geo.errors import ContainerError

LOSSLESS = J2KParams(lossless=True, tile_size=64)
PALETTE = tuple((value, 255 - value, value // 2, 255) for value in range(256))
SEE_THROUGH = tuple((value, 0, 9, 255 if value else 0) for value in range(200))


def gdal_view(path):
    gdal = pytest.importorskip("osgeo.gdal")
    gdal.UseExceptions()
    dataset = gdal.Open(str(path))
    bands = [dataset.GetRasterBand(i + 1) for i in range(dataset.RasterCount)]
    names = [gdal.GetColorInterpretationName(band.GetColorInterpretation()).lower() for band in bands]
    pixels = dataset.ReadAsArray().reshape(len(bands), dataset.RasterYSize, dataset.RasterXSize)
    table = bands[0].GetColorTable()
    colours = None if table is None else tuple(table.GetColorEntry(i) for i in range(table.GetCount()))
    return pixels, names, colours


@pytest.mark.parametrize(
    ("bands", "layout", "colours"),
    [
        (1, {}, ["gray"]),
        (2, {"alpha_band": 1}, ["gray", "alpha"]),
        (2, {}, ["gray", "gray"]),
        (3, {"colour": "rgb"}, ["red", "green", "blue"]),
        (3, {}, ["undefined"] * 3),
        (4, {"colour": "rgb", "alpha_band": 3}, ["red", "green", "blue", "alpha"]),
        (4, {"colour": "rgb"}, ["red", "green", "blue", "undefined"]),
        (5, {"colour": "rgb", "alpha_band": 4}, ["red", "green", "blue", "undefined", "alpha"]),
        (13, {}, ["undefined"] * 13),
        (224, {}, ["undefined"] * 224),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_independent_readers_see_pixels_and_colours(tmp_path, bands, layout, colours, dtype):
    pixels = noise((bands, 33, 131), dtype)
    params = J2KParams(lossless=True, tile_size=64, mct=layout.get("colour") == "rgb")
    path = tmp_path / "scene.jp2"
    write_jp2(path, pixels, params, **layout)
    assert_valid(path)
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read(), pixels)
        assert [entry.name for entry in scene.colorinterp] == colours
        assert set(scene.dtypes) == {dtype}
        assert scene.block_shapes[0] == (min(64, scene.height), 64) or scene.block_shapes[0] == (64, 64)
    seen, names, _ = gdal_view(path)
    np.testing.assert_array_equal(seen, pixels)
    assert names == colours


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 200), (1, 200, 1), (3, 65, 64), (2, 64, 129)])
@pytest.mark.parametrize("tile_size", [32, 64, 1024])
def test_any_size_of_scene(tmp_path, shape, tile_size):
    pixels = noise(shape, "uint8")
    path = tmp_path / "scene.jp2"
    write_jp2(path, pixels, J2KParams(lossless=True, tile_size=tile_size))
    assert_valid(path)
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read(), pixels)


@pytest.mark.parametrize("palette", [PALETTE, SEE_THROUGH, PALETTE[:1]])
def test_palettes(tmp_path, palette):
    pixels = np.minimum(noise((1, 40, 70), "uint8"), len(palette) - 1).astype(np.uint8)
    path = tmp_path / "scene.jp2"
    write_jp2(path, pixels, LOSSLESS, colour="palette", palette=palette)
    assert_valid(path)
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read(), pixels)
        assert scene.colorinterp[0].name == "palette"
        assert tuple(scene.colormap(1)[i] for i in range(len(palette))) == palette
    seen, names, table = gdal_view(path)
    np.testing.assert_array_equal(seen, pixels)
    assert names == ["palette"]
    assert table == palette


@pytest.mark.parametrize("progression", ["RPCL", "LRCP"])
def test_windows_and_overviews_of_a_lossy_file_agree_everywhere(tmp_path, progression):
    pixels = landscape((3, 700, 900))
    params = J2KParams(lossless=False, mct=True, ratio=12.0, tile_size=256, progression=progression)
    path = tmp_path / "scene.jp2"
    write_jp2(path, pixels, params, colour="rgb")
    assert_valid(path)
    single = [decode_tile(encode_tile(tile, params)) for tile in tiles(pixels, 256)]
    with rasterio.open(path) as scene:
        whole = scene.read()
        assert scene.overviews(1)[:3] == [2, 4, 8]
        np.testing.assert_array_equal(
            scene.read(window=Window(200, 230, 120, 300)), whole[:, 230:530, 200:320]
        )
        small = scene.read(out_shape=(3, 175, 225))
    for expected, tile in zip(single, tiles(whole, 256), strict=True):
        # OpenJPEG versions round a few samples in ten million differently.
        assert (np.abs(expected.astype(int) - tile) > 0).mean() < 1e-4
    assert np.abs(small.astype(float) - whole[:, ::4, ::4]).mean() < 12
    assert 10 * np.log10(255**2 / np.mean((whole.astype(float) - pixels) ** 2)) > 30
    seen, _, _ = gdal_view(path)
    assert (seen != whole).mean() < 1e-4


def test_openjpeg_reads_windows_of_any_tile(tmp_path):
    if shutil.which("opj_decompress") is None:
        pytest.skip("opj_decompress (package libopenjp2-tools) is not installed")
    pixels = noise((3, 300, 333), "uint8")
    path, raw = tmp_path / "scene.jp2", tmp_path / "out.ppm"
    write_jp2(path, pixels, J2KParams(lossless=True, mct=True, tile_size=128), colour="rgb")
    command = ["opj_decompress", "-i", path, "-o", raw, "-d", "100,120,300,290"]
    subprocess.run(command, check=True, capture_output=True)
    with rasterio.open(raw) as out:
        np.testing.assert_array_equal(out.read(), pixels[:, 120:290, 100:300])


def test_more_than_256_tiles_are_indexed(tmp_path):
    pixels = noise((1, 17 * 32, 17 * 32 + 5), "uint8")
    path = tmp_path / "scene.jp2"
    write_jp2(path, pixels, J2KParams(lossless=True, tile_size=32))
    assert_valid(path)
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read(), pixels)
        np.testing.assert_array_equal(
            scene.read(window=Window(500, 480, 40, 60)), pixels[:, 480:540, 500:540]
        )


def test_the_tile_index_of_the_main_header_points_at_the_tiles(tmp_path):
    path = tmp_path / "scene.jp2"
    write_jp2(path, noise((1, 100, 150), "uint8"), LOSSLESS)
    data = path.read_bytes()
    with path.open("rb") as file:
        index = find_codestream(file)
    start = data.index(b"\xff\x55\x00") + 4
    entries = list(struct.iter_unpack(">BI", data[start + 2 : start + 2 + 5 * len(index.parts)]))
    assert data[start + 1] == 0x50
    assert entries == [(part.tile, part.length) for part in index.parts]


def test_tiles_may_come_in_any_order_and_again(tmp_path):
    pixels = noise((1, 100, 150), "uint8")
    path, expected = tmp_path / "scene.jp2", tmp_path / "expected.jp2"
    in_order = write_jp2(expected, pixels, LOSSLESS)
    layout = Jp2Layout(height=100, width=150, bands=1, dtype="uint8", tile_size=64)
    streams = [encode_tile(tile, LOSSLESS) for tile in tiles(pixels, 64)]
    with Jp2Writer(path, layout) as writer:
        writer.add_tile(4, encode_tile(noise((1, 36, 64), "uint8", 9), LOSSLESS))
        for number in (5, 4, 0, 2, 3, 1):
            writer.add_tile(number, streams[number])
        writer.finish()
        writer.finish()
        assert writer.tile_crcs == in_order.tile_crcs
    assert path.read_bytes() == expected.read_bytes()


def test_another_pass_takes_the_place_of_the_one_before(tmp_path):
    """A search codes a scene many times: its spool holds one coding, not all of them."""
    layout = Jp2Layout(height=30, width=64, bands=1, dtype="uint8", tile_size=64)
    first, second = (encode_tile(noise((1, 30, 64), "uint8", seed), LOSSLESS) for seed in (1, 2))
    with Jp2Writer(tmp_path / "scene.jp2", layout) as writer:
        sizes = []
        for stream in (first, second, second):
            writer.restart()
            with pytest.raises(ContainerError, match="never stored"):
                writer.finish()
            writer.add_tile(0, stream)
            sizes.append(writer._spool.seek(0, 2))
        assert sizes[1] == sizes[2] < 1.5 * sizes[0]
        writer.finish()
    with Jp2Writer(tmp_path / "once.jp2", layout) as writer:
        writer.add_tile(0, second)
        writer.finish()
    assert (tmp_path / "scene.jp2").read_bytes() == (tmp_path / "once.jp2").read_bytes()


def test_single_tiles_come_back_as_codestreams_with_their_checksum(tmp_path):
    pixels = noise((2, 100, 150), "int16")
    path = tmp_path / "scene.jp2"
    writer = write_jp2(path, pixels, LOSSLESS)
    with path.open("rb") as file:
        index = find_codestream(file)
        for number, tile in enumerate(tiles(pixels, 64)):
            np.testing.assert_array_equal(decode_tile(read_tile(file, index, number)), tile)
            assert tile_crc(file, index, number) == writer.tile_crcs[number]


def test_tiles_coded_differently_carry_their_own_coding(tmp_path):
    pixels = landscape((1, 64, 128))
    path = tmp_path / "scene.jp2"
    layout = Jp2Layout(height=64, width=128, bands=1, dtype="uint8", tile_size=64)
    with Jp2Writer(path, layout) as writer:
        writer.add_tile(0, encode_tile(pixels[:, :, :64], J2KParams(lossless=False, ratio=5, tile_size=64)))
        writer.add_tile(1, encode_tile(pixels[:, :, 64:], LOSSLESS))
        writer.finish()
    assert_valid(path)
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read()[:, :, 64:], pixels[:, :, 64:])
        assert (scene.read() != pixels).any()


def test_side_information_comes_and_goes_without_a_trace(tmp_path):
    path, stripped = tmp_path / "scene.jp2", tmp_path / "stripped.jp2"
    write_jp2(path, noise((3, 50, 50), "uint8"), LOSSLESS, boxes=Jp2Boxes(xml="<a>ä</a>"))
    bare = path.read_bytes()
    assert read_side_information(path) is None
    for content in (b"first", b"2", b"third, longer"):
        append_side_information(path, content)
        assert path.read_bytes()[: len(bare)] == bare
        assert read_side_information(path) == content
        assert path.stat().st_size == len(bare) + 24 + len(content)
        assert_valid(path)
    lead_with_side_information(path)
    assert read_side_information(path) == b"third, longer"
    assert path.stat().st_size == len(bare) + 24 + 13
    assert path.read_bytes().endswith(bare[bare.index(b"jp2c") :])
    assert_valid(path)
    with pytest.raises(ContainerError, match="no side information ends the file"):
        lead_with_side_information(path)
    strip_side_information(path, stripped)
    assert stripped.read_bytes() == bare
    assert_valid(stripped)


def test_empty_side_information_is_refused(tmp_path):
    path = tmp_path / "scene.jp2"
    write_jp2(path, noise((1, 5, 5), "uint8"), LOSSLESS)
    with pytest.raises(ContainerError, match="0 bytes"):
        append_side_information(path, b"")


def test_files_that_are_no_jp2_take_no_side_information(tmp_path):
    path = tmp_path / "scene.jp2"
    for content in (b"", b"II*\0", bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ContainerError):
            append_side_information(path, b"x")
        with pytest.raises(ContainerError):
            read_side_information(path)
        assert path.read_bytes() == content


def test_an_open_ended_codestream_box_is_read_but_not_appended_to(tmp_path):
    path = tmp_path / "scene.jp2"
    pixels = noise((1, 50, 50), "uint8")
    write_jp2(path, pixels, LOSSLESS)
    with path.open("r+b") as file:
        offset = next(box.offset for box in iter_boxes(file) if box.kind == b"jp2c")
        file.seek(offset)
        file.write(bytes(4))
        assert len(find_codestream(file).parts) == 1
    with pytest.raises(ContainerError, match="open-ended"):
        append_side_information(path, b"x")


def test_extended_lengths_are_valid_and_read(tmp_path):
    path = tmp_path / "scene.jp2"
    pixels = noise((1, 50, 50), "uint8")
    write_jp2(path, pixels, LOSSLESS)
    with path.open("rb") as file:
        box = next(box for box in iter_boxes(file) if box.kind == b"jp2c")
    data = path.read_bytes()
    long_header = struct.pack(">I4sQ", 1, b"jp2c", box.content_length + 16)
    path.write_bytes(data[: box.offset] + long_header + data[box.content_offset :])
    append_side_information(path, b"x")
    assert_valid(path)
    assert read_side_information(path) == b"x"
    with rasterio.open(path) as scene:
        np.testing.assert_array_equal(scene.read(), pixels)


def test_boxes_beyond_four_gigabytes_get_extended_lengths(tmp_path):
    assert box_header(b"jp2c", 2**32 - 9) == struct.pack(">I4s", 2**32 - 1, b"jp2c")
    header = box_header(b"jp2c", 2**32 - 8)
    assert header == struct.pack(">I4sQ", 1, b"jp2c", 2**32 + 8)
    sparse = tmp_path / "sparse"
    with sparse.open("w+b") as file:
        file.write(header)
        file.truncate(2**32 + 8)
        (box,) = iter_boxes(file)
        assert (box.content_offset, box.content_length) == (16, 2**32 - 8)


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "float32"},
        {"height": 0},
        {"colour": "cmyk"},
        {"colour": "rgb", "bands": 2},
        {"alpha_band": 0},
        {"bands": 2, "alpha_band": 2},
        {"colour": "palette"},
        {"palette": PALETTE},
        {"colour": "palette", "palette": PALETTE, "dtype": "uint16"},
        {"colour": "palette", "palette": ((0, 0, 256, 0),)},
    ],
)
def test_layouts_jp2_cannot_describe_are_refused(values):
    with pytest.raises(ContainerError):
        Jp2Layout(**{"height": 10, "width": 10, "bands": 1, "dtype": "uint8", **values})


def test_xml_that_is_not_well_formed_is_refused(tmp_path):
    layout = Jp2Layout(height=10, width=10, bands=1, dtype="uint8")
    with pytest.raises(ContainerError, match="well-formed"):
        Jp2Writer(tmp_path / "scene.jp2", layout, Jp2Boxes(xml="<a>"))


def test_wrong_and_missing_tiles_are_refused_and_leave_nothing(tmp_path):
    path = tmp_path / "scene.jp2"
    layout = Jp2Layout(height=100, width=100, bands=1, dtype="uint8", tile_size=64)
    good = encode_tile(noise((1, 64, 64), "uint8"), LOSSLESS)
    with Jp2Writer(path, layout) as writer:
        for number, stream in (
            (4, good),
            (1, good),
            (0, good[:-20]),
            (0, encode_tile(noise((1, 64, 64), "uint16"), LOSSLESS)),
            (0, encode_tile(noise((2, 64, 64), "uint8"), LOSSLESS)),
        ):
            with pytest.raises(ContainerError):
                writer.add_tile(number, stream)
        writer.add_tile(0, good)
        with pytest.raises(ContainerError, match="tile 1 of 4"):
            writer.finish()
    assert list(tmp_path.iterdir()) == []


def test_tiles_that_cannot_be_coded_apart_are_refused(tmp_path):
    layout = Jp2Layout(height=100, width=100, bands=1, dtype="uint8", tile_size=50)
    with (
        Jp2Writer(tmp_path / "scene.jp2", layout) as writer,
        pytest.raises(ContainerError, match="power of two"),
    ):
        writer.add_tile(0, encode_tile(noise((1, 50, 50), "uint8"), LOSSLESS))
