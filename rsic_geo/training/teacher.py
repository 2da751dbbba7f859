"""What a trained network would add to a crop, as a lesson for a smaller one.

Distillation for regression (G. Hinton et al., "Distilling the knowledge in a neural network", 2015): most of
the squared error that a crop shows a young network is noise no network can predict. A teacher's correction
holds the predictable part alone, so that gradients are quieter.

It is the mean of several views of a picture, turned so that the wavelet's low-pass samples stay on even rows
and columns. A network of decoded JPEG 2000 knows that phase: a plain flip of an even side moves it to the odd
places, and averaging such flips makes a network worse (+0.4 % BD-rate); a flip about the first sample, that
takes place ``j`` to ``side - j``, keeps the phase of all levels, and so does a transposition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor

from rsic_geo.repair.integer.weights import INTEGER_FORMAT
from rsic_geo.repair.network import ResidualUNet, network_of
from rsic_geo.training.data import Crop
from rsic_geo.training.proposals import fitted_correction
from rsic_geo.training.rounding import float_again

ToBatch: TypeAlias = Callable[[list[Crop], torch.device], tuple[Tensor, Tensor, Tensor]]
"""Crops -> decoded (n, 3, h, w), original, and distortion (n, 1, h/64, w/64), as tensors."""
_AT_ONCE = 8
"""Crops taught in one pass of the network."""
VIEWS = (1, 2, 8)
"""Of how many views a mean may be: the picture alone, transposed too, both mirrored along each axis too."""
_TRANSPOSED, _ROWS, _COLUMNS = 1, 2, 4


class Teacher:
    """A trained U-Net, the mean of several views, with the mix of proposals an encoder would choose.

    The views keep the phase of the wavelet; the mean of two (a transposition) is a better teacher (-0.37 %
    BD-rate) than one pass, the mean of eight a better one still (-0.71 %, for four times as long).
    """

    def __init__(
        self, network: ResidualUNet, *, device: torch.device, dtype: torch.dtype, views: int = 2
    ) -> None:
        """Take the network; ``views`` is one of ``VIEWS``."""
        if views not in VIEWS:
            raise ValueError(f"{views} views: must be one of {', '.join(map(str, VIEWS))}")
        self.device, self.dtype, self.views = device, dtype, views
        network = network.eval().requires_grad_(False)
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def read(cls, path: Path, *, device: torch.device, dtype: torch.dtype, views: int = 2) -> Teacher:
        """Read a U-Net of three bands (.safetensors). Raises ValueError if the file holds another network."""
        with safe_open(path, "pt") as opened:
            metadata = opened.metadata()
            if metadata["format"] == INTEGER_FORMAT:
                return cls(float_again(path), device=device, dtype=dtype, views=views)
            network = network_of(metadata["format"], json.loads(metadata["spec"]))
            network.load_state_dict({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
        if type(network) is not ResidualUNet:
            raise ValueError(f"{path}: a teacher is a U-Net of three bands")
        return cls(network, device=device, dtype=dtype, views=views)

    @torch.inference_mode()
    def correct(self, x: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
        """Return what to add to ``x`` (n, 3, h, w) in 0..1.

        ``target``: of the same shape, the original that the mix is fitted to. ``sigma``: (n, 1, h/64, w/64).
        """
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            mean = mean_of_views(self._network, x, sigma, self.views)
        return fitted_correction(mean, target - x, sigma)

    def teach(self, crops: Iterator[Crop], to_batch: ToBatch) -> Iterator[Crop]:
        """Yield the crops with their lessons; ``to_batch`` (that of ``train``) puts them on a device."""
        while batch := list(islice(crops, _AT_ONCE)):
            x, target, sigma = to_batch(batch, self.device)
            lessons = (self.correct(x, target, sigma) / spread(sigma, x)).half().cpu().numpy()
            for crop, lesson in zip(batch, lessons, strict=True):
                yield replace(crop, lesson=lesson)


def spread(sigma: Tensor, like: Tensor) -> Tensor:
    """Return the distortion (n, 1, h/64, w/64) for every pixel of ``like`` (n, c, h, w)."""
    return torch.nn.functional.interpolate(sigma, size=like.shape[-2:], mode="nearest")


def mirrored(x: Tensor, axis: int) -> Tensor:
    """Return pixels with place ``j`` of an axis taken to ``side - j``.

    What would come to place 0 lies beyond the end: it is the sample the wavelet's own extension has there.
    """
    turned = x.flip(axis).roll(1, axis)
    index = [slice(None)] * x.ndim
    index[axis] = slice(0, 1)
    turned[tuple(index)] = x.narrow(axis, max(x.shape[axis] - 2, 0), 1)
    return turned


def seen(x: Tensor, view: int) -> Tensor:
    """Return pixels (n, c, h, w) in a view, 0 to 7; transposed ones are (n, c, w, h)."""
    if view & _TRANSPOSED:
        x = x.transpose(2, 3)
    if view & _ROWS:
        x = mirrored(x, 2)
    if view & _COLUMNS:
        x = mirrored(x, 3)
    return x


def seen_nodes(nodes: Tensor, view: int) -> Tensor:
    """Return what is told on a lattice of 64 px in a view; that it lies a pixel off is let be."""
    if view & _TRANSPOSED:
        nodes = nodes.transpose(2, 3)
    axes = [axis for axis, bit in ((2, _ROWS), (3, _COLUMNS)) if view & bit]
    return nodes.flip(axes) if axes else nodes


def _back(y: Tensor, view: int) -> tuple[Tensor, Tensor]:
    """Return what was made of a view, turned back (n, c, h, w), and where it says something (h, w)."""
    said = torch.ones(y.shape[-2:], device=y.device, dtype=y.dtype)
    if view & _COLUMNS:
        y = y.flip(3).roll(1, 3)
        said[:, 0] = 0  # place 0 of the picture was not in the view
    if view & _ROWS:
        y = y.flip(2).roll(1, 2)
        said[0] = 0
    if view & _TRANSPOSED:
        y, said = y.transpose(2, 3), said.T
    return y, said


def mean_of_views(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, count: int
) -> Tensor:
    """Return the mean of what a network makes of ``count`` views of pixels, turned back.

    Args:
        predict: (n, 3, h, w) in 0..1, (n, 1, h/64, w/64) -> (n, c, h, w); also for w by h.
        x: (n, 3, h, w) in 0..1, even sides, an even row and column of the scene first.
        sigma: (n, 1, h/64, w/64).
        count: one of ``VIEWS``. Raises ValueError otherwise.
    """
    total, weight = _summed(_made(predict, x, sigma, count))
    return total / weight


def _made(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, count: int
) -> Iterator[tuple[Tensor, Tensor]]:
    if count not in VIEWS:
        raise ValueError(f"{count} views: must be one of {', '.join(map(str, VIEWS))}")
    for view in range(count):
        yield _back(predict(seen(x, view), seen_nodes(sigma, view)), view)


def _summed(made: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    total, weight = next(made)
    for values, said in made:
        total = total + values * said
        weight = weight + said
    return total, weight
