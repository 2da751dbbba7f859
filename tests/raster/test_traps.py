"""Every known way to lose metadata, and every real scene: written again, nothing is lost.

Judged twice: by our own snapshot of the copy, and by another GDAL than the one that wrote it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import scene_params

from rsic_geo.geo.metadata import MetadataDifference, MetadataSnapshot
from rsic_geo.geo.window import Window
from rsic_geo.raster import SceneWriter, metadata_differences, open_scene

pytest.importorskip("osgeo.gdal")

from gdal_oracle import differences
from trap_scenes import TRAPS


def copy_scene(source: Path, target: Path, driver: str = "GTiff") -> list[MetadataDifference]:
    """Write a scene again from its pixels and its snapshot's JSON; return what was reported lost."""
    with open_scene(source) as reader:
        profile, snapshot = reader.profile, reader.metadata()
        stored = MetadataSnapshot.from_json(json.loads(json.dumps(snapshot.to_json())))
        assert metadata_differences(snapshot, stored) == []
        with SceneWriter(target, profile, stored, driver=driver) as writer:
            for row in range(0, profile.height, 1024):
                height = min(1024, profile.height - row)
                window = Window(row_off=row, col_off=0, height=height, width=profile.width)
                writer.write(window, reader.read(window))
                mask = reader.read_mask(window)
                if mask is not None:
                    writer.write_mask(window, mask)
            return writer.commit(accept_loss=True)


def same_pixels(ours: Path, theirs: Path) -> bool:
    with open_scene(ours) as a, open_scene(theirs) as b:
        whole = Window.full(a.profile.height, a.profile.width)
        masks = a.read_mask(whole), b.read_mask(whole)
        same_mask = masks[0] is masks[1] is None or np.array_equal(*masks)
        return same_mask and np.array_equal(a.read(whole), b.read(whole), equal_nan=a.profile.dtype[0] == "f")


@pytest.mark.parametrize("driver", ["GTiff", "COG"])
@pytest.mark.parametrize("name", TRAPS)
def test_trap(tmp_path: Path, name: str, driver: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    source, target = TRAPS[name](tmp_path / "in"), tmp_path / "out" / "copy.tif"
    assert copy_scene(source, target, driver) == []
    assert differences(source, target) == []
    assert same_pixels(source, target)
    assert {path.name for path in target.parent.iterdir()} <= {"copy.tif", "copy.tif.aux.xml"}


@pytest.mark.parametrize("source", scene_params())
def test_real_scene(tmp_path: Path, source: Path) -> None:
    target = tmp_path / "copy.tif"
    assert copy_scene(source, target) == []
    assert differences(source, target) == []
    assert same_pixels(source, target)
    found = {path.name for path in tmp_path.iterdir()}
    # TIFF knows no number of bits of signed samples.
    more = {"copy.tif.aux.xml"} if source.name == "gdal_gtsmall_11_int16.jp2" else set()
    assert found == {"copy.tif"} | more, "a sidecar was needed"


def test_mask_of_one_band_is_reported_as_lost(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = TRAPS["nodata_per_band"](tmp_path / "in")
    mask = (
        '<MaskBand><VRTRasterBand dataType="Byte"><SimpleSource><SourceFilename relativeToVRT="1">pixels.tif'
        "</SourceFilename><SourceBand>2</SourceBand></SimpleSource></VRTRasterBand></MaskBand></VRTRasterBand>"
    )
    text = path.read_text()
    last = text.rindex("</VRTRasterBand>")
    path.write_text(text[:last] + mask + text[last + len("</VRTRasterBand>") :])
    with open_scene(path) as reader:
        assert reader.profile.has_band_masks
        assert not reader.profile.has_mask
    lost = copy_scene(path, tmp_path / "copy.tif")
    for made in tmp_path.glob("copy.tif*"):
        made.unlink()
    with (
        open_scene(path) as reader,
        SceneWriter(tmp_path / "copy.tif", reader.profile, reader.metadata()) as writer,
    ):
        whole = Window.full(reader.profile.height, reader.profile.width)
        writer.write(whole, reader.read(whole))
        left = writer.commit()
    assert left == writer.left_out == lost
    assert len(writer.notes) == 1
    assert "mask_flags of band 3" in writer.notes[0]
    assert [(each.field, each.band) for each in lost] == [("mask_flags", 3)]


def test_unit_of_heights_is_no_difference(tmp_path: Path) -> None:
    """A TIFF of a compound reference system reports the height unit for bands that have none."""
    from osgeo import gdal
    from trap_scenes import create, reference

    create(tmp_path / "a.tif")
    gdal.Translate(str(tmp_path / "a.vrt"), str(tmp_path / "a.tif"))
    gdal.Open(str(tmp_path / "a.vrt"), gdal.GA_Update).SetSpatialRef(reference("EPSG:32633+5773"))
    assert copy_scene(tmp_path / "a.vrt", tmp_path / "copy.tif") == []


def test_bytes_that_are_no_utf8_survive(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    source = tmp_path / "a.tif"
    tifffile.imwrite(source, np.ones((8, 8), np.uint8), extratags=[(315, "s", 0, b"Jos\xe9", True)])
    assert copy_scene(source, tmp_path / "copy.tif") == []
    with tifffile.TiffFile(tmp_path / "copy.tif") as file:
        assert file.pages[0].tags[315].value == "Jos\xe9"
