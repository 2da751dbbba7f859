"""Gain of a network over its codec: ``python -m rsic_geo.training.validate STATE --data FOLDER``.

Rates are JPEG 2000's own; the same bytes are decoded with and without the network.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from rsic_geo.codecs.learned_network import BLOCK, LEVELS
from rsic_geo.training.codec_state import code as code_batch
from rsic_geo.training.codec_state import read_codec
from rsic_geo.training.degrade import NODE, Image8, cell_levels, code_jpeg2000, octaves_at_nodes
from rsic_geo.training.state import TrainState

RATES = (0.15, 0.25, 0.4, 0.6, 1.0)
"""Bits per pixel at which every image is coded."""
LEARNED_QUALITIES = (0.15, 0.3, 0.45, 0.6, 0.8)
"""Qualities at which a learned codec codes every image."""
Curve = NDArray[np.float64]
Image32 = NDArray[np.float32]
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageResult:
    """Rate and PSNR of one image: codec alone, enhanced, and enhanced with a fitted strength."""

    name: str
    bpp: tuple[float, ...]
    codec_db: tuple[float, ...]
    enhanced_db: tuple[float, ...]
    fitted_db: tuple[float, ...]

    @property
    def bd_rate(self) -> float:
        """Bits saved (negative) or lost, in percent, of enhanced against codec."""
        return bd_rate(self.bpp, self.codec_db, self.bpp, self.enhanced_db)


def bd_rate(
    rate_a: tuple[float, ...], db_a: tuple[float, ...], rate_b: tuple[float, ...], db_b: tuple[float, ...]
) -> float:
    """Return the mean difference in rate of curve b against curve a at equal PSNR, in percent.

    Curves are increasing in PSNR; log rates are interpolated by monotone cubics.
    """
    low, high = max(min(db_a), min(db_b)), min(max(db_a), max(db_b))
    places = np.linspace(low, high, 200)
    difference = _monotone(db_b, np.log(rate_b), places) - _monotone(db_a, np.log(rate_a), places)
    with np.errstate(over="ignore"):  # a codec that has learned nothing yet has no curve, and costs infinity
        return float(100 * (np.exp(difference.mean()) - 1))


def _monotone(xs: tuple[float, ...], ys: Curve, places: Curve) -> Curve:
    """Interpolate with the monotone cubic of Fritsch and Butland."""
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    step, slope = np.diff(x), np.diff(y) / np.diff(x)
    tangent = np.empty_like(y)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
        inner = (w1 + w2) / (w1 / slope[:-1] + w2 / slope[1:])
    tangent[1:-1] = np.where(slope[:-1] * slope[1:] > 0, inner, 0.0)
    piece = np.clip(np.searchsorted(x, places) - 1, 0, len(step) - 1)
    t, h = (places - x[piece]) / step[piece], step[piece]
    result: Curve = (
        (1 + 2 * t) * (1 - t) ** 2 * y[piece]
        + t * (1 - t) ** 2 * h * tangent[piece]
        + t**2 * (3 - 2 * t) * y[piece + 1]
        + t**2 * (t - 1) * h * tangent[piece + 1]
    )
    return result


@dataclass(frozen=True, slots=True)
class Coding:
    """A codec at several places of its dial."""

    code: Callable[[Image8, float], tuple[Image8, int]]
    """(image (h, w, 3), place) -> (what comes back, bytes)."""
    places: tuple[float, ...]
    unit: str
    """What a place is called in tables."""
    is_grey: bool = False
    """Whether it codes the brightness of the images, as single bands."""


JPEG2000 = Coding(code_jpeg2000, RATES, "bpp")


def _code_grey(image: Image8, bits_per_pixel: float) -> tuple[Image8, int]:
    """Code an image (h, w, 3) of three equal bands as one."""
    band, size = code_jpeg2000(np.ascontiguousarray(image[:, :, 0]), bits_per_pixel)
    return np.repeat(band[:, :, None], 3, axis=2), size


GREY_JPEG2000 = Coding(_code_grey, RATES, "bpp", is_grey=True)
"""JPEG 2000 of single bands."""


def learned_coding(state: Path, device: torch.device) -> Coding:
    """Return the coding of a learned codec's state file; bytes are what its entropy model expects."""
    network = read_codec(state, device)

    def code(image: Image8, quality: float) -> tuple[Image8, int]:
        height, width = image.shape[:2]
        padded = np.pad(image, ((0, -height % BLOCK), (0, -width % BLOCK), (0, 0)), mode="symmetric")
        pixels = torch.from_numpy(padded).to(device).permute(2, 0, 1)[None].float() / 255
        level = torch.tensor([round(quality * (LEVELS - 1))], device=device)
        with torch.autocast(device.type, enabled=False):  # whatever the enhancer is judged in
            decoded, bits = code_batch(network, pixels, level)
        back = decoded[0, :, :height, :width].mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
        return back, math.ceil(float(bits) / 8)

    return Coding(code, LEARNED_QUALITIES, "quality")


Predictor = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(decoded x (1, 3, h, w), sigma (1, 1, h/64, w/64), original like x) -> correction like x."""


def _pixels(image: Image8, device: torch.device) -> Tensor:
    """Return an (h, w, 3) image as (1, 3, h', w') in 0..1, its sides filled up to multiples of 64."""
    height, width = image.shape[:2]
    padded = np.pad(image, ((0, -height % NODE), (0, -width % NODE), (0, 0)), mode="symmetric")
    x = torch.from_numpy(padded).to(device).permute(2, 0, 1)[None].float() / 255
    return x.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def correct(predict: Predictor, decoded: Image8, original: Image8, device: torch.device) -> Image32:
    """Return corrections (h, w, 3 * proposals), in units of 0..1, of a whole image of any size."""
    height, width = decoded.shape[:2]
    rows, cols = (np.arange(-(-side // NODE)) * NODE + NODE // 2 for side in (height, width))
    octaves = torch.from_numpy(octaves_at_nodes(cell_levels(original, decoded), rows, cols))[None, None]
    out = predict(_pixels(decoded, device), octaves.to(device).exp2(), _pixels(original, device))
    pixels: Image32 = out[0].permute(1, 2, 0).float().cpu().numpy()[:height, :width]
    return pixels


def fit(change: Image32, error: Image32) -> Image32:
    """Return the mix (h, w, 3) of proposals (h, w, 3 * proposals) nearest to the error (h, w, 3).

    One number per proposal and image; of a single proposal, a strength between 0 and 1.5.
    """
    proposed = change.reshape(error.size // 3, -1, 3).transpose(1, 0, 2).reshape(-1, error.size)
    square = (proposed @ proposed.T).astype(np.float64)
    square += 1e-12 * np.eye(len(square))
    mix = np.linalg.solve(square, (proposed @ error.ravel()).astype(np.float64))
    if len(mix) == 1:
        mix = np.clip(mix, 0, 1.5)
    mixed: Image32 = (mix.astype(np.float32) @ proposed).reshape(error.shape)
    return mixed


def _decibel(error: NDArray[np.floating[Any]]) -> float:
    return float(-10 * np.log10(np.square(error).mean() + 1e-12))


def assess(
    predictors: Sequence[Predictor],
    image: Image8,
    name: str,
    device: torch.device,
    coding: Coding = JPEG2000,
) -> list[ImageResult]:
    """Code one image (h, w, 3) at every rate and measure PSNR with and without each predictor."""
    rows: list[list[tuple[float, ...]]] = [[] for _ in predictors]
    target: Image32 = (image / 255).astype(np.float32)
    for place in coding.places:
        decoded, size = coding.code(image, place)
        base: Image32 = (decoded / 255).astype(np.float32)
        bpp = 8 * size / (image.shape[0] * image.shape[1])
        for row, predict in zip(rows, predictors, strict=True):
            change = correct(predict, decoded, image, device)
            if coding.is_grey:  # a band seen three times is given the mean
                bands = change.reshape(*change.shape[:2], -1, 3)
                change = np.repeat(bands.mean(axis=3), 3, axis=2)
            enhanced = np.round(np.clip(base + change[:, :, :3], 0, 1) * 255) / 255
            fitted = np.round(np.clip(base + fit(change, target - base), 0, 1) * 255) / 255
            row.append((bpp, *(_decibel(target - pixels) for pixels in (base, enhanced, fitted))))
    columns = [[tuple(column) for column in zip(*row, strict=True)] for row in rows]
    return [
        ImageResult(name=name, bpp=bpp_, codec_db=codec, enhanced_db=enhanced_, fitted_db=fitted_)
        for bpp_, codec, enhanced_, fitted_ in columns
    ]


def assess_images(
    predictors: Sequence[Predictor],
    folder: Path,
    *,
    device: torch.device,
    every: int = 1,
    coding: Coding = JPEG2000,
) -> list[list[ImageResult]]:
    """Return, per predictor, its results on every ``every``-th image of a folder in name order."""
    results: list[list[ImageResult]] = [[] for _ in predictors]
    for name, pixels in read_images(folder, every, is_grey=coding.is_grey):
        for found, result in zip(results, assess(predictors, pixels, name, device, coding), strict=True):
            found.append(result)
    return results


def read_images(folder: Path, every: int = 1, *, is_grey: bool = False) -> Iterator[tuple[str, Image8]]:
    """Yield name and pixels (h, w, 3) of every ``every``-th image of a folder, in name order.

    Grey ones are the brightness of the image, three times.
    """
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)[::every]:
        with Image.open(path) as image:
            yield path.stem, np.asarray((image.convert("L") if is_grey else image).convert("RGB"))


def assess_folder(network: nn.Module, folder: Path, *, every: int = 1) -> list[ImageResult]:
    """Assess a network that is called with x and sigma; see :func:`assess_images`."""
    device = next(network.parameters()).device
    (results,) = assess_images([lambda x, sigma, _: network(x, sigma)], folder, device=device, every=every)
    return results


def summary(results: list[ImageResult], coding: Coding = JPEG2000) -> str:
    """Return a short table: mean gain per place of the dial, mean, worst and best BD-rate."""
    gains = np.array([np.subtract(r.enhanced_db, r.codec_db) for r in results])
    fitted = np.array([np.subtract(r.fitted_db, r.codec_db) for r in results])
    rates = np.array([r.bd_rate for r in results])
    fitted_rates = np.array([bd_rate(r.bpp, r.codec_db, r.bpp, r.fitted_db) for r in results])
    lines = [
        f"{coding.unit} {rate:4.2f}  gain {gain:+.3f} dB  with fitted strength {fit:+.3f} dB"
        for rate, gain, fit in zip(coding.places, gains.mean(0), fitted.mean(0), strict=True)
    ]
    lines.append(
        f"BD-rate over {len(results)} images: mean {rates.mean():+.2f} %, worst {rates.max():+.2f} % "
        f"({results[int(rates.argmax())].name}), best {rates.min():+.2f} %; "
        f"mean with fitted strength {fitted_rates.mean():+.2f} %"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the validator."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.validate", description=__doc__)
    parser.add_argument("state", type=Path, help="state file of the trainer")
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--every", type=int, default=1, help="use every n-th image")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="one line per image")
    values = parser.parse_args(arguments)
    if values.threads:
        torch.set_num_threads(values.threads)
    network = TrainState.load(values.state, device=torch.device("cpu")).average.eval()
    results = assess_folder(network, values.data, every=values.every)
    if values.list:
        for result in results:
            print(f"{result.bd_rate:+7.2f} %  {result.name}")
    print(summary(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
