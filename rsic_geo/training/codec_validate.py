"""A codec against JPEG 2000: ``python -m rsic_geo.training.codec_validate STATE --data FOLDER``.

Bits are those the entropy model expects for the symbols really coded; real payloads are measured by
``python -m rsic_geo.evaluation.learned_rd``. JPEG 2000 codes the same images at the same rates.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from rsic_geo.codecs.learned_network import BLOCK, LEVELS
from rsic_geo.codecs.learned_network.model import Coded, LearnedNetwork
from rsic_geo.codecs.learned_network.refine import refined
from rsic_geo.training.codec_state import CodecNetwork, read_codec
from rsic_geo.training.degrade import Image8, code_jpeg2000
from rsic_geo.training.validate import bd_rate, read_images

QUALITIES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Places on the quality axis every image is coded at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Rate and PSNR of one image under the codec and under JPEG 2000, at the codec's rates."""

    name: str
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    standard_bpp: tuple[float, ...]
    standard_psnr: tuple[float, ...]

    @property
    def bd_rate(self) -> float:
        """Bits saved (negative) or lost, in percent, against JPEG 2000."""
        return bd_rate(self.standard_bpp, self.standard_psnr, self.bpp, self.psnr)


def psnr_of(image: Image8, decoded: Image8) -> float:
    """Return the PSNR in dB of 8 bit samples."""
    error = np.square(image.astype(np.float32) - decoded.astype(np.float32)).mean()
    return float(10 * np.log10(255**2 / max(float(error), 1e-9)))


@torch.no_grad()
def code(network: CodecNetwork, image: Image8, quality: float, passes: int = 0) -> tuple[Image8, float]:
    """Return an image (h, w, 3) as the codec gives it back, and its bits per pixel; refined so many times."""
    height, width = image.shape[:2]
    device = next(network.parameters()).device
    pixels = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None].to(device)
    pixels = F.pad(pixels, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
    level = torch.tensor([round(quality * (LEVELS - 1))], device=device)
    if passes and isinstance(network, LearnedNetwork):
        coded = _refined(network, pixels, level, (height, width), passes)
    else:
        coded = network(pixels, level, hard=True)
    decoded = coded.pixels[0, :, :height, :width].clamp(0, 1).mul(255).round().byte()
    return decoded.permute(1, 2, 0).cpu().numpy(), float(coded.bits) / (height * width)


def _refined(network: LearnedNetwork, x: Tensor, level: Tensor, shape: tuple[int, int], passes: int) -> Coded:
    """Return what pixels (1, 3, h, w) come to when refined; those beyond shape do not count."""
    gains, scales = network.gains(level), network.gains.log_scales(level)
    v = network.analysis(x, gains, level)
    moved = refined(network, passes, x[..., : shape[0], : shape[1]], v, level)
    decoded, bits = network.code(moved, scales, level, hard=True)
    return Coded(pixels=network.synthesis(decoded, gains, level), bits=bits)


def assess(network: CodecNetwork, image: Image8, name: str, passes: int = 0) -> Curves:
    """Code one image at every quality, and with JPEG 2000 at the same rates."""
    bpp, psnr, standard_bpp, standard_psnr = [], [], [], []
    for quality in QUALITIES:
        decoded, rate = code(network, image, quality, passes)
        bpp.append(rate)
        psnr.append(psnr_of(image, decoded))
        standard, size = code_jpeg2000(image, rate)
        standard_bpp.append(8 * size / (image.shape[0] * image.shape[1]))
        standard_psnr.append(psnr_of(image, standard))
    return Curves(
        name=name,
        bpp=tuple(bpp),
        psnr=tuple(psnr),
        standard_bpp=tuple(standard_bpp),
        standard_psnr=tuple(standard_psnr),
    )


def summary(results: list[Curves]) -> str:
    """Return a short table: means per quality, and BD-rates."""
    lines = []
    for place, quality in enumerate(QUALITIES):
        columns: list[NDArray[np.float64]] = [
            np.array([getattr(r, key)[place] for r in results])
            for key in ("bpp", "psnr", "standard_bpp", "standard_psnr")
        ]
        ours, db, theirs, standard = (column.mean() for column in columns)
        anchor = f"JPEG 2000 {theirs:.3f} bpp {standard:.2f} dB"
        lines.append(f"quality {quality:.1f}  {ours:.3f} bpp {db:.2f} dB   {anchor}")
    rates = np.array([r.bd_rate for r in results])
    lines.append(
        f"BD-rate against JPEG 2000 over {len(results)} images: mean {rates.mean():+.2f} %, worst "
        f"{rates.max():+.2f} % ({results[int(rates.argmax())].name}), best {rates.min():+.2f} %, "
        f"{int((rates < 0).sum())} gain"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Command line of the validator."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.codec_validate", description=__doc__)
    parser.add_argument("state", type=Path, help="state file of the trainer, or exported weights")
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--every", type=int, default=1, help="use every n-th image")
    parser.add_argument("--passes", type=int, default=0, help="latents are refined so many times")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--list", action="store_true", help="one line per image")
    values = parser.parse_args(arguments)
    if values.threads:
        torch.set_num_threads(values.threads)
    network = read_codec(values.state, torch.device(values.device))
    results = [
        assess(network, image, name, values.passes) for name, image in read_images(values.data, values.every)
    ]
    if values.list:
        for result in results:
            print(f"{result.bd_rate:+7.2f} %  {result.name}")
    print(summary(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
