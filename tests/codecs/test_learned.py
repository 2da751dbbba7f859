"""The learned codec: everything comes back, on any device the same symbols, or nothing at all."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
if find_spec("compressai") is None:
    pytest.skip("compressai is not installed (it has no build for Python 3.13)", allow_module_level=True)

from learned_support import busy_network, landscape, random_weights, weights_of  # noqa: E402
from safetensors.numpy import load  # noqa: E402
from torch.nn import functional as F  # noqa: E402, N812

from rsic_geo.codecs import learned, learned_rans  # noqa: E402
from rsic_geo.codecs.learned import LearnedCodec  # noqa: E402
from rsic_geo.codecs.learned_network import SPECS, exact, synthesis  # noqa: E402
from rsic_geo.codecs.learned_network.frozen import freeze, shipped_tensors  # noqa: E402
from rsic_geo.codecs.learned_network.model import LearnedNetwork  # noqa: E402
from rsic_geo.codecs.learned_shifts import shift_count  # noqa: E402
from rsic_geo.errors import (  # noqa: E402
    BitstreamError,
    ChecksumError,
    MissingDependencyError,
    RsicGeoError,
    UnsupportedSceneError,
    UsageError,
    WeightsError,
)
from rsic_geo.weights import WeightsFile, default_name, list_weights, open_weights  # noqa: E402

GOLDEN = Path(__file__).parent / "golden"
HEADER = 6
"""Bytes before the symbols."""


@pytest.fixture(scope="module")
def network():
    return busy_network()


@pytest.fixture(scope="module")
def weights(network) -> WeightsFile:
    return weights_of(network)


@pytest.fixture(scope="module")
def codec(weights) -> LearnedCodec:
    return LearnedCodec.from_weights(weights, device="cpu")


@pytest.fixture(scope="module")
def plain() -> LearnedCodec:
    """Return the untrained codec: a lapped transform."""
    return LearnedCodec.from_weights(random_weights(), device="cpu")


@pytest.fixture(scope="module")
def coded(codec) -> tuple[np.ndarray, learned.LearnedTile]:
    samples = landscape(3, 71, 90)
    return samples, codec.encode_tile(samples, 0.7)


def pixels_of(codec, tile, **options):
    return codec.decode_tile(tile.payload, tile.reconstruction.shape, **options)


def no_shifts(spec):
    return 0, np.zeros(shift_count(spec), np.int32)


def symbols_of(codec, tile):
    return codec.symbols_of(tile.payload, tile.reconstruction.shape)


@settings(max_examples=15)
@given(
    bands=st.sampled_from([1, 3]),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    quality=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_size_comes_back_as_the_encoder_promised(codec, bands, height, width, quality, seed):
    samples = np.random.default_rng(seed).random((bands, height, width), dtype=np.float32)
    tile = codec.encode_tile(samples, quality)
    decoded = pixels_of(codec, tile)
    assert decoded.shape == samples.shape
    assert decoded.dtype == np.float32
    np.testing.assert_array_equal(decoded, tile.reconstruction)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 1031), (3, 512, 512), (1, 512, 8)])
def test_extreme_sizes(plain, shape):
    samples = landscape(*shape)
    tile = plain.encode_tile(samples, 0.8)
    np.testing.assert_array_equal(pixels_of(plain, tile), tile.reconstruction)
    assert np.sqrt(np.square(tile.reconstruction - samples).mean()) < 0.03


def test_higher_quality_costs_more_and_errs_less(plain):
    samples = landscape(3, 160, 160)
    tiles = [plain.encode_tile(samples, quality) for quality in np.linspace(0, 1, 9)]
    sizes = [len(tile.payload) for tile in tiles]
    errors = [float(np.square(tile.reconstruction - samples).mean()) for tile in tiles]
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert sizes[-1] > 5 * sizes[0]


def test_one_band_is_coded_as_three_equal_ones(plain):
    grey = landscape(1, 120, 120)
    tile = plain.encode_tile(grey, 0.6)
    colour = plain.encode_tile(np.repeat(grey, 3, axis=0), 0.6)
    assert tile.payload[HEADER:] == colour.payload[HEADER:]
    np.testing.assert_allclose(tile.reconstruction[0], colour.reconstruction.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("reduce", [1, 2, 3, 5])
def test_a_reduced_tile_is_the_mean_over_squares(codec, coded, reduce):
    _, tile = coded
    small = pixels_of(codec, tile, reduce=reduce)
    side, full = 1 << reduce, tile.reconstruction
    assert small.shape == (3, -(-71 // side), -(-90 // side))
    for row, column in ((0, 0), (small.shape[1] - 1, small.shape[2] - 1)):
        part = full[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
        np.testing.assert_allclose(small[:, row, column], part.mean(axis=(1, 2)), atol=1e-6)


def test_without_quantisation_the_untrained_transform_gives_everything_back(plain):
    network = plain._by_torch()._network
    level = torch.tensor([200])
    x = torch.from_numpy(landscape(3, 40, 72))[None]
    with torch.inference_mode():
        gains = network.gains(level)
        back = network.synthesis(network.analysis(x, gains, level), gains, level)
    assert float((back - x).abs().max()) < 1e-5


# Exact everywhere


def test_symbols_do_not_depend_on_the_number_of_threads(codec, coded):
    _, tile = coded
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(symbols_of(codec, tile))
    finally:
        torch.set_num_threads(before)
    for symbols in found[1:]:
        np.testing.assert_array_equal(symbols, found[0])


def test_payloads_of_many_threads_decode_with_one(codec):
    samples, before = landscape(3, 96, 80, seed=7), torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        tile = codec.encode_tile(samples, 0.8)
        torch.set_num_threads(1)
        pixels = pixels_of(codec, tile)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(pixels, tile.reconstruction, atol=1e-5)


@contextmanager
def onednn(enabled: bool):
    """Switch oneDNN; torch warns of a flag for Intel GPUs on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=enabled):
            yield


@pytest.mark.parametrize("encodes_with", [True, False])
def test_symbols_do_not_depend_on_onednn(codec, encodes_with):
    samples = landscape(3, 80, 104, seed=5)
    with onednn(encodes_with):
        tile = codec.encode_tile(samples, 0.75)
        symbols = symbols_of(codec, tile)
    with onednn(not encodes_with):
        np.testing.assert_array_equal(symbols_of(codec, tile), symbols)
        np.testing.assert_allclose(pixels_of(codec, tile), tile.reconstruction, atol=1e-5)


class Unsteady:
    """A convolution whose results are off by one part in ten thousand, as on a sloppy device."""

    def __init__(self) -> None:
        self.random = torch.Generator().manual_seed(3)
        self.real, self.calls = F.conv2d, 0

    def __call__(self, *args, **kwargs):
        self.calls += 1
        out = self.real(*args, **kwargs)
        return out * (1 + 1e-4 * torch.randn(out.shape, generator=self.random, dtype=out.dtype))


def by_torch(weights) -> LearnedCodec:
    """Return a codec that makes pixels as those on CUDA do."""
    other = LearnedCodec.from_weights(weights, device="cpu")
    other._synthesis = other._by_torch()
    return other


def test_symbols_survive_float_kernels_that_are_off(codec, weights, coded, monkeypatch):
    samples, tile = coded
    other, symbols, unsteady = by_torch(weights), symbols_of(codec, tile), Unsteady()
    monkeypatch.setattr(F, "conv2d", unsteady)
    monkeypatch.setattr(torch.nn.functional, "conv2d", unsteady)
    np.testing.assert_array_equal(symbols_of(other, tile), symbols)
    pixels = pixels_of(other, tile)
    elsewhere = other.encode_tile(samples, 0.7)
    assert unsteady.calls > 3  # analysis and synthesis did go through it
    assert 0 < np.abs(pixels - tile.reconstruction).max() < 0.01
    monkeypatch.undo()
    np.testing.assert_allclose(pixels_of(codec, elsewhere), elsewhere.reconstruction, atol=0.01)


@pytest.mark.parametrize("shape", [(3, 71, 90), (1, 5, 40), (3, 30, 7), (3, 8, 8)])
def test_onnxruntime_makes_the_pixels_torch_does(codec, weights, shape):
    for quality in (0.0, 0.63, 1.0):
        tile = codec.encode_tile(landscape(*shape), quality)
        pixels = pixels_of(by_torch(weights), tile)
        np.testing.assert_allclose(pixels, tile.reconstruction, rtol=0, atol=5e-6)


def test_tiles_coded_side_by_side_are_the_same(codec):
    jobs = [(landscape(3, 64 + 8 * seed, 72, seed=seed), 0.2 * seed) for seed in range(6)]
    alone = [codec.encode_tile(*job) for job in jobs]
    with ThreadPoolExecutor(3) as pool:
        beside = list(pool.map(lambda job: codec.encode_tile(*job), jobs))
        decoded = list(pool.map(lambda tile: pixels_of(codec, tile), alone))
    for one, other, pixels in zip(alone, beside, decoded, strict=True):
        assert one.payload == other.payload
        np.testing.assert_array_equal(other.reconstruction, one.reconstruction)
        np.testing.assert_array_equal(pixels, one.reconstruction)


def test_to_decode_takes_no_torch_and_to_encode_says_so(tmp_path, coded, weights):
    path, (_, tile) = tmp_path / "busy.safetensors", coded
    path.write_bytes(weights.content)
    np.savez(tmp_path / "tile.npz", payload=np.frombuffer(tile.payload, np.uint8), kept=tile.reconstruction)
    code = f"""
import sys; sys.modules["torch"] = None
import numpy as np
from rsic_geo.codecs.learned import LearnedCodec
codec, told = LearnedCodec({str(path)!r}), np.load({str(tmp_path / "tile.npz")!r})
np.testing.assert_array_equal(codec.decode_tile(told["payload"].tobytes(), told["kept"].shape), told["kept"])
codec.encode_tile(told["kept"], 0.5)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        "MissingDependencyError: without PyTorch the learned codec decodes only, and on the CPU: pip"
        in done.stderr
    )


@pytest.mark.gpu
def test_symbols_are_the_same_on_cuda(weights, codec):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    other = LearnedCodec.from_weights(weights, device="cuda")
    for seed in range(10):
        samples = landscape(3, 200 - seed, 150 + 7 * seed, seed=seed)
        for first, second in ((codec, other), (other, codec)):
            tile = first.encode_tile(samples, 0.1 * seed)
            np.testing.assert_array_equal(symbols_of(second, tile), symbols_of(first, tile))
            np.testing.assert_allclose(pixels_of(second, tile), tile.reconstruction, atol=1e-4)


@pytest.mark.parametrize("is_shipped", [False, True])
def test_no_sum_of_the_entropy_model_can_leave_the_exact_range(weights, is_shipped):
    if is_shipped:
        weights = open_weights(default_name(kind="codec"))
    frozen = load(weights.content)
    layers = [k.removesuffix(".weight") for k in frozen if k.startswith("exact.") and k.endswith(".weight")]
    assert len(layers) > 15
    for layer in layers:
        weight = frozen[f"{layer}.weight"].astype(np.float64)
        bias = frozen.get(f"{layer}.bias", np.zeros(1)).astype(np.float64)
        largest = 2.0**26 if "direct" in layer else 2.0**20
        assert (np.abs(weight).sum(1) * largest).max() + np.abs(bias).max() < 2.0**51  # four such terms


@pytest.mark.parametrize(("group", "phase"), [(0, 2), (1, 1), (3, 0)])
def test_the_entropy_model_computes_what_whole_numbers_of_python_do(codec, weights, group, phase):
    """Inputs far larger than any picture leads to, to the last of their bits."""
    frozen, rng, places = load(weights.content), np.random.default_rng(group), 7
    planes = {"hyper": 16}  # as many as `learned_support.SMALL` has, and features of groups before
    earlier = [16, 24, 48][:group]
    planes |= {f"x{k}": 9 * count for k, count in enumerate(earlier)}
    if phase:
        planes[f"x{group}"] = 9 * (16 if group == 0 else 24)
    if phase and group == 0:
        planes["x1"] = 9 * 8
    count = (8, 24, 48, 112)[group]
    given = {name: rng.integers(-(2**20), 2**20, (places, terms)) for name, terms in planes.items()}
    told = rng.integers(-3000, 3000, (1, count))

    def sums(name: str, columns: np.ndarray, row: int) -> int:
        weight = frozen[f"exact.{group}.{name}.weight"][row].tolist()
        bias = frozen.get(f"exact.{group}.{name}.bias")
        total = sum(a * b for a, b in zip(weight, columns.tolist(), strict=True))
        return total + (0 if bias is None else int(bias[row]))

    def activated(totals: list[int]) -> np.ndarray:
        return np.array([min(max((total + 2048) >> 12, 0), 2**20) for total in totals])

    means, rows = [], []
    for place in range(places):
        at = {name: values[place] for name, values in given.items()}
        hidden = [sums("hyper", at["hyper"], row) for row in range(16)]
        if group:  # groups lie beside each other at each of the nine neighbours
            joined = np.concatenate([at[f"x{k}"].reshape(9, -1) for k in range(group)], axis=1).reshape(-1)
            hidden = [total + sums("earlier", joined, row) for row, total in enumerate(hidden)]
        if phase:
            own = at[f"x{group}"]
            hidden = [total + sums(f"own.{phase - 1}", own, row) for row, total in enumerate(hidden)]
        middle = activated([sums("middle", activated(hidden), row) for row in range(16)])
        out = [sums("leave", middle, row) for row in range(count * (1 + (group < 3)))]
        if phase and group == 0:
            out[:count] = [
                total + sums(f"direct.{phase - 1}", at["x1"], row) for row, total in enumerate(out[:count])
            ]
        whole = [(total + 2048) >> 12 for total in out]
        means.append([min(max(value, -(2**25)), 2**25) for value in whole[:-count]])
        logs = [min(max(value, -(2**20)), 2**20) for value in whole[-count:]]
        rows.append([min(max((a + int(b)) >> 7, 0), 79) for a, b in zip(logs, told[0], strict=True)])
    inputs = {name: values.astype(np.float64) for name, values in given.items()}
    *found, index = codec._entropy._expects[group][phase].run(told=told.astype(np.float64), **inputs)
    assert index.tolist() == rows
    assert [part.tolist() for part in found] == ([means] if group < 3 else [])
    assert 0 < index.mean() < 79


@pytest.mark.parametrize("size", ["tiny", "base"])
def test_shapes_are_known_without_the_network(size):
    network = LearnedNetwork(SPECS[size])
    found = {name: tuple(tensor.shape) for name, tensor in shipped_tensors(network).items()}
    frozen = {k.removeprefix("exact."): shape for k, shape in found.items() if k.startswith("exact.")}
    tables = {name: frozen.pop(name) for name in ("cdf", "limits")}
    assert exact.shapes(network.spec) == frozen
    assert tables.keys() | frozen.keys() == freeze(network).keys()
    floats = {name: shape for name, shape in found.items() if not name.startswith("exact.")}
    assert synthesis.shapes(network.spec) == floats


def test_integers_expect_what_the_trained_floats_expect(network, codec, monkeypatch):
    monkeypatch.setattr(codec._choice, "choose", lambda parts: no_shifts(codec.spec))
    samples = landscape(3, 128, 128)
    x = torch.from_numpy(samples)[None]
    for level in (0, 90, 255):
        with torch.inference_mode():
            bits = float(network(x, torch.tensor([level]), hard=True).bits)
        tile = codec.encode_tile(samples, level / 255)
        assert 8 * (len(tile.payload) - HEADER) == pytest.approx(bits, rel=0.02, abs=100)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_payloads_of_shipped_weights_decode_as_on_the_day_they_were_made(path):
    golden = json.loads(path.read_text())
    shipped = LearnedCodec(golden["weights"], device="cpu", sha256=golden["sha256"])
    payload = base64.b64decode(golden["payload"])
    symbols = shipped.symbols_of(payload, (3, 45, 61))
    assert zlib.crc32(symbols.astype("<i2").tobytes()) == golden["symbols_crc"]
    pixels = shipped.decode_tile(payload, (3, 45, 61))
    assert pixels.shape == (3, 45, 61)
    np.testing.assert_allclose(pixels[:, ::15, ::20].ravel(), golden["pixels"], atol=1e-4)


def test_every_shipped_codec_has_a_golden_payload():
    shipped = {row.name for row in list_weights() if row.kind == "codec"}
    assert shipped <= {path.stem for path in GOLDEN.glob("*.json")}


# Damage


def refused_or_same(codec, payload: bytes, pixels: np.ndarray) -> bool:
    """Return whether a payload is refused; fail if it decodes to anything else."""
    try:
        decoded = codec.decode_tile(payload, pixels.shape)
    except RsicGeoError:
        return True
    np.testing.assert_array_equal(decoded, pixels)
    return False


def damaged(payload: bytes, rng: np.random.Generator) -> bytes:
    """Return a payload with a flipped bit, bytes overwritten, cut out, doubled or cut off."""
    data, place = bytearray(payload), int(rng.integers(len(payload)))
    kind = rng.integers(5)
    if kind == 0:
        data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[place : place + 4] = rng.bytes(len(data[place : place + 4]))
    elif kind == 2:
        del data[place : place + int(rng.integers(1, 9))]
    elif kind == 3:
        data[place:place] = data[place : place + 3] or b"x"
    else:
        del data[place:]
    return bytes(data)


def test_three_hundred_damaged_payloads(codec, coded):
    _, tile = coded
    rng = np.random.default_rng(11)
    refused = [refused_or_same(codec, damaged(tile.payload, rng), tile.reconstruction) for _ in range(300)]
    assert sum(refused) > 290


@pytest.mark.parametrize("length", [0, 1, 4, 5, 6, 7, -1])
def test_a_payload_cut_short_is_refused(codec, coded, length):
    _, tile = coded
    with pytest.raises((BitstreamError, ChecksumError), match="cut short|damaged"):
        codec.decode_tile(tile.payload[:length], (3, 71, 90))


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 1), (3, 71, 90)])
@pytest.mark.parametrize("filling", [b"\xff", b"\xf0", b"\0"])
def test_strings_nobody_wrote_are_read_in_bounds(codec, shape, filling):
    """A run of escapes asks the native coder for 15 times what it has read."""
    count = 6 + 192 * -(-shape[1] // 8) * -(-shape[2] // 8)
    for length in (8, 8 * count, 9 * count + 1000):
        with pytest.raises(ChecksumError, match="damaged"):
            codec.decode_tile(bytes(HEADER) + filling * length, shape)


@pytest.mark.parametrize("shape", [(1, 71, 90), (3, 90, 71), (3, 71, 89)])
def test_a_payload_of_another_shape_is_refused(codec, coded, shape):
    with pytest.raises(ChecksumError, match="damaged"):
        codec.decode_tile(coded[1].payload, shape)


@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 0, 8), (3, 8, 2049)])
def test_shapes_no_tile_has_are_refused(codec, coded, shape):
    with pytest.raises(BitstreamError, match="none of the learned codec"):
        codec.decode_tile(coded[1].payload, shape)


def test_entropy_parameters_that_differ_are_noticed(coded, weights):
    _, tile = coded
    other = LearnedCodec.from_weights(weights, device="cpu")
    other._entropy._frozen = {**other._entropy._frozen, "base": other._entropy._frozen["base"] + 200}
    with pytest.raises(ChecksumError, match="not those that were coded"):
        pixels_of(other, tile)


def test_other_weights_are_refused(coded):
    _, tile = coded
    other = LearnedCodec.from_weights(weights_of(busy_network(seed=1)), device="cpu")
    with pytest.raises(ChecksumError, match="made with other weights"):
        pixels_of(other, tile)


# Requests


@pytest.mark.parametrize("shape", [(2, 8, 8), (4, 8, 8), (3, 0, 8), (8, 8), (3, 8, 2049)])
def test_arrays_that_are_no_tile_are_refused(codec, shape):
    with pytest.raises(UnsupportedSceneError):
        codec.encode_tile(np.zeros(shape, np.float32), 0.5)


def test_samples_that_are_not_finite_are_refused(codec):
    samples = np.full((1, 9, 9), np.nan, np.float32)
    with pytest.raises(UnsupportedSceneError, match="finite"):
        codec.encode_tile(samples, 0.5)


@pytest.mark.parametrize("quality", [-0.1, 1.01, float("nan")])
def test_qualities_outside_the_axis_are_refused(codec, quality):
    with pytest.raises(UsageError, match="quality"):
        codec.encode_tile(np.zeros((1, 8, 8), np.float32), quality)


def test_weights_of_something_else_are_refused(weights):
    fields = {"name": "x", "sha256": weights.sha256, "content": weights.content}
    with pytest.raises(WeightsError, match="not those of a learned codec"):
        LearnedCodec.from_weights(WeightsFile(**fields, metadata={"format": "rsic-unet-1"}))
    spec = weights_of(busy_network(spec=learned.CodecSpec())).metadata
    with pytest.raises(WeightsError, match="do not fit"):
        LearnedCodec.from_weights(WeightsFile(**fields, metadata=spec))
    with pytest.raises(WeightsError, match="do not fit"):
        LearnedCodec.from_weights(
            WeightsFile(name="x", sha256="0" * 64, content=weights.content[:-9], metadata=weights.metadata)
        )


def test_without_compressai_one_line_says_what_to_install(weights, monkeypatch):
    monkeypatch.delitem(sys.modules, "compressai.ans", raising=False)
    monkeypatch.setattr(learned_rans, "_loaded", [])
    monkeypatch.setattr(learned_rans.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps .*tifffile"):
        LearnedCodec.from_weights(weights)
    monkeypatch.setattr(learned_rans.sys, "version_info", (3, 13, 0))
    with pytest.raises(MissingDependencyError, match="no build for Python 3.13"):
        LearnedCodec.from_weights(weights)


def test_the_coder_is_loaded_without_the_package_around_it():
    code = (
        "import sys; from rsic_geo.codecs.learned_rans import coder; coder();"
        "print('compressai' in sys.modules, 'torchvision' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"


def test_payloads_do_not_depend_on_the_threads_torch_begins_with():
    """How a sum is split over threads decides its last bits, and those decided symbols."""
    program = (
        "import hashlib, numpy as np, torch; from rsic_geo.codecs.learned import LearnedCodec\n"
        "samples = np.random.default_rng(0).random((3, 256, 320), dtype=np.float32)\n"
        "tiles = [LearnedCodec().encode_tile(samples, quality) for quality in (0.3, 0.8)]\n"
        "print([hashlib.sha256(t.payload + t.reconstruction.tobytes()).hexdigest() for t in tiles])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OMP_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "3")
    }
    assert len(said) == 1
