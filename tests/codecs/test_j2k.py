"""Marker segments: read what was written, refuse everything else with one kind of error."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rsic_geo.codecs import j2k
from rsic_geo.errors import BitstreamError

SIZE = j2k.ImageSize(
    width=3000,
    height=2000,
    tile_width=1024,
    tile_height=512,
    components=(j2k.Component(precision=16, is_signed=True), j2k.Component(precision=8, is_signed=False)),
)
CODING = (
    j2k.Segment(code=j2k.COD, payload=b"\0\0\0\1\0\5\4\4\0\0"),
    j2k.Segment(code=j2k.QCD, payload=b"\x40" + bytes(16)),
)
PARTS = (j2k.TilePart(tile=0, part=0, body=b"\xff\x93abc"), j2k.TilePart(tile=3, part=0, body=b"\xff\x93"))
STREAM = j2k.Codestream(size=SIZE, segments=CODING, parts=PARTS)


def test_sizes_survive_their_segment():
    assert j2k.ImageSize.from_payload(SIZE.to_segment().payload) == SIZE
    assert (SIZE.tile_columns, SIZE.tile_rows) == (3, 4)


def test_codestreams_survive_splitting():
    assert j2k.split_codestream(STREAM.to_bytes()) == STREAM


def test_a_last_part_of_unknown_length_reaches_to_the_end():
    data = bytearray(STREAM.to_bytes())
    last = data.rindex(b"\xff\x90")
    data[last + 6 : last + 10] = bytes(4)
    assert j2k.split_codestream(bytes(data)) == STREAM


@pytest.mark.parametrize(
    "values",
    [
        {"width": 0},
        {"height": 2**32},
        {"tile_width": 0},
        {"x0": 3000},
        {"tile_x0": 5},
        {"components": ()},
    ],
)
def test_impossible_sizes_are_refused(values):
    fields = {
        name: getattr(SIZE, name) for name in ("width", "height", "tile_width", "tile_height", "components")
    }
    with pytest.raises(BitstreamError):
        j2k.ImageSize(**{**fields, **values})


def test_headers_full_of_segments_are_refused():
    comment = j2k.Segment(code=j2k.COM, payload=b"").to_bytes()
    with pytest.raises(BitstreamError, match="too many"):
        j2k.read_segments(comment * (j2k.MAX_SEGMENTS + 1) + b"\xff\x90", 0, stop=j2k.SOT)


def test_packet_lengths_join_segments_in_their_order():
    second = j2k.Segment(code=j2k.PLT, payload=b"\x01\x05").to_bytes()
    first = j2k.Segment(code=j2k.PLT, payload=b"\x00\x81\x00\x7f").to_bytes()
    assert j2k.packet_lengths(second + first + b"\xff\x93") == [128, 127, 5]


@given(st.integers(0, len(STREAM.to_bytes()) - 1))
def test_no_truncation_is_overlooked(length):
    with pytest.raises(BitstreamError):
        j2k.split_codestream(STREAM.to_bytes()[:length])


@given(st.binary(max_size=200), st.integers(0, 150))
@example(b"\xff\x4f\xff\x51\x00\x02", 0)
def test_random_bytes_raise_nothing_else(noise, position):
    data = STREAM.to_bytes()
    for mutant in (
        noise,
        b"\xff\x4f" + noise,
        data[:position] + noise,
        data[:position] + noise + data[position:],
    ):
        with suppress(BitstreamError):
            j2k.split_codestream(mutant)
        with suppress(BitstreamError):
            j2k.packet_lengths(mutant)
        with suppress(BitstreamError):
            j2k.ImageSize.from_payload(mutant)
        with suppress(BitstreamError):
            j2k.parse_sot(mutant[:12])
