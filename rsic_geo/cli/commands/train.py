"""``rsic train``: the programs of the training workshop under one verb."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import click

from rsic_geo.errors import INSTALL_TORCH, MissingDependencyError, UsageError

PROGRAMS = {
    "restorer": "train",
    "codec": "codec",
    "ldm": "ldm",
    "validate": "validate",
    "codec-validate": "codec_validate",
    "ldm-validate": "ldm_validate",
    "soup": "soup",
    "export": "export",
    "codec-export": "codec_export",
    "quantise": "quantise",
}
"""What is typed, and the module of rsic_geo.training it runs."""


@click.command(
    short_help="Train networks and codecs, judge and export them.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("program", type=click.Choice(list(PROGRAMS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def train(program: str, arguments: tuple[str, ...]) -> int:
    """Run a program of the training workshop (python -m rsic_geo.training...), with its own ARGUMENTS.

    `rsic train codec --help` says what each takes; rsic_geo/training/QUEUE.md has runs that were made.

    \b
    rsic train restorer --data PACKS --out run --budget 9m
    rsic train codec --arch elic --data PACKS --out run --budget 24h
    rsic train ldm --stage 1 --data PACKS --out s1 --budget 2h
    """  # noqa: D301 - click wants the character itself
    if find_spec("torch") is None:
        raise MissingDependencyError(f"training needs PyTorch: {INSTALL_TORCH}")
    module = importlib.import_module(f"rsic_geo.training.{PROGRAMS[program]}")
    try:
        return int(module.main(list(arguments)))
    except ValueError as error:  # what the workshop calls wrong usage
        raise UsageError(f"{program}: {error}") from error
