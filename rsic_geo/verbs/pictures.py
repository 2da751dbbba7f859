"""Pictures of scenes, as enhancing networks see them: what `rsic adapt` trains on and is judged by."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rsic_geo.codecs.registry import candidates
from rsic_geo.errors import MissingDependencyError, RsicGeoError, UnsupportedSceneError
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.source import open_source
from rsic_geo.write.plan import band_groups, sample, sample_valid

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 512
"""Side of a picture (px); less in smaller scenes."""
_LEAST_SIDE = 128
_ALIGN = 32
"""Pictures begin at multiples of this: the wavelet and old JPEG blocks lie in them as in the scene."""
_VALID = 0.9
"""Share of a picture that must be data."""
_TRIES = 8
"""Places looked at for each picture wanted."""
_HELD_SHARE = 4
"""One of so many scenes, or that part of each scene, is held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    """How many pictures are taken."""

    train: int = 256
    held: int = 24
    seed: int = 0
    execution: Execution = field(default_factory=Execution)


@dataclass(slots=True)
class Pictures:
    """What was taken."""

    train: int = 0
    held: int = 0
    scenes: int = 0
    apart: bool = False
    """Whether whole scenes were held back, not parts of each."""
    skipped: list[str] = field(default_factory=list)
    """Scenes that gave none, and why."""


def write_pictures(
    sources: Sequence[str], folder: Path, options: PictureOptions, progress: Progress
) -> Pictures:
    """Write pictures of scenes into ``folder``: ``train/pictures.tar``, ``held/colour`` and ``held/grey``.

    Red, green and blue are one picture, any other band is grey: three equal bands. Samples are scaled to 8
    bits over the range of the scene, as networks see them.

    Args:
        sources: scenes.
        folder: an empty one.
        options: how many.
        progress: told after each scene; warned of scenes that give none.

    Raises:
        MissingDependencyError: pillow is not installed.
        JobCancelledError: ``progress`` cancels.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependencyError("pillow is not installed: pip install 'rsic-geo[train]'") from error
    found = Pictures(apart=len(sources) >= _HELD_SHARE)
    order = sorted(sources, key=lambda path: hashlib.sha256(f"{options.seed} {path}".encode()).digest())
    is_held = set(order[: -(-len(order) // _HELD_SHARE)]) if found.apart else set(order)
    is_train = set(order) - is_held if found.apart else set(order)
    for kind in ("colour", "grey"):
        (folder / "held" / kind).mkdir(parents=True)
    (folder / "train").mkdir()
    with tarfile.open(folder / "train" / "pictures.tar", "w") as tar:
        for number, path in enumerate(order):
            rng = np.random.default_rng((options.seed, number))
            before = found.train + found.held
            try:
                with open_source(path, options.execution) as scene:
                    _check(scene)
                    for part, chosen, wanted in (
                        ("train", is_train, options.train),
                        ("held", is_held, options.held),
                    ):
                        if path not in chosen:
                            continue
                        count = -(-wanted // len(chosen))
                        within = None if found.apart else part
                        for each, pixels in enumerate(_pictures(scene, rng, count, within)):
                            picture = Image.fromarray(pixels)
                            name = f"s{number:05d}__{each:03d}.png"
                            if part == "train":
                                _add(tar, name, picture)
                                found.train += 1
                            else:
                                kind = "grey" if np.ptp(pixels, axis=2).max() == 0 else "colour"
                                picture.save(folder / "held" / kind / name)
                                found.held += 1
                if found.train + found.held == before:
                    found.skipped.append(f"{path}: too small, or hardly any data")
                found.scenes += found.train + found.held > before
            except (RsicGeoError, OSError) as error:
                if isinstance(error, RsicGeoError) and error.exit_code == 130:
                    raise
                found.skipped.append(f"{path}: {error}")
            progress.report((number + 1) / len(order), "taking pictures")
    for text in found.skipped:
        progress.warn(text)
    return found


def _check(scene: Scene) -> None:
    """Raise UnsupportedSceneError where no network enhances such a scene."""
    known = candidates("jp2")[0].dtypes
    if scene.profile.dtype not in known:
        raise UnsupportedSceneError(f"networks enhance {', '.join(known)}, not {scene.profile.dtype}")


def _pictures(
    scene: Scene, rng: np.random.Generator, count: int, within: str | None
) -> Iterator[NDArray[np.uint8]]:
    """Yield up to ``count`` pictures (h, w, 3) of a scene, or of the part of it that is for training or held.

    The last quarter of its rows is held.
    """
    profile = scene.profile
    groups = band_groups(profile.colorinterp)
    border = profile.height * (_HELD_SHARE - 1) // _HELD_SHARE // _ALIGN * _ALIGN
    first, last = {None: (0, profile.height), "train": (0, border), "held": (border, profile.height)}[within]
    side = min(SIDE, last - first, profile.width) // 64 * 64
    if side < _LEAST_SIDE or not groups:
        return
    pixels, valid = sample(scene)
    radiometry = Radiometry.fit(profile.dtype, [(pixels, sample_valid(profile, pixels, valid))])
    for _ in range(count * _TRIES):
        if count == 0:
            return
        row = first + _ALIGN * int(rng.integers((last - first - side) // _ALIGN + 1))
        col = _ALIGN * int(rng.integers((profile.width - side) // _ALIGN + 1))
        window = Window(row_off=row, col_off=col, height=side, width=side)
        bands = groups[int(rng.integers(len(groups)))]
        if scene.read_valid(window)[list(bands)].mean() < _VALID:
            continue
        shown = radiometry.forward(scene.read(window, bands=bands), bands)
        samples = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
        if samples.max() == samples.min():
            continue
        count -= 1
        yield np.ascontiguousarray(np.broadcast_to(samples, (3, side, side)).transpose(1, 2, 0))


def _add(tar: tarfile.TarFile, name: str, picture: Image) -> None:
    content = io.BytesIO()
    picture.save(content, "PNG")
    entry = tarfile.TarInfo(name)
    entry.size = content.tell()
    content.seek(0)
    tar.addfile(entry, content)
