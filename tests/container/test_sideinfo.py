"""Side information: every field comes back, every byte counts, damage is told apart from novelty."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.container import coded, fields, preset, sideinfo
from rsic_geo.container.sideinfo import UNKNOWN_MODEL, ModelReference, Picture, SideInfo, pack, unpack
from rsic_geo.errors import ChecksumError, ContainerError, VersionError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.targets import numbered
from rsic_geo.weights import default_name, list_weights

RGB = MetadataSnapshot(
    width=400, height=400, count=3, colorinterp=("red", "green", "blue"), has_statistics=False
)
PICTURE = Picture(height=400, width=400, count=3, dtype="uint8")
PICTURES = [
    None,
    PICTURE,
    Picture(height=2000, width=3000, count=4, dtype="int16"),
    Picture(height=1, width=7, count=1, dtype="uint16"),
]
MODEL = ModelReference(name="rgb", sha256="0f" * 32)
PLAIN = SideInfo(lossless=False, snapshot=RGB, tile_crcs=(2**32 - 1,), pixel_crcs=(5,), target={"bpp": 0.15})
FULL = SideInfo(
    lossless=False,
    snapshot=MetadataSnapshot(
        width=3000,
        height=2000,
        count=4,
        dtypes=("int16",) * 4,
        crs="EPSG:32633",
        transform=(10.0, 0.0, 5e5, 0.0, -10.0, 4e6),
        nodata=(0, 0, float("nan"), None),
        tags={"": {"TIFFTAG_SOFTWARE": "ä" * 100}},
    ),
    tile_size=512,
    header_crc=7,
    tile_crcs=tuple(range(24)),
    pixel_crcs=tuple(range(100, 124)),
    model=MODEL,
    seed=2**40,
    groups=((0,), (1,), (2, 3)),
    levels=np.random.default_rng(0).integers(0, 256, (3, 8, 12)).astype(np.uint8),
    strengths=np.random.default_rng(1).integers(0, 193, (3, 8, 12)).astype(np.uint8),
    radiometry=Radiometry(dtype="int16", low=(0.0,) * 4, high=(5000.5,) * 4),
    planes={(tile, kind): bytes([tile]) * tile for tile in range(24) for kind in ("valid", "mask")},
    target={"psnr": 40.0},
    extras={"affine": {"scale": [0.1, 2.0]}},
)


def assert_same(ours: SideInfo, theirs: SideInfo) -> None:
    for name in SideInfo.__dataclass_fields__:
        if name in ("levels", "strengths"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
            assert getattr(theirs, name).dtype == np.uint8
        elif name == "snapshot":
            assert ours.snapshot.diff(theirs.snapshot) == []
        else:
            assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("side", [PLAIN, FULL, SideInfo(lossless=True, snapshot=RGB)])
def test_every_field_comes_back_whatever_is_presumed(side, picture):
    assert_same(side, unpack(pack(side, picture), picture))


def test_what_the_picture_says_is_not_stored():
    assert "width" not in str(fields.read_fields(pack(PLAIN, PICTURE)[2:-4], range(128)))
    assert len(pack(PLAIN, PICTURE)) < len(pack(PLAIN)) - 10


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    crcs=st.lists(st.integers(0, 2**32 - 1), max_size=40),
    seed=st.integers(0, 2**64 - 1),
    planes=st.dictionaries(
        st.tuples(st.integers(0, 65534), st.sampled_from(["valid", "mask", "alpha", "µ"])),
        st.binary(max_size=40),
    ),
    fill=st.integers(0, 255),
)
@settings(deadline=None)
def test_any_values_come_back(shape, crcs, seed, planes, fill):
    cells = np.full(shape, fill, np.uint8)
    cells[0, 0, 0] = 255 - fill
    side = SideInfo(
        lossless=True,
        snapshot=RGB,
        tile_crcs=tuple(crcs),
        seed=seed,
        planes=planes,
        levels=cells,
        strengths=cells,
    )
    assert_same(side, unpack(pack(side)))
    assert_same(side, unpack(pack(side, PICTURE), PICTURE))


def test_a_shipped_model_is_recorded_by_its_digest_alone(monkeypatch):
    row = next(row for row in list_weights() if row.name == default_name())
    shipped = ModelReference(name=row.name, sha256=row.sha256)
    content = pack(replace(PLAIN, model=shipped), PICTURE)
    assert row.name.encode() not in content
    assert unpack(content, PICTURE).model == shipped
    other = replace(PLAIN, model=ModelReference(name="mine", sha256=row.sha256))  # same file, other name
    assert unpack(pack(other, PICTURE), PICTURE).model.name == "mine"
    monkeypatch.setattr("rsic_geo.weights.list_weights", lambda: ())
    assert unpack(content, PICTURE).model == ModelReference(name=UNKNOWN_MODEL, sha256=row.sha256)


@given(
    kind=st.sampled_from(sorted(numbered())),
    value=st.one_of(st.floats(0, 1e9), st.integers(0, 10**6).map(lambda n: n / 1000)),
)
def test_targets_come_back_exactly(kind, value):
    content = fields.pack_target({kind: value})
    assert not content or fields.unpack_target(content) == {kind: value}
    if value == round(value, 3) and value < 1e6:
        assert 0 < len(content) <= 6


@pytest.mark.parametrize("target", [{}, {"bpp": 1, "psnr": 2}, {"own": 1.0}, {"bpp": -1.0}, {"bpp": 10**400}])
def test_other_targets_stay_in_the_document(target):
    assert fields.pack_target(target) == b""


def test_small_scenes_pay_little():
    enhanced = SideInfo(
        lossless=False,
        snapshot=RGB,
        tile_crcs=(1,),
        pixel_crcs=(2,),
        header_crc=3,
        model=MODEL,
        groups=((0, 1, 2),),
        levels=np.full((1, 2, 2), 90, np.uint8),
        strengths=np.full((1, 2, 2), 128, np.uint8),
        radiometry=Radiometry.whole_range("uint8", 3),
        target={"bpp": 0.15},
    )
    assert_same(enhanced, unpack(pack(enhanced, PICTURE), PICTURE))
    assert len(pack(PLAIN, PICTURE)) <= 26
    assert len(pack(enhanced, PICTURE)) <= 44


def test_a_model_is_known_by_the_beginning_of_its_digest():
    assert MODEL.matches("0f" * 32)
    assert MODEL.matches("0F" * 32)
    assert not MODEL.matches("0f" * 7 + "1f" * 25)


def test_the_dictionary_never_changes():
    assert zlib.crc32(preset.PRESET) == PRESET_CRC, "archives of version 1 could no longer be read"


def test_a_newer_version_is_named():
    data = bytearray(pack(PLAIN))
    data[0] += 1
    with pytest.raises(VersionError, match="update rsic_geo"):
        unpack(bytes(data))


def test_a_newer_minor_version_with_more_fields_is_read():
    body = pack(FULL)[:-4]
    body = bytes((body[0], body[1] + 1)) + body[2:] + bytes((2 * 99, 3)) + b"new"
    assert_same(FULL, unpack(body + zlib.crc32(body).to_bytes(4, "big")))


@given(position=st.integers(1, len(pack(FULL)) - 1), flip=st.integers(1, 255))
def test_every_changed_byte_is_noticed(position, flip):
    data = bytearray(pack(FULL))
    data[position] ^= flip
    with pytest.raises(ChecksumError):
        unpack(bytes(data))


@given(length=st.integers(0, len(pack(FULL)) - 1))
def test_every_truncation_is_noticed(length):
    with pytest.raises(ChecksumError):
        unpack(pack(FULL)[:length])


@given(st.binary(max_size=300))
def test_random_bytes_raise_container_errors_only(data):
    with pytest.raises(ContainerError):
        unpack(data)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_damage_behind_a_right_checksum_raises_container_errors_only(data):
    contents = fields.read_fields(pack(FULL)[2:-4], range(128))
    tag = data.draw(st.sampled_from(sorted(contents)))
    content = bytearray(contents[tag])
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    contents[tag] = bytes(content[: data.draw(st.integers(0, len(content)))])
    writer = fields.Writer()
    for number, value in contents.items():
        writer.add(number, value)
    body = bytes((sideinfo.MAJOR, sideinfo.MINOR)) + writer.data()
    with suppress(ContainerError):
        unpack(body + zlib.crc32(body).to_bytes(4, "big"))


def test_fields_that_would_inflate_without_end_are_refused():
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = packer.compress(bytes(fields.MAX_INFLATED_BYTES * 8)) + packer.flush()
    with pytest.raises(ContainerError, match="too long"):
        fields.read_fields(bytes((2 * 12 + 1,)) + fields.varint(len(bomb)) + bomb, {12})


@pytest.mark.parametrize(
    ("tag", "content"),
    [
        (3, b"abc"),
        (3, b"\xff\xff\x03" + bytes(8)),
        (4, b"\x01\x01abc"),
        (4, b"\x00\x00\x01"),
        (8, b"\xff\xff\x03"),
        (9, b"\x02\x02\x01"),
        (9, b"\x00\x00\x01"),
        (11, b"\x05valid\x01\xff\xff\x7f\x00"),
        (11, b"\x01\xff\x01\x00\x00"),
        (11, b"".join(b"\x01" + bytes((65 + i,)) + b"\x00" for i in range(20))),
        (12, b"[1]"),
        (12, b"{"),
        (12, b"[" * 100000),
        (12, b'{"s":{"width":1,"height":1,"count":1000000000000}}'),
        (12, b'{"s":{"width":1,"height":1,"count":1},"t":5}'),
        (6, b"short"),
        (14, b"\x01"),
        (14, b"\x01\x01\x01"),
        (6, bytes(8) + b"\xff"),
        (7, b"\xff" * 11),
    ],
)
def test_impossible_contents_are_refused(tag, content):
    writer = fields.Writer()
    for number, value in fields.read_fields(pack(PLAIN)[2:-4], range(128)).items():
        if number != tag:
            writer.add(number, value)
    writer.add(tag, content)
    body = bytes((sideinfo.MAJOR, sideinfo.MINOR)) + writer.data()
    with pytest.raises(ContainerError):
        unpack(body + zlib.crc32(body).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"seed": 2**64},
        {"levels": np.zeros((2, 2), np.uint8)},
        {"levels": np.zeros((1, 2, 2), np.int16)},
        {"extras": {"a": object()}},
        {"extras": {"a": "x" * (fields.MAX_JSON_BYTES + 1)}},
    ],
)
def test_values_that_do_not_fit_are_refused(values):
    with pytest.raises(ContainerError):
        pack(SideInfo(lossless=True, snapshot=RGB, **values))


@pytest.mark.parametrize(
    ("name", "sha256"), [("", "0f" * 32), ("rgb", "0f" * 7), ("rgb", "0f" * 33), ("rgb", "zz" * 32)]
)
def test_a_model_needs_a_name_and_a_digest(name, sha256):
    with pytest.raises(ContainerError):
        ModelReference(name=name, sha256=sha256)


PRESET_CRC = 0x94B623AF


@pytest.mark.parametrize("name", ["../weights", "c:\\weights", "here.safetensors", "a\0b"])
def test_an_archive_may_not_choose_a_file_of_weights(name):
    with pytest.raises(ContainerError, match="not a name"):
        ModelReference(name=name, sha256="0f" * 32)


def test_the_cells_of_very_large_scenes_come_back_too():
    """More cells than are coded one by one: deflated."""
    picture = Picture(height=20_000, width=20_000, count=3, dtype="uint16")
    shape = (3, 79, 79)
    assert np.prod(shape) > coded.MAX_CELLS
    rng = np.random.default_rng(4)
    side = replace(
        FULL,
        groups=((0,), (1,), (2,)),
        levels=rng.integers(140, 160, shape).astype(np.uint8),
        strengths=rng.integers(120, 136, shape).astype(np.uint8),
    )
    assert_same(side, unpack(pack(side, picture), picture))
    smaller = replace(picture, height=256 * 50)
    few = replace(side, levels=side.levels[:, :50], strengths=side.strengths[:, :50])
    assert_same(few, unpack(pack(few, smaller), smaller))
