"""What every enhancer promises, asked of every enhancer there is."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support import REPOSITORY

from rsic_geo.errors import GridError
from rsic_geo.repair import IdentityEnhancer, load_enhancer
from rsic_geo.repair.base import ALIGN


@pytest.fixture(
    params=["identity", "documented", "busy", "busy-3", "busy-pair", "busy-ldm", "shipped", "shipped-fast"]
)
def enhancer(request):
    if request.param == "identity":
        return IdentityEnhancer()
    if request.param == "documented":
        return documented()
    if request.param == "busy":
        return request.getfixturevalue("busy_enhancer")
    if request.param == "busy-3":
        return request.getfixturevalue("busy_proposer")
    if request.param == "busy-pair":
        return request.getfixturevalue("busy_pair")
    if request.param == "busy-ldm":
        return request.getfixturevalue("busy_ldm")
    return load_enhancer("auto", "cpu", fast=request.param == "shipped-fast")


def documented():
    """Return the enhancer that the documentation writes."""
    text = (REPOSITORY / "docs" / "pages" / "extending.md").read_text(encoding="utf-8")
    found: dict[str, object] = {}
    exec(
        next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Sharpen" in code), found
    )
    return found["Sharpen"]()


def scene(bands: int, side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a distorted scene (1, bands, side, side) and its sigma: smooth ground, edges, noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, (bands, side // 16, side // 16))
    pixels = np.kron(coarse, np.ones((16, 16))) + rng.normal(0, 0.03, (bands, side, side))
    sigma = np.exp(rng.uniform(np.log(0.005), np.log(0.06), (1, side // ALIGN, side // ALIGN)))
    return pixels[None].astype(np.float32), sigma.astype(np.float32)


def test_name_digest_and_margins_are_given(enhancer):
    assert isinstance(enhancer.name, str)
    assert isinstance(enhancer.sha256, str)
    assert enhancer.align == ALIGN
    assert enhancer.halo % enhancer.align == 0
    assert enhancer.halo <= 96


@pytest.mark.parametrize("bands", [1, 3])
def test_correction_has_the_shape_of_the_pixels_and_is_finite(enhancer, bands):
    x, sigma = scene(bands, 128)
    correction = enhancer.correct(x, sigma)
    assert correction.shape == (1, enhancer.proposals * bands, 128, 128)
    assert correction.dtype == np.float32
    assert np.isfinite(correction).all()


def test_same_input_gives_the_same_bytes_and_input_is_untouched(enhancer):
    x, sigma = scene(3, 128)
    before = x.tobytes(), sigma.tobytes()
    assert enhancer.correct(x, sigma).tobytes() == enhancer.correct(x, sigma).tobytes()
    assert (x.tobytes(), sigma.tobytes()) == before


@pytest.mark.parametrize("bands", [1, 3])
def test_a_window_does_not_depend_on_the_others_in_its_batch(enhancer, bands):
    scenes = [scene(bands, 64, seed) for seed in range(3)]
    together = enhancer.correct(
        np.concatenate([s[0] for s in scenes]), np.concatenate([s[1] for s in scenes])
    )
    alone = np.concatenate([enhancer.correct(*s) for s in scenes])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_strided_input_is_the_same_as_contiguous_input(enhancer):
    x, sigma = scene(3, 128)
    wide = np.repeat(x, 2, axis=3)[:, :, :, ::2]
    assert enhancer.correct(wide, sigma).tobytes() == enhancer.correct(x, sigma).tobytes()


@pytest.mark.parametrize(("bands", "window"), [(3, 128), (3, 256), (1, 256)])
def test_window_size_does_not_matter_inside_the_halo(enhancer, bands, window):
    side, halo = 768, enhancer.halo
    x, sigma = scene(bands, side)
    whole = enhancer.correct(x, sigma)[0]
    # proposals that are larger than the first are mixed in by as much less
    size = np.sqrt(np.square(whole.reshape(enhancer.proposals, -1)).mean(axis=1))
    scale = np.repeat(np.maximum(1, size / max(size[0], 1e-9)), bands)[:, None, None]
    worst = []
    for row in range(128, side - 128 - window + 1, window):
        for col in range(128, side - 128 - window + 1, window):
            r0, c0, outer = row - halo, col - halo, window + 2 * halo
            nodes = (
                slice(None),
                slice(r0 // ALIGN, (r0 + outer) // ALIGN),
                slice(c0 // ALIGN, (c0 + outer) // ALIGN),
            )
            pixels = x[:, :, r0 : r0 + outer, c0 : c0 + outer]
            part = enhancer.correct(pixels, sigma[nodes], origins=[(r0 // ALIGN, c0 // ALIGN)])[0]
            inner = part[:, halo : halo + window, halo : halo + window]
            worst.append(np.abs(inner - whole[:, row : row + window, col : col + window]) / scale)
    assert np.quantile(worst, 0.999) < 0.1 / 255


def test_fast_arithmetic_stays_within_a_fraction_of_the_distortion():
    x, sigma = scene(3, 256)
    exact, fast = (load_enhancer("auto", "cpu", fast=fast).correct(x, sigma) for fast in (False, True))
    difference = np.abs(exact - fast) / sigma.mean()
    assert np.quantile(difference, 0.99) < 0.1


def test_extreme_pixels_and_distortions_stay_finite(enhancer):
    x = np.stack([np.zeros((3, 64, 64)), np.ones((3, 64, 64)), np.full((3, 64, 64), 7.0)]).astype(np.float32)
    for told in (0.0, 1e-9, 1.0):
        assert np.isfinite(enhancer.correct(x, np.full((3, 1, 1), told, np.float32))).all()


@pytest.mark.parametrize(
    ("pixels", "nodes"),
    [
        ((1, 3, 60, 64), (1, 1, 1)),
        ((1, 2, 64, 64), (1, 1, 1)),
        ((1, 3, 64, 0), (1, 1, 0)),
        ((3, 64, 64), (1, 1, 1)),
        ((1, 3, 64, 64), (1, 2, 1)),
        ((2, 3, 64, 64), (1, 1, 1)),
    ],
)
def test_other_shapes_are_refused(enhancer, pixels, nodes):
    with pytest.raises(GridError):
        enhancer.correct(np.zeros(pixels, np.float32), np.zeros(nodes, np.float32))


def test_every_window_needs_its_origin(enhancer):
    x, sigma = scene(3, 64)
    with pytest.raises(GridError, match="origins"):
        enhancer.correct(x, sigma, origins=[(0, 0), (0, 1)])
