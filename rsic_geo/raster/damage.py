"""Hearing what GDAL says while pixels are read: failures that no call returns, and warnings of damage.

A decoder that meets damage may hand out what it has and only say so: libjpeg's "Corrupt JPEG data", libpng's
and libtiff's warnings, failures inside threads of GDAL's own. Such pixels are not the scene's, so reading
them ends in an error, unless the caller accepts damage and keeps a note of it.

rasterio hands on what GDAL says by Python's logging: warnings as warnings, failures whose call did not fail
as information. Both are listened to whatever level the program set for itself.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rsic_geo.errors import DamagedSceneError

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
