"""The arithmetic coder: what a writer was told a reader finds, in about as many bits as information has."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.container.arithmetic import (
    MAX_LENGTH,
    Meter,
    Model,
    Reader,
    Writer,
    code_signed,
    code_unsigned,
)
from rsic_geo.errors import ContainerError

SHARES = (0.5, 0.001, 0.999, 0.2, 0.0, 1.0)
STEPS = st.lists(st.tuples(st.integers(0, len(SHARES) - 1), st.integers(0, 1)), max_size=400)


@given(steps=STEPS, flat=st.integers(0, 2**20 - 1))
def test_bits_come_back(steps, flat):
    writer = Writer(Model(SHARES))
    for place, bit in steps:
        assert writer.bit(place, bit) == bit
    writer.flat(20, flat)
    content = writer.data()
    reader = Reader(Model(SHARES), content)
    assert [reader.bit(place) for place, _ in steps] == [bit for _, bit in steps]
    assert reader.flat(20) == flat
    reader.finish()
    assert not content.endswith(b"\0")


@given(
    values=st.lists(st.integers(-(2**MAX_LENGTH) + 2, 2**MAX_LENGTH - 2), max_size=60),
    longest=st.integers(1, 16),
)
def test_numbers_come_back(values, longest):
    shares = [0.5] * (2 * longest + 1)
    writer = Writer(Model(shares))
    for value in values:
        code_signed(writer, 0, value, longest=longest)
        code_unsigned(writer, longest + 1, abs(value), longest=longest)
    reader = Reader(Model(shares), writer.data())
    for value in values:
        assert code_signed(reader, 0, 0, longest=longest) == value
        assert code_unsigned(reader, longest + 1, 0, longest=longest) == abs(value)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9])
def test_it_takes_hardly_more_than_the_entropy_and_the_meter_agrees(share):
    bits = (np.random.default_rng(0).random(20_000) < share).tolist()
    writer, meter = Writer(Model([0.5])), Meter(Model([0.5]))
    for bit in bits:
        writer.bit(0, int(bit))
        meter.bit(0, int(bit))
    entropy = -len(bits) * (share * math.log2(share) + (1 - share) * math.log2(1 - share))
    taken = 8 * len(writer.data())
    assert taken == pytest.approx(meter.bits, abs=16)
    assert 0.97 * entropy < taken < 1.06 * entropy


def test_carries_run_through_long_rows_of_ones():
    """Improbable bits again and again, so that low lies just below a carry for long."""
    steps = [(2, 0)] * 300 + [(1, 1)] * 300 + [(0, k % 2) for k in range(300)]
    for cut in range(0, len(steps), 7):
        part = steps[cut:]
        writer = Writer(Model(SHARES))
        for place, bit in part:
            writer.bit(place, bit)
        reader = Reader(Model(SHARES), writer.data())
        assert [reader.bit(place) for place, _ in part] == [bit for _, bit in part]


def test_numbers_that_never_end_and_bytes_left_over_are_refused():
    writer = Writer(Model([0.5]))
    for _ in range(100):
        writer.bit(0, 1)
    with pytest.raises(ContainerError, match="impossible"):
        code_unsigned(Reader(Model([0.5]), writer.data()), 0, 0, longest=1)
    with pytest.raises(ContainerError, match="followed"):
        Reader(Model([0.5]), b"12345").finish()
