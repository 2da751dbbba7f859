"""What verbs read and write beside files: bytes, open files, arrays, datasets, GDAL's memory, addresses."""

from __future__ import annotations

import io
import pickle

import fsspec
import numpy as np
import pytest
import rasterio
import rioxarray
import xarray
from affine import Affine
from pipeline_support import painted, write_scene
from rasterio.vrt import WarpedVRT

import rsic_geo
from rsic_geo.errors import OutputExistsError, RsicGeoError, SceneError, UsageError

PLACE = Affine(10, 0, 400000, 0, -10, 5000000)
PIXELS = painted((3, 150, 170), "uint16")


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return write_scene(tmp_path_factory.mktemp("places") / "scene.tif", PIXELS, nodata=7)


@pytest.fixture(scope="module")
def archive(scene):
    return rsic_geo.compress(scene)


def _is_scene(name):
    with rasterio.open(name) as found:
        np.testing.assert_array_equal(found.read(), PIXELS)
        assert found.nodata == 7


def _dataset(path):
    return rasterio.open(path)


def _warped(path):
    return WarpedVRT(rasterio.open(path))


def _in_memory(path):
    with rasterio.open("/vsimem/source.tif", "w", **rasterio.open(path).profile) as out:
        out.write(PIXELS)
    return "/vsimem/source.tif"


def _address(path):
    fsspec.filesystem("memory").pipe_file("/source.tif", path.read_bytes())
    return "memory://source.tif"


SOURCES = {
    "path": lambda path: path,
    "file address": lambda path: f"file://{path}",
    "/vsi name": lambda path: f"/vsisubfile/0,{path}",
    "bytes": lambda path: path.read_bytes(),
    "memoryview": lambda path: memoryview(path.read_bytes()),
    "open file": lambda path: path.open("rb"),
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "dataset": _dataset,
    "warped dataset": _warped,
    "/vsimem/": _in_memory,
    "fsspec address": _address,
    "DataArray": rioxarray.open_rasterio,
    "lazy DataArray": lambda path: rioxarray.open_rasterio(path, chunks={"x": 64, "y": 64}),
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_scene_may_come_from_anywhere(kind, scene, tmp_path):
    source = SOURCES[kind](scene)
    report = rsic_geo.compress(source, tmp_path / "a.jp2", threads=1)
    assert "rsic-" not in report.source["path"]
    with rasterio.open(rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif")) as back:
        np.testing.assert_array_equal(back.read(), PIXELS)
        with rasterio.open(scene) as first:
            assert (back.crs, back.transform, back.nodata) == (first.crs, first.transform, first.nodata)


@pytest.mark.parametrize("kind", ["bytes", "open file", "BytesIO", "dataset", "/vsimem/", "fsspec address"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_archive_may_come_from_anywhere(kind, scene, archive, tmp_path):
    path = tmp_path / "a.jp2"
    path.write_bytes(archive)
    source = SOURCES[kind](path) if kind != "/vsimem/" else "/vsimem/a.jp2"
    if kind == "/vsimem/":
        rsic_geo.compress(scene, source, overwrite=True)
    with rsic_geo.open(source if kind != "open file" else path.open("rb")) as opened:
        assert opened.is_archive
        np.testing.assert_array_equal(opened.read(), PIXELS)
    for again in (lambda: SOURCES[kind](path), lambda: path)[kind == "/vsimem/" :]:
        np.testing.assert_array_equal(rsic_geo.decompress(again()), PIXELS)
        assert rsic_geo.info(again())["archive"]
        assert rsic_geo.validate(again())["valid"]
        assert rsic_geo.compare(scene, again()).psnr is None


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((90, 80), {"crs": "EPSG:32633", "transform": PLACE}),
        ((4, 90, 80), {"crs": rasterio.CRS.from_epsg(32633), "transform": tuple(PLACE)[:6], "nodata": 3}),
        ((2, 90, 80), {}),
    ],
)
def test_an_array_is_a_scene(shape, options, tmp_path):
    pixels = painted((1, *shape) if len(shape) == 2 else shape).reshape(shape)
    rsic_geo.compress(pixels, tmp_path / "a.jp2", **options)
    with rsic_geo.open(tmp_path / "a.jp2") as opened:
        np.testing.assert_array_equal(opened.read().reshape(shape), pixels)
        assert opened.nodata == options.get("nodata")
        assert opened.transform == (PLACE if options else Affine.identity())
        assert (opened.crs is None) == (not options)


def test_an_array_with_its_bands_last_is_told_to_turn(tmp_path):
    with pytest.raises(UsageError, match=r"moveaxis\(pixels, -1, 0\)"):
        rsic_geo.compress(np.moveaxis(PIXELS, 0, -1), tmp_path / "a.jp2")
    assert not (tmp_path / "a.jp2").exists()
    narrow = np.zeros((3, 90, 4), np.uint8)  # few bands, few columns: a scene like any
    rsic_geo.compress(narrow, tmp_path / "narrow.jp2")
    with rsic_geo.open(tmp_path / "narrow.jp2") as opened:
        assert opened.shape == (90, 4)


def test_what_an_array_masks_is_the_mask_of_the_scene(tmp_path):
    pixels = np.ma.array(PIXELS, mask=np.broadcast_to(np.indices((150, 170)).sum(0) % 7 == 0, PIXELS.shape))
    back = rsic_geo.decompress(rsic_geo.compress(pixels, psnr=60, model="none"))
    np.testing.assert_array_equal(np.ma.getmaskarray(back), pixels.mask)
    torn = np.ma.array(PIXELS, mask=np.indices(PIXELS.shape).sum(0) % 7 == 0)
    with pytest.raises(UsageError, match="masked in different places"):
        rsic_geo.compress(torn)


def _open_file(tmp_path):
    return (tmp_path / "out").open("w+b")


@pytest.mark.parametrize("out", [lambda _: io.BytesIO(), _open_file])
def test_outputs_go_into_open_files(out, scene, archive, tmp_path):
    with out(tmp_path) as target:
        target.write(b"before")
        rsic_geo.compress(scene, target)
        target.seek(6)
        assert target.read() == archive
    with out(tmp_path) as target:
        rsic_geo.decompress(archive, target)
        target.seek(0)
        with rasterio.MemoryFile(target.read()) as file, file.open() as found:
            np.testing.assert_array_equal(found.read(), PIXELS)


def test_outputs_go_into_the_memory_of_gdal_and_to_addresses(scene, archive):
    for name in ("/vsimem/places/out.tif", "memory://places/out.tif"):
        rsic_geo.decompress(archive, name)
        if name.startswith("memory"):
            with fsspec.open(name, "rb") as file, rasterio.open(file) as found:
                np.testing.assert_array_equal(found.read(), PIXELS)
        else:
            _is_scene(name)
        with pytest.raises(OutputExistsError, match="exists already"):
            rsic_geo.decompress(archive, name)
        rsic_geo.decompress(archive, name, overwrite=True)


def test_what_is_left_beside_a_geotiff_is_told(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((1, 40, 50)))
    names = "<CategoryNames><Category>water</Category><Category>land</Category></CategoryNames>"
    source.with_name("s.tif.aux.xml").write_text(
        f'<PAMDataset><PAMRasterBand band="1">{names}</PAMRasterBand></PAMDataset>'
    )
    archive = rsic_geo.compress(source)
    beside = rsic_geo.decompress(archive, tmp_path / "b.tif")
    assert (tmp_path / "b.tif.aux.xml").exists()
    assert not beside.warnings
    with pytest.warns(UserWarning, match="beside a GeoTIFF"):
        rsic_geo.decompress(archive, form="bytes")
    assert "beside a GeoTIFF" in rsic_geo.decompress(archive, io.BytesIO()).warnings[0]


class _Full(io.BytesIO):
    def write(self, content):
        super().write(content[:1000])
        raise OSError(28, "No space left on device")


def test_half_an_output_is_never_left_or_returned(scene, archive, tmp_path):
    target = _Full()
    with pytest.raises(SceneError, match="No space left"):
        rsic_geo.compress(scene, target)
    assert target.getvalue() == b""
    damaged = bytearray(archive)
    damaged[len(damaged) // 2] ^= 255
    for out in (None, io.BytesIO(), tmp_path / "out.tif", "/vsimem/damaged.tif"):
        with pytest.raises(RsicGeoError) as caught:
            rsic_geo.decompress(bytes(damaged), out)
        assert "rsic-" not in str(caught.value)
        assert not isinstance(out, io.BytesIO) or out.getvalue() == b""
    assert not list(tmp_path.iterdir())
    with pytest.raises(rasterio.RasterioIOError):
        rasterio.open("/vsimem/damaged.tif")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_scene_comes_back_as_an_array_of_xarray(scene, archive):
    ours = rsic_geo.decompress(archive, form="xarray")
    theirs = rioxarray.open_rasterio(scene)
    xarray.testing.assert_equal(ours.drop_vars("spatial_ref"), theirs.drop_vars("spatial_ref"))
    assert (ours.rio.crs, ours.rio.transform(), ours.rio.nodata) == (
        theirs.rio.crs, theirs.rio.transform(), theirs.rio.nodata,
    )  # fmt: skip
    assert rsic_geo.compress(ours)[:100] == archive[:100]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda scene: rsic_geo.compress([[1, 2]]), "list holds no scene: give a path"),
        (lambda scene: rsic_geo.compress(scene, crs="EPSG:4326"), "crs and transform are for arrays"),
        (lambda scene: rsic_geo.compress(np.zeros((0, 3, 4))), "shape"),
        (lambda scene: rsic_geo.compress(np.zeros((3, 4), "U3")), "no scene"),
        (lambda scene: rsic_geo.compress(np.zeros((3, 4), "float16")), "float16: give pixels.astype"),
        (lambda scene: rsic_geo.compress(PIXELS, crs="EPSG:nothing"), "no reference system"),
        (lambda scene: rsic_geo.compress(PIXELS, transform=(1, 2)), "no scene"),
        (lambda scene: rsic_geo.compress(scene, 7), "int is no place to write to"),
        (lambda scene: rsic_geo.compress(scene, io.StringIO()), "open as text"),
        (lambda scene: rsic_geo.compress(io.StringIO("a")), "open as text"),
        (lambda scene: rsic_geo.compress("nothing://a.tif"), "fsspec cannot open it"),
        (lambda scene: rsic_geo.decompress(scene, form="numpy"), "array, xarray or bytes"),
        (lambda scene: rsic_geo.compress(xarray.Dataset({"a": 1})), "of a Dataset give one variable"),
        (lambda scene: rsic_geo.open(PIXELS), "an array is open already"),
    ],
)
def test_what_holds_no_scene_is_told(call, said, scene):
    with pytest.raises(UsageError, match=said):
        call(scene)


def test_a_dataset_that_is_closed_or_written_is_told(scene, tmp_path):
    with rasterio.open(scene) as dataset:
        pass
    with pytest.raises(UsageError, match="is closed"):
        rsic_geo.compress(dataset)
    with (
        rasterio.open(
            tmp_path / "w.tif", "w", driver="GTiff", width=9, height=9, count=1, dtype="uint8"
        ) as out,
        pytest.raises(UsageError, match="open for writing"),
    ):
        rsic_geo.compress(out)


def test_a_handle_without_a_name_cannot_be_sent(archive):
    with rsic_geo.open(archive) as opened, pytest.raises(SceneError, match="no name to open it by"):
        pickle.dumps(opened)
