"""What adaptive filters are made of: ``python -m rsic_geo.evaluation.filters PACK... [--model NAME]``.

Images of tar packs are coded with JPEG 2000 at random rates and corrected by a model; to each the
encoder's filter is fitted. Printed are what filters save and take, and the shares that
:mod:`rsic_geo.container.coded` begins with: how many coefficients of a kind are sent, and how long they are.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile_bytes
from rsic_geo.container.coded import filter_bits
from rsic_geo.container.filters import KINDS, FilterTaps, coefficient_kinds
from rsic_geo.geo.lattice import cell_counts, level_from_rmse
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.repair import load_enhancer
from rsic_geo.repair.base import Enhancer, Sight, bounds_of
from rsic_geo.repair.filter import MARGIN
from rsic_geo.repair.filter_fit import NormalEquations, fit_filters, unfiltered_error
from rsic_geo.repair.plan import Scale

Image8 = NDArray[np.uint8]
LENGTHS = 6
"""Binary digits whose shares are printed."""
_SIDES = (300, 400, 512, 800)
_RATES = (0.12, 1.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One image at one rate."""

    taps: FilterTaps | None
    """Its filter, None where none is worth its bits."""
    saved: float
    """Share of the squared error the filter takes away."""
    cost: float
    """Its bits over those of the codestream."""


def try_image(image: Image8, rate: float, enhancer: Enhancer) -> Trial:
    """Fit a filter to an image (3, h, w) coded at a rate in bits per pixel."""
    _, height, width = image.shape
    coded = encode_tile_bytes(image, J2KParams(lossless=False, mct=True), int(rate * height * width / 8))
    decoded, scale = decode_tile(coded), Scale(Radiometry.whole_range("uint8", 3))
    error = (image / 255).astype(np.float32) - (decoded / 255).astype(np.float32)
    rmse = max(float(np.sqrt(np.square(error).mean())), 2.0**-10)
    bounds = bounds_of(height, width)
    below, right = bounds.height - height, bounds.width - width
    pixels = scale.forward(np.pad(decoded, ((0, 0), (0, below), (0, right)), mode="edge"), (0, 1, 2))
    core = Window.full(height, width)
    cells = np.full(cell_counts(height, width), level_from_rmse(rmse), np.uint8)
    correction = enhancer.correct(Sight(pixels=pixels, window=bounds, core=core, cells=cells))
    sums = NormalEquations(bands=3, proposals=enhancer.proposals)
    around = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    inside = pixels[:, :height, :width]
    scored = np.ones((height, width), np.bool_)
    sums.add(np.pad(inside, around, mode="edge"), np.pad(correction, around, mode="edge"), error, scored)
    size = len(coded)
    (taps,) = fit_filters([sums], [np.ones(3)], 8 * size)
    if taps is None:
        return Trial(taps=None, saved=0.0, cost=0.0)
    saved = 1 - float(sums.error_of(taps).sum() / unfiltered_error(sums).sum())
    return Trial(taps=taps, saved=saved, cost=filter_bits(taps) / (8 * size))


def some_images(packs: Sequence[Path], count: int, rng: np.random.Generator) -> Iterator[Image8]:
    """Yield ``count`` images (3, h, w) of tar packs, as many of each, cut to some side."""
    for pack in packs:
        with tarfile.open(pack) as tar:
            members = [member for member in tar.getmembers() if member.isfile()]
            for number in rng.permutation(len(members))[: -(-count // len(packs))]:
                stream = tar.extractfile(members[number])
                if stream is None:
                    continue
                side = int(rng.choice(_SIDES))
                with Image.open(stream) as image:
                    pixels = np.asarray(image.convert("RGB"))[:side, :side]
                yield np.ascontiguousarray(pixels.transpose(2, 0, 1))


def shares(filters: Sequence[FilterTaps], *, of_class: bool) -> NDArray[np.float64]:
    """Return, by kind, the share of coefficients sent, then shares whose size has one binary digit more.

    Args:
        filters: as fitted.
        of_class: whether to look at what brightness classes add, or at the sets for all classes.

    Returns:
        (kinds, 1 + LENGTHS); a little more than none where nothing was seen.
    """
    values: list[list[int]] = [[] for _ in range(KINDS)]
    for one in filters:
        kinds = coefficient_kinds(one.bands, one.reach, one.proposals)
        for differences in one.differences[1:] if of_class else one.differences[:1]:
            for kind in range(KINDS):
                values[kind] += differences[kinds == kind].tolist()
    out = np.zeros((KINDS, 1 + LENGTHS))
    for kind, found in enumerate(values):
        sent = np.abs(np.array([value for value in found if value], np.int64))
        lengths = np.floor(np.log2(sent)).astype(np.int64)
        out[kind, 0] = (len(sent) + 1) / (len(found) + 4)
        for digit in range(LENGTHS):
            out[kind, 1 + digit] = ((lengths > digit).sum() + 1) / ((lengths >= digit).sum() + 3)
    return out


def main(arguments: list[str] | None = None) -> int:
    """Print what filters save and take, and the shares by kind."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.evaluation.filters", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("packs", type=Path, nargs="+", help="tar files of images")
    parser.add_argument("--model", default="auto", help="enhancer, by name or file")
    parser.add_argument("--images", type=int, default=140)
    parser.add_argument("--seed", type=int, default=5)
    values = parser.parse_args(arguments)
    enhancer = load_enhancer(values.model, "cpu", fast=True)
    rng = np.random.default_rng(values.seed)
    images = some_images(values.packs, values.images, rng)
    trials = [try_image(image, float(np.exp(rng.uniform(*np.log(_RATES)))), enhancer) for image in images]
    filters = [trial.taps for trial in trials if trial.taps is not None]
    saved, cost = (100 * float(np.mean([getattr(t, name) for t in trials])) for name in ("saved", "cost"))
    print(
        f"{len(filters)} of {len(trials)} images have a filter; it takes away {saved:.2f} % of the error "
        f"for {cost:.2f} % more bits"
    )
    for of_class in (False, True):
        print("added by classes:" if of_class else "for all classes:")
        if filters:
            for row in shares(filters, of_class=of_class):
                print("  " + ", ".join(f"{share:.2f}" for share in row))
    return 0


if __name__ == "__main__":
    sys.exit(main())
