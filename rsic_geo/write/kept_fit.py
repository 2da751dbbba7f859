"""Rows of cells whose strengths were fitted, kept in a file while a very large scene is archived."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsic_geo.repair.base import Enhancer
from rsic_geo.write.kept import Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedRow:
    """What was decided for one row of cells."""

    strengths: NDArray[np.uint8]
    """Strength bytes (groups, cells)."""
    sse: NDArray[np.float64]
    """Squared error per band after enhancement, over the scored pixels."""
    worst: NDArray[np.float64]
    """Largest absolute error per band after enhancement."""


class FitLog:
    """Rows of one fit, kept as they are decided."""

    def __init__(self, folder: Path, pixel_crcs: Mapping[int, int], plan: str = "") -> None:
        """Name the log of a fit to decoded tiles with these checksums; nothing is read or written yet.

        Args:
            folder: of the log.
            pixel_crcs: checksums of the decoded tiles by number.
            plan: digest of how the original is read.
        """
        self._plan = plan
        self._folder, self._pixel_crcs = folder, sorted(pixel_crcs.items())
        self._kept = Kept(folder / "fit.log")

    def rows(
        self, enhancer: Enhancer, seed: int, max_error: float | None, filters: bytes = b""
    ) -> dict[int, FittedRow]:
        """Return the rows known of a fit, by number; later rows are added to this fit.

        Args:
            enhancer: proposes corrections.
            seed: of enhancers that begin with noise.
            max_error: largest absolute error allowed.
            filters: adaptive filters of the fit, packed.

        Raises:
            OSError: if the log cannot be read.
        """
        asked = json.dumps([self._plan, self._pixel_crcs, enhancer.sha256, seed, max_error, filters.hex()])
        digest = hashlib.sha256(asked.encode()).hexdigest()[:32]
        self._kept = Kept(self._folder / f"fit-{digest}.log")
        return dict(map(_parsed, self._kept))

    def add(self, row: int, fitted: FittedRow) -> None:
        """Keep a row.

        Raises:
            OSError: if the log cannot be written.
        """
        strengths = fitted.strengths
        entry = [
            row,
            list(strengths.shape),
            strengths.tobytes().hex(),
            fitted.sse.tolist(),
            fitted.worst.tolist(),
        ]
        self._kept.add(json.dumps(entry).encode())


def _parsed(text: bytes) -> tuple[int, FittedRow]:
    row, shape, strengths, sse, worst = json.loads(text)
    return row, FittedRow(
        strengths=np.frombuffer(bytes.fromhex(strengths), np.uint8).reshape(shape),
        sse=np.array(sse, np.float64),
        worst=np.array(worst, np.float64),
    )
