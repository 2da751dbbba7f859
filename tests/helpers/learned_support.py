"""Codecs with random but busy weights: every part of the network says something."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib

import numpy as np
import safetensors.torch
import torch

from rsic_geo.codecs.learned_network import FORMAT, CodecSpec, LearnedNetwork, shipped_tensors
from rsic_geo.weights import WeightsFile

SMALL = CodecSpec(
    hidden=(16, 16, 16, 16), hyper=16, hyper_latents=6, analysis=8, synthesis=16, post=8, post_blocks=1
)


def busy_network(seed: int = 0, spec: CodecSpec = SMALL) -> LearnedNetwork:
    """Return a network none of whose layers is empty, coding still sensibly."""
    torch.manual_seed(seed)
    network = LearnedNetwork(spec).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if name.endswith(("leave.weight", "leave.bias", "offsets")) or "direct" in name:
            parameter.add_(0.05 * torch.randn_like(parameter))
    network.entropy.hyper_scales += torch.randn_like(network.entropy.hyper_scales)
    for layer in network.entropy.hyper_analysis:
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight *= 5
    return network


def weights_of(network: LearnedNetwork, name: str = "busy") -> WeightsFile:
    """Return the weights file of a network, in memory."""
    metadata = {"format": FORMAT, "spec": json.dumps(network.spec.to_json()), "name": name}
    content = safetensors.torch.save(shipped_tensors(network), metadata=metadata)
    digest = hashlib.sha256(content).hexdigest()
    return WeightsFile(name=name, sha256=digest, content=content, metadata=metadata)


def landscape(bands: int, height: int, width: int, seed: int = 1) -> np.ndarray:
    """Return fields, edges, a slope and noise, (bands, height, width) float32 in 0..1."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.uniform(0.2, 0.8, (bands, height // 20 + 1, width // 20 + 1)), np.ones((1, 20, 20)))
    slope = np.linspace(-0.1, 0.1, width)[None, None]
    noise = rng.normal(0, 0.02, (bands, height, width))
    return (fields[:, :height, :width] + slope + noise).clip(0, 1).astype(np.float32)


def golden_of(codec) -> dict[str, object]:
    """Return a payload of a codec, with what it must decode to on any machine and in any later version."""
    tile = codec.encode_tile(landscape(3, 45, 61, seed=9), 0.55)
    symbols = codec.symbols_of(tile.payload, (3, 45, 61)).astype("<i2").tobytes()
    return {
        "weights": codec.name,
        "sha256": codec.sha256,
        "payload": base64.b64encode(tile.payload).decode(),
        "symbols_crc": zlib.crc32(symbols),
        "pixels": [round(float(value), 5) for value in tile.reconstruction[:, ::15, ::20].ravel()],
    }


if __name__ == "__main__":  # python tests/helpers/learned_support.py NAME > tests/codecs/golden/NAME.json
    from rsic_geo.codecs.learned import LearnedCodec

    json.dump(golden_of(LearnedCodec(sys.argv[1], device="cpu")), sys.stdout, indent=1)
