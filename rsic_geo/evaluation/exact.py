"""Are enhanced pixels the same bytes everywhere? ``python -m rsic_geo.evaluation.exact [--qemu PROGRAM]``.

Prints a table of engines and instruction sets. Every row is a process of its own that is told to do without
some instructions (by the environment variables numpy, its BLAS, torch and oneDNN listen to, or by running on
an emulated processor), and digests what networks of integers make of a scene: three bands and one, 8 and 16
bits, a filter with classes, strengths; in windows of two sizes, with one thread and with two. The reference
is numpy's int64 in this process.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.container.filters import FilterTaps, column_count
from rsic_geo.geo.lattice import CELL, cell_counts
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.progress import Progress
from rsic_geo.repair.integer.engines import Engine, NumpyEngine, engine_kinds
from rsic_geo.repair.integer.enhancer import IntegerEnhancer
from rsic_geo.repair.integer.graph import IntegerNetwork
from rsic_geo.repair.integer.weights import unpack
from rsic_geo.repair.plan import EnhancementPlan
from rsic_geo.repair.strength import scaled_correction
from rsic_geo.repair.windows import corrections
from rsic_geo.weights import default_name, open_weights

HEIGHT, WIDTH = 190, 270
CUTS = ((1024, 1), (128, 2))
"""Window sizes (px) and threads; the reference needs the first only."""
REFERENCE = "numpy int64"
_NO_AVX512 = "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a row's process may use."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ()
    """Runs Python on another processor; empty: this one."""


def surroundings(qemu: str | None) -> list[Surroundings]:
    """Return what rows run in: this processor, parts of it, and others a ``qemu`` for x86-64 emulates."""
    found = [Surroundings(name="all of this processor")]
    if platform.machine() == "x86_64":
        found += [
            Surroundings(
                name=f"numpy, torch up to {name}",
                variables={
                    "ATEN_CPU_CAPABILITY": aten, "ONEDNN_MAX_CPU_ISA": onednn, "OPENBLAS_CORETYPE": blas,
                    "NPY_DISABLE_CPU_FEATURES": numpy,
                },
            )
            for name, aten, onednn, blas, numpy in (
                ("AVX512 without VNNI", "avx512", "AVX512_CORE", "SKYLAKEX", ""),
                ("AVX2", "avx2", "AVX2", "HASWELL", _NO_AVX512),
                ("SSE4", "default", "SSE41", "NEHALEM", f"{_NO_AVX512} AVX2 FMA3"),
            )
        ]  # fmt: skip
    if qemu:
        found += [
            Surroundings(name=f"emulated {model} ({what})", program=(qemu, "-cpu", model))
            for model, what in (("Haswell", "AVX2"), ("SandyBridge", "AVX"))
        ]
    return found


class _Scene:
    def __init__(self, pixels: NDArray[Any]) -> None:
        self.pixels = pixels

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        part = self.pixels[(slice(None), *window.slices)]
        return part if bands is None else part[list(bands)]


def _scene(dtype: str) -> tuple[_Scene, EnhancementPlan, NDArray[np.uint8]]:
    """Return a scene of four bands (three together, one alone), what it is enhanced by, and strengths."""
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.int64)
    noise = (rows * 7919 + cols * 104729 + (rows * cols) % 1009 * 31) % 61
    fields = rows * 2 + cols + 300 * ((rows // 40 + cols // 56) % 2)
    wide = np.stack([60 * (band + 6) + fields + noise * (band + 2) for band in range(4)])
    pixels = (wide // 8 if dtype == "uint8" else wide * 7).astype(dtype)
    radiometry = Radiometry.whole_range("uint8", 4)
    if dtype != "uint8":
        radiometry = Radiometry(dtype=dtype, low=(1000.5,) * 4, high=(9000.0, 8000.0, 7777.5, 9999.0))
    levels = np.array([[[150, 120]], [[170, 90]]], np.uint8)
    assert levels.shape[1:] == cell_counts(HEIGHT, WIDTH)
    kinds = np.random.default_rng(5).integers(-24, 25, (4, 4, column_count(4, 2, 3))).astype(np.int16)
    plan = EnhancementPlan(
        height=HEIGHT, width=WIDTH, groups=((0, 1, 2), (3,)), levels=levels, radiometry=radiometry,
        active=np.ones(levels.shape, np.bool_),
        filters=(FilterTaps(bands=4, reach=2, edges=(9, 17), differences=kinds, proposals=3),),
    )  # fmt: skip
    return _Scene(pixels), plan, np.array([[128, 96], [40, 192]], np.uint8)


def digest(
    make: Callable[[IntegerNetwork], Engine], models: Sequence[str], cuts: Sequence[tuple[int, int]] = CUTS
) -> str:
    """Return the digest of networks' pixels, or what is wrong with an engine.

    Args:
        make: returns the engine of a network.
        models: names of weights.
        cuts: sizes of windows and numbers of threads; all have to give the same.
    """
    found = []
    for size, workers in cuts:
        sums = hashlib.sha256()
        for name in models:
            weights = open_weights(name)
            networks, _ = unpack(weights.content, weights.spec, weights.name)
            enhancer = IntegerEnhancer(weights, networks, make)
            for dtype in ("uint8", "uint16"):
                sums.update(_enhanced(enhancer, dtype, size, workers))
        found.append(sums.hexdigest())
    return found[0] if len(set(found)) == 1 else "differs by windows or threads"


def _enhanced(enhancer: IntegerEnhancer, dtype: str, size: int, workers: int) -> bytes:
    scene, plan, strengths = _scene(dtype)
    plan = replace(plan, window_size=size, workers=workers)
    out = []
    for rows in corrections(scene, enhancer, plan, Progress()):
        cells = strengths[:, rows.window.col_off // CELL :]
        out.append(scaled_correction(scene.read(rows.window), rows.correction, cells, plan))
    return np.concatenate(out, axis=1).tobytes()


def _row(engine: str, where: Surroundings, models: Sequence[str]) -> str:
    words = [*where.program, sys.executable, "-m", "rsic_geo.evaluation.exact", "--row", engine]
    words += ["--models", *models]
    done = subprocess.run(
        words, env={**os.environ, **where.variables}, capture_output=True, text=True, check=False
    )
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    return lines[-1] if lines else f"ended with {done.returncode}"


def reference(network: IntegerNetwork) -> Engine:
    """Return the engine all others are held to."""
    return NumpyEngine(network, np.int64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; exit with 1 if any bytes differ."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.evaluation.exact", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--qemu", default=shutil.which("qemu-x86_64"), help="emulator of other processors")
    parser.add_argument("--engines", nargs="+", help="those to look at; all by default")
    parser.add_argument("--models", nargs="+", default=[default_name()], help="weights of integers, by name")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    makers = dict(engine_kinds("cpu"))
    if given.row:
        print(digest(makers[given.row], given.models))
        return 0
    wanted = digest(reference, given.models, CUTS[:1])
    print(
        f"{REFERENCE}: {wanted[:16]}, {', '.join(given.models)}, {platform.machine()}, numpy {np.__version__}"
    )
    print(f"{'engine':<14} {'instructions':<36} bytes")
    is_equal = True
    for name in given.engines or makers:
        for where in surroundings(given.qemu):
            said = _row(name, where, given.models)
            is_equal &= said == wanted
            print(f"{name:<14} {where.name:<36} {'equal' if said == wanted else said}", flush=True)
    return 0 if is_equal else 1


if __name__ == "__main__":
    sys.exit(main())
