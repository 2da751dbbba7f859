"""`make demo` prints its table and draws its picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from rsic_geo.evaluation.demo import SCENE, main
from rsic_geo.evaluation.picture import ZOOM, side_by_side


@pytest.mark.slow
def test_the_demonstration_keeps_its_promises(tmp_path, monkeypatch, capsys, sample_data):
    assert sample_data / SCENE.name == SCENE
    monkeypatch.chdir(tmp_path)
    assert main([str(SCENE), "bpp=0.4"]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if "  " in line)
    table = {name.strip(): text.strip() for name, text in rows.items()}
    assert table["metadata"].endswith(" 0 lost")
    assert table["nodata and masks"] == "exactly as in the scene"
    alone = float(table["PSNR codec alone"].split()[0])
    assert float(table["PSNR enhanced"].split()[0]) >= alone
    picture = np.asarray(Image.open(tmp_path / "out" / "demo.png"))
    assert picture.shape[1] > 3 * 256 * ZOOM


def test_a_scene_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([str(tmp_path / "gone.tif")]) != 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("demo: error: ")
    assert err.count("\n") == 1


def test_the_picture_shows_the_part_with_the_largest_error(tmp_path):
    import rasterio

    generator = np.random.default_rng(3)
    original = generator.integers(80, 120, (1, 600, 700)).astype(np.uint8)
    codec = original.copy()
    codec[0, 560:, 650:] += 60
    paths = [tmp_path / name for name in ("a.tif", "b.tif", "c.tif")]
    for path, pixels in zip(paths, (original, codec, original), strict=True):
        with rasterio.open(path, "w", driver="GTiff", width=700, height=600, count=1, dtype="uint8") as scene:
            scene.write(pixels)
    side_by_side(paths, "caption", tmp_path / "picture.png")
    picture = np.asarray(Image.open(tmp_path / "picture.png")).astype(int)
    height, width = picture.shape[0] // 2, picture.shape[1] // 3
    codec_loss = picture[height:, width : 2 * width]
    enhanced_loss = picture[height:, 2 * width :]
    assert codec_loss[30:-2, 10:-10].max() > 200
    assert np.ptp(enhanced_loss[30:-2, 10:-10]) == 0
