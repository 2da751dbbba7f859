"""Are enhanced pixels the same bytes everywhere? ``python -m rsic_geo.evaluation.exact [--foreign COMMAND]``.

Prints a table of engines and instruction sets. Every row is a process of its own that is told to do without
some instructions (by the environment variables numpy, its BLAS, torch and oneDNN listen to, or by running on
an emulated processor), and digests what networks of integers make of a scene: three bands and one, 8 and 16
bits, a filter with classes, strengths; in windows of two sizes, with one thread and with two. The reference
is numpy's int64 in this process.

``--foreign`` takes a command that runs a Python of another machine (an emulator and a Python of ARM): a row
for each engine it has. Its PYTHONPATH becomes a folder that holds this package alone; everything else must be
its own. With ``--archives`` it also decodes those, and enhances the samples that were decoded here: what is
compared is from decoded to enhanced samples, and how many samples it decodes otherwise is told beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
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
from rsic_geo.scenes.archive import Archive
from rsic_geo.weights import default_name, open_weights

HEIGHT, WIDTH = 190, 270
CUTS = ((1024, 1), (128, 2))
"""Window sizes (px) and threads; the reference needs the first only."""
REFERENCE = "numpy int64"
_NO_VNNI = "AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
_NO_AVX512 = f"AVX512F AVX512CD AVX512_SKX X86_V4 {_NO_VNNI}"
"""numpy's names of before and since its 2.4, which warns of those it does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a row's process may use."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    python: tuple[str, ...] = (sys.executable,)
    """Runs a Python, on this processor or on another one."""
    engines: tuple[str, ...] | None = None
    """Names of those it has; None: the same as here."""


def _has_avx512() -> bool:
    """Whether numpy finds it here: a BLAS told to use it elsewhere ends with an illegal instruction."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    return not {"X86_V4", "AVX512_SKX"}.isdisjoint(found.get("found", ()))


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
                ("AVX512 without VNNI", "avx512", "AVX512_CORE", "SKYLAKEX", _NO_VNNI),
                ("AVX2", "avx2", "AVX2", "HASWELL", _NO_AVX512),
                ("SSE4", "default", "SSE41", "NEHALEM", f"{_NO_AVX512} AVX2 FMA3 X86_V3"),
            )
            if aten != "avx512" or _has_avx512()
        ]  # fmt: skip
    if qemu:
        found += [
            Surroundings(name=f"emulated {model} ({what})", python=(qemu, "-cpu", model, sys.executable))
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


def inventory() -> dict[str, Any]:
    """Return what a Python tells of itself: machine, version of numpy, names of the engines it has."""
    # an engine is called by its module, and by a device in brackets
    engines = [name for name, _ in engine_kinds("cpu") if find_spec(name.split()[0])]
    return {"machine": platform.machine(), "numpy": np.__version__, "engines": engines}


def foreign(number: int, command: str, folder: Path) -> Surroundings:
    """Return what rows of a foreign Python run in.

    Args:
        number: tells several in one table apart.
        command: runs a Python of any machine, as a shell would read it.
        folder: is on the path of that Python, with this package in it and nothing else of this machine.

    Raises:
        OSError: if the command does not run, or its Python cannot import this package; the text says why.
    """
    package = folder / "rsic_geo"
    if not package.exists():
        package.symlink_to(Path(__file__).parents[1])
    where = Surroundings(
        name="", variables={"PYTHONPATH": str(folder)}, python=tuple(shlex.split(command))
    )  # fmt: skip
    is_done, said = _asked(where, ["--inventory"])
    if not is_done:
        raise OSError(said)
    found = json.loads(said)
    name = f"foreign {number} ({found['machine']}, numpy {found['numpy']})"
    return replace(where, name=name, engines=tuple(found["engines"]))


def _asked(where: Surroundings, words: Sequence[str]) -> tuple[bool, str]:
    """Run this module elsewhere; return whether it ended well, and its last line or what is wrong."""
    done = subprocess.run(
        [*where.python, "-m", "rsic_geo.evaluation.exact", *words],
        env={**os.environ, **where.variables}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    is_done = done.returncode == 0
    lines = (done.stdout if is_done else done.stderr).strip().splitlines()
    return is_done, lines[-1] if lines else f"ended with {done.returncode}"


def _row(engine: str, where: Surroundings, models: Sequence[str]) -> str:
    return _asked(where, ["--row", engine, "--models", *models])[1]


class _Decoded(Archive):
    """An archive whose samples were decoded elsewhere."""

    def __init__(self, path: str, samples: NDArray[Any]) -> None:
        super().__init__(path)
        self._samples = samples

    def read_decoded(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        part = self._samples[(slice(None), *window.slices)]
        return part.copy() if bands is None else part[list(bands)]


def enhanced_again(path: str, samples: NDArray[Any]) -> dict[str, Any]:
    """Return the digest of what this machine makes of samples that another one decoded, all of a scene.

    Args:
        path: an archive.
        samples: (bands, height, width), the codec's, neither enhanced nor restored.

    Returns:
        ``sha256`` of the final pixels, ``differ`` (how many samples this machine decodes otherwise) and
        ``most`` (by how much).
    """
    with _Decoded(path, samples) as archive:
        own = Archive.read_decoded(archive, Window.full(*samples.shape[1:]))
        errors = np.abs(own.astype(np.float64) - samples)
        return {
            "sha256": hashlib.sha256(archive.read().tobytes()).hexdigest(),
            "differ": int(np.count_nonzero(errors)), "most": float(errors.max()),
        }  # fmt: skip


def _archive_row(path: str, where: Surroundings, folder: Path) -> tuple[bool, str]:
    """Return whether an archive's enhanced pixels are the same there, and that in words."""
    kept = folder / "samples.npy"
    with Archive(path) as archive:
        samples = archive.read_decoded(Window.full(archive.profile.height, archive.profile.width))
        wanted = hashlib.sha256(archive.read().tobytes()).hexdigest()
        is_enhanced = archive.is_enhanced
    np.save(kept, samples)
    is_done, said = _asked(where, ["--archives", os.path.abspath(path), "--samples", str(kept)])
    if not is_done:
        return False, said
    found = json.loads(said)
    is_equal = bool(found["sha256"] == wanted)
    words = "equal" if is_equal else f"other pixels: {found['sha256'][:16]}, here {wanted[:16]}"
    told = f"{found['differ']} of {samples.size} samples, by at most {found['most']:g}"
    if not is_enhanced:
        words += " (nothing in it is enhanced)"
    return is_equal, f"{words}; decoded otherwise: {told if found['differ'] else 'none'}"


def reference(network: IntegerNetwork) -> Engine:
    """Return the engine all others are held to."""
    return NumpyEngine(network, np.int64)


def _tables(given: argparse.Namespace, folder: Path) -> bool:
    """Print what was asked for; return whether all bytes were equal, and every engine asked for was there."""
    places, is_equal = surroundings(given.qemu), True
    for number, command in enumerate(given.foreign, 1):
        try:
            found = foreign(number, command, folder)
        except (OSError, ValueError) as error:  # a command that is none, an answer that is none
            is_equal = False
            print(f"foreign {number} is left out, {error}: {command}")
        else:
            print(f"{found.name}: {command}")
            places.append(found)
    wanted = digest(reference, given.models, CUTS[:1])
    here = f"{platform.machine()}, numpy {np.__version__}"
    print(f"{REFERENCE}: {wanted[:16]}, {', '.join(given.models)}, {here}")
    print(f"{'engine':<14} {'instructions':<36} bytes")
    own, looked_at = [name for name, _ in engine_kinds("cpu")], set()
    for name in given.engines or dict.fromkeys([*own, *(one for p in places for one in p.engines or ())]):
        for where in places:
            if name not in (own if where.engines is None else where.engines):
                said = "not looked at: the engine is not installed there"
            else:
                said = _row(name, where, given.models)
                is_equal &= said == wanted
                looked_at.add(name)
            print(f"{name:<14} {where.name:<36} {'equal' if said == wanted else said}", flush=True)
    is_equal &= bool(looked_at) and looked_at.issuperset(given.engines or ())  # nothing seen is nothing shown
    for path in given.archives:
        for where in places:
            if where.engines is not None:
                is_same, said = _archive_row(path, where, folder)
                is_equal &= is_same
                print(f"{path} {where.name}: {said}", flush=True)
    return is_equal


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; exit with 1 if any bytes differ or a foreign Python does not run."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.evaluation.exact", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--qemu", default=shutil.which("qemu-x86_64"), help="emulator of other processors")
    parser.add_argument(
        "--foreign", action="append", default=[], metavar="COMMAND",
        help="runs a Python of another machine; may be given again",
    )  # fmt: skip
    parser.add_argument("--engines", nargs="+", help="those to look at; all by default")
    parser.add_argument("--models", nargs="+", default=[default_name()], help="weights of integers, by name")
    parser.add_argument("--archives", nargs="+", default=[], help="enhanced by the foreign Pythons, too")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--inventory", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--samples", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.archives and not given.foreign and not given.samples:
        parser.error("--archives needs --foreign: who is to read them")
    if given.row:
        print(digest(dict(engine_kinds("cpu"))[given.row], given.models))
    elif given.inventory:
        print(json.dumps(inventory()))
    elif given.samples:
        print(json.dumps(enhanced_again(given.archives[0], np.load(given.samples))))
    else:
        with tempfile.TemporaryDirectory() as folder:
            return 0 if _tables(given, Path(folder)) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
