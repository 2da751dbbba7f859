"""JPEG 2000 tiles: exact where they promise it, within their budget, the same from every thread."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from jp2_support import landscape, noise

from rsic_geo.codecs import openjpeg
from rsic_geo.codecs.j2k import packet_lengths, split_codestream
from rsic_geo.codecs.jpeg2000 import (
    J2KParams,
    body_size,
    decode_tile,
    encode_tile,
    encode_tile_bytes,
    layer_profile,
)
from rsic_geo.errors import (
    BitstreamError,
    CodecError,
    MissingDependencyError,
    UnsupportedSceneError,
    UsageError,
)

LOSSLESS = J2KParams(lossless=True)
LOSSY = J2KParams(lossless=False, ratio=8.0)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 37), (3, 33, 1), (3, 70, 90), (5, 128, 65)])
@pytest.mark.parametrize("mct", [False, True])
def test_lossless_gives_every_sample_back(dtype, shape, mct):
    pixels = noise(shape, dtype)
    params = replace(LOSSLESS, mct=mct and shape[0] >= 3)
    decoded = decode_tile(encode_tile(pixels, params))
    assert decoded.dtype == pixels.dtype
    np.testing.assert_array_equal(decoded, pixels)


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    seed=st.integers(0, 2**31),
    extreme=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_lossless_holds_for_any_tile(shape, dtype, seed, extreme):
    pixels = noise(shape, dtype, seed)
    if extreme:
        info = np.iinfo(dtype)
        pixels = np.where(pixels > np.median(pixels), info.max, info.min).astype(dtype)
    params = replace(LOSSLESS, mct=shape[0] >= 3)
    np.testing.assert_array_equal(decode_tile(encode_tile(pixels, params)), pixels)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_lossless_survives_the_largest_contrasts(dtype):
    info = np.iinfo(dtype)
    rows, cols = np.mgrid[0:256, 0:256]
    patterns = [(rows + cols) % 2, rows % 2, cols % 2, (rows // 2 + cols // 3) % 2]
    planes = [np.where(pattern, info.max, info.min) for pattern in patterns]
    pixels = np.stack([planes[0], planes[1][::-1], np.flip(planes[0], 1)]).astype(dtype)
    np.testing.assert_array_equal(decode_tile(encode_tile(pixels, replace(LOSSLESS, mct=True))), pixels)
    pixels = np.stack(planes).astype(dtype)
    np.testing.assert_array_equal(decode_tile(encode_tile(pixels, LOSSLESS)), pixels)


@pytest.mark.parametrize("value", [0, 255, 7])
def test_constant_tiles_cost_next_to_nothing(value):
    pixels = np.full((3, 256, 256), value, np.uint8)
    for params in (replace(LOSSLESS, mct=True), replace(LOSSY, mct=True)):
        codestream = encode_tile(pixels, params)
        assert body_size(codestream) < 200
        assert np.abs(decode_tile(codestream).astype(int) - value).max() <= (0 if params.lossless else 1)


def test_edge_tiles_keep_the_coding_of_whole_tiles():
    whole = split_codestream(encode_tile(landscape((3, 256, 256)), replace(LOSSY, tile_size=256)))
    for shape in ((3, 1, 256), (3, 256, 1), (3, 1, 1), (3, 17, 200)):
        edge = split_codestream(encode_tile(landscape(shape), replace(LOSSY, tile_size=256, ratio=3.0)))
        assert edge.segments == whole.segments


def test_many_bands():
    pixels = landscape((224, 24, 24), "int16")
    np.testing.assert_array_equal(decode_tile(encode_tile(pixels, LOSSLESS)), pixels)


def test_reduced_decoding_halves_the_sides():
    codestream = encode_tile(landscape((2, 100, 131)), LOSSY)
    assert decode_tile(codestream, reduce=2).shape == (2, 25, 33)


def test_threads_give_the_bytes_one_thread_gives():
    scenes = [landscape((3, 200, 200), seed=seed) for seed in range(6)]
    params = replace(LOSSY, mct=True)
    alone = [encode_tile(scene, params) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda scene: encode_tile(scene, params), scenes * 3))
        decoded = list(pool.map(decode_tile, together))
    assert together == alone * 3
    for number, pixels in enumerate(decoded):
        np.testing.assert_array_equal(pixels, decode_tile(alone[number % 6]))


@pytest.mark.parametrize("max_bytes", [300, 1000, 5000, 20000])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_byte_budgets_are_kept_and_nearly_used(max_bytes, dtype):
    pixels = landscape((3, 256, 300), dtype)
    size = body_size(encode_tile_bytes(pixels, replace(LOSSY, mct=True), max_bytes))
    assert size <= max_bytes
    assert size >= (0.9 if max_bytes >= 1000 else 0.6) * max_bytes


def test_a_budget_beyond_everything_or_below_anything_is_no_error():
    pixels = landscape((1, 64, 64))
    everything = body_size(encode_tile(pixels, replace(LOSSY, ratio=None)))
    assert body_size(encode_tile_bytes(pixels, LOSSY, 10**9)) == everything
    assert body_size(encode_tile_bytes(pixels, LOSSY, 1)) < 60
    with pytest.raises(UsageError, match="lossy"):
        encode_tile_bytes(pixels, LOSSLESS, 100)


@pytest.mark.parametrize("near", [None, 12.0, (15.0, 12.0, 20.0)])
def test_layer_profile_knows_what_a_decoder_sees(near):
    pixels = landscape((3, 256, 256))
    params = J2KParams(lossless=False, mct=True, errors=(40.0, 28.0, 20.0, 14.0, 10.0, 7.0, 5.0))
    points = layer_profile(pixels, params, near=near)
    assert list(points.bytes) == sorted(points.bytes)
    assert list(points.sse) == sorted(points.sse, reverse=True)
    assert points.asked == tuple(error * pixels.size for error in params.errors)
    for asked, size, sse, by_band in zip(
        params.errors, points.bytes, points.sse, points.by_band, strict=True
    ):
        single = encode_tile(pixels, replace(params, errors=(asked,)))
        errors = ((decode_tile(single).astype(float) - pixels) ** 2).sum(axis=(1, 2))
        assert size == pytest.approx(body_size(single), rel=0.02, abs=80)
        assert sse == pytest.approx(errors.sum(), rel=0.03 if asked == 14.0 else 0.2)
        np.testing.assert_allclose(by_band, errors, rtol=0.1 if asked == 14.0 else 0.5)


def test_layer_profile_counts_valid_samples_only():
    pixels = landscape((2, 128, 128), "uint16")
    valid = np.zeros((128, 128), bool)
    valid[:64] = True
    filled = np.where(valid, pixels, pixels[:, :64].mean(axis=(1, 2), keepdims=True).astype(pixels.dtype))
    params = J2KParams(lossless=False, errors=(20000.0, 3000.0, 800.0))
    points = layer_profile(filled, params, valid=valid, near=3000.0)
    for asked, sse in zip(points.asked, points.sse, strict=True):
        decoded = decode_tile(encode_tile(filled, replace(params, errors=(asked / filled.size,))))
        assert sse == pytest.approx((((decoded - filled.astype(float)) ** 2) * valid).sum(), rel=0.1)
    assert points.sse[1] / (2 * valid.sum()) == pytest.approx(3000, rel=0.35)  # not half of it


def test_layer_profile_of_a_tile_that_is_soon_complete():
    params = J2KParams(lossless=False, errors=(9.0, 4.0))
    assert set(layer_profile(np.zeros((3, 64, 64), np.uint8), params, near=4.0).sse) == {0.0}


def test_errors_beyond_everything_or_below_anything_are_met_as_nearly_as_can_be():
    pixels = landscape((1, 64, 64))
    finest = encode_tile(pixels, replace(LOSSY, ratio=None))
    params = J2KParams(lossless=False, errors=(1e6, 100.0, 1e-9))
    points = layer_profile(pixels, params)
    assert points.sse[-1] == pytest.approx(((decode_tile(finest) - pixels.astype(float)) ** 2).sum(), abs=50)
    assert points.sse[0] == pytest.approx(((decode_tile(encode_tile(pixels, replace(params, errors=(1e6,))))
        - pixels.astype(float)) ** 2).sum())  # fmt: skip
    with pytest.raises(UsageError, match="falling"):
        J2KParams(lossless=False, errors=(4.0, 9.0))


def test_packet_lengths_add_up():
    part = split_codestream(encode_tile(landscape((3, 200, 150)), LOSSY)).parts[0]
    header_bytes = part.body.index(b"\xff\x93") + 2
    lengths = packet_lengths(part.body)
    assert len(lengths) == 6 * 3
    assert header_bytes + sum(lengths) == len(part.body)
    bare = split_codestream(encode_tile(landscape((3, 200, 150)), replace(LOSSY, plt=False))).parts[0]
    assert packet_lengths(bare.body) == []


@pytest.mark.parametrize("dtype", ["float32", "int32", "uint32", "int8", "bool"])
def test_other_sample_types_are_refused(dtype):
    with pytest.raises(UnsupportedSceneError, match=dtype):
        encode_tile(np.zeros((1, 8, 8), dtype), LOSSLESS)


@pytest.mark.parametrize("shape", [(8, 8), (1, 0, 8), (0, 8, 8)])
def test_arrays_that_are_no_tile_are_refused(shape):
    with pytest.raises(UnsupportedSceneError, match="bands, height, width"):
        encode_tile(np.zeros(shape, np.uint8), LOSSLESS)


@pytest.mark.parametrize(
    "values",
    [
        {"lossless": True, "ratio": 20.0},
        {"lossless": False, "ratio": 20.0, "errors": (20.0,)},
        {"lossless": False, "ratio": 0.0},
        {"lossless": False, "ratio": float("nan")},
        {"lossless": False, "errors": (10.0, 20.0)},
        {"lossless": False, "errors": (10.0, 0.0)},
        {"lossless": True, "errors": (10.0,)},
        {"lossless": False, "num_resolutions": 0},
        {"lossless": False, "tile_size": 1000},
        {"lossless": False, "tile_size": 16},
        {"lossless": False, "progression": "ABCD"},
    ],
)
def test_parameters_without_meaning_are_refused(values):
    with pytest.raises(UsageError):
        J2KParams(**values)


def test_tiles_that_do_not_fit_their_parameters_are_refused():
    with pytest.raises(UsageError, match="tile_size"):
        encode_tile(np.zeros((1, 8, 2000), np.uint8), LOSSLESS)
    with pytest.raises(UsageError, match="three bands"):
        encode_tile(np.zeros((2, 8, 8), np.uint8), replace(LOSSLESS, mct=True))


def test_damaged_tiles_are_refused():
    codestream = encode_tile(landscape((3, 128, 128)), LOSSY)
    for damaged in (b"", b"nonsense", codestream[:100], codestream[:-50], codestream[:-2]):
        with pytest.raises(BitstreamError):
            decode_tile(damaged)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_raises_anything_but_codec_errors(data):
    codestream = bytearray(_SMALL)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(codestream) - 1))
        codestream[position] = data.draw(st.integers(0, 255))
    with suppress(CodecError):
        decode_tile(bytes(codestream))


_SMALL = encode_tile(landscape((3, 48, 40)), J2KParams(lossless=False, mct=True, ratio=6.0, tile_size=64))


def test_a_missing_library_is_named_with_its_package(monkeypatch):
    openjpeg.library_version()  # the binding is loaded now
    monkeypatch.setattr(sys.modules[openjpeg._BINDINGS], "OPENJP2", None)
    with pytest.raises(MissingDependencyError, match="libopenjp2-7"):
        encode_tile(np.zeros((1, 8, 8), np.uint8), LOSSLESS)


_VERSION = "from rsic_geo.codecs.openjpeg import library_version; print(library_version())"


def _version(tmp_path, code=_VERSION):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    return tuple(map(int, done.stdout.split(".")))


def test_the_newest_library_is_used_unless_glymur_is_told_which(tmp_path):
    brought = sorted(Path(rasterio.__file__).parent.parent.glob("rasterio.libs/libopenjp2*"))
    if not brought:
        pytest.skip("this rasterio brings no OpenJPEG: it is no wheel of PyPI for Linux")
    newest = tuple(map(int, re.findall(r"\d+", brought[0].name.split(".so.")[1])))
    assert _version(tmp_path) >= newest
    nothing = "import ctypes.util; ctypes.util.find_library = lambda name: None; "
    assert _version(tmp_path, nothing + _VERSION) == newest, "and needs no other"
    system = ctypes.util.find_library("openjp2")
    if system is None:
        pytest.skip("there is no other OpenJPEG here")
    (tmp_path / "glymurrc").write_text(f"[library]\nopenjp2: {system}\n")
    library = ctypes.CDLL(system)
    library.opj_version.restype = ctypes.c_char_p
    assert _version(tmp_path) == tuple(map(int, library.opj_version().decode().split(".")))


def test_a_missing_glymur_is_named(monkeypatch):
    monkeypatch.delitem(sys.modules, openjpeg._ALIAS, raising=False)
    monkeypatch.setitem(sys.modules, "glymur", None)
    with pytest.raises(MissingDependencyError, match="pip install glymur"):
        encode_tile(np.zeros((1, 8, 8), np.uint8), LOSSLESS)


def test_threads_may_code_their_first_tiles_at_once():
    code = (
        "import threading; from concurrent.futures import ThreadPoolExecutor; import numpy as np; "
        "from rsic_geo.codecs.jpeg2000 import *; gate = threading.Barrier(8); "
        "pixels = np.zeros((1, 8, 8), 'u1'); "
        "work = lambda _: (gate.wait(), encode_tile(pixels, J2KParams(lossless=True)))[1]; "
        "assert len(set(ThreadPoolExecutor(8).map(work, range(8)))) == 1"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_coding_a_tile_loads_no_more_of_glymur_than_it_needs():
    code = (
        "import sys, numpy as np; from rsic_geo.codecs.jpeg2000 import *; "
        "encode_tile(np.zeros((1, 8, 8), np.uint8), J2KParams(lossless=True)); "
        "assert not {'glymur', 'lxml', 'PIL', 'osgeo'} & set(sys.modules), sorted(sys.modules); "
        "import glymur; assert glymur.version.openjpeg_version"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
