"""Sources of which GDAL reads what is missing as zeros, or as nothing, without a word."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.enums import MaskFlags
from rasterio.transform import from_origin

import rsic_geo
from rsic_geo.errors import DamagedSceneError, RsicGeoError

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


def test_nor_is_a_mosaic_of_mosaics_of_it(tmp_path):
    path = _write(tmp_path, "envi.img")
    inner, outer = tmp_path / "inner.vrt", tmp_path / "outer.vrt"
    rasterio.shutil.copy(str(path), str(inner), driver="VRT")
    rasterio.shutil.copy(str(inner), str(outer), driver="VRT")
    path.write_bytes(path.read_bytes()[:9000])
    for mosaic in (inner, outer):
        with pytest.raises(DamagedSceneError, match="cut short: 9000 of at least 17920 bytes"):
            rsic_geo.compress(str(mosaic), str(tmp_path / "a.jp2"), model="none")


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
