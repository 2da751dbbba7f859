"""Networks small enough for a test, with weights that do something."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from rsic_geo.enhance.ldm import LdmEnhancer  # noqa: E402
from rsic_geo.enhance.network import LdmNetwork, LdmSpec, PriorSpec, ResidualUNet, UNetSpec  # noqa: E402
from rsic_geo.enhance.torch_enhancer import TorchEnhancer  # noqa: E402
from rsic_geo.weights import WeightsFile  # noqa: E402

WEIGHTS = WeightsFile(name="busy", sha256="00", content=b"", metadata={})


def stir(network: torch.nn.Module) -> torch.nn.Module:
    """Give random weights to every parameter that starts at zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.05)
    return network


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
def busy_ldm(small_ldm_spec: LdmSpec) -> LdmEnhancer:
    """The same with a generated prior that matters."""
    torch.manual_seed(6)
    return LdmEnhancer(stir(LdmNetwork(small_ldm_spec)), WEIGHTS, device=torch.device("cpu"))
