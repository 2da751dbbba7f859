"""What a codec does to an image, and how the archive will describe it to the network.

Images here are (height, width, 3) uint8 as Pillow has them; what was coded with 16 bits is uint16. All
randomness comes from the generator given, so a sample is a function of (image, generator state).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

CELL = 256
"""Side in px of the cells whose RMSE the archive stores (as in the pipeline)."""
NODE = 64
"""Distance in px of the lattice nodes the network is told."""
_OCTAVE_STEPS = 16
_OCTAVE_ZERO = 15.9

Image8 = NDArray[np.uint8]
Samples: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
"""Pixels of 8 or 16 bits; units of 0..1 are those of the type's whole range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DegradeOptions:
    """How training images are varied before and while they are coded."""

    rate_low: float = 0.08
    """Lowest rate in bits per pixel of a three-band image."""
    rate_high: float = 2.2
    """Highest rate in bits per pixel of a three-band image."""
    shrink_share: float = 1 / 3
    """Share of images downscaled by 0.5 to 0.9, which also hides old JPEG artefacts."""
    permute_share: float = 0.25
    """Share of images with their bands in random order."""
    grey_share: float = 0.2
    """Share of images coded as one band."""
    deep_share: float = 0.5
    """Share of those that are a mix of the three bands in 16 bits, as panchromatic sensors see."""
    tone_share: float = 0.25
    """Share of images given a random gain and gamma."""
    tiled_share: float = 0.1
    """Share of images coded in 256 px tiles, so that tile borders are known."""
    is_coded: bool = True
    """False: images are varied but not coded, for training a codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """One coded image with its original."""

    original: Samples
    """(h, w, 3)."""
    decoded: Samples
    """(h, w, 3), of the same type; the same band three times where it was coded as one."""
    levels: Image8
    """(ceil(h/256), ceil(w/256)) log RMSE of each cell, 1/16 octave."""


def code_jpeg2000(
    image: NDArray[Any], bits_per_pixel: float, *, tile: int | None = None
) -> tuple[NDArray[Any], int]:
    """Code with the 9/7 wavelet; return what comes back, and the bytes.

    ``image``: (h, w, 3) uint8, or (h, w) uint8 or uint16; what comes back has its shape and type.
    """
    bands = 1 if image.ndim == 2 else 3
    extra = {"tile_size": (tile, tile)} if tile else {}
    coded = io.BytesIO()
    Image.fromarray(image).save(
        coded,
        "JPEG2000",
        irreversible=True,
        mct=1 if bands == 3 else 0,
        quality_mode="rates",
        quality_layers=[8 * image.itemsize * bands / bits_per_pixel],
        **extra,
    )
    size = coded.tell()
    with Image.open(io.BytesIO(coded.getvalue())) as decoded:
        return np.asarray(decoded, dtype=image.dtype), size


def unit_pixels(samples: Samples) -> NDArray[np.float32]:
    """Return pixels in units of 0..1."""
    return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max)


def as_deep(arrays: Sequence[Samples]) -> Sequence[Samples]:
    """Return arrays of one type: as they are if they are, else with 16 bits."""
    if all(one.dtype == np.uint8 for one in arrays):
        return arrays
    return [one if one.dtype == np.uint16 else one.astype(np.uint16) * np.uint16(257) for one in arrays]


def cell_levels(original: Samples, decoded: Samples) -> Image8:
    """Return the RMSE (units of 0..1) of every 256 px cell as level bytes, at least 1."""
    energy = np.square(unit_pixels(original) - unit_pixels(decoded)).mean(axis=2)
    height, width = energy.shape
    levels = np.empty((-(-height // CELL), -(-width // CELL)), dtype=np.uint8)
    for row, col in np.ndindex(levels.shape):
        part = energy[row * CELL : (row + 1) * CELL, col * CELL : (col + 1) * CELL]
        rmse = max(float(np.sqrt(part.mean())), 2.0**-16)
        levels[row, col] = np.clip(round(_OCTAVE_STEPS * (np.log2(rmse) + _OCTAVE_ZERO)), 1, 255)
    return levels


def octaves_at_nodes(levels: Image8, rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return log2 RMSE at node centres (px), bilinear between cell centres, clamped outside."""
    octaves = levels.astype(np.float32) / _OCTAVE_STEPS - _OCTAVE_ZERO

    def weights(centres: NDArray[np.int64], count: int) -> NDArray[np.float32]:
        place = np.clip((centres - CELL / 2) / CELL, 0, count - 1)
        distance = np.abs(place[:, None] - np.arange(count)[None, :])
        return np.maximum(0.0, 1.0 - distance).astype(np.float32)

    at_nodes = weights(rows, levels.shape[0]) @ octaves @ weights(cols, levels.shape[1]).T
    return at_nodes.astype(np.float32)


def vary(image: Image8, rng: np.random.Generator, options: DegradeOptions, *, smallest: int) -> Image8:
    """Return a random variant (scale, orientation, band order, tone), each side at least ``smallest`` px."""
    if rng.random() < options.shrink_share:
        factor = max(rng.uniform(0.5, 0.9), smallest / min(image.shape[:2]))
        if factor < 0.95:
            size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
            image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS))
    if rng.random() < 0.5:
        image = image.transpose(1, 0, 2)
    if rng.random() < 0.5:
        image = image[::-1]
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < options.permute_share:
        image = image[:, :, rng.permutation(3)]
    if rng.random() < options.tone_share:
        gain, gamma, lift = rng.uniform(0.35, 1.25), np.exp(rng.uniform(-0.4, 0.4)), rng.uniform(0.0, 0.2)
        tones = (np.linspace(0, 1, 256) ** gamma * gain + lift) * 255
        image = np.clip(np.round(tones), 0, 255).astype(np.uint8)[image]
    return np.ascontiguousarray(image)


def degrade(image: Image8, rng: np.random.Generator, options: DegradeOptions) -> Degraded:
    """Code an (h, w, 3) image at one random rate, as three bands or as one."""
    rate = float(np.exp(rng.uniform(np.log(options.rate_low), np.log(options.rate_high))))
    tile = CELL if rng.random() < options.tiled_share and min(image.shape[:2]) >= CELL else None
    if rng.random() < options.grey_share or np.ptp(image, axis=2).max() == 0:  # a band is coded as one
        band = _single_band(image, rng, options)
        decoded = code_jpeg2000(band, rate * 0.65, tile=tile)[0] if options.is_coded else band
        original, decoded = (np.repeat(part[:, :, None], 3, axis=2) for part in (band, decoded))
    else:
        original = image
        decoded = code_jpeg2000(image, rate, tile=tile)[0] if options.is_coded else image
    return Degraded(original=original, decoded=decoded, levels=cell_levels(original, decoded))


def _single_band(image: Image8, rng: np.random.Generator, options: DegradeOptions) -> NDArray[Any]:
    """Return one band (h, w): of the image, its mean, or a random mix in 16 bits."""
    mix = rng.integers(4)
    if options.is_coded and rng.random() < options.deep_share:
        deep = image.astype(np.float32) @ rng.dirichlet((1.0, 1.0, 1.0)).astype(np.float32)
        return np.clip(np.round(deep * 257), 0, 65535).astype(np.uint16)
    return np.ascontiguousarray(image[:, :, mix] if mix < 3 else image.mean(axis=2).astype(np.uint8))
