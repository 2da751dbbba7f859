"""Shifts tell how far a tile's symbols are from what the network expects; they change no pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from learned_support import landscape  # noqa: E402

from rsic_geo.codecs.learned import LearnedCodec  # noqa: E402
from rsic_geo.codecs.learned_network.spec import PRECISION, SCALES  # noqa: E402
from rsic_geo.codecs.learned_shifts import ROWS, ShiftChoice, frequencies, moved, shift_count  # noqa: E402
from rsic_geo.errors import BitstreamError  # noqa: E402

ROW = 5
"""Where a payload tells the row that shifts are coded with."""


@pytest.fixture(scope="module")
def codec():
    return LearnedCodec(device="cpu")


@pytest.fixture(scope="module")
def plain():
    """The same codec, which tells no shifts."""
    codec = LearnedCodec(device="cpu")
    codec._choice.choose = lambda parts: (0, np.zeros(shift_count(codec.spec), np.int32))
    return codec


def laplacian(scale):
    """Return frequencies of sizes up to 60, and how wide the row is."""
    width = 60
    share = np.exp(-np.abs(np.arange(-width, width + 1)) / scale)
    share = np.append(share / share.sum() * 0.999, 0.001)
    counts = 1 + np.floor(share * ((1 << PRECISION) - len(share))).astype(int)
    counts[width] += (1 << PRECISION) - counts.sum()
    return np.append(0, counts.cumsum())


def choice():
    rows = np.array([laplacian(2.0 ** (k / 8 - 4)) for k in range(SCALES)])
    return ShiftChoice(rows.astype(np.int32), np.full(SCALES, 60, np.int32)), rows


@given(
    rows=st.lists(st.integers(0, SCALES - 1), min_size=1, max_size=30),
    shift=st.integers(-(2**15), 2**15 - 1),
)
def test_rows_stay_in_the_table_and_what_is_not_coded_stays_so(rows, shift):
    before = np.array([rows], np.uint8)
    after = moved(before, np.array([shift]))
    assert after.dtype == np.uint8
    assert ((after == 0) == (before == 0)).all()
    assert after.max(initial=0) < SCALES
    assert (moved(before, np.zeros(1, np.int32)) == before).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), far=st.integers(-16, 16), size=st.sampled_from([4, 40, 400]))
def test_symbols_that_are_wider_or_narrower_are_found_out(seed, far, size):
    """What is chosen never costs more, and of many symbols it is about the truth."""
    made, table = choice()
    rng = np.random.default_rng(seed)
    rows = rng.integers(30, 50, (6, size, 4)).astype(np.uint8)
    truth = np.clip(rows.astype(int) + far, 1, SCALES - 1)
    symbols = np.round(rng.laplace(0, 1, rows.shape) * 2.0 ** (truth / 8 - 4)).astype(np.int32)
    row, shifts = made.choose([(symbols[:2], rows[:2]), (symbols[2:], rows[2:])])
    assert shifts.shape == (6,)
    bits = PRECISION - np.log2(np.diff(table, axis=1))

    def cost(of, values):
        return bits[of, np.clip(values, -60, 60) + 60].sum()

    own = PRECISION - np.log2(np.diff(frequencies()[0], axis=1))
    told = own[row, shifts + 20].sum() if row else 0.0
    assert told + cost(moved(rows, shifts), symbols) <= cost(rows, symbols) + 1e-6
    if size == 400 and abs(far) > 4:
        assert row
        assert np.abs(shifts - far).max() <= 4


@pytest.mark.parametrize(
    ("kind", "quality"),
    [("fields", 0.2), ("fields", 0.8), ("one band", 0.6), ("false colours", 0.2), ("false colours", 0.6)],
)
def test_unfamiliar_ground_takes_fewer_bytes_and_the_same_pixels(codec, plain, kind, quality):
    samples = landscape(1 if kind == "one band" else 3, 256, 256)
    if kind == "false colours":  # bands that have nothing in common
        samples = np.stack([samples[0], samples[1].T, samples[2][::-1]])
    ours, theirs = (each.encode_tile(samples, quality) for each in (codec, plain))
    assert ours.payload[ROW] > 0 == theirs.payload[ROW]
    assert len(ours.payload) < (0.995 if kind == "one band" else 0.97) * len(theirs.payload)
    np.testing.assert_array_equal(ours.reconstruction, theirs.reconstruction)
    np.testing.assert_array_equal(codec.decode_tile(ours.payload, samples.shape), ours.reconstruction)
    np.testing.assert_array_equal(codec.decode_tile(theirs.payload, samples.shape), ours.reconstruction)


def test_a_tile_too_small_for_shifts_tells_none(codec, plain):
    samples = landscape(3, 16, 16)
    ours, theirs = (each.encode_tile(samples, 0.3) for each in (codec, plain))
    assert ours.payload == theirs.payload


def test_frequencies_are_whole_numbers_that_rise_to_the_whole():
    rows, widths = frequencies()
    assert rows.shape == (1 + ROWS, 2 * 20 + 3)
    assert (widths == 20).all()
    assert (rows[:, 0] == 0).all()
    assert (rows[:, -1] == 1 << PRECISION).all()
    steps = np.diff(rows, axis=1)
    assert steps.min() >= 1
    assert (steps[:, :41] == steps[:, 40::-1]).all()
    assert (np.diff(steps[1:, 20]) < 0).all()


@pytest.mark.parametrize("row", [ROWS + 1, 255])
def test_a_row_that_no_table_has_is_damage(codec, row):
    payload = bytearray(codec.encode_tile(landscape(3, 40, 40), 0.5).payload)
    payload[ROW] = row
    with pytest.raises(BitstreamError, match="damaged"):
        codec.decode_tile(bytes(payload), (3, 40, 40))
