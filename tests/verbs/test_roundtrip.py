"""Lossless there and back over every real scene: nothing may differ, for us or for GDAL itself."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from jp2_support import assert_valid
from pipeline_support import JP2_TYPES, assert_same_place, painted, source_view, view, write_scene
from rasterio.control import GroundControlPoint
from rasterio.enums import MaskFlags
from support import SCENES, scene_params

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.container.jp2 import read_side_information, strip_side_information
from rsic_geo.errors import UnsupportedSceneError

SLOW = ("gdal_arcgis93_geodataxform_gcp.tif", "zanzibar_oam_rgb_8192x4096.tif")


def dtype_of(path: Path) -> str:
    with rasterio.open(path) as scene:
        return str(scene.dtypes[0])


def of_types(supported: bool) -> list[object]:
    """Return the real scenes JPEG 2000 can, or cannot, hold."""
    if not SCENES.is_dir():
        return scene_params()
    paths = [param for param in scene_params() if (dtype_of(param.values[0]) in JP2_TYPES) == supported]
    slow = pytest.mark.slow
    return [
        pytest.param(p.values[0], id=p.id, marks=[*p.marks, *([slow] if p.id in SLOW else [])]) for p in paths
    ]


@dataclass
class RoundTrip:
    source: Path
    archive: Path
    result: Path


@pytest.fixture(scope="module", params=of_types(supported=True))
def trip(request, tmp_path_factory):
    """Compress and decompress one scene; the files serve all tests and go before the next scene."""
    folder = tmp_path_factory.mktemp("trip")
    made = RoundTrip(source=request.param, archive=folder / "scene.jp2", result=folder / "scene.tif")
    said = rsic_geo.compress(made.source, made.archive).warnings
    assert [text for text in said if not text.startswith("--bands rotated would save")] == []
    assert rsic_geo.decompress(made.archive, made.result).warnings == ()
    expected = {"scene.jp2", "scene.jp2.aux.xml", "scene.jp2.msk", "scene.tif", "scene.tif.aux.xml"}
    assert {path.name for path in folder.iterdir()} <= expected
    yield made
    shutil.rmtree(folder)


def test_nothing_differs(trip):
    """Compare finds no difference, neither in the GeoTIFF nor in the archive itself."""
    for other in (trip.result, trip.archive):
        found = rsic_geo.compare(trip.source, other)
        assert found.is_equal, found.to_json()
        assert found.pixels_equal
        assert found.mask_equal
        assert found.metadata == ()


def test_gdal_sees_the_source_again(trip):
    """Pixels, masks, place, nodata, colours, scales and all tags through osgeo.gdal."""
    ours, theirs = source_view(trip.source), view(trip.result)
    np.testing.assert_array_equal(theirs.pixels, ours.pixels)
    np.testing.assert_array_equal(theirs.valid, ours.valid)
    assert_same_place(ours, theirs)
    assert theirs.rpcs.keys() == ours.rpcs.keys()
    np.testing.assert_equal(theirs.nodata, ours.nodata)
    assert theirs.mask_flags == ours.mask_flags
    for mine, yours in zip(ours.bands, theirs.bands, strict=True):
        assert yours == mine
    assert theirs.tags == ours.tags


def test_any_gis_reads_the_archive(trip, tmp_path):
    """Without our sidecar, and without our box, it is a valid JP2 with the same pixels at the same place.

    Where nodata is kept as a plane, the mask beside the archive says which pixels are any.
    """
    plain, stripped = tmp_path / "plain.jp2", tmp_path / "stripped.jp2"
    shutil.copy(trip.archive, plain)
    strip_side_information(trip.archive, stripped)
    ours, theirs = source_view(trip.source), view(plain)
    assert_same_place(ours, theirs)
    table = ours.bands[0]["table"]
    if table is None:
        keep = np.ones(ours.pixels.shape, bool)
        with rasterio.open(trip.archive) as archived:
            if archived.mask_flag_enums[0] == [MaskFlags.per_dataset]:
                keep &= archived.dataset_mask() != 0
        np.testing.assert_array_equal(theirs.pixels[keep], ours.pixels[keep])
    assert_valid(plain)
    assert_valid(stripped)
    assert read_side_information(stripped) is None
    assert_same_place(ours, view(stripped, pixels=False))
    np.testing.assert_array_equal(view(stripped).pixels, theirs.pixels)


ROTATED = Affine.translation(500000, 5600000) * Affine.rotation(30) * Affine.scale(0.5, -0.7)
POINTS = [
    GroundControlPoint(
        row=row, col=col, x=500000 + 2 * col + 0.3 * row, y=5600000 - 2.2 * row, z=7, id=str(i)
    )
    for i, (row, col) in enumerate([(0, 0), (0.5, 96), (64, 0.25), (64, 96), (30.5, 40.25)], start=1)
]


@pytest.mark.parametrize("meaning", ["Area", "Point"])
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"transform": ROTATED},
        {"transform": Affine(0.01, 0, 12, 0, -0.02, 50), "crs": "EPSG:4326"},
        {"transform": ROTATED, "crs": "EPSG:4326"},
        {"transform": ROTATED, "crs": None},
        {"transform": None, "gcps": POINTS},
    ],
    ids=["north-up", "rotated", "degrees", "rotated-degrees", "no-crs", "gcps"],
)
def test_the_place_on_earth_as_gdal_sees_it(tmp_path, place, meaning):
    """Where the scene lies is read alike from source, archive, stripped archive and result."""
    source, archive, result = tmp_path / "s.tif", tmp_path / "a" / "s.jp2", tmp_path / "r.tif"
    archive.parent.mkdir()
    write_scene(source, painted((3, 64, 96)), **place)
    with rasterio.open(source, "r+") as scene:
        scene.update_tags(AREA_OR_POINT=meaning)
    rsic_geo.compress(source, archive)
    rsic_geo.decompress(archive, result)
    assert rsic_geo.compare(source, result).is_equal
    (tmp_path / "b").mkdir()
    strip_side_information(archive, tmp_path / "b" / "stripped.jp2")
    ours = view(source)
    for path in (archive, tmp_path / "b" / "stripped.jp2", result):
        theirs = view(path)
        assert_same_place(ours, theirs)
        np.testing.assert_array_equal(theirs.pixels, ours.pixels)
        if path != tmp_path / "b" / "stripped.jp2":
            assert theirs.tags[0].get("", {}).get("AREA_OR_POINT", "Area") == meaning


@pytest.mark.parametrize("source", of_types(supported=False))
def test_other_types_are_refused(source, tmp_path, capsys):
    """One line, exit code 2, not a single file; floats that are whole numbers are no other type."""
    if source.name == "spacenet_ms1.tif":
        assert rsic_geo.compress(source, tmp_path / "a.jp2").to_json()["lossless"]
        return
    with pytest.raises(UnsupportedSceneError):
        rsic_geo.compress(source, tmp_path / "a.jp2")
    assert main(["compress", str(source), str(tmp_path / "a.jp2")]) == 2
    said = capsys.readouterr()
    assert len(said.err.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
