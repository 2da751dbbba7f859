"""``rsic info``: what a file holds, for people and for scripts."""

from __future__ import annotations

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.cli.summary import outline


@click.command(short_help="Say what a scene or archive holds.")
@click.argument("path", metavar="FILE")
@talking
def info(path: str, console: Console) -> None:
    """Say what FILE holds: size, georeferencing, and for an archive what was stored for giving it back."""
    from rsic_geo.verbs.info import info as run

    entries = run(path)
    console.result(entries, outline(entries))
