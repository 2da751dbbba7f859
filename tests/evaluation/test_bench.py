"""The side-by-side measurement runs, compares like with like, and says what it did."""

from __future__ import annotations

import json

import pytest

from rsic_geo.cli.commands.bench import table
from rsic_geo.cli.entry import main
from rsic_geo.errors import UnsupportedSceneError, UsageError
from rsic_geo.evaluation import pace
from rsic_geo.evaluation.bench import SIZE_MATCH, BenchOptions, bench
from rsic_geo.targets import Target


def test_both_sides_have_the_same_bytes_and_pixels(sample_data, capsys):
    scene = sample_data / "town_pan_gcps.tif"
    assert main(["bench", str(scene), "--repeat", "1", "--model", "none", "--target", "bpp=3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    ours, theirs = found["compress"]["ours"], found["compress"]["gdal"]
    assert theirs["bytes"] == pytest.approx(ours["bytes"], rel=2 * SIZE_MATCH)
    # On so small a scene GDAL's boxes cost it a tenth of the file, hence some decibels.
    assert theirs["psnr"] == pytest.approx(ours["psnr"], abs=3)
    for part in ("compress", "decompress"):
        sides = found[part]
        assert sides["ratio"]["seconds"] == pytest.approx(
            sides["ours"]["seconds"] / sides["gdal"]["seconds"], rel=0.05
        )
        assert 10 < sides["ours"]["peak_mib"] < 1500
    assert found["enhance"] is None
    lines = table(found).splitlines()
    assert lines[2].split() == ["rsic", "GDAL", "ratio"]
    assert any(line.startswith("decompress s ") for line in lines)


def test_lossless_sides_both_come_back_unchanged(sample_data, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")  # without gdal_translate the GDAL of rasterio stands in
    options = BenchOptions(target=Target.parse("lossless"), repeat=1, model="none")
    found = bench(str(sample_data / "town_pan_gcps.tif"), options)
    assert "of rasterio" in found["settings"]["gdal"]
    assert found["compress"]["ours"]["psnr"] is None
    assert found["compress"]["gdal"]["psnr"] is None


def test_targets_gdal_does_not_know_are_refused():
    with pytest.raises(UsageError, match="GDAL knows no such target"):
        BenchOptions(target=Target.parse("psnr=40"))


def test_scenes_jpeg_2000_cannot_hold_are_refused(tmp_path):
    import numpy as np
    import rasterio

    path = tmp_path / "float.tif"
    with rasterio.open(path, "w", driver="GTiff", width=4, height=4, count=1, dtype="float32") as scene:
        scene.write(np.full((1, 4, 4), 0.5, np.float32))
    with pytest.raises(UnsupportedSceneError, match="float32"):
        bench(str(path), BenchOptions())


def test_every_effort_is_measured_in_one_run_and_costs_what_it_may(sample_data, capsys):
    scene = sample_data / "fields_rgb_utm.tif"
    words = ["--all", "--repeat", "1", "--threads", "1", "--target", "psnr=34"]
    assert main(["bench", str(scene), *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = found["rows"]
    assert [row["model"] for row in rows.values()] == [None, "rsic-linear", "rsic-nano", "rsic-tiny"]
    assert all(row["psnr"] >= 34 for row in rows.values())
    assert rows["normal"]["bytes"] < rows["none"]["bytes"]
    # Ratios, not seconds: a small scene is mostly start-up, so they are wide of those of the documentation.
    for name, most in (("fast", 5), ("normal", 6), ("best", 12)):
        for verb in ("compress", "decompress"):
            assert rows[name][verb]["cpu_seconds"] < most * rows["none"][verb]["cpu_seconds"]
    assert found["windows"]["cold"] < 40 * found["windows"]["plain"]
    assert "--effort best" in pace.table(found)
