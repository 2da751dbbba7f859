"""What a ledger becomes for people and other programs."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree
from pathlib import Path

import pytest
from batch_support import options, run, write_scene, write_scenes

from rsic_geo.batch.export import export_run
from rsic_geo.errors import OutputExistsError


@pytest.fixture
def archive(tmp_path):
    write_scenes(tmp_path / "in", 3)
    write_scene(tmp_path / "in" / "float.tif", dtype="float32")
    (tmp_path / "in" / "<b>&.tif").write_bytes(b"no raster")
    run(tmp_path / "in", tmp_path / "out", options("psnr=40"))
    return tmp_path


def test_json_holds_every_scene(archive):
    assert export_run(archive / "out", str(archive / "all.json"), "json") == 5
    found = json.loads((archive / "all.json").read_text())
    assert len(found["scenes"]) == 5
    assert found["totals"]["done"]["scenes"] == 3
    assert {scene["footprint"]["type"] for scene in found["scenes"] if scene["footprint"]} == {"MultiPolygon"}
    with pytest.raises(OutputExistsError):
        export_run(archive / "out", str(archive / "all.json"), "json")


def test_the_page_is_well_formed_and_shows_what_failed(archive):
    assert export_run(archive / "out", str(archive / "page.html"), "html") == 5
    text = (archive / "page.html").read_text()
    body = text[text.index("<body>") :].removesuffix("</html>\n").replace("<details open>", "<details>")
    page = xml.etree.ElementTree.fromstring(body.replace("<br>", "<br/>"))
    assert len(list(page.iter("svg"))) == 5  # the map, and four charts
    assert "&lt;b&gt;&amp;.tif" in text
    assert "of floats JPEG 2000 takes other targets" in text
    assert "Failed: 2" in text
    assert "<script" not in text


def test_an_empty_run_has_a_page(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.tif").touch()
    run(tmp_path / "in", tmp_path / "out")
    export_run(tmp_path / "out", str(tmp_path / "page.html"), "html")
    assert "nothing yet" in (tmp_path / "page.html").read_text()


@pytest.fixture
def rules():
    pytest.importorskip("pystac")
    pytest.importorskip("jsonschema")
    from stac_rules import validator

    return validator()


def test_stac_items_are_valid(archive, rules):
    import pystac

    folder = archive / "stac"
    assert export_run(archive / "out", str(folder), "stac") == 3
    catalog = pystac.Catalog.from_file(str(folder / "catalog.json"))
    items = list(catalog.get_items())
    assert len(items) == 3
    for item in items:
        assert len(item.validate(validator=rules)) == 5  # the core and four extensions
        asset = item.assets["data"]
        product = Path(asset.get_absolute_href())
        assert asset.extra_fields["file:size"] == product.stat().st_size
        digest = hashlib.sha256(product.read_bytes()).hexdigest()
        assert asset.extra_fields["file:checksum"] == "1220" + digest
        assert item.properties["proj:code"] in ("EPSG:32633", "EPSG:3857", "EPSG:4326")
        assert item.properties["proj:shape"] == [64, 64]
        assert len(item.properties["proj:transform"]) == 6
        assert "Stored lossy" in item.properties["processing:lineage"]
        assert item.properties["rsic:enhanced"] is False
        assert asset.extra_fields["bands"][0]["data_type"] == "uint8"
        assert asset.extra_fields["bands"][0]["raster:sampling"] == "area"


def test_scenes_without_a_place_or_with_a_nodata_value_are_valid_items(tmp_path, rules):
    import pystac
    from affine import Affine

    write_scene(tmp_path / "in" / "nowhere.tif", crs=None, transform=Affine.identity())
    write_scene(tmp_path / "in" / "float.tif", dtype="float32", nodata=float("nan"))
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    write_scene(tmp_path / "in" / "local.tif", crs=local)
    run(tmp_path / "in", tmp_path / "out", options("psnr=40", quantize="uint16"))
    assert export_run(tmp_path / "out", str(tmp_path / "stac"), "stac") == 3
    items = {
        item.id: item
        for item in pystac.Catalog.from_file(str(tmp_path / "stac" / "catalog.json")).get_items()
    }
    for item in items.values():
        item.validate(validator=rules)
    assert items["nowhere"].geometry is None
    assert items["nowhere"].properties["proj:code"] is None
    assert items["float"].assets["data"].extra_fields["bands"][0]["nodata"] == "nan"
    assert "site" in items["local"].properties["proj:wkt2"]


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("asset", "file:size", -1),
        ("asset", "file:checksum", "SHA256"),
        ("asset", "file:length", 3),
        ("item", "processing:software", {"rsic-geo": 1}),
        ("item", "proj:shape", [64]),
        ("item", "proj:code", 32633),
        ("item", "proj:epsg", 32633),
        ("band", "raster:sampling", "centre"),
    ],
)
def test_the_rules_find_what_is_wrong(tmp_path, rules, part, field, value):
    import pystac

    write_scenes(tmp_path / "in", 1)
    run(tmp_path / "in", tmp_path / "out")
    export_run(tmp_path / "out", str(tmp_path / "stac"), "stac")
    (item,) = pystac.Catalog.from_file(str(tmp_path / "stac" / "catalog.json")).get_items()
    item.validate(validator=rules)
    fields = item.assets["data"].extra_fields
    {"asset": fields, "item": item.properties, "band": fields["bands"][0]}[part][field] = value
    with pytest.raises(pystac.STACValidationError):
        item.validate(validator=rules)


def test_enhanced_products_say_so():
    from rsic_geo.batch.export.stac import _processing
    from rsic_geo.batch.ledger.file import RunRecord

    record = RunRecord(
        name="r", folder="", template="", reports="", options="{}", fingerprint="", version="1"
    )
    row = {
        "lossless": 0,
        "psnr": 40.0,
        "snr": 28.25,
        "meaning": None,
        "warnings": "1 band ends below 20 dB SNR: B10 (17.0 dB)",
        "target": "bpp=1",
        "max_error": 3.0,
        "model": "net",
        "model_sha256": "ab",
        "codec": "jp2",
        "codec_sha256": None,
    }
    found = _processing(record, row)
    assert found["rsic:enhanced"] is True
    assert "JPEG 2000" in found["processing:lineage"]
    assert "partly estimated, not measured" in found["processing:lineage"]
    assert "SNR 28.25 dB of the worst band" in found["processing:lineage"]
    assert "Warning: 1 band ends below 20 dB SNR: B10 (17.0 dB)." in found["processing:lineage"]
    found = _processing(record, {**row, "model": None, "codec": "learned", "codec_sha256": "cd"})
    assert found["rsic:enhanced"] is False
    assert found["rsic:codec_sha256"] == "cd"
    assert "JPEG 2000" not in found["processing:lineage"]
    assert "partly estimated, not measured" in found["processing:lineage"]
