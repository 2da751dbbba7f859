"""Archives of ours, cut short or with flipped bits: an error, or exactly what was stored."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from case_runner import CaseRunner
from pipeline_support import Smoother, installed, painted, write_scene

import rsic_geo
from rsic_geo.container.boxes import iter_boxes
from rsic_geo.container.jp2 import find_codestream

MUTANTS = 250
"""Random truncations and flips of each of the two archives."""


@dataclass
class Archived:
    path: Path
    data: bytes
    truth: dict
    """What a reader gets from the undamaged file."""


@pytest.fixture(scope="module")
def runner():
    with CaseRunner(quick=True) as running:
        yield running


@pytest.fixture(scope="module", params=["lossless", "psnr=34"])
def archived(request, runner, tmp_path_factory):
    """Return an archive of four tiles with nodata and a mask; the lossy one is enhanced."""
    folder = tmp_path_factory.mktemp("archive")
    pixels = painted((3, 270, 300))
    rows, cols = np.mgrid[0:270, 0:300]
    pixels[:, rows + cols < 90] = 0
    source = write_scene(folder / "s.tif", pixels, mask=rows - cols < 200, nodata=0)
    path = folder / "a.jp2"
    with installed(Smoother()):
        report = rsic_geo.compress(source, path, target=request.param, tile_size=256)
    assert request.param == "lossless" or report.details["cells_enhanced"] > 0
    found = runner.run("read", path)
    assert found["error"] is None, found["text"]
    return Archived(path=path, data=path.read_bytes(), truth=found["result"])


def read(runner: CaseRunner, path: Path, data: bytes) -> dict:
    """Read a damaged file where no sidecar lies; return the outcome after checking that it is clean."""
    path.write_bytes(data)
    found = runner.run("read", path)
    assert found["error"] is None or found["is_ours"], f"{found['error']}: {found['text']}"
    assert found["error"] is None or len(found["text"].splitlines()) == 1
    return found


def assert_true(found: dict, archived: Archived, what: str) -> None:
    """Fail if a reader was given something else than what was stored, without a word about it."""
    if found["error"] is None and not found["result"]["warnings"]:
        assert found["result"] == archived.truth, what


def test_random_damage(runner, archived, tmp_path):
    data, chance = archived.data, random.Random(20240815)
    caught = 0
    for number in range(MUTANTS):
        if number % 2:
            mutant = data[: chance.randrange(len(data))]
            what = f"cut to {len(mutant)} of {len(data)} bytes"
        else:
            places = [chance.randrange(8 * len(data)) for _ in range(chance.choice((1, 1, 2, 8)))]
            changed = bytearray(data)
            for place in places:
                changed[place // 8] ^= 1 << place % 8
            mutant, what = bytes(changed), f"bits flipped: {places}"
        found = read(runner, tmp_path / "m.jp2", mutant)
        assert_true(found, archived, what)
        caught += found["error"] is not None
    assert caught > 0.8 * MUTANTS


def test_damage_anywhere_outside_the_tiles(runner, archived, tmp_path):
    """Random damage seldom meets boxes, headers and side information: one bit of every byte, all of jp2h.

    The boxes with the place on earth, which only other programs read, get one byte in sixteen.
    """
    data, chance = archived.data, random.Random(7)
    with archived.path.open("rb") as file:
        parts, boxes = find_codestream(file).parts, {box.kind: box for box in iter_boxes(file)}
    header, place_on_earth = boxes[b"jp2h"], boxes[b"asoc"]
    skipped = {at for part in parts for at in range(part.offset + 12, part.offset + part.length)}
    skipped |= {at for at in range(header.end + 24, place_on_earth.end) if at % 16}
    flips = [(at, chance.randrange(8)) for at in range(len(data)) if at not in skipped]
    flips += [(at, bit) for at in range(header.offset, header.end) for bit in range(8)]
    wrong = []
    for place, bit in flips:
        mutant = bytearray(data)
        mutant[place] ^= 1 << bit
        found = read(runner, tmp_path / "m.jp2", bytes(mutant))
        if found["error"] is None and not found["result"]["warnings"] and found["result"] != archived.truth:
            wrong.append((place, bit))
    assert not wrong


def test_boxes_cut_out_or_doubled(runner, archived, tmp_path):
    with archived.path.open("rb") as file:
        boxes = list(iter_boxes(file))
    data = archived.data
    for box in boxes:
        own = data[box.offset : box.end]
        is_ours = box is boxes[-1]
        for mutant in (data[: box.offset] + data[box.end :], data[: box.end] + own + data[box.end :]):
            found = read(runner, tmp_path / "m.jp2", mutant)
            if not (is_ours and len(mutant) < len(data)):  # without our box it is any other JP2
                assert_true(found, archived, f"box {box.kind!r} cut out or doubled")


def test_what_is_damaged_is_not_written(runner, archived, tmp_path):
    """Decompressing a damaged archive leaves no file, whole or half, and does not touch an older one."""
    with archived.path.open("rb") as file:
        last = find_codestream(file).parts[-1]
    mutant = bytearray(archived.data)
    mutant[last.offset + last.length // 2] ^= 16
    path, out = tmp_path / "m.jp2", tmp_path / "out" / "r.tif"
    path.write_bytes(mutant)
    out.parent.mkdir()
    found = runner.run("decompress", path, out)
    assert found["error"] == "ChecksumError"
    assert "tile 3" in found["text"]
    assert list(out.parent.iterdir()) == []
    damage = runner.run("validate", path)["result"]
    assert damage["valid"] is False
    assert damage["damaged_tiles"] == [3]
