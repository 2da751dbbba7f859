"""Fine-tune shipped integers on pictures of one archive: what ``rsic adapt`` does once it has pictures.

The weights become floats again, are trained in a few legs on the pictures as the codec leaves them, and are
rounded again. After every leg the pictures held back decide: training ends when they gain no more, and the
best leg's weights are kept. What is written is judged once more as it will be used, in integers, and nothing
is written where that gains nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open

from rsic_geo.repair.integer.weights import INTEGER_FORMAT, pack
from rsic_geo.repair.network import LdmSpec, UNetSpec, paired
from rsic_geo.training.data import Crop, find_packs
from rsic_geo.training.degrade import DegradeOptions
from rsic_geo.training.export import steady, write_file
from rsic_geo.training.ldm import LdmOptions, LdmTrainer
from rsic_geo.training.ldm_state import LdmState
from rsic_geo.training.ldm_validate import open_row
from rsic_geo.training.quantise import CROPS, calibration, golden_of, quantise
from rsic_geo.training.train import STATE_NAME
from rsic_geo.training.validate import GREY_JPEG2000, JPEG2000, ImageResult, assess_images, bd_rate

LEGS = 4
"""Parts of the budget, each with a learning rate that falls to nothing."""
LEAST = 0.05
"""Percent of the bytes that a leg must save beyond those before, or it was the last."""
WORTH = 0.1
"""Percent of the bytes that adapted weights must save to be written."""
_TELL_EVERY = 10
_BATCH = 16
_POOL = 1024
"""Crops that batches are drawn from."""
COLOUR, GREY = "colour", "grey"
"""Folders of the pictures held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptOptions:
    """What is trained on what."""

    base: Path
    """Weights of integers to begin with."""
    data: Path
    """Folder with tar packs of pictures to train on; bands by themselves are pictures of three equal ones."""
    held: Path
    """Folder with the pictures held back, in folders ``colour`` and ``grey``."""
    out: Path
    """Where the weights go (``.safetensors``); their card goes beside them."""
    work: Path
    """Folder for states."""
    budget_s: float | None = None
    steps: int | None = None
    """Steps instead of a budget: then the result is a function of the arguments."""
    about: str = ""
    """One line for the card, of the scenes."""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """What became of it."""

    saved: float
    """Percent of the bytes saved on pictures held back, at equal squared error, against the base."""
    worst: float
    """The same of the picture that gains least."""
    pictures: int
    """Pictures held back."""
    legs: int
    seconds: float
    sha256: str | None
    """Of the weights written; None: they gain nothing, and none were."""


class AdaptTrainer(LdmTrainer):
    """Leaves pictures as they lie: old JPEG blocks, tones and the order of bands are what it learns."""

    tell: Callable[[float], None]
    """Told the part of the leg that is done, every few steps; may raise to stop."""

    def degrading(self) -> DegradeOptions:
        """Return how pictures are coded; nothing else is done to them."""
        return DegradeOptions(shrink_share=0, permute_share=0, tone_share=0, tiled_share=0, grey_share=0)

    def _step(self, crops: list[Crop], share: float) -> None:
        if self.state.step % _TELL_EVERY == 0:
            self.tell(share)
        super()._step(crops, share)


def adapt(options: AdaptOptions, told: Callable[[float, str], None]) -> Adapted:
    """Fine-tune weights on pictures; write them where pictures held back gain.

    Args:
        options: what is trained on what.
        told: the part that is done and what is going on; may raise to stop.

    Raises:
        ValueError: the base is no network of integers, or no pictures are held back.
    """
    begun = time.monotonic()
    with safe_open(options.base, "np") as opened:
        metadata = opened.metadata()
    if metadata.get("format") != INTEGER_FORMAT:
        raise ValueError(f"{options.base.name} is no network of integers, which alone can be adapted")
    unet = UNetSpec.from_json(json.loads(metadata["unet"]))
    packs = find_packs(options.data)
    base = measure(options.held, str(options.base))
    best, best_saved, legs = options.work / "best.pt", 0.0, 0
    state = options.work / STATE_NAME
    for leg in range(LEGS):
        trainer = AdaptTrainer(
            LdmOptions(
                stage="plain",
                ldm=LdmSpec(restorer=unet, prior=None),
                warm=None if leg else options.base,
                resume=state if leg else None,
                data=options.data,
                out=options.work,
                budget_s=None if options.budget_s is None else options.budget_s / LEGS,
                steps=None if options.steps is None else -(-options.steps // LEGS),
                seed=options.seed + leg,
                proposals=unet.proposals,
                batch=_BATCH,
                pool=_POOL,
                reuse=8.0,
                rate=1e-3,
                warmup=50,
                fitted_share=0.7,
                squared_share=1.0,
                workers=0,
                device="cpu",
                log_every=200,
            ),
            say=lambda _line: None,
        )
        said = f"leg {leg + 1} of {LEGS}" + (f", {best_saved:.2f} % saved so far" if leg else "")
        trainer.tell = partial(_tell, told, leg, said)
        trainer.run()
        legs += 1
        saved = compare(base, measure(options.held, str(state)))[0]
        if saved > best_saved:
            best.write_bytes(state.read_bytes())
        if saved < best_saved + LEAST:
            break
        best_saved = saved
    nothing = Adapted(
        saved=0.0, worst=0.0, pictures=0, legs=legs, seconds=time.monotonic() - begun, sha256=None
    )
    if not best.exists():
        return nothing
    network = LdmState.load(best, device=torch.device("cpu")).average.network.restorer
    told(0.95, "rounding")
    networks = quantise(paired(network.eval()), *calibration(packs, CROPS), lambda _line: None)
    kept = {"licence": f"made of {metadata['name']}: {metadata['licence']}", "name": options.out.stem}
    made = options.work / options.out.name
    made.write_bytes(steady(pack(networks, golden_of(networks), kept | {"unet": metadata["unet"]})))
    saved, worst = compare(base, measure(options.held, str(made)))
    found = replace(nothing, saved=saved, worst=worst, pictures=len(base), seconds=time.monotonic() - begun)
    if saved < WORTH:
        return found
    content = made.read_bytes()
    found = replace(found, sha256=hashlib.sha256(content).hexdigest())
    write_file(options.out.with_suffix(".md"), _card(options, metadata["name"], found).encode())
    write_file(options.out, content)
    return found


def _tell(told: Callable[[float, str], None], leg: int, text: str, share: float) -> None:
    told(0.95 * (leg + share) / LEGS, text)


def measure(held: Path, row: str) -> list[ImageResult]:
    """Return what weights or a state make of the pictures held back, coded at several rates.

    The proposals are mixed by one fit per picture and rate, as the encoder does by cells.

    Raises:
        ValueError: there are none.
    """
    device, found = torch.device("cpu"), []
    for kind, coding in ((COLOUR, JPEG2000), (GREY, GREY_JPEG2000)):
        if any((held / kind).glob("*.png")):
            predict = open_row(row, device, is_grey=kind == GREY)
            found += assess_images([predict], held / kind, device=device, coding=coding)[0]
    if not found:
        raise ValueError("no pictures are held back")
    return found


def compare(base: list[ImageResult], other: list[ImageResult]) -> tuple[float, float]:
    """Return what percentage of the bytes one saves against the other at equal error, and the least."""
    saved = [-bd_rate(a.bpp, a.fitted_db, b.bpp, b.fitted_db) for a, b in zip(base, other, strict=True)]
    return sum(saved) / len(saved), min(saved)


def _card(options: AdaptOptions, base: str, found: Adapted) -> str:
    return f"""# {options.out.stem}

`{base}`, fine-tuned on {options.about}.

| | |
|---|---|
| file | `{options.out.name}`, integers of 8 bits, sha256 `{found.sha256}` |
| training | {found.seconds / 60:.0f} minutes, {found.legs} legs, seed {options.seed} |
| held back | {found.pictures} pictures of other scenes or parts, never trained on |
| bytes at equal error there, against `{base}` | {-found.saved:+.2f} %, worst {-found.worst:+.2f} % |

Made for this source: on others `{base}` is likely better. Archives made with it name it and its sha256, and
are read in full only where this file is: keep it with them.
"""
