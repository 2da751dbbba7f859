"""How we run GDAL: bounded cache, errors as one line of our own tree, and what it says while pixels are read.

A decoder that meets damage may hand out what it has and only say so: libjpeg's "Corrupt JPEG data", libpng's
and libtiff's warnings, failures inside threads of GDAL's own. Such pixels are not the scene's, so reading
them ends in an error, unless the caller accepts damage and keeps a note of it.

rasterio hands on what GDAL says by Python's logging: warnings as warnings, failures whose call did not fail
as information. Both are listened to whatever level the program set for itself.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import rasterio
from rasterio.env import Env
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, DatasetWriter
from rasterio.session import DummySession

from rsic_geo.errors import BitstreamError, DamagedSceneError, RsicGeoError, SceneError, UsageError

T = TypeVar("T")

CACHE_BYTES = 256 * 2**20
"""GDAL's block cache (bytes), for all open scenes together."""

DEFAULT_CONFIG: dict[str, object] = {
    "GDAL_CACHEMAX": CACHE_BYTES,
    "GDAL_TIFF_INTERNAL_MASK": True,
}

_asked_for: list[dict[str, object]] = []
"""Options of all bodies of gdal_config that are running, outermost first."""

_IDLE = frozenset({"GDAL_CACHEMAX", "GDAL_NUM_THREADS", "GDAL_DATA", "GDAL_DRIVER_PATH"})
"""Options that change no pixel, and differ between machines."""
_FAMILIES = ("GDAL_", "GTIFF_", "VRT_", "CPL_", "TIFF_", "OGR_")
"""What the names of GDAL's options begin with that are looked for in the environment."""

_CAREFUL = {
    # What fails in a thread of GDAL's own is printed and lost.
    "GDAL_NUM_THREADS": "1",
    "VRT_NUM_THREADS": "1",
    # Its shortcut for whole PNG images takes a fifth of damaged ones for sound: memory nobody wrote.
    "GDAL_PNG_WHOLE_IMAGE_OPTIM": "NO",
}
_BLOCK = re.compile(r"IReadBlock failed at X offset (\d+), Y offset (\d+)")
"""How GDAL names a block that it could not read."""
_REFERRED = re.compile(r"(\S.*): No such file or directory")
"""How GDAL names a file that another one refers to; the other's own name is taken out before."""

_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Options that rasterio lets nobody set: they go through the environment, which GDAL reads, too."""

_FAR = (
    "/vsicurl",
    "/vsis3",
    "/vsigs",
    "/vsiaz",
    "/vsiadls",
    "/vsioss",
    "/vsiswift",
    "/vsihdfs",
    "/vsiwebhdfs",
)
_GONE = "there is no such file"
_KNOWN_WORDS = (
    ("Dataset is closed", "it was closed: open it again"),
    ("does not exist in the file system", _GONE),
    ("No such file or directory", _GONE),
    ("HTTP response code: 404", "the server has no such file"),
    ("HTTP response code: 403", "the server does not let it be read"),
)
"""What GDAL says of common failures, and what we say."""

_warning_lock = threading.Lock()
_LOGGERS = ("rasterio._err", "rasterio._env")
"""Where rasterio's handlers of GDAL's messages log."""
_FAILURE = "GDAL signalled an error"
"""What the log says of a failure that GDAL reported by its error handler."""
_NOT_OF_PIXELS = ("PROJ:", "TIFFReadDirectory", "TIFFFetchNormalTag", "Unknown field with tag")
"""What is said of metadata where a file is opened late, such as one a VRT refers to: no damage of pixels."""
_UNREADABLE = re.compile(
    r"IO error during reading|VSIFReadL"
    r'|Null count for "Geo|(count|type) for "(Geo|GDAL|Photometric|ColorMap)\w*"; tag ignored'
    r"|Geo(Ascii|Double)Params (tag has only|is missing)"
)
"""What is said of a file being opened whose place, nodata, colours or other metadata cannot be read."""
_heard = threading.local()
_accepted: list[list[str]] = []
"""Notes of all bodies of :func:`accepting_damage` that are running, outermost first."""
_accepted_lock = threading.Lock()


def gdal_env(**options: object) -> Env:
    """Return a context in which GDAL has options, and looks itself for keys to stores.

    rasterio would ask boto3 for these each time where it is installed and the environment holds any: 18 ms.
    """
    return Env(session=DummySession(), **options)


@contextmanager
def gdal_config(options: Mapping[str, str] | None = None, *, is_careful: bool = False) -> Iterator[None]:
    """Run the body under GDAL configuration options (``--config KEY=VALUE``).

    Scenes read and written in the body, from any thread, see the options.

    Args:
        options: values by name; GDAL_CACHEMAX as GDAL takes it, megabytes if below 100000, else bytes.
        is_careful: GDAL opens and reads by the ways alone on which a failure reaches the caller.

    Raises:
        UsageError: GDAL_CACHEMAX is no size.
    """
    added: dict[str, object] = {}
    for key, value in (options or {}).items():
        name = key.upper()
        added[name] = _cache_bytes(value) if name == "GDAL_CACHEMAX" else value
    if added:
        _asked_for.append(added)
    config: dict[str, object] = {}
    for layer in (DEFAULT_CONFIG, *_asked_for):
        config |= layer
    before = []
    for name in _KEYS:
        if name in config:
            before.append((name, os.environ.get(name)))
            os.environ[name] = str(config.pop(name))
    try:
        with Env(session=DummySession(), **(config | _CAREFUL if is_careful else config)):
            yield
    finally:
        for name, old in before:
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old
        if added:
            _asked_for.remove(added)


def threads_in_blocks() -> Env:
    """Return a context in which GDAL decodes with the threads asked for: for requests inside one block."""
    asked: object = os.environ.get("GDAL_NUM_THREADS", "ALL_CPUS")
    for layer in _asked_for:
        asked = layer.get("GDAL_NUM_THREADS", asked)
    return Env(session=DummySession(), GDAL_NUM_THREADS=str(asked))


def reading_options() -> dict[str, object]:
    """Return GDAL's options just now, those of the environment too."""
    config: dict[str, object] = {key: value for key, value in os.environ.items() if key.startswith(_FAMILIES)}
    for layer in (DEFAULT_CONFIG, *_asked_for):
        config |= layer
    return config


def reading_config() -> dict[str, str]:
    """Return GDAL's options just now, of the environment too, without those that change no pixel."""
    return {key: str(value) for key, value in sorted(reading_options().items()) if key not in _IDLE}


def gdal_version() -> str:
    """Return the version of the GDAL library that reads and writes scenes."""
    return str(rasterio.__gdal_version__)


@contextmanager
def scene_errors(action: str, path: str | Path) -> Iterator[None]:
    """Turn whatever GDAL raises in the body into a SceneError of one line."""
    try:
        yield
    except SceneError as error:
        raise type(error)(f"cannot {action} {path}: {error}") from error
    except BitstreamError as error:  # of a decoder of ours, which knows no names
        raise BitstreamError(f"cannot {action} {path}: {error}") from error
    except RsicGeoError:
        raise
    except Exception as error:  # rasterio lets GDAL's own, private exception classes through
        raise SceneError(f"cannot {action} {path}: {_one_line(error, path)}") from error


def open_dataset(path: str | Path, mode: str = "r", **options: object) -> DatasetReader | DatasetWriter:
    """Open a dataset without the warning that it has no georeference, which is no fault here."""
    with _warning_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        return rasterio.open(str(path), mode, **options)


def is_missing(path: str | Path) -> bool:
    """Return whether a name is that of a local file that does not exist; GDAL knows of its own names.

    A file that cannot be read is not missing: what is wrong with it is said by who opens it.
    """
    text = str(path)
    drive, rest = os.path.splitdrive(text)
    is_name_of_gdal = text.startswith(("/vsi", "<")) or ":" in rest
    if is_name_of_gdal:
        return False
    try:
        os.stat(text)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:  # it is there, in a folder that may not be looked into, or its disk fails
        return False
    return False


def told_before(call: Callable[[], T]) -> T:
    """Return what a call of rasterio returns; once more where it fails.

    Some of its calls take for their own failure what GDAL or PROJ logged of something else before, such as a
    grid file that is missing. A failure that is the call's own comes again.
    """
    try:
        return call()
    except Exception as error:
        if not type(error).__module__.startswith("rasterio"):
            raise
        return call()


def _one_line(error: BaseException, path: str | Path) -> str:
    """Return GDAL's own words, which rasterio keeps in the cause of a general message."""
    if isinstance(error, UnicodeEncodeError):
        return "its name is no UTF-8, which GDAL wants: rename it, or set a UTF-8 locale (LC_ALL=C.UTF-8)"
    message = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    if "not recognized as being in a supported file format" in message:
        if os.path.isdir(path):
            return "it is a folder, and no raster in a format GDAL knows: give a file of it"
        return "it is no raster in a format GDAL knows"
    for name in (str(path), Path(path).name):
        message = message.replace(f"{name}: ", "").replace(f"{name}, ", "")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if referred := _REFERRED.search(message):
        return f"it refers to {referred[1]}, and there is no such file: put that back beside it"
    for words, ours in _KNOWN_WORDS:
        if words in message:
            # GDAL says the same of a file that is not there and of a server that does not answer.
            is_far = str(path).startswith(_FAR) and ours == _GONE
            return "nothing answers there, or there is no such file" if is_far else ours
    if "IReadBlock failed" in message:
        place = _BLOCK.sub(r"block of row \2, column \1", message)
        return f"it is damaged or cut short, copy it again ({place[:250]})"
    return f"it is damaged or of a kind that GDAL cannot do this with ({message[:250]})"


def _cache_bytes(value: str) -> int:
    text = str(value).strip().upper()
    try:
        if text.endswith("%"):
            raise ValueError("percent of memory")
        for suffix, factor in (("MB", 2**20), ("GB", 2**30), ("KB", 2**10)):
            if text.endswith(suffix):
                return int(float(text[:-2]) * factor)
        number = int(text)
    except ValueError as error:
        raise UsageError(f"GDAL_CACHEMAX={value} is no size: give megabytes, as in 256") from error
    return number * 2**20 if number < 100000 else number


@contextmanager
def accepting_damage(is_accepted: bool) -> Iterator[list[str]]:
    """Let scenes whose readers report damage be read in the body, from any thread, and keep what they said.

    Yields:
        One line for each damage reported so far; empty where ``is_accepted`` is False, since reading raises.
    """
    notes: list[str] = []
    if not is_accepted:
        yield notes
        return
    with _accepted_lock:
        _accepted.append(notes)
    try:
        yield notes
    finally:
        with _accepted_lock:
            # By identity: two lists of notes may be equal.
            del _accepted[next(i for i, each in enumerate(_accepted) if each is notes)]


@contextmanager
def hearing_damage(path: str | Path) -> Iterator[None]:
    """Raise what GDAL reports in the body, from this thread, about pixels of ``path``.

    Raises:
        DamagedSceneError: GDAL reported damage or a failure, although no call failed.
    """
    _listen()
    outer = getattr(_heard, "lines", None)
    lines: list[str] = []
    _heard.lines = lines
    try:
        yield
    finally:
        _heard.lines = outer
    if not lines:
        return
    said = "; ".join(dict.fromkeys(lines))[:300]
    with _accepted_lock:
        for notes in _accepted:
            if said not in notes:
                notes.append(said)
        if _accepted:
            return
    raise DamagedSceneError(
        f"the file is damaged ({said}): copy it again, or accept what it still holds (--accept-damaged)"
    )


def report_damage(words: str) -> None:
    """Take note, for who hears damage in this thread, of what no reader says."""
    lines = getattr(_heard, "lines", None)
    if lines is not None:
        lines.append(words)


@contextmanager
def hearing_unreadable() -> Iterator[list[str]]:
    """Yield a list that gets what GDAL reports in the body, from this thread, of metadata it cannot read.

    What else it says of metadata ends no run: much of it is about files that are sound, if odd.
    """
    _listen()
    outer = getattr(_heard, "unreadable", None)
    _heard.unreadable = []
    try:
        yield _heard.unreadable
    finally:
        _heard.unreadable = outer


class _Ears(logging.Filter):
    """Keeps what is said in a thread that listens; lets pass what would have passed without it."""

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._wanted = type(logger).isEnabledFor

    def filter(self, record: logging.LogRecord) -> bool:
        """Take note of a message. Returns whether the program's own levels want it."""
        lines, unreadable = getattr(_heard, "lines", None), getattr(_heard, "unreadable", None)
        if lines is None and unreadable is None:
            return self._wanted(logging.getLogger(record.name), record.levelno)
        text = " ".join(record.getMessage().split())
        said = text.partition(":")[2] if text.startswith("CPLE_") else text
        if unreadable is not None and _UNREADABLE.search(text):
            unreadable.append(said.strip() or text)
        if lines is not None:
            is_report = record.levelno >= logging.WARNING or text.startswith(_FAILURE)
            if is_report and not any(part in text for part in _NOT_OF_PIXELS):
                lines.append(said.strip() or text)
        return self._wanted(logging.getLogger(record.name), record.levelno)


_EARS = tuple((logging.getLogger(name), _Ears(logging.getLogger(name))) for name in _LOGGERS)


def _listen() -> None:
    """Set up the ears, once per process; a program that takes them off again gets them back."""
    for logger, ears in _EARS:
        logger.addFilter(ears)  # which it does once
        # Levels and logging.disable are about what a program shows; damage must be heard whatever it shows.
        # Set on the object, since a level of the logger's own would not survive logging.disable.
        logger.__dict__["isEnabledFor"] = logging.INFO.__le__
