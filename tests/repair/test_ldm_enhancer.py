"""The diffusion enhancer: the same prior in every window that sees a cell."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from safetensors.torch import save  # noqa: E402

from rsic_geo.errors import WeightsError  # noqa: E402
from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import LDM_FORMAT, LdmNetwork  # noqa: E402
from rsic_geo.repair.torch_enhancer import TorchEnhancer  # noqa: E402


def scene(rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.2, 0.8, (1, 3, 64 * rows, 64 * cols)).astype(np.float32)
    return x, rng.uniform(0.01, 0.05, (1, rows, cols)).astype(np.float32)


def test_the_place_and_the_seed_of_a_window_matter_and_repeat(busy_ldm):
    x = scene(2, 2)[0][0]
    here, there, other = (
        corrected(busy_ldm, look(x, 0.03, 64 * row, 64 * col), seed)
        for row, col, seed in ((3, 4, 7), (4, 3, 7), (3, 4, 8))
    )
    assert not np.array_equal(here, there)
    assert not np.array_equal(here, other)
    np.testing.assert_array_equal(here, corrected(busy_ldm, look(x, 0.03, 192, 256), 7))


@pytest.mark.parametrize("size", [3, 4, 6])
def test_windows_placed_on_a_scene_see_the_prior_of_the_whole(busy_ldm, size):
    """Exactly, not within a tolerance: a token hangs on its own cell, its place and nothing else."""
    network = busy_ldm._network
    rows, cols = 9, 8
    x, sigma = (torch.from_numpy(part) for part in scene(rows, cols))
    sigma = sigma[:, None]
    with torch.inference_mode():
        whole = network.generate(x, sigma, network.start_noise(sigma, origins=[(0, 0)], seed=3))
        for row in range(0, rows - size, 2):
            for col in range(0, cols - size, 3):
                nodes = (slice(None), slice(None), slice(row, row + size), slice(col, col + size))
                pixels = x[:, :, 64 * row : 64 * (row + size), 64 * col : 64 * (col + size)]
                start = network.start_noise(sigma[nodes], origins=[(row, col)], seed=3)
                part = network.generate(pixels, sigma[nodes], start)
                torch.testing.assert_close(part, whole[nodes], atol=1e-5, rtol=0)


def test_weights_carry_their_spec_and_load_by_their_format(tmp_path, busy_ldm, small_ldm_spec):
    tensors = {key: value.contiguous() for key, value in busy_ldm._network.state_dict().items()}
    metadata = {"format": LDM_FORMAT, "spec": json.dumps(small_ldm_spec.to_json())}
    path = tmp_path / "small.safetensors"
    path.write_bytes(save(tensors, metadata=metadata))
    enhancer = load_enhancer(str(path), "cpu")
    assert isinstance(enhancer, TorchEnhancer)
    assert enhancer._network.spec == small_ldm_spec
    sight = look(scene(1, 2)[0][0], 0.02, 128, 128)
    ours, theirs = (e.correct(sight, seed=1) for e in (busy_ldm, enhancer))
    np.testing.assert_array_equal(ours, theirs)
    path.write_bytes(save(tensors, metadata={**metadata, "spec": '{"restorer": {}, "depth": 4}'}))
    with pytest.raises(WeightsError, match="do not fit"):
        load_enhancer(str(path), "cpu")


def test_a_single_band_is_seen_as_three_equal_ones(busy_ldm):
    grey = scene(1, 1)[0][0, :1]
    three = corrected(busy_ldm, look(np.repeat(grey, 3, axis=0), 0.02))
    np.testing.assert_allclose(corrected(busy_ldm, look(grey, 0.02))[0], three.mean(axis=0), atol=2e-5)


def test_an_untrained_network_enhances_nothing(small_ldm_spec):
    network = LdmNetwork(small_ldm_spec)
    x, sigma = (torch.from_numpy(part) for part in scene(1, 2))
    assert not network(x, sigma[:, None], origins=[(9, 9)], seed=5).any()
