"""Train the diffusion enhancer in stages: ``python -m rsic_geo.training.ldm --stage 1 --data FOLDER ...``.

=========  =====================================================  ==========================================
stage      what is trained                                        against what
=========  =====================================================  ==========================================
plain      the restorer alone, without a prior                    the original
1          restorer and oracle (LRM), which sees the original     the original
2          condition encoder and diffusion                        the oracle's F, four steps unrolled
regress    the same at one stroke from nothing                    the oracle's F
joint      restorer, condition encoder, diffusion (or regressor)  the original, and the oracle's F a little
=========  =====================================================  ==========================================

``--resume`` goes on with a state of the same stage, or begins a stage with what another one left.
``--warm`` begins with the weights of a U-Net (a state of `training.train`) or with exported weights.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from rsic_geo.repair.network import REGRESSION, SIZES, LdmSpec
from rsic_geo.training.ldm_state import STAGES, LdmState, Workshop, read_weights
from rsic_geo.training.proposals import proposals_of, widened
from rsic_geo.training.state import read_payload
from rsic_geo.training.train import Trainer, TrainOptions, add_arguments, given_options


@dataclass(frozen=True, slots=True, kw_only=True)
class LdmOptions(TrainOptions):
    """One run of one stage."""

    stage: str
    """One of ``STAGES``."""
    ldm: LdmSpec = field(default_factory=LdmSpec)
    """Networks of a run that begins; a resumed run has those of its state."""
    warm: Path | None = None
    """State of a U-Net, or exported weights of either kind, to begin with."""
    hold: bool = False
    """Whether the restorer's U-Net rests, so that a change is the prior's alone (it can still be a loss)."""
    prior_weight: float = 0.1
    """Weight of the distance to F beside the error of the pixels, in the joint stage."""


class LdmTrainer(Trainer):
    """A :class:`Trainer` whose loss depends on the stage."""

    options: LdmOptions
    state: LdmState

    def open_state(self) -> LdmState:
        """Return the state of the same stage, or one that begins with what another stage left."""
        options = self.options
        payload = read_payload(options.resume) if options.resume else {}
        spec = LdmSpec.from_json(payload["spec"]) if payload else options.ldm
        wanted = options.proposals or spec.proposals
        if payload and wanted < spec.proposals:
            raise ValueError(f"the state proposes {spec.proposals} corrections, {wanted} are asked for")
        is_same = payload and payload["stage"] == options.stage and payload["hold"] == options.hold
        if options.resume and is_same and wanted == spec.proposals:
            return LdmState.load(options.resume, device=self.device)
        if options.stage == "plain":
            spec = replace(spec, prior=None)
        elif options.stage == "regress":
            spec = replace(spec, diffusion=REGRESSION)
        elif options.stage == "2":
            spec = replace(spec, diffusion=options.ldm.diffusion)
        weights = read_weights(options.warm) if options.warm else {}
        restorer = replace(spec.restorer, proposals=max(proposals_of(weights), wanted))
        spec = replace(spec, restorer=restorer)
        state = LdmState.fresh(
            spec, stage=options.stage, seed=options.seed, device=self.device, hold=options.hold
        )
        if options.warm:
            state.take_over(widened(weights, spec.restorer.proposals))
        if payload:
            state.take_over(widened(payload["average"], spec.restorer.proposals))
            counters = payload["counters"]
            state.images, state.seconds = counters["images"], counters["seconds"]
        return state

    def judge(self, x: Tensor, target: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """Return the correction of a batch, or of its first sample where the restorer rests, and the loss."""
        workshop, stage, sigma_true = self.state.network, self.state.stage, sigma
        sigma = self.told(sigma)
        is_guess = stage in ("2", "regress", "joint")
        with self._autocast():
            oracle = true_prior(workshop, x, target, sigma) if stage != "plain" else None
            prior = self._guess(x, sigma) if is_guess else oracle
            if stage in ("2", "regress"):
                correction = self._glimpse(x, sigma, prior)
            else:
                correction = workshop.network.restorer.restore(x, sigma, prior)
        if oracle is not None and prior is not None and is_guess:
            distance = (prior - oracle.detach()).square().mean()
            if stage != "joint":
                return correction[:, :3], distance
        else:
            distance = x.new_zeros(())
        correction, loss = self.weigh_proposals(correction, x, target, sigma_true)
        return correction, loss + self.options.prior_weight * distance

    def _guess(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Return the generated F of a batch; every step and sample draws its own place on the lattice."""
        network, step = self.state.network.network, self.state.step
        origins = [(16 * number, 16 * step) for number in range(x.shape[0])]
        start = network.start_noise(sigma, origins=origins, seed=self.options.seed)
        return network.generate(x, sigma, start)

    @torch.no_grad()
    def _glimpse(self, x: Tensor, sigma: Tensor, prior: Tensor | None) -> Tensor:
        """Return what the resting restorer makes of the first sample (1, 3, h, w); all would be waste."""
        first = None if prior is None else prior[:1]
        return self.state.network.network.restorer.restore(x[:1], sigma[:1], first)

    def count(self, x: Tensor, target: Tensor, correction: Tensor, loss: Tensor) -> None:
        """Add up loss and gain of the samples that were corrected."""
        seen = correction.shape[0]
        super().count(x[:seen], target[:seen], correction, loss)


def true_prior(workshop: Workshop, x: Tensor, target: Tensor, sigma: Tensor) -> Tensor:
    """Return the oracle's F (n, channels, h/64, w/64) of decoded pixels and their original."""
    if workshop.oracle is None:
        raise ValueError("this network works without a prior")
    prior: Tensor = workshop.oracle(x, target, sigma)
    return prior


def main(arguments: list[str] | None = None) -> int:
    """Command line of the trainer."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.ldm", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add_arguments(parser)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--size", choices=tuple(SIZES), default="tiny")
    parser.add_argument("--warm", type=Path, help="state of a U-Net or .safetensors to begin with")
    parser.add_argument("--hold", action="store_true", help="train only what the prior touches")
    parser.add_argument("--prior-weight", type=float)
    given = given_options(parser, arguments)
    options = LdmOptions(ldm=SIZES[given.pop("size")], **given)
    LdmTrainer(options, say=lambda line: print(line, flush=True)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
