"""``rsic enhance``: any lossy raster in, a repaired one out."""

from __future__ import annotations

from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import (
    check_local_output,
    execution_options,
    fast_option,
    format_options,
    overwrite_option,
    talking,
)
from rsic_geo.cli.part_options import part_options
from rsic_geo.cli.summary import finish_job
from rsic_geo.options import Execution


@click.command(short_help="Repair any lossy raster.")
@click.argument("source", metavar="INPUT")
@click.argument("destination", metavar="OUTPUT")
@click.option(
    "--model",
    default="auto",
    show_default=True,
    metavar="auto|NAME|FILE",
    help="Network to use: a name of `rsic models`, or a .safetensors file.",
)
@click.option(
    "--strength",
    type=click.FloatRange(0, 1.5),
    metavar="0..1.5",
    help="Share of the correction to apply everywhere, instead of an estimate.",
)
@click.option(
    "--max-change",
    type=click.FloatRange(min=0),
    metavar="N",
    help="Largest change of a sample, in digital numbers.",
)
@click.option(
    "--change", metavar="FILE", help="Also write what was added to each sample, as the GeoTIFF FILE."
)
@part_options
@format_options
@execution_options
@fast_option
@overwrite_option
@talking
def enhance(
    source: str,
    destination: str,
    console: Console,
    model: str,
    change: str | None,
    execution: Execution,
    **options: Any,
) -> None:
    """Repair INPUT, any raster that went through a lossy codec, into the GeoTIFF or COG OUTPUT.

    Without the original nobody can prove that the result is better: the strength is estimated,
    conservatively, and the output says so. Enhanced pixels are for looking at; keep INPUT for measuring.

    A part that is asked for is that part of what the whole scene would become, up to rounding.
    """
    from rsic_geo.options import DecodeOptions
    from rsic_geo.verbs.enhance import enhance as run

    if change is not None:
        check_local_output(change)
    wanted = DecodeOptions(enhance=model, change=change, execution=execution, **options)
    finish_job(console, run(source, check_local_output(destination), wanted, console.progress()))
