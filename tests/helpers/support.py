"""Where test material is, usable at collection time: ``from support import SCENES, scene_params``."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared"
SCENES = SHARED / "data" / "scenes"
BROKEN = SHARED / "data" / "broken"
VAL = SHARED / "data" / "val"

needs_shared = pytest.mark.skipif(
    not SCENES.is_dir(), reason="the real scenes (folder 'shared' beside the checkout) are not here"
)


def scene_params(*patterns: str, folder: Path = SCENES) -> list[object]:
    """Return one parameter per raster of ``folder`` matching any pattern, or one skipped parameter.

    Sidecars (``.aux.xml``, ``.msk``, ``.ovr``) and the manifest are left out.
    """
    found = sorted({path for pattern in patterns or ("*",) for path in folder.glob(pattern)})
    rasters = [p for p in found if p.is_file() and p.suffix not in {".xml", ".msk", ".ovr", ".csv", ".md"}]
    if not rasters:
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no {folder.name} on this machine"))]
    return [pytest.param(path, id=path.name, marks=pytest.mark.shared) for path in rasters]


@contextlib.contextmanager
def started(words: list[str], **more: Any) -> Iterator[subprocess.Popen[Any]]:
    """Start a program that does not outlive the test, however that ends."""
    with subprocess.Popen(words, **more) as process:
        try:
            yield process
        finally:
            process.kill()
