"""The speed table: its rows come from processes of their own and hold what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rsic_geo.evaluation import speed


@pytest.fixture
def image(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "image.png"
    Image.fromarray(rng.integers(0, 256, (300, 700, 3)).astype(np.uint8)).save(path)
    return str(path)


def test_an_image_of_any_size_makes_a_tile(image):
    original, decoded, coded = speed.coded_tile(image)
    assert original.shape == decoded.shape == (1024, 1024, 3)
    assert len(coded) * 8 / 1024**2 == pytest.approx(0.5, rel=0.05)
    assert 0 < np.abs(original.astype(int) - decoded).mean() < 128


@pytest.mark.slow
def test_the_table_sets_networks_beside_the_codec(image, tmp_path, capsys):
    report = tmp_path / "speed.json"
    assert speed.main([image, "--seconds", "0.01", "--report", str(report)]) == 0
    rows = json.loads(report.read_text())
    assert [row["job"]["system"] for row in rows] == [speed.CODEC, "auto", "auto"]
    assert all(row["mpx_per_second"] > 0 for row in rows)
    exact, fast = rows[1], rows[2]
    assert exact["largest_difference"] == 0
    assert fast["largest_difference"] == 0  # integers are what they are
    assert 10 < exact["mib_per_window"] < 1000
    assert "integers" in capsys.readouterr().out


@pytest.mark.slow
def test_single_bands_have_rows_of_their_own(image, tmp_path):
    report = tmp_path / "speed.json"
    words = [
        image,
        "--seconds",
        "0.01",
        "--models",
        "rsic-tiny-learned",
        "--bands",
        "1",
        "--report",
        str(report),
    ]
    assert speed.main(words) == 0
    rows = json.loads(report.read_text())[1:]
    assert [(row["job"]["bands"], row["job"]["fast"]) for row in rows] == [(1, False), (1, True)]
    assert rows[0]["largest_difference"] == 0


def test_a_model_nobody_knows_is_named(image):
    with pytest.raises(SystemExit, match="nosuch"):
        speed.main([image, "--seconds", "0.01", "--models", "nosuch"])
