"""A prior that begins with noise: the scene's correction does not hang on how it is cut into windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rsic_geo.geo.radiometry import Radiometry  # noqa: E402
from rsic_geo.geo.window import Window  # noqa: E402
from rsic_geo.progress import Progress  # noqa: E402
from rsic_geo.repair.network import LdmNetwork, LdmSpec, PriorSpec, UNetSpec  # noqa: E402
from rsic_geo.repair.plan import EnhancementPlan  # noqa: E402
from rsic_geo.repair.torch_enhancer import TorchEnhancer  # noqa: E402
from rsic_geo.repair.windows import correct_window, corrections  # noqa: E402
from rsic_geo.weights import WeightsFile  # noqa: E402

HEIGHT, WIDTH = 700, 900


class Pixels:
    """A decoded scene in memory."""

    def __init__(self) -> None:
        rng = np.random.default_rng(4)
        fields = np.kron(rng.uniform(40, 210, (3, 35, 45)), np.ones((20, 20)))
        self.pixels = (fields + rng.normal(0, 6, fields.shape)).clip(0, 255).astype(np.uint8)

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> np.ndarray:
        return self.pixels[(list(bands or (0, 1, 2)), *window.slices)]


@pytest.fixture(scope="module")
def enhancer() -> TorchEnhancer:
    torch.manual_seed(6)
    prior = PriorSpec(channels=8, widths=(8, 12), hidden=16, depth=2)
    network = LdmNetwork(LdmSpec(restorer=UNetSpec(widths=(8, 12, 16), blocks=(1, 1, 1)), prior=prior))
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0.0, 0.05)
    weights = WeightsFile(name="busy", sha256="00", content=b"", metadata={})
    return TorchEnhancer(network, weights, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def plan() -> EnhancementPlan:
    return EnhancementPlan(
        height=HEIGHT,
        width=WIDTH,
        groups=((0, 1, 2),),
        levels=np.random.default_rng(0).integers(140, 190, (1, 3, 4)).astype(np.uint8),
        radiometry=Radiometry(dtype="uint8", low=(0.0,) * 3, high=(255.0,) * 3),
        active=np.ones((1, 3, 4), np.bool_),
        seed=11,
    )


def whole(enhancer: TorchEnhancer, plan: EnhancementPlan) -> np.ndarray:
    rows = corrections(Pixels(), enhancer, plan, Progress())
    return np.concatenate([row.correction for row in rows], axis=1)


def test_window_size_does_not_matter(enhancer, plan):
    large, small = (whole(enhancer, replace(plan, window_size=size)) for size in (512, 256))
    assert large.shape == (3, HEIGHT, WIDTH)
    assert large.std() > 0.5 * 256
    assert np.quantile(np.abs(large.astype(int) - small), 0.999) < 0.1 * 256


def test_a_part_is_that_part_of_the_whole(enhancer, plan):
    area = Window(row_off=330, col_off=470, height=210, width=300)
    part = correct_window(Pixels(), enhancer, plan, area)
    difference = np.abs(part.astype(int) - whole(enhancer, plan)[(slice(None), *area.slices)])
    assert np.quantile(difference, 0.999) < 0.1 * 256


def test_the_seed_of_the_scene_reaches_the_noise(enhancer, plan):
    ours, other = (whole(enhancer, replace(plan, seed=seed)) for seed in (11, 12))
    assert np.abs(ours.astype(int) - other).max() > 0.05 * 256
