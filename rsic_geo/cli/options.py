"""Options several verbs share, each declared once, and handed on as the value types the pipeline takes."""

from __future__ import annotations

import functools
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import click

from rsic_geo.cli.console import Console, ProgressMode
from rsic_geo.errors import JobCancelledError, UsageError

Verb: TypeAlias = Callable[..., Any]

_CONFIG = click.Option(["--config"])
_UNITS_MIB = {"": 1.0, "k": 1 / 1024, "m": 1.0, "g": 1024.0, "t": 1024.0 * 1024.0}


def stack(*decorators: Callable[[Verb], Verb]) -> Callable[[Verb], Verb]:
    """Return one decorator that adds ``decorators`` so that help lists them in the order given."""

    def add(verb: Verb) -> Verb:
        for decorator in reversed(decorators):
            verb = decorator(verb)
        return verb

    return add


def parse_pair(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return ``K=V`` words, repeated or joined by commas, as pairs."""
    pairs = []
    for word in (part for value in values for part in re.split(r",(?=[A-Za-z_][A-Za-z0-9_]*=)", value)):
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{word!r} is not NAME=VALUE")
        pairs.append((key.strip(), value))
    return tuple(pairs)


def parse_memory(_ctx: click.Context, _param: click.Parameter, text: str | None) -> int | None:
    """Return MiB of ``512``, ``512MB``, ``2G`` or ``10%`` of this machine's memory."""
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(?:i?b)?|(%))\s*", text.lower())
    if found is None:
        raise click.BadParameter(f"{text!r} is no amount of memory: use MiB (512), a unit (2GB) or 10%")
    amount, unit, percent = found.groups()
    if percent:
        physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20
        return int(physical * float(amount) / 100)
    return int(float(amount) * _UNITS_MIB[unit])


def check_local_output(path: str) -> str:
    """Return ``path``; outputs are renamed into place, which GDAL's virtual file systems cannot do.

    Raises:
        UsageError: for a /vsi path or an URL, or a name that is no UTF-8.
    """
    if path.startswith("/vsi") or "://" in path:
        raise UsageError(f"cannot write to {path}: give a path on a local disk")
    if any("\ud800" <= character <= "\udfff" for character in path):
        raise UsageError(f"cannot write to {path}: give a name that is UTF-8")
    return path


def talking(verb: Verb) -> Verb:
    """Give a verb ``console``: -q, -v, --progress, --json, --report and --config, already acted on."""

    @functools.wraps(verb)
    def run(
        *args: Any,
        quiet: bool,
        verbose: bool,
        progress: ProgressMode,
        as_json: bool,
        report: str | None,
        config: tuple[tuple[str, str], ...],
        **kwargs: Any,
    ) -> Any:
        console = Console(
            quiet=quiet,
            verbose=verbose,
            mode=progress,
            as_json=as_json,
            report_path=report,
            overwrite=bool(kwargs.get("overwrite")),
            verb=click.get_current_context().command_path.partition(" ")[2],
        )
        console.check_report()
        if report is not None:
            _check_report_apart(report, kwargs)
        with _library_messages(console), _gdal_settings(dict(config)):
            try:
                return verb(*args, console=console, **kwargs)
            except KeyboardInterrupt:  # click would make an anonymous Abort of it
                raise JobCancelledError("interrupted: nothing was written") from None

    add = stack(
        click.option("-q", "--quiet", is_flag=True, help="No progress, no summary, no warnings."),
        click.option("-v", "--verbose", is_flag=True, help="Also show what the libraries say."),
        click.option(
            "--progress",
            type=click.Choice(["auto", "bar", "json", "none"]),
            default="auto",
            show_default=True,
            help="Progress on stderr: a bar on a terminal (a line for batches), or one JSON object per line.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print the result on stdout as JSON."),
        click.option("--report", metavar="FILE", help="Also write the result to FILE as JSON."),
        click.option(
            "--config",
            multiple=True,
            callback=parse_pair,
            metavar="KEY=VALUE",
            help="GDAL configuration option; repeatable, as all KEY=VALUE and NAME=VALUE options.",
        ),
    )
    return add(run)


def _check_report_apart(report: str, arguments: Mapping[str, Any]) -> None:
    """Refuse a report under the name of a file the verb reads or writes, or of a sidecar of such a file."""
    from rsic_geo.raster.files import SIDECARS

    words = [
        word for value in arguments.values() for word in (value if isinstance(value, tuple) else (value,))
    ]
    names = (word + suffix for word in words if isinstance(word, str) and word for suffix in ("", *SIDECARS))
    place = os.path.realpath(report)
    if any(os.path.realpath(name) == place for name in names):
        raise UsageError(f"the report {report} would replace a file of this very job: give another name")


@contextmanager
def _gdal_settings(settings: dict[str, str]) -> Iterator[None]:
    if not settings:
        yield
        return
    from rsic_geo.raster import gdal_config

    with gdal_config(settings):
        yield


@contextmanager
def _library_messages(console: Console) -> Iterator[None]:
    """Show Python warnings and log lines of libraries with -v only; without it they are noise to a user."""
    handler = logging.StreamHandler() if console.verbose else logging.NullHandler()
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with warnings.catch_warnings():
            if console.verbose:
                warnings.showwarning = lambda message, *_args, **_kwargs: console.warn(str(message))
            else:
                warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(handler)


overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")

format_options = stack(
    click.option(
        "-f",
        "--of",
        "--format",
        "--output-format",
        "driver",
        type=click.Choice(["GTiff", "COG"], case_sensitive=False),
        metavar="GTiff|COG",
        default="GTiff",
        show_default=True,
        help="Output format.",
    ),
    click.option(
        "--co",
        "--creation-option",
        "creation_options",
        multiple=True,
        callback=parse_pair,
        metavar="NAME=VALUE",
        help="GDAL creation option of the output format; those GDAL would ignore are refused.",
    ),
)


fast_option = click.option(
    "--fast",
    "is_fast_reading",
    is_flag=True,
    help="Float networks in bfloat16: twice the speed, at most 1 of 255 off; integers stay exact.",
)
"""For verbs that read; :func:`execution_options` takes it in."""


def execution_options(verb: Verb) -> Verb:
    """Give a verb ``execution``: --threads, --device, --window-size, --memory, --fast as one value."""

    @functools.wraps(verb)
    def run(
        *args: Any, threads: int, device: str, window_size: int, memory: int | None, **kwargs: Any
    ) -> Any:
        from rsic_geo.options import Execution

        cache = {key.upper(): value for key, value in kwargs["config"]}.get("GDAL_CACHEMAX")
        if memory is None and cache is not None:
            memory = parse_memory(click.get_current_context(), _CONFIG, cache)
        budget = {} if memory is None else {"memory_mib": memory}
        fast = kwargs.pop("is_fast_reading", False)
        execution = Execution(threads=threads, device=device, window_size=window_size, fast=fast, **budget)
        return verb(*args, execution=execution, **kwargs)

    add = stack(
        click.option(
            "--threads",
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            metavar="N",
            help="Threads of codec and network; 0 = all cores.",
        ),
        click.option(
            "--device",
            default="auto",
            show_default=True,
            metavar="auto|cpu|cuda[:N]",
            help="Where the network runs.",
        ),
        click.option(
            "--window-size",
            type=int,
            default=1024,
            show_default=True,
            metavar="PX",
            help="Enhancement window, a multiple of 64.",
        ),
        click.option(
            "--memory",
            callback=parse_memory,
            metavar="SIZE",
            help="GDAL's raster cache: MiB (default: 256), with a unit (1GB) or a share of memory (10%).",
        ),
    )
    return add(run)
