"""The trials say what is so on pixels whose answer is known."""

from __future__ import annotations

import numpy as np

from rsic_geo.evaluation.trials import FOREIGN, blind_ratio, colour_gain, foreign_gain


def textured(seed: int) -> np.ndarray:
    """Return (h, w) of rough brightness."""
    noise = np.random.default_rng(seed).normal(0, 1, (256, 256))
    return (
        128
        + 30 * noise.cumsum(axis=0).cumsum(axis=1) / np.abs(noise.cumsum(axis=0).cumsum(axis=1)).max()
        + 8 * noise
    )


def test_bands_alike_gain_and_bands_apart_do_not() -> None:
    alike = np.stack([textured(1)] * 3).clip(0, 255).astype(np.uint8)
    apart = np.stack([textured(seed) for seed in (1, 2, 3)]).clip(0, 255).astype(np.uint8)
    assert colour_gain(alike, 8) > 2
    assert colour_gain(apart, 8) < 0.5


def test_shifted_recompression_comes_near_the_truth() -> None:
    pixels = np.stack([textured(seed) for seed in (1, 1, 1)]).clip(0, 255).astype(np.uint8)
    assert 0.8 < blind_ratio(pixels, 1.2) < 2.5


def test_files_of_other_codecs_are_enhanced_and_measured(tmp_path) -> None:
    pixels = np.stack([textured(seed) for seed in (1, 1, 1)]).clip(0, 255).astype(np.uint8)
    for name in ("JPEG 25", "JPEG 2000 0.6 bpp"):
        gain, factor, error = foreign_gain(pixels, FOREIGN[name], tmp_path)
        assert error > 3
        # what leaves less error than before is going the right way, and not more than twice too far
        assert (gain > 0) == (factor > 0.5)
