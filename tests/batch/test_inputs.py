"""Which scenes a batch is about, and where their products go."""

from __future__ import annotations

import io
import json
import os

import pytest
from batch_support import write_scene

from rsic_geo.batch.inputs import Selection, Source, discover
from rsic_geo.batch.register import product_path, usual_template
from rsic_geo.cli.entry import main
from rsic_geo.errors import UnknownCodecError, UsageError
from rsic_geo.raster.doors.vsi import gdal_name
from rsic_geo.verbs.names import archive_suffixes

JP2 = archive_suffixes("jp2")


@pytest.fixture
def tree(tmp_path):
    for name in (
        "a/x.tif",
        "a/b/y.TIF",
        "a/b/z.jp2",
        "a/notes.txt",
        "a/.hidden/w.tif",
        "a/.v.tif",
        "c/u.tif",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def found(inputs, stdin=None, *, nul=False, **choices):
    return [source.relative for source in discover(map(str, inputs), Selection(**choices), stdin, nul=nul)]


def test_folders(tree):
    assert found([tree / "a"]) == ["b/y.TIF", "b/z.jp2", "x.tif"]
    assert found([tree / "a", tree / "c"]) == ["b/y.TIF", "b/z.jp2", "u.tif", "x.tif"]
    assert found([tree / "a"], include=("*.txt", "b/*.jp2")) == ["b/z.jp2", "notes.txt"]
    assert found([tree / "a"], exclude=("b/*",)) == ["x.tif"]
    assert found([tree], avoid=(str(tree / "a" / "b"),)) == ["a/x.tif", "c/u.tif"]
    assert found([tree / "a", tree / "a"]) == ["b/y.TIF", "b/z.jp2", "x.tif"]


def test_folders_reached_through_links_are_not_entered(tree):
    os.symlink(tree / "a", tree / "c" / "loop")
    assert found([tree / "c"]) == ["u.tif"]


def test_files_mirror_what_they_have_in_common(tree):
    files = [tree / "a" / "x.tif", tree / "a" / "b" / "z.jp2"]
    assert found(files) == ["b/z.jp2", "x.tif"]
    assert found(files, base=str(tree)) == ["a/b/z.jp2", "a/x.tif"]
    assert found([tree / "a" / "notes.txt"]) == ["notes.txt"]
    with pytest.raises(UsageError, match="below the base folder"):
        found(files, base=str(tree / "c"))
    with pytest.raises(UsageError, match="there is no input"):
        found([tree / "gone.tif"])


def test_lists_and_standard_input(tree):
    names = f"# a list\n{tree}/a/x.tif\n\n{tree}/c\n"
    (tree / "list.txt").write_text(names)
    assert found([f"@{tree}/list.txt"]) == ["u.tif", "x.tif"]
    assert found(["-"], io.BytesIO(names.encode())) == ["u.tif", "x.tif"]
    assert found(["-"], io.BytesIO(f"{tree}/a/x.tif\0{tree}/c/u.tif\0".encode()), nul=True) == [
        "a/x.tif",
        "c/u.tif",
    ]
    with pytest.raises(UsageError, match="cannot read the list"):
        found([f"@{tree}/gone.txt"])


def item(name, **assets):
    return {"type": "Feature", "id": name, "collection": "spring", "assets": assets}


def test_stac_items(tree):
    data = {"href": "./x.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    remote = {"href": "https://example.org/m/scene.tif?key=1", "roles": ["data"]}
    thumbnail = {"href": "./t.png", "type": "image/png", "roles": ["thumbnail"]}
    collection = {
        "type": "FeatureCollection",
        "features": [item("one", data=data, small=thumbnail), item("two", b=remote)],
    }
    (tree / "a" / "items.json").write_text(json.dumps(collection))
    sources = discover([str(tree / "a" / "items.json")], Selection())
    assert [source.path for source in sources] == [
        str(tree / "a" / "x.tif"), "/vsicurl/https://example.org/m/scene.tif?key=1",
    ]  # fmt: skip
    assert [source.relative for source in sources] == ["spring/one/x.tif", "spring/two/scene.tif"]
    assert found([tree / "a" / "items.json"], asset="small") == ["spring/one/t.png"]
    (tree / "a" / "item.json").write_text(json.dumps(item("../../evil", data=data)))
    assert ".." not in found([tree / "a" / "item.json"])[0]
    (tree / "bad.json").write_text('{"type": "Polygon"}')
    with pytest.raises(UsageError, match="no STAC item"):
        found([tree / "bad.json"])


def test_addresses():
    assert gdal_name("file:///a/b%20c.tif") == "/a/b c.tif"
    assert gdal_name("s3://bucket/x.tif") == "/vsis3/bucket/x.tif"
    assert gdal_name("/vsizip/a.zip/x.tif") == "/vsizip/a.zip/x.tif"
    with pytest.raises(UsageError):
        gdal_name("gopher://x/y.tif")


def test_a_name_a_geopackage_cannot_hold_fails_alone_and_is_told(tmp_path, capsys):
    tree = tmp_path / "in"
    write_scene(tree / "c" / "good.tif")
    try:
        (tree / "c" / os.fsdecode(b"\xff.tif")).touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    words = [str(tree / "c"), str(tmp_path / "out"), "--model", "none", "-j0", "--include", "*.tif"]
    assert main(["batch", "run", *words]) == 3
    said = capsys.readouterr()
    assert "1 scenes done and verified, 1 failed" in said.out
    assert main(["batch", "status", str(tmp_path / "out"), "--failed"]) == 3
    assert "\\udcff.tif: its name is not UTF-8" in capsys.readouterr().out
    assert main(["batch", "retry", str(tmp_path / "out"), "-j0"]) == 3
    assert main(["batch", "plan", *words[:2], "--include", "*.tif", "--sample", "1"]) == 0
    assert "1 would fail, such as" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("template", "product"),
    [
        (usual_template("jp2"), "a/b/x.y.jp2"),
        ("{parent}/{name}.jp2", "a/b/x.y.tif.jp2"),
        ("{run}/{ext}/{stem}.jp2", "r/tif/x.y.jp2"),
    ],
)
def test_templates(template, product):
    assert product_path(Source(path="/in/a/b/x.y.tif", relative="a/b/x.y.tif"), template, "r", JP2) == product
    assert (
        product_path(Source(path="/in/x.tif", relative="x.tif"), usual_template("jp2"), "r", JP2) == "x.jp2"
    )


def test_the_codec_decides_the_suffix():
    found = archive_suffixes("learned")
    scene = Source(path="/in/a/x.tif", relative="a/x.tif")
    assert product_path(scene, usual_template("learned"), "r", found) == f"a/x{found[0]}"
    with pytest.raises(UsageError, match="archives end in"):
        product_path(scene, usual_template("jp2"), "r", found)
    with pytest.raises(UnknownCodecError, match="codec 'jpeg' is not known: use cog or") as refused:
        usual_template("jpeg")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "template", ["../{stem}.jp2", "/{stem}.jp2", "{stem}", "{stem}.tif", "{date}.jp2", "{stem.jp2", "{0}.jp2"]
)
def test_bad_templates_are_refused(template):
    with pytest.raises(UsageError, match="template"):
        product_path(Source(path="/in/x.tif", relative="x.tif"), template, "r", JP2)
