"""``rsic decompress``: an archive in, the scene back."""

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
from rsic_geo.cli.part_options import level_option, part_options
from rsic_geo.cli.summary import finish_job
from rsic_geo.options import Execution


@click.command(short_help="Give back the scene of an archive.")
@click.argument("source", metavar="INPUT")
@click.argument("destination", metavar="OUTPUT")
@click.option(
    "--enhance",
    default="auto",
    show_default=True,
    metavar="auto|off|NAME",
    help="Repair what the codec broke: as the archive says, not at all, or with a network named.",
)
@click.option("--model", "model", metavar="NAME", hidden=True, help="Other spelling of --enhance.")
@click.option(
    "--allow-other-model",
    is_flag=True,
    help="Go on where the archive was made with another version of the network.",
)
@part_options
@level_option
@format_options
@execution_options
@fast_option
@overwrite_option
@talking
def decompress(
    source: str,
    destination: str,
    console: Console,
    model: str | None,
    enhance: str,
    execution: Execution,
    **options: Any,
) -> None:
    """Give back the scene of the archive INPUT as the GeoTIFF or COG OUTPUT, with all of its metadata.

    A JPEG 2000 file of another program is decoded too, its pixels as they are: `rsic enhance` repairs them as
    far as can be told without the original.

    A part that is asked for is that part of the whole: place, control points and metadata follow, and only
    what it needs is decoded. A box is rounded to pixels as gdal_translate -projwin does.
    """
    from rsic_geo.options import DecodeOptions
    from rsic_geo.verbs.decompress import decompress as run

    if model is not None:
        enhance = "off" if model == "none" else model
    wanted = DecodeOptions(enhance=enhance, execution=execution, **options)
    finish_job(console, run(source, check_local_output(destination), wanted, console.progress()))
