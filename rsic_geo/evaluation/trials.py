"""Trials behind choices of the pipeline, to be made again on any scenes, or folders of them.

``python -m rsic_geo.evaluation.trials colour SCENE...`` says what the colour transform is worth on the first
three bands; ``... blind IMAGE...`` how far shifted recompression is from the true error of a coding;
``... foreign IMAGE...`` what ``rsic enhance`` gains on files of other codecs, and what share of its
correction would have gained most; ``... phase IMAGE...`` what a network loses on parts cut out of a JPEG 2000
file, and how often that is found; ``... nodata SCENE...`` how many bytes nodata take in the samples and in
planes, lossless, on pieces with borders of them; ``... side IMAGE...`` what the arithmetic coder of cells and
filters saves against deflating them.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.jpeg2000 import J2KParams, decode_tile, encode_tile, encode_tile_bytes
from rsic_geo.container.coded import pack_coded
from rsic_geo.container.sideinfo import SideInfo
from rsic_geo.evaluation.imagery import find_scenes
from rsic_geo.geo.lattice import cell_sums, level_from_rmse
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.options import DecodeOptions, EncodeOptions
from rsic_geo.raster import open_scene
from rsic_geo.repair import load_enhancer
from rsic_geo.repair.blind import SHIFT
from rsic_geo.repair.phase import Shifted, wavelet_phase
from rsic_geo.repair.plan import EnhancementPlan
from rsic_geo.repair.units import FINE
from rsic_geo.repair.windows import correct_window
from rsic_geo.scenes.archive import Archive
from rsic_geo.targets import Target
from rsic_geo.verbs.compress import compress
from rsic_geo.verbs.enhance import enhance
from rsic_geo.write.holders import JP2_TYPES
from rsic_geo.write.nodata import nodata_sizes
from rsic_geo.write.plan import decimated_shape
from rsic_geo.write.spectral import Transform, colour_transform_pays

_SIDE = 512
_BPP = (0.15, 0.3, 0.6, 1.2, 2.0)


def middle(scene: str) -> NDArray[Any]:
    """Return the first three bands (3, h, w) of the middle of a scene, at most 512 px a side."""
    with open_scene(scene) as reader:
        p = reader.profile
        height, width = min(_SIDE, p.height), min(_SIDE, p.width)
        window = Window(
            row_off=(p.height - height) // 2, col_off=(p.width - width) // 2, height=height, width=width
        )
        return reader.read(window, bands=(0, 1, 2))


def rmse(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the root mean square difference of two arrays of one shape."""
    return float(np.sqrt(np.mean((first.astype(np.float64) - second) ** 2)))


def colour_gain(pixels: NDArray[Any], ratio: float) -> float:
    """Return what the colour transform gains at equal size (dB)."""
    params = J2KParams(lossless=False, ratio=ratio)
    errors = [
        rmse(decode_tile(encode_tile(pixels, replace(params, mct=mct))), pixels) for mct in (False, True)
    ]
    return float(20 * np.log10(max(errors[0], 1e-9) / max(errors[1], 1e-9)))


def blind_ratio(pixels: NDArray[Any], bpp: float) -> float:
    """Return the true error of a coding over that of coding it again, shifted, at the same rate."""
    params = J2KParams(lossless=False, mct=True)
    budget = int(bpp * pixels.shape[1] * pixels.shape[2] / 8)
    decoded = decode_tile(encode_tile_bytes(pixels, params, budget))
    cut = np.ascontiguousarray(decoded[:, SHIFT[0] :, SHIFT[1] :])
    again = decode_tile(encode_tile_bytes(cut, params, budget))
    return rmse(pixels[:, SHIFT[0] :, SHIFT[1] :], cut) / max(rmse(cut, again), 1e-9)


FOREIGN: dict[str, dict[str, Any]] = {
    **{f"JPEG {q}": {"format": "JPEG", "quality": q} for q in (25, 50, 75, 85, 90, 95)},
    **{f"WebP {q}": {"format": "WEBP", "quality": q} for q in (50, 75, 90)},
    **{
        f"JPEG 2000 {rate} bpp": {
            "format": "JPEG2000", "irreversible": True, "mct": 1, "quality_mode": "rates",
            "quality_layers": [24 / rate],
        }
        for rate in (0.3, 0.6, 1.2, 2.0)
    },
}  # fmt: skip
"""How Pillow writes 8 bit files of other codecs with three bands."""


def foreign_gain(pixels: NDArray[Any], saving: dict[str, Any], folder: Path) -> tuple[float, float, float]:
    """Return what `rsic enhance` makes of a file of another codec.

    Args:
        pixels: (3, h, w) uint8.
        saving: Pillow's format and options.
        folder: for temporary files.

    Returns:
        Gain (dB), the factor on the correction that would have left least error, true error (DN) of the file.
    """
    from PIL import Image

    path, better = folder / "coded", folder / "better.tif"
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(path, **saving)
    enhance(str(path), str(better), DecodeOptions(enhance="auto", overwrite=True))
    with open_scene(str(path)) as coded, open_scene(str(better)) as enhanced:
        whole = Window.full(coded.profile.height, coded.profile.width)
        before, after = (file.read(whole).astype(np.float64) for file in (coded, enhanced))
    added, missing = after - before, pixels - before
    factor = float((added * missing).sum() / max(float((added * added).sum()), 1e-9))
    error = rmse(pixels, before)
    return float(20 * np.log10(error / max(rmse(pixels, after), 1e-9))), factor, error


def print_foreign(pieces: list[NDArray[Any]]) -> None:
    """Print one line per codec and quality."""
    warnings.filterwarnings("ignore", category=UserWarning)
    with tempfile.TemporaryDirectory() as folder:
        for name, saving in FOREIGN.items():
            found = np.array([foreign_gain(pixels, saving, Path(folder)) for pixels in pieces])
            gains, factors, errors = found.T
            spread = f"gain mean {gains.mean():+.3f} worst {gains.min():+.3f} best {gains.max():+.3f} dB"
            fitting = f"best factor median {np.median(factors):.2f} least {factors.min():.2f}"
            print(
                f"{name:18} {spread}; {fitting}; error median {np.median(errors):.2f} DN",
                flush=True,
            )


class _Held:
    def __init__(self, pixels: NDArray[Any]) -> None:
        self._pixels = pixels

    def read(self, window: Window, *, bands: tuple[int, ...] | None = None) -> NDArray[Any]:
        found = self._pixels[(slice(None), *window.slices)]
        return found if bands is None else found[list(bands)]


def phase_gains(original: NDArray[Any], decoded: NDArray[Any], phase: tuple[int, int]) -> float:
    """Return the gain (dB) of the default network, one fitted strength, where its wavelet began at a phase.

    Args:
        original: (3, h, w) uint8.
        decoded: what a codec left of it.
        phase: row and column, see :func:`rsic_geo.repair.phase.wavelet_phase`.
    """
    missing = (original.astype(np.float32) - decoded) / 255
    _, height, width = missing.shape
    levels = level_from_rmse(np.sqrt(cell_sums(missing**2).mean(0) / cell_sums(np.ones_like(missing[:1]))[0]))
    plan = EnhancementPlan(
        height=height,
        width=width,
        groups=((0, 1, 2),),
        levels=levels[None],
        active=levels[None] > 0,
        radiometry=Radiometry(dtype="uint8", low=(0.0,) * 3, high=(255.0,) * 3),
    )
    enhancer = Shifted(load_enhancer(), phase)
    found = correct_window(_Held(decoded), enhancer, plan, Window.full(height, width))
    added = found.astype(np.float32) / FINE
    factor = np.clip((added * missing).sum() / max(float((added * added).sum()), 1e-9), 0, 1.5)
    return float(20 * np.log10(rmse(original, decoded) / (255 * rmse(missing, factor * added))))


def print_phase(pieces: list[NDArray[Any]], rates: tuple[float, ...] = _BPP) -> None:
    """Print one line per rate and place of the cut."""
    params = J2KParams(lossless=False, mct=True)
    for bpp in rates:
        coded = [(p, decode_tile(encode_tile_bytes(p, params, int(bpp * p[0].size / 8)))) for p in pieces]
        for row, col in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2), (3, 5), (4, 4), (7, 7)):
            cut = (slice(None), slice(row, None), slice(col, None))
            true, gains, right = (row % 2, col % 2), [], 0
            for whole, decoded in coded:
                pair = whole[cut], np.ascontiguousarray(decoded[cut])
                gains.append([phase_gains(*pair, phase) for phase in ((0, 0), true)])
                right += wavelet_phase(pair[1]) == true
            untold, told = np.mean(gains, axis=0)
            print(
                f"{bpp:4.2f} bpp, cut at {row},{col}: gain {untold:.3f} dB, told the phase {told:.3f}; ",
                end="",
            )
            print(f"found {right} of {len(coded)}", flush=True)


def print_nodata(scenes: list[str]) -> None:
    """Print one line per scene that has nodata values, no mask of its own, and a border in its pieces."""
    for scene in scenes:
        with open_scene(scene) as reader:
            p = reader.profile
            if not p.has_nodata or p.has_mask or p.has_band_masks or p.dtype not in JP2_TYPES:
                continue
            valid = reader.read_valid_overview(*decimated_shape(p))
            mct = colour_transform_pays(reader, lossless=True)
            inside, apart = nodata_sizes(reader, valid, transform=Transform(mct))
        if inside:
            print(f"{inside} bytes in the samples, in planes {100 * (apart / inside - 1):+.1f} % {scene}")


def deflated(side: SideInfo) -> int:
    """Return the bytes that levels, strengths and filters of an archive would take deflated.

    Cells as differences along the columns, coefficients as bytes where they fit, each number of a filter's
    head as one byte: what a plain format would hold.
    """
    parts = [
        np.diff(cells.astype(np.int8), axis=-1, prepend=0).tobytes()
        for cells in (side.levels, side.strengths)
    ]
    for taps in side.filters:
        if taps is None:
            parts.append(b"\0")
            continue
        wide = np.abs(taps.differences).max(initial=0) > 127
        parts.append(bytes((taps.bands, taps.reach, taps.proposals, *taps.edges)))
        parts.append(np.asarray(taps.differences, "<i2" if wide else "<i1").tobytes())
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return len(packer.compress(b"".join(parts)) + packer.flush())


def print_side(scenes: list[str]) -> None:
    """Print per scene what coded cells and filters of an archive at 0.4 bpp take, and would take deflated."""
    total = np.zeros(3)
    with tempfile.TemporaryDirectory() as folder:
        for scene in scenes:
            archive = str(Path(folder) / "a.jp2")
            options = EncodeOptions(target=Target(kind="bpp", value=0.4), overwrite=True, accept_loss=True)
            size = int(compress(scene, archive, options).details["bytes"])
            with Archive(archive) as product:
                side = product.side
                assert side is not None
                coded = len(pack_coded(side.levels, side.strengths, side.filters, side.groups))
                total += coded, deflated(side), size
                print(f"{coded} bytes coded arithmetically, {deflated(side)} deflated, of {size}: {scene}")
    more = 100 * (total[1] - total[0]) / total[2]
    print(f"in all {total[0]:.0f} against {total[1]:.0f} bytes, {more:.2f} % of the files")


def main() -> None:
    """Print one line per scene, or per rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trial", choices=["colour", "blind", "foreign", "nodata", "phase", "side"])
    parser.add_argument("scenes", nargs="+", help="scenes or folders")
    parser.add_argument("--every", type=int, default=1, help="use every n-th scene")
    arguments = parser.parse_args()
    scenes = [str(path) for path in find_scenes(arguments.scenes, every=arguments.every)]
    if arguments.trial == "side":
        print_side(scenes)
        return
    if arguments.trial == "nodata":
        print_nodata(scenes)
        return
    if arguments.trial == "colour":
        for scene in scenes:
            pixels = middle(scene)
            gains = [f"{colour_gain(pixels, ratio):+6.2f} dB at {ratio}:1" for ratio in (8, 30)]
            print(*gains, scene)
        return
    pieces = [middle(scene) for scene in scenes]
    if arguments.trial in ("foreign", "phase"):
        (print_foreign if arguments.trial == "foreign" else print_phase)(pieces)
        return
    for bpp in _BPP:
        ratios = np.array([blind_ratio(pixels, bpp) for pixels in pieces])
        spread = f"{ratios.min():.2f} median {np.median(ratios):.2f} largest {ratios.max():.2f}"
        print(f"{bpp:4.2f} bpp: true over estimated error, smallest {spread}")


if __name__ == "__main__":
    main()
