"""The learned codec: pixels of one tile <-> a payload that decodes to the same symbols everywhere.

Payload, little-endian; what the archive around it says (size, bands, weights) is not said again:

====== ==== =======================================================================
offset size what
====== ==== =======================================================================
0      1    quality level
1      4    CRC-32 of version (3), bands, height, width, quality level (1, 1, 2, 2, 1 bytes), the
            first 8 bytes of the weights' sha256, and of all symbols in the order they are coded,
            those that are 0 without being coded too, each as little-endian int16
5      1    row of their own frequency table that shifts are coded with; 0: there are none
6      ...  symbols as the rANS coder of CompressAI writes them: shifts (`learned_shifts`),
            hyper-latent, then steps
====== ==== =======================================================================
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from rsic_geo.codecs.base import MAX_REDUCE, halved
from rsic_geo.codecs.learned_network.exact import FROZEN, ONE, ExactEntropy
from rsic_geo.codecs.learned_network.spec import (
    BLOCK,
    CHANNELS,
    FORMAT,
    HYPER_STRIDE,
    LEVELS,
    CodecSpec,
)
from rsic_geo.codecs.learned_network.synthesis import SynthesisSession, shapes
from rsic_geo.codecs.learned_rans import NOT_AS_CODED, SymbolReader, SymbolTable, SymbolWriter
from rsic_geo.codecs.learned_shifts import ROWS, ShiftChoice, frequencies, moved, shift_count
from rsic_geo.errors import (
    INSTALL_TORCH,
    BitstreamError,
    ChecksumError,
    MissingDependencyError,
    UnsupportedSceneError,
    UsageError,
    WeightsError,
)
from rsic_geo.weights import WeightsFile, open_weights
from rsic_geo.weights.store import default_name

if TYPE_CHECKING:
    from rsic_geo.codecs.learned_torch import TorchNetwork

CODEC_ID = "learned"
DTYPES = ("uint8", "uint16", "int16")
VERSION = 3
MAX_SIDE = 2048
"""Largest side of a tile in px."""
HEADER = struct.Struct("<BI")
_CONTEXT = struct.Struct("<BBHHB8s")
Samples = NDArray[np.float32]
TileShape: TypeAlias = "tuple[int, int, int]"
"""Bands, height and width (px)."""


@dataclass(frozen=True, slots=True)
class LearnedTile:
    """One coded tile."""

    payload: bytes
    reconstruction: Samples
    """What :meth:`LearnedCodec.decode_tile` gives back, (bands, height, width), not clipped."""


class LearnedCodec:
    """A network with its entropy coder; safe to share between threads.

    Symbols are decided by integer arithmetic and are the same on every device. Pixels are made in float32:
    devices may differ by rounding. To decode takes onnxruntime, to encode or to decode on CUDA torch.
    """

    codec_id = CODEC_ID
    _owner = "the learned codec"
    dtypes = DTYPES
    is_lossless_capable = False
    block = BLOCK
    """Sides of what the network sees are multiples of this (px)."""

    def __init__(self, name: str = "auto", *, device: str = "auto", sha256: str | None = None) -> None:
        """Open weights by name or path.

        Raises:
            WeightsNotFoundError, WeightsMismatchError, WeightsError: no weights, others, or none of a codec.
            MissingDependencyError: compressai is not installed.
            UsageError: no such device.
        """
        SymbolWriter.check()
        self._open(
            open_weights(default_name(kind="codec") if name == "auto" else name, sha256=sha256), device
        )

    @classmethod
    def from_weights(cls, weights: WeightsFile, *, device: str = "auto") -> LearnedCodec:
        """Return the codec of weights already opened. Raises as the constructor does."""
        SymbolWriter.check()
        codec = cls.__new__(cls)
        codec._open(weights, device)
        return codec

    def _open(self, weights: WeightsFile, device: str) -> None:
        self.name, self.sha256 = weights.name, weights.sha256
        if weights.metadata.get("format") != FORMAT:
            raise WeightsError(
                f"weights {weights.name!r} are not those of a learned codec ({FORMAT}): `rsic models list` "
                "says which are"
            )
        try:
            self.spec = CodecSpec.from_json(weights.spec)
            tensors = safetensors.numpy.load(weights.content)
            self._frozen = {k.removeprefix(FROZEN): v for k, v in tensors.items() if k.startswith(FROZEN)}
            self._rest = {k: v for k, v in tensors.items() if not k.startswith(FROZEN)}
            if {name: value.shape for name, value in self._rest.items()} != shapes(self.spec):
                raise ValueError("tensors missing, or others")
            self._entropy = ExactEntropy(self.spec, self._frozen)
            self._table = SymbolTable(self._entropy.cdf, self._entropy.half_width)
            self._shifts = SymbolTable(*frequencies())
            self._choice = ShiftChoice(self._entropy.cdf, self._entropy.half_width)
        except (SafetensorError, TypeError, ValueError, KeyError) as error:
            raise WeightsError(f"weights {weights.name!r} do not fit the codec they describe") from error
        self._loading = threading.Lock()
        self._torch: TorchNetwork | None = None
        self.device = _device(device)
        self._synthesis = (
            self._by_torch() if self.device != "cpu" else SynthesisSession(self.spec, self._rest)
        )

    def _by_torch(self) -> TorchNetwork:
        """Return the network in torch, loaded when it is first needed.

        Raises:
            MissingDependencyError: torch is not installed.
            UsageError: no such device.
        """
        with self._loading:
            if self._torch is None:
                if find_spec("torch") is None:
                    raise MissingDependencyError(
                        f"without PyTorch the learned codec decodes only, and on the CPU: {INSTALL_TORCH}"
                    )
                from rsic_geo.codecs.learned_torch import TorchNetwork

                self._torch = TorchNetwork(self.spec, self._rest, self._frozen, self.device)
            return self._torch

    def encode_tile(self, samples: Samples, quality: float, *, passes: int = 0) -> LearnedTile:
        """Code samples (1 or 3 bands, height, width), 0..1 over the scene's radiometry, at a quality of 0..1.

        With ``passes`` the latents are moved so many times towards less bits and error together
        (`learned_network.refine`), unless what comes of it is no better; reading takes no longer.

        Raises:
            UnsupportedSceneError: not such an array, not finite, or too large.
            UsageError: quality outside 0..1.
            MissingDependencyError: torch is not installed.
        """
        samples, level = self._asked(samples, quality)
        network = self._by_torch()
        v, z = network.analyse(self._pad(samples), level)
        tile, shifts = self._coded(samples, v, z, level)
        if passes:
            v = network.refine(samples, (v, z), level, passes=passes, shifts=shifts)
            other, _ = self._coded(samples, v, z, level)
            if self._cost(other, samples, level) < self._cost(tile, samples, level):
                tile = other
        return tile

    def _coded(
        self, samples: Samples, v: Samples, z: NDArray[np.int32], level: int
    ) -> tuple[LearnedTile, NDArray[np.int32]]:
        """Return the tile that latents and hyper-latent symbols make, and its shifts."""
        flat = v.reshape(CHANNELS, -1)
        parts = [(z, self._hyper_index(z.shape))]
        latents = np.zeros(v.shape, np.int32)
        for step in self._entropy.steps(z, level, latents):
            residual = flat[step.channels][:, step.places].astype(np.float64) - step.means / ONE
            step.symbols = self._entropy.round(residual, step.index)
            parts.append((step.symbols, step.index))
        reconstruction = self._synthesise(latents, level, samples.shape)
        row, shifts = self._choice.choose(parts)
        writer = SymbolWriter(self._table)
        if row:
            writer.put(shifts, np.full(len(shifts), row, np.uint8), self._shifts)
        first = 0
        for symbols, index in parts:
            writer.put(symbols, moved(index, shifts[first : first + len(index)]))
            first += len(index)
        string = writer.finish()
        head = HEADER.pack(level, writer.checksum(self._context(samples.shape, level)))
        return LearnedTile(payload=head + bytes([row]) + string, reconstruction=reconstruction), shifts

    def _cost(self, tile: LearnedTile, samples: Samples, level: int) -> float:
        """Return bits and weighed squared error of a tile, as refining weighs them."""
        error = np.square(tile.reconstruction.clip(0, 1) - samples, dtype=np.float64).sum() / len(samples)
        return float(8 * len(tile.payload) + self.spec.refined_weight(level) * error)

    @staticmethod
    def _asked(samples: Samples, quality: float) -> tuple[Samples, int]:
        """Return samples that can be coded, and the level of a quality; raises as :meth:`encode_tile`."""
        samples = checked(samples)
        if not 0.0 <= quality <= 1.0:
            raise UsageError(f"quality {quality} is outside 0..1")
        return samples, round(quality * (LEVELS - 1))

    def _head(self, payload: bytes, shape: TileShape) -> tuple[int, int]:
        """Return the level of a tile and the checksum of its symbols; raises BitstreamError for no tile."""
        if len(payload) < HEADER.size:
            raise BitstreamError(f"{len(payload)} bytes are no tile of {self._owner}: it is cut short")
        if shape[0] not in (1, 3) or not all(0 < side <= MAX_SIDE for side in shape[1:]):
            raise BitstreamError(f"a tile of {shape} bands, rows and columns is none of {self._owner}")
        level, expected = HEADER.unpack_from(payload)
        return level, expected

    def decode_tile(self, payload: bytes, shape: TileShape, *, reduce: int = 0) -> Samples:
        """Return samples (bands, ceil(h / 2^reduce), ceil(w / 2^reduce)), not clipped.

        A reduced picture is the mean of the full one over squares of 2^reduce px.

        Args:
            payload: what :meth:`encode_tile` made.
            shape: bands, height and width (px) of the samples that were coded.
            reduce: how often the sides are halved, 0..5.

        Raises:
            BitstreamError: cut short, or no such tile.
            ChecksumError: damaged, or made with other weights or of another shape.
        """
        if not 0 <= reduce <= MAX_REDUCE:
            raise UsageError(f"reduce {reduce} is outside 0..{MAX_REDUCE}")
        latents, _ = self._read(payload, shape)
        return halved(self._synthesise(latents, payload[0], shape), reduce)

    def symbols_of(self, payload: bytes, shape: TileShape) -> NDArray[np.int16]:
        """Return all symbols of a payload in the order they are coded; raises as :meth:`decode_tile`."""
        return self._read(payload, shape)[1]

    def _context(self, shape: TileShape, level: int) -> bytes:
        """Return what the checksum of the symbols covers beside them."""
        return _CONTEXT.pack(VERSION, *shape, level, bytes.fromhex(self.sha256[:16]))

    def _read(self, payload: bytes, shape: TileShape) -> tuple[NDArray[Any], NDArray[np.int16]]:
        """Return latents (192, h, w) in 1/1024 steps and all symbols of a payload, checked."""
        level, expected = self._head(payload, shape)
        height, width = -(-shape[1] // BLOCK), -(-shape[2] // BLOCK)
        inner = (self.spec.hyper_latents, -(-height // HYPER_STRIDE), -(-width // HYPER_STRIDE))
        shifts = np.zeros(shift_count(self.spec), np.int32)
        count = inner[0] * inner[1] * inner[2] + CHANNELS * height * width + len(shifts)
        row = payload[HEADER.size] if len(payload) > HEADER.size else ROWS + 1
        if row > ROWS:
            raise BitstreamError(f"{len(payload)} bytes are no tile of {self._owner}: it is damaged")
        reader = SymbolReader(payload[HEADER.size + 1 :], self._table, count)
        if row:
            shifts = reader.take(np.full(len(shifts), row, np.uint8), self._shifts)
        z = reader.take(moved(self._hyper_index(inner), shifts[: inner[0]]))
        latents, first = np.zeros((CHANNELS, height, width), np.int32), inner[0]
        for step in self._entropy.steps(z, level, latents):
            step.symbols = reader.take(moved(step.index, shifts[first : first + len(step.index)]))
            first += len(step.index)
        if reader.checksum(self._context(shape, level)) != expected:
            raise ChecksumError(NOT_AS_CODED)
        return latents, reader.symbols()

    def _hyper_index(self, shape: TileShape) -> NDArray[np.uint8]:
        return np.broadcast_to(self._entropy.hyper_index[:, None, None], shape)

    def _pad(self, samples: Samples) -> Samples:
        """Return samples with the sides filled up to whole blocks by mirroring."""
        _, height, width = samples.shape
        around = ((0, 0), (0, -height % self.block), (0, -width % self.block))
        return np.ascontiguousarray(np.pad(samples, around, mode="symmetric"))

    def _synthesise(self, latents: NDArray[Any], level: int, shape: TileShape) -> Samples:
        pixels = self._synthesis(latents, level)[:, : shape[1], : shape[2]]
        return np.ascontiguousarray(pixels.mean(axis=0, keepdims=True) if shape[0] == 1 else pixels)


def _device(name: str) -> str:
    """Return where pixels are made: cpu, or what torch is to be asked for.

    ``auto`` is CUDA where there are a driver and torch; without a driver torch is not even loaded.
    """
    if name != "auto":
        return name
    try:
        ctypes.CDLL("nvcuda" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return "cpu"
    if find_spec("torch") is None:
        return "cpu"
    from rsic_geo.devices import choose_device

    return str(choose_device(name))


def checked(samples: Samples) -> Samples:
    """Return samples (1 or 3 bands, height, width) as float32; raises UnsupportedSceneError."""
    if samples.ndim != 3 or samples.shape[0] not in (1, 3) or 0 in samples.shape:
        raise UnsupportedSceneError(
            f"the learned codec takes (1 or 3 bands, height, width), not {samples.shape}: group the bands"
        )
    if max(samples.shape[1:]) > MAX_SIDE:
        raise UnsupportedSceneError(
            f"the learned codec takes tiles of at most {MAX_SIDE} px: use smaller ones"
        )
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    if not np.isfinite(samples).all():
        raise UnsupportedSceneError("the tile has samples that are not finite: fill them first")
    return samples


__all__ = ["CODEC_ID", "LearnedCodec", "LearnedTile", "TileShape"]
