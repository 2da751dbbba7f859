"""What a newcomer's day with kept archives ran into: names, copies, rot that was known, rules, spellings."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import rasterio
from batch_support import run, write_scene

from rsic_geo.cli.entry import main

QUICK = ("--model", "none", "--jobs", "0", "-q")


def batch(*words):
    return main(["batch", *map(str, words)])


def test_names_with_dots_are_restored_apart(tmp_path):
    names = ("S.1.tif", "S.2.tif", "LC08.B1.tif", "a.tif", "a.tiff")
    for seed, name in enumerate(names):
        write_scene(tmp_path / "in" / name, seed)
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK, "--template", "{parent}/{name}.*") == 0
    assert batch("restore", tmp_path / "out", tmp_path / "back", "-q") == 0
    assert sorted(os.listdir(tmp_path / "back")) == sorted(names)
    for name in names:
        with rasterio.open(tmp_path / "in" / name) as theirs, rasterio.open(tmp_path / "back" / name) as ours:
            assert (theirs.read() == ours.read()).all()


def test_products_of_one_stem_are_restored_under_two_names(tmp_path):
    write_scene(tmp_path / "in" / "a.tif", 0)
    write_scene(tmp_path / "in" / "b" / "a.tif", 1, dtype="int32")
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK, "--template", "{stem}.*") in (0, 2)
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    (tmp_path / "in" / "b" / "a.tif").rename(tmp_path / "in" / "b" / "c.tif")
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK) == 0
    assert batch("restore", tmp_path / "out", tmp_path / "back", "-q") == 0
    assert len(list((tmp_path / "back").rglob("*.tif"))) == 2


@pytest.fixture
def copied(tmp_path):
    write_scene(tmp_path / "in" / "a.tif")
    (tmp_path / "in" / "readme.tif").write_text("no raster at all")
    (tmp_path / "r.toml").write_text('[[rule]]\nwhen = { name = "*.tif" }\ndo = "copy"\n')
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK, "--rules", tmp_path / "r.toml") == 0
    return tmp_path


def test_copies_are_told_by_their_bytes_and_come_back_as_they_were(copied):
    out, back = copied / "out", copied / "back"
    assert batch("verify", out, "-q") == 0
    assert batch("restore", out, back, "-q") == 0
    for name in ("a.tif", "readme.tif"):
        assert (back / name).read_bytes() == (copied / "in" / name).read_bytes()
    content = bytearray((out / "a.tif").read_bytes())
    content[-9] ^= 1
    (out / "a.tif").write_bytes(content)
    assert batch("restore", out, copied / "again", "-q") == 3
    assert os.listdir(copied / "again") == ["readme.tif"]
    assert batch("verify", out, "-q") == 4


def test_known_rot_is_said_again_until_it_is_mended(copied, capsys):
    out = copied / "out"
    sound = (out / "a.tif").read_bytes()
    (out / "a.tif").write_bytes(sound[:-1] + b"\xff")
    for _ in range(2):
        assert batch("verify", out, "--max-age", 30) == 4
        assert "a.tif" in capsys.readouterr().err
    (out / "a.tif").write_bytes(sound)
    assert batch("verify", out, "--max-age", 30) == 0
    assert "1 products" in capsys.readouterr().out
    assert batch("verify", out, "--max-age", 30) == 0
    assert "0 products" in capsys.readouterr().out


def test_what_cannot_be_read_meets_no_condition_of_its_header(tmp_path):
    path = write_scene(tmp_path / "in" / "torn.tif")
    path.write_bytes(path.read_bytes()[:300])
    (tmp_path / "r.toml").write_text('[[rule]]\nwhen = { pixels = { max = 1000 } }\ndo = "skip"\n')
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK, "--rules", tmp_path / "r.toml") == 3


@pytest.mark.parametrize("folder", ["dem/*", "dem", "dem*"])
def test_a_folder_is_meant_with_what_lies_in_it(tmp_path, folder, capsys):
    write_scene(tmp_path / "in" / "dem" / "h.tif")
    (tmp_path / "r.toml").write_text(
        f'[[rule]]\nname = "h"\nwhen = {{ folder = "{folder}" }}\neffort = "best"\n'
    )
    assert batch("rules", tmp_path / "r.toml", tmp_path / "in", "--json") == 0
    assert [row["rule"] for row in json.loads(capsys.readouterr().out)["scenes"]] == ["h"]


def test_a_ledger_elsewhere_is_retried_with_its_folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.tif").write_text("no raster")
    words = ("run", tmp_path / "in", tmp_path / "out", *QUICK, "--ledger", tmp_path / "led" / "l.gpkg")
    assert batch(*words) == 3
    write_scene(tmp_path / "in" / "a.tif")
    assert batch("retry", tmp_path / "led" / "l.gpkg", "-q") == 2
    for form in (["--output", str(tmp_path / "out")], [f"--output={tmp_path / 'out'}"]):
        assert batch("retry", tmp_path / "led" / "l.gpkg", *form, "-q") == 0


def test_a_run_that_was_refused_may_be_asked_for_otherwise(tmp_path):
    for name in ("a.tif", "a.tiff"):
        write_scene(tmp_path / "in" / name)
    words = ("run", tmp_path / "in", tmp_path / "out", *QUICK)
    assert batch(*words) == 2
    assert batch(*words, "--template", "{parent}/{name}.*") == 0
    assert batch(*words, "--template", "{parent}/{stem}.*") == 2


def test_an_output_folder_that_is_the_input_goes_on(tmp_path):
    write_scene(tmp_path / "both" / "a.tif")
    assert run(tmp_path / "both", tmp_path / "both")[0].done == 1
    write_scene(tmp_path / "both" / "b.tif", 1)
    words = ("run", tmp_path / "both", tmp_path / "both", *QUICK)
    assert batch(*words) == 0
    assert sorted(path.name for path in (tmp_path / "both").glob("*.jp2")) == ["a.jp2", "b.jp2"]


def test_sources_are_known_however_their_folder_is_spelled(tmp_path, monkeypatch):
    write_scene(tmp_path / "in" / "a.tif")
    (tmp_path / "x").mkdir()
    assert batch("run", tmp_path / "in", tmp_path / "out", *QUICK) == 0
    assert batch("run", tmp_path / "x" / ".." / "in", tmp_path / "out", *QUICK) == 0
    monkeypatch.chdir(tmp_path / "x")
    assert batch("run", "../in", tmp_path / "out", *QUICK) == 0


def test_a_condition_stays_in_its_brackets(copied, capsys):
    assert batch("restore", copied / "out", copied / "back", "--where", "1=1) OR (1=1", "-q") == 1
    assert not (copied / "back").exists()
    assert "VERB" not in capsys.readouterr().err
    assert batch("run", copied / "in", copied / "o2", "--run", "a/b") == 2
    assert "VERB" not in capsys.readouterr().err
