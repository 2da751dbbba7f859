"""Networks that propose several corrections, of which an encoder mixes what suits its scene.

Such a network is judged by what is left after that mix: it need not guess how far to trust itself, nor
choose between repairs that different sensors want. One coefficient per proposal and colour axis is fitted
to every crop, or to a family of crops of one image, as the adaptive filter fits them to a scene. The idea is
that of the dual self-guided filter with subspace projection in AV1 (D. Mukherjee et al., ICIP 2017): two
restorations, and an encoder that projects the original onto what they span. Here a network learns what to
span.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rsic_geo.repair.network.unet import BEGIN_DEVIATION

_OPPONENT = ((1.0, 1.0, 1.0), (1.0, 0.0, -1.0), (-1.0, 2.0, -1.0))
"""Sum, red against blue, green against both; as in :mod:`rsic_geo.repair.filter`."""
_RIDGE = 0.005
"""Pull of the fit towards the first proposal alone, in units of the squared distortion."""
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


def fitted_correction(proposed: Tensor, error: Tensor, sigma: Tensor, *, family: int = 1) -> Tensor:
    """Return the mix (n, 3, h, w) of proposals that an encoder would choose for each family of crops.

    No gradient goes through the coefficients: at the optimum of the squared error it is zero.

    Args:
        proposed: (n, 3 * proposals, h, w) in units of 0..1.
        error: (n, 3, h, w) original minus decoded, same units.
        sigma: (n, 1, h/64, w/64) distortion.
        family: how many crops, one behind the other, share their coefficients.
    """
    n, channels, h, w = proposed.shape
    count = channels // 3
    axes = nn.functional.normalize(torch.tensor(_OPPONENT, device=proposed.device), dim=1)
    turned = torch.einsum("ac,nkchw->nakhw", axes, proposed.view(n, count, 3, h, w).float())
    with torch.no_grad():
        flat = turned.flatten(3)  # (n, 3, proposals, h * w)
        wanted = torch.einsum("ac,nchw->nahw", axes, error).flatten(2)
        pull = _RIDGE * h * w * sigma.square().mean(dim=(1, 2, 3)).view(n, 1, 1, 1)
        first = torch.zeros(count, device=proposed.device)
        first[0] = 1.0
        square = flat @ flat.transpose(2, 3) + pull * torch.eye(count, device=proposed.device)
        right = (flat @ wanted[..., None])[..., 0] + pull[..., 0] * first
        square, right = (part.view(-1, family, *part.shape[1:]).sum(1) for part in (square, right))
        mix = torch.linalg.solve(square, right).repeat_interleave(family, 0)  # (n, 3, proposals)
    return torch.einsum("ac,nak,nakhw->nchw", axes, mix, turned)


@dataclass(frozen=True, slots=True, kw_only=True)
class LossShares:
    """What a loss is mixed of."""

    squared: float
    """Squared loss, against the Charbonnier loss."""
    fitted: float
    """Mix of all proposals, against the first alone."""
    family: int = 1
    """Crops that share their mix."""
    structure: float = 0.0
    """Structural loss, against that of pixels."""


def proposals_loss(
    proposed: Tensor, x: Tensor, target: Tensor, sigma: Tensor, shares: LossShares
) -> tuple[Tensor, Tensor]:
    """Return the correction a batch ends with, and the loss of the fitted mix and of the first proposal.

    Args:
        proposed: (n, 3 * proposals, h, w).
        x: (n, 3, h, w) decoded pixels in 0..1.
        target: same shape, the original.
        sigma: (n, 1, h/64, w/64) distortion.
        shares: what the loss is mixed of.
    """

    def judge(correction: Tensor) -> Tensor:
        loss = relative_loss(x + correction - target, sigma, squared_share=shares.squared)
        if shares.structure == 0:
            return loss
        return (1 - shares.structure) * loss + shares.structure * structure_loss(x + correction, x, target)

    correction = proposed[:, :3]
    loss = judge(correction)
    if shares.fitted == 0:
        return correction, loss
    correction = fitted_correction(proposed, target - x, sigma, family=shares.family)
    return correction, shares.fitted * judge(correction) + (1 - shares.fitted) * loss


def proposals_of(weights: dict[str, Tensor]) -> int:
    """Return how many corrections a network with these weights proposes."""
    return next((len(value) // 12 for name, value in weights.items() if name.endswith("tail.bias")), 1)


def widened(weights: dict[str, Tensor], proposals: int) -> dict[str, Tensor]:
    """Return weights whose last layer proposes so many corrections: the first as before, new ones random."""
    out = dict(weights)
    random = torch.Generator().manual_seed(1)
    for name, old in weights.items():
        if name.endswith(("tail.weight", "tail.bias")) and len(old) < 12 * proposals:
            first = old.float()
            new = torch.randn(12 * proposals, *first.shape[1:], generator=random) * max(
                float(first.std()), BEGIN_DEVIATION
            )
            new[: len(first)] = first
            out[name] = new
    return out
