"""Two networks in one file: three bands, and one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import safetensors.torch  # noqa: E402
from enhance_support import WEIGHTS, corrected, look, stir  # noqa: E402

from rsic_geo.errors import WeightsError  # noqa: E402
from rsic_geo.geo.lattice import sigma_lattice  # noqa: E402
from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import (  # noqa: E402
    VARIANTS_FORMAT,
    LdmSpec,
    ResidualUNet,
    UNetSpec,
    UNetVariants,
    VariantsSpec,
    macs_per_pixel,
    single_band,
)
from rsic_geo.repair.torch_enhancer import TorchEnhancer  # noqa: E402
from rsic_geo.repair.units import STEPS  # noqa: E402


def window(bands: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    return rng.random((2, bands, 128, 64), np.float32), rng.uniform(0.01, 0.04, (2, 2, 1)).astype(np.float32)


@pytest.mark.parametrize("proposals", [1, 3])
def test_one_band_is_corrected_as_three_equal_ones_on_average(small_spec: UNetSpec, proposals: int) -> None:
    torch.manual_seed(2)
    three = stir(ResidualUNet(replace(small_spec, proposals=proposals)))
    one = single_band(three)
    assert one.spec == replace(small_spec, proposals=proposals, bands=1)
    x, sigma = window(1)
    pixels, told = torch.from_numpy(x), torch.from_numpy(sigma)[:, None]
    with torch.inference_mode():
        tripled = three(pixels.expand(-1, 3, -1, -1), told).view(2, proposals, 3, 128, 64).mean(dim=2)
        alone = one(pixels, told)
    assert tripled.abs().max() > 1e-3
    torch.testing.assert_close(alone, tripled, atol=1e-6, rtol=0)
    enhancer = TorchEnhancer(three, WEIGHTS, device=torch.device("cpu"))
    sight = look(x[0], 0.02)
    told = torch.from_numpy(sigma_lattice(sight.cells, sight.window))[None, None]
    with torch.inference_mode():
        seen = one(torch.from_numpy(sight.pixels.astype(np.float32) / STEPS)[None], told)[0]
    np.testing.assert_allclose(corrected(enhancer, sight), seen, atol=2e-5)
    assert single_band(one) is one


def test_the_network_asked_is_that_of_the_bands(busy_pair: TorchEnhancer, small_spec: UNetSpec) -> None:
    torch.manual_seed(8)
    spec = VariantsSpec(
        rgb=replace(small_spec, proposals=2), single=replace(small_spec, proposals=2, bands=1)
    )
    pair = stir(UNetVariants(spec)).eval()
    for bands, network in ((3, pair.rgb), (1, pair.single)):
        sight = look(window(bands)[0][0], 0.02)
        x = torch.from_numpy(sight.pixels.astype(np.float32) / STEPS)[None]
        sigma = torch.from_numpy(sigma_lattice(sight.cells, sight.window))[None, None]
        with torch.inference_mode():
            wanted = network(x, sigma)[0].numpy()
        np.testing.assert_allclose(corrected(busy_pair, sight), wanted, atol=2e-5)


def test_the_work_of_a_network_of_single_bands_is_what_its_spec_says(small_spec: UNetSpec) -> None:
    spec = replace(small_spec, bands=1, proposals=3)
    assert macs_per_pixel(ResidualUNet(spec), bands=1) == pytest.approx(spec.macs_per_pixel)


def test_a_pair_travels_in_a_file(small_spec: UNetSpec, tmp_path) -> None:
    spec = VariantsSpec(rgb=small_spec, single=replace(small_spec, bands=1))
    assert VariantsSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    network = stir(UNetVariants(spec))
    metadata = {"format": VARIANTS_FORMAT, "spec": json.dumps(spec.to_json())}
    path = tmp_path / "pair.safetensors"
    safetensors.torch.save_file(network.state_dict(), path, metadata)
    enhancer = load_enhancer(str(path), "cpu")
    sight = look(window(1)[0][0], 0.02)
    ours = TorchEnhancer(network, WEIGHTS, device=torch.device("cpu")).correct(sight)
    assert np.array_equal(enhancer.correct(sight), ours)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"rgb": {}}, "names the networks"),
        ({"rgb": {}, "single": {"bands": 1}, "other": {}}, "names the networks"),
        ({"rgb": {}, "single": {}}, "three bands and one"),
        ({"rgb": {"bands": 1}, "single": {"bands": 1}}, "three bands and one"),
        ({"rgb": {}, "single": {"bands": 1, "proposals": 2}}, "equally many"),
    ],
)
def test_specs_of_no_pair_are_refused(spec, words) -> None:
    with pytest.raises(ValueError, match=words):
        VariantsSpec.from_json(spec)


@pytest.mark.parametrize(("kind", "spec"), [("rsic-unet-1", {"bands": 1}), (VARIANTS_FORMAT, {"rgb": {}})])
def test_files_of_other_networks_are_refused(kind, spec, tmp_path) -> None:
    path = tmp_path / "other.safetensors"
    tensors = ResidualUNet(UNetSpec(bands=1)).state_dict()
    safetensors.torch.save_file(tensors, path, {"format": kind, "spec": json.dumps(spec)})
    with pytest.raises(WeightsError, match="do not fit"):
        load_enhancer(str(path), "cpu")


def test_a_prior_needs_three_bands() -> None:
    with pytest.raises(ValueError, match="three bands"):
        LdmSpec(restorer=UNetSpec(bands=1))
    with pytest.raises(ValueError, match="1 or 3 bands"):
        UNetSpec(bands=2)
