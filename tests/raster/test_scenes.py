"""Reading and writing windows: what is kept, what is refused, and what is left behind when it fails."""

from __future__ import annotations

import resource
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import BROKEN, SCENES, needs_shared, scene_params

from rsic_geo.errors import OutputExistsError, RsicGeoError, SceneError, UnsupportedSceneError, UsageError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.raster import SceneWriter, gdal_config, open_scene, same_crs

HEIGHT, WIDTH = 70, 90


def describe(count: int = 1, dtype: str = "uint8", **fields: Any) -> tuple[SceneProfile, MetadataSnapshot]:
    profile = SceneProfile(height=HEIGHT, width=WIDTH, count=count, dtype=dtype)
    snapshot = MetadataSnapshot(width=WIDTH, height=HEIGHT, count=count, dtypes=(dtype,) * count, **fields)
    return profile, snapshot


def noise(count: int = 1, dtype: str = "uint8") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 200, (count, HEIGHT, WIDTH)).astype(dtype)


WHOLE = Window.full(HEIGHT, WIDTH)


def write(path: Path, pixels: np.ndarray, **fields: Any) -> Path:
    profile, snapshot = describe(len(pixels), str(pixels.dtype), **fields)
    with SceneWriter(path, profile, snapshot) as writer:
        writer.write(WHOLE, pixels)
        assert writer.commit() == []
    return path


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
@pytest.mark.parametrize("count", [1, 3, 7])
def test_windows_in_any_order(tmp_path: Path, count: int, dtype: str) -> None:
    pixels, path = noise(count, dtype), tmp_path / "a.tif"
    profile, snapshot = describe(count, dtype)
    with SceneWriter(path, profile, snapshot) as writer:
        for row, col in [(32, 32), (0, 32), (32, 0), (0, 0)]:
            window = Window(row_off=row, col_off=col, height=32 + 6 * (row > 0), width=32 + 26 * (col > 0))
            writer.write(window, np.ascontiguousarray(pixels[(slice(None), *window.slices)]))
        assert writer.commit() == []
    with open_scene(path) as reader:
        assert np.array_equal(reader.read(WHOLE), pixels)
        window = Window(row_off=5, col_off=7, height=11, width=13)
        bands = tuple(reversed(range(count)))
        assert np.array_equal(reader.read(window, bands=bands), pixels[::-1][(slice(None), *window.slices)])
        assert reader.read_overview(7, 9).shape == (count, 7, 9)


def test_file_is_a_tiled_tiff_others_read(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    pixels = noise(3)
    colours = {"colorinterp": ("red", "green", "blue")}
    with tifffile.TiffFile(write(tmp_path / "a.tif", pixels, **colours)) as file:
        page = file.pages[0]
        assert page.is_tiled
        assert page.compression.name == "LZW"
        assert np.array_equal(np.moveaxis(page.asarray(), -1, 0), pixels)


@pytest.mark.parametrize(
    "options", [{"COMPRESS": "ZSTD"}, {"compress": "deflate", "zlevel": "9"}, {"TILED": "NO"}]
)
def test_creation_options_are_obeyed(tmp_path: Path, options: dict[str, str]) -> None:
    profile, snapshot = describe(tags={"D": {"a": "b"}}, band_tags={1: {"": {"c": "d"}}})
    with SceneWriter(tmp_path / "a.tif", profile, snapshot, creation_options=options) as writer:
        writer.write(WHOLE, noise())
        assert writer.commit() == []
    with open_scene(tmp_path / "a.tif") as reader:
        asked = options.get("COMPRESS", options.get("compress", "lzw")).lower()
        assert reader.compression == asked
        assert np.array_equal(reader.read(WHOLE), noise())
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_level_is_obeyed(tmp_path: Path) -> None:
    """GDAL forgets the level of a file that is filled after its creation, so ours must be copied."""
    profile, snapshot = describe(dtype="uint16")
    pixels = np.cumsum(noise(dtype="uint16"), axis=2).astype(np.uint16)
    sizes = []
    for level in ("1", "9"):
        path = tmp_path / f"{level}.tif"
        options = {"COMPRESS": "DEFLATE", "ZLEVEL": level}
        with SceneWriter(path, profile, snapshot, creation_options=options) as writer:
            writer.write(WHOLE, pixels)
            writer.commit()
        sizes.append(path.stat().st_size)
    assert sizes[0] != sizes[1]


def test_mask_is_kept_window_by_window(tmp_path: Path) -> None:
    profile, snapshot = describe(3, mask_flags=(("per_dataset",),) * 3)
    keep = np.random.default_rng(1).random((HEIGHT, WIDTH)) < 0.5
    with SceneWriter(tmp_path / "a.tif", profile, snapshot) as writer:
        writer.write(WHOLE, noise(3))
        for row in (0, 35):
            window = Window(row_off=row, col_off=0, height=35, width=WIDTH)
            writer.write_mask(window, keep[window.slices])
        assert writer.commit() == []
    with open_scene(tmp_path / "a.tif") as reader:
        assert reader.profile.has_mask
        assert np.array_equal(reader.read_mask(WHOLE), keep * np.uint8(255))
        assert np.array_equal(reader.read_valid_overview(HEIGHT, WIDTH), keep)
        assert reader.read_valid(WHOLE).all(), "the dataset mask is no matter of nodata"


def test_promised_mask_that_was_never_written_is_full(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", noise(), mask_flags=(("per_dataset",),))
    with open_scene(tmp_path / "a.tif") as reader:
        assert (reader.read_mask(WHOLE) == 255).all()


@pytest.mark.parametrize(
    ("dtype", "nodata", "invalid"),
    [
        ("uint8", 7.0, 7),
        ("float32", float("nan"), np.nan),
        ("float32", -3.4e38, -3.4e38),
        ("int16", -1.0, -1),
    ],
)
def test_valid_is_what_is_not_nodata(tmp_path: Path, dtype: str, nodata: float, invalid: float) -> None:
    pixels = np.full((1, HEIGHT, WIDTH), 3, dtype)
    pixels[0, 5, 6] = invalid
    with open_scene(write(tmp_path / "a.tif", pixels, nodata=(nodata,), mask_flags=(("nodata",),))) as reader:
        valid = reader.read_valid(WHOLE)
        assert np.array_equal(reader.read_valid(WHOLE, reader.read(WHOLE)), valid)
        assert np.argwhere(~valid).tolist() == [[0, 5, 6]]
        assert reader.read_mask(WHOLE) is None


@pytest.mark.parametrize("nodata", [-9999.0, 300.0, float("nan")])
def test_nodata_outside_the_type_marks_nothing(tmp_path: Path, nodata: float) -> None:
    path = write(tmp_path / "a.tif", noise(), nodata=(nodata,))
    with open_scene(path) as reader:
        assert reader.read_valid(WHOLE).all()
        assert np.array_equal(reader.metadata().nodata, (nodata,), equal_nan=True)


def test_existing_output_is_kept_unless_asked(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", noise())
    before = path.read_bytes()
    profile, snapshot = describe()
    with pytest.raises(OutputExistsError, match="exists already"):
        SceneWriter(path, profile, snapshot)
    with SceneWriter(path, profile, snapshot, overwrite=True) as writer:
        writer.write(WHOLE, noise())
    assert path.read_bytes() == before, "left without a commit, the old file stays"
    stale = [tmp_path / f"a.tif{suffix}" for suffix in (".aux.xml", ".msk", ".ovr")]
    for each in stale:
        each.write_bytes(b"<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    with SceneWriter(path, profile, snapshot, overwrite=True) as writer:
        writer.write(WHOLE, noise() + np.uint8(1))
        writer.commit()
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"], "sidecars of the old file are gone"


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    profile, snapshot = describe(categories={1: ("a", "b")})

    def interrupted() -> None:
        with SceneWriter(tmp_path / "[a].tif", profile, snapshot) as writer:
            writer.write(WHOLE, noise())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{}, {"COMPRESS": "NONE"}])
@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("limit", [200, 4000, 20000])
def test_full_disk_is_noticed(tmp_path: Path, limit: int, driver: str, options: dict[str, str]) -> None:
    """GDAL's compression threads swallow this error and leave a file without pixels."""
    profile, snapshot = describe(4, "uint16")
    pixels = np.random.default_rng(0).integers(0, 65536, (4, HEIGHT, WIDTH)).astype(np.uint16)

    def fill() -> None:
        writer = SceneWriter(tmp_path / "a.tif", profile, snapshot, driver=driver, creation_options=options)
        with writer:
            writer.write(WHOLE, pixels)
            writer.commit()

    old_action = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old_limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old_limits[1]))
    try:
        with pytest.raises(SceneError, match="cannot write") as caught:
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old_limits)
        signal.signal(signal.SIGXFSZ, old_action)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_window_never_written_is_noticed(tmp_path: Path) -> None:
    profile, snapshot = describe()
    with (
        pytest.raises(SceneError, match="blocks"),
        SceneWriter(tmp_path / "a.tif", profile, snapshot) as writer,
    ):
        writer.commit()
    assert list(tmp_path.iterdir()) == []


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    profile, snapshot = describe()
    with pytest.raises(UsageError, match="PNG"):
        SceneWriter(tmp_path / "a.png", profile, snapshot, driver="PNG")
    with pytest.raises(UsageError, match="different scenes"):
        SceneWriter(tmp_path / "a.tif", replace(profile, width=WIDTH + 1), snapshot)
    with pytest.raises(SceneError, match="no folder"):
        SceneWriter(tmp_path / "missing" / "a.tif", profile, snapshot)
    with SceneWriter(tmp_path / "a.tif", profile, snapshot) as writer:
        with pytest.raises(UsageError, match="uint16"):
            writer.write(WHOLE, noise(dtype="uint16"))
        with pytest.raises(UsageError, match="pixels are"):
            writer.write(WHOLE, noise(3))
    assert list(tmp_path.iterdir()) == []


def test_mixed_and_complex_integer_samples_are_refused(tmp_path: Path) -> None:
    bands = [
        '<VRTDataset rasterXSize="4" rasterYSize="4">',
        '<VRTRasterBand dataType="Byte" band="1"/>',
        '<VRTRasterBand dataType="Int16" band="2"/>',
        "</VRTDataset>",
    ]
    (tmp_path / "mixed.vrt").write_text("".join(bands))
    with pytest.raises(UnsupportedSceneError, match="mixes sample types"):
        open_scene(tmp_path / "mixed.vrt")
    (tmp_path / "complex.vrt").write_text("".join([bands[0], bands[1].replace("Byte", "CInt16"), bands[3]]))
    with pytest.raises(UnsupportedSceneError, match=r"complex integers.*-ot CFloat32"):
        open_scene(tmp_path / "complex.vrt")


def test_complex_integers_of_32_bits_are_not_taken_for_floats(tmp_path: Path) -> None:
    """What rasterio calls complex64, and rounds to it; converted as the error says, nothing is lost."""
    told = (
        '<VRTDataset rasterXSize="4" rasterYSize="4"><VRTRasterBand dataType="CInt32" band="1"/></VRTDataset>'
    )
    (tmp_path / "complex.vrt").write_text(told)
    subprocess.run(["gdal_translate", "-q", tmp_path / "complex.vrt", tmp_path / "i.tif"], check=True)
    for name in ("complex.vrt", "i.tif"):
        with pytest.raises(UnsupportedSceneError, match=r"complex integers.*-ot CFloat64"):
            open_scene(tmp_path / name)
    wider = ["gdal_translate", "-q", "-ot", "CFloat64", tmp_path / "i.tif", tmp_path / "f.tif"]
    subprocess.run(wider, check=True)
    with open_scene(tmp_path / "f.tif") as scene:
        assert scene.profile.dtype == "complex128"


@pytest.mark.parametrize(
    ("failure", "is_missing"), [(PermissionError, False), (OSError, False), (FileNotFoundError, True)]
)
def test_a_file_that_may_not_be_looked_at_is_not_called_missing(monkeypatch, tmp_path, failure, is_missing):
    from rsic_geo.raster import env

    def stat(_path):
        raise failure

    monkeypatch.setattr(env.os, "stat", stat)
    assert env.is_missing(tmp_path / "scene.tif") is is_missing


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="cannot read .*there is no such file"):
        open_scene(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_text("no raster")
    with pytest.raises(SceneError, match="no raster in a format GDAL knows"):
        open_scene(tmp_path / "a.tif")


def what_reading_says(path: Path) -> str:
    """Return the message of the error that reading everything ends in; empty if there is none."""
    try:
        with open_scene(path) as reader:
            reader.metadata()
            profile = reader.profile
            window = Window.full(min(profile.height, 4000), min(profile.width, 4000))
            reader.read_valid(window, reader.read(window))
    except RsicGeoError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("path", scene_params(folder=BROKEN))
def test_broken_file_ends_in_one_line(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    said = what_reading_says(path)
    assert "\n" not in said
    assert not said or str(path) in said
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


@needs_shared
def test_configuration_reaches_every_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from rasterio._env import get_gdal_config

    def asked() -> object:
        with open_scene(SCENES / "gdal_byte.jp2"), gdal_config():
            return get_gdal_config("GDAL_CACHEMAX"), get_gdal_config("GTIFF_POINT_GEO_IGNORE")

    options = {"gdal_cachemax": "64", "GTIFF_POINT_GEO_IGNORE": "NO"}
    with gdal_config(options), ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked).result() == (64 * 2**20, "NO")
    assert asked() == (256 * 2**20, None)
    with pytest.raises(UsageError, match="GDAL_CACHEMAX"), gdal_config({"GDAL_CACHEMAX": "much"}):
        pass


def test_same_crs_is_about_meaning() -> None:
    world = (
        'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433],AUTHORITY["EPSG","4326"]]'
    )
    assert same_crs("EPSG:4326", world)
    assert not same_crs("EPSG:32633", "EPSG:32634")
    assert not same_crs("EPSG:32633", "no reference system")


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize(
    "option",
    [
        "COMPRESS=NOPE",
        "NOSUCH=1",
        "NBITS=99",
        "PREDICTOR=9",
        "BIGTIFF=PERHAPS",
        "BLOCKSIZE=17",
        "BLOCKXSIZE=17",
    ],
)
def test_creation_options_gdal_would_ignore_are_refused(tmp_path: Path, driver: str, option: str) -> None:
    """GDAL warns and goes on, or fails after all pixels were decoded."""
    name, _, value = option.partition("=")
    with pytest.raises(UsageError, match="creation option") as caught:
        SceneWriter(tmp_path / "a.tif", *describe(3), driver=driver, creation_options={name: value})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
def test_a_compression_the_samples_do_not_go_with_is_refused_at_once(tmp_path, capfd, driver) -> None:
    with pytest.raises(UsageError, match="not allowed for JPEG"):
        SceneWriter(
            tmp_path / "a.tif", *describe(1, "uint16"), driver=driver, creation_options={"COMPRESS": "JPEG"}
        )
    assert capfd.readouterr().err == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "uint16"])
@pytest.mark.parametrize(
    ("driver", "options"),
    [
        ("GTiff", {"COMPRESS": "DEFLATE", "ZLEVEL": "9", "PREDICTOR": "1"}),
        ("GTiff", {"TILED": "NO", "BLOCKYSIZE": "8", "INTERLEAVE": "BAND", "SPARSE_OK": "TRUE"}),
        ("COG", {"COMPRESS": "ZSTD", "LEVEL": "15", "BLOCKSIZE": "256", "OVERVIEWS": "NONE"}),
        ("COG", {"NUM_THREADS": "2", "STATISTICS": "NO"}),
    ],
)
def test_creation_options_gdal_knows_are_not_refused(tmp_path, driver, options, dtype) -> None:
    pixels = noise(2, dtype)
    with SceneWriter(
        tmp_path / "a.tif", *describe(2, dtype), driver=driver, creation_options=options
    ) as writer:
        writer.write(WHOLE, pixels)
        writer.commit()
    with open_scene(tmp_path / "a.tif") as reader:
        np.testing.assert_array_equal(reader.read(WHOLE), pixels)


@pytest.mark.parametrize(
    ("driver", "options", "kept"),
    [
        ("GTiff", {}, True),
        ("GTiff", {"COMPRESS": "ZSTD", "PREDICTOR": "2"}, True),
        ("GTiff", {"COMPRESS": "WEBP", "WEBP_LOSSLESS": "YES"}, True),
        ("GTiff", {"COMPRESS": "LERC"}, True),
        ("COG", {"COMPRESS": "LZW", "BLOCKSIZE": "256"}, True),
        ("GTiff", {"COMPRESS": "JPEG"}, False),
        ("GTiff", {"COMPRESS": "WEBP"}, False),
        ("GTiff", {"COMPRESS": "LERC", "MAX_Z_ERROR": "2"}, False),
        ("GTiff", {"DISCARD_LSB": "2"}, False),
        ("GTiff", {"COMPRESS": "NONE", "NBITS": "6"}, False),
        ("COG", {"COMPRESS": "JPEG", "QUALITY": "100"}, False),
    ],
)
def test_a_writer_knows_whether_its_options_keep_every_pixel(tmp_path, driver, options, kept) -> None:
    pixels = noise(3, "uint8")
    with SceneWriter(tmp_path / "a.tif", *describe(3), driver=driver, creation_options=options) as writer:
        writer.write(WHOLE, pixels)
        assert writer.keeps_pixels is kept
        writer.commit(accept_loss=True)
    with open_scene(tmp_path / "a.tif") as reader:
        assert np.array_equal(reader.read(WHOLE), pixels) is kept


@pytest.mark.parametrize("compress", ["JPEG", "LZW"])
def test_bytes_of_pixels_are_those_of_the_blocks_wherever_the_file_is(tmp_path: Path, compress: str) -> None:
    import zipfile

    options = {"COMPRESS": compress}
    with SceneWriter(tmp_path / "a.tif", *describe(3), creation_options=options) as writer:
        writer.write(WHOLE, noise(3))
        writer.commit()
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(tmp_path / "a.tif", "a.tif")
    size = (tmp_path / "a.tif").stat().st_size
    for path in (tmp_path / "a.tif", f"/vsizip/{tmp_path}/a.zip/a.tif"):
        with open_scene(path) as reader:
            assert 0.5 * size < reader.stored_bytes() < size


def test_bytes_of_a_file_that_is_no_tiff(tmp_path: Path) -> None:
    import zipfile

    from rsic_geo.raster.__main__ import copy_raster

    write(tmp_path / "a.tif", noise(3))
    copy_raster(str(tmp_path / "a.tif"), str(tmp_path / "a.jpg"), "JPEG", {})
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(tmp_path / "a.jpg", "a.jpg")
    size = (tmp_path / "a.jpg").stat().st_size
    for path in (tmp_path / "a.jpg", f"/vsizip/{tmp_path}/a.zip/a.jpg"):
        with open_scene(path) as reader:
            assert reader.stored_bytes() == size


@pytest.mark.parametrize("suffix", [".tfw", ".wld", ".TFW"])
def test_a_world_file_that_would_place_the_output_is_not_overlooked(tmp_path: Path, suffix: str) -> None:
    """GDAL reads one beside a TIFF that has no transform of its own."""
    stray = tmp_path / f"a{suffix}"
    stray.write_text("99\n0\n0\n-99\n5\n5\n")
    with pytest.raises(OutputExistsError, match=f"{suffix} would be read.*move it away"):
        SceneWriter(tmp_path / "a.tif", *describe(1), overwrite=True)
    assert list(tmp_path.iterdir()) == [stray]
    placed = describe(1, transform=(2.0, 0.0, 5.0, 0.0, -2.0, 5.0))
    with SceneWriter(tmp_path / "a.tif", *placed) as writer:
        writer.write(WHOLE, noise())
        writer.commit()
    with open_scene(tmp_path / "a.tif") as reader:
        assert reader.metadata().transform == (2.0, 0.0, 5.0, 0.0, -2.0, 5.0)
