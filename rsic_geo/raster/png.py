"""Pictures of 8-bit samples as PNG (ISO/IEC 15948), exact and small enough to travel inside a page."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Of grey, of grey with alpha, of red, green and blue, and of these with alpha."""
_PAETH = 4


def png(samples: NDArray[np.uint8], effort: int = 6) -> bytes:
    """Return samples (rows, columns, channels) as a PNG.

    Args:
        samples: of 1 to 4 channels: grey, or red, green and blue; each perhaps with alpha.
        effort: of zlib, 1 to 9.
    """
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    kind = np.full((height, 1), _PAETH, np.uint8)
    lines = np.concatenate([kind, _residues(samples).reshape(height, -1)], axis=1)
    packed = zlib.compress(lines.tobytes(), effort)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    )


def _residues(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return what is left of samples once each is told from its neighbours, by the filter of Paeth."""
    around = np.pad(samples.astype(np.int16), ((1, 0), (1, 0), (0, 0)))
    left, above, corner = around[1:, :-1], around[:-1, 1:], around[:-1, :-1]
    to_left, to_above = np.abs(above - corner), np.abs(left - corner)
    to_corner = np.abs(left + above - 2 * corner)
    guess = np.where(
        (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
    )
    return (around[1:, 1:] - guess).astype(np.uint8)
