"""Batches in one process: what is done, what is refused, what is found again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest
import rasterio
from batch_support import options, products, run, write_scene, write_scenes

import rsic_geo
from rsic_geo.batch import publish
from rsic_geo.batch import scene as batch_scene
from rsic_geo.batch.coordinator import LEDGER_NAME, Watcher
from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.ledger.file import Ledger
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.publish import read_json
from rsic_geo.batch.run import BatchOptions, Crew, retry_batch, run_batch
from rsic_geo.batch.status import status_of
from rsic_geo.errors import (
    JobCancelledError,
    LedgerBusyError,
    LedgerError,
    LedgerMismatchError,
    SceneError,
    UsageError,
)
from rsic_geo.verbs import compress


def rows(out):
    with Ledger(out / LEDGER_NAME) as ledger:
        return {os.path.basename(row["source"]): dict(row) for row in ledger.scenes("default")}


def serial(**settings):
    return BatchOptions(crew=Crew(jobs=0), **settings)


def test_a_tree_is_mirrored_proven_and_entered(tmp_path):
    write_scenes(tmp_path / "in", 4)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, standing.failed, standing.left) == (4, 0, 0)
    assert len(outcomes) == 4
    found = products(tmp_path / "out")
    assert list(found) == [f"part{i % 2}/s{i:05d}.jp2" for i in (0, 2, 1, 3)]
    for name, row in rows(tmp_path / "out").items():
        product = tmp_path / "out" / row["product"]
        assert rsic_geo.compare(row["source"], row["product"]).is_equal
        assert row["state"] == "done"
        assert (row["metadata"], row["masks"], row["lossless"]) == ("identical", "identical", 1)
        assert row["product_bytes"] == product.stat().st_size
        assert len(row["source_sha256"]) == len(row["product_sha256"]) == 64
        receipt = read_json(row["report"])
        assert receipt["verified"]
        assert receipt["report"]["output"]["sha256"] == row["product_sha256"]
        assert receipt["report"]["input"]["path"].endswith(name)


def test_the_second_run_does_nothing(tmp_path):
    write_scenes(tmp_path / "in", 3)
    run(tmp_path / "in", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jp2")}
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert standing.done == 3
    assert outcomes == {}
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jp2")}
    write_scene(tmp_path / "in" / "new.tif", 9)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, list(outcomes)) == (4, ["new.tif"])


def test_other_parameters_are_refused_and_welcome_under_another_name(tmp_path):
    write_scenes(tmp_path / "in", 2)
    run(tmp_path / "in", tmp_path / "out")
    with pytest.raises(LedgerMismatchError, match=r"psnr=40.*was lossless"):
        run(tmp_path / "in", tmp_path / "out", options("psnr=40"))
    ledger = str(tmp_path / "out" / LEDGER_NAME)
    with pytest.raises(UsageError, match="is the product of"):
        run(tmp_path / "in", tmp_path / "out", options("psnr=40"), run="forty", ledger=ledger)
    standing, _ = run(tmp_path / "in", tmp_path / "out40", options("psnr=40"), run="fourty", ledger=ledger)
    assert standing.done == 2
    assert [entry["name"] for entry in status_of(ledger)["runs"]][::2] == ["default", "fourty"]


@pytest.mark.parametrize("target", ["psnr=38", "max-error=3", "ratio=3", "bpp=3"])
def test_targets_are_proven_on_the_written_file(tmp_path, target):
    write_scene(tmp_path / "in" / "a.tif", size=128)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", options(target))
    assert standing.done == 1, outcomes
    row = rows(tmp_path / "out")["a.tif"]
    kind, value = target.split("=")
    assert row["target"] == target
    if kind in ("psnr", "ratio"):
        assert row["achieved"] >= float(value) * 0.979
    else:
        assert row["achieved"] <= float(value) * 1.021
    assert row["psnr"] == pytest.approx(rsic_geo.compare(row["source"], row["product"]).psnr, abs=1e-6)


def test_a_learned_codec_names_its_products_and_its_network(tmp_path, monkeypatch):
    if find_spec("compressai") is None:
        pytest.skip("compressai is not installed (it has no build for Python 3.13)")
    from learned_support import busy_network, weights_of

    file = weights_of(busy_network())
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "busy.safetensors").write_bytes(file.content)
    monkeypatch.setenv("RSIC_GEO_WEIGHTS", str(tmp_path / "weights"))
    write_scene(tmp_path / "in" / "a.tif", size=128)
    wanted = options("psnr=26", codec="learned:busy")
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", wanted)
    assert standing.done == 1, outcomes
    row = rows(tmp_path / "out")["a.tif"]
    assert row["product"] == str(tmp_path / "out" / "a.rsic.tif")
    assert (row["codec"], row["codec_sha256"]) == ("learned", file.sha256)
    assert row["psnr"] >= 26
    other = weights_of(busy_network(seed=1))
    (tmp_path / "weights" / "busy.safetensors").write_bytes(other.content)
    with pytest.raises(LedgerMismatchError, match="codec_sha256"):
        run(tmp_path / "in", tmp_path / "out", wanted)


def test_masks_and_nodata_are_proven(tmp_path):
    path = write_scene(tmp_path / "in" / "a.tif", nodata=0)
    with rasterio.open(path, "r+") as scene:
        pixels = scene.read()
        pixels[:, :9, :20] = 0
        scene.write(pixels)
    standing, _ = run(tmp_path / "in", tmp_path / "out", options("psnr=35"))
    assert standing.done == 1
    row = rows(tmp_path / "out")["a.tif"]
    assert (row["masks"], row["metadata"], row["lossless"]) == ("identical", "identical", 0)


def test_nan_without_a_nodata_value_is_proven_too(tmp_path):
    path = write_scene(tmp_path / "in" / "a.tif", dtype="float32")
    with rasterio.open(path, "r+") as scene:
        pixels = scene.read()
        pixels[:, 5:20, :9] = float("nan")
        scene.write(pixels)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", options("psnr=40", quantize="uint16"))
    assert standing.done == 1, outcomes
    assert rows(tmp_path / "out")["a.tif"]["masks"] == "identical"


def test_what_fails_its_proof_is_kept_aside_and_tried_again_on_request(tmp_path, monkeypatch):
    write_scenes(tmp_path / "in", 2)
    real = compress.compress

    def spoiled(src, dst, wanted, progress, bands):
        report = real(src, dst, wanted, progress, bands)
        if src.endswith("s00000.tif"):
            other = write_scene(tmp_path / "other.tif", 7)
            made = report.output["path"]
            os.remove(made)
            shutil.move(real(str(other), str(tmp_path / "other.jp2"), wanted).output["path"], made)
        return report

    monkeypatch.setattr(batch_scene.compress, "compress", spoiled)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, standing.failed) == (1, 1)
    assert outcomes["s00000.tif"].error_kind == "verification"
    assert "does not decode to the pixels of its source" in outcomes["s00000.tif"].error
    assert list(products(tmp_path / "out")) == ["part1/s00001.jp2"]
    assert (tmp_path / "out" / "part0" / "s00000.jp2.failed").exists()
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.failed, outcomes) == (1, {})
    monkeypatch.undo()
    standing = retry_batch(tmp_path / "out", serial(), Watcher())
    assert (standing.done, standing.failed) == (2, 0)
    assert rows(tmp_path / "out")["s00000.tif"]["error"] is None


def test_a_broken_scene_fails_alone(tmp_path):
    write_scenes(tmp_path / "in", 2)
    (tmp_path / "in" / "broken.tif").write_bytes(b"II*\0 no raster")
    write_scene(tmp_path / "in" / "float.tif", dtype="float32")
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", options(codec="jp2"))
    assert (standing.done, standing.failed) == (2, 2)
    assert outcomes["float.tif"].error_kind == "UnsupportedSceneError"
    failed = status_of(tmp_path / "out", list_failed=True)["runs"][0]["failed"]
    assert {os.path.basename(scene["source"]) for scene in failed} == {"broken.tif", "float.tif"}


def test_what_exists_is_never_overwritten(tmp_path):
    write_scenes(tmp_path / "in", 2)
    taken = tmp_path / "out" / "part0" / "s00000.jp2"
    taken.parent.mkdir(parents=True)
    taken.write_bytes(b"precious")
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, standing.failed) == (1, 1)
    assert outcomes["s00000.tif"].error_kind == "exists"
    assert taken.read_bytes() == b"precious"
    standing = retry_batch(tmp_path / "out", serial(skip_existing=True), Watcher())
    assert (standing.skipped, standing.failed) == (1, 0)
    assert taken.read_bytes() == b"precious"


def test_a_lost_product_is_made_again_and_a_changed_source_is_told(tmp_path):
    paths = write_scenes(tmp_path / "in", 3)
    run(tmp_path / "in", tmp_path / "out")
    before = products(tmp_path / "out")
    (tmp_path / "out" / "part0" / "s00000.jp2").unlink()
    os.utime(paths[2], ns=(1, 1))
    write_scene(paths[1], 8)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert not outcomes["s00000.tif"].adopted
    assert outcomes["s00002.tif"].adopted
    assert outcomes["s00001.tif"].error_kind == "changed"
    assert (standing.done, standing.failed) == (2, 1)
    assert products(tmp_path / "out") == before


def _flip(path, place=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda product: _flip(product, product.read_bytes().index(b"\xff\x93") + 8), "1 damaged tile"),
        (lambda product: _flip(product, product.read_bytes().index(b"<offsetVector")), "the GML box"),
        (lambda product: product.write_bytes(product.read_bytes()[:100]), "reaches past the end"),
        (lambda product: _flip(product.with_name("s.jp2.msk")), "s.jp2.msk, which other programs read"),
        (lambda product: product.with_name("s.jp2.msk").unlink(), "s.jp2.msk.* is missing"),
        (
            lambda product: product.with_name("s.jp2.aux.xml").write_text("<PAMDataset></PAMDataset>"),
            "s.jp2.aux.xml was altered: nodata of band 1: 0 became nothing",
        ),
    ],
)
def test_checking_again_says_what_became_of_a_product(tmp_path, harm, words):
    # Bit rot was "no verified product of this run", and of sidecars nothing was said.
    source = write_scene(tmp_path / "in" / "s.tif", size=96, nodata=0)
    with rasterio.open(source, "r+") as scene:
        pixels = scene.read()
        pixels[:, :20, :30] = 0
        scene.write(pixels)
    wanted = options("psnr=35")
    run(tmp_path / "in", tmp_path / "out", wanted)
    product = tmp_path / "out" / "s.jp2"
    standing, _ = run(tmp_path / "in", tmp_path / "out", wanted, recheck=True)
    assert (standing.done, standing.failed) == (1, 0)
    harm(product)
    left = {path.name: path.read_bytes() for path in product.parent.glob("s.jp2*")}
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", wanted, recheck=True)
    assert (standing.done, standing.failed) == (0, 1)
    outcome = outcomes["s.tif"]
    assert outcome.error_kind == "ChecksumError"
    assert re.search(f"s.jp2 changed since it was verified: .*{words}", outcome.error), outcome.error
    assert left == {path.name: path.read_bytes() for path in product.parent.glob("s.jp2*")}
    for path in product.parent.glob("s.jp2*"):
        path.unlink()
    assert retry_batch(tmp_path / "out", serial(), Watcher()).done == 1


def test_a_lost_ledger_is_made_again_from_the_receipts(tmp_path):
    write_scenes(tmp_path / "in", 2)
    run(tmp_path / "in", tmp_path / "out")
    before = rows(tmp_path / "out")
    (tmp_path / "out" / LEDGER_NAME).unlink()
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert standing.done == 2
    assert all(outcome.adopted for outcome in outcomes.values())
    after = rows(tmp_path / "out")
    for name, row in before.items():
        for column in ("product_sha256", "source_sha256", "geom", "psnr", "report", "seconds"):
            assert row[column] == after[name][column]


def test_a_source_that_changes_while_it_is_read_fails(tmp_path, monkeypatch):
    path = write_scene(tmp_path / "in" / "a.tif")
    real = compress.compress

    def disturbed(src, dst, wanted, progress, bands):
        report = real(src, dst, wanted, progress, bands)
        os.utime(path, ns=(5, 5))
        return report

    monkeypatch.setattr(batch_scene.compress, "compress", disturbed)
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.failed, outcomes["a.tif"].error_kind) == (1, "changed")
    assert products(tmp_path / "out") == {}


def test_a_source_that_vanishes_fails(tmp_path):
    write_scenes(tmp_path / "in", 2)
    sources = discover([str(tmp_path / "in")], Selection())
    os.remove(next(iter(sources)).path)
    standing = run_batch(sources, str(tmp_path / "out"), options(), serial(), Watcher())
    assert (standing.done, standing.failed) == (1, 1)
    assert "moved or deleted" in rows(tmp_path / "out")["s00000.tif"]["error"]


def test_no_room_stops_the_run_and_the_next_one_goes_on(tmp_path, monkeypatch):
    write_scenes(tmp_path / "in", 3)
    real, calls = publish.os.link, []

    def full(src, dst):
        calls.append(dst)
        if sum(str(name).endswith(".jp2") for name in calls) > 1:
            raise OSError(28, "No space left on device")
        real(src, dst)

    monkeypatch.setattr(publish.os, "link", full)
    with pytest.raises(SceneError, match=r"2 scenes left: .*No space left.*run again when that is mended"):
        run(tmp_path / "in", tmp_path / "out")
    found = rows(tmp_path / "out")
    assert sorted(row["state"] for row in found.values()) == ["done", "pending", "pending"]
    monkeypatch.undo()
    standing, outcomes = run(tmp_path / "in", tmp_path / "out")
    assert (standing.done, len(outcomes)) == (3, 2)


def test_a_read_only_output_is_one_clear_line(tmp_path):
    write_scenes(tmp_path / "in", 1)
    (tmp_path / "out").write_text("a file")
    with pytest.raises(SceneError, match="cannot write to"):
        run(tmp_path / "in", tmp_path / "out")


def test_stopping_puts_back_what_was_running(tmp_path):
    write_scenes(tmp_path / "in", 3)
    stop = Watcher(scene=lambda *_: (_ for _ in ()).throw(JobCancelledError("enough")))
    with pytest.raises(JobCancelledError, match=r"stopped: 1 of 3 scenes.*goes on where this one stopped"):
        run_batch(
            discover([str(tmp_path / "in")], Selection()), str(tmp_path / "out"), options(), serial(), stop
        )
    assert sorted(row["state"] for row in rows(tmp_path / "out").values()) == ["done", "pending", "pending"]
    assert run(tmp_path / "in", tmp_path / "out")[0].done == 3


def test_two_runs_on_one_ledger(tmp_path):
    write_scenes(tmp_path / "in", 1)
    run(tmp_path / "in", tmp_path / "out")
    with (
        LedgerLock(tmp_path / "out" / LEDGER_NAME),
        pytest.raises(LedgerBusyError, match=f"another run is at work on this ledger .process {os.getpid()}"),
    ):
        run(tmp_path / "in", tmp_path / "out")
    assert run(tmp_path / "in", tmp_path / "out")[0].done == 1


def test_a_foreign_file_is_no_ledger(tmp_path):
    write_scenes(tmp_path / "in", 1)
    (tmp_path / "x.gpkg").write_bytes(b"no database" * 100)
    with pytest.raises(LedgerError):
        run(tmp_path / "in", tmp_path / "out", ledger=str(tmp_path / "x.gpkg"))
    with pytest.raises(LedgerError, match="there is no ledger"):
        status_of(tmp_path / "nowhere")


def test_companions_travel(tmp_path):
    write_scene(tmp_path / "in" / "a.tif")
    (tmp_path / "in" / "a.xml").write_text("<vendor/>")
    (tmp_path / "in" / "a.IMD").write_text("x = 1")
    (tmp_path / "in" / "ab.xml").write_text("another's")
    run(tmp_path / "in", tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert {"a.jp2", "a.xml", "a.IMD"} <= names
    assert "ab.xml" not in names
    assert (tmp_path / "out" / "a.xml").read_text() == "<vendor/>"


@pytest.mark.parametrize("part", [{"srcwin": (0, 0, 9, 9)}, {"bands": (1,)}, {"nodata": 3.0}])
def test_parts_of_scenes_are_refused(tmp_path, part):
    write_scenes(tmp_path / "in", 1)
    with pytest.raises(UsageError, match="a batch archives whole scenes"):
        run(tmp_path / "in", tmp_path / "out", options(**part))
    assert not (tmp_path / "out").exists()


def test_a_scene_of_one_row_and_one_pixel(tmp_path):
    write_scene(tmp_path / "in" / "row.tif", shape=(1, 64))
    write_scene(tmp_path / "in" / "pixel.tif", shape=(1, 1))
    assert run(tmp_path / "in", tmp_path / "out")[0].done == 2


def test_sources_that_would_become_one_product_are_refused(tmp_path):
    write_scene(tmp_path / "in" / "a.tif")
    write_scene(tmp_path / "in" / "a.tiff")
    with pytest.raises(UsageError, match=r"would both become .*\{name\}"):
        run(tmp_path / "in", tmp_path / "out")
    assert run(tmp_path / "in", tmp_path / "out2", template="{parent}/{name}.jp2")[0].done == 2


def test_a_full_disk(tmp_path):
    """Work on a file system of 300 kB, if this process may mount one."""
    write_scenes(tmp_path / "in", 40, size=128)
    small = tmp_path / "small"
    small.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("this process may not mount a small file system")
    try:
        with pytest.raises((SceneError, LedgerError), match=r"(No space left|full).*run again"):
            run(tmp_path / "in", small / "out")
        states = status_of(small / "out")["runs"][0]["states"]
        assert 0 < states["done"] < 40
        assert states["failed"] == 0
        assert states["done"] <= len(list((small / "out").rglob("*.jp2"))) <= states["done"] + 3
        subprocess.run(["mount", "-o", "remount,size=20m", str(small)], check=True)
        assert run(tmp_path / "in", small / "out")[0].done == 40
        assert len(products(small / "out")) == 40
        for row in rows(small / "out").values():
            assert rsic_geo.compare(row["source"], row["product"]).is_equal
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_file_size_limit_fails_the_scene_and_not_the_run(tmp_path):
    write_scenes(tmp_path / "in", 2)
    write_scene(tmp_path / "in" / "big.tif", size=1400)
    words = f"ulimit -f 600; {sys.executable} -m rsic_geo batch run {tmp_path}/in {tmp_path}/out --model none"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "2 scenes done and verified, 1 failed" in done.stdout
    assert rows(tmp_path / "out")["big.tif"]["state"] == "failed"
    assert len(products(tmp_path / "out")) == 2
    assert retry_batch(tmp_path / "out", serial(), Watcher()).done == 3


@pytest.mark.parametrize("first", ["lossless", "max-error=6"])
def test_archives_of_ours_are_sources_by_their_final_output(tmp_path, first):
    """Read as any JP2 they would be without nodata and mask, and none would be proven."""
    (tmp_path / "in").mkdir()
    source = write_scene(tmp_path / "s.tif", 1, size=96, nodata=0)
    with rasterio.open(source, "r+") as scene:
        pixels = scene.read()
        pixels[:, 20:40, 10:50] = 0
        scene.write(pixels)
    rsic_geo.compress(source, tmp_path / "in" / "a.jp2", target=first, model="none")
    standing, outcomes = run(tmp_path / "in", tmp_path / "out", options("max-error=3"))
    assert (standing.done, standing.failed) == (1, 0), outcomes
    assert (standing_row := rows(tmp_path / "out")["a.jp2"])["masks"] == "identical"
    assert standing_row["max_error"] <= 3
    assert rsic_geo.compare(source, tmp_path / "out" / "a.jp2").valid_equal
