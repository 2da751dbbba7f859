"""``rsic tour``: the whole way once, on a scene that is made for it."""

from __future__ import annotations

import os

import click

from rsic_geo.errors import OutputExistsError, UsageError

_SIDE = 512


@click.command(short_help="Walk through compress, view, decompress and compare in a minute.")
@click.argument("folder", default="rsic-tour", metavar="[FOLDER]")
def tour(folder: str) -> int:
    """Make a small scene in FOLDER (default: rsic-tour, new), archive it, look at it, give it back, compare.

    Every command is printed before it is run, so that it can be typed again.
    """
    from rsic_geo.evaluation.made_scene import write_made_scene

    if any(character.isspace() for character in folder):
        raise UsageError(f"{folder!r}: give a name without spaces, so that the commands can be copied")
    try:
        os.makedirs(folder)
    except FileExistsError:
        raise OutputExistsError(f"{folder} exists already: give another name, rsic tour FOLDER") from None
    names = ("scene.tif", "scene.jp2", "look.html", "back.tif")
    scene, archive, page, back = (os.path.join(folder, name) for name in names)
    write_made_scene(scene, _SIDE)
    click.echo(f"{scene}: {_SIDE} x {_SIDE} px, 3 bands, {os.path.getsize(scene)} bytes; made by this tour\n")
    _run("An archive as small as a PSNR of 36 dB allows:", f"compress {scene} {archive} --target psnr=36")
    _run("What it holds, and that it is whole:", f"validate {archive}")
    _run("A page for a browser, of both and of what differs:", f"view {archive} {scene} --export {page}")
    _run("The scene back, repaired:", f"decompress {archive} {back}")
    _run("Every pixel and every tag of both:", f"compare {scene} {back} --min-psnr 36")
    click.echo(
        "Next, with a scene of yours:\n"
        "  rsic compress YOURS.tif              lossless, into YOURS.jp2\n"
        "  rsic compress --help                 targets and codecs, each with an example\n"
        "  rsic view YOURS.jp2 YOURS.tif        look at both, at every scale\n"
        "  rsic batch plan FOLDER ARCHIVE       many scenes: how large, how long"
    )
    return 0


def _run(what: str, line: str) -> None:
    """Show a command and run it. Raises whatever ends it."""
    from rsic_geo.cli.entry import rsic

    click.echo(f"{what}\n$ rsic {line}")
    outcome = rsic.main(args=line.split(), prog_name="rsic", standalone_mode=False)
    if type(outcome) is int and outcome:
        click.get_current_context().exit(outcome)
    click.echo()
