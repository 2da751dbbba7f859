"""Rules: the first that fits decides; unknown words are refused with their line; a run goes on by them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from batch_support import options, write_scene

from rsic_geo.batch.inputs import Selection, Source, discover
from rsic_geo.batch.rules import read_rules
from rsic_geo.cli.entry import main
from rsic_geo.errors import UsageError

RULES = """
# what this archive does
[[rule]]
name = "browse"
when = { name = "*_browse.tif" }
do = "skip"

[[rule]]
name = "heights"
when = { type = ["float32", "float64"], bands = 1, folder = "dem*" }
codec = "cog"
target = "max-error=0.01"

[[rule]]
name = "deep"
when = { bits = { min = 9 }, tags = { PLATFORM = "te*" } }
target = "snr=30"
effort = "fast"

[[rule]]
name = "small"
when = { pixels = { max = 1000 } }
do = "copy"
"""


@pytest.fixture
def tree(tmp_path):
    write_scene(tmp_path / "in" / "a.tif", 0)
    write_scene(tmp_path / "in" / "a_browse.tif", 1)
    write_scene(tmp_path / "in" / "deep.tif", 2, dtype="uint16")
    write_scene(tmp_path / "in" / "tiny.tif", 3, size=24)
    heights = np.cumsum(np.random.default_rng(0).normal(0, 0.3, (64, 64)).astype("float32"), axis=1)
    path = write_scene(tmp_path / "in" / "dem7" / "h.tif", 4, dtype="float32")
    with rasterio.open(path, "r+") as scene:
        scene.write(heights, 1)
    (tmp_path / "rules.toml").write_text(RULES)
    return tmp_path


def rule_of(tree, name):
    rules = read_rules(str(tree / "rules.toml"), options())
    sources = {source.relative: source for source in discover([str(tree / "in")], Selection())}
    return rules.of(sources[name])


def test_the_first_rule_that_fits_counts(tree):
    names = ("a.tif", "a_browse.tif", "deep.tif", "tiny.tif", "dem7/h.tif")
    assert [rule_of(tree, name).name for name in names] == ["", "browse", "deep", "small", "heights"]
    deep = rule_of(tree, "deep.tif").options
    assert (str(deep.target), deep.effort, deep.model) == ("snr=30", "fast", "none")


def test_it_is_shown_before_anything_runs(tree, capsys):
    assert main(["batch", "rules", str(tree / "rules.toml"), str(tree / "in"), "--json"]) == 0
    found = {row["scene"].rpartition("/")[2]: row for row in json.loads(capsys.readouterr().out)["scenes"]}
    assert (found["a_browse.tif"]["does"], found["tiny.tif"]["does"]) == ("skip", "copy")
    assert found["h.tif"]["how"] == "cog, max-error=0.01"


def test_a_run_follows_them_goes_on_and_keeps_them(tree, capsys):
    out = tree / "out"
    words = [
        "batch",
        "run",
        str(tree / "in"),
        str(out),
        "--rules",
        str(tree / "rules.toml"),
        "--jobs",
        "0",
        "-q",
    ]
    assert main(words) == 0
    made = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.suffix in (".jp2", ".tif"))
    assert made == ["a.jp2", "deep.jp2", "dem7/h.cog.tif", "tiny.tif"]
    assert (out / "tiny.tif").read_bytes() == (tree / "in" / "tiny.tif").read_bytes()
    with (
        rasterio.open(out / "dem7" / "h.cog.tif") as ours,
        rasterio.open(tree / "in" / "dem7" / "h.tif") as theirs,
    ):
        assert 0 < np.abs(ours.read() - theirs.read()).max() <= 0.01
    assert main([*words, "--recheck"]) == 0
    for verb in (["verify", str(out)], ["restore", str(out), str(tree / "back")]):
        assert main(["batch", *verb, "-q"]) == 0
    assert len(list((tree / "back").rglob("*.tif"))) == 4
    (out / "rsic-batch.gpkg").unlink()
    assert main(["batch", "rebuild", str(out), "-q"]) == 0
    assert main([*words, "--recheck"]) == 0
    (tree / "rules.toml").write_text(RULES.replace("snr=30", "snr=20"))
    capsys.readouterr()
    assert main(words) == 2
    assert "rules" in capsys.readouterr().err


def test_a_plan_follows_them(tree, capsys):
    words = [
        "batch",
        "plan",
        str(tree / "in"),
        str(tree / "out"),
        "--rules",
        str(tree / "rules.toml"),
        "--json",
    ]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["scenes"], found["left_out"], found["sampled"], found["failures"]) == (5, 1, 4, {})


def test_a_plan_leaves_out_what_a_rule_leaves_out_though_it_cannot_be_read(tmp_path, capsys):
    write_scene(tmp_path / "in" / "a.tif")
    (tmp_path / "in" / "b_browse.tif").write_text("no raster")
    rules = tmp_path / "r.toml"
    rules.write_text('[[rule]]\nwhen = { name = "*_browse.tif" }\ndo = "skip"\n')
    words = ["batch", "plan", str(tmp_path / "in"), str(tmp_path / "out"), "--rules", str(rules), "--json"]
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["left_out"], found["failures"], found["sampled"]) == (1, {}, 1)


def test_a_mosaic_cannot_be_copied(tmp_path, capsys):
    path = write_scene(tmp_path / "in" / "a.tif")
    rasterio.shutil.copy(path, tmp_path / "in" / "m.vrt", driver="VRT")
    rules = tmp_path / "r.toml"
    rules.write_text('[[rule]]\nwhen = { name = "*.vrt" }\ndo = "copy"\n')
    assert main(["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--rules", str(rules)]) == 3
    assert "no single file that could be copied" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ('codec = "cog"', 'codek = "cog"', 11, "codek"),
        ("bands = 1", "bandz = 1", 10, "bandz"),
        ("bands = 1", 'bands = "one"', 10, "no such condition"),
        ('do = "skip"', 'do = "leave"', 6, "use archive, copy or skip"),
        ('target = "snr=30"', 'target = "snr=loud"', 17, "snr"),
        ('effort = "fast"', 'effort = "quick"', 18, "effort"),
        ('codec = "cog"', 'codec = "zip"', 11, "zip"),
        ('codec = "cog"', 'accept-loss = "yes"', 11, "accept"),
        ('codec = "cog"', 'model = "nomodel"', 11, "nomodel"),
        ("bits = { min = 9 }", "bits = { min = 9, max = 1 }", 16, "no such condition"),
        ('tags = { PLATFORM = "te*" }', "tags = {}", 16, "no such condition"),
        ('do = "copy"', 'do = "copy"\ntarget = "psnr=40"', 23, "archives nothing"),
        ("when = { pixels = { max = 1000 } }", "", None, "needs conditions"),
        ("[[rule]]", "[rule", None, "cannot read the rules"),
        ("# what this archive does", "codec = 1", None, "nothing else"),
    ],
)
def test_what_is_not_understood_is_refused_with_its_line(tmp_path, old, new, line, word):
    path = tmp_path / "rules.toml"
    path.write_text(RULES.replace(old, new, 1))
    with pytest.raises(UsageError, match=word) as raised:
        read_rules(str(path), options())
    if line is not None:
        assert f"line {line}:" in str(raised.value)


def test_properties_of_stac_items_count(tmp_path):
    path = tmp_path / "rules.toml"
    path.write_text(
        '[[rule]]\nname = "s2"\nwhen = { properties = { platform = "sentinel-2?" } }\neffort = "best"\n'
    )
    rules = read_rules(str(path), options())
    sensed = Source(path="/x.tif", relative="x.tif", properties={"platform": "sentinel-2b"})
    assert rules.of(sensed).name == "s2"
    assert rules.of(Source(path="/x.tif", relative="x.tif")).name == ""
    path.write_text('[[rule]]\nname = "clear"\nwhen = { properties = { "eo:cloud_cover" = { max = 10 } } }\n')
    rules = read_rules(str(path), options())
    for cover, name in ((3, "clear"), ("9.5", "clear"), (40, ""), ("none", "")):
        assert rules.of(Source(path="/x", relative="x", properties={"eo:cloud_cover": cover})).name == name
