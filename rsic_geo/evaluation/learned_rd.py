"""Payloads of a learned codec against JPEG 2000: ``python -m rsic_geo.evaluation.learned_rd --data FOLDER``.

Images are 8 bit, three bands or with ``--grey`` their green band alone. The learned codec codes them in
independent tiles, as in an archive; every payload is decoded again and must give what the encoder promised.
JPEG 2000 codes each image whole (OpenJPEG, 9/7, colour transform) at the rates the learned codec came to.
Bytes are those of the bitstreams, without any container. JPEG 2000 has one thread.
"""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs import jpeg2000
from rsic_geo.codecs.learned import LearnedCodec
from rsic_geo.errors import VerificationError
from rsic_geo.evaluation.curves.bdrate import RateCurve, bd_rate, summarise
from rsic_geo.evaluation.imagery import find_scenes, source_of

QUALITIES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1.0)
Image8 = NDArray[np.uint8]


@dataclass(slots=True)
class Curve:
    """Rates (bits per pixel) and PSNR (dB) of one image, and the seconds it took."""

    bpp: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    encode_s: float = 0.0
    decode_s: float = 0.0

    def rates(self) -> RateCurve:
        """Return the curve for the BD-rate."""
        return RateCurve(bpp=tuple(self.bpp), quality=tuple(self.psnr))


def psnr_of(image: Image8, decoded: Image8) -> float:
    """Return the PSNR in dB of 8 bit samples."""
    error = np.square(image.astype(np.float64) - decoded).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def code_learned(
    codec: LearnedCodec, image: Image8, options: dict[str, Any], curve: Curve, quality: float
) -> None:
    """Code an image (bands, h, w) in tiles, some side by side, and add the point to its curve.

    Raises:
        VerificationError: a payload does not decode to what its encoder promised.
    """
    samples: NDArray[np.float32] = (image / 255).astype(np.float32)
    decoded, tile = np.empty_like(samples), options["tile"]
    _, height, width = image.shape
    windows = [
        np.s_[:, row : row + tile, column : column + tile]
        for row in range(0, height, tile)
        for column in range(0, width, tile)
    ]
    with ThreadPoolExecutor(options["threads"]) as pool:
        begun = time.perf_counter()
        coded = list(
            pool.map(lambda w: codec.encode_tile(samples[w], quality, passes=options["passes"]), windows)
        )
        between = time.perf_counter()
        found = list(pool.map(lambda one: codec.decode_tile(one.payload, one.reconstruction.shape), coded))
        curve.decode_s += time.perf_counter() - between
        curve.encode_s += between - begun
    for window, one, pixels in zip(windows, coded, found, strict=True):
        decoded[window] = pixels
        if not np.array_equal(pixels, one.reconstruction):
            raise VerificationError(f"the tile at {window[1:]} decodes to something else")
    curve.bpp.append(8 * sum(len(one.payload) for one in coded) / (height * width))
    curve.psnr.append(psnr_of(image, np.round(decoded.clip(0, 1) * 255).astype(np.uint8)))


def code_standard(image: Image8, bpp: float, curve: Curve) -> None:
    """Code an image (bands, h, w) with JPEG 2000 at a rate and add the point to its curve."""
    bands, height, width = image.shape
    side = 1 << max(10, (max(height, width) - 1).bit_length())
    params = jpeg2000.J2KParams(
        lossless=False, mct=bands == 3, ratio=8 * bands / bpp, tile_size=side, plt=False
    )
    begun = time.perf_counter()
    codestream = jpeg2000.encode_tile(image, params)
    between = time.perf_counter()
    decoded = jpeg2000.decode_tile(codestream)
    curve.decode_s += time.perf_counter() - between
    curve.encode_s += between - begun
    curve.bpp.append(8 * len(codestream) / (height * width))
    curve.psnr.append(psnr_of(image, decoded))


def read_image(path: Path, *, is_grey: bool) -> Image8:
    """Return an image file as (3, h, w), or its green band (1, h, w)."""
    from PIL import Image

    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB")).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels[1:2] if is_grey else pixels)


def table(learned: dict[str, Curve], standard: dict[str, Curve], megapixels: float) -> str:
    """Return mean curves, BD-rates and speeds."""
    lines = ["quality     learned             JPEG 2000"]
    for place, quality in enumerate(QUALITIES):
        means = [
            float(np.mean([getattr(curve, key)[place] for curve in curves.values()]))
            for curves in (learned, standard)
            for key in ("bpp", "psnr")
        ]
        lines.append(
            f"{quality:.2f}   {means[0]:.3f} bpp {means[1]:.2f} dB   {means[2]:.3f} bpp {means[3]:.2f} dB"
        )
    rates = {name: bd_rate(standard[name].rates(), learned[name].rates()) for name in learned}
    found = summarise(rates, {name: source_of(name) for name in rates})
    lines.append(
        f"BD-rate against JPEG 2000: mean {found.mean:+.2f} %, median {found.median:+.2f} %, worst "
        f"{found.worst:+.2f} % ({found.worst_scene}), best {found.best:+.2f} %; {found.above_zero} of "
        f"{found.count} images need more bits"
    )
    lines.append("by source: " + ", ".join(f"{name} {rate:+.1f} %" for name, rate in found.sources.items()))
    for name, curves in (("learned", learned), ("JPEG 2000", standard)):
        coded = megapixels * len(QUALITIES)
        encode, decode = (
            coded / max(sum(getattr(curve, key) for curve in curves.values()), 1e-9)
            for key in ("encode_s", "decode_s")
        )
        lines.append(f"{name}: encodes {encode:.2f} Mpx/s, decodes {decode:.2f} Mpx/s")
    return "\n".join(lines)


def measure(codec: LearnedCodec, paths: list[Path], options: dict[str, Any]) -> str:
    """Code all images and return the table; ``options``: tile (px), threads, passes, grey, list."""
    learned: dict[str, Curve] = {}
    standard: dict[str, Curve] = {}
    pixels = 0
    for path in paths:
        image = read_image(path, is_grey=options["grey"])
        pixels += image.shape[1] * image.shape[2]
        ours, theirs = learned.setdefault(path.stem, Curve()), standard.setdefault(path.stem, Curve())
        for place, quality in enumerate(QUALITIES):
            code_learned(codec, image, options, ours, quality)
            code_standard(image, ours.bpp[place], theirs)
        if options["list"]:
            print(f"{bd_rate(theirs.rates(), ours.rates()).percent:+7.2f} %  {path.stem}", flush=True)
    return table(learned, standard, pixels / 1e6)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.evaluation.learned_rd", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--codec", default="auto", help="weights, by name or file")
    parser.add_argument("--every", type=int, default=1, help="use every n-th image")
    parser.add_argument("--tile", type=int, default=512, help="side of a tile in px")
    parser.add_argument("--threads", type=int, default=1, help="tiles of the learned codec side by side")
    parser.add_argument("--grey", action="store_true", help="the green band alone")
    parser.add_argument("--passes", type=int, default=0, help="latents are refined so many times")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--list", action="store_true", help="one line per image")
    values = vars(parser.parse_args(arguments))
    codec = LearnedCodec(values["codec"], device=values["device"])
    print(measure(codec, find_scenes([values["data"]], every=values["every"]), values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
