"""Reads by window are that part of the whole read, whatever the enhancer's windows, threads and order."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import Smoother, crop, installed, painted, write_scene
from rasterio.enums import Resampling
from rasterio.windows import Window as RasterioWindow
from support import SCENES, needs_shared

import rsic_geo
from rsic_geo.container.jp2 import find_codestream
from rsic_geo.errors import ChecksumError, SceneError, UnsupportedSceneError, UsageError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.scenes.archive import Archive

HEIGHT, WIDTH = 420, 610


@pytest.fixture(scope="module", params=["lossless", "bpp=0.35"])
def archive(request, tmp_path_factory):
    """Return an archive of six tiles with a collar, a mask and alpha; the lossy one is enhanced."""
    folder = tmp_path_factory.mktemp("windows")
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = painted((4, HEIGHT, WIDTH))
    pixels[:3, rows + cols // 3 < 70] = 0
    pixels[3] = np.where(rows + 40 < cols, 255, 30)
    source = write_scene(folder / "s.tif", pixels, alpha="YES", nodata=0)
    with installed(Smoother()):
        rsic_geo.compress(source, folder / "a.jp2", target=request.param, tile_size=256)
        with Archive(folder / "a.jp2") as scene:
            return folder / "a.jp2", scene.read(), scene.read_valid(Window.full(HEIGHT, WIDTH))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    height, width = draw(st.integers(1, HEIGHT - top)), draw(st.integers(1, WIDTH - left))
    return Window(row_off=top, col_off=left, height=height, width=width)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_window_is_that_part_of_the_whole(archive, data):
    path, whole, valid = archive
    with installed(Smoother()), Archive(path) as scene:
        for window in data.draw(st.lists(windows(), min_size=1, max_size=3)):
            rows, cols = window.slices
            np.testing.assert_array_equal(scene.read(window), whole[:, rows, cols])
            np.testing.assert_array_equal(scene.read(window, bands=(2, 0)), whole[[2, 0], rows, cols])
            np.testing.assert_array_equal(scene.read_valid(window), valid[:, rows, cols])


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_kept_cells_change_no_pixel(archive, data):
    path, whole, _ = archive
    looks = data.draw(st.lists(windows(), min_size=2, max_size=8))
    # a cache of so little that cells are pushed out all the time, and one that holds the scene
    most = data.draw(st.sampled_from([600_000, 1 << 20, 64 << 20]))
    with installed(Smoother()), rsic_geo.open(path, cache_mib=1) as scene:
        scene._archive._cells._most = most if scene._archive.is_enhanced else 0

        def look(window: Window) -> None:
            found = scene.read(window=window)
            np.testing.assert_array_equal(found, whole[(slice(None), *window.slices)])
            found[:] = 0  # it is the caller's: what is kept is not changed by it

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(look, looks))
        for window in reversed(looks):
            look(window)
        held = scene._archive._cells
        assert held._held == sum(cell.nbytes for cell in held._cells.values()) <= most


class _Counting(Smoother):
    def __init__(self) -> None:
        self.pixels = 0

    def propose(self, x, sigma):
        self.pixels += x[0].size
        return super().propose(x, sigma)


def test_windows_here_and_there_cost_what_they_cost_without_a_cache(archive):
    looks = [
        Window(row_off=top, col_off=left, height=70, width=70) for top, left in ((3, 5), (300, 9), (90, 500))
    ]
    cost = {}
    for most in (0, 32):
        enhancer = _Counting()
        with installed(enhancer), rsic_geo.open(archive[0], cache_mib=most) as scene:
            for window in looks:
                scene.read(window=window)
        cost[most] = enhancer.pixels
    assert cost[32] == cost[0]


def test_panning_pays_once(archive):
    path, _, _ = archive
    enhancer, other = _Counting(), _Counting()
    window = Window(row_off=40, col_off=30, height=200, width=200)
    with installed(enhancer), rsic_geo.open(path) as scene:
        is_enhanced = scene._archive.is_enhanced
        scene.read(window=window)
        first = enhancer.pixels
        assert (first > 0) == is_enhanced
        scene.read(window=window)
        scene.read(window=Window(row_off=100, col_off=100, height=100, width=90))
        assert enhancer.pixels == first, "all of it was seen"
        scene.read(window=window.shifted(0, 60))
        assert (enhancer.pixels > first) == is_enhanced, "a column of cells is new"
        enhancer.pixels = 0
        scene.read(window=window.shifted(0, 90))
        assert enhancer.pixels == 0, "no other"
        scene.close()
        with pytest.raises(SceneError):
            scene.read(window=window)
    with installed(other), rsic_geo.open(path, cache_mib=0) as scene:
        for _ in range(2):
            scene.read(window=window)
        assert other.pixels > 0 or not is_enhanced
        assert other.pixels % 2 == 0, "nothing is kept"
    for wrong in (-1, 1.5, "64", None):
        with pytest.raises(UsageError, match="cache_mib=.* whole number of MiB"):
            rsic_geo.open(path, cache_mib=wrong)


def test_a_first_look_that_is_large_is_not_kept(archive):
    path, whole, _ = archive  # cells of 4 bands take 256 KiB
    with installed(Smoother()), rsic_geo.open(path, cache_mib=1) as scene:
        np.testing.assert_array_equal(scene.read(), whole)
        assert not scene._archive._cells._cells, "it would push out what is held"


def test_a_window_that_needs_no_damaged_tile_is_read_though_its_cells_do(archive, tmp_path):
    path, whole, _ = archive
    with path.open("rb") as file:
        part = find_codestream(file).parts[0]
    content = bytearray(path.read_bytes())
    content[part.offset + part.length - 4] ^= 255
    (tmp_path / "a.jp2").write_bytes(content)
    far, near = (Window(row_off=100, col_off=col, height=20, width=20) for col in (400, 257))
    with installed(Smoother()), rsic_geo.open(tmp_path / "a.jp2") as scene:
        np.testing.assert_array_equal(scene.read(window=far), whole[(slice(None), *far.slices)])
        if scene._archive.is_enhanced:
            with pytest.raises(ChecksumError, match="tile 0"):
                scene.read(window=near)


def test_windows_outside_the_scene_are_refused(archive):
    with Archive(archive[0]) as scene:
        for window in (
            Window(row_off=0, col_off=0, height=HEIGHT + 1, width=10),
            Window(row_off=HEIGHT, col_off=0, height=1, width=1),
        ):
            with pytest.raises(UsageError, match="outside"):
                scene.read(window)


@pytest.mark.parametrize("shape", [(210, 305), (105, 153), (60, 60), (1, 1)])
def test_reduced_reads_look_like_the_scene_and_keep_nodata(archive, shape):
    path, whole, _ = archive
    with Archive(path) as scene:
        is_lossless = scene.side.lossless
        small = scene.read(out_shape=shape)
        assert small.shape == (4, *shape)
        assert small.dtype == whole.dtype
        part = scene.read(Window(row_off=100, col_off=100, height=200, width=200), out_shape=(50, 50))
        one = scene.read(out_shape=shape, bands=(1,))
    np.testing.assert_array_equal(one[0], small[1])
    assert part.shape == (4, 50, 50)
    wanted = whole[:, 100:300, 100:300].reshape(4, 50, 4, 50, 4).mean(axis=(2, 4))
    assert np.abs(part[:3] - wanted[:3]).mean() < 12
    if shape == (210, 305):
        rows, cols = np.mgrid[0:210, 0:305] * 2
        assert (small[:3, rows + cols // 3 < 60] == 0).all()
        holes = (small[:3, rows + cols // 3 > 80] == 0).mean()
        assert holes < (0.01 if is_lossless else 1e-9)


def test_a_whole_read_is_what_decompress_writes(archive, tmp_path):
    path, whole, _ = archive
    with installed(Smoother()):
        rsic_geo.decompress(path, tmp_path / "r.tif")
    with rasterio.open(tmp_path / "r.tif") as scene:
        np.testing.assert_array_equal(scene.read(), whole)


def test_other_rasters_are_read_as_they_are(archive):
    source = archive[0].with_name("s.tif")
    window = Window(row_off=33, col_off=20, height=101, width=57)
    with rasterio.open(source) as scene, Archive(source) as ours:
        np.testing.assert_array_equal(ours.read(), scene.read())
        np.testing.assert_array_equal(ours.read(window), scene.read(window=RasterioWindow(20, 33, 57, 101)))
        small = scene.read(out_shape=(4, 42, 61), resampling=Resampling.average)
        np.testing.assert_array_equal(ours.read(out_shape=(42, 61)), small)


def read_by_windows(path: Path, size: int, **execution) -> np.ndarray:
    """Return a scene read in squares that fit no lattice, in an order of no sense."""
    with Archive(path, execution=Execution(**execution)) as scene:
        out = np.zeros((scene.profile.count, scene.profile.height, scene.profile.width), scene.profile.dtype)
        places = [(r, c) for r in range(0, out.shape[1], size) for c in range(0, out.shape[2], size)]
        np.random.default_rng(3).shuffle(places)
        for row, col in places:
            height, width = min(size, out.shape[1] - row), min(size, out.shape[2] - col)
            window = Window(row_off=row, col_off=col, height=height, width=width)
            out[:, row : row + height, col : col + width] = scene.read(window)
        return out


@pytest.fixture(scope="module", params=["zanzibar", "landsat"])
def real(request, tmp_path_factory):
    """Return a lossy archive, enhanced by the shipped network, of 8 and of 16 bits, and DN per 8-bit DN."""
    if not SCENES.is_dir():
        pytest.skip("the real scenes are not on this machine")
    folder = tmp_path_factory.mktemp("real")
    if request.param == "zanzibar":
        window = RasterioWindow(2500, 1500, 1152, 832)
        source = crop(SCENES / "zanzibar_oam_rgb_8192x4096.tif", folder / "s.tif", window)
    else:
        source = shutil.copy(SCENES / "rf_L8-B8-Robinson-IL.tiff", folder / "s.tif")
    report = rsic_geo.compress(source, folder / "a.jp2", target="bpp=0.4")
    assert report.details["cells_enhanced"] > 0.5
    with Archive(folder / "a.jp2") as scene:
        radiometry = scene.side.radiometry
        unit = (radiometry.high[0] - radiometry.low[0]) / 255
        return folder / "a.jp2", scene.read(), unit


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("how", ["256", "1024", "1 thread", "windowed"])
def test_chunks_do_not_matter(real, tmp_path, how):
    """At most 1 DN of 8 bits apart on 99.9 % of the pixels, never more than 3; measured: far less."""
    path, reference, unit = real
    if how == "windowed":
        other = read_by_windows(path, 300, window_size=512)
    else:
        options = {"threads": 1} if how == "1 thread" else {"window_size": int(how)}
        rsic_geo.decompress(path, tmp_path / "r.tif", **options)
        with rasterio.open(tmp_path / "r.tif") as scene:
            other = scene.read()
    apart = np.abs(other.astype(np.float64) - reference) / unit
    assert np.mean(apart > 1) <= 0.001
    assert apart.max() <= 3


@needs_shared
@pytest.mark.shared
def test_no_seam_shows(real):
    """Steps across the borders of windows are as high as where there is no border: between 0.98 and 1.02."""
    path, pixels, _ = real
    with rsic_geo.open(path, window_size=2048) as scene:
        seamless = scene.read()
    for axis in (1, 2):
        borders = np.arange(512, pixels.shape[axis], 512) - 1
        steps, natural = (
            np.abs(np.diff(each.astype(np.float64), axis=axis)).take(borders, axis).sum()
            for each in (pixels, seamless)
        )
        if len(borders):
            assert 0.98 < steps / natural < 1.02


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("name", ["sentinel2_L2A_TCI_subset.jp2", "rasterio_goes.tif"])
def test_foreign_scenes_are_enhanced_with_a_word_about_it(tmp_path, name):
    """Metadata stay, a domain and a warning say that the result is estimated, pixels change a little."""
    out = tmp_path / "e.tif"
    report = rsic_geo.enhance(SCENES / name, out)
    assert any("estimate" in text for text in report.warnings)
    assert report.details["estimated"] is True
    found = rsic_geo.compare(SCENES / name, out)
    assert [d for d in found.metadata if "STATISTICS" not in d.field] == []
    assert found.mask_equal
    assert found.pixels_equal == any("little was lost" in text for text in report.warnings)
    with rasterio.open(out) as scene:
        assert scene.tags(ns="RSIC")["RSIC_ESTIMATED"] == "YES"
        assert scene.tags(ns="RSIC")["RSIC_ENHANCED"] == ("NO" if found.pixels_equal else "YES")
    rsic_geo.enhance(SCENES / name, out, strength=0.5, overwrite=True)
    insisted = rsic_geo.compare(SCENES / name, out)
    assert not insisted.pixels_equal
    assert insisted.psnr > 30


@needs_shared
@pytest.mark.shared
def test_lossless_files_are_not_enhanced(tmp_path):
    for name in ("rasterio_RGB.byte.tif", "gdal_byte.jp2", "sentinel2_L1C_preview_rgb_original.jp2"):
        with pytest.raises((UsageError, UnsupportedSceneError)):
            rsic_geo.enhance(SCENES / name, tmp_path / "e.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_lossy_file_inside_an_archive_of_files_is_enhanced_as_beside_it(tmp_path):
    """The estimate needs the size of what is stored, which the system does not know of a virtual file."""
    import zipfile

    pixels = painted((3, 256, 256))
    source = write_scene(tmp_path / "s.tif", pixels, compress="jpeg", jpeg_quality=30)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as packed:
        packed.write(source, "s.tif")
    with installed(Smoother()):
        rsic_geo.enhance(source, tmp_path / "a.tif")
        rsic_geo.enhance(f"/vsizip/{tmp_path}/s.zip/s.tif", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "a.tif") as first, rasterio.open(tmp_path / "b.tif") as second:
        np.testing.assert_array_equal(first.read(), second.read())


@pytest.mark.parametrize("bands", [(4,), (0, -1), (0, 1, 2, 3, 4)])
@pytest.mark.parametrize("out_shape", [None, (60, 60)])
def test_bands_the_scene_does_not_have_are_refused(archive, bands, out_shape):
    for path in (archive[0], archive[0].with_name("s.tif")):
        with Archive(path) as scene, pytest.raises(UsageError, match="bands"):
            scene.read(bands=bands, out_shape=out_shape)


@pytest.mark.parametrize("out_shape", [(0, 10), (10, -1)])
def test_sizes_that_are_none_are_refused(archive, out_shape):
    with Archive(archive[0]) as scene, pytest.raises(UsageError, match="rows and columns"):
        scene.read(out_shape=out_shape)
