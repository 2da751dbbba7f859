"""Bands rotated into components that have little in common: the Karhunen-Loeve transform, group by group.

Neighbouring bands show the same ground. An orthonormal rotation (Pearson, 1901; as a spectral transform
before JPEG 2000: Penna et al., IEEE TGRS 45(5), 2007) moves what they share into few components, which
JPEG 2000 then codes in few bytes. It is measured on the scene's valid pixels and kept in the archive, in few
bytes: a matrix in steps of 2^-10 is nearly orthonormal, and its inverse makes the components.

::

    components = round(gain * Q^-1 (weight * (bands - mean)))     16 bits, signed
    bands      = mean + Q components / (gain * weight)
"""

from __future__ import annotations

import base64
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import ContainerError, UsageError
from rsic_geo.geo.profile import sample_range
from rsic_geo.repair.units import product

Pixels = NDArray[Any]
LARGEST_GROUP = 32
"""Bands rotated together at most: the matrix of a group takes 2 bytes for each pair of its bands."""
_ROOM = 30000
"""Largest component that is aimed at; 16 bits hold 32767."""
_FINEST = 64.0
"""Steps of a component in one of its band's: finer ones say nothing."""
_ORTHONORMAL = 1e-2
_UNIT = 2.0**-10
"""Steps of a matrix: coarser ones leave what bands share in weak components, finer ones cost bytes."""


@dataclass(frozen=True, eq=False)
class Rotation:
    """How the bands of a scene become components, and components bands."""

    dtype: str
    """Sample type of the bands: uint8, uint16 or int16."""
    mean: NDArray[np.float32]
    """Of each band (bands,)."""
    weight: NDArray[np.float32]
    """What an error of 1 in each band weighs beside those of the others (bands,)."""
    gain: float
    """Steps of a component in a unit of the weighted bands."""
    matrices: tuple[NDArray[np.float32], ...]
    """Orthonormal but for rounding, (size, size) for each run of bands; the columns are components, strongest
    first."""

    @classmethod
    def fit(
        cls, pixels: Pixels, valid: NDArray[np.bool_], weight: Sequence[float], alpha: Collection[int] = ()
    ) -> Rotation | None:
        """Return the rotation of a sample of a scene; None for one band, or fewer valid pixels than bands.

        Args:
            pixels: integers (bands, h, w).
            valid: (bands, h, w); a pixel counts where all of its bands are valid.
            weight: of each band.
            alpha: bands (from 0) that stay what they are, each the component of its number.
        """
        count = len(pixels)
        live = valid.any(axis=(1, 2))  # a band that holds nothing rules out no pixel
        seen = pixels[:, valid[live].all(axis=0)].astype(np.float64)
        seen[~live] = 0
        if count < 2 or not live.any() or seen.shape[1] <= count:
            return None
        weights = np.asarray(weight, np.float32)
        mean = np.rint(seen.mean(axis=1)).astype(np.float32)
        centred = (seen - mean[:, None]) * weights[:, None]
        turned = [band for band in range(count) if band not in alpha]
        matrices = []
        for run in runs_of(count):
            own = [band for band in turned if run.start <= band < run.stop]
            _, vectors = np.linalg.eigh(centred[own] @ centred[own].T)
            vectors = vectors[:, ::-1]  # eigh sorts from the least on
            # Of v and -v take one, so that no rounding of another machine decides which is stored.
            signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
            matrix, places = np.eye(run.stop - run.start, dtype=np.float32), np.array(own, int) - run.start
            matrix[np.ix_(places, places)] = np.rint(vectors * signs / _UNIT) * _UNIT
            matrices.append(matrix)
        ends = np.abs(np.array([_ends(pixels.dtype.name)] * count, np.float64) - mean[:, None]).max(axis=1)
        used = np.abs(centred).max(axis=1)
        # Beyond what the sample showed there may be more: twice its reach, but no more than the type holds.
        reach = np.minimum(2 * used, ends * weights)
        reach[list(alpha)] = 0
        largest = max(float(np.linalg.norm(reach[run])) for run in runs_of(count))
        gain = min(_ROOM / max(largest, 1e-6), _FINEST / float(weights[turned].max()))
        for band in alpha:  # as a band of its neighbours' weight, as far as 16 bits hold all of it
            weights[band] = min(weights[turned].min(), _ROOM / (gain * ends[band]))
        return cls(pixels.dtype.name, mean, weights, float(np.float32(gain)), tuple(matrices))

    @property
    def count(self) -> int:
        """Bands, and components."""
        return len(self.mean)

    def forward(self, pixels: Pixels) -> NDArray[np.int16]:
        """Return the components (bands, h, w) of bands, whose samples all hold something."""
        flat = (pixels.reshape(self.count, -1) - self.mean[:, None].astype(np.float64)) * self.weight[:, None]
        out = np.empty(flat.shape, np.int16)
        for run, matrix in zip(runs_of(self.count), self.matrices, strict=True):
            turn = self.gain * np.linalg.inv(matrix.astype(np.float64))
            values = np.rint(product(turn, flat[run]))
            out[run] = np.clip(values, -32768, 32767)
        return out.reshape(pixels.shape)

    def inverse(self, components: Pixels) -> Pixels:
        """Return the bands (bands, h, w) of components, rounded and within the type."""
        flat = components.reshape(self.count, -1).astype(np.float64)
        out = np.empty(flat.shape, self.dtype)
        low, high = _ends(self.dtype)
        for run, matrix in zip(runs_of(self.count), self.matrices, strict=True):
            values = product(matrix.astype(np.float64), flat[run]) / (self.gain * self.weight[run][:, None])
            values += self.mean[run][:, None]
            out[run] = np.clip(np.rint(values), low, high)
        return out.reshape(components.shape)

    def terms(self, band: int) -> tuple[float, list[tuple[int, float]]]:
        """Return a number and (component, factor) pairs, whose sum is a band, rounded to the nearest."""
        for run, matrix in zip(runs_of(self.count), self.matrices, strict=True):
            if run.start <= band < run.stop:
                row = matrix[band - run.start].astype(np.float64) / (self.gain * float(self.weight[band]))
                row += 0.0  # the whole steps an archive holds know no -0.0, and its VRT is made of them again
                return float(self.mean[band]), [(run.start + n, float(value)) for n, value in enumerate(row)]
        raise AssertionError(f"no band {band}")

    @property
    def error_scale(self) -> float:
        """About what a squared error of the components is, of one in the bands."""
        return self.gain**2 * float(np.square(self.weight.astype(np.float64)).mean())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: means, weights (unless all are 1), and the matrices' steps in base64."""
        steps = np.concatenate([np.rint(m.ravel() / _UNIT).astype("<i2") for m in self.matrices])
        planes = np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 2).T)  # high bytes are much alike
        weights = {} if (self.weight == 1).all() else {"weight": [float(w) for w in self.weight]}
        return {
            "dtype": self.dtype,
            "gain": self.gain,
            "mean": [int(m) for m in self.mean],
            **weights,
            "matrix": base64.b64encode(planes.tobytes()).decode("ascii"),
        }

    @classmethod
    def from_json(cls, record: Any, count: int) -> Rotation:  # noqa: ANN401
        """Rebuild what :meth:`to_json` gave of so many bands.

        Raises:
            ContainerError: the record is no such dictionary, or its matrices are not orthonormal.
        """
        try:
            dtype, gain = str(record["dtype"]), float(record["gain"])
            mean = np.array(record["mean"], np.float32)
            weight = np.array(record.get("weight", [1.0] * count), np.float32)
            planes = np.frombuffer(base64.b64decode(record["matrix"], validate=True), np.uint8)
            sizes = [run.stop - run.start for run in runs_of(count)]
            of_scene = len(planes) == 2 * sum(n * n for n in sizes) and mean.shape == weight.shape == (count,)
            if dtype not in ("uint8", "uint16", "int16") or not of_scene:
                raise ValueError("of another scene")
            steps = np.ascontiguousarray(planes.reshape(2, -1).T).view("<i2").ravel()
            at, matrices = 0, []
            for size in sizes:
                square = steps[at : at + size * size].reshape(size, size)
                matrices.append(square.astype(np.float32) * np.float32(_UNIT))
                at += size * size
            if not (np.isfinite([*mean, *weight, gain]).all() and gain > 0 and (weight > 0).all()):
                raise ValueError("numbers without meaning")
            if any(np.abs(m.T @ m - np.eye(len(m))).max() > _ORTHONORMAL for m in matrices):
                raise ValueError("the matrix is not orthonormal")
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ContainerError(f"the archive's rotation of bands cannot be used ({error})") from error
        return cls(dtype, mean, weight, gain, tuple(matrices))


def weights_of(asked: str, spans: Sequence[float]) -> tuple[float, ...]:
    """Return what an error in each band weighs.

    Args:
        asked: ``range`` (errors count as parts of the range each band uses), ``error`` (as digital numbers),
            or a number for each band.
        spans: range each band uses.

    Raises:
        UsageError: it is none of these.
    """
    if asked == "error":
        return (1.0,) * len(spans)
    if asked == "range":
        most = max(spans)
        return tuple(most / span if span > 0 else 1.0 for span in spans)
    try:
        weights = tuple(float(word) for word in asked.split(","))
    except ValueError:
        weights = ()
    if len(weights) != len(spans) or not all(0 < weight < math.inf for weight in weights):
        raise UsageError(
            f"band weights {asked!r}: use range, error, or {len(spans)} positive numbers with commas between"
        )
    return weights


def runs_of(count: int) -> list[slice]:
    """Return the runs of bands that are rotated or predicted together, about equally long."""
    groups = -(-count // LARGEST_GROUP)
    edges = [round(n * count / groups) for n in range(groups + 1)]
    return [slice(start, stop) for start, stop in zip(edges[:-1], edges[1:], strict=True)]


def _ends(dtype: str) -> tuple[int, int]:
    return sample_range(dtype)
