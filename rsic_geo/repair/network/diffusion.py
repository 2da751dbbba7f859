"""Diffusion in the space of F: a schedule that ends in nothing but noise, and a sampler that rolls no dice.

::

    F_T = noise --[denoise, step]-- F_T-1 --[denoise, step]-- ... --[denoise]-- F_0

Sound where the authors' code was not (design.md): the last step holds no trace of F (zero terminal
SNR, arXiv 2305.08891), so training and use begin with the same thing; and no step draws noise, so the
only randomness is the start, which the caller keys by place.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from rsic_geo.repair.network.specs import DiffusionSpec

Denoise = Callable[[Tensor, Tensor, float], Tensor]
"""(F_t, condition, t/T) -> F_0."""


def signal_shares(spec: DiffusionSpec) -> tuple[float, ...]:
    """Return sqrt(alpha_bar_t), the share of F in F_t, for t = 0..T: 1 at first, exactly 0 at last.

    The paper's variances, then moved and stretched so that the first step keeps its share and the last
    one has none.
    """
    low, high = math.sqrt(spec.beta_first), math.sqrt(spec.beta_last)
    shares = [1.0]
    for t in range(spec.steps):
        beta = (low + (high - low) * t / max(1, spec.steps - 1)) ** 2
        shares.append(shares[-1] * math.sqrt(1.0 - beta))
    first, last = shares[1], shares[-1]
    if spec.steps == 1:
        return (1.0, 0.0)
    return (1.0, *((share - last) * first / (first - last) for share in shares[1:]))


def sample(denoise: Denoise, condition: Tensor, start: Tensor, spec: DiffusionSpec) -> Tensor:
    """Return F_0 (n, channels, h, w), a function of its arguments (deterministic DDIM steps).

    ``condition``: (n, channels, h, w). ``start``: F_T, standard noise or zeros, the same shape.
    """
    shares = signal_shares(spec)
    state = start
    clean = start
    for t in range(spec.steps, 0, -1):
        clean = denoise(state, condition, t / spec.steps)  # F_0 as seen from F_t
        noise = (state - shares[t] * clean) / math.sqrt(1.0 - shares[t] ** 2)
        state = shares[t - 1] * clean + math.sqrt(1.0 - shares[t - 1] ** 2) * noise
    return clean


def diffuse(clean: Tensor, noise: Tensor, t: int, spec: DiffusionSpec) -> Tensor:
    """Return F_t: F_0 with as much noise as step t has; exactly the noise at t = T."""
    share = signal_shares(spec)[t]
    return share * clean + torch.tensor(1.0 - share**2).sqrt() * noise
