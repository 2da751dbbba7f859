"""Sources of which GDAL reads what is missing as zeros, or as nothing, without a word."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import MaskFlags
from rasterio.transform import from_origin

import rsic_geo
from rsic_geo.errors import DamagedSceneError, RsicGeoError, SceneError
from rsic_geo.raster import metadata_differences, open_scene

pytestmark = pytest.mark.filterwarnings("ignore")

_PLACE = {"crs": "EPSG:32632", "transform": from_origin(500000, 4000000, 10, 10)}
CUT = {
    "envi.img": ("ENVI", {}, "envi.img"),
    "interleaved.img": ("ENVI", {"INTERLEAVE": "BIP"}, "interleaved.img"),
    "classic.nc": ("netCDF", {"FORMAT": "NC"}, "classic.nc"),
    "large.nc": ("netCDF", {"FORMAT": "NC2"}, "large.nc"),
    "spill.img": ("HFA", {"USE_SPILL": "YES"}, "spill.ige"),
    "plain.img": ("HFA", {}, "plain.img"),
    "scene.pix": ("PCIDSK", {}, "scene.pix"),
}
"""Driver, creation options and the file that is cut, by the name to open."""


def _write(folder: Path, name: str) -> Path:
    plain, path = folder / "plain.tif", folder / name
    rng = np.random.default_rng(5)
    bands = 1 if name.endswith(".nc") else 2
    with rasterio.open(
        plain, "w", driver="GTiff", height=64, width=70, count=bands, dtype="int16", nodata=-9999, **_PLACE
    ) as dataset:
        dataset.write(rng.integers(100, 4000, (bands, 64, 70)).astype("int16"))
        dataset.update_tags(TAKEN="2024")
    driver, options, _ = CUT.get(name, ("GTiff", {}, name))
    if path != plain:
        rasterio.shutil.copy(str(plain), str(path), driver=driver, **options)
        plain.unlink()
    return path


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_a_cut_file_is_never_archived_as_sound(name, share, tmp_path):
    path, archive = _write(tmp_path, name), tmp_path / "a.jp2"
    rsic_geo.compress(str(path), str(archive), model="none")
    archive.unlink()
    (tmp_path / "a.jp2.aux.xml").unlink(missing_ok=True)
    (tmp_path / "a.jp2.msk").unlink(missing_ok=True)
    cut = tmp_path / CUT[name][2]
    content = cut.read_bytes()
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RsicGeoError):
        rsic_geo.compress(str(path), str(archive), model="none")
    assert not archive.exists()


def _zipped(folder: Path) -> str:
    """Put all files of a folder into an archive, and return how GDAL calls it."""
    with zipfile.ZipFile(folder / "all.zip", "w") as pack:
        for file in sorted(folder.iterdir()):
            if file.name != "all.zip":
                pack.write(file, file.name)
    return f"/vsizip/{folder / 'all.zip'}"


@pytest.mark.parametrize("name", sorted(set(CUT) - {"classic.nc", "large.nc"}))  # GDAL reads netCDF from disk
def test_nor_is_one_behind_vsi(name, tmp_path):
    path, archive = _write(tmp_path, name), tmp_path / "a.jp2"
    cut = tmp_path / CUT[name][2]
    rsic_geo.compress(f"{_zipped(tmp_path)}/{path.name}", str(archive), model="none")
    archive.unlink()
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 9 // 10])
    with pytest.raises(RsicGeoError):
        rsic_geo.compress(f"{_zipped(tmp_path)}/{path.name}", str(archive), model="none", overwrite=True)
    assert not archive.exists()


def test_nor_is_one_with_broken_tags_or_sidecars_behind_vsi(tmp_path):
    path, archive = _write(tmp_path, "s.tif"), tmp_path / "out" / "a.jp2"
    archive.parent.mkdir()
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", 42113, 2, 6))
    path.write_bytes(content[:place] + struct.pack("<HHI", 42112, 3, 6) + content[place + 8 :])
    with pytest.raises(DamagedSceneError, match="tags of s.tif"):
        rsic_geo.compress(f"{_zipped(tmp_path)}/s.tif", str(archive), model="none")
    path.write_bytes(content)
    for suffix, words in ((".msk", "the mask s.tif.msk"), (".aux.xml", "the metadata in s.tif.aux.xml")):
        sidecar = tmp_path / f"s.tif{suffix}"
        sidecar.write_bytes(b"<PAMDataset><Meta")
        with pytest.raises(DamagedSceneError, match=words):
            rsic_geo.compress(f"{_zipped(tmp_path)}/s.tif", str(archive), model="none")
        sidecar.unlink()
    rsic_geo.compress(f"{_zipped(tmp_path)}/s.tif", str(archive), model="none")


def test_nor_is_a_mosaic_of_mosaics_of_it(tmp_path):
    path = _write(tmp_path, "envi.img")
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    rasterio.shutil.copy(str(path), str(inner), driver="VRT")
    rasterio.shutil.copy(str(inner), str(outer), driver="VRT")
    path.write_bytes(path.read_bytes()[:9000])
    for mosaic in (inner, outer):
        with pytest.raises(DamagedSceneError, match="cut short: 9000 of at least 17920 bytes"):
            rsic_geo.compress(str(mosaic), str(tmp_path / "a.jp2"), model="none")


@pytest.mark.parametrize("suffix", [".jp2", ".rsic.tif"])
def test_an_error_of_an_archive_names_it(suffix, tmp_path):
    # Of two files that are compared, "the box at byte 54 is cut short" told of neither.
    source, archive = _write(tmp_path, "s.tif"), tmp_path / f"a{suffix}"
    options = {"codec": "learned", "bpp": 8} if suffix == ".rsic.tif" else {}
    rsic_geo.compress(str(source), str(archive), model="none", **options)
    whole = archive.read_bytes()
    for length in (12, 60, 200, len(whole) // 2):
        archive.write_bytes(whole[:length])
        with pytest.raises(RsicGeoError) as refused:
            rsic_geo.compare(str(source), str(archive))
        assert str(archive) in str(refused.value)
        assert "b'" not in str(refused.value)  # as Python writes bytes


def test_a_folder_is_called_one(tmp_path):
    with pytest.raises(SceneError, match="it is a folder, .*: give a file of it"):
        rsic_geo.info(str(tmp_path))


def test_of_a_mosaic_the_file_that_is_missing_is_named(tmp_path):
    tile, mosaic = _write(tmp_path, "tile.tif"), tmp_path / "mosaic.vrt"
    rasterio.shutil.copy(str(tile), str(mosaic), driver="VRT")
    tile.unlink()
    with pytest.raises(SceneError, match=r"mosaic\.vrt: it refers to .*tile\.tif, and there is no such file"):
        rsic_geo.compress(str(mosaic), str(tmp_path / "a.jp2"))
    assert not (tmp_path / "a.jp2").exists()


def test_what_it_still_holds_is_archived_with_a_note(tmp_path):
    path = _write(tmp_path, "envi.img")
    path.write_bytes(path.read_bytes()[:9000])
    report = rsic_geo.compress(str(path), str(tmp_path / "a.jp2"), model="none", accept_damaged=True)
    assert "cut short" in str(report.to_json()["source_damage"])


@pytest.mark.parametrize("length", [0, 4, 100])
def test_a_mask_that_cannot_be_read_is_not_no_mask(length, tmp_path):
    path = _write(tmp_path, "scene.tif")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(np.tri(64, 70) > 0)
    with rasterio.open(path) as dataset:
        assert MaskFlags.per_dataset in dataset.mask_flag_enums[0]
    mask = tmp_path / "scene.tif.msk"
    mask.write_bytes(mask.read_bytes()[:length])
    with pytest.raises(DamagedSceneError, match=r"the mask scene\.tif\.msk cannot be read"):
        rsic_geo.compress(str(path), str(tmp_path / "a.jp2"), model="none")


@pytest.mark.parametrize("share", [0, 0.5])
def test_metadata_that_cannot_be_read_are_not_none(share, tmp_path):
    path = tmp_path / "scene.bil"
    rasterio.shutil.copy(str(_write(tmp_path, "scene.tif")), str(path), driver="EHdr")
    sidecar = tmp_path / "scene.bil.aux.xml"
    content = sidecar.read_bytes()
    sidecar.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DamagedSceneError, match=r"scene\.bil\.aux\.xml cannot be read"):
        rsic_geo.compress(str(path), str(tmp_path / "a.jp2"), model="none")


@pytest.mark.parametrize("tag", [33550, 33922, 34735, 34737, 42112, 42113])
@pytest.mark.parametrize("field", ["place", "count"])
def test_tags_of_a_tiff_that_cannot_be_read_are_not_none(tag, field, tmp_path):
    path = _write(tmp_path, "scene.tif")
    content = bytearray(path.read_bytes())
    (directory,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, directory)
    for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
        if struct.unpack_from("<H", content, entry)[0] == tag:
            struct.pack_into("<I", content, entry + (8 if field == "place" else 4), len(content) + 1000)
    path.write_bytes(content)
    with pytest.raises(DamagedSceneError):
        rsic_geo.compress(str(path), str(tmp_path / "a.jp2"), model="none")


def test_an_archive_needs_no_sidecar_to_be_read(tmp_path):
    archive = tmp_path / "a.jp2"
    rsic_geo.compress(str(_write(tmp_path, "scene.tif")), str(archive), model="none")
    (tmp_path / "a.jp2.aux.xml").write_bytes(b"<PAMData")
    (tmp_path / "a.jp2.msk").write_bytes(b"II*")
    with rsic_geo.open(str(archive)) as opened:
        assert opened.read().shape == (2, 64, 70)


def _placed_tiff(path: Path) -> Path:
    settings = {
        "driver": "GTiff", "height": 40, "width": 50, "count": 1, "dtype": "uint8", "crs": "EPSG:32633",
        "transform": rasterio.transform.from_origin(4e5, 5e6, 10, 10), "nodata": 7,
    }  # fmt: skip
    with rasterio.open(path, "w", **settings) as scene:
        scene.write(np.random.default_rng(0).integers(0, 200, (1, 40, 50)).astype("uint8"))
        scene.update_tags(A="b")
    return path


def _entries(content: bytes) -> dict[int, int]:
    """Return where the entry of each tag lies in a little-endian TIFF."""
    start = struct.unpack_from("<I", content, 4)[0]
    count = struct.unpack_from("<H", content, start)[0]
    places = [start + 2 + 12 * number for number in range(count)]
    return {struct.unpack_from("<H", content, place)[0]: place for place in places}


PLACING = {"scale": 33550, "points": 33922, "keys": 34735, "texts": 34737}


@pytest.mark.parametrize("tag", [*PLACING, "metadata", "nodata"])
@pytest.mark.parametrize(
    "harm", ["number", "type 1", "type 4", "type 13", "type 200", "count 1", "count more"]
)
def test_a_tiff_whose_tags_contradict_each_other_does_not_lose_its_place_in_silence(tag, harm, tmp_path):
    source = _placed_tiff(tmp_path / "s.tif")
    content = bytearray(source.read_bytes())
    place = _entries(content)[{**PLACING, "metadata": 42112, "nodata": 42113}[tag]]
    if harm == "number":
        content[place] ^= 4 if tag in ("metadata", "nodata") else 1  # which would make the one the other
    elif harm.startswith("type"):
        struct.pack_into("<H", content, place + 2, int(harm.split()[1]))
    else:
        was = struct.unpack_from("<I", content, place + 4)[0]
        struct.pack_into("<I", content, place + 4, 1 if harm == "count 1" else was + 5)
    if content == source.read_bytes():
        return
    damaged = tmp_path / "d.tif"
    damaged.write_bytes(content)
    with open_scene(source) as sound, open_scene(damaged) as other:
        lost = metadata_differences(sound.metadata(), other.metadata())
    if not lost:
        assert harm.startswith(("count", "type 1"))
        return
    if (tag, harm) == ("scale", "number"):  # that leaves a control point, as some scenes have
        report = rsic_geo.compress(str(damaged), str(tmp_path / "a.jp2"))
        assert any("no place in it" in text for text in report.warnings)
        return
    with pytest.raises(SceneError) as caught:
        rsic_geo.compress(str(damaged), str(tmp_path / "a.jp2"))
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "a.jp2").exists()


def test_a_reference_system_without_a_place_is_warned_of(tmp_path):
    path = tmp_path / "s.tif"
    with rasterio.open(
        path, "w", driver="GTiff", height=40, width=50, count=1, dtype="uint8", crs="EPSG:32633"
    ) as scene:
        scene.write(np.ones((1, 40, 50), "uint8"))
    report = rsic_geo.compress(str(path), str(tmp_path / "a.jp2"))
    assert any("no place in it" in text for text in report.warnings)
    report = rsic_geo.compress(str(_placed_tiff(tmp_path / "p.tif")), str(tmp_path / "b.jp2"))
    assert report.warnings == ()


@pytest.mark.parametrize(
    "options", [{}, {"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"}, {"ENDIANNESS": "BIG", "BIGTIFF": "YES"}]
)
def test_sound_tags_of_any_order_and_size_are_read(options, tmp_path):
    source = _placed_tiff(tmp_path / "s.tif")
    copy = tmp_path / "c.tif"
    rasterio.shutil.copy(source, copy, driver="GTiff", **options)
    assert rsic_geo.compress(str(copy), str(tmp_path / "a.jp2")).warnings == ()
