"""What a network is trained to make small, in units of what the codec did."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_STRUCTURE_SIDE = 7
"""Side of the squares (px) that structure is compared in."""
_LEAST_DAMAGE = 1e-3
"""Crops whose structure suffered less than this count as if it had suffered so much."""


def relative_loss(error: Tensor, sigma: Tensor, *, squared_share: float = 0.5) -> Tensor:
    """Mix of squared and Charbonnier loss of an error (n, 3, h, w) measured in units of the distortion.

    ``sigma`` (n, 1, h/64, w/64) is spread to pixels without interpolation: a weight, not an input. The
    Charbonnier part steadies a young network; the squared part alone is what PSNR asks for.
    """
    scale = nn.functional.interpolate(sigma, size=error.shape[-2:], mode="nearest")
    squared = (error / scale).square()
    return (1 - squared_share) * (squared + 1e-4).sqrt().mean() + squared_share * squared.mean()


def structure_loss(ours: Tensor, decoded: Tensor, original: Tensor) -> Tensor:
    """Mean over a batch of 1 - SSIM of the brightness, in units of what the codec left of it.

    Means over squares in place of Gaussian windows (Z. Wang et al., "Image quality assessment: from error
    visibility to structural similarity", IEEE Trans. Image Processing 13(4), 2004).

    Args:
        ours: (n, 3, h, w) in 0..1, what the network makes.
        decoded: same shape, what it was given.
        original: same shape.
    """
    target = original.float().mean(dim=1, keepdim=True)
    ours, decoded = (part.float().mean(dim=1, keepdim=True) for part in (ours, decoded))
    with torch.no_grad():
        before = (1 - _similarity(decoded, target)).clamp(min=_LEAST_DAMAGE)
    return ((1 - _similarity(ours, target)) / before).mean()


def _similarity(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean SSIM (n,) of planes (n, 1, h, w) in 0..1."""

    def local(x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, _STRUCTURE_SIDE, stride=2)

    a, b = local(one), local(other)
    aa, bb, ab = local(one * one) - a * a, local(other * other) - b * b, local(one * other) - a * b
    light, contrast = 0.01**2, 0.03**2
    score = (2 * a * b + light) * (2 * ab + contrast) / ((a * a + b * b + light) * (aa + bb + contrast))
    return score.mean(dim=(1, 2, 3))
