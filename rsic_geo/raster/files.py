"""Files: outputs appear complete or not at all, inputs behind GDAL's virtual file systems come here."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import rasterio.shutil

from rsic_geo.errors import OutputExistsError, SceneError, UsageError
from rsic_geo.raster.doors.vsi import copy_bytes, is_of_squeezed_tar
from rsic_geo.raster.env import gdal_config, scene_errors

SIDECARS = (".aux.xml", ".msk", ".ovr", ".vrt")
"""What GDAL puts beside a raster and reads together with it."""


WORLD_FILES = (".tfw", ".tifw", ".tiffw", ".wld")
"""What GDAL reads the transform of a TIFF from that has none."""


class PendingFile:
    """A file under a temporary name in the folder of its final one, with its sidecars."""

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Choose the temporary name.

        Raises:
            OutputExistsError: the final name or that of a sidecar is taken and ``overwrite`` is False, or it
                is a folder.
            SceneError: the folder does not exist, or the system takes no such name.
            UsageError: the name holds a NUL character.
        """
        check_name(path)
        self.path, self._overwrite = Path(path), overwrite
        self._is_new = False
        try:
            self._check_name()
            has_folder = self.path.parent.is_dir()
        except OutputExistsError:  # an OSError too
            raise
        except OSError as error:  # a name too long, a folder that may not be looked into
            raise SceneError(f"cannot write {path}: {error.strerror}") from error
        if not has_folder:
            raise SceneError(f"cannot write {path}: there is no folder {self.path.parent}")
        token = secrets.token_hex(4)
        self.temporary = self.path.with_name(f".{self.path.stem[:40]}.{token}.part{self.path.suffix}")

    def _check_name(self) -> None:
        if self.path.is_dir():
            raise OutputExistsError(f"{self.path} is a folder: give the name of a file")
        if self.path.exists() and not self.path.is_file():  # it would be replaced, even /dev/null
            raise OutputExistsError(f"{self.path} is a pipe or device: give the name of a file")
        if self._overwrite:
            return
        if self.path.exists():
            raise OutputExistsError(f"{self.path} exists already: choose another name or ask to overwrite it")
        for stray in _beside(self.path):
            if stray.exists():  # it would be replaced, or read as if it belonged to the output
                raise OutputExistsError(
                    f"{stray} exists already: move it away, choose another name or ask to overwrite it"
                )

    def publish(self) -> None:
        """Give the file and its sidecars their final names, after all are safely on disk.

        The file itself comes last, so whoever sees it sees it complete. Sidecars of a file that
        was overwritten are removed: they would be read as if they belonged to the new one.

        Raises:
            OutputExistsError: somebody else took the name meanwhile.
        """
        self._check_name()
        pairs = list(zip(_beside(self.temporary), _beside(self.path), strict=True))
        written = {ours for pending, ours in pairs if pending.exists()}
        for pending in (self.temporary, *self.sidecars):
            _flush(pending)
        for pending, ours in pairs:
            if ours in written:
                os.replace(pending, ours)
        self._is_new = not self.path.exists()
        os.replace(self.temporary, self.path)
        for stray in set(_beside(self.path)) - written:
            stray.unlink(missing_ok=True)
        _flush_folder(self.path.parent)

    @property
    def sidecars(self) -> list[Path]:
        """The sidecars that were written so far, under their temporary names."""
        return [path for path in _beside(self.temporary) if path.exists()]

    def withdraw(self) -> None:
        """Remove the published file and its sidecars, unless a file had that name before."""
        if self._is_new:
            for path in (self.path, *_beside(self.path)):
                path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove whatever exists under the temporary name."""
        for leftover in self.path.parent.glob(_literal(self.temporary.stem) + "*"):
            leftover.unlink(missing_ok=True)


def check_world_files(path: str | Path) -> None:
    """Refuse a TIFF without a transform beside a world file of its name: GDAL would place it by that.

    Raises:
        OutputExistsError: there is one; it is not ours to remove.
    """
    place = Path(path)
    if not place.parent.is_dir():
        return
    names = {(place.stem + suffix).lower() for suffix in WORLD_FILES}
    for stray in place.parent.iterdir():
        if stray.name.lower() in names and stray.name.startswith(place.stem):
            raise OutputExistsError(
                f"{stray} would be read as the georeference of {place.name}, which has none: move it away or "
                "choose another name"
            )


def check_source(name: str | Path) -> None:
    """Refuse what cannot be read in any order, before a reader waits for it.

    Raises:
        SceneError: it is a pipe, socket or device.
        UsageError: the name holds a NUL character.
    """
    check_name(name)
    if os.path.exists(name) and not (os.path.isfile(name) or os.path.isdir(name)):  # formats may be folders
        raise SceneError(f"cannot read {name}: it is a pipe or device, save what it yields to a file first")


def check_name(name: str | Path) -> None:
    """Refuse a name no system has: what is called with it would raise ``ValueError`` somewhere below.

    Raises:
        UsageError: it holds a NUL character.
    """
    if "\0" in str(name):
        raise UsageError(f"{str(name)!r} is no name of a file: it holds a NUL character")


def check_apart(source: str | Path, output: str | Path) -> None:
    """Refuse an output that is the source itself, under whatever name: writing it would destroy the source.

    Raises:
        UsageError: both are one file, or a name holds a NUL character.
    """
    check_name(source)
    check_name(output)
    if os.path.exists(source) and os.path.exists(output) and os.path.samefile(source, output):
        raise UsageError("source and output are the same file: give another output")


def sidecars_of(path: Path) -> list[tuple[Path, str]]:
    """Return the sidecars a raster has, each with what its name adds to the raster's."""
    return [(place, suffix) for place, suffix in zip(_beside(path), SIDECARS, strict=True) if place.exists()]


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in SIDECARS]


def sidecar_path(path: Path) -> Path:
    """Return the name of a raster's PAM sidecar."""
    return path.with_name(path.name + ".aux.xml")


def _literal(name: str) -> str:
    """Return a glob pattern that matches the name itself."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in name)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Make renames durable where the system lets a folder be opened (not on Windows)."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def fetch_raster(source: str, target: str) -> None:
    """Copy the file of a ``/vsi`` name, byte for byte, to a local name.

    Raises:
        SceneError: if GDAL cannot read or write it.
    """
    with gdal_config(), scene_errors("copy", source):
        if is_of_squeezed_tar(source):  # which GDAL reads, and fails to copy
            copy_bytes(source, Path(target))
        else:
            rasterio.shutil.copyfiles(source, target)
