"""The shipped network with a latent diffusion prior: archives are made with it and read back."""

from __future__ import annotations

import numpy as np
import pytest

import rsic_geo
from rsic_geo.cli.entry import main

NAME = "rsic-ldm-nano"


@pytest.fixture(scope="module")
def archive(sample_data, tmp_path_factory):
    path = tmp_path_factory.mktemp("prior") / "a.jp2"
    scene = sample_data / "fields_rgb_utm.tif"
    assert main(["compress", str(scene), str(path), "--target", "bpp=0.6", "--model", NAME, "-q"]) == 0
    return scene, path


def test_what_was_promised_is_what_comes_back(archive, tmp_path):
    scene, path = archive
    report = rsic_geo.info(str(path))
    assert NAME in str(report)
    plain = rsic_geo.compress(str(scene), str(tmp_path / "plain.jp2"), bpp=0.6, model="none")
    back = tmp_path / "back.tif"
    assert main(["decompress", str(path), str(back), "-q"]) == 0
    found = rsic_geo.compare(str(scene), str(back))
    assert found.psnr > plain.details["psnr"]
    assert found.metadata == ()


def test_noise_is_keyed_so_windows_threads_and_runs_agree(archive):
    # Floats: within rounding; the noise that diffusion begins with depends on the place alone.
    _, path = archive
    with rsic_geo.open(str(path), threads=1) as first, rsic_geo.open(str(path), threads=2) as second:
        whole = first.read().astype(int)
        assert np.abs(whole - second.read()).max() <= 1
        rows, columns = slice(40, 140), slice(60, 200)
        part = second.read(window=rsic_geo.Window(row_off=40, col_off=60, height=100, width=140))
        difference = np.abs(whole[:, rows, columns] - part)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.02
