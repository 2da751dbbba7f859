"""The TIFF of learned archives: payloads come back, TIFF readers see what they should, damage is found."""

from __future__ import annotations

import itertools
import random
import struct
import warnings
import zlib

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.container import tiff_pages, tiff_write
from rsic_geo.container.tiff import (
    Preview,
    TiffArchive,
    TiffLayout,
    TiffSpool,
    frame,
    unframe,
)
from rsic_geo.container.tiff_directory import END_MAGIC, MARK, is_tiff_archive
from rsic_geo.errors import (
    ChecksumError,
    ContainerError,
    MissingDependencyError,
    RsicGeoError,
    VersionError,
)
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster.formats.preview import picture_geotiff, place_geotiff

SNAPSHOT = MetadataSnapshot(
    width=20, height=12, count=3, crs="EPSG:32633", transform=(10.0, 0.0, 5e5, 0.0, -10.0, 5.6e6)
)
SIZES = [(1, 1), (17, 1031), (600, 513), (512, 512), (16, 16)]


def picture(bands=3, height=12, width=20):
    ramp = np.add.outer(np.arange(height) * 5, np.arange(width) * 3)
    return np.stack([ramp + 40 * b for b in range(bands)]).astype(np.uint8)


def write(
    path,
    layout,
    payloads,
    *,
    side=b"side",
    mask=None,
    preview_mask=None,
    place=None,
    bands=3,
    compression="jpeg",
):
    with TiffSpool(path, layout) as spool:
        for number in sorted(payloads, key=lambda n: (n % 3, n)):  # any order
            kind, body = payloads[number]
            spool.add_tile(number, frame(number, kind, body))
        preview = Preview(
            picture=picture_geotiff(picture(bands), compression), place=place, mask=preview_mask
        )
        return spool.finish(side, preview, place, mask)


def random_payloads(layout, seed=0, least=0):
    rng = random.Random(seed)
    return {
        n: (rng.randrange(256), rng.randbytes(rng.randrange(least, 400))) for n in range(layout.tile_count)
    }


@st.composite
def archives(draw):
    height, width = draw(st.sampled_from(SIZES))
    layout = TiffLayout(
        height=height,
        width=width,
        bands=draw(st.integers(1, 5)),
        dtype=draw(st.sampled_from(["uint8", "uint16", "int16"])),
        tile_size=draw(st.sampled_from([256, 512])),
        is_rgb=draw(st.booleans()),
        has_mask=draw(st.booleans()),
    )
    body = st.tuples(st.integers(0, 255), st.binary(max_size=60))
    payloads = {number: draw(body) for number in range(layout.tile_count)}
    return layout, payloads, draw(st.binary(min_size=1, max_size=3000)), draw(st.booleans())


@settings(max_examples=40)
@given(made=archives(), is_big=st.booleans(), bands=st.sampled_from([1, 3]))
def test_everything_comes_back(tmp_path_factory, made, is_big, bands):
    layout, payloads, side, has_preview_mask = made
    path = tmp_path_factory.mktemp("tiff") / "a.rsic.tif"
    rng = np.random.default_rng(len(side))
    whole = rng.random((layout.height, layout.width)) < 0.7
    size, cols = layout.tile_size, -(-layout.width // layout.tile_size)

    def mask(number):
        top, left = number // cols * size, number % cols * size
        return whole[top : top + size, left : left + size]

    with pytest.MonkeyPatch.context() as patch:
        if is_big:
            patch.setattr(tiff_write, "CLASSIC_LIMIT", 0)
        length = write(
            path,
            layout,
            payloads,
            side=side,
            mask=mask if layout.has_mask else None,
            preview_mask=rng.random((12, 20)) < 0.5 if has_preview_mask else None,
            bands=bands,
            compression="jpeg" if len(side) % 2 else "deflate",
        )
    with tifffile.TiffFile(path) as file:
        seen = file.pages[0].asarray()
        np.testing.assert_allclose(
            seen if bands == 1 else seen.transpose(2, 0, 1), picture(bands).squeeze(), atol=12
        )
    assert path.stat().st_size == length
    assert path.read_bytes()[:4] == (b"II+\0" if is_big else b"II*\0")
    assert is_tiff_archive(path)
    with TiffArchive(path) as archive:
        expected = layout if layout.bands >= 3 else TiffLayout(**{**fields(layout), "is_rgb": False})
        assert archive.layout == expected
        assert archive.side == side
        assert list(archive.damaged_previews()) == []
        for number, payload in payloads.items():
            assert archive.payload(number) == payload
            assert archive.kind(number) == payload[0]
            found = archive.mask(number)
            if layout.has_mask:
                core = mask(number)
                np.testing.assert_array_equal(found[: core.shape[0], : core.shape[1]], core)
                assert not found[core.shape[0] :].any()
                assert not found[:, core.shape[1] :].any()
            else:
                assert found is None


def fields(layout):
    return {name: getattr(layout, name) for name in layout.__dataclass_fields__}


def test_what_tifffile_sees(tmp_path):
    layout = TiffLayout(height=600, width=513, bands=5, dtype="int16", tile_size=256, has_mask=True)
    payloads, path = random_payloads(layout), tmp_path / "a.rsic.tif"
    valid = np.add.outer(np.arange(600), np.arange(513)) % 7 > 1

    def mask(number):
        return valid[number // 3 * 256 :, number % 3 * 256 :][:256, :256]

    shown = np.add.outer(np.arange(12), np.arange(20)) % 3 > 0
    write(path, layout, payloads, mask=mask, preview_mask=shown)
    with tifffile.TiffFile(path) as file:
        first, second = file.pages
        assert first.is_reduced
        np.testing.assert_allclose(first.asarray().transpose(2, 0, 1), picture(), atol=12)
        np.testing.assert_array_equal(second.asarray(), shown)
        assert second.subfiletype == 4
        full, held = first.pages
        assert (full.shape, full.dtype) == ((600, 513, 5), np.dtype("int16"))
        assert full.tags[259].value == 65271
        np.testing.assert_array_equal(held.asarray(), valid)
        data = path.read_bytes()
        for number, (offset, length) in enumerate(
            zip(full.dataoffsets, full.databytecounts, strict=True)
        ):  # what TIFF.md says
            payload = data[offset : offset + length]
            kind, body = payloads[number]
            assert payload[0] == kind
            assert payload[5:] == body
            crc = zlib.crc32(bytes([kind]) + number.to_bytes(4, "big") + body)
            assert payload[1:5] == crc.to_bytes(4, "big")
        assert full.tags[65272].value == b"side"


def test_a_second_finish_replaces_the_first(tmp_path):
    layout = TiffLayout(height=40, width=40, bands=1, dtype="uint8", tile_size=256)
    path = tmp_path / "a.rsic.tif"
    with TiffSpool(path, layout) as spool:
        spool.add_tile(0, frame(0, 1, b"first"))
        preview = Preview(picture=picture_geotiff(picture(1), "deflate"), place=None)
        long = spool.finish(b"long" * 100, preview, None)
        spool.restart()
        spool.add_tile(0, frame(0, 1, b"second"))
        assert spool.payload(0) == (1, b"second")
        assert spool.kind(0) == 1
        assert spool.finish(b"x", preview, None) < long
    with TiffArchive(path) as archive:
        assert (archive.side, archive.payload(0)) == (b"x", (1, b"second"))


def test_a_missing_tile_is_no_archive(tmp_path):
    layout = TiffLayout(height=40, width=600, bands=1, dtype="uint8", tile_size=256)
    with TiffSpool(tmp_path / "a.rsic.tif", layout) as spool:
        spool.add_tile(1, frame(1, 0, b""))
        with pytest.raises(ContainerError, match="tile 0 of 3"):
            spool.finish(b"x", Preview(picture=picture_geotiff(picture(1), "deflate"), place=None), None)
        with pytest.raises(ContainerError, match="tile 3"):
            spool.add_tile(3, frame(3, 0, b""))
        with pytest.raises(ChecksumError):
            spool.add_tile(2, frame(1, 0, b""))
    assert list(tmp_path.iterdir()) == []


@given(
    number=st.integers(0, 2**32 - 1), kind=st.integers(0, 255), body=st.binary(max_size=50), data=st.data()
)
def test_a_frame_knows_its_tile_and_every_bit(number, kind, body, data):
    framed = frame(number, kind, body)
    assert unframe(number, framed) == (kind, body)
    other = data.draw(st.integers(0, 2**32 - 1).filter(lambda n: n != number))
    with pytest.raises(ChecksumError):
        unframe(other, framed)
    bit = data.draw(st.integers(0, len(framed) * 8 - 1))
    flipped = bytearray(framed)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ChecksumError):
        unframe(number, bytes(flipped))
    with pytest.raises(ChecksumError):
        unframe(number, framed[: data.draw(st.integers(0, len(framed) - 1))])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    layout = TiffLayout(
        height=600, width=513, bands=3, dtype="uint8", tile_size=256, is_rgb=True, has_mask=True
    )
    payloads, path = random_payloads(layout, least=40), tmp_path_factory.mktemp("whole") / "a.rsic.tif"

    def mask(number):
        core = np.ones((600, 513), bool)[number // 3 * 256 :, number % 3 * 256 :][:256, :256]
        return core & (np.arange(core.shape[1]) % 5 > 0)

    write(path, layout, payloads, side=bytes(range(200)), mask=mask)
    with TiffArchive(path) as archive:
        masks = [archive.mask(n) for n in range(layout.tile_count)]
    return path.read_bytes(), payloads, masks


def damage(data, rng):
    """Return data with one fault: flipped bits, a zeroed run, a cut, a swapped run, bytes put in."""
    kind, out = rng.randrange(5), bytearray(data)
    at = rng.randrange(len(out))
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 8])):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        run = slice(at, at + rng.choice([1, 16, 512]))
        out[run] = bytes(len(out[run]))
    elif kind == 2:
        del out[at:]
    elif kind == 3:
        other, length = rng.randrange(len(out)), rng.choice([4, 12, 64])
        out[at : at + length], out[other : other + length] = (
            out[other : other + length],
            out[at : at + length],
        )
    else:
        out[at:at] = rng.randbytes(rng.choice([1, 4, 100]))
    return bytes(out)


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_refused_or_changes_nothing(whole, tmp_path, seed):
    """50 faults each: the archive is refused, or a tile is and the others are what they were."""
    data, payloads, masks = whole
    rng, path = random.Random(seed), tmp_path / "a.rsic.tif"
    refused = lost = 0
    for _ in range(50):
        path.write_bytes(damage(data, rng))
        try:
            archive = TiffArchive(path)
        except RsicGeoError:
            refused += 1
            continue
        with archive:
            assert archive.side == bytes(range(200))
            for number in payloads:
                try:
                    assert archive.payload(number) == payloads[number]
                except ChecksumError as error:
                    lost += f"tile {number} " in str(error)
                np.testing.assert_array_equal(archive.mask(number), masks[number])
    assert refused > 1
    assert lost > 1


def test_what_is_left_of_an_archive_is_still_called_one(whole, tmp_path):
    """Otherwise GDAL would read the preview of a cut archive as if it were the scene."""
    data, *_ = whole
    path = tmp_path / "a.rsic.tif"
    for cut in (len(data) - 1, len(data) - 30, len(data) * 2 // 3):
        path.write_bytes(data[:cut])
        assert is_tiff_archive(path)
        with pytest.raises(ChecksumError, match="end is missing"):
            TiffArchive(path)
    without_mark = bytearray(data)
    at = data.index(MARK)
    without_mark[at : at + 4] = bytes(4)
    path.write_bytes(without_mark)
    assert is_tiff_archive(path)
    with pytest.raises(ChecksumError, match="structure"):
        TiffArchive(path)


@pytest.mark.parametrize("borders", [(4, 40, 60), (40, 30, 60), (30, 60, 40), (30, 40, 9999)])
def test_borders_that_do_not_rise_are_refused_unread(tmp_path, monkeypatch, borders):
    """An end of file that anybody may have written: nothing is read twice, or beyond it."""
    said = struct.pack(">IIII", *borders, 0)
    path = _written(tmp_path / "a", b"II*\0" + bytes(200) + said + struct.pack(">I8s", 0, END_MAGIC))
    monkeypatch.setattr(tiff_pages, "range_crc", None)
    with path.open("rb") as file, pytest.raises(ChecksumError, match="end is damaged"):
        tiff_pages.read_footer(file)


@pytest.mark.parametrize(("version", "said"), [(3, "update rsic_geo"), (1, "before the first release")])
def test_other_versions_of_the_layout_are_refused_by_number(whole, tmp_path, version, said):
    data = whole[0].replace(b"RSI2", b"RSI%d" % version).replace(b"RSICTIF2", b"RSICTIF%d" % version)
    path = _written(tmp_path / "a.rsic.tif", data)
    assert is_tiff_archive(path)
    with pytest.raises(VersionError, match=f"layout {version}.*{said}"):
        TiffArchive(path)


def test_everything_but_tiles_lies_in_front_and_nothing_twice(tmp_path):
    """What TIFF.md says of the order; a value that two pages share has one place."""
    layout = TiffLayout(height=600, width=700, bands=3, dtype="uint8", tile_size=512, is_rgb=True)
    path = tmp_path / "a.rsic.tif"
    place = place_geotiff(SNAPSHOT, 12, 20, with_tags=True)
    write(path, layout, random_payloads(layout), place=place)
    with tifffile.TiffFile(path) as file:
        first, full = file.pages[0], file.pages[0].pages[0]
        ends = [tag.valueoffset + tag.valuebytecount for page in (first, full) for tag in page.tags]
        assert max(ends) <= first.dataoffsets[0] < full.dataoffsets[0]
        assert first.dataoffsets[0] + first.databytecounts[0] == full.dataoffsets[0]
        for here, there in itertools.pairwise(zip(full.dataoffsets, full.databytecounts, strict=True)):
            assert sum(here) == there[0]
        for code in (33922, 34735, 34737):
            assert first.tags[code].valueoffset == full.tags[code].valueoffset
        used = sum(8 + 12 * len(page.tags) for page in (first, full)) - 4
        assert used + 450 > first.dataoffsets[0]


def test_the_mask_page_counts_towards_bigtiff(tmp_path, monkeypatch):
    """Decided before anything is written: 9 tiles of masks are 9 x 32 768 bytes at most."""
    monkeypatch.setattr(tiff_write, "CLASSIC_LIMIT", 200_000)
    for has_mask, magic in ((True, b"II+\0"), (False, b"II*\0")):
        layout = TiffLayout(height=1536, width=1536, bands=1, dtype="uint8", tile_size=512, has_mask=has_mask)
        path = tmp_path / f"{has_mask}.rsic.tif"
        mask = (lambda _: np.ones((512, 512), bool)) if has_mask else None
        write(path, layout, random_payloads(layout), mask=mask)
        assert path.read_bytes()[:4] == magic


def test_a_damaged_preview_hurts_nobody_but_is_found(whole, tmp_path):
    data, payloads, _ = whole
    with tifffile.TiffFile(_written(tmp_path / "a.rsic.tif", data)) as file:
        at = file.pages[0].dataoffsets[0] + 20
    broken = bytearray(data)
    broken[at] ^= 4
    with TiffArchive(_written(tmp_path / "b.rsic.tif", bytes(broken))) as archive:
        assert all(archive.payload(n) == payloads[n] for n in payloads)
        assert len(list(archive.damaged_previews())) == 1


def _written(path, data):
    path.write_bytes(data)
    return path


def test_other_files_are_no_archives(tmp_path):
    tifffile.imwrite(tmp_path / "plain.tif", picture(1)[0])
    assert not is_tiff_archive(tmp_path / "plain.tif")
    assert not is_tiff_archive(_written(tmp_path / "short", b"II*\0"))
    assert not is_tiff_archive(_written(tmp_path / "jp2", b"\0\0\0\x0cjP  " + bytes(99)))
    assert not is_tiff_archive(tmp_path / "nothing.tif")
    assert not is_tiff_archive(tmp_path)
    with pytest.raises(ContainerError):
        TiffArchive(tmp_path / "plain.tif")


def test_without_tifffile_the_extra_is_named(tmp_path, monkeypatch, whole):
    path = _written(tmp_path / "a.rsic.tif", whole[0])
    monkeypatch.setitem(__import__("sys").modules, "tifffile", None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps .*tifffile"):
        TiffArchive(path)


def test_a_preview_is_made_without_a_warning():
    """Python users and batches saw rasterio's, that it has no place; the suite at large ignores it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert picture_geotiff(np.zeros((3, 8, 8), np.uint8), "jpeg")
