"""Rate and distortion: honest bytes, the same numbers as the real pipeline, reports that can be read."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from jp2_support import landscape
from support import VAL, needs_shared

from rsic_geo.cli.entry import main
from rsic_geo.container import jp2
from rsic_geo.errors import SceneError, UsageError
from rsic_geo.evaluation.curves import report as rd_report
from rsic_geo.evaluation.curves.archives import ArchiveCoder
from rsic_geo.evaluation.curves.earlier import check_earlier, with_earlier
from rsic_geo.evaluation.curves.plots import gains_at_equal_rate
from rsic_geo.evaluation.curves.rd import ANCHOR, Point, RdOptions, RdResult, rate_distortion, rising_measure
from rsic_geo.evaluation.imagery import find_scenes, source_of
from rsic_geo.evaluation.metrics import Quality
from rsic_geo.options import Execution
from rsic_geo.repair import load_enhancer
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target
from rsic_geo.verbs import api
from rsic_geo.verbs.compress import EncodeOptions
from rsic_geo.write.rate.control import RateSearch

MODEL = "jp2+rsic-tiny"
QUICK = Execution(threads=1, window_size=512, device="cpu")


def _write(path, pixels, **profile):
    bands, height, width = pixels.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=pixels.dtype, **profile
    ) as out:
        out.write(pixels)
    return path


def _spied(monkeypatch):
    """Return a list that will hold the byte budgets of every encoding pass of the pipeline."""
    budgets = []
    encode_sizes = RateSearch.encode_sizes

    def spy(self, sizes, progress):
        budgets.append(sum(sizes))
        return encode_sizes(self, sizes, progress)

    monkeypatch.setattr(RateSearch, "encode_sizes", spy)
    return budgets


@pytest.mark.shared
@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("name", ["neon_teak_TEAK_057.png", "rsscn7_a197.jpg"])
def test_bytes_and_pixels_are_those_of_the_real_pipeline(name, tmp_path, monkeypatch):
    budgets = _spied(monkeypatch)
    archive = tmp_path / "real.jp2"
    report = api.compress(
        str(VAL / name), str(archive), target="bpp=0.4", model="rsic-tiny", sidecar="never", threads=1,
        device="cpu", verify="none",
    )  # fmt: skip
    options = EncodeOptions(target=Target.parse("bpp=0.4"), execution=QUICK)
    with ArchiveCoder(VAL / name, tmp_path, options) as coder:
        plain, enhanced = coder.at_budget(
            budgets[-1], Target.parse("bpp=0.4"), [load_enhancer("rsic-tiny", "cpu")]
        )
    assert enhanced.file_bytes == archive.stat().st_size
    assert enhanced.side_bytes == report.details["side_information_bytes"]
    stripped = tmp_path / "plain.jp2"
    jp2.strip_side_information(archive, stripped)
    assert plain.file_bytes == stripped.stat().st_size
    with Archive(str(archive), execution=QUICK) as opened:
        np.testing.assert_array_equal(opened.read(), enhanced.pixels)
    with Archive(str(archive), enhance="off") as opened:
        np.testing.assert_array_equal(opened.read(), plain.pixels)


@pytest.mark.shared
@pytest.mark.slow
@needs_shared
def test_three_scenes_from_the_command_line(tmp_path, capsys):
    out = tmp_path / "report"
    words = [
        "eval",
        "rd",
        str(VAL),
        "--limit",
        "3",
        "--rates",
        "0.2,0.5,1",
        "--models",
        "rsic-tiny",
        "--fast",
    ]
    words += [
        "--peers",
        "jpeg",
        "--full",
        "--crops",
        "2",
        "--out",
        str(out),
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert MODEL in text
    assert "BD-rate by source" in text
    found = json.loads((out / "summary.json").read_text())
    assert found["scenes"] == 3
    psnr = found["bd_rate"][MODEL]["psnr"]
    assert psnr["scenes"] == 3
    assert psnr["worst"] < 0.5, "strengths make no scene worse but for the bytes of the box"
    assert psnr["mean"] <= found["bd_rate"][f"{MODEL}:full"]["psnr"]["mean"] + 0.05
    assert psnr["mean"] <= found["bd_rate"][f"{MODEL}:cells"]["psnr"]["mean"] + 0.05
    assert found["bd_rate"]["jpeg"]["psnr"]["mean"] > 20
    rows = list(csv.DictReader((out / "points.csv").read_text().splitlines()))
    assert len(rows) == 3 * 3 * 5  # jp2, model, :cells, :full, jpeg
    for row in rows:
        assert (int(row["side_bytes"]) > 0) == row["system"].startswith(MODEL)
    for name in (*rd_report.FILES, "crops.png"):
        assert (out / name).stat().st_size > 200
    assert main(words) == 2, "a report is not replaced without --overwrite"


def test_a_scene_of_sixteen_bits_with_nodata(tmp_path):
    pixels = landscape((1, 240, 260), "uint16") // 16 + 100
    pixels[:, 60:120, 80:140] = 0
    scene = _write(tmp_path / "pan.tif", pixels, nodata=0)
    with ArchiveCoder(scene, tmp_path) as coder:
        (plain,) = coder.at_rate(1.0, [])
        assert (plain.pixels[~coder.scored] == 0).all()
        assert (coder.filled[~coder.scored] != 0).all()
        assert 0 < abs(plain.file_bytes * 8 / pixels.size - 1.0) < 0.2
    result = rate_distortion([scene], RdOptions(rates=(1.0, 2.0), models=(), peers=("jxl", "jpeg")))
    assert "jxl" in result.systems
    assert "uint16" in result.skipped["pan.tif, jpeg"]
    assert all(point.quality.psnr > 40 for point in result.points)


def test_peers_come_near_the_rate_and_know_their_limits(tmp_path):
    scene = _write(tmp_path / "rgb.tif", landscape((3, 200, 220)), photometric="RGB")
    result = rate_distortion([scene], RdOptions(rates=(0.8, 1.6), models=(), peers=("webp", "jpeg", "jxl")))
    assert result.systems == (ANCHOR, "webp", "jpeg", "jxl")
    for point in result.points:
        assert point.bpp == pytest.approx(point.nominal_bpp, rel=0.12)
        assert point.quality.psnr > 20
    assert not result.skipped
    four = _write(tmp_path / "four.tif", landscape((4, 80, 90)))
    result = rate_distortion([four], RdOptions(rates=(2.0,), models=(), peers=("webp",)))
    assert result.skipped == {"four.tif, webp": "it does not know 4 bands of uint8"}


def test_scenes_that_cannot_be_coded_are_named_and_do_not_stop_the_run(tmp_path):
    good = _write(tmp_path / "a.tif", landscape((1, 90, 90)))
    bad = _write(tmp_path / "b.tif", np.ones((1, 90, 90), np.float32))
    result = rate_distortion([good, bad], RdOptions(rates=(1.0,), models=()))
    assert list(result.skipped) == ["b.tif"]
    assert "float32" in result.skipped["b.tif"]
    with pytest.raises(UsageError, match="no scene could be measured"):
        rate_distortion([bad], RdOptions(models=()))


@pytest.mark.parametrize("wrong", [{"rates": (0.5, 0.2)}, {"rates": ()}, {"rates": (0.0,)}, {"jobs": 0}])
def test_options_without_sense_are_refused(wrong):
    with pytest.raises(UsageError):
        RdOptions(**wrong)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("callas_quarry_callas_quarry_x4608_y512_1024.png", "callas_quarry"),
        ("brighton_beach_DJI_0031_d2.png", "brighton_beach"),
        ("landsat7_bahamas_RGB.byte.png", "landsat7_bahamas"),
        ("naip_va_NAIP-VA-rgb.png", "naip_va"),
        ("neon_teak_TEAK_044.png", "neon_teak"),
        ("oam_tcd_5b90f92da0d7280005fab355_4310.png", "oam_tcd"),
        ("rsscn7_a100.jpg", "rsscn7"),
        ("odm_caliterra__tile_y0_x0_d2.avif", "odm_caliterra"),
        ("scene.tif", "scene"),
    ],
)
def test_the_source_is_read_from_the_name(name, source):
    assert source_of(name) == source


def test_scenes_are_found_in_order_and_spread(tmp_path):
    for i in range(10):
        (tmp_path / f"s{i}.png").touch()
    (tmp_path / "MANIFEST.csv").touch()
    assert [p.name for p in find_scenes([tmp_path], limit=3)] == ["s0.png", "s3.png", "s6.png"]
    assert len(find_scenes([tmp_path, tmp_path / "s1.png"])) == 10


def _result(gain):
    """Return made-up points of two scenes: the model gains ``gain`` dB and pays 10 of 110 bytes for it."""
    points = []
    for scene, start in (("a_X.png", 24.0), ("b_X.png", 30.0)):
        for rate in (0.2, 0.4, 0.8, 1.6):
            psnr = start + 6 * math.log2(rate / 0.2)
            for system, value, side in ((ANCHOR, psnr, 0), ("jp2+net", psnr + gain, 10)):
                values = Quality(
                    psnr=value, ms_ssim=1 - 10 ** (-value / 20), gmsd=10 ** (-value / 20),
                    psnr_bands=(value,), ms_ssim_bands=(0.9,), gmsd_bands=(0.1,),
                )  # fmt: skip
                points.append(Point(
                    scene=scene, source=source_of(scene), system=system, nominal_bpp=rate,
                    file_bytes=100 + side, side_bytes=side, bpp=rate * (1 + side / 100), quality=values,
                ))  # fmt: skip
    return RdResult(
        points=tuple(points),
        skipped={},
        models={"jp2+net": "0" * 64},
        options=RdOptions(rates=(0.2, 0.4, 0.8, 1.6)),
        seconds=1.0,
    )


def test_side_information_is_paid_for():
    result = _result(gain=0.6)
    paid, free = (result.summary("jp2+net", "psnr", with_side=flag).mean for flag in (True, False))
    assert free == pytest.approx(100 * (2**-0.1 - 1), abs=0.01)
    assert paid == pytest.approx(100 * (1.1 * 2**-0.1 - 1), abs=0.01)
    rates, gains = gains_at_equal_rate(result, "jp2+net")
    np.testing.assert_allclose(gains, 0.6 - 6 * math.log2(1.1), atol=1e-6)
    assert gains.shape == (2, len(rates))


def test_the_report_of_made_up_points(tmp_path):
    result = _result(gain=0.6)
    written = rd_report.write_report(result, tmp_path)
    assert [path.name for path in written] == list(rd_report.FILES)
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["mean_points"]["jp2+net"][0]["psnr_gain"] == pytest.approx(0.6)
    text = rd_report.table(result)
    assert "+0.60" in text
    assert "a (1)" in text


def test_codecs_of_an_earlier_run_stand_beside_those_of_this_one(tmp_path):
    earlier, now = _result(gain=0.6), _result(gain=0.9)
    renamed = tuple(replace(p, system="jp2+other") if p.system != ANCHOR else p for p in earlier.points)
    rd_report.write_report(replace(earlier, points=renamed, models={}), tmp_path)
    both = with_earlier(now, tmp_path / "points.csv")
    assert both.systems == (ANCHOR, "jp2+net", "jp2+other")
    assert both.summary("jp2+other", "psnr").mean == pytest.approx(
        earlier.summary("jp2+net", "psnr").mean, abs=1e-3
    )
    better = replace(now, points=tuple(_louder(p) if p.system == ANCHOR else p for p in now.points))
    with pytest.raises(UsageError, match="differs by 1.00 dB"):
        with_earlier(better, tmp_path / "points.csv")
    with pytest.raises(UsageError, match="no points.csv"):
        with_earlier(now, tmp_path / "bdrate.csv")
    with pytest.raises(SceneError, match="cannot read"):
        with_earlier(now, tmp_path / "nothing.csv")


def test_archives_of_an_earlier_run_with_another_effort_are_refused_before_a_run(tmp_path):
    plain = _result(gain=0.6)
    renamed = tuple(replace(p, system="learned") if p.system != ANCHOR else p for p in plain.points)
    earlier = replace(plain, points=renamed, models={})
    rd_report.write_report(earlier, tmp_path)
    points = tmp_path / "points.csv"
    check_earlier(points, earlier.options)
    best = replace(earlier.options, effort="best")
    with pytest.raises(UsageError, match="made with --effort normal, not best"):
        check_earlier(points, best)
    with pytest.raises(UsageError, match="no points.csv"):
        check_earlier(tmp_path / "bdrate.csv", best)
    (tmp_path / "peers").mkdir()
    avif = tuple(replace(p, system="avif") if p.system != ANCHOR else p for p in earlier.points)
    rd_report.write_report(replace(earlier, points=avif, models={}), tmp_path / "peers")
    check_earlier(tmp_path / "peers" / "points.csv", best)  # which knows no effort
    said = json.loads((tmp_path / "summary.json").read_text())
    (tmp_path / "summary.json").write_text(json.dumps({k: v for k, v in said.items() if k != "effort"}))
    with pytest.raises(UsageError, match="before efforts were told"):
        check_earlier(points, best)
    (tmp_path / "summary.json").unlink()
    check_earlier(points, best)


def _louder(point):
    return replace(point, quality=replace(point.quality, psnr=point.quality.psnr + 1))


def test_measures_rise_with_quality():
    better = Quality(psnr=40, ms_ssim=0.99, gmsd=0.01, psnr_bands=(), ms_ssim_bands=(), gmsd_bands=())
    worse = Quality(psnr=30, ms_ssim=0.9, gmsd=0.1, psnr_bands=(), ms_ssim_bands=(), gmsd_bands=())
    none = Quality(psnr=30, ms_ssim=math.nan, gmsd=math.nan, psnr_bands=(), ms_ssim_bands=(), gmsd_bands=())
    for measure in ("psnr", "ms_ssim", "gmsd"):
        assert rising_measure(better, measure) > rising_measure(worse, measure)
    assert rising_measure(better, "ms_ssim") == pytest.approx(20)
    assert math.isnan(rising_measure(none, "gmsd"))


def test_compare_measures_files_and_draws_them(tmp_path, capsys):
    pixels = landscape((3, 220, 240))
    noisy = np.clip(pixels + np.random.default_rng(1).normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)
    first = _write(tmp_path / "first.tif", pixels, photometric="RGB")
    other = _write(tmp_path / "other.tif", noisy, photometric="RGB")
    picture = tmp_path / "both.png"
    words = ["eval", "compare", str(first), str(other), str(first), "--picture", str(picture), "--json"]
    assert main(words) == 0
    entries = json.loads(capsys.readouterr().out)["scenes"]
    assert 36 < entries[0]["psnr"] < 40
    assert entries[1]["ms_ssim"] == pytest.approx(1)
    assert len(entries[0]["gmsd_bands"]) == 3
    assert picture.stat().st_size > 1000
    assert main(words) == 2
    assert main(["eval", "compare", str(first), str(_write(tmp_path / "c.tif", pixels[:, :100]))]) == 2
