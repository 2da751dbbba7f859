"""Every sample type comes back bit for bit, or within its bound: seen by tifffile and the machine's GDAL."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.container import cog, sideinfo
from rsic_geo.container.tiff_directory import is_cog_archive
from rsic_geo.errors import ChecksumError, RsicGeoError, UnsupportedSceneError, UsageError
from rsic_geo.geo.window import TileGrid, Window
from rsic_geo.scenes.archive import Archive

TYPES = (
    "int8", "uint32", "int32", "uint64", "int64", "float32", "float64", "complex64", "complex128",
)  # fmt: skip
SHAPE = (270, 301)
ALLOWANCE = 1500
"""Bytes our record may take beyond what GDAL alone writes."""


def samples(dtype: str, bands: int = 2) -> np.ndarray:
    """Return smooth fields (bands, h, w) with everything in them that a type can say."""
    pixels = painted((bands, *SHAPE), "int16").astype(np.float64) / 7
    if dtype == "int8":
        pixels /= 40
    if np.dtype(dtype).kind == "c":
        pixels = pixels + 1j * pixels[:, ::-1]
    pixels = pixels.astype(dtype)
    if np.dtype(dtype).kind in "iu":
        pixels[0, 0, :2] = np.iinfo(dtype).min, np.iinfo(dtype).max
        return pixels
    parts = pixels.view(f"f{4 if dtype in ('float32', 'complex64') else 8}")
    parts[0, 5, :4] = np.inf, -np.inf, -0.0, np.nan
    words = parts.view(f"u{parts.itemsize}")
    words[0, 6, :2] = words[0, 5, 3] | 0x1234, words[0, 5, 3] ^ (1 << (8 * parts.itemsize - 1))
    parts[-1, 40:60] = -0.0
    return pixels


def seen_by_gdal(path: Path, dtype: str) -> np.ndarray:
    """Return the samples (bands, h, w) that the GDAL of the machine, another version than ours, finds."""
    if shutil.which("gdal_translate") is None:
        pytest.skip("the machine has no GDAL of its own")
    out = path.with_name("seen.tif")
    subprocess.run(
        ["gdal_translate", "-q", "-of", "GTiff", "-co", "INTERLEAVE=BAND", str(path), str(out)],
        check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", "GDAL_PAM_ENABLED": "NO"},
    )  # fmt: skip
    return np.frombuffer(tifffile.imread(out, key=0).tobytes(), dtype).reshape(-1, *SHAPE)


def gdal_cog(source: Path, **options: str) -> int:
    """Return the bytes of the COG that GDAL makes of a scene, with the libraries that ours is made with."""
    out = source.with_name("peer.tif")
    rasterio.shutil.copy(str(source), str(out), driver="COG", **options)
    return out.stat().st_size


@pytest.mark.parametrize("dtype", TYPES)
def test_every_bit_of_every_type(dtype, tmp_path, capsys):
    pixels = samples(dtype)
    kind = np.dtype(dtype).kind
    nodata = {"i": -7, "u": 7, "f": float("nan"), "c": None}[kind]
    source = write_scene(tmp_path / "s.tif", pixels, nodata=nodata, compress="zstd")
    (tmp_path / "out").mkdir()
    assert main(["compress", str(source), str(tmp_path / "out")]) == 0
    archive, back = tmp_path / "out" / "s.cog.tif", tmp_path / "b.tif"
    assert main(["decompress", str(archive), str(back)]) == 0
    assert main(["compare", str(source), str(back)]) == 0
    assert main(["compare", str(source), str(archive)]) == 0
    assert main(["validate", str(archive)]) == 0
    told = rsic_geo.info(archive)
    assert (told["dtype"], told["codec"], told["lossless"]) == (dtype, {"name": "cog"}, True)
    for path in (archive, back):
        found = np.moveaxis(tifffile.imread(path, key=0), -1, 0)
        assert found.dtype == pixels.dtype
        assert np.ascontiguousarray(found).tobytes() == pixels.tobytes()
    assert seen_by_gdal(archive, dtype).tobytes() == pixels.tobytes()
    predictor = {} if kind == "c" else {"PREDICTOR": "YES"}
    most = gdal_cog(source, COMPRESS="ZSTD", LEVEL="9", **predictor)
    assert archive.stat().st_size <= most + ALLOWANCE
    with Archive(str(archive)) as scene, rasterio.open(source) as truth:
        window = Window(row_off=200, col_off=230, height=61, width=70)
        rows, cols = window.slices
        assert scene.read(window).tobytes() == pixels[:, rows, cols].tobytes()
        small = scene.read(out_shape=(27, 30))
        assert (small.shape, small.dtype) == ((2, 27, 30), np.dtype(dtype))
        shown = truth.read_masks() != 0
        np.testing.assert_array_equal(scene.read_valid(Window.full(*SHAPE)), shown)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint32", "int8"])
def test_a_largest_error_is_kept_and_takes_no_more_than_lerc(dtype, tmp_path):
    is_float = np.dtype(dtype).kind == "f"
    pixels, bound = samples(dtype, 1 if is_float else 2), 0.01 if is_float else 3
    if not is_float:
        pixels[0, 0, :2] = pixels[0, 0, 2]
        noise = np.random.default_rng(0).integers(0, 6, pixels.shape)  # what no predictor makes smaller
        pixels = (pixels // 2 + noise).astype(dtype)
    source = write_scene(tmp_path / "s.tif", pixels)
    archive = tmp_path / "a.cog.tif"
    report = rsic_geo.compress(source, archive, max_error=bound, accept_loss=True).to_json()
    assert not report["lossless"]
    found = seen_by_gdal(archive, dtype)
    finite = np.isfinite(pixels)
    np.testing.assert_array_equal(found[~finite], pixels[~finite])
    error = np.abs(found[finite].astype(np.float64) - pixels[finite].astype(np.float64)).max()
    assert error <= bound
    assert report["max_abs_error"] == error
    most = gdal_cog(source, COMPRESS="LERC_ZSTD", LEVEL="9", MAX_Z_ERROR=str(bound))
    assert archive.stat().st_size <= most + ALLOWANCE
    assert rsic_geo.compare(source, archive).max_abs_error == error
    assert rsic_geo.validate(archive)["valid"]


def test_what_other_versions_of_gdal_could_not_read_is_kept_exactly(tmp_path):
    source = write_scene(tmp_path / "s.tif", samples("float32"))  # two bands with NaN
    report = rsic_geo.compress(source, tmp_path / "a.cog.tif", max_error=0.01)
    assert report.details["lossless"]
    np.testing.assert_array_equal(seen_by_gdal(tmp_path / "a.cog.tif", "float32"), samples("float32"))


@pytest.mark.parametrize("dtype", ["int64", "complex64"])
def test_what_lerc_cannot_hold_is_kept_exactly_under_any_bound(dtype, tmp_path):
    source = write_scene(tmp_path / "s.tif", samples(dtype))
    report = rsic_geo.compress(source, tmp_path / "a.cog.tif", max_error=5)
    assert report.details["lossless"]
    assert rsic_geo.compare(source, tmp_path / "a.cog.tif").pixels_equal


def test_nodata_that_lerc_would_move_is_kept_by_keeping_everything(tmp_path):
    pixels = painted((1, *SHAPE), "int16").astype("float32") / 7
    pixels[0, ::3, ::5] = 11.0625  # amid the values, so that rounding meets it
    source = write_scene(tmp_path / "s.tif", pixels, nodata=11.0625)
    report = rsic_geo.compress(source, tmp_path / "a.cog.tif", max_error=0.3)
    assert report.details["lossless"]
    assert rsic_geo.compare(source, tmp_path / "a.cog.tif").is_equal


@pytest.mark.parametrize(
    ("dtype", "value"), [("int64", 2**63 - 1), ("uint64", 2**64 - 1), ("int64", 2**53 + 1)]
)
def test_nodata_that_no_float_holds(dtype, value, tmp_path):
    gdal = pytest.importorskip("osgeo.gdal")
    pixels = samples(dtype, 1)
    pixels[0, :30] = value
    kind = gdal.GDT_Int64 if dtype == "int64" else gdal.GDT_UInt64
    made = gdal.GetDriverByName("GTiff").Create(str(tmp_path / "s.tif"), SHAPE[1], SHAPE[0], 1, kind)
    made.GetRasterBand(1).WriteArray(pixels[0])
    made.GetRasterBand(1).SetNoDataValue(value)
    del made
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "a.cog.tif")
    assert rsic_geo.compare(tmp_path / "s.tif", tmp_path / "a.cog.tif").is_equal
    with Archive(str(tmp_path / "a.cog.tif")) as scene:
        np.testing.assert_array_equal(scene.read_valid(Window.full(*SHAPE)), pixels != value)
    rsic_geo.decompress(tmp_path / "a.cog.tif", tmp_path / "b.tif")
    assert gdal.Open(str(tmp_path / "b.tif")).GetRasterBand(1).GetNoDataValue() == value


def masked_bands(folder: Path) -> tuple[Path, np.ndarray]:
    """Return a VRT each of whose bands has a mask of its own, and where these show data (bands, h, w)."""
    pixels = painted((2, *SHAPE), "uint16")
    keep = np.stack([np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) % 7 > 0, np.ones(SHAPE, bool)])
    keep[1, :50] = False
    write_scene(folder / "p.tif", pixels)
    write_scene(folder / "k.tif", keep.astype("uint8") * 255)

    def source(name: str, band: int) -> str:
        return (
            f'<SimpleSource><SourceFilename relativeToVRT="1">{name}</SourceFilename>'
            f"<SourceBand>{band}</SourceBand></SimpleSource>"
        )

    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}">{source("p.tif", n)}<MaskBand>'
        f'<VRTRasterBand dataType="Byte">{source("k.tif", n)}</VRTRasterBand></MaskBand></VRTRasterBand>'
        for n in (1, 2)
    )
    path = folder / "s.vrt"
    path.write_text(f'<VRTDataset rasterXSize="{SHAPE[1]}" rasterYSize="{SHAPE[0]}">{bands}</VRTDataset>')
    return path, keep


def test_masks_of_single_bands(tmp_path):
    source, keep = masked_bands(tmp_path)
    with rasterio.open(source) as scene:
        np.testing.assert_array_equal(scene.read_masks() != 0, keep)
        pixels = scene.read()
    with pytest.raises(UnsupportedSceneError, match=r"\.cog\.tif"):
        rsic_geo.compress(source, tmp_path / "a.jp2")
    report = rsic_geo.compress(source, tmp_path / "a.*", tile_size=256)
    archive = tmp_path / "a.cog.tif"
    assert report.output["path"] == str(archive)
    with Archive(str(archive)) as scene:
        np.testing.assert_array_equal(scene.read_valid(Window.full(*SHAPE)), keep)
        np.testing.assert_array_equal(scene.read(), pixels)
        part = Window(row_off=40, col_off=250, height=30, width=20)
        np.testing.assert_array_equal(scene.read_valid(part), keep[(slice(None), *part.slices)])
    assert rsic_geo.compare(source, archive).is_equal
    assert rsic_geo.validate(archive)["valid"]
    report = rsic_geo.decompress(archive, tmp_path / "b.tif")
    assert any("no GeoTIFF can say this" in text and "mask" in text for text in report.warnings)


def test_a_mask_of_all_bands(tmp_path):
    keep = np.add.outer(np.arange(SHAPE[0]), np.arange(SHAPE[1])) % 11 > 0
    source = write_scene(tmp_path / "s.tif", samples("float64"), mask=keep)
    rsic_geo.compress(source, tmp_path / "a.cog.tif", tile_size=256)
    assert rsic_geo.compare(source, tmp_path / "a.cog.tif").is_equal
    with tifffile.TiffFile(tmp_path / "a.cog.tif") as file:
        mask = next(page for page in file.pages if page.subfiletype == 4)
        np.testing.assert_array_equal(mask.asarray() != 0, keep)


@pytest.mark.parametrize(
    ("dtype", "change", "target", "suffix"),
    [
        ("uint16", 0, "lossless", ".jp2"),
        ("int32", 0, "lossless", ".cog.tif"),
        ("float32", 0, "lossless", ".jp2"),
        ("float32", 0.25, "lossless", ".cog.tif"),
        ("float32", 0.25, "max-error=0.000001", ".cog.tif"),
        ("int32", 0, "max-error=2", ".cog.tif"),
    ],
)
def test_auto_takes_what_holds_the_scene(tmp_path, dtype, change, target, suffix):
    source = write_scene(tmp_path / "s.tif", (painted((1, 90, 80), "uint16") + change).astype(dtype))
    report = rsic_geo.compress(source, tmp_path / "a.b.*", target=target)
    assert report.output["path"] == str(tmp_path / f"a.b{suffix}")
    names = {path.name for path in tmp_path.iterdir() if not path.name.endswith((".aux.xml", ".msk"))}
    assert names == {"s.tif", f"a.b{suffix}"}
    if target == "lossless":
        assert rsic_geo.compare(source, tmp_path / f"a.b{suffix}").is_equal


def test_of_floats_within_a_bound_the_smaller_archive_is_kept(tmp_path):
    noise = np.random.default_rng(0).choice([0.1, 5000.2], (1, 128, 128)).astype("float32")
    for name, pixels in {"smooth": painted((1, 128, 128), "int16") / np.float32(8), "few": noise}.items():
        source = write_scene(tmp_path / f"{name}.tif", pixels.astype("float32"))
        sizes = {}
        for codec, suffix in (("jp2", ".jp2"), ("cog", ".cog.tif"), ("auto", ".*")):
            report = rsic_geo.compress(
                source, tmp_path / f"{name}-{codec}{suffix}", codec=codec, max_error=0.2
            )
            sizes[codec] = report.details["bytes"] + report.details["sidecar_bytes"]
        assert sizes["auto"] == min(sizes["jp2"], sizes["cog"])


@pytest.mark.parametrize(
    ("dtype", "options", "words"),
    [
        ("float32", {"psnr": 40}, "--quantize uint16"),
        ("int32", {"bpp": 2}, "max-error=N"),
        ("complex64", {"snr": 30}, "max-error=N"),
        ("float32", {"codec": "cog", "quantize": "uint16"}, "leave out --quantize"),
        (
            "uint16",
            {"codec": "cog", "spectral": "rotated", "max_error": 5},
            "rotated bands are for JPEG 2000",
        ),
        ("uint16", {"codec": "cog:big"}, "without a network"),
    ],
)
def test_what_a_cog_cannot_do_is_one_line(tmp_path, dtype, options, words):
    pixels = (painted((1, 60, 50), "uint16") + 0.5).astype(dtype)
    source = write_scene(tmp_path / "s.tif", pixels)
    with pytest.raises(RsicGeoError, match=words) as refused:
        rsic_geo.compress(source, tmp_path / "a.cog.tif", **options)
    assert refused.value.exit_code == 2
    assert len(str(refused.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_a_name_of_jpeg_2000_for_what_it_cannot_hold_says_what_to_do(tmp_path):
    source = write_scene(tmp_path / "s.tif", samples("int32"))
    with pytest.raises(UnsupportedSceneError, match=r"int32 do not fit JPEG 2000.*\.cog\.tif"):
        rsic_geo.compress(source, tmp_path / "a.jp2")
    with pytest.raises(UsageError, match="or give a folder that exists"):
        rsic_geo.compress(source, tmp_path / "a.tif")


# -- the file


@pytest.fixture
def archived(tmp_path) -> Path:
    """Return an archive of four tiles, with a mask and an overview."""
    keep = np.ones(SHAPE, bool)
    keep[:30, :40] = False
    source = write_scene(tmp_path / "s.tif", samples("float32"), mask=keep, nodata=-9999)
    rsic_geo.compress(source, tmp_path / "a.cog.tif", tile_size=256)
    assert is_whole(tmp_path / "a.cog.tif")
    assert cog.CogFile(tmp_path / "a.cog.tif").overviews
    return tmp_path / "a.cog.tif"


def is_whole(path: Path) -> bool:
    """Return whether no checksum of an archive says that it is damaged."""
    grid = TileGrid(height=SHAPE[0], width=SHAPE[1], tile_size=256)
    try:
        record, file = cog.read_record(path)
        check = cog.CogCheck(file, sideinfo.unpack(record, file.picture), grid)
        check.structure()
    except RsicGeoError:
        return False
    return not (check.damaged() or check.minor_damage())


def test_every_byte_outside_of_the_tiles_is_watched(archived):
    """One bit of every byte of header, directories and record; of blocks one in some hundreds."""
    good, file = archived.read_bytes(), cog.CogFile(archived)
    record, _ = cog.read_record(archived)
    watched = sorted(span for spans in (*file.tiles, *file.overviews) for span in spans)
    inside = np.zeros(len(good), bool)
    for start, stop in watched:
        inside[start:stop] = True
    assert len(good) - inside.sum() < 4000 + len(record)
    chance = np.random.default_rng(1)
    places = [*np.flatnonzero(~inside), *chance.choice(np.flatnonzero(inside), 60)]
    for start, stop in watched:  # what GDAL writes around a block, too
        places += [start, start + 3, start + 4, stop - 1]
    for at in places:
        broken = bytearray(good)
        broken[at] ^= 1 << int(chance.integers(8))
        archived.write_bytes(broken)
        if at % 16 and at < len(good) - 24:  # what `validate` does first, without GDAL, which takes its time
            assert not is_whole(archived), at
        else:
            found = rsic_geo.validate(archived, pixels=False)
            assert not found["valid"], at
            assert found["problems"][0].count("\n") == 0


def test_damage_of_a_tile_spares_the_others(archived):
    good, file = bytearray(archived.read_bytes()), cog.CogFile(archived)
    with Archive(str(archived)) as scene:
        whole = scene.read()
    first = file.tiles[3][0]
    good[(first[0] + first[1]) // 2] ^= 1
    archived.write_bytes(good)
    assert rsic_geo.validate(archived)["damaged_tiles"] == [3]
    with Archive(str(archived)) as scene:
        window = Window(row_off=0, col_off=0, height=256, width=256)
        np.testing.assert_array_equal(scene.read(window), whole[:, :256, :256])
        with pytest.raises(ChecksumError, match=r"tile 3 \(row 1, column 1\)"):
            scene.read()


def test_damage_of_an_overview_spares_the_scene(archived):
    good, file = bytearray(archived.read_bytes()), cog.CogFile(archived)
    start, stop = file.overviews[0][0]
    good[(start + stop) // 2] ^= 1
    archived.write_bytes(good)
    found = rsic_geo.validate(archived)
    assert (found["damaged_tiles"], found["valid"]) == ([], False)
    with Archive(str(archived)) as scene:
        scene.read()
        with pytest.raises(ChecksumError, match="overview"):
            scene.read(out_shape=(30, 30))


def test_small_pictures_are_of_checked_overviews_whichever_gdal_takes(tmp_path):
    pixels = np.random.default_rng(1).integers(1, 255, (1, 1101, 903), np.uint8)
    write_scene(tmp_path / "s.tif", pixels, mask=np.indices(pixels.shape[1:]).sum(axis=0) > 300)
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "a.cog.tif", tile_size=256)
    good, file = (tmp_path / "a.cog.tif").read_bytes(), cog.CogFile(tmp_path / "a.cog.tif")
    sides = [(round(1101 / by), round(903 / by)) for by in (1.2, 1.7, 1.99, 2, 2.01, 2.4, 3.2, 3.99, 4, 5, 9)]
    shapes = [*sides, (551, 100), (100, 452), (40, 700), (1, 1)]
    area = Window(row_off=101, col_off=33, height=700, width=800)
    asked = [(window, shape) for window in (None, area) for shape in shapes]
    with Archive(str(tmp_path / "a.cog.tif")) as scene:
        wanted = [scene.read(window, out_shape=shape) for window, shape in asked]
    assert len(file.overviews) >= 2
    refused = 0
    for spans in file.overviews:
        broken = bytearray(good)
        for start, stop in spans:
            broken[(start + stop) // 2] ^= 1
        (tmp_path / "a.cog.tif").write_bytes(broken)
        for (window, shape), right in zip(asked, wanted, strict=True):
            with Archive(str(tmp_path / "a.cog.tif")) as scene:
                try:
                    found = scene.read(window, out_shape=shape)
                except ChecksumError:
                    refused += 1
                    continue
            np.testing.assert_array_equal(found, right)
    assert refused >= len(file.overviews)


def test_what_follows_the_tiff_is_missed_when_it_is_gone(archived, tmp_path):
    whole, (record, _) = archived.read_bytes(), cog.read_record(archived)
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole[: len(whole) - len(record) - 20])
    assert not cut.samefile(cog.read_record(archived)[1].path)
    with Archive(str(cut)) as scene:
        assert any("side information" in text for text in scene.warnings)
    assert not rsic_geo.validate(cut)["valid"]
    for length in (len(whole) - 1, len(whole) - len(record) // 2, len(whole) // 2, 300):
        cut.write_bytes(whole[:length])
        assert not rsic_geo.validate(cut)["valid"]


def test_a_copy_by_another_program_is_no_archive(archived, tmp_path):
    """It has other tags, but neither mark nor record, and nothing of ours in its metadata."""
    copy = tmp_path / "copy.tif"
    rasterio.shutil.copy(str(archived), str(copy), driver="COG", COMPRESS="ZSTD")
    assert not is_cog_archive(copy)
    with (
        rasterio.open(copy) as scene,
        rasterio.open(archived) as ours,
        rasterio.open(tmp_path / "s.tif") as own,
    ):
        assert scene.tags() == ours.tags() == own.tags()
    assert not rsic_geo.info(copy)["archive"]


def test_big_files_and_scenes_that_use_the_tag_of_the_mark(tmp_path):
    source = write_scene(tmp_path / "s.tif", samples("int32"))
    with rasterio.open(source, "r+") as scene:
        scene.update_tags(**dict.fromkeys(cog.CARRIERS, "taken"))
    rsic_geo.compress(source, tmp_path / "a.cog.tif")
    assert is_cog_archive(tmp_path / "a.cog.tif")
    assert rsic_geo.compare(source, tmp_path / "a.cog.tif").is_equal
    rsic_geo.decompress(tmp_path / "a.cog.tif", tmp_path / "b.tif")
    with rasterio.open(tmp_path / "b.tif") as scene:
        assert scene.tags()["TIFFTAG_DOCUMENTNAME"] == "taken"
    big, item = tmp_path / "big.tif", next(iter(cog.CARRIERS))
    with rasterio.open(source, "r+") as scene:
        scene.update_tags(**{item: cog.MAGIC.decode()})
    rasterio.shutil.copy(str(source), str(big), driver="COG", BIGTIFF="YES", COMPRESS="ZSTD")
    cog.mark(big, item)
    assert is_cog_archive(big)
    assert cog.CogFile(big).picture == cog.CogFile(tmp_path / "a.cog.tif").picture
    np.testing.assert_array_equal(tifffile.imread(big), tifffile.imread(source))
    with tifffile.TiffFile(big) as file:
        assert file.pages[0].tags[cog.MARK_TAG].value.startswith(cog.MAGIC)


def test_an_archive_behind_a_name_of_gdals_is_one(archived, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.write(archived, "a.cog.tif")
    name = f"/vsizip/{tmp_path / 'a.zip'}/a.cog.tif"
    assert rsic_geo.info(f"zip://{tmp_path / 'a.zip'}!a.cog.tif")["archive"]
    assert rsic_geo.info(name)["archive"]
    assert rsic_geo.compare(archived, name).is_equal


def test_effort_buys_bytes(tmp_path):
    source = write_scene(tmp_path / "s.tif", samples("float32"))
    sizes = [
        rsic_geo.compress(source, tmp_path / f"{effort}.cog.tif", effort=effort).details["bytes"]
        for effort in ("fast", "best")
    ]
    assert sizes[1] < sizes[0]
    assert rsic_geo.compare(tmp_path / "fast.cog.tif", tmp_path / "best.cog.tif").is_equal


def test_a_batch_of_every_type(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for dtype in ("int32", "float32", "complex64", "uint8"):
        write_scene(
            tmp_path / "in" / f"{dtype}.tif", samples(dtype) if dtype != "uint8" else painted((1, 60, 70))
        )
    write_scene(tmp_path / "in" / "whole.tif", painted((1, 60, 70), "int16").astype("float64"))
    run = ["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--jobs", "1"]
    assert main(run) == 0
    products = {path.name for path in (tmp_path / "out").glob("*.tif")} | {
        path.name for path in (tmp_path / "out").glob("*.jp2")
    }
    assert products == {"int32.cog.tif", "float32.cog.tif", "complex64.cog.tif", "uint8.jp2", "whole.cog.tif"}
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir() if path.name in products}
    assert main([*run, "--recheck"]) == 0  # finds them by the names they came to have
    assert made == {path: path.stat().st_mtime_ns for path in made}
    write_scene(tmp_path / "in" / "int32.tiff", samples("int8"))
    assert main(run) == 2
    assert "would both become" in capsys.readouterr().err
