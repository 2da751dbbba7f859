"""The ablation table: ``python -m rsic_geo.training.ldm_validate STATE[:PRIOR] ... --data FOLDER``.

Each row is a state file, or exported weights (of a pair the network for such pictures), and the prior its
restorer is fed: ``none`` (a restorer alone), ``true`` (the oracle's, which sees the original: a ceiling, not
a decoder), ``generated`` (what the decoder has; the default) or ``mean`` (of 8 seeds). ``untold`` is a U-Net
trained with ``--untold``. All rows decode the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from rsic_geo.repair.integer.ends import fold, unfold
from rsic_geo.repair.integer.engines import choose_engine
from rsic_geo.repair.integer.graph import TABLE
from rsic_geo.repair.integer.weights import INTEGER_FORMAT, unpack
from rsic_geo.repair.network import UNetVariants, network_of
from rsic_geo.repair.network.unet import LATTICE
from rsic_geo.repair.units import FINE, STEPS
from rsic_geo.training.ldm import true_prior
from rsic_geo.training.ldm_state import LdmState, Workshop
from rsic_geo.training.state import TrainState, read_payload
from rsic_geo.training.teacher import VIEWS, mean_of_views
from rsic_geo.training.train import UNTOLD
from rsic_geo.training.validate import (
    GREY_JPEG2000,
    JPEG2000,
    ImageResult,
    Predictor,
    assess_images,
    bd_rate,
    learned_coding,
    summary,
)

PRIORS = ("none", "true", "generated", "mean")
_SEEDS = 8


def predictor(workshop: Workshop, prior: str, *, seed: int = 0) -> Predictor:
    """Return what turns decoded pixels, sigma and original into a correction, with the prior asked for."""
    if prior not in PRIORS:
        raise ValueError(f"prior {prior!r}: must be one of {', '.join(PRIORS)}")
    network = workshop.network

    def generate(x: Tensor, sigma: Tensor, number: int) -> Tensor:
        return network.generate(x, sigma, network.start_noise(sigma, seed=number))

    def predict(x: Tensor, sigma: Tensor, original: Tensor) -> Tensor:
        tokens: Tensor | None = None
        if prior == "true":
            tokens = true_prior(workshop, x, original, sigma)
        elif prior == "generated":
            tokens = generate(x, sigma, seed)
        elif prior == "mean":
            tokens = torch.stack([generate(x, sigma, seed + k) for k in range(_SEEDS)]).mean(dim=0)
        return network.restorer.restore(x, sigma, tokens)

    return predict


def open_row(row: str, device: torch.device, *, is_grey: bool = False) -> Predictor:
    """Return the predictor of ``STATE`` or ``STATE:PRIOR``; a U-Net's state is a restorer alone.

    Exported weights (``.safetensors``) are run as they are used.
    """
    path, colon, prior = row.rpartition(":")
    if not colon:
        path, prior = row, "generated"
    if path.endswith(".safetensors"):
        return _exported(Path(path), device, is_grey=is_grey)
    payload = read_payload(Path(path))
    if "stage" not in payload:
        unet = TrainState.load(Path(path), device=device).average.eval()
        if prior == "untold":
            return lambda x, sigma, _: unet(x, torch.full_like(sigma, UNTOLD))
        return lambda x, sigma, _: unet(x, sigma)
    workshop = LdmState.load(Path(path), device=device).average.eval()
    return predictor(workshop, "none" if workshop.network.spec.prior is None else prior)


def viewed(predict: Predictor, count: int) -> Predictor:
    """Return a predictor that is the mean of ``count`` views (:mod:`rsic_geo.training.teacher`)."""
    if count == 1:
        return predict

    def mean(x: Tensor, sigma: Tensor, original: Tensor) -> Tensor:
        both = torch.cat([x, original], dim=1)  # the original, which some rows see, is turned as well
        return mean_of_views(lambda pair, level: predict(pair[:, :3], level, pair[:, 3:]), both, sigma, count)

    return mean


def _exported(path: Path, device: torch.device, *, is_grey: bool) -> Predictor:
    """Return the predictor of a file of weights; of a pair the network for such pictures."""
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    if metadata["format"] == INTEGER_FORMAT:
        return _integer(path, metadata, is_grey=is_grey)
    network = network_of(metadata["format"], json.loads(metadata["spec"]))
    network.load_state_dict(load_file(path))
    network = network.eval().requires_grad_(False).to(device)
    if is_grey and isinstance(network, UNetVariants):
        return lambda x, sigma, _: network(x[:, :1], sigma).repeat_interleave(3, dim=1)
    return lambda x, sigma, _: network(x, sigma)


def _integer(path: Path, metadata: dict[str, str], *, is_grey: bool) -> Predictor:
    """Return the predictor of integer networks, run as they are used but for the distortion they are told.

    That is interpolated from the nodes here, as float networks do it, in the product from the cells.
    """
    networks, golden = unpack(path.read_bytes(), json.loads(metadata["spec"]), path.stem)
    network = networks[1 if is_grey else 0]
    engine = choose_engine(networks, golden)(network)

    def predict(x: Tensor, sigma: Tensor, _: Tensor) -> Tensor:
        octaves = F.interpolate(sigma.log2(), scale_factor=LATTICE // 2, mode="bilinear", align_corners=False)
        levels = (8 * 16 * (octaves[0, 0].numpy() + 15.9)).round()
        index = np.clip(levels, 0, TABLE - 1).astype(np.intp)
        pixels = (x[0, : network.bands] * STEPS).round().numpy().astype(np.int16)
        whole = (slice(0, pixels.shape[1]), slice(0, pixels.shape[2]))
        out = unfold(network, engine.run(fold(network, pixels, whole, index)), index)
        found = torch.from_numpy(out.astype(np.float32) / FINE)[None]
        return found.repeat_interleave(3, dim=1) if is_grey else found

    return predict


def _against(first: Sequence[ImageResult], other: Sequence[ImageResult], column: str) -> str:
    """Return the bits the other row needs more, as text; ``column`` names the PSNR that counts."""
    rates = [
        bd_rate(a.bpp, getattr(a, column), b.bpp, getattr(b, column))
        for a, b in zip(first, other, strict=True)
    ]
    return f"{sum(rates) / len(rates):+.2f} %, worst {max(rates):+.2f} %"


def main(arguments: list[str] | None = None) -> int:
    """Command line of the ablation."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.ldm_validate", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("rows", nargs="+", metavar="STATE[:PRIOR]")
    parser.add_argument("--data", type=Path, required=True, help="folder of images")
    parser.add_argument("--every", type=int, default=1, help="use every n-th image")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--coded-by", type=Path, help="state of a learned codec, instead of JPEG 2000")
    parser.add_argument("--grey", action="store_true", help="the brightness of the images, as single bands")
    parser.add_argument("--fast", action="store_true", help="convolutions in bfloat16")
    parser.add_argument(
        "--views",
        type=int,
        choices=VIEWS,
        default=1,
        help="mean of so many views that keep the wavelet's phase",
    )
    values = parser.parse_args(arguments)
    if values.threads:
        torch.set_num_threads(values.threads)
    device = torch.device(values.device)
    predictors = [viewed(open_row(row, device, is_grey=values.grey), values.views) for row in values.rows]
    coding = GREY_JPEG2000 if values.grey else JPEG2000
    if values.coded_by:  # three equal bands are one band to it
        coding = replace(learned_coding(values.coded_by, device), is_grey=values.grey)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=values.fast):
        results = assess_images(predictors, values.data, device=device, every=values.every, coding=coding)
    for row, found in zip(values.rows, results, strict=True):
        print(f"{row}\n{summary(found, coding)}")
    for row, found in zip(values.rows[1:], results[1:], strict=True):
        words = [_against(results[0], found, column) for column in ("enhanced_db", "fitted_db")]
        print(f"{row} against {values.rows[0]}: {words[0]}; both fitted {words[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
