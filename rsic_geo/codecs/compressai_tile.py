"""Networks of CompressAI as a codec of tiles: exported checkpoints, and its rANS coder.

What is expected of every latent is computed in float64 on the CPU, and means are rounded to steps of 2^-8,
wherever the pixels are made: machines agree but for the rare value that lies on a border. Where one does not,
all that follows in the bitstream is lost; so the payload holds a checksum of the decoded latents, and a
decoder that comes to others refuses the tile.

The payload is that of :mod:`rsic_geo.codecs.learned` but for what its checksum covers: the decoded latents,
each as little-endian int32 in steps of 2^-12, stand between the context and the symbols.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from rsic_geo.codecs.compressai_network import (
    BLOCK,
    SCALES,
    TABLES,
    CompressaiNetwork,
    step_of,
)
from rsic_geo.codecs.compressai_network import rows_of as table_rows
from rsic_geo.codecs.learned import (
    HEADER,
    LearnedCodec,
    LearnedTile,
    Samples,
    TileShape,
)
from rsic_geo.codecs.learned_network.exact import SYMBOL_LIMIT
from rsic_geo.codecs.learned_rans import SymbolReader, SymbolTable, SymbolWriter
from rsic_geo.devices import choose_device, repeatable
from rsic_geo.errors import ChecksumError, WeightsError
from rsic_geo.weights import WeightsFile, open_weights

_MEAN_ONE, _LATENT_ONE = 2.0**8, 2.0**12
"""Steps per unit of means, and of the latents that come of them."""
EXPORT = "rsic train codec-export CHECKPOINT --name NAME --summary WORDS --folder FOLDER"
_OTHERWISE = (
    "the latents of the tile are not those that were coded: it is damaged, or this machine's floating point "
    "comes to others than the encoder's did: decode it on the machine it was made on"
)


class CompressaiCodec(LearnedCodec):
    """A network of CompressAI with its entropy coder; safe to share between threads."""

    codec_id = "compressai"
    _owner = "CompressAI's"
    block = BLOCK

    def __init__(self, name: str, *, device: str = "auto", sha256: str | None = None) -> None:
        """Open weights by name or path; raises as :class:`LearnedCodec`."""
        SymbolWriter.check()
        self._open(open_weights(name, sha256=sha256), device)

    def _open(self, weights: WeightsFile, device: str) -> None:
        self.name, self.sha256 = weights.name, weights.sha256
        self._where = choose_device(device)
        self.device = str(self._where)
        try:
            tensors = safetensors.torch.load(weights.content)
            self._pixels = CompressaiNetwork.from_tensors(tensors)
            if any(name not in tensors for name in TABLES):
                raise WeightsError(
                    f"weights {weights.name!r} are a checkpoint without tables of frequencies: {EXPORT}"
                )
            if not all(bool(tensor.isfinite().all()) for tensor in tensors.values()):
                raise ValueError("a weight is not finite")
            cdf, half_width = (tensors[name] for name in TABLES)
            if cdf.dim() != 2 or cdf.shape[0] != 1 + SCALES + self._pixels.spec.n:
                raise ValueError("tables of another network")
            self._table = SymbolTable(cdf.numpy(), half_width.numpy())
        except (SafetensorError, RuntimeError, ValueError) as error:
            raise WeightsError(
                f"weights {weights.name!r} are no network of CompressAI that this codec knows ({error})"
            ) from error
        # The float64 twin decides symbols, always on the CPU; it needs neither analysis nor synthesis.
        self._expects = CompressaiNetwork.from_tensors(tensors)
        del self._expects.model.g_a, self._expects.model.g_s
        self._expects.double().eval().requires_grad_(False)
        self._pixels.eval().requires_grad_(False).to(self._where)

    def encode_tile(self, samples: Samples, quality: float, *, passes: int = 0) -> LearnedTile:
        """Code samples (1 or 3 bands, height, width), 0..1 over the scene's radiometry, at a quality of 0..1.

        ``passes`` change nothing: refining knows the network of :class:`LearnedCodec` alone.

        Raises:
            UnsupportedSceneError: not such an array, not finite, or too large.
            UsageError: quality outside 0..1.
        """
        del passes
        samples, level = self._asked(samples, quality)
        step = step_of(level)
        writer = SymbolWriter(self._table)
        with repeatable(self._where):
            y, z = (part.cpu().double() for part in self._pixels.analyse(self._seen(samples)))

            def put(values: Tensor, rows: Tensor) -> Tensor:
                symbols = values.round().clamp(-SYMBOL_LIMIT, SYMBOL_LIMIT)
                writer.put(symbols[0].numpy(), rows.numpy())
                return symbols

            medians = self._expects.medians[:, 0, :, None]
            hyper = medians + put(z - medians, self._hyper_rows(z))

            def decide(means: Tensor, scales: Tensor, pick: Callable[[Tensor], Tensor]) -> Tensor:
                means = _steady(means)
                return means + step * put((pick(y) - means) / step, table_rows(scales, step)[0])

            latents = self._expects.decode(hyper, decide)
            reconstruction = self._synthesise(latents.numpy(), level, samples.shape)
        string = writer.finish()
        head = HEADER.pack(level, writer.checksum(self._sealed(samples.shape, level, latents)))
        return LearnedTile(payload=head + string, reconstruction=reconstruction)

    def _seen(self, samples: Samples) -> Tensor:
        """Return (1, 3, h, w) of samples, on the device."""
        return torch.from_numpy(self._pad(samples))[None].to(self._where).expand(-1, 3, -1, -1)

    def _read(self, payload: bytes, shape: TileShape) -> tuple[NDArray[Any], NDArray[np.int16]]:
        """Return latents (1, M, h, w) and all symbols of a payload, checked."""
        level, expected = self._head(payload, shape)
        step, spec = step_of(level), self._pixels.spec
        inner = (spec.n, -(-shape[1] // BLOCK), -(-shape[2] // BLOCK))
        count = inner[1] * inner[2] * (spec.n + 16 * spec.m)
        reader = SymbolReader(payload[HEADER.size :], self._table, count)

        def take(rows: Tensor) -> Tensor:
            return torch.from_numpy(reader.take(rows.numpy()))[None].double()

        def decide(means: Tensor, scales: Tensor, pick: Callable[[Tensor], Tensor]) -> Tensor:
            del pick
            return _steady(means) + step * take(table_rows(scales, step)[0])

        try:
            with repeatable(torch.device("cpu")):
                medians = self._expects.medians[:, 0, :, None]
                latents = self._expects.decode(
                    medians + take(self._hyper_rows(torch.empty(1, *inner))), decide
                )
        except ChecksumError as error:  # a symbol that nobody codes
            raise ChecksumError(_OTHERWISE) from error
        if reader.checksum(self._sealed(shape, level, latents)) != expected:
            raise ChecksumError(_OTHERWISE)
        return latents.numpy(), reader.symbols()

    def _sealed(self, shape: TileShape, level: int, latents: Tensor) -> bytes:
        """Return what the checksum covers beside the symbols."""
        whole = (latents * _LATENT_ONE).round().clamp(-(2.0**31), 2.0**31 - 1)
        return self._context(shape, level) + whole.numpy().astype("<i4").tobytes()

    @staticmethod
    def _hyper_rows(z: Tensor) -> Tensor:
        """Return the rows of the table (N, h, w) of hyper-latents (1, N, h, w)."""
        return (1 + SCALES + torch.arange(z.shape[1]))[:, None, None].expand(z.shape[1:])

    def _synthesise(self, latents: NDArray[Any], level: int, shape: TileShape) -> Samples:
        del level
        with repeatable(self._where):
            pixels = self._pixels.synthesise(torch.from_numpy(latents).float().to(self._where))[
                0, :, : shape[1], : shape[2]
            ]
            if shape[0] == 1:
                pixels = pixels.mean(dim=0, keepdim=True)
            result: Samples = pixels.contiguous().cpu().numpy()
        return result


def _steady(means: Tensor) -> Tensor:
    """Round means to a lattice: what two machines compute a hair apart is one number, but at its borders."""
    return (means * _MEAN_ONE).round() / _MEAN_ONE
