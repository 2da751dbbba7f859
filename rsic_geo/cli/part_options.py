"""Options that say which part of a scene is wanted, under GDAL's names."""

from __future__ import annotations

import click

from rsic_geo.cli.options import stack


def parse_bands(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[int, ...]:
    """Return band numbers, repeated or joined by commas."""
    words = [part.strip() for value in values for part in value.split(",")]
    for word in words:
        if not (word.isascii() and word.isdigit()) or int(word) < 1:
            raise click.BadParameter(f"{word!r} is no band: they are counted from 1")
    return tuple(int(word) for word in words)


def parse_box(_ctx: click.Context, _param: click.Parameter, text: str | None) -> tuple[float, ...] | None:
    """Return four numbers joined by commas."""
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != 4:
        raise click.BadParameter(f"{text!r} is not xmin,ymin,xmax,ymax")
    return numbers


part_options = stack(
    click.option(
        "-b",
        "--band",
        "bands",
        multiple=True,
        callback=parse_bands,
        metavar="N[,N]",
        help="Bands wanted, counted from 1, in the order of the output; repeatable.",
    ),
    click.option(
        "--srcwin",
        type=(int, int, int, int),
        metavar="XOFF YOFF XSIZE YSIZE",
        help="Part of the scene, in pixels.",
    ),
    click.option(
        "--projwin",
        type=(float, float, float, float),
        metavar="ULX ULY LRX LRY",
        help="Part of the scene, by its upper left and lower right corner in map units.",
    ),
    click.option(
        "--bbox",
        callback=parse_box,
        metavar="XMIN,YMIN,XMAX,YMAX",
        help="Part of the scene, as a box in map units.",
    ),
    click.option(
        "--bbox-crs",
        "--projwin-srs",
        "window_crs",
        metavar="CRS",
        help="Reference system of --bbox or --projwin, where it is not the scene's.",
    ),
)

level_option = click.option(
    "--level",
    type=click.IntRange(0, 31),
    default=0,
    show_default=True,
    metavar="N",
    help="Halve the sides N times: the codec's reduced resolutions, not enhanced.",
)
