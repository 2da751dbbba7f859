"""``rsic validate``: is this archive whole?"""

from __future__ import annotations

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.cli.summary import validate_summary

EXIT_INVALID = 4


@click.command(short_help="Check whether an archive is whole.")
@click.argument("path", metavar="FILE")
@click.option("--no-pixels", is_flag=True, help="Check structure and checksums only, decode nothing.")
@talking
def validate(path: str, console: Console, no_pixels: bool) -> int:
    """Check FILE byte by byte against its checksums, and by decoding it.

    Exits with 0 where all is well and 4 where it is not. A file of another program is read through once.
    """
    from rsic_geo.verbs.info import validate as run

    entries = run(path, pixels=not no_pixels, progress=console.progress())
    console.result(entries, validate_summary(entries))
    return 0 if entries["valid"] else EXIT_INVALID
