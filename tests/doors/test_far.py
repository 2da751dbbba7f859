"""Archives on a server: read by ranges, as much of them as a window needs, and right."""

from __future__ import annotations

import tarfile
from contextlib import suppress
from itertools import product
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import rasterio
from far.range_server import counted, serving
from pipeline_support import Smoother, installed, painted, write_scene
from rasterio.windows import Window

import rsic_geo
from rsic_geo.container.cog import read_record
from rsic_geo.errors import ContainerError, RsicGeoError, SceneError

SIDE, TILE, ASKED = 1400, 1024, 512
"""Rows and columns (px) of the large archive, of its tiles and of the windows that are read of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("far")
    write_scene(folder / "scene.tif", painted((3, SIDE, SIDE)), tiled=True)
    small = {"srcwin": (0, 0, 500, 400), "tile_size": 256}
    with installed(Smoother()):  # a network of a millisecond
        rsic_geo.compress(folder / "scene.tif", folder / "a.jp2", bpp=4.24, window_size=256)
        rsic_geo.compress(folder / "scene.tif", folder / "small.jp2", bpp=2, **small)
        rsic_geo.compress(folder / "scene.tif", folder / "lossless.jp2", **small)
        learned = {"codec": "learned", "model": "none", "bpp": 1, **small}
        rsic_geo.compress(folder / "scene.tif", folder / "l.rsic.tif", **learned)
        rsic_geo.compress(folder / "scene.tif", folder / "c.cog.tif", **small)
        with ZipFile(folder / "all.zip", "w") as pack:
            for name in ("a.jp2", "c.cog.tif", "l.rsic.tif"):
                pack.write(folder / name, f"in/{name}")
            pack.write(folder / "small.jp2", "small.jp2", ZIP_DEFLATED)
        with tarfile.open(folder / "all.tar", "w") as tape, tarfile.open(folder / "all.tgz", "w:gz") as gz:
            tape.add(folder / "a.jp2", "a.jp2")
            gz.add(folder / "small.jp2", "small.jp2")
        yield folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as address:
        yield address


def _touched(first: int, last: int) -> tuple[int, ...]:
    """Return the rows (or columns) of tiles in which pixels first..last - 1 lie."""
    return tuple(range(first // TILE, (last - 1) // TILE + 1))


def _seen(first: int) -> tuple[int, int]:
    """Return rows the network sees for a window: whole squares of 64 px about what its filter reads."""
    return max((first - 3) // 64 * 64 - 64, 0), min(-(-(first + ASKED + 3) // 64) * 64 + 64, SIDE)


def _by_gdal(name: str, window: Window) -> Any:
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        rasterio.open(f"/vsicurl/{name}") as plain,
    ):
        return plain.read(window=window)


def _by_us(name: str, window: Window) -> Any:
    with rsic_geo.open(name) as archive:
        assert archive.is_archive
        return archive.read(window=window)


def test_an_enhanced_window_costs_what_gdal_reads_for_all_that_the_network_sees(server, folder):
    """Of tiles GDAL reads all or nothing, and so do we: the next tile counts where the network sees into it.

    So 1.5 x the bytes of the plain window hold wherever the network sees no further tile than the window.
    """
    assert 900_000 < (folder / "a.jp2").stat().st_size < 1_200_000
    with rsic_geo.open(folder / "a.jp2") as near:
        assert near.is_enhanced
        whole = near.read()
    starts = range(SIDE - ASKED + 1)
    ways: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for first in starts:
        ways.setdefault((_touched(first, first + ASKED), _touched(*_seen(first))), []).append(first)
    by_gdal: dict[object, int] = {}  # by the tiles that are touched
    shares = []
    for number, (down, right) in enumerate(product(ways, repeat=2), start=100):
        rows, cols = ways[down], ways[right]
        row, col = rows[len(rows) // 2], cols[len(cols) // 2]
        (top, bottom), (left, far) = _seen(row), _seen(col)
        window, seen = Window(col, row, ASKED, ASKED), Window(left, top, far - left, bottom - top)
        for touched, area in (((down[0], right[0]), window), ((down[1], right[1]), seen)):
            if touched not in by_gdal:
                _by_gdal(f"{server}/0/9{number}/a.jp2", area)
                _, by_gdal[touched] = counted(server)
        plain, grown = by_gdal[down[0], right[0]], by_gdal[down[1], right[1]]
        found = _by_us(f"{server}/0/{number}/a.jp2", window)
        requests, sent = counted(server)
        assert requests <= 15
        assert sent <= grown + 16384  # the pieces that GDAL reads
        if (down[0], right[0]) == (down[1], right[1]):
            assert sent <= 1.5 * plain
        shares += [(sent / plain, sent / grown)] * (len(rows) * len(cols))
        np.testing.assert_array_equal(found, whole[(slice(None), *window.toslices())])
    assert len(shares) == len(starts) ** 2
    of_plain, of_seen = np.array(shares).T
    for name, share in (("the plain window", of_plain), ("what the network sees", of_seen)):
        print(
            f"bytes by GDAL's for {name}: mean {share.mean():.2f}, median {np.median(share):.2f}, "
            f"worst {share.max():.2f}, above 1.5 in {(share > 1.5).mean():.0%} of places"
        )
    assert of_plain.mean() < 1.5


@pytest.mark.parametrize("name", ["small.jp2", "lossless.jp2", "l.rsic.tif", "c.cog.tif"])
@pytest.mark.parametrize("prefix", ["", "/vsicurl/"])
def test_a_far_archive_gives_what_a_near_one_gives(name, prefix, server, folder):
    address = f"{prefix}{server}/0/{len(prefix)}/{name}"
    with rsic_geo.open(address) as far, rsic_geo.open(folder / name) as near:
        assert far.is_archive
        assert far.name == address
        assert (far.crs, far.transform, far.tags()) == (near.crs, near.transform, near.tags())
        np.testing.assert_array_equal(far.read(2), near.read(2))
        window = Window(201, 203, 150, 170)
        np.testing.assert_array_equal(far.read([3, 1], window=window), near.read([3, 1], window=window))
        means = near.read(out_shape=(200, 250), resampling="average").astype(int)
        for opened in (near, far):  # two programs that make means of reduced resolutions
            assert np.abs(opened.read(out_shape=(200, 250)) - means).mean() < 0.1 * means.std()
        assert far.overviews(1) == near.overviews(1)


def test_a_window_of_a_far_cog_costs_what_gdal_reads_and_the_record(server, folder):
    record = len(read_record(folder / "c.cog.tif")[0])
    for number, window in enumerate((Window(20, 30, 100, 100), Window(201, 203, 150, 170), None)):
        name = f"{server}/0/8{number}/c.cog.tif"
        plain = _by_gdal(name.replace("/8", "/7"), window)
        requests_of_gdal, bytes_of_gdal = counted(server)
        found = _by_us(name, window)
        requests, sent = counted(server)
        np.testing.assert_array_equal(found, plain)
        assert sent <= bytes_of_gdal + record + 2 * 16384  # the pieces that GDAL reads
        assert requests <= requests_of_gdal + 5


def test_of_a_far_cog_seen_small_the_overviews_are_read(server, folder):
    with rsic_geo.open(f"{server}/0/61/c.cog.tif") as far, rsic_geo.open(folder / "c.cog.tif") as near:
        found = far.read(out_shape=(100, 125), resampling="reduced")
        np.testing.assert_array_equal(found, near.read(out_shape=(100, 125), resampling="reduced"))
    _, sent = counted(server)
    assert sent < 0.4 * (folder / "c.cog.tif").stat().st_size


@pytest.mark.parametrize(
    ("name", "of_all"),
    [
        ("/vsizip/{/vsicurl/SERVER/all.zip}/in/a.jp2", 0.75),
        ("zip+SERVER/all.zip!/in/c.cog.tif", 0.75),
        ("/vsizip//vsicurl/SERVER/all.zip/in/l.rsic.tif", 9),
        ("/vsizip//vsicurl/SERVER/all.zip/small.jp2", 9),
        ("/vsitar//vsicurl/SERVER/all.tar/a.jp2", 0.75),
        ("/vsitar//vsicurl/SERVER/all.tgz/small.jp2", 9),
    ],
)
def test_members_of_far_archives_of_files(name, of_all, server, folder):
    name = name.replace("SERVER", f"{server}/0/5{len(name)}")
    near = folder / name.rpartition("/")[2]
    with rsic_geo.open(near) as opened:
        window = Window(20, 30, 100, 100)
        np.testing.assert_array_equal(_by_us(name, window), opened.read(window=window))
    _, sent = counted(server)
    assert sent < of_all * near.stat().st_size + 8 * 16384  # those that are deflated are copied


def test_verbs_take_addresses(server, folder, tmp_path):
    name = f"{server}/0/5/small.jp2"
    np.testing.assert_array_equal(rsic_geo.decompress(name), rsic_geo.decompress(folder / "small.jp2"))
    assert rsic_geo.validate(name)["valid"]
    assert rsic_geo.info(name)["archive"]


@pytest.mark.parametrize("name", ["small.jp2", "l.rsic.tif", "c.cog.tif"])
def test_damage_far_away_is_found(name, server, folder):
    content = (folder / name).read_bytes()
    rng = np.random.default_rng(3)
    expected = rsic_geo.decompress(folder / name)
    found = 0
    for trial in range(12):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        path = folder / f"damaged{trial}.{name.partition('.')[2]}"
        path.write_bytes(damaged)
        try:
            with rsic_geo.open(f"{server}/0/7/{path.name}") as far:
                pixels = far.read()
        except RsicGeoError:
            found += 1
            continue
        np.testing.assert_array_equal(pixels, expected)  # only what other programs read was hit
    assert found


@pytest.mark.parametrize("share", [40, 80])
def test_torn_answers_never_become_pixels(share, server, folder):
    expected = rsic_geo.decompress(folder / "small.jp2")
    for trial in range(6):
        with suppress(RsicGeoError), rsic_geo.open(f"{server}/{share}/{trial}/small.jp2") as far:
            np.testing.assert_array_equal(far.read(), expected)


def test_what_is_not_there_is_told(server):
    for name in ("missing.jp2", "missing.rsic.tif", "missing.tif"):
        with pytest.raises(SceneError, match="no such file"):
            rsic_geo.open(f"{server}/0/9/{name}")


def test_an_archive_cut_short_is_told(server, folder):
    (folder / "cut.jp2").write_bytes((folder / "small.jp2").read_bytes()[:-900])
    with pytest.raises((ContainerError, RsicGeoError)):
        rsic_geo.open(f"{server}/0/10/cut.jp2")
