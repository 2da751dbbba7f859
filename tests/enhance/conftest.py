"""Networks small enough for a test, with weights that do something."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from rsic_geo.enhance.network import ResidualUNet, UNetSpec  # noqa: E402
from rsic_geo.enhance.torch_enhancer import TorchEnhancer  # noqa: E402
from rsic_geo.weights import WeightsFile  # noqa: E402


@pytest.fixture(scope="session")
def small_spec() -> UNetSpec:
    return UNetSpec(widths=(8, 12, 16), blocks=(1, 1, 1))


@pytest.fixture(scope="session")
def busy_enhancer(small_spec: UNetSpec) -> TorchEnhancer:
    """An enhancer with random weights in every layer: its corrections are about as large as sigma."""
    torch.manual_seed(5)
    network = ResidualUNet(small_spec)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.05)
    weights = WeightsFile(name="busy", sha256="00", content=b"", metadata={})
    return TorchEnhancer(network, weights, device=torch.device("cpu"))
