"""What the user sees: results on stdout; progress, warnings and errors on stderr, as text or JSON lines."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import click

from rsic_geo.cli.signals import is_stopping
from rsic_geo.errors import OutputExistsError, SceneError
from rsic_geo.progress import ProgressCallback

ProgressMode = Literal["auto", "bar", "json", "none"]


def one_line(text: str) -> str:
    """Return ``text`` on one line that every stream can take: bytes of odd file names as escapes."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")


def json_ready(value: Any) -> Any:  # noqa: ANN401 - any JSON value in, any JSON value out
    """Return ``value`` with what strict JSON lacks spelled as text: nan, inf, paths, numpy scalars."""
    if isinstance(value, Mapping):
        return {str(key): json_ready(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_ready(entry) for entry in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)


class GdalBar:
    """GDAL's progress bar: ``0...10...20 ... 100 - done.``, 40 dots wide."""

    _TICKS: ClassVar[int] = 40

    def __init__(self) -> None:
        self._tick = -1

    def __call__(self, fraction: float, _message: str = "") -> None:
        """Draw up to ``fraction``."""
        wanted = int(min(max(fraction, 0.0), 1.0) * self._TICKS + 1e-9)
        while self._tick < wanted:
            self._tick += 1
            sys.stderr.write(str(self._tick // 4 * 10) if self._tick % 4 == 0 else ".")
            if self._tick == self._TICKS:
                sys.stderr.write(" - done.\n")
        sys.stderr.flush()

    def break_off(self) -> None:
        """End a line that was not drawn to its end, so that what follows starts on its own."""
        if 0 <= self._tick < self._TICKS:
            sys.stderr.write("\n")
            self._tick = self._TICKS


class StatusLine(GdalBar):
    """One line that is written over again, for work that takes days and has more to tell than a fraction."""

    def __init__(self) -> None:
        self._is_open = False

    def __call__(self, fraction: float, message: str = "") -> None:
        """Show a message behind how much is done."""
        text = f"{math.floor(100 * fraction)} % {message}"
        width = max(20, shutil.get_terminal_size().columns - 1)
        sys.stderr.write(f"\r{text[:width]}\x1b[K")
        sys.stderr.flush()
        self._is_open = True

    def break_off(self) -> None:
        """Leave the line as it is and go on below it."""
        if self._is_open:
            sys.stderr.write("\n")
            sys.stderr.flush()
            self._is_open = False


class JsonProgress:
    """One JSON object per line on stderr; at most about two hundred for a job and its messages."""

    _STEP: ClassVar[float] = 0.005

    def __init__(self) -> None:
        self._fraction = -1.0
        self._message = ""

    def __call__(self, fraction: float, message: str = "") -> None:
        """Print the fraction if it moved."""
        if (
            fraction - self._fraction >= self._STEP
            or message != self._message
            or fraction >= 1 > self._fraction
        ):
            self._fraction, self._message = fraction, message
            event("progress", fraction=round(fraction, 4), message=message)


def event(kind: str, **entries: object) -> None:
    """Print one JSON line on stderr."""
    click.echo(json.dumps({"event": kind, **json_ready(entries)}, ensure_ascii=False), err=True)


@dataclass(slots=True)
class Console:
    """How one run of a verb talks. The last one made is the one errors are reported through."""

    quiet: bool = False
    verbose: bool = False
    mode: ProgressMode = "auto"
    as_json: bool = False
    report_path: str | None = None
    overwrite: bool = False
    verb: str = "VERB"
    """Words that call the verb."""
    bar: GdalBar | None = field(default=None, init=False)

    _latest: ClassVar[Console | None] = None

    def __post_init__(self) -> None:
        """Become the current console."""
        Console._latest = self

    @classmethod
    def current(cls) -> Console:
        """Return the console of the running verb, or a plain one when no verb was reached."""
        return cls._latest or cls()

    @classmethod
    def reset(cls) -> None:
        """Forget the console of an earlier run in this process."""
        cls._latest = None

    def progress(self, bar: GdalBar | None = None) -> ProgressCallback:
        """Return the callback to hand to a job: draws a bar, JSON lines or nothing, and stops on request.

        Args:
            bar: drawn on where a bar is wanted; None = GDAL's.
        """
        draw: GdalBar | JsonProgress | None = None
        if self.mode == "json":
            draw = JsonProgress()
        elif self.mode == "bar" or (self.mode == "auto" and not self.quiet and sys.stderr.isatty()):
            draw = self.bar = bar or GdalBar()

        furthest = 0.0

        def report(fraction: float, message: str = "") -> bool:
            nonlocal furthest
            furthest = max(
                furthest, fraction
            )  # a search that starts another round does not undo what was shown
            if draw is not None:
                draw(furthest, message)
            return not is_stopping()

        return report

    def warn(self, text: str) -> None:
        """Tell the user something on stderr; never fails the run."""
        if self.mode == "json":
            event("warning", message=one_line(text))
        elif not self.quiet:
            if isinstance(self.bar, StatusLine):
                self.bar.break_off()
            click.echo(f"rsic: warning: {one_line(text)}", err=True)

    def fail(self, text: str, exit_code: int, error_kind: str, next_step: str = "") -> int:
        """Print why the run ends and return ``exit_code``.

        Args:
            text: one line.
            exit_code: of the process.
            error_kind: name of the error's class, by which a program that drives us tells errors apart.
            next_step: what a person types next.
        """
        if self.bar is not None:
            self.bar.break_off()
        if self.mode == "json":
            event("error", message=text, exit_code=exit_code, error_kind=error_kind)
        else:
            click.echo(f"rsic: error: {text}" + (f" (next: {next_step})" if next_step else ""), err=True)
        return exit_code

    def result(self, entries: Mapping[str, Any], text: str) -> None:
        """Print a result on stdout, as JSON or as ``text``, and in the report file if one was asked for.

        Raises:
            SceneError: if the report file cannot be written.
        """
        document = json.dumps(json_ready(entries), indent=2, ensure_ascii=False)
        for warning in entries.get("warnings", ()) or ():
            self.warn(str(warning))
        if self.report_path is not None:
            self._write_report(self.report_path, document)
        if self.as_json:
            click.echo(document)
        elif text and not self.quiet:
            click.echo(text)
        if self.mode == "json":
            event("done")

    def check_report(self) -> None:
        """Refuse a report file that is there already or cannot be, before any work is done.

        Raises:
            OutputExistsError: if it exists and ``--overwrite`` was not given.
            SceneError: if there is no such folder.
        """
        if self.report_path is None:
            return
        if os.path.exists(self.report_path) and not self.overwrite:
            raise OutputExistsError(f"{self.report_path} exists: use --overwrite to replace it")
        folder = os.path.dirname(self.report_path) or "."
        if not os.path.isdir(folder):
            raise SceneError(f"cannot write the report {self.report_path}: there is no folder {folder}")

    @staticmethod
    def _write_report(path: str, document: str) -> None:
        temporary = f"{path}.{os.getpid()}.part"
        try:
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(document + "\n")
            os.replace(temporary, path)
        except OSError as error:
            if os.path.exists(temporary):
                os.unlink(temporary)
            raise SceneError(f"cannot write the report {path}: {error.strerror or error}") from error
