"""What a codec does to an image, and how the archive will describe it to the network.

Images here are (height, width, 3) uint8 as Pillow has them. All randomness comes from the
generator given, so a sample is a function of (image, generator state).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

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
    tone_share: float = 0.25
    """Share of images given a random gain and gamma."""
    tiled_share: float = 0.1
    """Share of images coded in 256 px tiles, so that tile borders are known."""
    is_coded: bool = True
    """False: images are varied but not coded, for training a codec."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded:
    """One coded image with its original."""

    original: Image8
    """(h, w, 3)."""
    decoded: Image8
    """(h, w, 3); the same band three times where it was coded as one."""
    levels: Image8
    """(ceil(h/256), ceil(w/256)) log RMSE of each cell, 1/16 octave."""


def code_jpeg2000(image: Image8, bits_per_pixel: float, *, tile: int | None = None) -> tuple[Image8, int]:
    """Code an (h, w) or (h, w, 3) image with the 9/7 wavelet; return what comes back, and the bytes."""
    bands = 1 if image.ndim == 2 else 3
    extra = {"tile_size": (tile, tile)} if tile else {}
    coded = io.BytesIO()
    Image.fromarray(image).save(
        coded,
        "JPEG2000",
        irreversible=True,
        mct=1 if bands == 3 else 0,
        quality_mode="rates",
        quality_layers=[8 * bands / bits_per_pixel],
        **extra,
    )
    size = coded.tell()
    with Image.open(io.BytesIO(coded.getvalue())) as decoded:
        return np.asarray(decoded, dtype=np.uint8), size


def cell_levels(original: Image8, decoded: Image8) -> Image8:
    """Return the RMSE (units of 0..1) of every 256 px cell as level bytes, at least 1."""
    error = original.astype(np.float32) - decoded.astype(np.float32)
    energy = np.square(error / 255.0).mean(axis=2)
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
    if rng.random() < options.grey_share:
        mix = rng.integers(4)
        band = image[:, :, mix] if mix < 3 else image.mean(axis=2).astype(np.uint8)
        band = np.ascontiguousarray(band)
        decoded = code_jpeg2000(band, rate * 0.65, tile=tile)[0] if options.is_coded else band
        original, decoded = (np.repeat(part[:, :, None], 3, axis=2) for part in (band, decoded))
    else:
        original = image
        decoded = code_jpeg2000(image, rate, tile=tile)[0] if options.is_coded else image
    return Degraded(original=original, decoded=decoded, levels=cell_levels(original, decoded))
