"""The GeoJP2 box and the sidecar: a JP2 that carries them lies where its source lies, for every reader."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import pytest
from support import scene_params

from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster import degenerate_geotiff, metadata_differences, open_scene, write_pam_sidecar

pytest.importorskip("osgeo.gdal")

from gdal_oracle import differences, georeference_differences
from osgeo import gdal
from trap_scenes import TRAPS

GEOJP2 = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
GEOREFERENCE = {"crs", "crs_epoch", "transform", "gcps", "gcp_crs", "rpcs"}
COLOURS = {"colorinterp", "colormaps", "mask_flags"}
"""Fields that boxes of the JP2 itself carry, which are not ours to write."""
NOT_IN_GEOTIFF = {"crs_compound_feet", "crs_rotated_pole", "gcps_named", "gcps_and_transform"}
"""Traps whose place on earth GeoTIFF cannot express in full."""


def jp2_with_box(path: Path, source: Path, geotiff: bytes | None) -> None:
    """Write the source's pixels as a JP2 without any georeference but the box put in by hand."""
    options = ["GeoJP2=NO", "GMLJP2=NO", "QUALITY=100", "REVERSIBLE=YES"]
    copy = gdal.GetDriverByName("MEM").CreateCopy("", gdal.Open(str(source)))
    gdal.GetDriverByName("JP2OpenJPEG").CreateCopy(str(path), copy, options=options)
    Path(f"{path}.aux.xml").unlink(missing_ok=True)
    Path(f"{path}.msk").unlink(missing_ok=True)
    if geotiff is None:
        return
    data, position = path.read_bytes(), 0
    while data[position + 4 : position + 8] != b"jp2c":
        position += struct.unpack(">I", data[position : position + 4])[0]
    box = struct.pack(">I4s", 24 + len(geotiff), b"uuid") + GEOJP2 + geotiff
    path.write_bytes(data[:position] + box + data[position:])


def placed(path: Path) -> MetadataSnapshot:
    with open_scene(path) as reader:
        return reader.metadata()


def misplaced(ours: MetadataSnapshot, theirs: MetadataSnapshot) -> list[str]:
    return [str(each) for each in metadata_differences(ours, theirs) if each.field in GEOREFERENCE]


def writable(names: dict[str, object]) -> list[str]:
    """Return the traps GDAL can write as a JP2."""
    wide = ("int64", "nan", "infinite", "float", "complex", "CMYK", "Cyan", "YCbCr")
    return [name for name in names if not any(word in name for word in wide)]


@pytest.mark.parametrize("name", [name for name in writable(TRAPS) if name not in NOT_IN_GEOTIFF])
def test_box_places_the_jp2_where_the_source_is(tmp_path: Path, name: str) -> None:
    source, target = TRAPS[name](tmp_path), tmp_path / "out.jp2"
    snapshot = placed(source)
    geotiff = degenerate_geotiff(snapshot)
    assert (geotiff is None) == (name == "nothing_said")
    jp2_with_box(target, source, geotiff)
    assert georeference_differences(source, target) == []
    assert misplaced(snapshot, placed(target)) == []


@pytest.mark.parametrize("source", scene_params())
def test_box_of_a_real_scene(tmp_path: Path, source: Path) -> None:
    target, pixels = tmp_path / "out.jp2", tmp_path / "pixels.tif"
    gdal.GetDriverByName("GTiff").Create(str(pixels), 64, 64)
    snapshot = placed(source)
    jp2_with_box(target, pixels, degenerate_geotiff(snapshot))
    assert georeference_differences(source, target) == []
    assert misplaced(snapshot, placed(target)) == []


@pytest.mark.parametrize("name", [name for name in writable(TRAPS) if "mask" not in name])
def test_sidecar_says_what_the_jp2_does_not(tmp_path: Path, name: str) -> None:
    source, target = TRAPS[name](tmp_path), tmp_path / "out.jp2"
    snapshot = placed(source)
    jp2_with_box(target, source, degenerate_geotiff(snapshot))
    missing = write_pam_sidecar(target, snapshot)
    assert {each.field for each in missing} <= COLOURS
    assert metadata_differences(snapshot, placed(target), ignore=COLOURS) == []
    assert differences(source, target, frozenset({"color", "table", "mask"})) == []


def test_no_sidecar_where_nothing_is_missing(tmp_path: Path) -> None:
    source, target = TRAPS["rotated_area"](tmp_path), tmp_path / "out.jp2"
    snapshot = placed(source)
    jp2_with_box(target, source, degenerate_geotiff(snapshot))
    Path(f"{target}.aux.xml").write_text("<PAMDataset><SRS>EPSG:4326</SRS></PAMDataset>")
    assert write_pam_sidecar(target, snapshot) == []
    assert not Path(f"{target}.aux.xml").exists()


def test_rotated_point_is_written_as_area(tmp_path: Path) -> None:
    """GDAL shifts a rotated Point raster by half a pixel when it reads this box."""
    source = TRAPS["rotated_point"](tmp_path)
    snapshot = placed(source)
    assert snapshot.area_or_point == "Point"
    assert degenerate_geotiff(snapshot) == degenerate_geotiff(replace(snapshot, area_or_point="Area"))


def test_north_up_point_stays_point(tmp_path: Path) -> None:
    snapshot = placed(TRAPS["north_up_point"](tmp_path))
    assert degenerate_geotiff(snapshot) != degenerate_geotiff(replace(snapshot, area_or_point="Area"))
