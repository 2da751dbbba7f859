"""A pack of painted pictures, for tests of the workshop."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, height: int = 200, width: int = 260) -> np.ndarray:
    """Return fields, an edge and some noise, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    fields = np.kron(rng.uniform(40, 210, (height // 20, width // 20, 3)), np.ones((20, 20, 1)))
    return (fields + rng.normal(0, 6, (height, width, 3))).clip(0, 255).astype(np.uint8)


def write_pack(folder: Path, pictures: int = 4) -> Path:
    """Write ``train-0.tar`` with a few pictures; return the folder."""
    with tarfile.open(folder / "train-0.tar", "w") as tar:
        for number in range(pictures):
            content = io.BytesIO()
            Image.fromarray(picture(number)).save(content, "PNG")
            member = tarfile.TarInfo(f"synthetic__{number}.png")
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)
    return folder
