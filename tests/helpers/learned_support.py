"""Codecs with random but busy weights, or weights made by hand: every part of the network says something."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from rsic_geo.codecs.compressai_network import CompressaiNetwork, CompressaiSpec
from rsic_geo.codecs.learned_network import FORMAT, CodecSpec
from rsic_geo.codecs.learned_network.frozen import shipped_tensors
from rsic_geo.codecs.learned_network.model import LearnedNetwork
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


def random_weights() -> WeightsFile:
    """Return an untrained codec: a lapped transform with wide distributions."""
    torch.manual_seed(0)
    return weights_of(LearnedNetwork(CodecSpec()), "random")


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


COMPRESSAI = {
    "mean-scale": CompressaiSpec(arch="mean-scale", n=8, m=12, groups=()),
    "elic": CompressaiSpec(arch="elic", n=8, m=12, groups=(3, 3, 6)),
    "elic-official": CompressaiSpec(arch="elic-official", n=8, m=12, groups=(3, 3, 6)),
}
_GAIN = 2.0
"""What every level of the pyramid multiplies its means by."""


def pyramid(spec: CompressaiSpec, seed: int = 0) -> CompressaiNetwork:
    """Return a network of CompressAI whose first three latents are means over 16 px squares.

    What is expected of latents is random, so nothing of the coding is trivial.
    """
    torch.manual_seed(seed)
    network = CompressaiNetwork(spec).requires_grad_(False).eval()
    model = network.model
    gates: list[nn.Module] = []
    for part, square in ((model.g_a, 0.25 * _GAIN), (model.g_s, 1 / _GAIN)):
        for name, layer in part.named_modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.weight.mul_(0.0)
                layer.bias.mul_(0.0)
                if "." not in name and layer.stride == (2, 2):
                    for band in range(3):
                        layer.weight[band, band, 2:4, 2:4] = square
            elif hasattr(layer, "conv_b"):
                gates.append(layer.conv_b[-1])
            elif hasattr(layer, "gamma"):
                layer.gamma.fill_(0.0)
                layer.beta.fill_(1.0)
    for gate in gates:
        gate.bias.fill_(-100.0)  # attention adds nothing
    for name, layer in model.named_modules():
        if name.endswith(("entropy_parameters.4", "h_s.4")) and isinstance(layer, nn.Conv2d):
            means, scales = layer.bias.chunk(2)[:: 1 if spec.arch == "elic" else -1]
            scales.add_(6.0)  # latents are expected to differ from their means by about that
    return network


def write_checkpoint(path: Path, network: CompressaiNetwork) -> Path:
    """Write a network as exported weights."""
    tensors = {name: value.contiguous() for name, value in (network.tensors() | network.tables()).items()}
    safetensors.torch.save_file(tensors, str(path))
    return path
