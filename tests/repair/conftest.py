"""Networks small enough for a test, with weights that do something."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from enhance_support import WEIGHTS, stir  # noqa: E402

from rsic_geo.repair.network import (  # noqa: E402
    LdmNetwork,
    LdmSpec,
    PriorSpec,
    ResidualUNet,
    UNetSpec,
    UNetVariants,
    VariantsSpec,
)
from rsic_geo.repair.torch_enhancer import TorchEnhancer  # noqa: E402


@pytest.fixture(autouse=True)
def same_start() -> None:
    """Let torch draw the same numbers whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def small_spec() -> UNetSpec:
    return UNetSpec(widths=(8, 12, 16), blocks=(1, 1, 1))


@pytest.fixture(scope="session")
def small_ldm_spec(small_spec) -> LdmSpec:
    return LdmSpec(restorer=small_spec, prior=PriorSpec(channels=8, widths=(8, 12), hidden=16, depth=2))


@pytest.fixture(scope="session")
def busy_enhancer(small_spec: UNetSpec) -> TorchEnhancer:
    """An enhancer with random weights in every layer: its corrections are about as large as sigma."""
    torch.manual_seed(5)
    return TorchEnhancer(stir(ResidualUNet(small_spec)), WEIGHTS, device=torch.device("cpu"))


@pytest.fixture(scope="session")
def busy_proposer(small_spec: UNetSpec) -> TorchEnhancer:
    """The same with three proposals for every band."""
    torch.manual_seed(7)
    network = ResidualUNet(replace(small_spec, proposals=3))
    return TorchEnhancer(stir(network), WEIGHTS, device=torch.device("cpu"))


@pytest.fixture(scope="session")
def busy_pair(small_spec: UNetSpec) -> TorchEnhancer:
    """A network for three bands and one for single bands, with two proposals each."""
    torch.manual_seed(8)
    rgb = replace(small_spec, proposals=2)
    network = UNetVariants(VariantsSpec(rgb=rgb, single=replace(rgb, bands=1)))
    return TorchEnhancer(stir(network), WEIGHTS, device=torch.device("cpu"))


@pytest.fixture(scope="session")
def busy_ldm(small_ldm_spec: LdmSpec) -> TorchEnhancer:
    """The same with a generated prior that matters."""
    torch.manual_seed(6)
    return TorchEnhancer(stir(LdmNetwork(small_ldm_spec)), WEIGHTS, device=torch.device("cpu"))
