"""Train the learned codec: ``python -m rsic_geo.training.codec --data FOLDER --out FOLDER --budget 70m``.

``--arch`` trains another network than that of ``--codec learned``: CompressAI's mean-scale hyperprior or
ELIC, with one quantiser for all qualities (``rsic_geo.codecs.compressai_network``); its state becomes what
``--codec compressai:FILE`` takes by ``training.codec_export``.

Minimises bits per pixel plus lambda times the squared error, lambda drawn anew for every picture over the
codec's whole range of qualities. For the last part of a run (``--hard-share``) the encoder stands still;
decoder and entropy model are trained on the symbols that will really be coded.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from rsic_geo.codecs.compressai_network import ARCHITECTURES, CompressaiSpec
from rsic_geo.codecs.learned_network import LEVELS, SPECS, CodecSpec
from rsic_geo.codecs.learned_network.model import LearnedNetwork
from rsic_geo.codecs.learned_network.refine import refined
from rsic_geo.codecs.learned_network.transform import PostFilter, Residual
from rsic_geo.training.codec_state import CodecState, Spec, grow, read_shipped
from rsic_geo.training.data import Crop
from rsic_geo.training.degrade import DegradeOptions
from rsic_geo.training.train import Trainer, TrainOptions, add_arguments, given_options, to_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecOptions(TrainOptions):
    """One run of the trainer of codecs."""

    codec: Spec
    """Network of a run that begins; a resumed run has that of its state."""
    grown_from: Path | None = None
    """Shipped weights a run that begins starts from, widened to ``codec``."""
    hard_share: float = 0.4
    """Last part of the run, trained on real symbols with the encoder at rest."""
    encoder_alone: bool = False
    """Train the analysis alone, in all of the run: what decodes stays as it is."""
    passes: int = 0
    """How often the latents of an encoder at rest are refined, so that the rest learns from what will be."""
    sharpness: float = 0.0
    """How steep the steps are that stand for rounding while the encoder moves; 0: noise."""


class CodecTrainer(Trainer):
    """A :class:`Trainer` of rate and distortion."""

    columns: ClassVar[dict[str, str]] = {"loss": "loss {:.4f}", "bpp": "bpp {:.4f}", "psnr": "psnr {:.2f} dB"}
    plotted: ClassVar[str] = "psnr"

    options: CodecOptions
    state: CodecState

    def open_state(self) -> CodecState:
        """Return the state to go on with, or a new one."""
        options = self.options
        if not isinstance(options.codec, CodecSpec) and (
            options.encoder_alone or options.passes or options.sharpness
        ):
            raise ValueError(
                "only the learned codec is refined or trained by parts: leave --arch out, or --passes, "
                "--sharpness and --encoder-alone"
            )
        if options.resume:
            state = CodecState.load(options.resume, device=self.device)
        else:
            state = CodecState.fresh(options.codec, seed=options.seed, device=self.device)
            if options.grown_from:
                if not isinstance(options.codec, CodecSpec):
                    raise ValueError("only the learned codec grows out of shipped weights: leave --arch out")
                tensors = grow(
                    read_shipped(options.grown_from), options.codec, seed=options.seed
                ).state_dict()
                state.network.load_state_dict(tensors)
                state.average.load_state_dict(tensors)
        if options.encoder_alone:
            for name, parameter in state.network.named_parameters():
                parameter.requires_grad_(name.startswith("analysis."))
        if isinstance(state.network, LearnedNetwork):
            state.network.sharpness = options.sharpness
            if options.passes:
                state.network.refining = partial(refined, state.network, options.passes)
        for module in state.network.modules():
            if isinstance(module, Residual | PostFilter) and self.dtype != torch.float32:
                module.reduced = self.dtype
        return state

    def degrading(self) -> DegradeOptions:
        """Return how images are varied: a codec's are not coded."""
        return DegradeOptions(grey_share=self.options.grey_share, is_coded=False)

    def _step(self, crops: list[Crop], share: float) -> None:
        state, options = self.state, self.options
        ramp = min(1.0, (state.step - self._first_step + 1) / max(1, options.warmup))
        rate = options.rate * ramp * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))
        for group in state.optimizer.param_groups:
            group["lr"] = rate * group["pace"]
        torch.manual_seed(1_000_003 * options.seed + state.step)
        _, target, _ = to_batch(crops, self.device)
        loss = self.weigh(
            target.contiguous(), hard=not options.encoder_alone and share >= 1 - options.hard_share
        )
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        state.update_average(options.average_decay)

    def weigh(self, x: Tensor, *, hard: bool) -> Tensor:
        """Return the loss of pictures (n, 3, h, w), each at its own quality; counts bits and PSNR."""
        network = self.state.network
        level, weight = draw_levels(x.shape[0], network.spec)
        level, weight = level.to(x.device), weight.to(x.device)
        coded = network(x, level, hard=hard, held=hard)
        bpp = coded.bits / (x.shape[-1] * x.shape[-2])
        error = (coded.pixels - x).square().mean(dim=(1, 2, 3)) * 255**2
        middle = math.sqrt(network.spec.lambda_low * network.spec.lambda_high)
        loss: Tensor = ((bpp + weight * error) * (middle / weight).sqrt()).mean()
        psnr = 10 * torch.log10(255**2 / (error.detach() + 0.05))
        self._sums += torch.stack([loss.detach(), bpp.detach().mean(), psnr.mean()])
        self._counted += 1
        return loss


def draw_levels(count: int, spec: Spec) -> tuple[Tensor, Tensor]:
    """Return quality levels (count,) spread evenly over the axis, each at random in its part, and lambdas."""
    place = (torch.randperm(count) + torch.rand(count)) / count
    level = (place * LEVELS).floor().clamp(0, LEVELS - 1).long()
    weight = torch.tensor([spec.weight(int(value) / (LEVELS - 1)) for value in level])
    return level, weight


def main(arguments: list[str] | None = None) -> int:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.codec", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--size", choices=tuple(SPECS), default="tiny", help="of the learned codec")
    parser.add_argument("--arch", choices=("learned", *ARCHITECTURES), default="learned")
    parser.add_argument("--channels", type=int, default=192, help="N of CompressAI's networks")
    parser.add_argument("--latents", type=int, default=320, help="their M")
    parser.add_argument(
        "--grown-from", type=Path, help="shipped weights (.safetensors) to begin with, widened"
    )
    parser.add_argument("--hard-share", type=float)
    parser.add_argument("--encoder-alone", action="store_true", help="the analysis moves, nothing else")
    parser.add_argument("--passes", type=int, help="latents of an encoder at rest are refined so many times")
    parser.add_argument("--sharpness", type=float, help="of steps that stand for rounding; without: noise")
    given = given_options(parser, arguments)
    size, arch, n, m = (given.pop(name) for name in ("size", "arch", "channels", "latents"))
    spec = SPECS[size] if arch == "learned" else CompressaiSpec.sized(arch, n, m)
    options = CodecOptions(codec=spec, **given)
    CodecTrainer(options, say=lambda line: print(line, flush=True)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
