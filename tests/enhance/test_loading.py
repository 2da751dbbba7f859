"""From names to enhancers."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from safetensors.torch import load, save

from rsic_geo.enhance import IdentityEnhancer, load_enhancer
from rsic_geo.errors import UsageError, WeightsError, WeightsMismatchError, WeightsNotFoundError
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
    enhanced = x + load_enhancer("auto", "cpu").correct(x, sigma)
    assert np.square(enhanced - target).mean() < 0.98 * np.square(x - target).mean()


@pytest.mark.parametrize("device", ["abacus", "cuda:99", "meta"])
def test_devices_that_are_not_there_are_refused(device):
    with pytest.raises(UsageError):
        load_enhancer("auto", device)


def test_unknown_names_say_what_there_is():
    with pytest.raises(WeightsNotFoundError, match=default_name()):
        load_enhancer("no-such-network")


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
    code = "import sys, rsic_geo.enhance; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
