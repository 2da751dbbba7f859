"""What a ledger becomes for people and other programs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import xml.etree.ElementTree
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import rasterio
import shapely
from batch_support import options, rsic, run, write_scene, write_scenes
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import Resampling
from rasterio.transform import from_origin

from rsic_geo.batch.export import export_run
from rsic_geo.batch.export.names import Names
from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.ledger.file import RunRecord
from rsic_geo.errors import OutputExistsError
from rsic_geo.raster.doors.vsi import public_address


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


def test_a_thumbnail_shows_the_scene_as_another_reader_sees_it(tmp_path):
    source = write_scene(tmp_path / "in" / "a.tif", seed=4, shape=(600, 450), nodata=0)
    with rasterio.open(source, "r+") as scene:
        pixels = scene.read(1)
        pixels[:300, :200] = 0
        scene.write(pixels, 1)
    run(tmp_path / "in", tmp_path / "out")
    export_run(tmp_path / "out", str(tmp_path / "stac"), "stac")
    item = json.loads((tmp_path / "stac" / "a.json").read_text())
    thumbnail = item["assets"]["thumbnail"]
    assert thumbnail["roles"] == ["thumbnail"]
    shown = np.asarray(Image.open(tmp_path / "stac" / thumbnail["href"]))
    assert shown.shape == (256, 192, 2)
    with rasterio.open(source) as scene:
        wanted = scene.read(1, out_shape=(256, 192), resampling=Resampling.average, masked=True)
    inner = np.zeros(wanted.shape, bool)
    inner[:126, :84] = inner[130:, 88:] = True  # away from the edge of the hole
    assert ((shown[..., 1] == 0) == wanted.mask)[inner].all()
    both = inner & ~wanted.mask
    assert np.corrcoef(shown[..., 0][both], wanted.data[both])[0, 1] > 0.98


def test_one_geoparquet_file_says_what_the_items_say(archive):
    pytest.importorskip("stac_geoparquet")
    parquet = pytest.importorskip("pyarrow.parquet")
    with rasterio.open(
        archive / "in" / "nowhere.tif",
        "w",
        driver="GTiff",
        count=1,
        height=40,
        width=40,
        dtype="int16",
        nodata=-1,
    ) as scene:
        scene.write(np.arange(1600, dtype=np.int16).reshape(1, 40, 40))
    run(archive / "in", archive / "out", options("psnr=40"))
    assert export_run(archive / "out", str(archive / "stac"), "stac") == 4
    assert export_run(archive / "out", str(archive / "all.parquet"), "geoparquet") == 4
    table = parquet.read_table(archive / "all.parquet")
    assert json.loads(table.schema.metadata[b"geo"])["primary_column"] == "geometry"
    for row in table.to_pylist():
        item = json.loads((archive / "stac" / f"{row['id']}.json").read_text())
        place = shapely.from_wkb(row["geometry"])
        assert (
            place.is_empty
            if item["geometry"] is None
            else place.equals(shapely.geometry.shape(item["geometry"]))
        )
        assert row["proj:code"] == item["properties"]["proj:code"]
        assert (archive / row["assets"]["data"]["href"]).is_file()
        assert row["assets"]["data"]["file:checksum"] == item["assets"]["data"]["file:checksum"]
    with pytest.raises(OutputExistsError):
        export_run(archive / "out", str(archive / "all.parquet"), "geoparquet")


def test_stac_items_are_valid(archive, rules):
    import pystac

    folder = archive / "stac"
    assert export_run(archive / "out", str(folder), "stac") == 3
    collection = pystac.Collection.from_file(str(folder / "collection.json"))
    assert collection.validate()
    assert collection.id == "out-default"
    items = list(collection.get_items())
    assert len(items) == 3
    for item in items:
        assert item.get_collection() is collection
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
        for item in pystac.Collection.from_file(str(tmp_path / "stac" / "collection.json")).get_items()
    }
    for item in items.values():
        item.validate(validator=rules)
    assert items["nowhere"].geometry is None
    assert items["nowhere"].properties["proj:code"] is None
    assert items["float"].assets["data"].extra_fields["bands"][0]["nodata"] == "nan"
    assert "site" in items["local"].properties["proj:wkt2"]


def test_ids_are_portable_hrefs_encoded_and_nobody_learns_where_we_work(tmp_path, rules):
    import pystac

    names = [
        "usual.tif", "Usual.tif", "a b%20#?.tif", "größe.tif", "con.tif", "collection.tif", "sub/deep.tif",
        "sub__deep.tif", "aux.v2.tif", "l" * 200 + ".tif", "q'\"<>.tif",
    ]  # fmt: skip
    for i, name in enumerate(names):
        write_scene(tmp_path / "in" / name, i)
    run(tmp_path / "in", tmp_path / "out" / "new archive")
    folder = tmp_path / "elsewhere" / "stac"
    assert export_run(tmp_path / "out" / "new archive", str(folder), "stac") == len(names)
    ids = [path.stem for path in folder.glob("*.json") if path.stem != "collection"]
    assert len({each.casefold() for each in ids}) == len(names)
    assert "usual" in [each.casefold() for each in ids]
    for each in ids:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,131}", each)
        assert each.partition(".")[0].upper() not in ("CON", "AUX")
    products = set()
    for item in pystac.Collection.from_file(str(folder / "collection.json")).get_items():
        item.validate(validator=rules)
        href = item.assets["data"].href
        assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", href)
        products.add((folder / unquote(href)).resolve())
    assert products == {path.resolve() for path in (tmp_path / "out").rglob("*.jp2")}
    for path in folder.glob("*.json"):
        assert str(tmp_path) not in path.read_text()
        assert "file:" not in path.read_text().replace('"file:', "").replace("/file/", "")
    written = [str(path) for path in folder.glob("*.json") if path.stem in ids]
    assert {Path(source.path) for source in discover(written, Selection())} == products


def test_scenes_across_the_antimeridian_have_their_box_there(tmp_path, rules):
    import pystac

    utm, step = "EPSG:32760", 1000.0
    write_scene(tmp_path / "in" / "utm.tif", crs=utm, transform=from_origin(780000, 8040000, step, step))
    write_scene(
        tmp_path / "in" / "beyond.tif", crs="EPSG:4326", transform=from_origin(179.9, -17, 0.01, 0.01)
    )
    write_scene(tmp_path / "in" / "east.tif", crs="EPSG:4326", transform=from_origin(200, -17, 0.01, 0.01))
    run(tmp_path / "in", tmp_path / "out")
    export_run(tmp_path / "out", str(tmp_path / "stac"), "stac")
    collection = pystac.Collection.from_file(str(tmp_path / "stac" / "collection.json"))
    items = {item.id: item for item in collection.get_items()}
    for name, (west, east) in {
        "utm": (179.6, -179.8),
        "beyond": (179.9, -179.46),
        "east": (-160, -159.36),
    }.items():
        items[name].validate(validator=rules)
        box = items[name].bbox
        assert box is not None
        assert box[0] == pytest.approx(west, abs=0.1)
        assert box[2] == pytest.approx(east, abs=0.1)
        outline = shapely.geometry.shape(items[name].geometry)
        assert -180 <= outline.bounds[0] <= outline.bounds[2] <= 180
        for part in shapely.get_parts(outline):
            assert part.exterior.is_ccw
            if name != "east":  # the whole side at the antimeridian is there, both of its ends
                assert sum(abs(x) == 180 for x, _ in part.exterior.coords[:-1]) >= 2
    assert collection.validate()
    assert collection.extent.spatial.bboxes[0][0] == pytest.approx(items["utm"].bbox[0], abs=0.3)
    assert collection.extent.spatial.bboxes[0][2] == pytest.approx(-159.36)


@pytest.mark.parametrize(
    ("tags", "datetime", "start", "end"),
    [
        (
            {"TIFFTAG_DATETIME": "2024:01:01 00:00:00", "ACQUISITIONDATETIME": "2019-07-04 10:11:12"},
            "2019-07-04T10:11:12Z",
            None,
            None,
        ),
        ({"TIFFTAG_DATETIME": "2019:07:04 10:11:12"}, "2019-07-04T10:11:12Z", None, None),
        ({"ACQUISITIONDATETIME": "2019-07-04T01:11:12.5+02:00"}, "2019-07-03T23:11:12Z", None, None),
        ({"ACQUISITION_DATE": "2019-07-04"}, None, "2019-07-04T00:00:00Z", "2019-07-04T23:59:59Z"),
        ({"ACQUISITION_DATE": "2019-13-41"}, None, "1858-01-01T00:00:00Z", "archived"),
        ({}, None, "1858-01-01T00:00:00Z", "archived"),
    ],
)
def test_the_time_of_a_scene_is_what_is_known_of_it(tmp_path, rules, tags, datetime, start, end):
    import pystac

    path = write_scene(tmp_path / "in" / "a.tif")
    with rasterio.open(path, "r+") as scene:
        scene.update_tags(**tags)
    run(tmp_path / "in", tmp_path / "out")
    os.utime(path, (0, 0))
    export_run(tmp_path / "out", str(tmp_path / "stac"), "stac")
    (item,) = pystac.Collection.from_file(str(tmp_path / "stac" / "collection.json")).get_items()
    item.validate(validator=rules)
    said = json.loads((tmp_path / "stac" / "a.json").read_text())["properties"]
    archived = said["created"]
    assert said["datetime"] == datetime
    assert said.get("start_datetime") == start
    assert said.get("end_datetime", "")[:19] == (archived if end == "archived" else end or "")[:19]
    interval = json.loads((tmp_path / "stac" / "collection.json").read_text())["extent"]["temporal"][
        "interval"
    ]
    assert interval[0][0] == (None if end == "archived" else datetime or start)
    assert interval[0][1][:19] == (archived if end == "archived" else datetime or end)[:19]


def test_copies_are_items_too(tmp_path, rules):
    import pystac

    write_scene(tmp_path / "in" / "a.tif")
    (tmp_path / "in" / "b.tif").write_bytes(b"no raster")
    (tmp_path / "rules.toml").write_text('[[rule]]\nwhen = { name = "*" }\ndo = "copy"\n')
    done = rsic("batch", "run", tmp_path / "in", tmp_path / "out", "--rules", tmp_path / "rules.toml")
    assert done.returncode == 0, done.stderr
    assert export_run(tmp_path / "out", str(tmp_path / "stac"), "stac") == 2
    for item in pystac.Collection.from_file(str(tmp_path / "stac" / "collection.json")).get_items():
        assert "A copy of its source" in item.properties["processing:lineage"]
        if "no raster" not in (tmp_path / "stac" / unquote(item.assets["data"].href)).read_text("latin-1"):
            item.validate(validator=rules)


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("/data/a.tif", None),
        ("/vsizip//data/a.zip/a.tif", None),
        ("/vsicurl/https://me:secret@example.org/a.tif?sig=1", "https://example.org/a.tif"),
        ("/vsis3/bucket/a b.tif", "s3://bucket/a%20b.tif"),
    ],
)
def test_only_addresses_are_said_and_none_of_their_keys(source, address):
    assert public_address(source) == address


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
    (item,) = pystac.Collection.from_file(str(tmp_path / "stac" / "collection.json")).get_items()
    item.validate(validator=rules)
    fields = item.assets["data"].extra_fields
    {"asset": fields, "item": item.properties, "band": fields["bands"][0]}[part][field] = value
    with pytest.raises(pystac.STACValidationError):
        item.validate(validator=rules)


def test_enhanced_products_say_so():
    from rsic_geo.batch.export.stac import _processing

    record = RunRecord(
        name="r", folder="", template="", reports="", options="{}", fingerprint="", version="1"
    )
    row = {
        "source": "/in/a.tif",
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


@given(
    st.lists(
        st.text(min_size=1, max_size=150).filter(lambda text: text.strip("/.\0")), max_size=8, unique=True
    )
)
@example(["a/b.jp2", "a__b.jp2", "A__b.jp2", "a.jp2", "a.cog.tif", "NUL.jp2", ".jp2"])
def test_names_are_portable_and_all_different(products):
    record = RunRecord(
        name="r",
        folder="/out",
        template="",
        reports="",
        options='{"codec": "auto"}',
        fingerprint="",
        version="",
    )
    paths = {os.path.normpath(f"/out/{each}") for each in products}
    names = Names(["collection"])
    found = [names.of(record, path) for path in sorted(paths)]
    assert len({name.casefold() for name in [*found, "collection"]}) == len(paths) + 1
    for name in found:
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,139}", name)
        assert name[-1] != "."
        assert not re.match(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", name.lower())


def test_thumbnails_are_no_scenes_where_items_are_an_input(tmp_path):
    write_scenes(tmp_path / "in", 2)
    run(tmp_path / "in", tmp_path / "out")
    export_run(tmp_path / "out", str(tmp_path / "in" / "stac"), "stac")
    found = discover([str(tmp_path / "in")], Selection())
    assert sorted(Path(source.path).suffix for source in found) == [".tif", ".tif"]
