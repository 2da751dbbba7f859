"""Everything a scene says of itself comes back, as programs see it that share nothing with rsic_geo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("osgeo.gdal")
from osgeo import gdal
from snapshots.cases import CASES
from snapshots.eyes import needs_gdalinfo, said, tiff_tags

import rsic_geo

pytestmark = needs_gdalinfo


@pytest.fixture(params=CASES, scope="module")
def there_and_back(request, tmp_path_factory):
    """Return a scene, its archive and the GeoTIFF made of that."""
    folder = tmp_path_factory.mktemp(request.param)
    source = CASES[request.param](folder)
    archive, back = folder / "archive.jp2", folder / "back" / "back.tif"
    back.parent.mkdir()
    kept = rsic_geo.compress(str(source), str(archive))
    given = rsic_geo.decompress(str(archive), str(back))
    assert kept.details["verified"]
    assert given.warnings == ()
    return source, archive, back


def test_another_gdal_finds_nothing_missing(there_and_back):
    source, _, back = there_and_back
    ours, theirs = said(source), said(back)
    for ours_band, theirs_band in zip(ours["bands"], theirs["bands"], strict=True):
        for band in (ours_band, theirs_band):  # a TIFF cannot leave the colour of its first band open
            if band["band"] == 1 and band.get("colorInterpretation") == "Undefined":
                band["colorInterpretation"] = "Gray"
        # Of a TIFF with heights in its system GDAL tells their unit.
        if "VERTCRS" in (ours["crs"] or "") and "unit" not in ours_band:
            theirs_band.pop("unit", None)
    assert theirs == ours


def test_raw_tags_are_the_same(there_and_back):
    source, _, back = there_and_back
    if source.suffix != ".tif":
        pytest.skip("its source is no TIFF")
    assert tiff_tags(back) == tiff_tags(source)


def test_another_gdal_reads_the_same_pixels(there_and_back):
    source, archive, back = there_and_back
    pixels = gdal.Open(str(source)).ReadAsArray()
    np.testing.assert_array_equal(gdal.Open(str(back)).ReadAsArray(), pixels)
    np.testing.assert_array_equal(gdal.Open(str(archive)).ReadAsArray(), pixels)


def test_comparison_finds_no_difference(there_and_back):
    source, archive, back = there_and_back
    for other in (archive, back):
        compared = rsic_geo.compare(str(source), str(other))
        assert compared.is_equal, compared.metadata


IN_A_COG = ["nbits12", "miniswhite", "axes", "remark", "identity", "blanks", "overviews"]


@pytest.mark.parametrize("name", IN_A_COG)
def test_a_cog_gives_it_back_too(name, tmp_path: Path):
    source = CASES[name](tmp_path)
    archive, back = tmp_path / "a.jp2", tmp_path / "cog.tif"
    rsic_geo.compress(str(source), str(archive))
    given = rsic_geo.decompress(str(archive), str(back), driver="COG")
    assert given.warnings == ()
    found = rsic_geo.compare(str(source), str(back), ignore=("overviews",))  # it is too small to have some
    assert found.is_equal, found.metadata
