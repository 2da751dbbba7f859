"""Kinds of JPEG 2000 files that other encoders write: read right, or refused in one line, never half.

The oracle is ``opj_decompress``, a program of its own, and where GDAL is asked, its block by block reading.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio.shutil

import rsic_geo
from rsic_geo.codecs import j2k
from rsic_geo.errors import RsicGeoError, SceneError, UnsupportedSceneError
from rsic_geo.geo.window import Window
from rsic_geo.scenes import jp2_source
from rsic_geo.scenes.archive import Archive

pytestmark = [
    pytest.mark.skipif(shutil.which("opj_compress") is None, reason="needs libopenjp2-tools (make test)"),
    pytest.mark.filterwarnings("ignore"),
]
ROWS, COLUMNS = 179, 303
SCENE = np.fromfunction(lambda y, x: (x * 3 + y * 5 + (x * y) // 7) % 255 + 1, (ROWS, COLUMNS)).astype(
    np.uint8
)


def _encode(folder: Path, name: str, *words: str, pixels: np.ndarray = SCENE) -> Path:
    """Write a JPEG 2000 file of grey (h, w) or coloured (3, h, w) samples by OpenJPEG's own program."""
    colours = pixels if pixels.ndim == 3 else pixels[None]
    raw, path = folder / ("in.ppm" if len(colours) == 3 else "in.pgm"), folder / name
    kind, height, width = ("P6" if len(colours) == 3 else "P5"), *colours.shape[1:]
    highest = 255 if pixels.dtype == np.uint8 else 65535
    body = np.moveaxis(colours, 0, 2).astype(">u2" if highest > 255 else np.uint8).tobytes()
    raw.write_bytes(f"{kind}\n{width} {height}\n{highest}\n".encode() + body)
    done = subprocess.run(
        ["opj_compress", "-i", raw, "-o", path, *words], capture_output=True, text=True, check=False
    )
    if done.returncode or not path.exists():
        raise AssertionError(f"opj_compress {words}: {done.stdout}{done.stderr}")
    return path


def _there_and_back(path: Path, tmp_path: Path) -> np.ndarray:
    archive = tmp_path / "archive.jp2"
    archive.unlink(missing_ok=True)
    rsic_geo.compress(str(path), str(archive))
    with rsic_geo.open(str(archive)) as opened:
        return opened.read()


OFFSETS = [
    ("-d", "11,21"),
    ("-d", "11,21", "-T", "11,21"),
    ("-d", "11,21", "-t", "97,91", "-T", "3,9"),
    ("-d", "11,21", "-t", "97,91"),
    ("-d", "11,21", "-t", "97,91", "-T", "11,21"),
    ("-d", "5,0", "-t", "64,64"),
    ("-d", "11,21", "-t", "64,64", "-T", "3,9"),
]


@pytest.mark.parametrize("suffix", [".j2k", ".jp2"])
@pytest.mark.parametrize("words", OFFSETS, ids=" ".join)
def test_images_and_tiles_off_the_origin_come_back_right(words, suffix, tmp_path):
    """F14: GDAL failed an assertion, only logged it and handed out memory nobody wrote."""
    path = _encode(tmp_path, f"offset{suffix}", *words)
    np.testing.assert_array_equal(_there_and_back(path, tmp_path)[0], SCENE)
    with Archive(str(path)) as opened:
        window = Window(row_off=50, col_off=60, height=90, width=130)
        np.testing.assert_array_equal(opened.read(window)[0], SCENE[50:140, 60:190])
        small = opened.read(out_shape=(20, 30))[0]
        assert small.shape == (20, 30)
        assert abs(float(small.mean()) - float(SCENE.mean())) < 12


def test_a_window_off_the_origin_holds_no_copy_of_the_file(tmp_path, monkeypatch):
    """Each window copied the whole codestream into memory, twice."""
    noise = np.random.default_rng(4).integers(0, 256, (3, 1500, 1500)).astype(np.uint8)
    path = _encode(tmp_path, "large.j2k", "-d", "11,21", "-t", "128,128", "-T", "3,9", pixels=noise)
    read: list[int] = []

    class Counted(jp2_source._FilePart):
        def __getitem__(self, part: slice) -> bytes:
            read.append(len(found := super().__getitem__(part)))
            return found

    monkeypatch.setattr(jp2_source, "_FilePart", Counted)
    with Archive(str(path)) as opened:
        window = Window(row_off=20, col_off=30, height=90, width=110)
        np.testing.assert_array_equal(opened.read(window), noise[:, 20:110, 30:140])
    assert 0 < max(read) <= 1 << 20 < path.stat().st_size / 4


def test_three_bands_off_the_origin_and_single_bands_of_them(tmp_path):
    colours = np.stack([SCENE, SCENE[::-1], SCENE[:, ::-1]])
    path = _encode(tmp_path, "rgb.jp2", "-d", "11,21", "-t", "97,91", "-T", "3,9", pixels=colours)
    np.testing.assert_array_equal(_there_and_back(path, tmp_path), colours)
    with Archive(str(path)) as opened:
        np.testing.assert_array_equal(opened.read(bands=(2, 0)), colours[[2, 0]])


def test_a_damaged_file_off_the_origin_is_refused(tmp_path):
    path = _encode(tmp_path, "offset.j2k", "-d", "11,21", "-t", "97,91", "-T", "3,9")
    good, refused = path.read_bytes(), 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        data = bytearray(good)
        for place in rng.integers(200, len(data), 9):
            data[place] = int(rng.integers(256))
        path.write_bytes(data)
        try:
            back = _there_and_back(path, tmp_path)
        except RsicGeoError:
            refused += 1
            assert not (tmp_path / "archive.jp2").exists()
            continue
        np.testing.assert_array_equal(back[0], _decoded_by_openjpeg(path, tmp_path))
    assert refused


def _decoded_by_openjpeg(path: Path, folder: Path) -> np.ndarray:
    out = folder / "out.pgm"
    out.unlink(missing_ok=True)
    done = subprocess.run(
        ["opj_decompress", "-i", path, "-o", out], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = out.read_bytes()
    return np.frombuffer(content[-ROWS * COLUMNS :], np.uint8).reshape(ROWS, COLUMNS)


def _codestream(path: Path) -> j2k.Codestream:
    return j2k.split_codestream(path.read_bytes())


def test_sixteen_bits_come_back_right(tmp_path):
    deep = SCENE.astype(np.uint16) * 201
    path = _encode(tmp_path, "deep.j2k", "-d", "11,21", "-t", "97,91", "-T", "3,9", pixels=deep)
    np.testing.assert_array_equal(_there_and_back(path, tmp_path)[0], deep)


class TestStructure:
    """Codestreams cut and put together otherwise; what is whole is read, what is not is refused."""

    def _tiled(self, tmp_path: Path) -> Path:
        return _encode(tmp_path, "tiled.j2k", "-t", "128,128")

    def test_tiles_in_another_order_are_read_right(self, tmp_path):
        path = self._tiled(tmp_path)
        stream = _codestream(path)
        turned = j2k.Codestream(size=stream.size, segments=stream.segments, parts=stream.parts[::-1])
        path.write_bytes(turned.to_bytes())
        np.testing.assert_array_equal(_there_and_back(path, tmp_path)[0], SCENE)

    def test_tile_parts_in_turns_are_read_right(self, tmp_path):
        path = _encode(tmp_path, "parts.j2k", "-t", "128,128", "-TP", "R", "-n", "3")
        stream = _codestream(path)
        assert len(stream.parts) > 6, "the encoder wrote no tile-parts"
        in_turns = tuple(sorted(stream.parts, key=lambda part: (part.part, part.tile)))
        path.write_bytes(
            j2k.Codestream(size=stream.size, segments=stream.segments, parts=in_turns).to_bytes()
        )
        np.testing.assert_array_equal(_there_and_back(path, tmp_path)[0], SCENE)

    def test_a_missing_end_is_read_right_or_refused(self, tmp_path):
        path = self._tiled(tmp_path)
        path.write_bytes(path.read_bytes()[:-2])
        try:
            back = _there_and_back(path, tmp_path)
        except RsicGeoError:
            return
        np.testing.assert_array_equal(back[0], SCENE)

    @pytest.mark.parametrize("missing", [3, 40, 400])
    def test_a_cut_last_tile_is_never_archived(self, missing, tmp_path):
        path = self._tiled(tmp_path)
        path.write_bytes(path.read_bytes()[: -2 - missing])
        with pytest.raises(RsicGeoError):
            _there_and_back(path, tmp_path)
        assert not (tmp_path / "archive.jp2").exists()

    def test_a_missing_tile_is_never_archived(self, tmp_path):
        path = self._tiled(tmp_path)
        stream = _codestream(path)
        fewer = j2k.Codestream(
            size=stream.size, segments=stream.segments, parts=stream.parts[:2] + stream.parts[3:]
        )
        path.write_bytes(fewer.to_bytes())
        with pytest.raises(RsicGeoError):
            _there_and_back(path, tmp_path)
        assert not (tmp_path / "archive.jp2").exists()


def test_components_of_other_sizes_are_read_as_gdal_says_or_refused(tmp_path):
    colours = np.stack([SCENE, SCENE[::-1], SCENE[:, ::-1]])
    raw = tmp_path / "in.raw"
    raw.write_bytes(colours[0].tobytes() + colours[1, ::2, ::2].tobytes() + colours[2, ::2, ::2].tobytes())
    path = tmp_path / "subsampled.j2k"
    words = ["-F", f"{COLUMNS},{ROWS},3,8,u@1x1:2x2:2x2", "-i", raw, "-o", path]
    done = subprocess.run(["opj_compress", *words], capture_output=True, text=True, check=False)
    assert path.exists(), done.stdout + done.stderr
    with pytest.raises(RsicGeoError):
        _there_and_back(path, tmp_path)


@pytest.mark.parametrize("steps", ["2x2:2x1:2x2", "1x1:2x1:2x1"])
def test_subsampled_components_that_gdal_does_not_open_are_called_that(steps, tmp_path):
    # It said "no raster in a format GDAL knows" of what is a sound JPEG 2000 file.
    colours = np.stack([SCENE, SCENE[::-1], SCENE[:, ::-1]])
    raw, path = tmp_path / "in.raw", tmp_path / "subsampled.j2k"
    parts = [tuple(map(int, each.split("x"))) for each in steps.split(":")]
    raw.write_bytes(b"".join(c[::dy, ::dx].tobytes() for c, (dx, dy) in zip(colours, parts, strict=True)))
    words = ["-F", f"{COLUMNS},{ROWS},3,8,u@{steps}", "-i", raw, "-o", path]
    subprocess.run(["opj_compress", *words], capture_output=True, text=True, check=True)
    with pytest.raises(SceneError, match=r"subsampled\.j2k: its bands are subsampled .* -upsample"):
        _there_and_back(path, tmp_path)


@pytest.mark.parametrize("ending", ["j2k", "jp2"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["-d", "11,21", "-T", "3,9", "-t", "96,64"],
        ["-t", "64,32", "-p", "PCRL"],
        ["-t", "64,64", "-p", "RPCL", "-c", "[32,32]"],
    ],
)
@pytest.mark.parametrize(("step", "bands"), [("2x2", 3), ("3x1", 1), ("2x4", 1)])
def test_bands_all_subsampled_alike_are_read_by_the_samples_they_have(step, bands, options, ending, tmp_path):
    # GDAL has no driver for such a file; the samples are those that OpenJPEG's own program decodes.
    dx, dy = map(int, step.split("x"))
    options = ["48,32" if each in ("64,32", "64,64") and dx == 3 else each for each in options]
    small = np.stack([SCENE, SCENE[::-1], SCENE[:, ::-1]])[:bands, ::dy, ::dx]
    raw, path = tmp_path / "in.raw", tmp_path / f"subsampled.{ending}"
    raw.write_bytes(small.tobytes())
    words = [
        "-F",
        f"{COLUMNS},{ROWS},{bands},8,u@{':'.join([step] * bands)}",
        "-i",
        raw,
        "-o",
        path,
        *options,
    ]
    subprocess.run(["opj_compress", *words], capture_output=True, text=True, check=True)
    with pytest.raises(rasterio.errors.RasterioIOError):
        rasterio.open(path)
    decoded = tmp_path / "decoded.raw"
    subprocess.run(["opj_decompress", "-i", path, "-o", decoded], capture_output=True, check=True)
    back = _there_and_back(path, tmp_path)
    assert (
        abs(np.subtract(back.shape, small.shape)).max() <= 1
    )  # where the image begins decides on a last row
    np.testing.assert_array_equal(back.ravel(), np.frombuffer(decoded.read_bytes(), np.uint8))


def test_signed_samples_of_8_bits_are_refused_since_gdal_would_clip_them(tmp_path):
    signed = (SCENE.astype(np.int16) - 128).astype(np.int8)
    raw, path = tmp_path / "in.raw", tmp_path / "signed.j2k"
    raw.write_bytes(signed.tobytes())
    words = ["-F", f"{COLUMNS},{ROWS},1,8,s", "-i", raw, "-o", path]
    subprocess.run(["opj_compress", *words], capture_output=True, text=True, check=True)
    path.write_bytes(path.read_bytes()[:-2])  # whatever follows the main header
    vrt = tmp_path / "signed.vrt"
    rasterio.shutil.copy(path, vrt, driver="VRT")
    for source in (path, vrt):
        with pytest.raises(UnsupportedSceneError, match="band 1 holds signed samples of 8 bits"):
            _there_and_back(source, tmp_path)


@pytest.mark.parametrize(
    ("components", "refused"),
    [
        ([(8, False), (12, False), (8, False)], 2),
        ([(12, False), (8, False), (8, False)], None),
        ([(8, False), (8, True), (8, False)], 2),
        ([(16, True), (8, True), (8, True)], None),
        ([(16, True), (16, False), (16, True)], 2),
        ([(4, False)] * 3, None),
        ([(12, True)] * 3, None),
    ],
)
def test_components_of_mixed_depths_come_back_right_or_are_refused(components, refused, tmp_path):
    """GDAL takes the first component's type for all, and clips the others."""
    colours = np.stack([SCENE, SCENE[::-1], SCENE[:, ::-1]])
    path = _encode(tmp_path, "mixed.j2k", "-mct", "0", pixels=colours)
    stream = _codestream(path)
    described = tuple(j2k.Component(precision=bits, is_signed=signed) for bits, signed in components)
    size = replace(stream.size, components=described)
    path.write_bytes(j2k.Codestream(size=size, segments=stream.segments, parts=stream.parts).to_bytes())
    if refused:
        with pytest.raises(UnsupportedSceneError, match=f"band {refused} holds"):
            _there_and_back(path, tmp_path)
        return
    # Another description of the same coefficients: another level shift, and limits.
    shifts = [0 if signed else 2 ** (bits - 1) for bits, signed in components]
    limits = [(-(2 ** (b - 1)), 2 ** (b - 1) - 1) if s else (0, 2**b - 1) for b, s in components]
    expected = np.stack([
        np.clip(band.astype(np.int64) - 128 + shift, *limit)
        for band, shift, limit in zip(colours, shifts, limits, strict=True)
    ])  # fmt: skip
    np.testing.assert_array_equal(_there_and_back(path, tmp_path).astype(np.int64), expected)
