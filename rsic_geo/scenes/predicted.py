"""Bands predicted from those before them, exactly: what a lossless archive of many bands holds.

A band is guessed from what is stored of the earlier ones, and the difference is stored. Guesses read stored
components, not bands, so that one sum gives a band back, with no order to keep to: a VRT can say it, and to
the last digit, since all factors are whole parts of 1024, and sums of such are exact in doubles.

::

    component[k] = band[k] - offset[k] - floor(sum of tap[k, j] * component[j] over j < k, / 1024 + 1/2)

Taps are by least squares on second differences at several scales: what the wavelet spends bytes on. On values
they would follow the brightness that bands share, and add each other's noise. This is the triangular
factor of the covariance (Gram and Schmidt), which at high rates saves as much as its eigenvectors do
(Phoong and Lin, IEEE Trans. Signal Process. 48(7), 2000).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import ContainerError
from rsic_geo.scenes.rotated import runs_of

Pixels = NDArray[Any]
_UNIT = 1024.0
"""What taps are parts of: coarser ones cost nothing on the scenes tried, and 16 bits hold -32..32 of it."""
_LEVELS = 3
"""Scales at which differences are taken; each halves the sides."""
_NOISE = 1 / 12
"""Variance of rounding a guess."""
_COLUMNS = 1 << 16
"""Pixels computed at once, so that the doubles of a run of bands stay in the cache."""
_LOW, _HIGH = -32768, 32767


@dataclass(frozen=True, eq=False)
class Prediction:
    """How the bands of a scene become components, and components bands, both without rounding."""

    dtype: str
    """Sample type of the bands: uint8, uint16 or int16."""
    offset: NDArray[np.int32]
    """Of each band (bands,)."""
    taps: tuple[NDArray[np.int16], ...]
    """Strictly lower triangular, (size, size) for each run of bands; a row guesses a band (1/1024)."""

    @classmethod
    def fit(
        cls,
        pieces: Sequence[Pixels],
        moments: Sequence[NDArray[np.float64]],
        may: NDArray[np.bool_],
        offsets: Mapping[int, int],
    ) -> Prediction:
        """Return the prediction of pieces of a scene.

        Args:
            pieces: integers (bands, h, w), as they are to be coded.
            moments: what :func:`moments_of` gives of them.
            may: whether a band (row) may be guessed from a component (column), (bands, bands).
            offsets: of bands (from 0) whose offset is known; others are centred.
        """
        count, dtype = len(pieces[0]), pieces[0].dtype
        offset = np.full(count, 32768 if dtype == np.uint16 else 0, np.int32)  # of bands that nothing guesses
        step = -(-sum(piece[0].size for piece in pieces) // _COLUMNS)
        taps = []
        for run, known in zip(runs_of(count), moments, strict=True):
            size, left = run.stop - run.start, known.copy()
            found = np.zeros((size, size), np.int16)
            shown = [piece[run].reshape(size, -1)[:, ::step] for piece in pieces]
            held = np.concatenate(shown, axis=1).astype(np.float64)
            for n in range(size):
                at = run.start + n
                used = np.flatnonzero(may[at, run.start : at])
                if len(used):
                    free = np.linalg.solve(left[np.ix_(used, used)], left[used, n])
                    found[n, used] = np.clip(np.rint(free * _UNIT), _LOW, _HIGH)
                    row = found[n] / _UNIT
                    left[n] -= row @ left  # from here on those of the component
                    left[:, n] -= left @ row
                    held[n] -= _guess(found[n : n + 1, :n], held[:n])[0]
                    # Centred, the differences of what pieces do not show have the most room.
                    offset[at] = offsets.get(at, round((held[n].min() + held[n].max()) / 2))
                held[n] -= offset[at]
            taps.append(found)
        return cls(dtype.name, offset, tuple(taps))

    @property
    def count(self) -> int:
        """Bands, and components."""
        return len(self.offset)

    def reach(self, pixels: Pixels) -> NDArray[np.int64]:
        """Return the least and the greatest component of each band (2, bands), as no bits would cut them."""
        ends = np.tile(np.array([[2**31], [-(2**31)]], np.int64), self.count)
        for run, _, held in self._differences(pixels):
            ends[0, run] = np.minimum(ends[0, run], held.min(axis=1))
            ends[1, run] = np.maximum(ends[1, run], held.max(axis=1))
        return ends

    def heaviest(self, band: int, ends: NDArray[np.int64]) -> int:
        """Return the component that moves the guess of a band most, by :meth:`reach` of the scene."""
        number, run = next((n, run) for n, run in enumerate(runs_of(self.count)) if band < run.stop)
        row = self.taps[number][band - run.start].astype(np.float64)
        return int(run.start + (np.abs(row) * (ends[1, run] - ends[0, run])).argmax())

    def forward(self, pixels: Pixels) -> NDArray[np.int16]:
        """Return the components (bands, h, w) of bands; cut to 16 bits."""
        out = np.empty((self.count, pixels[0].size), np.int16)
        for run, columns, held in self._differences(pixels):
            out[run, columns] = np.clip(held, _LOW, _HIGH)
        return out.reshape(pixels.shape)

    def inverse(self, components: Pixels) -> Pixels:
        """Return the bands (bands, h, w) of components; of those at a coarser resolution about the bands."""
        flat = components.reshape(self.count, -1)
        out = np.empty(flat.shape, self.dtype)
        limits = np.iinfo(self.dtype)
        for run, taps in zip(runs_of(self.count), self.taps, strict=True):
            for columns in _columns(flat.shape[1]):
                held = flat[run, columns].astype(np.float64)
                values = held + _guess(taps, held) + self.offset[run, None]
                out[run, columns] = np.clip(values, limits.min, limits.max)
        return out.reshape(components.shape)

    def terms(self, band: int) -> tuple[float, list[tuple[int, float]]]:
        """Return a number and (component, factor) pairs; their sum, rounded to the nearest, is a band."""
        for run, taps in zip(runs_of(self.count), self.taps, strict=True):
            if run.start <= band < run.stop:
                row = taps[band - run.start]
                others = [(run.start + int(j), float(row[j]) / _UNIT) for j in np.flatnonzero(row)]
                # Half a part more, so that no sum lies in the middle, where programs round apart.
                return float(self.offset[band]) + 0.5 / _UNIT, [(band, 1.0), *others]
        raise AssertionError(f"no band {band}")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON: offsets and the triangles row by row, little-endian, in base64."""
        triangles = [taps[np.tril_indices(len(taps), -1)].astype("<i2").tobytes() for taps in self.taps]
        packed = self.offset.astype("<i4").tobytes() + b"".join(triangles)
        return {"dtype": self.dtype, "numbers": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_json(cls, record: Any, count: int) -> Prediction:  # noqa: ANN401
        """Rebuild what :meth:`to_json` gave of so many bands.

        Raises:
            ContainerError: the record is no such dictionary.
        """
        try:
            dtype, raw = str(record["dtype"]), base64.b64decode(record["numbers"], validate=True)
            sizes = [run.stop - run.start for run in runs_of(count)]
            lengths = [n * (n - 1) // 2 for n in sizes]
            if dtype not in ("uint8", "uint16", "int16") or len(raw) != 4 * count + 2 * sum(lengths):
                raise ValueError("of another scene")
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ContainerError(f"the archive's prediction of bands cannot be used ({error})") from error
        numbers, taps = np.frombuffer(raw, "<i2", offset=4 * count), []
        for size, length in zip(sizes, lengths, strict=True):
            found = np.zeros((size, size), np.int16)
            found[np.tril_indices(size, -1)], numbers = numbers[:length], numbers[length:]
            taps.append(found)
        return cls(dtype, np.frombuffer(raw, "<i4", count).astype(np.int32), tuple(taps))

    def _differences(self, pixels: Pixels) -> Iterator[tuple[slice, slice, NDArray[np.float64]]]:
        """Yield runs of bands, columns of pixels, and the components there."""
        flat = pixels.reshape(self.count, -1)
        for run, taps in zip(runs_of(self.count), self.taps, strict=True):
            for columns in _columns(flat.shape[1]):
                held = flat[run, columns].astype(np.float64) - self.offset[run, None]
                for n in range(1, len(held)):
                    held[n] -= _guess(taps[n : n + 1, :n], held[:n])[0]
                yield run, columns, held


def _guess(taps: NDArray[np.int16], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what rows of taps guess of components (bands, n): whole numbers, the same on every machine."""
    return np.asarray(np.floor((taps.astype(np.float64) @ held) / _UNIT + 0.5))


def _columns(count: int) -> Iterator[slice]:
    for start in range(0, count, _COLUMNS):
        yield slice(start, min(start + _COLUMNS, count))


def moments_of(pieces: Sequence[Pixels]) -> list[NDArray[np.float64]]:
    """Return the second moments of bands' second differences, and of rounding, (size, size) for each run."""
    return [_moments(pieces, run) for run in runs_of(len(pieces[0]))]


def _moments(pieces: Sequence[Pixels], run: slice) -> NDArray[np.float64]:
    size = run.stop - run.start
    total, samples = np.zeros((size, size)), 1
    for piece in pieces:
        part = piece[run].astype(np.float64)
        for _ in range(_LEVELS):
            across = part[:, :, 1:-1] - (part[:, :, :-2] + part[:, :, 2:]) / 2
            down = part[:, 1:-1] - (part[:, :-2] + part[:, 2:]) / 2
            for each in (across.reshape(size, -1), down.reshape(size, -1)):
                total += each @ each.T
                samples += each.shape[1]
            height, width = (side // 2 * 2 for side in part.shape[1:])
            quads = part[:, :height, :width].reshape(size, height // 2, 2, width // 2, 2)
            part = quads.mean(axis=(2, 4)) if quads.size else part[:, :0, :0]
    return np.asarray(total + samples * _NOISE * np.eye(size))
