"""Entry of the ``rsic`` command: finding the verb; errors become one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from rsic_geo.cli.classic import modernise
from rsic_geo.cli.console import Console, one_line
from rsic_geo.cli.next_step import next_step
from rsic_geo.cli.signals import EXIT_INTERRUPTED, stoppable
from rsic_geo.cli.surroundings import one_blas_thread, set_aside_foreign_gdal
from rsic_geo.errors import JobCancelledError, RsicGeoError, UsageError
from rsic_geo.heap import few_arenas

VERBS = (
    "compress",
    "decompress",
    "enhance",
    "batch",
    "compare",
    "validate",
    "info",
    "view",
    "models",
    "capabilities",
    "doctor",
    "tour",
    "completion",
    "adapt",
    "train",
    "bench",
    "eval",
)
"""Every verb lives in the module of its name, as the command of its name."""
_STDERR = 2


class LazyGroup(click.Group):
    """A group whose verbs are imported when they are called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a scene's life, not of the alphabet."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of a verb, or None where there is no such verb."""
        if cmd_name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"rsic_geo.cli.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command


def _print_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"rsic {version('rsic-geo')}")
        ctx.exit()


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def rsic() -> None:
    """Smaller standard archives of remote-sensing scenes, given back in place, complete and repaired.

    The first time? Type `rsic tour`: a minute, on a scene that it makes. Then, with a scene of yours:

    \b
    rsic compress scene.tif scene.jp2 --target psnr=40
    rsic decompress scene.jp2 back.tif
    rsic compare scene.tif back.tif

    \b
    Exit codes:
      0    ok
      1    error: unreadable, damaged, out of space
      2    wrong usage, unsupported input, or an output that exists
      3    some scenes of a batch failed
      4    verification failed, target missed, scenes differ or a file is not whole
      5    a network or library is missing or not the one asked for
      130  interrupted

    RSIC_DEBUG=1 shows tracebacks. Every verb has a --help of its own.
    """  # noqa: D301 - click wants the character itself


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return the exit code. Never raises."""
    Console.reset()
    _open_closed_streams()
    set_aside_foreign_gdal()
    one_blas_thread()
    few_arenas()
    try:
        arguments = modernise(list(sys.argv[1:] if argv is None else argv))
        with stoppable():
            outcome = rsic.main(args=arguments, prog_name="rsic", standalone_mode=False)
            sys.stdout.flush()
        return outcome if type(outcome) is int else 0
    except (KeyboardInterrupt, click.Abort):
        return Console.current().fail(
            "interrupted: nothing was written", EXIT_INTERRUPTED, JobCancelledError.__name__
        )
    except BrokenPipeError:
        # The reader of our stdout went away (`rsic info x | head`): that is no error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("RSIC_DEBUG", "") not in ("", "0"):
            raise
        return _explain(error)


def _open_closed_streams() -> None:
    """Give a process started with closed streams empty ones, before a file of ours gets their number."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while os.open(os.devnull, os.O_RDWR) <= _STDERR:
            pass
        sys.stdin, sys.stdout, sys.stderr = (
            stream or os.fdopen(os.open(os.devnull, os.O_RDWR), mode)
            for stream, mode in ((sys.stdin, "r"), (sys.stdout, "w"), (sys.stderr, "w"))
        )


def _explain(error: Exception) -> int:
    """Print one line about ``error`` and return its exit code."""
    console = Console.current()
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message(), err=True)
        return error.exit_code
    if isinstance(error, click.ClickException):
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f" (see '{error.ctx.command_path} --help')"
        return console.fail(one_line(error.format_message()) + hint, error.exit_code, UsageError.__name__)
    if isinstance(error, RsicGeoError):
        step = next_step(error, console.verb)
        return console.fail(one_line(str(error)), error.exit_code, type(error).__name__, step)
    if isinstance(error, MemoryError):
        return console.fail("out of memory: lower --memory, --threads or --window-size", 1, "MemoryError")
    if isinstance(error, OSError):
        return console.fail(one_line(str(error)), 1, "OSError")
    what = one_line(f"{type(error).__name__}: {error}")
    return console.fail(
        f"unexpected {what} (a bug: run again with RSIC_DEBUG=1 and report what it prints)", 1, "Bug"
    )
