"""Find weights by name, check their sha256, hand out their bytes.

Search order: an explicit ``.safetensors`` path, the folder named by ``RSIC_GEO_WEIGHTS``, the package
itself, a folder ``rsic-weights`` beside the archive or further up, where `rsic batch run` puts them. Nothing
is ever downloaded. Files are safetensors with the network's spec in their metadata, so opening one runs no
code from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsic_geo.errors import (
    SceneError,
    UsageError,
    WeightsError,
    WeightsMismatchError,
    WeightsNotFoundError,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT_VARIABLE = "RSIC_GEO_WEIGHTS"
"""Names a folder with further ``NAME.safetensors`` files."""

WEIGHTS_FOLDER = "rsic-weights"
"""Folder beside archives, or above them, with the weights they name."""
_MOST_LEVELS = 12
"""Folders above an archive that are looked into."""

ENHANCER, CODEC = "enhancer", "codec"
_DEFAULT_KEYS = {ENHANCER: "default", CODEC: "default_codec"}
SUFFIX = ".safetensors"
MAX_BYTES = 512 * 2**20
"""No weights file larger than this is opened."""
LEAST_DIGITS = 16
"""Digits of a sha256 that name a file."""
_MAX_HEADER = 16 * 2**20
_PACKAGED = Path(__file__).parent
_LENT: list[WeightsFile] = []
"""Weights of a file that an archive in the making names already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsRow:
    """One entry of the manifest."""

    name: str
    file: str
    """File name inside the folder of the manifest."""
    sha256: str
    """Hexadecimal digest of the file."""
    summary: str
    """One line: what the network is and what it gains."""
    licence: str
    """Licence of the weights and what its training data allow."""
    kind: str = ENHANCER
    """What the weights are for: ``enhancer`` or ``codec``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsFile:
    """Verified weights in memory."""

    name: str
    sha256: str
    """Hexadecimal digest of ``content``."""
    content: bytes
    """The safetensors file, exactly the bytes that were verified."""
    metadata: dict[str, str]
    """The file's own text metadata; ``spec`` holds the network's spec as JSON."""

    @property
    def spec(self) -> dict[str, Any]:
        """The network's spec. Raises WeightsError if the file carries none."""
        try:
            fields = json.loads(self.metadata["spec"])
        except (KeyError, ValueError) as error:
            raise WeightsError(f"weights {self.name!r} carry no readable network spec") from error
        if not isinstance(fields, dict):
            raise WeightsError(f"weights {self.name!r} carry no readable network spec")
        return fields


def list_weights(folder: Path | None = None) -> tuple[WeightsRow, ...]:
    """Return the rows of the manifest of ``folder`` (default: the package), in file order."""
    fields = WeightsRow.__dataclass_fields__
    rows = _manifest(folder or _PACKAGED).get("weights", [])
    return tuple(
        WeightsRow(**{key: str(row[key]) for key in fields if key in row or key != "kind"}) for row in rows
    )


def default_name(folder: Path | None = None, *, kind: str = ENHANCER) -> str:
    """Return the name ``auto`` stands for. Raises WeightsNotFoundError if none is shipped."""
    name = _manifest(folder or _PACKAGED).get(_DEFAULT_KEYS[kind])
    if not name:
        raise WeightsNotFoundError("no weights are shipped with this installation; give a .safetensors file")
    return str(name)


def enhancer_name(name: str, codec: str = "jp2", effort: str = "normal") -> str:
    """Return the weights that a model's name means for archives of a codec.

    Args:
        name: as users give it; ``auto`` is what was trained on that codec's output, where there is such.
        codec: ``jp2``, ``learned`` or ``learned:NAME``.
        effort: ``fast``, ``normal`` or ``best``; what is trained on one codec has one size for the last two.

    Raises:
        WeightsNotFoundError: for ``auto``, if none are shipped.
    """
    if name != "auto":
        return name
    known, kind = _manifest(_PACKAGED), codec.partition(":")[0]
    wanted = (effort, kind) if effort == "fast" else (kind, effort)
    own = next((known[key] for each in wanted if (key := f"default_{each}") in known), None)
    return str(own) if own else default_name()


def open_weights(name: str, *, sha256: str | None = None, near: str | None = None) -> WeightsFile:
    """Return verified weights.

    ``name`` is ``auto``, a name of the manifest, a name in the folder of ``RSIC_GEO_WEIGHTS`` or a path
    ending in ``.safetensors``; others are looked for beside and above ``near``, the name of an archive. With
    ``sha256`` (hexadecimal, its first 16 digits or more) only the file with that digest is accepted. Raises
    WeightsNotFoundError, WeightsMismatchError (the digest differs from the manifest or from ``sha256``) or
    WeightsError (no weights file).
    """
    if name == "auto":
        name = default_name()
    if len(digits := (sha256 or "").lower()) >= LEAST_DIGITS:
        for one in tuple(_LENT):
            if one.name == name and one.sha256.startswith(digits):
                return one
    path, expected = _locate(name, near)
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if expected is not None and digest != expected:
        raise WeightsMismatchError(
            f"{path}: damaged or replaced (not the sha256 of the manifest); reinstall rsic-geo"
        )
    if sha256 is not None and (len(sha256) < LEAST_DIGITS or not digest.startswith(sha256.lower())):
        raise WeightsMismatchError(
            f"weights {name!r} here have sha256 {digest[:12]}..., asked for are {sha256[:12]}...; "
            f"put the right file into a folder {WEIGHTS_FOLDER} beside the archive, or into that named by "
            f"{ENVIRONMENT_VARIABLE}"
        )
    stem = path.stem if name.endswith(SUFFIX) else name
    return WeightsFile(name=stem, sha256=digest, content=content, metadata=_metadata(content, path))


def beside(name: str, near: str) -> str:
    """Return the path of weights that are found beside an archive or above it alone; else their name."""
    try:
        _locate(name, None)
    except WeightsNotFoundError:
        return str(_near(name, near) or name)
    return name


def keep_weights(given: WeightsFile, folder: str | Path) -> None:
    """Put weights into the folder of weights in ``folder``, where archives in it find them by their name.

    Raises:
        UsageError: other weights have that name there.
        SceneError: it cannot be written.
    """
    place = Path(folder) / WEIGHTS_FOLDER / (given.name + SUFFIX)
    try:
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            temporary = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
            try:
                temporary.write_bytes(given.content)
                _claim(temporary, place)
            finally:
                temporary.unlink(missing_ok=True)
        if place.read_bytes() != given.content:
            raise UsageError(f"{place} holds other weights of that name: give yours another")
    except OSError as error:
        raise SceneError(f"cannot write {place}: {error.strerror or error}") from error


def _claim(temporary: Path, place: Path) -> None:
    """Give a file a name unless another run was quicker: other weights of that name are not written over."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not place.exists():
            os.replace(temporary, place)


@contextmanager
def lent(given: WeightsFile) -> Iterator[None]:
    """Let weights be opened by name and sha256 in this process, before a file of them is in its place."""
    _LENT.append(given)
    try:
        yield
    finally:
        _LENT.remove(given)


def _manifest(folder: Path) -> dict[str, Any]:
    with (folder / "manifest.toml").open("rb") as stream:
        return tomllib.load(stream)


def _locate(name: str, near: str | None) -> tuple[Path, str | None]:
    """Return path and, for shipped weights, the digest they must have."""
    if name.endswith(SUFFIX):
        return Path(name), None
    if folder := os.environ.get(ENVIRONMENT_VARIABLE):
        path = Path(folder) / (name + SUFFIX)
        if path.is_file() and path.parent == Path(folder):
            return path, None
    for row in list_weights():
        if row.name == name:
            return _PACKAGED / row.file, row.sha256
    if near is not None and (found := _near(name, near)) is not None:
        return found, None
    known = ", ".join(row.name for row in list_weights()) or "none"
    raise WeightsNotFoundError(
        f"no weights named {name!r} (shipped: {known}); give a {SUFFIX} path, or put the file into a folder "
        f"{WEIGHTS_FOLDER} beside the archive or into that named by {ENVIRONMENT_VARIABLE}"
    )


def _near(name: str, place: str) -> Path | None:
    """Return the file of a name beside a local file or above it; None if there is none."""
    if place.startswith("/vsi") or "://" in place or name in (".", "..") or set(name) & set("/\\\0"):
        return None
    for folder in Path(place).absolute().parents[:_MOST_LEVELS]:
        path = folder / WEIGHTS_FOLDER / (name + SUFFIX)
        if path.is_file():
            return path
    return None


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise WeightsError(f"{path}: larger than any weights file of this package")
        return path.read_bytes()
    except OSError as error:
        raise WeightsNotFoundError(f"{path}: cannot be read ({error.strerror})") from error


def _metadata(content: bytes, path: Path) -> dict[str, str]:
    """Return the text metadata in the header of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(_MAX_HEADER, len(content) - 8):
        raise WeightsError(f"{path}: not a safetensors file")
    try:
        header = json.loads(content[8 : 8 + length])
        metadata = {str(key): str(value) for key, value in header.get("__metadata__", {}).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{path}: not a safetensors file") from error
    # Files that were exported before exporters noted the digest have none.
    if metadata.get("tensors", found := hashlib.sha256(content[8 + length :]).hexdigest()) != found:
        raise WeightsError(f"{path}: damaged, its tensors are not those that were written: copy it again")
    return metadata
