"""Archives on a server: read by ranges, as much of them as a window needs, and right."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
import rasterio
from far.range_server import counted, serving
from pipeline_support import Smoother, installed, painted, write_scene
from rasterio.windows import Window

import rsic_geo
from rsic_geo.errors import ContainerError, RsicGeoError, SceneError

INSIDE = Window(200, 180, 512, 512)
"""Far enough from the borders of its tile for the network to see nothing of the next ones."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("far")
    write_scene(folder / "scene.tif", painted((3, 1024, 1400)), tiled=True)
    small = {"srcwin": (0, 0, 500, 400), "tile_size": 256}
    with installed(Smoother()):  # a network of a millisecond
        rsic_geo.compress(folder / "scene.tif", folder / "a.jp2", bpp=5.8)
        rsic_geo.compress(folder / "scene.tif", folder / "small.jp2", bpp=2, **small)
        rsic_geo.compress(folder / "scene.tif", folder / "lossless.jp2", **small)
        learned = {"codec": "learned", "model": "none", "bpp": 1, **small}
        rsic_geo.compress(folder / "scene.tif", folder / "l.rsic.tif", **learned)
        yield folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as address:
        yield address


def test_an_enhanced_window_costs_little_more_than_gdal_reads_for_the_plain_one(server, folder):
    assert 900_000 < (folder / "a.jp2").stat().st_size < 1_200_000
    with (
        rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"),
        rasterio.open(f"/vsicurl/{server}/0/1/a.jp2") as plain,
    ):
        plain.read(window=INSIDE)
    _, bytes_of_gdal = counted(server)
    with rsic_geo.open(f"{server}/0/2/a.jp2") as archive:
        assert archive.is_enhanced
        found = archive.read(window=INSIDE)
    requests, sent = counted(server)
    print(f"GDAL {bytes_of_gdal} bytes, enhanced {sent} bytes in {requests} requests")
    assert requests <= 15
    assert sent <= 1.5 * bytes_of_gdal
    with rsic_geo.open(folder / "a.jp2") as near:
        np.testing.assert_array_equal(found, near.read(window=INSIDE))


@pytest.mark.parametrize("name", ["small.jp2", "lossless.jp2", "l.rsic.tif"])
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


def test_verbs_take_addresses(server, folder, tmp_path):
    name = f"{server}/0/5/small.jp2"
    np.testing.assert_array_equal(rsic_geo.decompress(name), rsic_geo.decompress(folder / "small.jp2"))
    assert rsic_geo.validate(name)["valid"]
    assert rsic_geo.info(name)["archive"]


@pytest.mark.parametrize("name", ["small.jp2", "l.rsic.tif"])
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
