"""Train the enhancer: ``python -m rsic_geo.training.train --data FOLDER --out FOLDER --budget 9m``.

With ``--steps`` instead of ``--budget`` the result is a function of the arguments on a CPU; with a
budget the learning rate follows the clock, so that the run always ends on its cosine's foot.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsic_geo.devices import choose_device, has_bfloat16
from rsic_geo.repair.network import UNetSpec
from rsic_geo.training.codec_state import degrade_batch, read_codec
from rsic_geo.training.data import Crop, CropPool, StreamOptions, crop_stream, find_packs
from rsic_geo.training.degrade import DegradeOptions, Samples, as_deep
from rsic_geo.training.proposals import LossShares, proposals_loss, widened
from rsic_geo.training.state import RunState, TrainState, draw_history, read_payload
from rsic_geo.training.teacher import VIEWS, Teacher, seen, seen_nodes, spread

STATE_NAME = "state.pt"
UNTOLD = 2.0**-6
"""Distortion (units of 0..1) told to a network that is not told the true one."""
_SAVE_EVERY_S = 120.0
_PLAIN_OPTIONS: dict[str, Callable[[str], object]] = {
    "seed": int,
    "batch": int,
    "crop": int,
    "rate": float,
    "warmup": int,
    "average_decay": float,
    "workers": int,
    "pool": int,
    "reuse": float,
    "log_every": int,
    "grey_share": float,
    "deep_share": float,
    "squared_share": float,
    "proposals": int,
    "fitted_share": float,
    "family": int,
    "structure_share": float,
    "teacher_share": float,
    "teacher_views": int,
    "source_share": float,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """One run of the trainer."""

    data: Path
    """Folder with tar packs."""
    out: Path
    """Folder for state, log and plot."""
    budget_s: float | None = None
    """Wall-clock seconds this run may train; None: use ``steps``."""
    steps: int | None = None
    """Steps of this run when there is no budget."""
    resume: Path | None = None
    spec: UNetSpec = field(default_factory=UNetSpec)
    seed: int = 0
    batch: int = 8
    crop: int = 128
    rate: float = 1e-3
    """Peak learning rate."""
    warmup: int = 300
    """Steps of linear warm-up at the start of this run."""
    average_decay: float = 0.998
    workers: int = 1
    pool: int = 768
    reuse: float = 2.0
    device: str = "auto"
    precision: str = "auto"
    """``bf16``, ``fp32`` or ``auto`` (bf16 where the processor computes it natively)."""
    log_every: int = 100
    grey_share: float = DegradeOptions().grey_share
    """Share of images coded as one band."""
    deep_share: float = DegradeOptions().deep_share
    """Share of those that are coded with 16 bits, by JPEG 2000 alone."""
    squared_share: float = 0.5
    """Weight of the squared loss against the Charbonnier loss."""
    proposals: int | None = None
    """Corrections the network proposes; more than what it begins with has start at random."""
    fitted_share: float = 0.0
    """Weight of the loss of the proposals an encoder would mix, against that of the first alone."""
    structure_share: float = 0.0
    """Weight of the structural loss (1 - SSIM) against the loss of pixels."""
    family: int = 1
    """Crops of one image that are drawn together and share the mix of proposals fitted to them."""
    source_share: float = 1.0
    """Largest share of the images drawn that one source may have."""
    coded_by: Path | None = None
    """State of a learned codec whose output is to be enhanced; None: that of JPEG 2000."""
    teacher: Path | None = None
    """Exported U-Net (.safetensors) whose corrections are learned; None: the original alone."""
    teacher_share: float = 0.9
    """How far the target lies from the original towards what the teacher makes of the decoded picture."""
    teacher_views: int = 2
    """Of how many views its corrections are the mean (1, 2 or 8); the pupil is shown each in turn."""
    untold: bool = False
    """Whether the network is kept from the distortion level, for an ablation: it is always told UNTOLD."""
    slim: bool = False
    """Keep the averaged weights only, in half precision (small enough to bring back from a GPU machine)."""


def parse_duration(text: str) -> float:
    """Return seconds of ``90``, ``90s``, ``9m`` or ``1.5h``; raises ValueError otherwise."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    seconds = float(number) * unit
    if not seconds > 0:
        raise ValueError(f"{text!r} is no positive duration")
    return seconds


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of the convolutions."""
    if name == "auto":
        name = "bf16" if device.type == "cuda" or has_bfloat16(device) else "fp32"
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[name]


def to_batch(crops: list[Crop], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return decoded (n,3,h,w), original (n,3,h,w) in 0..1 and sigma (n,1,h/64,w/64)."""

    def pixels(arrays: list[Samples]) -> Tensor:
        stacked: NDArray[Any] = np.stack(as_deep(arrays))
        offset, highest = 0.0, 255.0
        if stacked.dtype == np.uint16:  # torch computes with signed ones everywhere
            stacked, offset, highest = (stacked ^ np.uint16(2**15)).view(np.int16), 2.0**15, 65535.0
        batch = torch.from_numpy(stacked).to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        return batch.add_(offset).div_(highest).contiguous(memory_format=torch.channels_last)

    octaves = torch.from_numpy(np.stack([crop.octaves for crop in crops]))[:, None].to(device)
    return pixels([c.decoded for c in crops]), pixels([c.original for c in crops]), octaves.exp2()


class Trainer:
    """One run: batches in, better weights out, state on disk."""

    columns: ClassVar[dict[str, str]] = {
        "loss": "loss {:.4f}",
        "gain_db": "gain {:+.3f} dB",
        "psnr": "psnr {:.2f} dB",
    }
    """What is summed while training: its name in the history, and how the log says it."""
    plotted: ClassVar[str] = "gain_db"
    """Column that is drawn beside the loss."""

    def __init__(self, options: TrainOptions, *, say: Callable[[str], None] = print) -> None:
        if (options.budget_s is None) == (options.steps is None):
            raise ValueError("give either a budget or a number of steps")
        if (options.proposals or 1) > 1 and not options.fitted_share:
            raise ValueError(
                "several proposals learn by what they are mixed to: give --fitted-share, such as 0.7"
            )
        if options.family < 1 or options.batch % options.family or options.pool % options.family:
            raise ValueError(
                f"batches of {options.batch} crops and a pool of {options.pool} are not whole families of "
                f"{options.family}"
            )
        if options.teacher_views not in VIEWS:
            raise ValueError(f"{options.teacher_views} views: must be one of {', '.join(map(str, VIEWS))}")
        if options.teacher and options.coded_by:
            raise ValueError("a teacher sees what JPEG 2000 made: give --teacher or --coded-by")
        self.options = options
        self.say = say
        self.device = choose_device(options.device)
        self.dtype = choose_precision(options.precision, self.device)
        self.codec = read_codec(options.coded_by, self.device) if options.coded_by else None
        self.state: RunState = self.open_state()
        self._first_step, self._first_second = self.state.step, self.state.seconds
        self._sums = torch.zeros(3, device=self.device)
        self._counted = 0

    def open_state(self) -> RunState:
        """Return the state this run begins with."""
        options = self.options
        if options.resume:
            return self._resumed(read_payload(options.resume))
        spec = replace(options.spec, proposals=options.proposals or options.spec.proposals)
        return TrainState.fresh(spec, seed=options.seed, device=self.device)

    def _resumed(self, payload: dict[str, Any]) -> TrainState:
        """Return the state to go on with; with more proposals than it had, the optimiser begins anew."""
        spec = UNetSpec.from_json(payload["spec"])
        wanted = self.options.proposals or spec.proposals
        if wanted < spec.proposals:
            raise ValueError(f"the state proposes {spec.proposals} corrections, {wanted} are asked for")
        if wanted > spec.proposals:
            spec = replace(spec, proposals=wanted)
            payload = {k: v for k, v in payload.items() if k not in ("network", "optimizer")}
            payload["average"] = widened(payload["average"], wanted)
        state = TrainState.fresh(spec, seed=0, device=self.device)
        state.restore(payload)
        return state

    def degrading(self) -> DegradeOptions:
        """Return what is done to the images of this run."""
        options = self.options
        return DegradeOptions(
            grey_share=options.grey_share, deep_share=options.deep_share, is_coded=self.codec is None
        )

    def pixels(self, crops: list[Crop]) -> tuple[Tensor, Tensor, Tensor]:
        """Return a batch as :func:`to_batch` does, coded by the run's codec, its target the teacher's."""
        options = self.options
        x, target, sigma = to_batch(crops, self.device)
        if options.teacher:
            # Between the original and the teacher's picture: squared loss against both, less its noise.
            stacked = np.stack([crop.lesson for crop in crops if crop.lesson is not None])
            lessons = torch.from_numpy(stacked).to(self.device).float()
            taught = x + lessons * spread(sigma, x)
            target = torch.lerp(target, taught, options.teacher_share)
            # Views that keep the wavelet's phase are samples more.
            view = self.state.step % options.teacher_views
            x, target, sigma = seen(x, view), seen(target, view), seen_nodes(sigma, view)
        if self.codec is not None:
            torch.manual_seed(1_000_003 * self.options.seed + self.state.step)
            jitter = StreamOptions(packs=()).jitter
            x, sigma = degrade_batch(self.codec, target, jitter=jitter, family=self.options.family)
        return x, target, sigma

    def run(self) -> RunState:
        """Train until the budget is used up; the state file is current on return."""
        options, state = self.options, self.state
        packs, degrade = find_packs(options.data), self.degrading()
        stream = StreamOptions(
            packs=packs,
            seed=options.seed,
            crop=options.crop,
            family=options.family,
            source_share=options.source_share,
            degrade=degrade,
        )
        crops = crop_stream(stream, workers=options.workers, first=state.images)
        if options.teacher:
            teacher = Teacher.read(
                options.teacher, device=self.device, dtype=self.dtype, views=options.teacher_views
            )
            crops = teacher.teach(crops, to_batch)
        seed = options.seed + state.step
        pool = CropPool(crops, size=options.pool, reuse=options.reuse, seed=seed, family=options.family)
        batch = pool.batch(options.batch)
        begun = saved = time.monotonic()
        before = state.seconds
        while (share := self._share(time.monotonic() - begun)) < 1.0:
            self._step(batch, share)
            batch = pool.batch(options.batch)
            now = time.monotonic()
            state.seconds = before + now - begun
            if state.step % options.log_every == 0:
                self._log(share)
            if now - saved > _SAVE_EVERY_S:
                state.images = pool.next_image
                state.save(options.out / STATE_NAME, slim=options.slim)
                saved = now
        state.images = pool.next_image
        state.seconds = before + time.monotonic() - begun
        if self._counted:
            self._log(1.0)
        state.save(options.out / STATE_NAME, slim=options.slim)
        return state

    def _share(self, elapsed: float) -> float:
        """How much of this run is done, 0..1."""
        if self.options.budget_s is not None:
            return elapsed / self.options.budget_s
        return (self.state.step - self._first_step) / (self.options.steps or 1)

    def _autocast(self) -> AbstractContextManager[None]:
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype, enabled=enabled)

    def _step(self, crops: list[Crop], share: float) -> None:
        state, options = self.state, self.options
        ramp = min(1.0, (state.step - self._first_step + 1) / max(1, options.warmup))
        rate = options.rate * ramp * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
        for group in state.optimizer.param_groups:
            group["lr"] = rate
        x, target, sigma = self.pixels(crops)
        correction, loss = self.judge(x, target, sigma)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.optimizer.param_groups[0]["params"], 1.0)
        state.optimizer.step()
        state.step += 1
        state.update_average(options.average_decay)
        self.count(x, target, correction, loss)

    def judge(self, x: Tensor, target: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Return the correction of a batch (shapes of :func:`to_batch`), and the loss that has to go down."""
        with self._autocast():
            proposed: Tensor = self.state.network(x, self.told(sigma))
        return self.weigh_proposals(proposed, x, target, sigma)

    def told(self, sigma: Tensor) -> Tensor:
        """Return the distortion the network is told, of the shape of ``sigma``."""
        return torch.full_like(sigma, UNTOLD) if self.options.untold else sigma

    def weigh_proposals(
        self, proposed: Tensor, x: Tensor, target: Tensor, sigma: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the correction that proposals come to, and the loss, as the run's options say."""
        options = self.options
        shares = LossShares(
            squared=options.squared_share,
            fitted=options.fitted_share,
            family=options.family,
            structure=options.structure_share,
        )
        return proposals_loss(proposed, x, target, sigma, shares)

    @torch.no_grad()
    def count(self, x: Tensor, target: Tensor, correction: Tensor, loss: Tensor) -> None:
        """Add up the loss and the mean log ratio of squared errors (a gain in dB per crop).

        The floor, a quarter of a digital number, keeps empty crops without error from ruling the mean.
        """
        base = (x - target).square().mean(dim=(1, 2, 3)) + 1e-6
        ours = (x + correction - target).square().mean(dim=(1, 2, 3)) + 1e-6
        gain = 10 * (base / ours).log10().mean()
        # Summed up on the device: asking for numbers at every step would make a GPU wait.
        self._sums += torch.stack([loss.detach().float(), gain, -10 * ours.log10().mean()])
        self._counted += 1

    def _log(self, share: float) -> None:
        means = [total / self._counted for total in self._sums.tolist()]
        self._sums.zero_()
        self._counted = 0
        state = self.state
        counters = {"step": float(state.step), "seconds": state.seconds}
        state.history.append(counters | dict(zip(self.columns, means, strict=True)))
        rate = (state.step - self._first_step) / max(state.seconds - self._first_second, 1e-9)
        said = " ".join(form.format(mean) for form, mean in zip(self.columns.values(), means, strict=True))
        self.say(f"{100 * share:5.1f} % step {state.step} {said} {rate:.2f} steps/s {state.seconds:.0f} s")
        self.options.out.mkdir(parents=True, exist_ok=True)
        draw_history(state.history, self.options.out / "history.png", second=self.plotted)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what every trainer asks for."""
    parser.add_argument("--data", type=Path, required=True, help="folder with .tar packs")
    parser.add_argument("--out", type=Path, required=True, help="folder for state, log, plot")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--budget", type=parse_duration, dest="budget_s", help="such as 60s, 9m, 1.5h")
    length.add_argument("--steps", type=int)
    parser.add_argument("--resume", type=Path, help="state file to go on from")
    for name, kind in _PLAIN_OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind)
    parser.add_argument("--teacher", type=Path, help="trained network whose corrections are learned")
    parser.add_argument("--coded-by", type=Path, help="state of a learned codec, instead of JPEG 2000")
    parser.add_argument("--untold", action="store_true", help="keep the distortion from the network")
    parser.add_argument("--slim", action="store_true", help="keep the averaged weights only")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--threads", type=int, default=0, help="torch threads; 0: torch's choice")


def given_options(parser: argparse.ArgumentParser, arguments: list[str] | None) -> dict[str, Any]:
    """Return the options that were given, by the names of their fields; sets torch up for training."""
    values = vars(parser.parse_args(arguments))
    if threads := values.pop("threads"):
        torch.set_num_threads(threads)
    torch.backends.cudnn.benchmark = True
    return {key: value for key, value in values.items() if value is not None}


def main(arguments: list[str] | None = None) -> int:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.train", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--widths", type=int, nargs="+", default=list(UNetSpec().widths))
    parser.add_argument("--blocks", type=int, nargs="+", default=list(UNetSpec().blocks))
    parser.add_argument("--plain", action="store_true", help="blocks are convolutions without skips")
    given = given_options(parser, arguments)
    spec = UNetSpec(
        widths=tuple(given.pop("widths")), blocks=tuple(given.pop("blocks")), plain=given.pop("plain")
    )
    Trainer(TrainOptions(spec=spec, **given), say=lambda line: print(line, flush=True)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
