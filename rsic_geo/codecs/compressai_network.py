"""CompressAI's mean-scale hyperprior and ELIC: their modules, one dial of qualities, and tables for coding.

The networks are CompressAI's own classes, so that a checkpoint of CompressAI is one of ours and the other way
round. Around them: a walk through the latents in the order they are coded, which training and coding share,
and a quantiser whose step falls with quality: latents are divided by it before they are rounded, as a gain
unit with one gain would (Z. Cui et al., "Asymmetric Gained Deep Image Compression With Continuous Rate
Adaptation", CVPR 2021, arXiv:2003.02012). At a step of 1 the network does what CompressAI makes of it.

Sources: D. Minnen, J. Balle, G. Toderici, "Joint Autoregressive and Hierarchical Priors for Learned Image
Compression", NeurIPS 2018 (mean-scale); D. He et al., "ELIC", CVPR 2022, arXiv:2203.10886.
"""

from __future__ import annotations

import importlib
import math
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsic_geo.codecs.learned_network import LEVELS, CodecSpec
from rsic_geo.codecs.learned_network.model import Coded
from rsic_geo.codecs.learned_network.spec import PRECISION
from rsic_geo.errors import INSTALL_COMPRESSAI, MissingDependencyError

BLOCK = 64
"""Sides of pictures are filled up to multiples of this (px): hyper-latents are 64 times smaller."""
ARCHITECTURES = {
    "mean-scale": ("google", "MeanScaleHyperprior"),
    "elic": ("sensetime", "Elic2022Chandelier"),
    "elic-official": ("sensetime", "Elic2022Official"),
}
"""Module and class of CompressAI by our name; ``elic`` is the variant LDM-RSIC is published with."""
TABLES = ("tables.cdf", "tables.half_width")
"""Tensors of exported weights that are not CompressAI's: what the entropy coder works with."""
_OWN_TABLES = ("._offset", "._quantized_cdf", "._cdf_length", ".scale_table")
"""Ends of the names of CompressAI's own tables, for a step of 1 and in float32: they are not used."""
_SCALE_BOUND = 0.11
"""Least standard deviation, as in CompressAI."""
_LEAST = 1e-9
"""Least likelihood, as in CompressAI."""
LOWEST_LOG2, PER_OCTAVE, SCALES = -4, 8, 96
"""Rows of the table of Gaussians: their standard deviations in steps of the quantiser."""
_WIDEST = 300
"""Symbols beyond this are escaped."""
_MIDDLE = 128
"""Quality level at which the step is 1."""
_STEP_PLACES = 12
"""Binary places of a quantiser step, so that it is the same number everywhere."""
Foreign: TypeAlias = Any
"""What compressai hands out: it carries no types."""
Decide: TypeAlias = Callable[[Tensor, Tensor, Callable[[Tensor], Tensor]], Tensor]
"""(means, scales, what picks the part out of all latents) -> the latents of a part, as they are decoded."""
_importing = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressaiSpec:
    """Everything that decides the shapes of a network's tensors; state dicts say it by theirs."""

    arch: str = "elic"
    """A key of :data:`ARCHITECTURES`."""
    n: int = 192
    """Channels of the transforms, N in the papers."""
    m: int = 320
    """Channels of the latents, M."""
    groups: tuple[int, ...] = (16, 16, 32, 64, 192)
    """Latent channels that are coded together; they sum to M. Of no meaning to ``mean-scale``."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if self.arch not in ARCHITECTURES:
            raise ValueError(f"{self.arch!r} is none of {', '.join(ARCHITECTURES)}")
        if self.arch != "mean-scale" and (sum(self.groups) != self.m or min(self.groups) < 1):
            raise ValueError(f"groups of channels sum to the {self.m} latent channels")

    @property
    def lambda_low(self) -> float:
        """Weight of the squared error (units of 8 bit samples) against bits per pixel, at quality 0."""
        return CodecSpec().lambda_low

    @property
    def lambda_high(self) -> float:
        """The same at quality 1."""
        return CodecSpec().lambda_high

    def weight(self, quality: float) -> float:
        """Return lambda at a quality of 0..1."""
        return CodecSpec().weight(quality)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self) | {"groups": list(self.groups)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> CompressaiSpec:
        """Return the spec of :meth:`to_json`; raises TypeError or ValueError."""
        return cls(**fields | {"groups": tuple(fields["groups"])})

    @classmethod
    def sized(cls, arch: str, n: int, m: int) -> CompressaiSpec:
        """Return the spec of an architecture with N and M channels, its groups in the paper's proportions."""
        groups = [max(1, m * share // 320) for share in (16, 16, 32, 64)]
        return cls(arch=arch, n=n, m=m, groups=() if arch == "mean-scale" else (*groups, m - sum(groups)))

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> CompressaiSpec:
        """Return the spec of a state dict. Raises ValueError if it is none of these networks."""
        inside = "latent_codec.hyper." if "latent_codec.hyper.h_a.0.weight" in tensors else ""
        try:
            n, m = tensors["g_a.0.weight"].shape[0], tensors[f"{inside}h_a.0.weight"].shape[1]
            last = tuple(tensors[f"{inside}h_s.4.weight"].shape)
            if not inside:
                if tuple(tensors["g_a.1.gamma"].shape) != (n, n) or last[:2] != (2 * m, m * 3 // 2):
                    raise ValueError("another hyperprior")
                return cls(arch="mean-scale", n=n, m=m, groups=())
            part = "latent_codec.y.latent_codec.y{}.context_prediction.weight"
            groups = [int(tensors[part.format(0)].shape[1])]
            while part.format(len(groups)) in tensors:
                groups.append(int(tensors[part.format(len(groups))].shape[1]))
        except (KeyError, IndexError) as error:
            raise ValueError(f"no network of {', '.join(ARCHITECTURES)}: {error} is not there") from error
        arch = "elic" if last == (2 * m, n * 3 // 2, 3, 3) else "elic-official"
        return cls(arch=arch, n=n, m=m, groups=tuple(groups))


def step_of(level: int) -> float:
    """Return the quantiser's step at a quality level of 0..255: 1 at 128, squared as 1 over lambda."""
    spec = CompressaiSpec()
    step = math.sqrt(spec.weight(_MIDDLE / (LEVELS - 1)) / spec.weight(level / (LEVELS - 1)))
    return round(step * (1 << _STEP_PLACES)) / (1 << _STEP_PLACES)


@contextmanager
def _compressai() -> Iterator[None]:
    """Let CompressAI's modules of models be imported and built in the body, whatever else is installed.

    Its ``__init__`` imports torchvision and torch_geometric, which none of these networks needs and which
    fail beside a CPU build of torch (see ``learned_rans``). So bare packages stand in for it, and its modules
    leave ``sys.modules`` again, lest who imports the real package finds half of it.
    """
    with _importing:
        spec = find_spec("compressai")
        if spec is None or not spec.submodule_search_locations:
            raise MissingDependencyError(f"this codec needs compressai: {INSTALL_COMPRESSAI}")
        before = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_of(name)}
        sys.modules.update(_ours or _bare(spec.submodule_search_locations[0]))
        # other threads may ask meanwhile whether it is installed
        sys.modules["compressai"].__spec__ = spec
        try:
            yield
        except ImportError as error:
            raise MissingDependencyError(
                f"compressai cannot be loaded ({error}): {INSTALL_COMPRESSAI}"
            ) from error
        finally:
            _ours.update({name: sys.modules.pop(name) for name in list(sys.modules) if _is_of(name)})
            sys.modules.update(before)


_ours: dict[str, ModuleType] = {}


def _is_of(name: str) -> bool:
    return name == "compressai" or name.startswith("compressai.")


def _bare(root: str) -> dict[str, ModuleType]:
    """Return the packages that stand in for CompressAI's own, with all they are asked for."""

    def keep(name: str) -> Callable[[type], type]:
        del name
        return lambda registered: registered

    top, models, registry = (ModuleType(f"compressai{end}") for end in ("", ".models", ".registry"))
    top.__path__, models.__path__ = [root], [f"{root}/models"]
    # The coder is ours to call: models only ask for its name.
    vars(top).update(get_entropy_coder=lambda: "ans", available_entropy_coders=lambda: ["ans"])
    vars(registry).update(register_model=keep, register_module=keep)
    return {module.__name__: module for module in (top, models, registry)}


def build(spec: CompressaiSpec) -> Foreign:
    """Return CompressAI's model, untrained. Raises MissingDependencyError."""
    module, name = ARCHITECTURES[spec.arch]
    more = {} if spec.arch == "mean-scale" else {"groups": list(spec.groups)}
    with _compressai():
        return getattr(importlib.import_module(f"compressai.models.{module}"), name)(spec.n, spec.m, **more)


class CompressaiNetwork(nn.Module):
    """One of CompressAI's networks, at any step of the quantiser."""

    def __init__(self, spec: CompressaiSpec) -> None:
        super().__init__()
        self.spec = spec
        self.model: Foreign = build(spec)

    def __deepcopy__(self, memo: dict[int, Any]) -> CompressaiNetwork:
        """Return a copy; CompressAI's modules import their package when they are copied themselves."""
        del memo
        copied = CompressaiNetwork(self.spec)
        copied.load_state_dict(self.state_dict())
        first = next(self.parameters())
        return copied.to(first.device, first.dtype).train(self.training)

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> CompressaiNetwork:
        """Return the network of a state dict. Raises ValueError or RuntimeError if it is of none."""
        network = cls(CompressaiSpec.of(tensors))
        network.take(tensors)
        return network

    def take(self, tensors: Mapping[str, Tensor]) -> None:
        """Load a state dict of CompressAI's, without its tables. Raises RuntimeError if it does not fit."""
        tables = {k: v for k, v in self.model.state_dict().items() if k.endswith(_OWN_TABLES)}
        given = {k: v for k, v in tensors.items() if k not in TABLES and not k.endswith(_OWN_TABLES)}
        self.model.load_state_dict(tables | given)

    def tensors(self) -> dict[str, Tensor]:
        """Return the state dict as CompressAI has it, without its tables."""
        return {k: v for k, v in self.model.state_dict().items() if not k.endswith(_OWN_TABLES)}

    @property
    def _hyper(self) -> Foreign:
        return self.model if self.spec.arch == "mean-scale" else self.model.latent_codec["hyper"]

    @property
    def medians(self) -> Tensor:
        """Middle of each hyper-latent's distribution, (N, 1, 1): what it is rounded around."""
        found: Tensor = self._hyper.entropy_bottleneck.quantiles[:, :, 1:2].detach()
        return found

    def analyse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return latents (n, M, h/16, w/16) and hyper-latents (n, N, h/64, w/64) of pixels (n, 3, h, w)."""
        y = self.model.g_a(x)
        return y, self._hyper.h_a(y)

    def synthesise(self, latents: Tensor) -> Tensor:
        """Return pixels of decoded latents."""
        pixels: Tensor = self.model.g_s(latents)
        return pixels

    def decode(self, hyper: Tensor, decide: Decide) -> Tensor:
        """Return all latents (n, M, h, w), part by part in the order they are coded.

        Args:
            hyper: decoded hyper-latents (n, N, h/4, w/4).
            decide: gives the decoded latents of each part; later parts are told of them.
        """
        told: Tensor = self._hyper.h_s(hyper)
        if self.spec.arch == "mean-scale":
            scales, means = told.chunk(2, 1)
            return decide(means, scales, lambda y: y)
        groups = self.model.latent_codec["y"]
        done: list[Tensor] = []
        for number, channels in enumerate(groups.groups):
            side = told
            if number:
                known = groups.channel_context[f"y{number}"](groups.merge_y(*done))
                side = torch.cat([known, told], dim=1)
            first = sum(groups.groups[:number])
            part = slice(first, first + channels)
            done.append(self._half_by_half(groups.latent_codec[f"y{number}"], side, part, decide))
        return torch.cat(done, dim=1)

    @staticmethod
    def _half_by_half(codec: Foreign, side: Tensor, part: slice, decide: Decide) -> Tensor:
        """Return a group's latents: every second place of a checkerboard, then the others, told of those."""
        sides = codec.unembed(side)
        nothing = side.new_zeros((*sides[0].shape[:1], part.stop - part.start, *sides[0].shape[2:]))
        halves = [nothing, nothing]
        for number in range(2):
            around = nothing.repeat(1, 2, 1, 1)
            if number:
                around = codec.unembed(codec.context_prediction(codec.embed(torch.stack(halves))))[1]
            found = codec.entropy_parameters(torch.cat([around, sides[number]], dim=1))
            scales, means = codec.latent_codec["y"]._chunk(found)

            def pick(y: Tensor, number: int = number) -> Tensor:
                half: Tensor = codec.unembed(y[:, part])[number]
                return half

            halves[number] = decide(means, scales, pick)
        whole: Tensor = codec.embed(torch.stack(halves))
        return whole

    def forward(self, x: Tensor, level: Tensor, *, hard: bool = False, held: bool = False) -> Coded:
        """Return what comes back of pixels, and the bits the distributions expect.

        Args:
            x: (n, 3, h, w) in 0..1.
            level: (n,) quality levels of 0..255.
            hard: bits are those of rounded latents, not of latents with noise in place of rounding.
            held: whether the encoder rests.
        """
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        steps = [step_of(int(one)) for one in level]
        step = torch.tensor(steps, dtype=x.dtype, device=x.device)[:, None, None, None]
        y, z = self.analyse(padded)
        if held:
            y, z = y.detach(), z.detach()
        medians = self.medians[:, 0, :, None]
        hyper = medians + _rounded(z - medians)
        bits = _bits(self._bottleneck(hyper if hard else z + torch.rand_like(z) - 0.5))

        def decide(means: Tensor, scales: Tensor, pick: Callable[[Tensor], Tensor]) -> Tensor:
            nonlocal bits
            rest = (pick(y) - means) / step
            symbols = _rounded(rest)
            seen = symbols if hard else rest + torch.rand_like(rest) - 0.5
            deviation = scales.clamp(min=_SCALE_BOUND) / step
            bits = bits + _bits(_gaussian(seen, deviation))
            return means + step * symbols

        pixels = self.synthesise(self.decode(hyper, decide))
        return Coded(pixels=pixels[..., :height, :width], bits=bits)

    def _bottleneck(self, z: Tensor) -> Tensor:
        """Return the likelihoods of hyper-latents (n, N, h, w)."""
        flat = z.transpose(0, 1).reshape(z.shape[1], 1, -1)
        likelihood, _, _ = self._hyper.entropy_bottleneck._likelihood(flat)
        found: Tensor = likelihood.reshape(z.shape[1], z.shape[0], *z.shape[2:]).transpose(0, 1)
        return found

    @torch.no_grad()
    def tables(self) -> dict[str, Tensor]:
        """Return cumulative frequencies for the entropy coder, made once: decoders read them and round none.

        Row 0 is never coded, rows 1..SCALES are Gaussians, the others hyper-latents. A row holds 2 w + 3
        entries from 0 to 65536: symbols -w..w, then an escape.
        """
        size = torch.arange(-_WIDEST, _WIDEST + 1, dtype=torch.float64)
        centre = LOWEST_LOG2 + (torch.arange(SCALES, dtype=torch.float64) + 0.5) / PER_OCTAVE
        gaussians = _gaussian(size[None], torch.exp2(centre)[:, None])
        precise = self.__deepcopy__({}).cpu().double()
        hyper = precise._bottleneck((size + precise.medians[:, 0])[None, :, None])[0, :, 0]
        rows = [_frequencies(row) for row in torch.cat([gaussians[:1], gaussians, hyper])]
        cdf = torch.zeros(len(rows), max(len(row) for row in rows), dtype=torch.int32)
        for place, row in enumerate(rows):
            cdf[place, : len(row)] = row.int()
        widths = [(len(row) - 3) // 2 for row in rows]
        return dict(zip(TABLES, (cdf, torch.tensor(widths, dtype=torch.int32)), strict=True))


def _rounded(values: Tensor) -> Tensor:
    """Round, with the gradient of not rounding."""
    return values + (values.round() - values).detach()


def _gaussian(symbols: Tensor, deviation: Tensor) -> Tensor:
    """Return the likelihoods of residuals in unit bins; the smaller tail is what is subtracted from."""
    near = symbols.abs()
    factor = 1 / (deviation * math.sqrt(2))
    return 0.5 * (torch.erfc((near - 0.5) * factor) - torch.erfc((near + 0.5) * factor))


def _bits(likelihood: Tensor) -> Tensor:
    return -likelihood.clamp(min=_LEAST).log2().flatten(1).sum(dim=1)


def _frequencies(shares: Tensor) -> Tensor:
    """Return the cumulative frequencies of symbols around 0, as far out as 16 bits tell them from nothing."""
    middle = len(shares) // 2
    seen = torch.nonzero(shares > 2.0 ** -(PRECISION + 1))
    width = min(middle - 1, max(2, int((seen - middle).abs().max()) if len(seen) else 0))
    inner = shares[middle - width : middle + width + 1]
    inner = torch.cat([inner, (1 - inner.sum()).clamp(min=0)[None]])
    total = 1 << PRECISION
    frequency = 1 + torch.floor(inner / inner.sum() * (total - len(inner))).long()
    frequency[int(frequency.argmax())] += total - int(frequency.sum())
    return torch.cat([frequency.new_zeros(1), frequency.cumsum(0)])


def rows_of(scales: Tensor, step: float) -> Tensor:
    """Return the row of the table (int64) of each expected standard deviation, at a step of the quantiser."""
    octaves = torch.log2(scales.clamp(min=_SCALE_BOUND) / step) - LOWEST_LOG2
    return 1 + (octaves * PER_OCTAVE).floor().clamp(0, SCALES - 1).long()
