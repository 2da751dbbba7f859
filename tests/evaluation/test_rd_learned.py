"""``rsic eval rd`` with the learned codec: its archives as compress writes them, beside JPEG 2000."""

from __future__ import annotations

import csv

import pytest
from pipeline_support import Smoother, painted, write_scene
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.errors import UsageError
from rsic_geo.evaluation.curves import rd
from rsic_geo.evaluation.curves.rd import RdOptions, rate_distortion
from rsic_geo.options import Execution

QUICK = Execution(threads=1, window_size=512, device="cpu")


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "town.tif", painted((3, 300, 400)))


def test_learned_archives_stand_beside_jpeg2000(scene, tmp_path, monkeypatch):
    """Every byte counts, the model gains, and the numbers are those of an archive that compress wrote."""
    monkeypatch.setattr(rd, "load_enhancer", lambda *_, **__: Smoother())
    with network(Remembering()):
        options = RdOptions(rates=(0.4, 1.0), models=("any",), learned=("auto",), execution=QUICK)
        result = rate_distortion([scene], options)
        assert result.systems == ("jp2", "jp2+smoother", "learned", "learned+smoother")
        assert result.models["learned"] == "ab" * 32
        points = {(p.system, p.nominal_bpp): p for p in result.points}
        for rate in options.rates:
            alone, repaired = points["learned", rate], points["learned+smoother", rate]
            assert alone.bpp == pytest.approx(rate, rel=0.1)
            assert 0 < alone.side_bytes <= repaired.side_bytes < repaired.file_bytes
            assert repaired.quality.psnr >= alone.quality.psnr
            report = rsic_geo.compress(
                scene,
                tmp_path / "a.rsic.tif",
                target=f"bpp={alone.bpp}",
                codec="learned",
                model="none",
                overwrite=True,
            ).to_json()
            assert report["psnr"] == pytest.approx(alone.quality.psnr, abs=0.4)
        repaired, alone = points["learned+smoother", 0.4], points["learned", 0.4]
        assert (repaired.quality.psnr > alone.quality.psnr) == (repaired.side_bytes > alone.side_bytes)


def test_from_the_command_line(scene, tmp_path, capsys):
    with network(Remembering()):
        argv = ["eval", "rd", str(scene), "--rates", "0.5,1", "--models", "none", "--learned", "auto"]
        assert main([*argv, "--out", str(tmp_path / "out"), "-q"]) == 0
    with (tmp_path / "out" / "points.csv").open() as file:
        assert {row["system"] for row in csv.DictReader(file)} == {"jp2", "learned"}


def test_one_network_at_a_time():
    with pytest.raises(UsageError, match="one set"):
        RdOptions(learned=("a", "b"))
