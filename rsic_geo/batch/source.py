"""The source of a scene as files: what it contains, whether it stays as it is, what belongs to it."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsic_geo.batch.message import SceneJob
from rsic_geo.errors import SceneError, SourceChangedError
from rsic_geo.raster import members_of

READ_WITH = (".aux.xml", ".msk", ".ovr")
"""Suffixes of files that GDAL reads together with a raster."""
COMPANIONS = (".xml", ".imd", ".rpb", ".txt", ".json", ".pvl", ".til", ".eph", ".att", ".geo", ".met", ".mtl")
"""Suffixes of text that vendors deliver beside a scene, under its name."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What a source was when it was looked at."""

    stamps: tuple[tuple[str, int, int, int], ...]
    """Path, bytes, time of change (ns) and file number of the scene and of all that is read with it."""
    sha256: str | None
    """Digest of the scene's file; None where it is no local file."""
    content_key: str
    """Digest over the scene's file and all that is read with it: what the product depends on."""
    members: tuple[str, ...] = ()
    """Files the scene names, all the way down: members of a mosaic, headers, sidecars."""
    is_known: bool = False
    """Whether the digest covers all the scene is read from; not where something is no local file."""

    @property
    def size(self) -> int | None:
        """Bytes of the scene's file."""
        return self.stamps[0][1] if self.stamps else None

    @property
    def mtime_ns(self) -> int | None:
        """Time of change of the scene's file (ns)."""
        return self.stamps[0][2] if self.stamps else None


def is_local(path: str) -> bool:
    """Whether a source is a file of this machine, not one of GDAL's virtual ones."""
    return not path.startswith("/vsi") and "://" not in path


def stamps_of(path: str, members: tuple[str, ...] = ()) -> tuple[tuple[str, int, int, int], ...]:
    """Return bytes, time and number of a scene's file and of what is read with it; empty if it is not local.

    Args:
        path: of the scene.
        members: files the scene names; what is read with them counts too.

    Raises:
        SceneError: if there is no such file.
    """
    if not is_local(path):
        return ()
    found = []
    for name in dict.fromkeys(file + suffix for file in (path, *members) for suffix in ("", *READ_WITH)):
        try:
            stat = os.stat(name)
        except FileNotFoundError:
            if name == path:
                raise SceneError(f"there is no file {path} any more: it was moved or deleted") from None
            continue
        except OSError as error:
            raise SceneError(f"cannot read {name}: {error.strerror or error}") from error
        found.append((name, stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(found)


def look_at(path: str) -> SourceState:
    """Return the state of a source; its bytes are read once.

    Raises:
        SceneError: if it cannot be read.
    """
    members, is_known = members_of(path) if is_local(path) else ((), False)
    stamps = stamps_of(path, members)
    if not stamps:
        return SourceState(stamps=(), sha256=None, content_key=hashlib.sha256(path.encode()).hexdigest())
    digests = [sha256_of(name) for name, *_ in stamps]
    parts = [f"{_short(name, path)}:{digest}" for (name, *_), digest in zip(stamps, digests, strict=True)]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return SourceState(stamps=stamps, sha256=digests[0], content_key=key, members=members, is_known=is_known)


def _short(name: str, path: str) -> str:
    """Return the name of a file as seen from the scene, which may move with all that belongs to it."""
    return name[len(path) :] if name.startswith(path) else os.path.relpath(name, os.path.dirname(path) or ".")


def check_unchanged(path: str, state: SourceState) -> None:
    """Raise SourceChangedError if a source is not what it was."""
    if stamps_of(path, state.members) != state.stamps:
        raise SourceChangedError(f"{path} changed while it was read: run again when it is at rest")


def sha256_of(path: str | Path, max_rate: float = 0.0) -> str:
    """Return the digest of a file's bytes.

    Args:
        path: of the file.
        max_rate: bytes per second read at most; 0 = as fast as it goes.

    Raises:
        SceneError: if it cannot be read.
    """
    digest, started, done = hashlib.sha256(), time.monotonic(), 0
    try:
        with open(path, "rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                done += len(block)
                if max_rate:
                    time.sleep(max(0.0, done / max_rate - (time.monotonic() - started)))
    except OSError as error:
        raise SceneError(f"cannot read {path}: {error.strerror or error}") from error
    return digest.hexdigest()


def companions_of(path: str) -> list[Path]:
    """Return the text files a vendor delivered beside a scene under its name; no rasters."""
    if not is_local(path):
        return []
    scene = Path(path)
    names = {
        stem + variant
        for stem in (scene.stem, scene.name)
        for suffix in COMPANIONS
        for variant in (suffix, suffix.upper())
    }
    return [scene.with_name(name) for name in sorted(names - {scene.name}) if scene.with_name(name).is_file()]


def source_of(job: SceneJob, state: SourceState) -> dict[str, Any]:
    """Return what the ledger keeps of a job's source; of a scene of another archive what that one kept."""
    return source_values(state) if job.origin is None else dict(job.origin.source)


def source_values(state: SourceState) -> dict[str, Any]:
    """Return what the ledger keeps of a source."""
    return {
        "source_bytes": state.size,
        "source_mtime_ns": state.mtime_ns,
        "source_sha256": state.sha256,
        "content_key": state.content_key,
    }
