"""Handles under threads, pickles and foreign habits: right pixels, or one clear error."""

from __future__ import annotations

import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine

import rsic_geo
from rsic_geo.errors import RsicGeoError, SceneError, SceneNotFoundError, UsageError
from rsic_geo.geo.window import Window

ROWS, COLUMNS = 330, 410


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Return the path of a scene of three bands with structure and noise."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    base = 120 + 60 * np.sin(x / 9) * np.cos(y / 13)
    pixels = np.stack([base + rng.normal(0, 6, base.shape) + 10 * band for band in range(3)])
    path = tmp_path_factory.mktemp("habits") / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=COLUMNS, height=ROWS, count=3, dtype="uint8", nodata=0,
        crs="EPSG:32633", transform=Affine(10, 0, 4e5, 0, -10, 5e6),
    ) as target:  # fmt: skip
        target.write(np.clip(pixels, 0, 255).astype(np.uint8))
    return path


KINDS = {
    "lossless": {"target": "lossless", "tile_size": 256},
    "lossy": {"target": "bpp=1", "model": "none", "tile_size": 256},
    "enhanced": {"target": "bpp=1", "model": "rsic-tiny", "tile_size": 256},
    "learned": {"target": "bpp=0.6", "codec": "learned", "model": "none", "tile_size": 256},
}


@pytest.fixture(scope="module")
def archives(scene):
    """Return a function that makes an archive of a kind once."""
    made = {}

    def of(kind):
        if kind not in made:
            path = scene.with_name(f"{kind}{'.rsic.tif' if kind == 'learned' else '.jp2'}")
            rsic_geo.compress(str(scene), str(path), threads=1, **KINDS[kind])
            made[kind] = str(path)
        return made[kind]

    return of


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda path, out: rsic_geo.open(path, enhance=False), "enhance=False: give 'auto', 'off'"),
        (lambda path, out: rsic_geo.open(7), "int holds no scene"),
        (
            lambda path, out: rsic_geo.decompress(path, out, creation_options={"COMPRESS": "ZSTD"}),
            r"pairs of a name and a value, such as \(\('COMPRESS', 'ZSTD'\),\)",
        ),
        (lambda path, out: rsic_geo.decompress(path, out, creation_options=("COMPRESS=ZSTD",)), "pairs of"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_a_rasterio_user_types_is_an_error_that_says_what_to_type(call, words, archives, tmp_path):
    with pytest.raises(UsageError, match=words):
        call(archives("lossless"), str(tmp_path / "out.tif"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_threads_on_one_handle_get_right_pixels(kind, archives):
    """Two threads on one handle of a lossless archive got wrong pixels, most without any error."""
    path, rng = archives(kind), np.random.default_rng(0)
    count = 40 if kind == "enhanced" else 200
    windows = []
    for _ in range(count):
        height, width = rng.integers(1, 90, 2)
        top, left = rng.integers(0, ROWS - height), rng.integers(0, COLUMNS - width)
        windows.append(Window(row_off=int(top), col_off=int(left), height=int(height), width=int(width)))
    with rsic_geo.open(path, threads=1) as opened:
        whole = opened.read()
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda window: opened.read(window=window), windows))
    # Windows of an enhanced archive agree with the whole up to rounding (see the guide).
    allowed = 1 if kind == "enhanced" else 0
    for window, pixels in zip(windows, found, strict=True):
        difference = np.abs(pixels.astype(int) - whole[(slice(None), *window.slices)].astype(int))
        assert difference.max() <= allowed, window


def test_threads_on_one_handle_of_any_raster_get_right_pixels(scene):
    windows = [
        Window(row_off=r, col_off=c, height=60, width=70)
        for r in range(0, 270, 30)
        for c in range(0, 340, 40)
    ]
    with rsic_geo.open(str(scene)) as opened:
        whole = opened.read()
        with ThreadPoolExecutor(8) as pool:
            read = pool.map(lambda window: opened.read(window=window), windows)
            for window, pixels in zip(windows, read, strict=True):
                np.testing.assert_array_equal(pixels, whole[(slice(None), *window.slices)])


@pytest.mark.parametrize("kind", ["lossless", "enhanced"])
def test_a_handle_pickles_by_opening_again(kind, archives):
    window = Window(row_off=10, col_off=20, height=50, width=60)
    with rsic_geo.open(archives(kind), enhance="off", threads=1) as opened:
        again = pickle.loads(pickle.dumps(opened))
        with again:
            assert again.is_enhanced == opened.is_enhanced
            np.testing.assert_array_equal(again.read(window=window), opened.read(window=window))


@pytest.mark.parametrize("shape", [(6, 7), (3, 6, 7)])
@pytest.mark.parametrize("kind", ["lossless", "lossy"])
def test_out_shape_is_that_of_rasterio(kind, shape, archives, scene):
    """A shape with bands gave a 4-D array of memory that nobody wrote."""
    for path in (str(scene), archives(kind)):
        with rsic_geo.open(path) as opened:
            found = opened.read(out_shape=shape)
            assert found.shape == (3, 6, 7)
            assert abs(float(found.mean()) - 130) < 12
            assert opened.read([2], out_shape=shape[-2:]).shape == (1, 6, 7)


@pytest.mark.parametrize("shape", [(2, 6, 7), (1, 3, 6, 7), (6,), (0, 7), (-1, 7), (6.5, 7), ()])
def test_a_shape_that_is_none_is_one_clear_error(shape, scene, archives):
    for path in (str(scene), archives("lossless")):
        with rsic_geo.open(path) as opened, pytest.raises(UsageError, match="out_shape"):
            opened.read(out_shape=shape)


@pytest.mark.parametrize(
    "verb",
    [
        lambda missing, out: rsic_geo.open(missing),
        lambda missing, out: rsic_geo.info(missing),
        lambda missing, out: rsic_geo.validate(missing),
        lambda missing, out: rsic_geo.compress(missing, out + ".jp2"),
        lambda missing, out: rsic_geo.decompress(missing, out + ".tif"),
        lambda missing, out: rsic_geo.enhance(missing, out + ".tif"),
        lambda missing, out: rsic_geo.compare(missing, missing),
    ],
    ids=["open", "info", "validate", "compress", "decompress", "enhance", "compare"],
)
@pytest.mark.parametrize("name", ["missing.jp2", "missing.tif", "no/such/folder.rsic.tif"])
def test_a_missing_file_is_a_file_not_found_error(verb, name, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        verb(str(tmp_path / name), str(tmp_path / "out"))
    assert isinstance(caught.value, SceneNotFoundError)
    assert "there is no such file" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("side", ["source", "output"])
@pytest.mark.parametrize("name", ["a" * 300 + ".tif", "nul\0.tif"], ids=["long", "nul"])
@pytest.mark.parametrize("verb", [rsic_geo.compress, rsic_geo.decompress, rsic_geo.enhance])
def test_a_name_no_system_takes_is_an_error_of_ours(verb, name, side, scene, archives, tmp_path):
    suffix = ".jp2" if verb is rsic_geo.compress else ".tif"
    source = scene if verb is rsic_geo.compress else archives("lossy")
    wrong = str(tmp_path / name.replace(".tif", suffix))
    names = (wrong, tmp_path / f"out{suffix}") if side == "source" else (source, wrong)
    with pytest.raises(RsicGeoError, match="NUL" if "\0" in name else "too long"):
        verb(*map(str, names))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("window", ["x", 5, (0, 0, 8, 8), slice(3), (1, 2)])
def test_what_is_no_window_is_refused_by_name(kind, window, archives):
    with (
        rsic_geo.open(archives(kind)) as archive,
        pytest.raises(UsageError, match="is no window: give a rsic_geo.Window"),
    ):
        archive.read(window=window)


@pytest.mark.parametrize("codec", ["jp2", "learned"])
def test_a_closed_handle_is_one_error_of_ours(codec, tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / ("a.jp2" if codec == "jp2" else "a.rsic.tif")
    pixels = np.random.default_rng(1).integers(0, 99, (3, 64, 70)).astype("uint8")
    with rasterio.open(source, "w", driver="GTiff", height=64, width=70, count=3, dtype="uint8") as scene:
        scene.write(pixels)
    rsic_geo.compress(str(source), str(archive), bpp=8, codec=codec, model="none")
    handle = rsic_geo.open(str(archive))
    with pickle.loads(pickle.dumps(handle)) as again:
        assert again.read().shape == pixels.shape
    handle.close()
    for use in (pickle.dumps, lambda closed: closed.read()):
        with pytest.raises(SceneError):
            use(handle)


def test_a_learned_archive_behind_vsi_is_called_by_the_name_it_was_given_by(tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / "a.rsic.tif"
    pixels = np.random.default_rng(1).integers(0, 99, (3, 64, 70)).astype("uint8")
    with rasterio.open(source, "w", driver="GTiff", height=64, width=70, count=3, dtype="uint8") as scene:
        scene.write(pixels)
    rsic_geo.compress(str(source), str(archive), bpp=8, codec="learned", model="none")
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 255
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as folder:
        folder.writestr("a.rsic.tif", bytes(content))
    name = f"/vsizip/{tmp_path / 'a.zip'}/a.rsic.tif"
    with rsic_geo.open(name) as handle:
        assert handle.name == name
        with pytest.raises(RsicGeoError) as damaged:
            handle.read()
    with pytest.raises(RsicGeoError) as closed:
        handle.read()
    for caught in (damaged, closed):
        assert "rsic-" not in str(caught.value)  # as the copy in the temporary folder is called
    assert not rsic_geo.validate(name)["valid"]


@pytest.mark.parametrize("shape", [(10**9, 10**9), (3, 2**31, 2**31), (2**40, 1), (10**6, 10**6)])
def test_shapes_no_memory_holds_are_one_error_of_ours(shape, tmp_path):
    source, archive = tmp_path / "s.tif", tmp_path / "a.jp2"
    with rasterio.open(source, "w", driver="GTiff", height=64, width=70, count=3, dtype="uint8") as scene:
        scene.write(np.ones((3, 64, 70), "uint8"))
    rsic_geo.compress(str(source), str(archive))
    for path in (source, archive):
        with rsic_geo.open(str(path)) as handle, pytest.raises(UsageError, match="read windows"):
            handle.read(out_shape=shape)


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda s: s.read(0), "give numbers from 1 to 1"),
        (lambda s: s.read(1.5), "give numbers from 1 to 1"),
        (lambda s: s.read([]), "give numbers from 1 to 1"),
        (lambda s: s.read(resampling="smooth"), "name of one such as 'bilinear'"),
        (lambda s: s.read(out_dtype="nonsense"), "no type of samples"),
        (lambda s: s.read(out=[1]), "an array that is filled, not list"),
        (lambda s: s.window(9, 9, 1, 1), "left, bottom, right, top"),
        (lambda s: s.colormap(1), "no colour table"),
        (np.asarray, r"read\(\) gives its pixels"),
    ],
)
def test_what_is_typed_otherwise_is_told(tmp_path, use, said):
    source, archive = tmp_path / "s.tif", tmp_path / "a.jp2"
    with rasterio.open(source, "w", driver="GTiff", height=30, width=40, count=1, dtype="uint8") as scene:
        scene.write(np.ones((1, 30, 40), "uint8"))
    rsic_geo.compress(str(source), str(archive))
    with rsic_geo.open(str(archive)) as scene, pytest.raises(UsageError, match=said):
        use(scene)
