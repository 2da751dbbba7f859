"""What an archive is asked for after its run: fixity, moving, a lost ledger, parts, scenes back, bags."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import bagit
import pytest
import rasterio
from batch_support import options, run, write_scene, write_scenes

from rsic_geo.batch.ledger import file
from rsic_geo.batch.preserve import fixity
from rsic_geo.batch.preserve.fixity import FixityOptions, verify_archive
from rsic_geo.batch.preserve.rebuild import merge_ledgers, rebuild_ledger
from rsic_geo.batch.preserve.restore import RestoreOptions, restore
from rsic_geo.cli.entry import main
from rsic_geo.errors import JobCancelledError, LedgerError, LedgerMismatchError, UsageError

LEDGER = "rsic-batch.gpkg"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def rows(ledger: Path, columns: str = "*") -> list[tuple]:
    with closing(sqlite3.connect(ledger)) as connection:
        return connection.execute(f"SELECT {columns} FROM scenes ORDER BY product").fetchall()


@pytest.fixture
def archive(tmp_path):
    write_scenes(tmp_path / "in", 4)
    out = tmp_path / "out"
    run(tmp_path / "in", out)
    return out


def products(archive: Path) -> list[Path]:
    return sorted(archive.glob("part*/*.jp2"))


def test_a_sound_archive_is_sound_and_every_scene_is_dated(archive, capsys):
    assert main(["batch", "verify", str(archive), "--pixels"]) == 0
    assert "4 products" in capsys.readouterr().out
    assert all(checked and rot is None for checked, rot in rows(archive / LEDGER, "checked, rot"))


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_byte_anywhere_is_found_and_told_in_words(archive, place, capsys):
    victim = products(archive)[2]
    content = bytearray(victim.read_bytes())
    content[int(len(content) * place)] ^= 0x10
    victim.write_bytes(content)
    assert main(["batch", "verify", str(archive)]) == 4
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert victim.name in said
    assert [bool(rot) for (rot,) in rows(archive / LEDGER, "rot")] == [False, False, True, False]


def test_what_is_gone_replaced_or_elsewhere_is_told_apart(archive, tmp_path):
    gone, replaced, elsewhere, sound = products(archive)
    gone.unlink()
    for suffix in ("", ".aux.xml"):
        shutil.copy(f"{sound}{suffix}", f"{replaced}{suffix}")
    outside = tmp_path / "outside.jp2"
    shutil.copy(elsewhere, outside)
    with closing(sqlite3.connect(archive / LEDGER)) as connection, connection:
        wrong = ("../outside.jp2", str(elsewhere.relative_to(archive)))
        connection.execute("UPDATE scenes SET product=? WHERE product=?", wrong)
    told = {}
    found = verify_archive(
        archive, FixityOptions(told=lambda scene, rot: told.update({scene["product"]: rot}))
    )
    assert found.checked == 4
    assert told[str(gone)] == "it is gone"
    assert told[str(replaced)] == "it is whole, but another file than was verified"
    assert "outside of its folder" in told[str(outside)]
    assert told[str(sound)] is None


@pytest.mark.parametrize("column", ["product", "report"])
def test_a_bag_takes_and_puts_nothing_outside(archive, tmp_path, capsys, column):
    shutil.copy(products(archive)[0], tmp_path / "outside")
    with closing(sqlite3.connect(archive / LEDGER)) as connection, connection:
        connection.execute(f"UPDATE scenes SET {column}='../outside' WHERE fid=1")
    assert main(["batch", "export", str(archive), str(tmp_path / "deep" / "bag"), "--to", "bag"]) == 1
    assert f"the {column} {tmp_path / 'outside'} leads outside" in capsys.readouterr().err
    assert not list((tmp_path / "deep").iterdir())


@pytest.mark.parametrize("drift", [-90, 90])
def test_a_clock_that_jumps_leaves_no_product_out_and_checks_none_for_ever(archive, monkeypatch, drift):
    products(archive)[1].write_bytes(b"rot")
    real, days, seen = file.now, [0], []

    def jumping():
        moment = datetime.fromisoformat(real()[:-1]) + timedelta(days=days[0])
        return moment.isoformat(timespec="milliseconds") + "Z"

    def told(scene, _rot):
        seen.append(scene["product"])
        days[0] += drift

    for module in (file, fixity):
        monkeypatch.setattr(module, "now", jumping)
    assert len(verify_archive(archive, FixityOptions(told=told)).rotten) == 1
    assert sorted(seen) == [str(path) for path in products(archive)]
    days[0], drift = 0, 0  # the clock is right again: what it wrote of times to come is not believed
    checked = verify_archive(archive, FixityOptions(max_age=30, told=told)).checked
    assert checked == 3  # all but the first, whose date is right
    assert verify_archive(archive, FixityOptions(max_age=30)).checked == 1  # what is rotten


def test_names_with_a_percent_sign_are_checked_by_both(tmp_path):
    write_scene(tmp_path / "in" / "50%25.tif")
    run(tmp_path / "in", tmp_path / "out")
    bag = tmp_path / "bag"
    assert main(["batch", "export", str(tmp_path / "out"), str(bag), "--to", "bag"]) == 0
    assert bagit.Bag(str(bag)).validate()
    words = ["sha256sum", "--strict", "-c", "manifest-sha256.txt"]
    found = subprocess.run(words, cwd=bag, check=True, capture_output=True, text=True).stdout
    assert "data/50%25.jp2: OK" in found
    write_scene(tmp_path / "in" / "50%0a.tif")
    run(tmp_path / "in", tmp_path / "out")
    assert main(["batch", "export", str(tmp_path / "out"), str(tmp_path / "second"), "--to", "bag"]) == 2
    assert not (tmp_path / "second").exists()


def test_a_check_that_was_stopped_goes_on_where_it_was(archive):
    seen = []

    def stop(scene, _rot):
        seen.append(scene["product"])
        return len(seen) < 2

    with pytest.raises(JobCancelledError, match="leave those of the last day alone"):
        verify_archive(archive, FixityOptions(told=stop, max_age=1))
    assert (
        verify_archive(archive, FixityOptions(told=lambda s, _: seen.append(s["product"]), max_age=1)).checked
        == 2
    )
    assert sorted(seen) == [str(path) for path in products(archive)]
    assert verify_archive(archive, FixityOptions(max_age=1)).checked == 0


def test_reading_is_held_to_a_rate(archive):
    import time

    size = sum(path.stat().st_size for path in products(archive))
    started = time.monotonic()
    verify_archive(archive, FixityOptions(max_rate=size / 0.6))
    assert time.monotonic() - started > 0.5


def test_an_archive_that_moved_with_its_ledger_goes_on(archive, tmp_path):
    moved = tmp_path / "elsewhere" / "archive"
    moved.parent.mkdir()
    shutil.move(archive, moved)
    assert verify_archive(moved, FixityOptions()).rotten == []
    write_scene(tmp_path / "in" / "part0" / "late.tif", 9)
    standing, outcomes = run(tmp_path / "in", moved)
    assert (standing.done, list(outcomes)) == (5, ["late.tif"])
    assert not archive.exists()
    assert not any(str(tmp_path) in product for (product,) in rows(moved / LEDGER, "product"))


def test_a_lost_ledger_is_made_again_of_reports_alone(archive, tmp_path):
    columns = (
        "run, source, product, state, geom, source_sha256, content_key, product_sha256, width, height, "
        "bands, dtype, codec, target, lossless, psnr, snr, masks, metadata, warnings, report, finished"
    )
    before = rows(archive / LEDGER, columns)
    (archive / LEDGER).unlink()
    shutil.move(tmp_path / "in", tmp_path / "away")
    gone = products(archive)[1]
    content = gone.read_bytes()
    gone.unlink()
    assert main(["batch", "rebuild", str(archive)]) == 3
    states = dict(rows(archive / LEDGER, "product, state"))
    assert states[str(gone.relative_to(archive))] == "pending"
    gone.write_bytes(content)
    (archive / LEDGER).unlink()
    found = rebuild_ledger(str(archive))
    assert (found.scenes, found.gone, found.unread) == (4, [], [])
    assert rows(archive / LEDGER, columns) == before
    shutil.move(tmp_path / "away", tmp_path / "in")
    standing, outcomes = run(tmp_path / "in", archive, recheck=True)
    assert (standing.done, len(outcomes)) == (4, 4)
    with pytest.raises(UsageError, match="there is a ledger"):
        rebuild_ledger(str(archive))


def test_reports_that_are_none_lead_nowhere(archive, tmp_path):
    (archive / LEDGER).unlink()
    reports = archive / "rsic-batch-reports"
    (reports / "part0" / "torn.jp2.json").write_text('{"schema": "rsic-batch-scene-1", "verified": true')
    forged = json.loads((reports / "part0" / "s00000.jp2.json").read_text())
    forged["ledger"] = {  # a name that ends the list it is put into
        f"run, source, product) SELECT 'done', 'default', 'x', '../x' WHERE coalesce({'?, ' * 6}?) --": 0
    }
    (reports / "part0" / "torn2.jp2.json").write_text(json.dumps(forged))
    os.symlink(tmp_path, reports / "up")
    found = rebuild_ledger(str(archive))
    assert found.scenes == 4
    assert [Path(each).name for each in found.unread] == ["torn.jp2.json", "torn2.jp2.json"]
    shutil.rmtree(reports)
    (archive / LEDGER).unlink()
    with pytest.raises(LedgerError, match="no reports"):
        rebuild_ledger(str(archive))
    assert not (archive / LEDGER).exists()


def test_shards_are_parts_of_one_archive_and_join_to_its_ledger(tmp_path):
    write_scenes(tmp_path / "in", 7)
    out, whole = tmp_path / "out", tmp_path / "whole"
    counts = [run(tmp_path / "in", out, shard=(number, 3))[0].done for number in (1, 2, 3)]
    assert sum(counts) == 7
    words = ["batch", "run", str(tmp_path / "in"), str(out), "--model", "none", "--jobs", "0", "-q"]
    assert main([*words, "--shard", "1/3"]) == 0
    parts = sorted(map(str, out.glob("*.shard-*.gpkg")))
    assert merge_ledgers(parts, str(out / LEDGER)) == 7
    run(tmp_path / "in", whole)
    columns = "run, product, state, product_sha256, content_key, report"
    assert rows(out / LEDGER, columns) == rows(whole / LEDGER, columns)
    standing, outcomes = run(tmp_path / "in", out, recheck=True)
    assert (standing.done, len(outcomes)) == (7, 7)
    with pytest.raises(LedgerMismatchError, match="another part"):
        merge_ledgers([shutil.copy(parts[0], out / "copy.gpkg"), *parts], str(out / "twice.gpkg"))
    run(
        tmp_path / "in",
        out,
        options("psnr=40"),
        run="other",
        ledger=str(out / "x.gpkg"),
        template="x/{stem}.jp2",
    )
    assert merge_ledgers([str(out / LEDGER), str(out / "x.gpkg")], str(out / "both.gpkg")) == 14
    assert not (out / "twice.gpkg").exists()
    for wrong in ("0/3", "4/3", "a/3", "3"):
        assert main(["batch", "run", str(tmp_path / "in"), str(out), "--shard", wrong, "-q"]) == 2


def test_restored_scenes_are_the_originals(archive, tmp_path, capsys):
    back = tmp_path / "back"
    assert main(["batch", "restore", str(archive), str(back), "--where", "product LIKE '%0001%'"]) == 0
    assert [path.name for path in back.rglob("*.tif")] == ["s00001.tif"]
    (back / "part0").mkdir(exist_ok=True)
    shutil.copy(tmp_path / "in" / "part1" / "s00001.tif", back / "part0" / "s00000.tif")
    assert main(["batch", "restore", str(archive), str(back)]) == 3
    assert "s00000.tif is another scene" in capsys.readouterr().err
    for path in sorted((tmp_path / "in").rglob("*.tif")):
        with rasterio.open(path) as theirs, rasterio.open(back / path.relative_to(tmp_path / "in")) as ours:
            is_same = (theirs.read() == ours.read()).all()
            assert is_same == (path.name != "s00000.tif")
            if is_same:
                assert (ours.crs, ours.transform, ours.tags()["SCENE"]) == (
                    theirs.crs, theirs.transform, theirs.tags()["SCENE"],
                )  # fmt: skip
    assert main(["batch", "restore", str(archive), str(tmp_path / "x"), "--where", "nonsense ((", "-q"]) == 1
    assert main(["batch", "restore", str(archive), str(archive), "-q"]) == 2


def test_scenes_are_chosen_by_place(archive, tmp_path):
    found = restore(archive, str(tmp_path / "south"), RestoreOptions(bbox=(139, -40, 150, -20)))
    assert found.restored == sum(i % 3 == 2 for i in range(4))
    assert restore(archive, str(tmp_path / "none"), RestoreOptions(bbox=(0, 80, 1, 81))).restored == 0


def test_a_damaged_product_is_not_restored(archive, tmp_path):
    victim = products(archive)[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    found = restore(archive, str(tmp_path / "back"), RestoreOptions())
    assert (found.restored, len(found.failed)) == (3, 1)
    assert not list((tmp_path / "back" / "part0").glob(f"{victim.stem}*"))


def test_a_bag_is_valid_to_others_and_holds_a_ledger_that_goes_on(archive, tmp_path, capsys):
    bag = tmp_path / "bag"
    assert main(["batch", "export", str(archive), str(bag), "--to", "bag"]) == 0
    assert bagit.Bag(str(bag)).validate()
    for manifest in ("manifest-sha256.txt", "tagmanifest-sha256.txt"):
        subprocess.run(["sha256sum", "--strict", "-c", manifest], cwd=bag, check=True, capture_output=True)
    assert verify_archive(bag / "data", FixityOptions(pixels=True)).checked == 4
    products(archive)[0].write_bytes(b"rot")
    assert main(["batch", "export", str(archive), str(tmp_path / "second"), "--to", "bag", "-q"]) == 4
    assert not (tmp_path / "second").exists()
    assert "changed since it was verified" in capsys.readouterr().err
