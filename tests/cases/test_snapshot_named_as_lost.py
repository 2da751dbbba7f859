"""What a scene said and another does not is named: by comparison, with exit code 4, whatever it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("osgeo.gdal")
from osgeo import gdal
from snapshots.cases import CASES, create, painted, reference, tiff, vrt, wkt

import rsic_geo
from rsic_geo.cli import main
from rsic_geo.errors import ContainerError
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster import open_scene, same_crs

_NAVD88 = wkt("EPSG:5703").partition(",USAGE")[0]
_COMPOUND = f'COMPOUNDCRS["x",{wkt("EPSG:26910")},{_NAVD88}'
_OTHER_DHDN = reference("EPSG:31468")
_OTHER_DHDN.SetTOWGS84(598.1, 73.7, 418.2, 0.202, 0.045, -2.455, 6.8)
_PLAIN = vrt("other", wkt("EPSG:25832"))

LOST = {
    "nbits12": ("bits", tiff("other", painted(1, 4095, "uint16"))),
    "nbits4": ("bits", tiff("other", painted(1, 15), ["NBITS=5"])),
    "premultiplied_grey": ("is_premultiplied", None),
    "premultiplied": ("is_premultiplied", None),
    "miniswhite": ("is_min_white", tiff("other", painted())),
    "miniswhite_16_bits": ("is_min_white", tiff("other", painted(1, 60000, "uint16"))),
    "identity": ("transform", tiff("other", painted(), place=None)),
    "identity_without_crs": ("transform", tiff("other", painted(), place=None, crs=None)),
    "axes": ("crs_axes", vrt("other", wkt("EPSG:4326"), "50, 0.1, 0, 10, 0, -0.1")),
    "axes_turned": ("crs_axes", vrt("other", wkt("EPSG:4326"), "50, 0.1, 0, 10, 0, -0.1")),
    "histogram": ("histograms", tiff("other", painted())),
    "histogram_of_a_vrt": ("histograms", _PLAIN),
    "attribute_table": ("attribute_tables", _PLAIN),
    "towgs84": ("crs", vrt("other", _OTHER_DHDN.ExportToWkt())),
    "towgs84_of_three": ("crs", vrt("other", "+proj=utm +zone=33 +ellps=bessel +units=m")),
    "nadgrids": ("crs", None),
    "geoid_model": ("crs", vrt("other", f'{_COMPOUND},GEOIDMODEL["GEOID18"],ID["EPSG",5703]]]')),
    "remark": ("crs", _PLAIN),
    "usage": ("crs", _PLAIN),
    "blanks": ("tags", tiff("other", painted(), then=lambda dataset: dataset.SetMetadata({"TAB": "before"}))),
    "overviews": ("overviews", tiff("other", painted(3))),
}


def _other(name: str, source: Path, folder: Path) -> Path:
    """Return the scene without what the case is about."""
    build = LOST[name][1]
    if build is not None:
        return build(folder)
    path = folder / ("other" + source.suffix)
    shutil.copy(source, path)
    if name == "nadgrids":
        gdal.Translate(str(path), str(source), format="PNG", outputSRS="EPSG:31467")
        return path
    pixels = gdal.Open(str(source)).ReadAsArray()
    create(path, pixels, ["ALPHA=NON-PREMULTIPLIED"] + (["PHOTOMETRIC=RGB"] if len(pixels) > 2 else []))
    return path


@pytest.mark.parametrize("name", LOST)
def test_comparison_names_it_and_ends_with_code_4(name, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    source = CASES[name](tmp_path)
    other = _other(name, source, tmp_path / "other")
    code = main(["compare", str(source), str(other), "--json"])
    found = json.loads(capsys.readouterr().out)
    fields = {each["field"].partition("[")[0] for each in found["metadata_diff"]}
    assert code == 4
    assert found["pixels_equal"]
    assert LOST[name][0] in fields, found["metadata_diff"]


@pytest.mark.parametrize("name", ["histogram", "overviews", "nbits12", "premultiplied"])
def test_a_part_says_what_is_still_true_of_it(name, tmp_path):
    source, archive, part = CASES[name](tmp_path), tmp_path / "a.jp2", tmp_path / "part.tif"
    rsic_geo.compress(str(source), str(archive))
    rsic_geo.decompress(str(archive), str(part), srcwin=(10, 10, 40, 30))
    with open_scene(part) as reader:
        found = reader.metadata()
    assert found.histograms == {}
    assert found.overviews == ()
    assert found.bits[0] == (12 if name == "nbits12" else None)
    assert found.is_premultiplied == (name == "premultiplied")


def test_lossy_coding_drops_a_histogram_and_is_no_loss(tmp_path):
    source, archive, back = CASES["histogram"](tmp_path), tmp_path / "a.jp2", tmp_path / "b.tif"
    rsic_geo.compress(str(source), str(archive), target="max-error=3", model="none")
    rsic_geo.decompress(str(archive), str(back))
    with open_scene(back) as reader:
        assert reader.metadata().histograms == {}
    assert rsic_geo.compare(str(source), str(back)).metadata == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
NEW = ["bits", "is_premultiplied", "is_min_white", "overviews", "crs_axes", "histograms"]


@given(st.sampled_from(NEW), JSON)
def test_any_value_in_a_new_field_is_metadata_or_an_error_of_ours(name, value):
    told = {"width": 3, "height": 2, "count": 2, name: value}
    try:
        found = MetadataSnapshot.from_json(told)
    except ContainerError:
        return
    assert MetadataSnapshot.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "value",
    [
        {"bits": {"all": 0}},
        {"bits": [12, True]},
        {"overviews": [1]},
        {"overviews": [2] * 99},
        {"crs_axes": [0, 1]},
    ],
    ids=str,
)
def test_values_without_sense_are_refused(value):
    with pytest.raises(ContainerError):
        MetadataSnapshot.from_json({"width": 3, "height": 2, "count": 2, **value})


def _without(text: str, start: str) -> str:
    """Return WKT without the elements of one kind."""
    while (at := text.find(f",{start}[")) >= 0:
        depth, end = 0, at + 1
        while depth or end == at + 1 or text[end - 1] != "]":
            depth += {"[": 1, "]": -1}.get(text[end], 0)
            end += 1
        text = text[:at] + text[end:]
    return text


@pytest.mark.parametrize("code", [4326, 32633, 31468, 2056, 5703, 25832, 3857, 7789, 4979, 4269, 6318])
def test_the_registry_in_other_spellings_is_the_same_system(code):
    """The other GDAL has an older edition of the registry, with other words for scope and area."""
    for spelling in (wkt(f"EPSG:{code}"), reference(f"EPSG:{code}").ExportToWkt()):
        assert same_crs(f"EPSG:{code}", _without(spelling, "USAGE")), spelling


UTM = wkt("EPSG:25832")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (UTM, UTM.replace("500000", "500000.01")),
        (UTM, UTM.replace("298.257222101", "298.25722")),
        (UTM, UTM.replace('"Longitude of natural origin",9', '"Longitude of natural origin",9.000001')),
        (UTM, UTM.replace("east,ORDER[1]", "west,ORDER[1]")),
        (UTM, UTM.replace('ID["EPSG",25832]', 'ID["EPSG",25833]')),
        (UTM, UTM[:-1] + ',REMARK["own"]]'),
        (UTM, UTM.replace('METHOD["Transverse Mercator",ID["EPSG",9807]', 'METHOD["South",ID["EPSG",9808]')),
        (UTM[:-1] + ',REMARK["own"]]', UTM[:-1] + ',REMARK["other"]]'),
        ("EPSG:4326", "EPSG:4979"),
        ("EPSG:25832+5783", "EPSG:25832"),
        ("EPSG:4326", "+proj=longlat +datum=WGS84 +lon_wrap=180"),
        ("EPSG:4326", "no reference system"),
    ],
    ids=range(12),
)
def test_systems_that_differ_in_anything_else_are_not_the_same(ours, theirs):
    assert ours != theirs
    assert not same_crs(ours, theirs)
    assert same_crs(ours, ours)


@pytest.mark.parametrize(("bits", "code"), [(4, 2), (7, 2), (8, 0), ("many", 0), ("²", 0), (-1, 0)])
def test_pixels_beyond_their_bits_are_refused_not_cut(bits, code, tmp_path, capsys):
    """A sidecar may say of samples what is not so; what is no number of bits says nothing."""
    path, archive = tmp_path / "liar.tif", tmp_path / "a.jp2"
    create(path, painted())
    item = f'<Metadata domain="IMAGE_STRUCTURE"><MDI key="NBITS">{bits}</MDI></Metadata>'
    sidecar = f'<PAMDataset><PAMRasterBand band="1">{item}</PAMRasterBand></PAMDataset>'
    (tmp_path / "liar.tif.aux.xml").write_text(sidecar)
    assert main(["compress", str(path), str(archive)]) == code
    assert (f"{bits} bits that the file says" in capsys.readouterr().err) == (code == 2)
    assert archive.exists() == (code == 0)
