"""What every enhancer promises, asked of every enhancer there is."""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from support import REPOSITORY

torch = pytest.importorskip("torch")

from enhance_support import WEIGHTS, corrected, look  # noqa: E402

from rsic_geo.errors import GridError  # noqa: E402
from rsic_geo.geo.lattice import CELL, level_from_rmse  # noqa: E402
from rsic_geo.geo.window import Window  # noqa: E402
from rsic_geo.repair import IdentityEnhancer, load_enhancer  # noqa: E402
from rsic_geo.repair.base import Sight  # noqa: E402
from rsic_geo.repair.phase import Shifted, wavelet_phase  # noqa: E402
from rsic_geo.repair.torch_enhancer import TorchEnhancer  # noqa: E402


@pytest.fixture(
    params=[
        "identity",
        "documented",
        "busy",
        "busy-3",
        "busy-pair",
        "busy-ldm",
        "rsic-nano",
        "rsic-tiny",
        "cut",
    ]
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
    if request.param == "cut":
        return Shifted(load_enhancer("rsic-nano", "cpu"), (1, 1))
    return load_enhancer(request.param, "cpu")


def documented():
    """Return the enhancer that the documentation writes."""
    text = (REPOSITORY / "docs" / "pages" / "extending.md").read_text(encoding="utf-8")
    found: dict[str, object] = {}
    exec(
        next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Sharpen" in code), found
    )
    return found["Sharpen"]()


def scene(bands: int, side: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a distorted scene (bands, side, side) and its cells' levels: smooth ground, edges, noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.1, 0.9, (bands, side // 16, side // 16))
    pixels = np.kron(coarse, np.ones((16, 16))) + rng.normal(0, 0.03, (bands, side, side))
    cells = level_from_rmse(np.exp(rng.uniform(np.log(0.005), np.log(0.06), (-(-side // CELL),) * 2)))
    return pixels, cells


def test_name_digest_and_margins_are_given(enhancer):
    assert isinstance(enhancer.name, str)
    assert isinstance(enhancer.sha256, str)
    assert 0 <= enhancer.halo <= 200
    core, bounds = Window(row_off=256, col_off=320, height=100, width=64), Window.full(1024, 900)
    view = enhancer.view(core, bounds)
    assert view.contains(core)
    assert bounds.contains(view)
    assert enhancer.view(bounds, bounds) == bounds


@pytest.mark.parametrize("bands", [1, 3])
def test_correction_has_the_shape_of_the_core(enhancer, bands):
    x, cells = scene(bands, 128)
    core = Window(row_off=3, col_off=40, height=61, width=70)
    correction = enhancer.correct(replace(look(x, cells), core=core))
    assert correction.shape == (enhancer.proposals * bands, 61, 70)
    assert correction.dtype == np.int16
    whole = enhancer.correct(look(x, cells))
    np.testing.assert_array_equal(correction, whole[(slice(None), *core.slices)])


def test_same_input_gives_the_same_bytes_and_input_is_untouched(enhancer):
    sight = look(*scene(3, 128))
    before = sight.pixels.tobytes(), sight.cells.tobytes()
    assert enhancer.correct(sight).tobytes() == enhancer.correct(sight).tobytes()
    assert (sight.pixels.tobytes(), sight.cells.tobytes()) == before


def test_windows_side_by_side_are_as_alone(enhancer):
    sights = [look(*scene(3, 128, seed)) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(enhancer.correct, sights))
    for sight, found in zip(sights, together, strict=True):
        np.testing.assert_array_equal(found, enhancer.correct(sight))


def test_strided_input_is_the_same_as_contiguous_input(enhancer):
    sight = look(*scene(3, 128))
    wide = np.repeat(sight.pixels, 2, axis=2)[:, :, ::2]
    assert enhancer.correct(replace(sight, pixels=wide)).tobytes() == enhancer.correct(sight).tobytes()


@pytest.mark.parametrize(("bands", "size"), [(3, 128), (3, 250), (1, 256)])
def test_window_size_does_not_matter(enhancer, bands, size):
    """Networks of integers: to the bit, at the scene's edges and anywhere; others within a tolerance."""
    side = 768
    x, cells = scene(bands, side)
    bounds = Window.full(side, side)
    sight = look(x, cells)
    whole = enhancer.correct(sight).astype(int)
    worst = []
    for row in range(0, side, 193):
        for col in range(0, side, 205):
            core = Window(row_off=row, col_off=col, height=size, width=size).intersection(bounds)
            window = enhancer.view(core, bounds)
            pixels = sight.pixels[(slice(None), *window.slices)]
            part = enhancer.correct(Sight(pixels=pixels, window=window, core=core, cells=cells))
            worst.append(np.abs(part - whole[(slice(None), *core.slices)]).ravel())
    difference = np.concatenate(worst)
    if enhancer.is_exact:
        assert not difference.any()
    else:
        # proposals that are larger than the first are mixed in by as much less
        size = np.sqrt(np.square(whole.reshape(enhancer.proposals, -1)).mean(axis=1)).max()
        assert np.quantile(difference, 0.999) < 0.1 * 256 * max(1, size / 256)


def test_fast_arithmetic_stays_within_a_fraction_of_the_distortion(busy_enhancer):
    x, _ = scene(3, 256)
    sight = look(x, 0.02)
    fast = TorchEnhancer(busy_enhancer._network.rgb, WEIGHTS, device=torch.device("cpu"), fast=True)
    difference = np.abs(corrected(busy_enhancer, sight) - corrected(fast, sight)) / 0.02
    assert np.quantile(difference, 0.99) < 0.1


def test_extreme_pixels_and_distortions_are_answered(enhancer):
    for value in (-1.0, 0.0, 1.0, 2.0):
        for level in (0, 1, 255):
            sight = look(np.full((3, 64, 64), value), np.full((1, 1), level, np.uint8))
            assert enhancer.correct(sight).shape == (3 * enhancer.proposals, 64, 64)


@pytest.mark.parametrize("shape", [(2, 64, 64), (3, 64, 32), (64, 64)])
def test_other_shapes_are_refused(shape):
    sight = look(np.zeros((3, 64, 64)), 0.1)
    with pytest.raises(GridError):
        replace(sight, pixels=np.zeros(shape, np.int16)).check()
    with pytest.raises(GridError):
        replace(sight, core=Window.full(65, 64)).check()


@pytest.mark.parametrize("phase", [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("again", [None, {"format": "JPEG", "quality": 90}])
def test_a_wavelet_that_began_elsewhere_is_found_and_its_picture_repaired_as_if_whole(phase, again):
    """Independent oracle: Pillow codes the whole; away from its edges a part is corrected as that is."""
    cut = (slice(None), *(slice(first, first + 256) for first in phase))
    x, _ = scene(3, 320, seed=3)
    coded = saved(
        (255 * x).clip(0, 255).astype(np.uint8),
        {"format": "JPEG2000", "irreversible": True, "quality_mode": "dB", "quality_layers": [30]},
    )
    part = coded[cut]
    assert wavelet_phase(coded) == (0, 0)
    assert wavelet_phase(part if again is None else saved(part, again)) == phase
    enhancer = load_enhancer("rsic-nano", "cpu")
    whole = enhancer.correct(look(coded / 255, 0.02)).astype(int)[cut]
    mine = Shifted(enhancer, phase).correct(look(part / 255, 0.02)).astype(int)
    inner = (slice(None), slice(96, 160), slice(96, 160))
    untold = enhancer.correct(look(part / 255, 0.02)).astype(int)
    assert (mine == whole)[inner].mean() > 0.99
    assert (untold == whole)[inner].mean() < 0.1


def saved(pixels: np.ndarray, how: dict[str, object]) -> np.ndarray:
    """Return pixels (3, h, w) as Pillow writes and reads them."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, **how)
    return np.asarray(Image.open(buffer)).transpose(2, 0, 1)
