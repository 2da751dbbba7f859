"""One list of what people do with rasterio, done to a GeoTIFF by rasterio and to its archive by us."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
import rasterio.mask
from affine import Affine
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window

import rsic_geo

ROWS, COLUMNS = 300, 410
PLACES = [(400105.0, 4999895.0), (404000.0, 4997100.0), (0.0, 0.0), (401234.5, 4998765.4)]
TRIANGLE = {"type": "Polygon", "coordinates": [[(400500, 4999500), (402000, 4999200), (401000, 4998000)]]}


def _scene(path, kind):
    rng = np.random.default_rng(len(kind))
    count, dtype = (4, "uint8") if kind == "alpha" else (3, "uint16" if kind == "nodata" else "uint8")
    y, x = np.mgrid[:ROWS, :COLUMNS]
    pixels = 100 + 50 * np.sin(x / 17) * np.cos(y / 11) + rng.normal(0, 9, (count, ROWS, COLUMNS))
    pixels = np.clip(pixels, 1, 250).astype(dtype)
    holes = rng.random((ROWS, COLUMNS)) < 0.03
    holes[40:90, 200:300] = True
    nodata = 0 if kind == "nodata" else None
    if kind == "nodata":
        pixels[:, holes] = 0
        pixels[1, :9, :9] = 0
    if kind == "alpha":
        pixels[3] = np.where(holes, 0, 255)
    with rasterio.open(
        path, "w", driver="GTiff", width=COLUMNS, height=ROWS, count=count, dtype=dtype, nodata=nodata,
        crs="EPSG:32633", transform=Affine(10, 0, 400000, 0, -10, 5000000), tiled=True, blockxsize=256,
        blockysize=256,
    ) as scene:  # fmt: skip
        rgb = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
        scene.colorinterp = rgb[:count]
        scene.write(pixels)
        scene.descriptions = ("a", "b", None, "d")[:count]
        scene.scales, scene.offsets = (0.5, 1, 1, 1)[:count], (3, 0, 0, 0)[:count]
        scene.units = ("m", None, "K", None)[:count]
        scene.update_tags(A="b")
        scene.update_tags(ns="OWN", C="d")
        scene.update_tags(2, E="f")
        if kind == "mask":
            scene.write_mask(~holes)


@pytest.fixture(scope="module", params=["plain", "nodata", "mask", "alpha"])
def both(request, tmp_path_factory):
    """Return the names of a GeoTIFF and of its lossless archive."""
    folder = tmp_path_factory.mktemp(request.param)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        _scene(folder / "scene.tif", request.param)
    rsic_geo.compress(folder / "scene.tif", folder / "scene.jp2", tile_size=256, threads=1)
    return folder / "scene.tif", folder / "scene.jp2"


def _filled(dataset):
    out = np.zeros((2, 50, 60), np.float32)
    assert dataset.read([3, 1], out=out, window=Window(7, 9, 60, 50)) is out
    return out


def _threads(dataset):
    blocks = [window for _, window in dataset.block_windows(1)]
    if isinstance(dataset, rasterio.DatasetReader):  # whose handles no threads may share
        return [dataset.read(window=block) for block in blocks]
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda block: dataset.read(window=block), blocks))


def _pickled(dataset):
    if isinstance(dataset, rasterio.DatasetReader):  # which do not pickle
        return dataset.read(2)
    with pickle.loads(pickle.dumps(dataset)) as again:
        return again.read(2)


def _written(dataset):
    profile = {**dataset.profile, "driver": "GTiff", "count": 1}
    with rasterio.MemoryFile() as file:
        with file.open(**profile) as out:
            out.write(dataset.read(1), 1)
        with file.open() as back:
            return back.read(1), back.crs, back.transform, back.nodata


def _closed(dataset):
    with dataset:
        pass
    return dataset.closed


def _error(dataset, call):
    try:
        return call(dataset)
    except (IndexError, ValueError) as error:
        return "no such band" if isinstance(error, IndexError) else "no value"


INNER, EDGE, OUTER = Window(33, 41, 120, 90), Window(380, 280, 60, 50), Window(-20, -10, 80, 60)
HABITS = {
    "width": lambda d: d.width,
    "height": lambda d: d.height,
    "shape": lambda d: d.shape,
    "count": lambda d: d.count,
    "indexes": lambda d: d.indexes,
    "dtypes": lambda d: d.dtypes,
    "crs": lambda d: (d.crs, d.crs.to_epsg()),
    "transform": lambda d: d.transform,
    "bounds": lambda d: (tuple(d.bounds), d.bounds.left, d.bounds.top),
    "res": lambda d: d.res,
    "nodata": lambda d: d.nodata,
    "nodatavals": lambda d: d.nodatavals,
    "descriptions": lambda d: d.descriptions,
    "scales": lambda d: d.scales,
    "offsets": lambda d: d.offsets,
    "units": lambda d: d.units,
    "colorinterp": lambda d: d.colorinterp,
    "mask_flag_enums": lambda d: d.mask_flag_enums,
    "tags": lambda d: d.tags(),
    "tags of a band": lambda d: d.tags(2),
    "tags of a domain": lambda d: d.tags(ns="OWN"),
    "gcps, rpcs": lambda d: (d.gcps, d.rpcs),
    "meta": lambda d: d.meta,
    "profile": _written,
    "mode": lambda d: d.mode,
    "block_shapes": lambda d: d.block_shapes,
    "block_windows": lambda d: list(d.block_windows(1)),
    "xy": lambda d: (d.xy(3, 4), d.xy(3, 4, offset="ul"), d.xy([1, 2], [3, 4])),
    "index": lambda d: (d.index(401234, 4998765), d.index(401234, 4998765, op=np.ceil)),
    "window": lambda d: d.window(400100, 4999000, 400455, 4999500),
    "window_transform": lambda d: d.window_transform(INNER),
    "window_bounds": lambda d: d.window_bounds(INNER),
    "read()": lambda d: d.read(),
    "read(1)": lambda d: d.read(1),
    "read([1, 3])": lambda d: d.read([1, 3]),
    "read((3, 1, 1))": lambda d: d.read((3, 1, 1)),
    "read(numpy band)": lambda d: d.read(int(np.int64(2))),
    "a window": lambda d: d.read(1, window=INNER),
    "a window as ranges": lambda d: d.read(window=((5, 50), (7, 70))),
    "a window as slices": lambda d: d.read([2], window=(slice(5, None), slice(None, 70))),
    "a window over the edge": lambda d: d.read(1, window=EDGE),
    "a window of parts": lambda d: d.read(1, window=Window(10.5, 20.25, 60.5, 44.0)),
    "boundless": lambda d: d.read(window=EDGE, boundless=True),
    "boundless, filled": lambda d: d.read(1, window=OUTER, boundless=True, fill_value=77),
    "boundless, masked": lambda d: d.read(window=OUTER, boundless=True, masked=True),
    "masked": lambda d: d.read(masked=True),
    "masked band": lambda d: d.read(2, window=INNER, masked=True, fill_value=9),
    "out": _filled,
    "out_dtype": lambda d: d.read(1, window=INNER, out_dtype="float64"),
    "out_dtype, narrower": lambda d: d.read(1, out_dtype="int8"),
    "out_shape": lambda d: d.read(out_shape=(100, 141)),
    "out_shape of one band": lambda d: d.read(1, out_shape=(1, 77, 50)),
    "out_shape of a window": lambda d: d.read([2, 1], window=INNER, out_shape=(2, 31, 17)),
    "out_shape, masked": lambda d: d.read(out_shape=(100, 141), masked=True),
    "enlarged": lambda d: d.read(1, window=INNER, out_shape=(300, 301)),
    "bilinear": lambda d: d.read(out_shape=(100, 141), resampling=Resampling.bilinear),
    "cubic": lambda d: d.read(1, window=INNER, out_shape=(200, 190), resampling=Resampling.cubic),
    "average": lambda d: d.read(window=INNER, out_shape=(31, 17), resampling=Resampling.average),
    "mode, masked": lambda d: d.read(out_shape=(31, 17), resampling=Resampling.mode, masked=True),
    "a resampled edge": lambda d: d.read(
        1, window=OUTER, boundless=True, out_shape=(30, 40), resampling=Resampling.bilinear
    ),
    "read_masks": lambda d: d.read_masks(),
    "read_masks of a band": lambda d: d.read_masks(1, window=INNER),
    "dataset_mask": lambda d: d.dataset_mask(),
    "dataset_mask of a window": lambda d: d.dataset_mask(window=INNER),
    "dataset_mask, smaller": lambda d: d.dataset_mask(out_shape=(1, 30, 41)),
    "sample": lambda d: list(d.sample(PLACES)),
    "sample of a band": lambda d: list(d.sample(PLACES, indexes=2)),
    "sample, masked": lambda d: list(d.sample(PLACES, indexes=[1, 3], masked=True)),
    "rasterio.mask": lambda d: rasterio.mask.mask(d, [TRIANGLE], crop=True),
    "no such band": lambda d: _error(d, lambda d: d.read(0)),
    "no such band of a list": lambda d: _error(d, lambda d: d.read([1, 9])),
    "threads": _threads,
    "pickle": _pickled,
    "closed": _closed,
}


def _equal(ours, theirs):
    if isinstance(theirs, np.ndarray):
        np.testing.assert_array_equal(np.ma.getmaskarray(ours), np.ma.getmaskarray(theirs))
        np.testing.assert_array_equal(np.ma.getdata(ours), np.ma.getdata(theirs))
        assert ours.dtype == theirs.dtype
        assert isinstance(ours, np.ma.MaskedArray) == isinstance(theirs, np.ma.MaskedArray)
        if isinstance(theirs, np.ma.MaskedArray):
            assert ours.fill_value == theirs.fill_value
    elif isinstance(theirs, list | tuple) and not isinstance(theirs, Affine):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            _equal(mine, other)
    else:
        assert ours == theirs


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.filterwarnings("ignore")
def test_a_habit_gives_what_rasterio_gives(habit, both):
    scene, archive = both
    with rasterio.open(scene) as theirs, rsic_geo.open(archive, threads=1) as ours:
        _equal(HABITS[habit](ours), HABITS[habit](theirs))


def test_the_list_is_long():
    assert len(HABITS) >= 40


def test_reduced_resolutions_are_those_of_the_codec(both):
    _, archive = both
    with rasterio.open(archive) as theirs, rsic_geo.open(archive) as ours:
        assert ours.overviews(1) == theirs.overviews(1) != []
        fast, exact, picked = (
            ours.read(1, out_shape=(75, 103), resampling=how, masked=True).astype(int)
            for how in ("reduced", "average", "nearest")
        )
        assert np.abs(fast - exact).mean() < 0.75 * np.abs(picked - exact).mean()  # they are means, nearly
    with rsic_geo.open(both[0]) as plain:
        assert plain.read(1, out_shape=(75, 103), resampling="reduced").shape == (75, 103)


@pytest.mark.filterwarnings("ignore")
def test_any_raster_gives_what_rasterio_gives(both):
    scene, _ = both
    for habit, use in HABITS.items():
        with rasterio.open(scene) as theirs, rsic_geo.open(scene, threads=1) as ours:
            try:
                _equal(use(ours), use(theirs))
            except AssertionError as error:
                raise AssertionError(habit) from error
