"""A batch names the bands that end weak, and publishes none whose structure is gone, by its own proof."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from batch_support import options, rsic, run
from pipeline_support import painted, write_scene

from rsic_geo.batch.export.html import page
from rsic_geo.batch.ledger.file import Ledger
from rsic_geo.batch.run import find_run, ledger_path
from rsic_geo.batch.status import status_of

TARGETS = ("ratio=20", "max-error=150")
"""The errors of a size are first known to the proof, those of a bound to the encoder."""


def sources(folder: Path) -> Path:
    """Write a scene with a band of 1/40 of the other's swing, and one with a band of 1/600 of it."""
    folder.mkdir()
    for name, part in (("fine", 1), ("weak", 40), ("gone", 600)):
        pixels = painted((2, 200, 200), "uint16")
        pixels[1] = 500 + pixels[1] // part
        write_scene(folder / f"{name}.tif", pixels)
    return folder


def rows(out: Path) -> dict[str, dict[str, object]]:
    with Ledger(ledger_path(out)) as ledger:
        return {Path(row["source"]).stem: dict(row) for row in ledger.scenes("default")}


@pytest.mark.parametrize("target", TARGETS)
def test_weak_bands_are_named_and_lost_ones_fail(tmp_path, target):
    folder, out = sources(tmp_path / "in"), tmp_path / "out"
    standing, outcomes = run(folder, out, options(target))
    assert (standing.done, standing.failed) == (2, 1)
    found = rows(out)
    assert found["fine"]["warnings"] is None
    assert found["fine"]["snr"] > 20
    assert "1 band ends below 20 dB SNR: band 2 (" in str(found["weak"]["warnings"])
    assert 6 < float(str(found["weak"]["snr"])) < 20
    assert found["gone"]["state"] == "failed"
    assert found["gone"]["error_kind"] == "structure lost"
    assert f"{target} leaves nothing of band 2 (" in str(found["gone"]["error"])
    assert not list(out.glob("**/gone*"))
    assert outcomes["weak.tif"].values["warnings"] == found["weak"]["warnings"]
    with Ledger(ledger_path(out)) as ledger:
        text = "".join(page(ledger, find_run(ledger, "default")))
    assert "Warned: 1" in text
    assert "band 2 (" in text
    warned = status_of(out, list_failed=True)["runs"][0]["warned"]
    assert [Path(entry["source"]).stem for entry in warned] == ["weak"]
    receipt = json.loads(Path(str(found["weak"]["report"])).read_text())
    assert [band["verdict"] for band in receipt["proof"]["quality"]] == ["good", "weak"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_loss_that_is_accepted_is_archived_and_told(tmp_path, target):
    folder, out = sources(tmp_path / "in"), tmp_path / "out"
    standing, _ = run(folder, out, options(target, accept_loss=True))
    assert (standing.done, standing.failed) == (3, 0)
    assert "band 2 (" in str(rows(out)["gone"]["warnings"])


def test_the_ledger_and_the_page_say_what_the_target_meant(tmp_path):
    folder, out = sources(tmp_path / "in"), tmp_path / "out"
    assert run(folder, out, options("psnr=40"))[0].done == 3
    found = rows(out)
    for name, row in found.items():
        assert row["achieved"] is None or row["achieved"] >= 40, name
        assert "psnr=40 of a used range" in str(row["meaning"])
    assert "(band 2: 0.16)" in str(found["gone"]["meaning"])
    with Ledger(ledger_path(out)) as ledger:
        assert "What the target meant" in "".join(page(ledger, find_run(ledger, "default")))


@pytest.mark.parametrize("target", ["snr=25", "bpppb=3"])
def test_the_new_targets_are_proven(tmp_path, target):
    folder, out = sources(tmp_path / "in"), tmp_path / "out"
    standing, _ = run(folder, out, options(target))
    assert standing.failed == 0
    for row in rows(out).values():
        achieved = np.inf if row["achieved"] is None else row["achieved"]
        assert achieved >= 25 if target == "snr=25" else achieved <= 3.06


def test_the_command_line_names_them_once(tmp_path):
    folder, out = sources(tmp_path / "in"), tmp_path / "out"
    words = ("batch", "run", folder, out, "--target", "ratio=20", "--model", "none", "--threads", 1)
    done = rsic(*words)
    assert done.returncode == 3
    assert len(re.findall(r"weak\.tif: [^\n]*1 band ends below 20 dB SNR", done.stderr)) == 1
    assert done.stderr.count("gone.tif: ratio=20 leaves nothing of band 2") == 1
    assert "Traceback" not in done.stderr
    again = rsic(*words, "--run", "all", "--template", "{run}/{name}.jp2", "--accept-loss")
    assert again.returncode == 0
