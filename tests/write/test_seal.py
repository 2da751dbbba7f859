"""Archives sealed with checksums of their enhanced pixels: the same everywhere, and other bits are found."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import rasterio

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.container.integrity import StripCrcs
from rsic_geo.errors import ChecksumError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    rows, columns = np.mgrid[0:600, 0:340]
    wave = 120 + 60 * np.sin(rows / 7) * np.cos(columns / 9) + 20 * (columns % 90 > 45)
    noise = np.random.default_rng(2).normal(0, 6, (3, 600, 340))
    pixels = (wave + noise).clip(1, 255).astype(np.uint8)
    pixels[:, 500:, 200:] = 0
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=3, height=600, width=340, dtype="uint8", nodata=0, photometric="RGB"
    ) as out:
        out.write(pixels)
    return path


@pytest.fixture(scope="module")
def sealed(scene):
    path = scene.with_name("sealed.jp2")
    assert (
        main(["compress", str(scene), str(path), "--target", "psnr=32", "--seal", "--tile-size", "256", "-q"])
        == 0
    )
    return path


def test_checksums_are_those_of_the_rows_as_they_come_back(sealed, scene):
    with Archive(str(sealed)) as archive:
        crcs = archive.side.final_crcs
    with rasterio.open(
        sealed.with_name("back.tif"), "w", driver="GTiff", width=1, height=1, count=1, dtype="uint8"
    ):
        pass
    rsic_geo.decompress(sealed, sealed.with_name("back.tif"), overwrite=True)
    with rasterio.open(sealed.with_name("back.tif")) as back:
        pixels = back.read()
    strips = [pixels[:, top : top + 256] for top in (0, 256, 512)]
    assert crcs == tuple(zlib.crc32(np.ascontiguousarray(strip).tobytes()) for strip in strips)


@pytest.mark.parametrize("window", [64, 192, 1024])
def test_windows_and_threads_change_no_bit(sealed, tmp_path, window):
    words = [
        "decompress",
        str(sealed),
        str(tmp_path / "a.tif"),
        "--window-size",
        str(window),
        "--threads",
        "2",
        "-q",
    ]
    assert main(words) == 0


def test_other_bits_are_an_error_in_words(sealed, tmp_path, monkeypatch, capsys):
    finish = Archive.finish

    def off_by_one(self, pixels, window):
        out = finish(self, pixels, window)
        if window.row_off <= 300 < window.row_off + window.height:
            out[0, 300 - window.row_off, 5] ^= 1
        return out

    monkeypatch.setattr(Archive, "finish", off_by_one)
    assert main(["decompress", str(sealed), str(tmp_path / "a.tif")]) == ChecksumError.exit_code
    assert "rows 256 to 511 are not the bits" in capsys.readouterr().err
    assert not (tmp_path / "a.tif").exists()
    assert main(["validate", str(sealed)]) == 4
    assert "rows 256 to 511" in capsys.readouterr().out
    # Without the repair nothing was promised by the seal.
    assert main(["decompress", str(sealed), str(tmp_path / "b.tif"), "--enhance", "off"]) == 0


def test_a_seal_costs_four_bytes_a_row_of_cells_and_targets_of_size_hold(scene, sealed, tmp_path):
    plain = tmp_path / "plain.jp2"
    assert main(["compress", str(scene), str(plain), "--target", "psnr=32", "--tile-size", "256", "-q"]) == 0
    assert 0 < sealed.stat().st_size - plain.stat().st_size <= 4 * 3 + 4
    assert main(["compress", str(scene), str(tmp_path / "s.jp2"), "--target", "bpp=0.6", "--seal", "-q"]) == 0
    assert abs((tmp_path / "s.jp2").stat().st_size * 8 / (600 * 340) / 0.6 - 1) <= 0.02
    assert main(["validate", str(tmp_path / "s.jp2")]) == 0


def test_what_computes_in_floats_is_not_sealed(scene, tmp_path, capsys):
    pytest.importorskip("torch")
    words = ["compress", str(scene), str(tmp_path / "f.jp2"), "--target", "psnr=32", "--seal"]
    assert main([*words, "--model", "rsic-ldm-nano"]) == 2
    assert "computes in floats" in capsys.readouterr().err
    assert not (tmp_path / "f.jp2").exists()


def test_where_nothing_is_enhanced_there_is_nothing_to_seal(scene, tmp_path):
    assert main(["compress", str(scene), str(tmp_path / "l.jp2"), "--seal", "-q"]) == 0
    with Archive(str(tmp_path / "l.jp2")) as archive:
        assert archive.side.final_crcs == ()


def test_a_row_is_one_checksum_however_it_is_cut():
    pixels = np.arange(2 * 300 * 100, dtype=np.uint16).reshape(2, 300, 100)
    profile = SceneProfile(height=300, width=100, count=2, dtype="uint16")
    whole, parts = StripCrcs(profile, "uint16"), StripCrcs(profile, "uint16")
    for top, rows in ((0, 256), (256, 44)):
        whole.add(Window(row_off=top, col_off=0, height=rows, width=100), pixels[:, top : top + rows])
    for top, rows in ((0, 64), (64, 192), (256, 44)):
        for left, columns in ((0, 30), (30, 70)):
            part = pixels[:, top : top + rows, left : left + columns]
            parts.add(Window(row_off=top, col_off=left, height=rows, width=columns), part)
    assert whole.found == parts.found
    assert len(whole.found) == 2
