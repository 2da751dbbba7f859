"""docs/pages/what-survives.md: what becomes of each property of a scene, found by trying.

Kept: another program finds it (gdalinfo of another GDAL, tifffile, jpylyzer), and so does rsic. Said: it is
in the archive and goes back into a GeoTIFF, but others do not see it; the report says so (``others_miss``).
RSIC_WRITE_DOCS=1 rewrites the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("osgeo.gdal")
from osgeo import gdal
from snapshots.cases import CASES, SEVERAL, Build, painted, tiff, wkt
from snapshots.eyes import gdalinfo, jp2_boxes, needs_gdalinfo, said, tiff_tags
from support import REPOSITORY

import rsic_geo
from rsic_geo.errors import RsicGeoError

pytestmark = needs_gdalinfo
TABLE = REPOSITORY / "docs" / "pages" / "what-survives.md"
Look = Callable[[Path], Any]


def _said(*names: str) -> Look:
    """Return a look at what gdalinfo says of a scene."""
    return lambda path: [said(path)[name] for name in names]


def _of_bands(*names: str) -> Look:
    """Return a look at what gdalinfo says of each band."""
    return lambda path: [[band.get(name) for name in names] for band in said(path)["bands"]]


def _structure(name: str) -> Look:
    def look(path: Path) -> Any:
        told = gdalinfo(path)
        parts = [told, *told["bands"]]
        return [part.get("metadata", {}).get("IMAGE_STRUCTURE", {}).get(name) for part in parts]

    return look


def _premultiplied(path: Path) -> Any:
    if path.suffix != ".jp2":
        return 1 in tuple(tiff_tags(path).get("ExtraSamples", ()))
    return any(each.text.lower().startswith("premultiplied") for each in jp2_boxes(path).iter("cTyp"))


def _histogram(path: Path) -> Any:
    told = gdal.Open(str(path))
    found = told.GetRasterBand(1).GetDefaultHistogram(force=0)
    return found and tuple(found[3])


def _items(path: Path) -> Any:
    told = gdal.Open(str(path))
    bands = [told.GetRasterBand(number).GetMetadata_Dict() for number in range(1, told.RasterCount + 1)]
    whole = {key: text for key, text in told.GetMetadata_Dict().items() if key != "AREA_OR_POINT"}
    return [whole, bands]


def _mask(path: Path) -> Any:
    told = gdal.Open(str(path))  # GDAL's bands do not outlive it
    return bytes(told.GetRasterBand(1).GetMaskBand().ReadRaster())


def _points(path: Path) -> Any:
    return [(p.GCPPixel, p.GCPLine, p.GCPX, p.GCPY, p.GCPZ) for p in gdal.Open(str(path)).GetGCPs()]


def _table(path: Path) -> Any:
    told = gdal.Open(str(path))
    table = told.GetRasterBand(1).GetDefaultRAT()
    return table and [table.GetNameOfCol(0), table.GetValueAsString(0, 0)]


def _has_overviews(path: Path) -> Any:
    told = gdal.Open(str(path))
    band = told.GetRasterBand(1)
    return bool(band.GetOverviewCount() or band.HasArbitraryOverviews())


def _with_nodata(dataset: Any) -> None:
    dataset.GetRasterBand(1).SetNoDataValue(7)


def _with_names(dataset: Any) -> None:
    band = dataset.GetRasterBand(1)
    band.SetDescription("near infrared")
    band.SetUnitType("W")
    band.SetScale(0.5)
    band.SetOffset(2)
    band.SetCategoryNames(["water", "land"])


def _with_points(dataset: Any) -> None:
    places = [(0, 0), (90, 0), (0, 70), (90, 70)]
    dataset.SetGCPs([gdal.GCP(10 + x / 9, 50 - y / 9, 0, x, y) for x, y in places], wkt("EPSG:4326"))


def _with_mask(dataset: Any) -> None:
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    dataset.CreateMaskBand(gdal.GMF_PER_DATASET)
    mask = dataset.GetRasterBand(1).GetMaskBand()
    mask.WriteArray(painted()[0] // 128 * 255)


def _with_palette(dataset: Any) -> None:
    table = gdal.ColorTable()
    for value in range(200):
        table.SetColorEntry(value, (value, 255 - value, 7, 255))
    dataset.GetRasterBand(1).SetColorTable(table)


def _with_point(dataset: Any) -> None:
    dataset.SetMetadataItem("AREA_OR_POINT", "Point")


ROWS: list[tuple[str, Build, Look]] = [
    ("Reference system by its code", tiff("s", painted()), _said("crs", "axes")),
    ("TOWGS84, seven parameters", CASES["towgs84"], _said("crs")),
    ("Grid files of a datum (`nadgrids`)", CASES["nadgrids"], _said("crs")),
    ("Geoid model", CASES["geoid_model"], _said("crs")),
    ("Remark of the system", CASES["remark"], _said("crs")),
    ("Usage of the system", CASES["usage"], _said("crs")),
    ("Mapping of axes", CASES["axes"], _said("axes")),
    ("Transform", tiff("s", painted()), _said("transform")),
    ("Transform that is the identity", CASES["identity"], _said("transform")),
    ("Pixels without area", CASES["pixel_without_area"], _said("transform")),
    ("Control points", tiff("s", painted(), place=None, crs=None, then=_with_points), _points),
    ("Point instead of area", tiff("s", painted(), then=_with_point), _said("transform", "metadata")),
    ("Bits of a sample (NBITS)", CASES["nbits12"], _structure("NBITS")),
    ("Bits of each band", CASES["nbits_of_bands"], _structure("NBITS")),
    ("Least value is white (MINISWHITE)", CASES["miniswhite"], _structure("MINISWHITE")),
    ("Premultiplied alpha", CASES["premultiplied"], _premultiplied),
    ("Mask of premultiplied alpha", CASES["premultiplied"], _mask),
    ("Colour interpretation", tiff("s", painted(3), ["PHOTOMETRIC=RGB"]), _of_bands("colorInterpretation")),
    ("Colour table", tiff("s", painted(), then=_with_palette), _of_bands("colorTable")),
    ("Mask", tiff("s", painted(), then=_with_mask), _mask),
    ("Nodata value", tiff("s", painted(), then=_with_nodata), _of_bands("noDataValue")),
    (
        "Name, unit, scale, offset of a band",
        tiff("s", painted(), then=_with_names),
        _of_bands("description", "unit", "scale", "offset"),
    ),
    ("Class names", tiff("s", painted(), then=_with_names), _of_bands("categories")),
    ("Attribute table (RAT)", CASES["attribute_table"], _table),
    ("Histogram (lossless)", CASES["histogram"], _histogram),
    ("Items, with blanks at their ends", CASES["blanks"], _items),
    ("Existence of overviews", CASES["overviews"], _has_overviews),
]
OTHERS = {"pages": "Other pages of a TIFF file", "nitf": "Second image of a NITF file"}
REFUSED = ("Samples that go beyond NBITS", "Masks of single bands")


def _row(title: str, build: Build, look: Look, folder: Path) -> str:
    folder.mkdir()
    source = build(folder)
    told, found = look(source), []
    for suffix in (".jp2", ".cog.tif"):
        archive = folder / f"a{suffix}"
        report = rsic_geo.compress(str(source), str(archive))
        unseen = "said" if report.details["others_miss"] else "lost"
        found.append("kept" if look(archive) == told else unseen)
    rsic_geo.decompress(str(folder / "a.jp2"), str(folder / "b.tif"))
    returned = "kept" if look(folder / "b.tif") == told else "lost"
    return f"| {title} | {returned} | {found[0]} | {found[1]} |"


def _others(name: str, folder: Path) -> str:
    folder.mkdir()
    source = SEVERAL[name](folder)
    report = rsic_geo.compress(str(source), str(folder / "a.jp2"))
    how = "said" if any("of which nothing was archived" in text for text in report.warnings) else "lost"
    return f"| {OTHERS[name]} | {how} | {how} | {how} |"


def _refused(title: str, folder: Path) -> str:
    folder.mkdir()
    source = CASES["blanks"](folder)
    if title.startswith("Samples"):
        item = '<Metadata domain="IMAGE_STRUCTURE"><MDI key="NBITS">4</MDI></Metadata>'
        sidecar = f'<PAMDataset><PAMRasterBand band="1">{item}</PAMRasterBand></PAMDataset>'
        Path(f"{source}.aux.xml").write_text(sidecar)
    else:
        inner = f"<SimpleSource><SourceFilename>{source}</SourceFilename></SimpleSource>"
        mask = f'<MaskBand><VRTRasterBand dataType="Byte">{inner}</VRTRasterBand></MaskBand>'
        band = '<VRTRasterBand dataType="Byte" band="{}">{}{}</VRTRasterBand>'
        bands = band.format(1, inner, "") + band.format(2, inner, mask)
        text = f'<VRTDataset rasterXSize="90" rasterYSize="70">{bands}</VRTDataset>'
        source = folder / "masks.vrt"
        source.write_text(text)
    found = []
    for suffix in (".jp2", ".cog.tif"):
        try:
            report = rsic_geo.compress(str(source), str(folder / f"a{suffix}"))
            found.append("said" if report.details["others_miss"] else "lost")
        except RsicGeoError:
            found.append("refused")
    return f"| {title} | {found[1]} | {found[0]} | {found[1]} |"


HEAD = """# What survives

What becomes of what a scene says of itself, in a lossless archive with its sidecar (`--sidecar auto`).
Found by `tests/cases/test_what_survives.py`, which looks with programs that share nothing with rsic:
`gdalinfo` of another GDAL, `tifffile`, `jpylyzer`. rsic itself keeps and compares all of it.

- kept: they find it.
- said: it is in the archive, but others do not see it; the report names it (`others_miss`, or a warning).
- refused: exit code 2, nothing is written.

| Property | GeoTIFF given back | JPEG 2000 archive, for others | COG archive, for others |
|---|---|---|---|
"""


def test_the_table_says_what_is_found(tmp_path):
    lines = [_row(*row, tmp_path / str(number)) for number, row in enumerate(ROWS)]
    lines += [_others(name, tmp_path / name) for name in SEVERAL]
    lines += [_refused(title, tmp_path / title[:7]) for title in REFUSED]
    found = HEAD + "\n".join(lines) + "\n"
    if os.environ.get("RSIC_WRITE_DOCS"):
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(found, encoding="utf-8")
    assert " lost |" not in found, found
    assert TABLE.read_text(encoding="utf-8") == found
