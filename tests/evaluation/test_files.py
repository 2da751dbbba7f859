"""The tables of files: without loss, within a bound, and with bands rotated."""

from __future__ import annotations

import json

import numpy as np
import pytest
from pipeline_support import painted, write_scene

from rsic_geo.cli.entry import main


def ask(capsys, *words) -> dict:
    assert main(["eval", *map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def scenes(tmp_path):
    write_scene(tmp_path / "bytes.tif", painted((3, 200, 220)))
    heights = painted((1, 200, 220), "int16").astype("float32") / 16
    write_scene(tmp_path / "heights.tif", heights)
    return tmp_path


def test_without_loss_and_within_bounds(scenes, capsys):
    found = ask(capsys, "near-lossless", scenes, "--bounds", "2,8")["scenes"]
    by_name = {scene["scene"]: {row["bound"]: row for row in scene["rows"]} for scene in found}
    rows = by_name["bytes.tif"]
    assert rows[0]["rsic"] > rows[2]["rsic"] > rows[8]["rsic"] > 0
    assert rows[0]["COG ZSTD"] > rows[0]["rsic"]
    assert rows[2]["JPEG-LS"] < rows[0]["JPEG-LS"]
    assert rows[0]["WebP"] > rows[2]["rsic"]
    assert rows[2]["WebP"] is None
    assert by_name["heights.tif"][0]["rsic"] is None  # as floats in steps are not exact
    assert 0 < by_name["heights.tif"][8]["rsic cog"] < by_name["heights.tif"][0]["rsic cog"]
    assert by_name["heights.tif"][2]["rsic"] > 0
    exact = ask(capsys, "lossless", scenes / "bytes.tif")["scenes"][0]["rows"]
    assert exact == [{**rows[0]}]
    assert main(["eval", "near-lossless", str(scenes), "--bounds", "2", "--parts", "10"]) == 0
    table = capsys.readouterr().out
    assert "10%" in table
    assert "bytes.tif" in table
    assert "1.000" in table


def test_rotating_bands(tmp_path, capsys):
    ground = painted((2, 260, 300), "uint16").astype(float)
    mixed = np.tensordot(np.random.default_rng(1).uniform(0.1, 1, (6, 2)), ground, 1)
    mixed += np.random.default_rng(2).normal(0, 25, mixed.shape)
    source = write_scene(tmp_path / "s.tif", np.clip(mixed, 1, 60000).astype("uint16"))
    (found,) = ask(capsys, "bands", source, "--rates", "0.3,0.6,1.2")["scenes"]
    for plain, rotated in zip(found["points"]["as-is"], found["points"]["rotated, error"], strict=True):
        assert rotated["bits"] < 1.03 * plain["bits"]
        assert rotated["squared error"] > plain["squared error"] + 1
        assert rotated["worst SNR"] > plain["worst SNR"]
    assert set(found["bd_rates"]) == {"rotated, error", "rotated, range"}
    assert [point["asked"] for point in found["points"]["as-is"]] == [0.3, 0.6, 1.2]
    assert main(["eval", "bands", str(tmp_path / "none.tif")]) == 1
    assert "none.tif" in capsys.readouterr().err
