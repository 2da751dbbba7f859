"""From names to enhancers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from pipeline_support import crop
from rasterio.windows import Window
from safetensors.torch import load, save

import rsic_geo
from rsic_geo.container.jp2 import strip_side_information
from rsic_geo.errors import UsageError, WeightsError, WeightsMismatchError, WeightsNotFoundError
from rsic_geo.repair import IdentityEnhancer, load_enhancer
from rsic_geo.repair.torch_enhancer import TorchEnhancer
from rsic_geo.weights import default_name, open_weights


def test_none_is_the_identity():
    assert isinstance(load_enhancer("none"), IdentityEnhancer)


def test_auto_is_the_default_and_carries_its_digest():
    enhancer = load_enhancer("auto", "cpu")
    weights = open_weights(default_name())
    assert (enhancer.name, enhancer.sha256) == (weights.name, weights.sha256)
    assert load_enhancer(weights.name, "cpu", sha256=weights.sha256.upper()).sha256 == weights.sha256


def test_the_digest_asked_for_is_demanded():
    with pytest.raises(WeightsMismatchError, match="asked for"):
        load_enhancer("auto", "cpu", sha256="0" * 64)


def test_shipped_weights_reduce_the_error_of_a_coded_image():
    from rsic_geo.training.degrade import cell_levels, code_jpeg2000, octaves_at_nodes

    rng = np.random.default_rng(3)
    rows, cols = np.mgrid[0:256, 0:256]
    shade = 120 + 60 * np.sin(rows / 19) * np.cos(cols / 23) + 40 * ((rows // 37 + cols // 29) % 2)
    image = (shade[:, :, None] + rng.normal(0, 3, (256, 256, 1))).clip(0, 255).astype(np.uint8).repeat(3, 2)
    decoded, _ = code_jpeg2000(image, 0.3)
    centres = np.arange(4) * 64 + 32
    sigma = np.exp2(octaves_at_nodes(cell_levels(image, decoded), centres, centres))[None]
    x = decoded.transpose(2, 0, 1)[None].astype(np.float32) / 255
    target = image.transpose(2, 0, 1)[None].astype(np.float32) / 255
    enhanced = x + load_enhancer("auto", "cpu").correct(x, sigma)[:, :3]
    assert np.square(enhanced - target).mean() < 0.98 * np.square(x - target).mean()


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(UsageError):
        load_enhancer("auto", device)


def test_unknown_names_say_what_there_is():
    with pytest.raises(WeightsNotFoundError, match=default_name()):
        load_enhancer("no-such-network")


def test_a_codecs_weights_are_no_enhancer():
    with pytest.raises(WeightsError, match="learned codec, not an enhancer"):
        load_enhancer(default_name(kind="codec"))


def test_weights_that_do_not_fit_their_spec_are_refused(tmp_path):
    weights = open_weights("auto")
    tensors = load(weights.content)
    tensors.popitem()
    path = tmp_path / "short.safetensors"
    path.write_bytes(save(tensors, metadata=weights.metadata))
    with pytest.raises(WeightsError, match="do not fit"):
        load_enhancer(str(path), "cpu")
    path.write_bytes(save(tensors, metadata={"spec": '{"depth": 4}'}))
    with pytest.raises(WeightsError, match="do not fit"):
        load_enhancer(str(path), "cpu")


def test_the_door_of_the_room_loads_no_torch():
    code = "import sys, rsic_geo.repair; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def threads_seen(monkeypatch):
    """Return the number of threads torch has while networks run; outside it has two."""
    seen = []
    run = TorchEnhancer.predict

    def predict(self, *words):
        seen.append(torch.get_num_threads())
        return run(self, *words)

    monkeypatch.setattr(TorchEnhancer, "predict", predict)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield seen
    torch.set_num_threads(before)


@pytest.mark.parametrize("asked", [0, 1, 3])
def test_a_window_has_one_thread_and_so_many_are_side_by_side(threads_seen, monkeypatch, asked):
    """More threads inside a window wait for each other, and round its sums in another order."""
    at_work, most, lock, run = 0, 0, threading.Lock(), TorchEnhancer.predict

    def predict(self, *words):
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        found = run(self, *words)
        with lock:
            at_work -= 1
        return found

    monkeypatch.setattr(TorchEnhancer, "predict", predict)
    rng = np.random.default_rng(0)
    x, sigma = rng.random((6, 3, 64, 64), np.float32), np.full((6, 1, 1), 0.02, np.float32)
    enhancer = load_enhancer("rsic-nano", "cpu", threads=asked)
    together = enhancer.correct(x, sigma)
    assert set(threads_seen) == {1}
    assert torch.get_num_threads() == 2
    assert most <= (asked or os.cpu_count())
    assert asked == 1 or os.cpu_count() == 1 or most > 1
    for number in range(6):
        alone = enhancer.correct(x[number : number + 1], sigma[number : number + 1])
        np.testing.assert_array_equal(together[number : number + 1], alone)


def test_torch_gets_its_threads_back_when_a_network_fails(threads_seen, monkeypatch):
    def broken(self, *_):
        raise RuntimeError

    monkeypatch.setattr(TorchEnhancer, "predict", broken)
    with pytest.raises(RuntimeError):
        load_enhancer("rsic-tiny", "cpu", threads=1).correct(
            np.zeros((1, 3, 64, 64), np.float32), np.zeros((1, 1, 1), np.float32)
        )
    assert torch.get_num_threads() == 2


def test_every_verb_that_enhances_hands_its_threads_to_torch(threads_seen, tmp_path, sample_data):
    source = crop(sample_data / "fields_rgb_utm.tif", tmp_path / "s.tif", Window(200, 200, 256, 256))
    work = {"model": "rsic-tiny", "threads": 1, "device": "cpu"}
    rsic_geo.compress(source, tmp_path / "a.jp2", target="psnr=30", **work)
    counts = [len(threads_seen)]
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif", threads=1, device="cpu")
    counts.append(len(threads_seen))
    strip_side_information(tmp_path / "a.jp2", tmp_path / "foreign.jp2")
    rsic_geo.enhance(tmp_path / "foreign.jp2", tmp_path / "c.tif", **work)
    counts.append(len(threads_seen))
    assert 0 < counts[0] < counts[1] < counts[2]
    assert set(threads_seen) == {1}
