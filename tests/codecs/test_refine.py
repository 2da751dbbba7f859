"""Refined tiles: never dearer than plain ones, read as any other, and the same for the same input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
if find_spec("compressai") is None:
    pytest.skip("compressai is not installed (it has no build for Python 3.13)", allow_module_level=True)

from learned_support import busy_network, landscape, weights_of  # noqa: E402

from rsic_geo.codecs.base import Setting, TileForm  # noqa: E402
from rsic_geo.codecs.learned import LearnedCodec, LearnedTile  # noqa: E402
from rsic_geo.codecs.learned_network import refine, tables  # noqa: E402
from rsic_geo.codecs.learned_network.model import DEAD_ZONE, SoftSteps, round_with  # noqa: E402
from rsic_geo.codecs.learned_network.spec import LOWEST_LOG2, PER_OCTAVE, SCALES  # noqa: E402
from rsic_geo.codecs.learned_shifts import prices  # noqa: E402
from rsic_geo.codecs.learned_tile import PASSES, LearnedTiles  # noqa: E402
from rsic_geo.geo.radiometry import Radiometry  # noqa: E402


@pytest.fixture(scope="module")
def busy() -> LearnedCodec:
    return LearnedCodec.from_weights(weights_of(busy_network()), device="cpu")


@pytest.fixture(scope="module")
def shipped() -> LearnedCodec:
    return LearnedCodec("auto", device="cpu")


def cost(tile, samples, quality, weight):
    """Return bits and weighed error, counted here; the weight is the network's own lambda, see CodecSpec."""
    error = np.square(tile.reconstruction.astype(np.float64).clip(0, 1) - samples).mean(axis=0).sum()
    return 8 * len(tile.payload) + weight(round(quality * 255)) * error


@settings(max_examples=25)
@given(
    bands=st.sampled_from([1, 3]),
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    quality=st.floats(0, 1),
    passes=st.integers(1, 4),
    seed=st.integers(0, 99),
    noise=st.booleans(),
)
def test_refining_never_costs_and_what_it_says_comes_back(
    busy, bands, height, width, quality, passes, seed, noise
):
    shape = (bands, height, width)
    rng = np.random.default_rng(seed)
    samples = rng.random(shape, dtype=np.float32) if noise else landscape(*shape, seed=seed)
    plain, refined = busy.encode_tile(samples, quality), busy.encode_tile(samples, quality, passes=passes)
    np.testing.assert_array_equal(busy.decode_tile(refined.payload, shape), refined.reconstruction)
    weigh = busy.spec.refined_weight
    assert cost(refined, samples, quality, weigh) <= cost(plain, samples, quality, weigh) * (1 + 1e-9)


@pytest.mark.parametrize("bands", [1, 3])
def test_the_shipped_network_gains_and_more_with_more_passes(shipped, bands):
    samples = landscape(bands, 128, 160, seed=3)
    logs = np.array(
        [
            [
                np.log(cost(shipped.encode_tile(samples, quality, passes=n), samples, quality, weigh))
                for n in (0, PASSES["normal"], PASSES["best"])
            ]
            for weigh in [shipped.spec.refined_weight]
            for quality in (0.2, 0.5, 0.8)
        ]
    )
    assert (logs[:, 1] < logs[:, 0] - 0.004).all()
    assert logs[:, 2].mean() < logs[:, 1].mean() < logs[:, 0].mean() - 0.005


def test_without_passes_nothing_is_refined(shipped, monkeypatch):
    samples = landscape(3, 40, 40)
    plain = shipped.encode_tile(samples, 0.5).payload
    monkeypatch.setattr(shipped._by_torch(), "refine", lambda *_, **__: pytest.fail("refined"))
    assert shipped.encode_tile(samples, 0.5, passes=0).payload == plain


def test_the_same_tile_is_the_same_bytes_on_any_thread(shipped):
    samples = landscape(3, 96, 96)
    alone = shipped.encode_tile(samples, 0.4, passes=2).payload
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: shipped.encode_tile(samples, 0.4, passes=2).payload, range(6)))
    assert set(found) == {alone}


@given(st.integers(1, 256), st.integers(1, 256))
def test_pieces_cover_a_tile_once_and_begin_where_phases_do(height, width):
    counted = np.zeros((height, width), int)
    for piece in refine._pieces(height, width):
        counted[piece.seen][piece.core] += 1
        for seen, core in zip(piece.seen, piece.core, strict=True):
            assert seen.start % 4 == 0
            assert 0 <= core.start < core.stop <= seen.stop - seen.start <= 112
    assert (counted == 1).all()


def test_pieces_leave_no_trace(shipped, monkeypatch):
    """A tile in pieces costs what it costs whole, within a thousandth."""
    samples = landscape(3, 320, 320, seed=5)
    weigh = shipped.spec.refined_weight
    whole = cost(shipped.encode_tile(samples, 0.5, passes=2), samples, 0.5, weigh)
    monkeypatch.setattr(refine, "_PIECE", 16)
    parts = cost(shipped.encode_tile(samples, 0.5, passes=2), samples, 0.5, weigh)
    assert parts == pytest.approx(whole, rel=1e-3)


def test_prices_are_those_of_the_tables(shipped):
    bits = prices(shipped._entropy.cdf, shipped._entropy.half_width)
    told = refine.Prices(torch.from_numpy(bits))
    for row in (1, 20, 50, SCALES - 1):
        width = np.diff(shipped._entropy.cdf[row])[shipped._entropy.half_width[row] :]
        for size in (0, 1, 3):
            expected = 16 - np.log2(width[size]) if size <= shipped._entropy.half_width[row] else None
            found = float(told(torch.tensor(float(size)), torch.tensor(row + 0.5)))
            if expected is not None:
                assert found == pytest.approx(expected, rel=2e-3)
    between = float(told(torch.tensor(0.5), torch.tensor(30.5)))
    assert between == pytest.approx((bits[30, 0] + bits[30, 1]) / 2, rel=1e-6)


@pytest.mark.parametrize("row", [0, 5, 30, 60])
def test_steep_steps_round_as_the_encoder_does(row):
    limits = tables.thresholds(tables.probabilities(busy_network().entropy), DEAD_ZONE).float()
    residual = torch.linspace(-3.4, 3.4, 1201)
    logs = torch.full_like(residual, LOWEST_LOG2 + (row + 0.5) / PER_OCTAVE)
    soft, counted = SoftSteps(limits, 2000.0)(residual, logs)
    hard = round_with(residual, tables.index_of(logs), limits)
    assert torch.equal(soft, counted)
    assert float(((soft - hard).abs() > 0.01).float().mean()) < 0.02
    gentle = SoftSteps(limits, 10.0)(residual, logs)[0]
    assert (gentle.diff() >= -1e-6).all()


def test_a_codec_first_used_without_gradients_refines_all_the_same():
    samples, weights = landscape(3, 40, 48), weights_of(busy_network())
    samples.setflags(write=False)
    with torch.inference_mode():
        inside = LearnedCodec.from_weights(weights, device="cpu")
        found = inside.encode_tile(samples, 0.5, passes=1).payload
    outside = LearnedCodec.from_weights(weights, device="cpu")
    assert outside.encode_tile(samples, 0.5, passes=1).payload == found
    assert inside.encode_tile(samples, 0.5, passes=1).payload == found


class Recording:
    """A network that notes how it is asked."""

    name, sha256 = "recording", "cd" * 32

    def __init__(self):
        self.passes = []

    def encode_tile(self, samples, quality, *, passes=0):
        self.passes.append(passes)
        return LearnedTile(payload=b"", reconstruction=samples)


@pytest.mark.parametrize(("effort", "passes"), [("fast", 0), ("normal", 1), ("best", 3)])
def test_effort_says_how_often(effort, passes):
    radiometry = Radiometry(dtype="uint8", low=(0.0,) * 3, high=(255.0,) * 3)
    form = TileForm(radiometry=radiometry, groups=((0, 1, 2),), effort=effort)
    network = Recording()
    codec = LearnedTiles(form, weights="auto", device="cpu", sha256=None, loader=lambda *_, **__: network)
    codec.encode(np.zeros((3, 8, 8), np.uint8), Setting(quality=0.5))
    assert network.passes == [passes]
