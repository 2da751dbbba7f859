"""What the learned codec does to training images, for an enhancer of its output.

Pure torch: the symbols are rounded as the encoder would, no bitstream is made.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from rsic_geo.codecs.learned_network import LEVELS, LearnedNetwork
from rsic_geo.training.codec_state import CodecState

_CELL = 64
_FLOOR = 2.0**-10
"""Least distortion told, in units of 0..1."""


def read_codec(path: Path, device: torch.device) -> LearnedNetwork:
    """Return the averaged network of a codec's state file, at rest."""
    return CodecState.load(path, device=device).average.eval().requires_grad_(False)


@torch.no_grad()
def code(network: LearnedNetwork, original: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Return the 8 bit samples that come back of pixels (n, 3, h, w) in 0..1 at levels (n,), and bits (n,).

    A picture of three equal bands is one band: what comes back are three equal bands, too.
    """
    coded = network(original, level, hard=True, held=True)
    pixels = coded.pixels
    is_grey = (original[:, :1] == original).flatten(1).all(dim=1)[:, None, None, None]
    pixels = torch.where(is_grey, pixels.mean(dim=1, keepdim=True), pixels)
    return pixels.clamp(0, 1).mul(255).round().div(255), coded.bits


@torch.no_grad()
def degrade_batch(
    network: LearnedNetwork, original: Tensor, *, jitter: float, family: int = 1
) -> tuple[Tensor, Tensor]:
    """Return ``original`` (n, 3, h, w) coded at random qualities, and the RMSE (n, 1, h/64, w/64).

    The RMSE is that of the whole crop, told with an error of ``jitter`` octaves, as the archive's would be.
    Every ``family`` of crops, one behind the other, has one quality.
    """
    count, _, height, width = original.shape
    level = torch.randint(0, LEVELS, (count // family,), device=original.device).repeat_interleave(family)
    decoded, _ = code(network, original.contiguous(), level)
    rmse = (decoded - original).square().mean(dim=(1, 2, 3)).sqrt().clamp(min=_FLOOR)
    told = rmse * torch.exp(math.log(2) * jitter * torch.randn_like(rmse))
    sigma = told[:, None, None, None].expand(-1, 1, height // _CELL, width // _CELL)
    return decoded.contiguous(memory_format=torch.channels_last), sigma.contiguous()
