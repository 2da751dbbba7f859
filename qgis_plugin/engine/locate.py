"""Where the engine is: the settings, RSIC_ENGINE, PATH, or the .venv of the checkout we are linked from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import EngineMissingError

VARIABLE = "RSIC_ENGINE"
_PROGRAMS = ("bin/rsic", "Scripts/rsic.exe")
_PYTHONS = ("bin/python", "python.exe", "Scripts/python.exe")


@dataclass(frozen=True)
class Engine:
    """A program that can be asked for work; whether it answers is found out by calling it."""

    argv: tuple[str, ...]
    """Program and first arguments; the verb comes behind them."""
    origin: str
    """How it was found, for people: settings, RSIC_ENGINE, PATH, checkout."""

    @property
    def program(self) -> Path:
        """The executable itself."""
        return Path(self.argv[0])

    def fingerprint(self) -> str:
        """Return a text that changes when the program is replaced or another one is taken."""
        state = self.program.stat()
        return f"{os.fspath(self.program)}|{state.st_mtime_ns}|{state.st_size}"


def find_engine(configured: str = "", environ: Mapping[str, str] = os.environ) -> Engine:
    """Return the engine to use. Only looks at files: starts nothing.

    A path that was given on purpose (settings, RSIC_ENGINE) and leads nowhere is an error: nothing else is
    taken in its place.

    Raises:
        EngineMissingError: if there is none, with one sentence on what to do.
    """
    for text, origin in ((configured, "settings"), (environ.get(VARIABLE, ""), VARIABLE)):
        if text.strip():
            return _given(text.strip(), origin, environ)
    found = shutil.which("rsic", path=environ.get("PATH"))
    if found:
        return Engine((os.path.abspath(found),), "PATH")
    neighbour = _of_environment(Path(__file__).resolve().parents[2] / ".venv")
    if neighbour:
        return Engine(neighbour, "checkout")
    raise EngineMissingError("The rsic engine was not found.")


def _given(text: str, origin: str, environ: Mapping[str, str]) -> Engine:
    path = Path(os.path.expanduser(text))
    if path.is_dir():
        argv = _of_environment(path)
        if argv:
            return Engine(argv, origin)
        raise EngineMissingError(
            "The folder {path} ({origin}) holds no rsic and no Python.", path=path, origin=origin
        )
    if path.is_file():
        return Engine(_of_file(path), origin)
    if os.sep not in text:
        found = shutil.which(text, path=environ.get("PATH"))
        if found:
            return Engine(_of_file(Path(found)), origin)
    raise EngineMissingError("There is no {name} ({origin}).", name=text, origin=origin)


def _of_environment(folder: Path) -> tuple[str, ...]:
    for name in _PROGRAMS:
        if (folder / name).is_file():
            return (os.path.abspath(folder / name),)
    for name in _PYTHONS:
        if (folder / name).is_file():
            return _of_file(folder / name)
    return ()


def _of_file(path: Path) -> tuple[str, ...]:
    """Return how to start ``path``; links are kept, for a virtual environment's python is one."""
    program = os.path.abspath(path)
    if path.name.lower().startswith(("python", "pypy")):
        return (program, "-m", "rsic_geo")
    return (program,)
