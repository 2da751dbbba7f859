"""Networks with weights that do something."""

from __future__ import annotations

import torch

from rsic_geo.weights import WeightsFile

WEIGHTS = WeightsFile(name="busy", sha256="00", content=b"", metadata={})


def stir(network: torch.nn.Module) -> torch.nn.Module:
    """Give random weights to every parameter that starts at zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.05)
    return network
