"""From names to enhancers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from enhance_support import corrected, look
from pipeline_support import crop
from rasterio.windows import Window
from safetensors.torch import load, save

import rsic_geo
from rsic_geo.errors import UsageError, WeightsError, WeightsMismatchError, WeightsNotFoundError
from rsic_geo.repair import IdentityEnhancer, load_enhancer
from rsic_geo.repair.network import LDM_FORMAT
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
    from rsic_geo.training.degrade import cell_levels, code_jpeg2000

    rng = np.random.default_rng(3)
    rows, cols = np.mgrid[0:256, 0:256]
    shade = 120 + 60 * np.sin(rows / 19) * np.cos(cols / 23) + 40 * ((rows // 37 + cols // 29) % 2)
    image = (shade[:, :, None] + rng.normal(0, 3, (256, 256, 1))).clip(0, 255).astype(np.uint8).repeat(3, 2)
    decoded, _ = code_jpeg2000(image, 0.3)
    x = decoded.transpose(2, 0, 1).astype(np.float32) / 255
    target = image.transpose(2, 0, 1).astype(np.float32) / 255
    enhanced = x + corrected(load_enhancer("auto", "cpu"), look(x, cell_levels(image, decoded)))[:3]
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


def test_float_networks_have_one_thread_for_a_window(busy_enhancer, monkeypatch):
    """More threads inside a window wait for each other, and round its sums in another order."""
    seen, run = [], TorchEnhancer._run

    def watched(self, *words):
        seen.append(torch.get_num_threads())
        return run(self, *words)

    monkeypatch.setattr(TorchEnhancer, "_run", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        sight = look(np.random.default_rng(0).random((3, 64, 64), np.float32), 0.02)
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(busy_enhancer.correct, [sight] * 6))
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
        assert len({found.tobytes() for found in together}) == 1

        def broken(self, *_):
            raise RuntimeError

        monkeypatch.setattr(TorchEnhancer, "_run", broken)
        with pytest.raises(RuntimeError):
            busy_enhancer.correct(sight)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def run_without(blocked: set[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run Python where packages cannot be imported."""
    none = f"import sys; sys.modules.update(dict.fromkeys({sorted(blocked)}))\n"
    return subprocess.run([sys.executable, "-c", none + code], check=False, capture_output=True, text=True)


def test_a_scene_is_archived_enhanced_and_read_without_torch(tmp_path, sample_data):
    source = crop(sample_data / "fields_rgb_utm.tif", tmp_path / "s.tif", Window(200, 200, 300, 280))
    code = f"""
import rsic_geo, sys
rsic_geo.compress({str(source)!r}, {str(tmp_path / "a.jp2")!r}, target="psnr=32")
with rsic_geo.open({str(tmp_path / "a.jp2")!r}) as scene:
    scene.read(window=((10, 110), (20, 110))).tofile({str(tmp_path / "w")!r})
assert not any(name.startswith("torch.") for name in sys.modules)
"""
    done = run_without({"torch"}, code)
    assert done.returncode == 0, done.stderr
    with rsic_geo.open(tmp_path / "a.jp2") as scene:
        assert scene.is_enhanced
        part = scene.read(window=rsic_geo.Window(row_off=10, col_off=20, height=100, width=90))
    assert part.tobytes() == (tmp_path / "w").read_bytes()
    # nor with onnxruntime: numpy is slow, and the bytes are the same
    code = code.replace("rsic_geo.compress", "(lambda *_, **__: None)").replace(
        str(tmp_path / "w"), str(tmp_path / "v")
    )
    done = run_without({"torch", "onnxruntime"}, code)
    assert done.returncode == 0, done.stderr
    assert part.tobytes() == (tmp_path / "v").read_bytes()


@pytest.mark.parametrize("what", ["model='rsic-float'", "codec='learned'", "device='cuda'"])
def test_what_needs_torch_says_what_to_install(tmp_path, sample_data, busy_ldm, what):
    spec = json.dumps(busy_ldm._network.spec.to_json())
    tensors = {key: value.contiguous() for key, value in busy_ldm._network.state_dict().items()}
    (tmp_path / "rsic-float.safetensors").write_bytes(save(tensors, {"format": LDM_FORMAT, "spec": spec}))
    source = crop(sample_data / "fields_rgb_utm.tif", tmp_path / "s.tif", Window(200, 200, 200, 180))
    name = "a.rsic.tif" if "codec" in what else "a.jp2"
    code = f"""
import os; os.environ["RSIC_GEO_WEIGHTS"] = {str(tmp_path)!r}
import rsic_geo
from rsic_geo.errors import RsicGeoError
try:
    rsic_geo.compress({str(source)!r}, {str(tmp_path / name)!r}, target="psnr=32", {what})
except RsicGeoError as error:
    print(error.exit_code, error)
"""
    done = run_without({"torch"}, code)
    assert re.search(r"rsic-geo\[torch\]|pip install torch", done.stdout), done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout[0] in "52"
