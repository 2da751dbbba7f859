"""Promise 2: whatever an enhancer proposes, no cell of any band group has a larger squared error."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pipeline_support import Smoother, crop, installed, painted, scored, write_scene
from rasterio.windows import Window
from support import SCENES, needs_shared

import rsic_geo
from rsic_geo.geo.lattice import CELL
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.repair import IdentityEnhancer
from rsic_geo.repair.strength import CellBand, fit_cell_row, scaled_correction
from rsic_geo.repair.units import FINE

TYPES = ("uint8", "uint16", "int16")


def squared_errors(
    original: NDArray[Any], other: NDArray[Any], counts: NDArray[np.bool_], members: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the squared error of a band group in every cell (cell rows, cell columns)."""
    index = list(members)
    error = np.where(counts[index], other[index].astype(np.float64) - original[index], 0) ** 2
    rows = range(0, error.shape[1], CELL)
    columns = range(0, error.shape[2], CELL)
    return np.array([[error[:, r : r + CELL, c : c + CELL].sum() for c in columns] for r in rows])


@st.composite
def cell_rows(draw: st.DrawFn) -> tuple[CellBand, Bands]:
    """Draw a row of cells: an original, something like it, and a correction good, useless or mad."""
    groups = draw(st.sampled_from([((0,),), ((0, 1, 2),), ((2, 1, 0), (3,)), ((1,),)]))
    bands = 1 + max(band for group in groups for band in group)
    shape = (bands, draw(st.integers(1, CELL)), draw(st.integers(1, 2 * CELL + 5)))
    dtype = draw(st.sampled_from(TYPES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limits = np.iinfo(dtype)
    spread = draw(st.sampled_from([0, 1, 5, 40, 20_000]))
    original = rng.integers(limits.min, limits.max, shape, endpoint=True)
    if draw(st.booleans()):
        original = np.full(shape, draw(st.integers(limits.min, limits.max)))
    decoded = (original + rng.integers(-spread, spread, shape, endpoint=True)).clip(limits.min, limits.max)
    correction = (original - decoded) * draw(st.sampled_from([0.0, 0.4, 1.0, 3.0, -1.0]))
    correction = correction + rng.normal(0, 1, shape) * draw(st.sampled_from([0.0, 0.4, 10.0, 1e6]))
    valid = rng.random(shape) < draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
    nodata = draw(st.sampled_from([None, limits.min, limits.max, 0, 100]))
    if nodata is not None:
        original[valid & (original == nodata)] += 1 if nodata < limits.max else -1
    ranges = [(float(limits.min), float(limits.max)), (100.0, 9000.0), (-3.5, 12.5)]
    low, high = (0.0, 255.0) if dtype == "uint8" else draw(st.sampled_from(ranges))
    radiometry = Radiometry(dtype=dtype, low=(low,) * bands, high=(high,) * bands)
    return CellBand(
        original=original.astype(dtype),
        decoded=decoded.astype(dtype),
        correction=in_steps(correction, high - low),
        valid=valid,
        nodata=None if nodata is None else (nodata,) * bands,
    ), Bands(groups, radiometry)


@dataclass(frozen=True)
class Bands:
    groups: tuple[tuple[int, ...], ...]
    radiometry: Radiometry


def in_steps(correction: NDArray[Any], span: float = 255.0) -> NDArray[np.int16]:
    """Return a correction of digital numbers in steps of the used range."""
    return np.clip(np.rint(correction * FINE / span), -32767, 32767).astype(np.int16)


def without_nodata(pixels: NDArray[Any], band: CellBand) -> NDArray[Any]:
    """Return what an output holds: valid pixels at nodata moved one number towards the middle of the type."""
    if band.nodata is None:
        return pixels
    value, limits = band.nodata[0], np.iinfo(pixels.dtype)
    middle = (int(limits.min) + int(limits.max) + 1) // 2
    beside = value + 1 if value < middle else value - 1
    return np.where(band.valid & (pixels == value), beside, pixels).astype(pixels.dtype)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cell_rows(), st.sampled_from([None, 0, 3, 50]))
def test_no_cell_gets_worse(drawn, bound):
    band, plan = drawn
    groups = plan.groups
    strengths = fit_cell_row(band, plan, max_error=bound)
    final = without_nodata(scaled_correction(band.decoded, band.correction, strengths, plan), band)
    alone = without_nodata(band.decoded, band)
    assert final.dtype == band.decoded.dtype
    for g, members in enumerate(groups):
        before = squared_errors(band.original, alone, band.valid, members)
        after = squared_errors(band.original, final, band.valid, members)
        assert (after <= before).all()
        assert (after[0][strengths[g] > 0] < before[0][strengths[g] > 0]).all()
    untouched = sorted(set(range(len(final))) - {band for group in groups for band in group})
    np.testing.assert_array_equal(final[untouched], alone[untouched])
    if bound is not None:
        worst = np.abs(band.original.astype(int) - alone)[band.valid].max(initial=0)
        error = np.abs(band.original.astype(int) - final)[band.valid].max(initial=0)
        assert error <= max(bound, worst)


@pytest.mark.parametrize("dtype", TYPES)
def test_a_perfect_correction_is_taken_whole(dtype):
    rng = np.random.default_rng(5)
    original = rng.integers(20, 200, (1, CELL, CELL)).astype(dtype)
    decoded = (original + rng.integers(-9, 9, original.shape)).astype(dtype)
    missing = original.astype(np.float32) - decoded
    plan = Bands(((0,),), Radiometry(dtype=dtype, low=(0.0,), high=(255.0,)))
    band = CellBand(
        original=original, decoded=decoded, correction=in_steps(missing), valid=np.ones(original.shape, bool)
    )
    assert fit_cell_row(band, plan).tolist() == [[128]]
    over = CellBand(
        original=original,
        decoded=decoded,
        correction=in_steps(missing / 10),
        valid=np.ones(original.shape, bool),
    )
    assert fit_cell_row(over, plan).tolist() == [[192]]


class Noise(Smoother):
    """Proposes noise that hangs on the pixels only, as a generator that invents would."""

    name = "noise"

    def propose(self, x, sigma):
        seed = int.from_bytes(hashlib.sha256(x.tobytes()).digest()[:8], "big")
        return np.random.default_rng(seed).normal(0, 0.05, x.shape).astype(np.float32)


class Brighter(Smoother):
    """Is wrong everywhere."""

    name = "brighter"

    def propose(self, x, sigma):
        return np.full(x.shape, 0.25, np.float32)


class Contrary(Smoother):
    """Smooths in every other square and roughens in the rest."""

    name = "contrary"

    def propose(self, x, sigma):
        sign = np.where(np.add.outer(np.arange(sigma.shape[0]), np.arange(sigma.shape[1])) % 2, -1, 1)
        return super().propose(x, sigma) * np.kron(sign, np.ones((64, 64))).astype(np.float32)


def compare_cells(source: Path, archive: Path, folder: Path) -> int:
    """Fail if a cell of the enhanced output is worse than the codec alone; return how many are better."""
    rsic_geo.decompress(archive, folder / "on.tif", overwrite=True)
    rsic_geo.decompress(archive, folder / "off.tif", enhance="off", overwrite=True)
    original, counts = scored(source)
    with rasterio.open(folder / "on.tif") as on, rasterio.open(folder / "off.tif") as off:
        enhanced, alone = on.read(), off.read()
        masks = [scene.read_masks() for scene in (on, off)]
        names = [meaning.name for meaning in on.colorinterp]
    with rasterio.open(source) as scene:
        np.testing.assert_array_equal(scene.read_masks(), masks[0])
        np.testing.assert_array_equal(scene.read_masks(), masks[1])
        for i, value in enumerate(scene.nodatavals):
            if value is not None:
                np.testing.assert_array_equal(enhanced[i] == value, original[i] == value)
    better = 0
    colours = tuple(names.index(c) for c in ("red", "green", "blue") if c in names)
    groups = ([colours] if len(colours) == 3 else []) + [
        (band,) for band in range(len(names)) if band not in colours or len(colours) != 3
    ]
    for members in groups:
        if names[members[0]] == "alpha":
            np.testing.assert_array_equal(enhanced[list(members)], original[list(members)])
            continue
        before = squared_errors(original, alone, counts, members)
        after = squared_errors(original, enhanced, counts, members)
        assert (after <= before).all()
        better += int((after < before).sum())
    return better


def make_scene(path: Path, kind: str, seed: int) -> Path:
    """Write a scene of 280 x 530 px with every kind of invalid pixel."""
    rows, cols = np.mgrid[0:280, 0:530]
    inside = (rows + cols > 60) & ((rows - 140) ** 2 + (cols - 300) ** 2 > 900)
    bands, dtype, profile, mask = {
        "rgb": (3, "uint8", {}, None),
        "rgb nodata": (3, "uint8", {"nodata": 0}, None),
        "rgba": (4, "uint8", {"alpha": "YES"}, None),
        "grey masked": (1, "uint8", {}, inside),
        "four bands": (4, "uint16", {"nodata": 0}, None),
        "signed": (1, "int16", {"nodata": -9999}, None),
    }[kind]
    pixels = painted((bands, 280, 530), dtype, seed)
    if kind == "rgba":
        pixels[3] = np.where(inside, 255, 0)
    elif profile:
        pixels[:, ~inside] = profile["nodata"]
    return write_scene(path, pixels, mask=mask, **profile)


@settings(max_examples=24, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["rgb", "rgb nodata", "rgba", "grey masked", "four bands", "signed"]),
    st.sampled_from([Smoother(), Noise(), Brighter(), Contrary(), IdentityEnhancer()]),
    st.sampled_from(["bpp=0.4", "bpp=1.5", "max-error"]),
    st.integers(0, 9),
)
def test_no_cell_of_any_scene_gets_worse(tmp_path_factory, kind, enhancer, target, seed):
    folder = tmp_path_factory.mktemp("cells")
    source = make_scene(folder / "s.tif", kind, seed)
    if target == "max-error":
        target = "max-error=30" if kind in ("rgb", "rgb nodata", "rgba", "grey masked") else "max-error=700"
    with installed(enhancer):
        rsic_geo.compress(source, folder / "a.jp2", target=target, tile_size=512)
        compare_cells(source, folder / "a.jp2", folder)


def test_a_useful_enhancer_is_used(tmp_path):
    source = make_scene(tmp_path / "s.tif", "rgb nodata", 1)
    with installed(Smoother()):
        rsic_geo.compress(source, tmp_path / "a.jp2", target="bpp=0.3")
        assert compare_cells(source, tmp_path / "a.jp2", tmp_path) >= 1


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("target", ["bpp=0.3", "bpp=2"])
def test_the_shipped_network_makes_no_real_cell_worse(tmp_path, target):
    window = Window(3000, 2000, 700, 500)
    source = crop(SCENES / "zanzibar_oam_rgb_8192x4096.tif", tmp_path / "s.tif", window)
    rsic_geo.compress(source, tmp_path / "a.jp2", target=target)
    assert compare_cells(source, tmp_path / "a.jp2", tmp_path) >= 4
