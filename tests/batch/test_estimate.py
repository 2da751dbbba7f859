"""A plan that can be trusted: totals within the range it names, failures and clashes before they happen."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from batch_support import options, run, write_scene

from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.plan import estimate as module
from rsic_geo.batch.plan import trial
from rsic_geo.batch.plan.estimate import estimate
from rsic_geo.batch.rules import usual_rules
from rsic_geo.cli.entry import main
from rsic_geo.progress import Progress


def planned(folder, wanted, **more):
    return estimate(discover([str(folder)], Selection()), usual_rules(wanted), Progress(), **more)


def products(folder):
    return sum(path.stat().st_size for path in folder.rglob("*.jp2"))


@pytest.mark.parametrize("target", ["lossless", "psnr=42"])
def test_totals_lie_in_the_range_where_scenes_differ_and_few_are_tried(target, tmp_path):
    # One class of small scenes, a second one of other contents, and large ones of which windows are tried.
    for seed in range(24):
        write_scene(tmp_path / "in" / f"small{seed}.tif", seed, size=96 + 8 * (seed % 5), compress="deflate")
    for seed in range(3):
        write_scene(tmp_path / "in" / f"deep{seed}.tif", seed, size=200, dtype="uint16")
    write_scene(tmp_path / "in" / "large.tif", 5, shape=(1500, 1600), compress="deflate")
    wanted = options(target)
    found = planned(tmp_path / "in", wanted, most=10)
    assert found.sampled == 10
    run(tmp_path / "in", tmp_path / "out", wanted)
    true = products(tmp_path / "out")
    assert found.product_bytes.low * 0.97 <= true <= found.product_bytes.high * 1.03
    assert found.product_bytes.middle == pytest.approx(true, rel=0.25)
    assert 0 < found.seconds.low < found.seconds.middle < found.seconds.high


def test_a_nearly_empty_scene_does_not_decide_it(tmp_path):
    # It made a plan 9 times too large: its samples were taken for as many as they are.
    for seed in range(6):
        write_scene(tmp_path / "in" / f"s{seed}.tif", seed, size=256, compress="deflate")
    path = tmp_path / "in" / "empty.tif"
    pixels = np.zeros((1, 3000, 3000), np.uint8)
    pixels[0, 700:1500, 900:1600] = np.random.default_rng(0).integers(1, 255, (800, 700), np.uint8)
    settings = {"height": 3000, "width": 3000, "count": 1, "dtype": "uint8", "nodata": 0}
    with rasterio.open(path, "w", driver="GTiff", compress="deflate", crs="EPSG:3857", **settings) as scene:
        scene.write(pixels)
    found = planned(tmp_path / "in", options())
    run(tmp_path / "in", tmp_path / "out")
    true = products(tmp_path / "out")
    assert found.product_bytes.low * 0.9 <= true <= found.product_bytes.high * 1.1


def test_trials_end_when_their_time_is_over(tmp_path, monkeypatch):
    for seed in range(8):
        write_scene(tmp_path / "in" / f"s{seed}.tif", seed)
    monkeypatch.setattr(module, "BUDGET_SECONDS", 1e-9)
    found = planned(tmp_path / "in", options())
    assert found.sampled == 2
    assert found.product_bytes.low > 0


def test_failures_are_named_by_cause_with_their_scenes(tmp_path, capsys):
    write_scene(tmp_path / "in" / "sound.tif", size=256)
    for name in ("torn", "cut"):
        path = write_scene(tmp_path / "in" / f"{name}.tif")
        path.write_bytes(path.read_bytes()[:700])
    (tmp_path / "in" / "text.tif").write_text("no raster")
    for name in ("one", "two", "three"):  # of which none is tried, but one is asked about
        write_scene(tmp_path / "in" / f"{name}.tif", dtype="float32")
    words = ["--target", "psnr=40", "--model", "none", "--sample", "1", "--json"]
    assert main(["batch", "plan", str(tmp_path / "in"), str(tmp_path / "out"), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sorted(map(len, found["failures"].values())) == [1, 2, 3]
    assert not (tmp_path / "out").exists()


def test_clashes_are_told_with_a_template_that_the_run_takes(tmp_path, capsys):
    for name in ("a.tif", "a.tiff", "b.tif"):
        write_scene(tmp_path / "in" / name)
    words = [str(tmp_path / "in"), str(tmp_path / "out")]
    assert main(["batch", "plan", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [len(paths) for paths in found["clashes"].values()] == [2]
    assert main(["batch", "plan", *words, "--template", found["template"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clashes"] == {}
    assert main(["batch", "run", *words, "--template", found["template"], "-q"]) == 0
    assert len(list((tmp_path / "out").rglob("*.jp2"))) == 3


def test_what_a_scene_takes_whatever_its_size_is_not_multiplied(monkeypatch):
    # It made a plan of a large scene nearly three times too long.
    class Clock:
        size = 9

        def __init__(self, _path, _product, wanted):
            pixels = 256 * 256 if wanted.srcwin else 12 * 256 * 256
            self.others, self.filters = 1 + pixels / 1e6, pixels / 1e6  # a second, and a second for each Mpx
            self.seconds = self.others + self.filters

    monkeypatch.setattr(trial, "_Clock", Clock)
    patch = ("patch.tif", "out.jp2", options())
    for full in (2e6, 40e6):
        found = trial._grown(Clock(*patch), patch, 12 * 256 * 256, full)
        filters = min(full, 16 * 512 * 512) / 1e6  # of which filters see no more
        assert found == pytest.approx(1 + full / 1e6 + filters)


def test_what_is_loaded_once_is_no_part_of_every_scene(monkeypatch, tmp_path):
    took = iter([2.5, 1.0])
    monkeypatch.setattr(trial, "_archived", lambda _path, _options: (9, next(took)))
    for seed in range(3):
        write_scene(tmp_path / f"s{seed}.tif", seed)
    found = planned(tmp_path, options(), most=1)
    assert found.seconds.middle == pytest.approx(1.5 + 3 * 1.0, rel=0.1)
    # Whoever else uses the machine then is not known now.
    assert found.seconds.high / found.seconds.low > 1.4
