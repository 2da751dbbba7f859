"""``rsic validate``: is this archive whole?"""

from __future__ import annotations

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.cli.summary import outline

EXIT_INVALID = 4


@click.command()
@click.argument("path", metavar="FILE")
@talking
def validate(path: str, console: Console) -> int:
    """Check the archive FILE: its boxes, every checksum, the side information, the network it asks for.

    Exits with 0 where all is well and 4 where it is not.
    """
    from rsic_geo import validate as run

    entries = run(path)
    console.result(entries, outline(entries))
    return 0 if entries.get("valid") else EXIT_INVALID
