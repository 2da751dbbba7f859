"""Pipes and devices are refused at once, not waited for or replaced; files behind /vsi keep their names."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import rasterio

import rsic_geo
from rsic_geo.errors import DamagedSceneError, OutputExistsError

SCENE = np.random.default_rng(3).integers(0, 255, (3, 200, 300), dtype=np.uint8)


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    with rasterio.open(path, "w", driver="GTiff", width=300, height=200, count=3, dtype="uint8") as target:
        target.write(SCENE)
    return str(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
@pytest.mark.parametrize(
    "words",
    [
        ["info", "{pipe}"],
        ["validate", "{pipe}"],
        ["compress", "{pipe}", "{out}.jp2", "--target", "lossless"],
        ["decompress", "{pipe}", "{out}.tif"],
        ["enhance", "{pipe}", "{out}.tif"],
        ["compare", "{pipe}", "{pipe}"],
    ],
    ids=lambda words: words[0],
)
def test_a_pipe_is_refused_before_anyone_waits_for_it(words, tmp_path):
    pipe = tmp_path / "pipe.jp2"
    os.mkfifo(pipe)
    filled = [word.format(pipe=pipe, out=tmp_path / "out") for word in words]
    done = subprocess.run(  # noqa: S603 - a process, since a fault would wait for ever
        [sys.executable, "-m", "rsic_geo", *filled], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "pipe or device" in done.stderr
    assert done.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["pipe.jp2"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_or_device_is_not_replaced_by_an_output(scene, tmp_path):
    for verb, name in ((rsic_geo.compress, "pipe.jp2"), (rsic_geo.decompress, "pipe.tif")):
        pipe = tmp_path / name
        os.mkfifo(pipe)
        source = scene
        if verb is rsic_geo.decompress:
            source = str(tmp_path / "scene.jp2")
            rsic_geo.compress(scene, source, target="lossless")
        with pytest.raises(OutputExistsError, match="pipe or device"):
            verb(source, str(pipe), overwrite=True)
        assert pipe.is_fifo()


def test_a_damaged_file_behind_vsi_is_called_by_its_own_name(tmp_path):
    """JPEG 2000 is read from a copy, whose name says nothing to who gave another."""
    with rasterio.open(
        tmp_path / "a.jp2", "w", driver="JP2OpenJPEG", width=300, height=200, count=3, dtype="uint8"
    ) as target:
        target.write(SCENE)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        file.writestr("end.jp2", (tmp_path / "a.jp2").read_bytes()[:-2] + b"zz")
    path = f"/vsizip/{tmp_path / 'all.zip'}/end.jp2"
    with rsic_geo.open(path) as opened, pytest.raises(DamagedSceneError) as caught:
        opened.read()
    assert str(caught.value).startswith(f"cannot read pixels of {path}: ")
