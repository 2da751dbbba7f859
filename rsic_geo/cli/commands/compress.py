"""``rsic compress``: a scene in, a standard archive out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import check_local_output, execution_options, overwrite_option, stack, talking
from rsic_geo.cli.part_options import part_options
from rsic_geo.cli.summary import finish_job
from rsic_geo.options import TILE_SIZES, EncodeOptions, Execution, Said, said_options
from rsic_geo.targets import target_words


def _refuse_creation_options(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> None:
    if values:
        raise click.UsageError(
            f"an archive takes no creation options ({values[0]}): use --target (lossless, "
            "psnr=40, snr=30, bpp=0.5, ...) and --tile-size"
        )


def _parse_nodata(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | str | None:
    """Return a number, ``none``, or None where nothing was said."""
    if text is None or text.lower() == "none":
        return text and "none"
    try:
        return float(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor none") from None


def _declared(said: Said) -> Callable[[Any], Any]:
    """Return click's option for a field of :class:`EncodeOptions`."""
    if said.default is False:
        return click.option(f"--{said.name}", said.field, is_flag=True, help=said.help)
    kind = click.Choice(said.choices) if said.choices else type(said.default)
    return click.option(
        f"--{said.name}",
        said.field,
        type=kind,
        default=said.default,
        show_default=said.default is not None,
        metavar=said.metavar or None,
        help=said.help,
    )


archive_choices = stack(
    click.option(
        "--target",
        default="lossless",
        show_default=True,
        metavar="T",
        help=f"{target_words(with_meaning=True)}; checked by decoding what was written.",
    ),
    *map(_declared, said_options()),
    click.option(
        "--tile-size",
        type=click.Choice(["auto", *(str(size) for size in TILE_SIZES)]),
        default="auto",
        show_default=True,
        help="Codec tile (px); auto is 1024, less for very many bands.",
    ),
    click.option(
        "-f",
        "--of",
        "--format",
        "--output-format",
        "output_format",
        default="JP2",
        hidden=True,
        type=click.Choice(["JP2", "JP2OpenJPEG"], case_sensitive=False),
    ),
    click.option(
        "--co",
        "--creation-option",
        multiple=True,
        hidden=True,
        expose_value=False,
        callback=_refuse_creation_options,
    ),
    click.option(
        "--enhance", "enhance", metavar="auto|off|NAME", hidden=True, help="Other spelling of --model."
    ),
)


def encode_options(
    execution: Execution, *, enhance: str | None, tile_size: str, model: str, target: str, **options: Any
) -> EncodeOptions:
    """Return as one value what :data:`archive_choices` gathered."""
    from rsic_geo.targets import Target

    options.pop("output_format")
    if enhance is not None:
        model = "none" if enhance == "off" else enhance
    return EncodeOptions(
        target=Target.parse(target),
        model=model,
        tile_size=0 if tile_size == "auto" else int(tile_size),
        execution=execution,
        **options,
    )


@click.command(short_help="Write a scene as an archive.")
@click.argument("source", metavar="INPUT")
@click.argument("destination", metavar="[OUTPUT]", required=False)
@part_options
@click.option(
    "--nodata",
    callback=_parse_nodata,
    metavar="VALUE|none",
    help="Nodata value of all bands, instead of the scene's.",
)
@archive_choices
@click.option(
    "--verify",
    type=click.Choice(["full", "none"]),
    default="full",
    show_default=True,
    help="Check the archive by decoding it.",
)
@execution_options
@overwrite_option
@talking
def compress(
    source: str,
    destination: str | None,
    console: Console,
    execution: Execution,
    **choices: Any,
) -> None:
    """Write INPUT, any raster GDAL reads, as an archive.

    OUTPUT is its name (.jp2, .cog.tif) or a folder to put it in; without one it lies beside INPUT.

    \b
    rsic compress scene.tif                                        lossless, into scene.jp2
    rsic compress scene.tif small.jp2 --target psnr=40             as small as 40 dB allow
    rsic compress scene.tif quick.jp2 --target psnr=40 --effort fast
    rsic compress scene.tif tiny.rsic.tif --codec learned --target bpp=0.3

    --target says what must hold of what comes back, --effort how long fewer bytes may take, --codec by what
    pixels become bytes: jp2 is read by every program that knows JPEG 2000, learned is for few bits, is slow,
    and shows others a preview.

    The archive is a plain GeoJP2 file or COG for every other program; what rsic needs to give the scene back
    complete and repaired is in one part of it. With --codec learned it is a TIFF (.rsic.tif) that shows other
    programs a preview. A part that is asked for is that part of the whole: place, control points and metadata
    follow.
    """  # noqa: D301 - click wants the character itself
    from rsic_geo.verbs.compress import compress as run
    from rsic_geo.verbs.names import archive_beside

    wanted = encode_options(execution, **choices)
    if destination is None:
        destination = archive_beside(source, wanted.codec)
    finish_job(console, run(source, check_local_output(destination), wanted, console.progress()))
