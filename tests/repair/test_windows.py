"""Windows, seams and lattices of enhancement, with enhancers whose answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from enhance_support import FloatDouble
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps
from rsic_geo.geo.lattice import CELL, cell_counts, sigma_lattice
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.base import Sight
from rsic_geo.repair.plan import EnhancementPlan
from rsic_geo.repair.units import FINE
from rsic_geo.repair.windows import CorrectedRows, correct_window, corrections


class Pixels:
    """A scene in memory."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
        part = self.pixels[(slice(None), *window.slices)]
        return part if bands is None else part[list(bands)]


class Doubler(FloatDouble):
    """Proposes to add each pixel once more, scaled by the distortion told: local, so every window agrees."""

    def propose(self, x: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float32]:
        assert x.shape[1:] == (64 * sigma.shape[0], 64 * sigma.shape[1])
        return x * np.kron(sigma, np.ones((64, 64), np.float32))


def make_plan(
    height: int, width: int, groups: tuple[tuple[int, ...], ...], window_size: int
) -> EnhancementPlan:
    rng = np.random.default_rng(height * 7 + width)
    levels = rng.integers(100, 200, (len(groups), *cell_counts(height, width))).astype(np.uint8)
    bands = sum(map(len, groups))
    return EnhancementPlan(
        height=height, width=width, groups=groups, levels=levels, active=levels > 0, window_size=window_size,
        radiometry=Radiometry.whole_range("uint8", bands),
    )  # fmt: skip


def whole(rows: Iterator[CorrectedRows]) -> NDArray[np.int16]:
    parts = list(rows)
    assert [p.window.row_off for p in parts] == [CELL * i for i in range(len(parts))]
    return np.concatenate([p.correction for p in parts], axis=1)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 700), st.integers(1, 700),
    st.sampled_from([((0, 1, 2),), ((0,), (1,)), ((2, 1, 0), (3,))]),
    st.sampled_from([64, 128, 256, 512]),
)  # fmt: skip
def test_any_size_is_covered_once_and_windows_do_not_matter(
    height: int, width: int, groups: tuple[tuple[int, ...], ...], window_size: int
) -> None:
    bands = sum(map(len, groups))
    scene = Pixels(np.random.default_rng(3).integers(0, 256, (bands, height, width)).astype(np.uint8))
    reference = whole(corrections(scene, Doubler(), make_plan(height, width, groups, 256), Progress()))
    other = whole(corrections(scene, Doubler(), make_plan(height, width, groups, window_size), Progress()))
    assert reference.shape == (bands, height, width)
    np.testing.assert_array_equal(other, reference)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_window_is_that_part_of_the_whole(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 600)), data.draw(st.integers(1, 600))
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    area = Window.between(
        top, data.draw(st.integers(top + 1, height)), left, data.draw(st.integers(left + 1, width))
    )
    scene = Pixels(np.random.default_rng(4).integers(0, 256, (3, height, width)).astype(np.uint8))
    plan = make_plan(height, width, ((0, 1, 2),), 256)
    everything = whole(corrections(scene, Doubler(), plan, Progress()))
    part = correct_window(scene, Doubler(), plan, area)
    np.testing.assert_array_equal(part, everything[(slice(None), *area.slices)])


def test_cells_nobody_needs_are_not_computed() -> None:
    seen: list[Window] = []

    class Counting(Doubler):
        def correct(self, sight: Sight, seed: int = 0) -> NDArray[np.int16]:
            seen.append(sight.core)
            return super().correct(sight, seed)

    scene = Pixels(np.full((3, 2048, 2048), 9, np.uint8))
    plan = make_plan(2048, 2048, ((0, 1, 2),), 256)
    plan.active[:] = False
    plan.active[0, 3, 3] = True
    rows = whole(corrections(scene, Counting(), plan, Progress()))
    assert seen == [Window(row_off=768, col_off=768, height=256, width=256)]
    assert rows[:, 3 * CELL : 4 * CELL, 3 * CELL : 4 * CELL].min() > 0
    assert not rows[:, :CELL].any()


@pytest.mark.parametrize(("window_size", "workers"), [(256, 1), (512, 1), (256, 2), (1024, 2)])
def test_each_pixel_is_read_once_and_handed_on(window_size: int, workers: int) -> None:
    read: list[Window] = []

    class Counting(Pixels):
        def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.uint8]:
            read.append(window)
            return super().read(window, bands=bands)

    scene = Counting(np.random.default_rng(6).integers(0, 256, (4, 1100, 900)).astype(np.uint8))
    plan = replace(make_plan(1100, 900, ((2, 1, 0),), window_size), workers=workers)
    plan = replace(plan, radiometry=Radiometry.whole_range("uint8", 4))  # the fourth is of no group
    plan.active[0, 1:3] = False  # a strip that nothing is computed for
    rows = list(corrections(scene, Doubler(), plan, Progress()))
    np.testing.assert_array_equal(np.concatenate([part.decoded for part in rows], axis=1), scene.pixels)
    assert sum(window.pixel_count for window in read) == 1100 * 900


def test_cancelling_stops_between_batches() -> None:
    scene = Pixels(np.zeros((3, 512, 512), np.uint8))
    plan = make_plan(512, 512, ((0, 1, 2),), 256)
    with pytest.raises(Exception, match="cancelled"):
        whole(corrections(scene, Doubler(), plan, Progress(callback=lambda part, text: False)))


@pytest.mark.parametrize("workers", [2, 5])
def test_workers_change_nothing_and_an_error_of_one_is_raised(workers: int) -> None:
    scene = Pixels(np.random.default_rng(1).integers(0, 256, (3, 700, 900)).astype(np.uint8))
    plan = make_plan(700, 900, ((0, 1, 2),), 128)
    several = replace(plan, workers=workers)
    alone, together = (whole(corrections(scene, Doubler(), p, Progress())) for p in (plan, several))
    np.testing.assert_array_equal(together, alone)

    class Failing(Doubler):
        def propose(self, x: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float32]:
            raise RuntimeError("at work")

    with pytest.raises(RuntimeError, match="at work"):
        whole(corrections(scene, Failing(), several, Progress()))
    first = corrections(scene, Doubler(), several, Progress())
    next(first)
    first.close()  # waits for nothing but the windows begun


def test_rows_that_are_done_are_let_go() -> None:
    """Held is one strip, its pixels and its corrections, and one window's work; not the strip before."""
    import tracemalloc

    bands, height, width = 4, 2100, 12_000

    class Flat:
        def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[np.uint16]:
            return np.full((4 if bands is None else len(bands), window.height, window.width), 7, np.uint16)

    cells = (bands, -(-height // 256), -(-width // 256))
    plan = EnhancementPlan(
        height=height,
        width=width,
        groups=tuple((band,) for band in range(bands)),
        levels=np.full(cells, 100, np.uint8),
        radiometry=Radiometry.whole_range("uint16", bands),
        active=np.ones(cells, bool),
        window_size=512,
    )
    tracemalloc.start()
    # no name for what was yielded: it would hold on to it
    covered = sum(map(lambda rows: rows.window.height, corrections(Flat(), Doubler(), plan, Progress())))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert covered == height
    strip = 2 * bands * 256 * width
    # half a strip that is kept, the next one while it is read and put together, and its corrections
    assert peak < 3.4 * strip


class Proposer(Doubler):
    """Proposes the pixels, then their negatives, then a constant for every band."""

    proposals = 3

    def propose(self, x: NDArray[np.float32], sigma: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([x / 4, -x / 4, np.full_like(x, 0.25)])


@pytest.mark.parametrize("known", [Proposer(), Doubler()])
def test_filters_take_the_proposals_of_every_band_of_a_cluster(known: Doubler) -> None:
    """Bands of several groups, each proposal with a coefficient of its own, against sums written out."""
    groups = ((0, 1, 2), (3,), (4,))
    plan = make_plan(150, 200, groups, 128)
    scene = np.random.default_rng(2).integers(0, 256, (5, 150, 200)).astype(np.uint8)
    coefficients = np.random.default_rng(3).integers(-20, 20, (1, 5, 15)).astype(np.int16)
    taps = FilterTaps(bands=5, reach=0, edges=(), differences=coefficients, proposals=3)
    plan = replace(plan, filters=(taps,))
    found = whole(corrections(Pixels(scene), known, plan, Progress()))
    x = scene / np.float32(255)
    if isinstance(known, Proposer):
        proposed = [x / 4, -x / 4, np.full_like(x, 0.25)]
    else:  # a network of one proposal: what the filter also wants counts as nothing
        sigma = np.stack(
            [
                sigma_lattice(level, Window(row_off=0, col_off=0, height=192, width=256))
                for level in plan.levels
            ]
        )
        told = np.kron(sigma, np.ones((64, 64), np.float32))[:, :150, :200]
        proposed = [x * told[[0, 0, 0, 1, 2]], np.zeros_like(x), np.zeros_like(x)]
    weights = taps.coefficients[0] / 16
    expected = np.clip(np.tensordot(weights, np.concatenate(proposed), axes=1) * FINE, -32767, 32767)
    np.testing.assert_allclose(found, expected, atol=3 * np.abs(weights).sum(axis=1).max())
    area = Window(row_off=20, col_off=40, height=90, width=100)
    part = correct_window(Pixels(scene), known, plan.for_bands((4,)), area)
    np.testing.assert_array_equal(part[4], found[(4, *area.slices)])
