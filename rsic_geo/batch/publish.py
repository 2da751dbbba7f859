"""Finished products take their names here: whole, safe on disk, and never in the place of another file."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rsic_geo.batch.message import SceneJob
from rsic_geo.batch.source import companions_of, sha256_of
from rsic_geo.batch.store import REPORTS, SHUT_WORDS, is_store, replace, send_product
from rsic_geo.errors import OutputExistsError, SceneError
from rsic_geo.raster.files import sidecars_of
from rsic_geo.weights import WEIGHTS_FOLDER
from rsic_geo.weights.store import SUFFIX

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES}
HALTING = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors no scene is to blame for: the next one would meet them too."""
_ROOM = 1 << 20
"""Bytes that a disk takes which is not full."""
_HALTING_WORDS = ("No space left", "Disk quota exceeded", "Read-only file system", "disk is full", SHUT_WORDS)


@contextmanager
def workshop_for(root: str, fid: int) -> Iterator[Path]:
    """Give a scene a folder of its own for what is unfinished, and remove it afterwards.

    Raises:
        OSError: the body failed, and nothing has room there: not every library says so.
    """
    folder = Path(root) / f"{fid}-{secrets.token_hex(4)}"
    folder.mkdir(parents=True)
    try:
        yield folder
    except Exception as error:
        if (full := no_room(folder)) is not None:
            raise full from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(finished: Path, job: SceneJob) -> None:
    """Give a verified archive its name, its sidecars before it, so that whoever sees it sees it complete.

    All of it is safely on disk already, as whoever wrote it took care of.

    In a store its report, which is written already, lies beside the products, too.

    Raises:
        OutputExistsError: if another file has one of the names.
        SceneError: if the folder, or the store, cannot be written.
        VerificationError: if the store holds other bytes than were sent.
    """
    product, companions = Path(job.product), companions_of(job.read) if job.companions else []
    if is_store(job.product):
        beside = [(each, str(product.with_name(each.name))) for each in companions]
        beside += [(each, f"{product}{suffix}") for each, suffix in sidecars_of(finished)]
        replace(Path(job.report), report_in_store(job))
        send_product(finished, job.product, beside)
        return
    product.parent.mkdir(parents=True, exist_ok=True)
    for companion in companions:
        bring_companion(companion, product, finished.parent)
    for sidecar, suffix in sidecars_of(finished):
        _claim(sidecar, product.with_name(product.name + suffix))
    _claim(finished, product)
    flush(product.parent)


def send_common(asked: Path, folder: str, home: str) -> None:
    """Put into a store what all products of a run have in common: what was asked, and weights of files."""
    replace(asked, f"{folder}/{REPORTS}/{asked.name}")
    for weights in sorted(Path(home).glob(f"{WEIGHTS_FOLDER}/*{SUFFIX}")):
        replace(weights, f"{folder}/{WEIGHTS_FOLDER}/{weights.name}")


def bring_companion(companion: Path, product: Path, folder: Path) -> None:
    """Copy a vendor's text file beside a product, by way of a folder on the same file system.

    Raises:
        OutputExistsError: another file has its name there.
    """
    copy = folder / f".{companion.name}.{secrets.token_hex(4)}.part"
    try:
        shutil.copy2(companion, copy)
        flush(copy)
        _claim(copy, product.with_name(companion.name))
    finally:
        copy.unlink(missing_ok=True)


def report_in_store(job: SceneJob) -> str:
    """Return the name of a scene's report among the products of a store."""
    folder = os.path.dirname(job.product) if job.roots is None else job.roots[0]
    return f"{folder}/{REPORTS}/{os.path.relpath(job.product, folder)}.json"


def set_aside(finished: Path, product: Path) -> Path:
    """Keep a product that failed its proof beside where it would have been; return where.

    Raises:
        SceneError: if the folder cannot be written.
    """
    product.parent.mkdir(parents=True, exist_ok=True)
    for count in range(1, 1000):
        place = product.with_name(f"{product.name}.failed{count if count > 1 else ''}")
        try:
            _claim(finished, place)
        except OutputExistsError:
            continue
        return place
    raise SceneError(f"there are a thousand failed products of {product}: remove them")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to fill, which takes the place of another one, empty or missing, when it is whole."""
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        unfinished.mkdir(parents=True)
        yield unfinished
        if folder.is_dir():
            folder.rmdir()
        os.replace(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def write_json(path: str | Path, document: dict[str, Any], folder: Path | None = None) -> None:
    """Write a report that appears whole, in the place of an older one of the same scene.

    Args:
        path: of the report.
        document: what it says.
        folder: where it is written before it takes its name, so that a kill leaves nothing beside it; used
            where it lies on the same file system.

    Raises:
        OSError: if it cannot be written.
    """
    write_text(path, [json.dumps(document, ensure_ascii=False, indent=1)], folder)


def write_text(path: str | Path, pieces: Iterable[str], folder: Path | None = None) -> None:
    """Write a text piece by piece as :func:`write_json` does: it appears whole, in the place of an older one.

    With a ``folder`` the pieces may be asked for twice.

    Raises:
        OSError: if it cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = f".{path.name}.{secrets.token_hex(4)}.part"
    for place in (path.parent,) if folder is None else (folder, path.parent):
        temporary = place / name
        try:
            with temporary.open("w", encoding="utf-8") as stream:
                stream.writelines(pieces)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
            return
        except OSError as error:
            if error.errno != errno.EXDEV or place == path.parent:
                raise
        finally:
            temporary.unlink(missing_ok=True)


def read_json(path: str | Path) -> dict[str, Any] | None:
    """Return a report, or None where there is none that can be read."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def no_room(folder: Path) -> OSError | None:
    """Return what a folder's disk says where it has no room, as libraries that write there may not say."""
    place = folder / f".{secrets.token_hex(4)}.part"
    try:
        place.write_bytes(bytes(_ROOM))
    except OSError as error:
        return error if error.errno in HALTING else None
    finally:
        place.unlink(missing_ok=True)
    return None


def is_halting(error: BaseException | None) -> bool:
    """Whether an error says that nothing at all can be written at the moment."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in HALTING:
            return True
        if any(word in str(error) for word in _HALTING_WORDS):
            return True
        error = error.__cause__ or error.__context__
    return False


def _claim(temporary: Path, place: Path) -> None:
    """Move a file to a name nobody has, or to one whose file has the very same bytes."""
    try:
        os.link(temporary, place)
    except FileExistsError:
        if sha256_of(temporary) != sha256_of(place):
            raise OutputExistsError(f"{place} exists and is another file: move it away") from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if place.exists():  # a file system without links: the ledger's lock keeps other runs away meanwhile
            raise OutputExistsError(f"{place} exists already: move it away") from None
        os.rename(temporary, place)
    temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file or folder is safely on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
