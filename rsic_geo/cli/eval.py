"""``rsic eval``: what codecs and models are worth, measured on scenes of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, overwrite_option, stack, talking
from rsic_geo.pipeline.options import Execution


@click.group(name="eval")
def evaluate() -> None:
    """Measure codecs and models: rate and distortion, likeness, seams."""


def _words(_ctx: click.Context, _param: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip() and word.strip() != "none")


def _numbers(_ctx: click.Context, _param: click.Parameter, text: str) -> tuple[float, ...]:
    try:
        return tuple(sorted({float(word) for word in text.split(",") if word.strip()}))
    except ValueError:
        raise click.BadParameter(f"{text!r} are no numbers: use 0.15,0.4,1") from None


_rd_choices = stack(
    click.option("--out", metavar="DIR", help="Folder for points.csv, bdrate.csv, summary.json, curves.png."),
    click.option(
        "--rates", default="0.15,0.25,0.4,0.6,1", show_default=True, callback=_numbers, metavar="B,..."
    ),
    click.option(
        "--models",
        default="auto",
        show_default=True,
        callback=_words,
        metavar="NAME|FILE,...",
        help="Weights to judge, or none.",
    ),
    click.option(
        "--peers",
        default="none",
        callback=_words,
        metavar="NAME,...",
        help="Other codecs: avif, jxl, webp, jpeg.",
    ),
    click.option("--full", "with_full", is_flag=True, help="Also measure strength 1 everywhere."),
    click.option("--fast", is_flag=True, help="Network in bfloat16: twice the speed, PSNR within 0.001 dB."),
    click.option("--limit", type=click.IntRange(min=0), default=0, help="This many scenes, evenly spread."),
    click.option(
        "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Scenes worked on at once."
    ),
    click.option(
        "--crops",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Draw N scenes side by side, from the one that gains least to the one that gains most.",
    ),
)


@evaluate.command()
@click.argument("places", nargs=-1, required=True, metavar="FOLDER|SCENE...")
@_rd_choices
@execution_options
@overwrite_option
@talking
def rd(
    places: tuple[str, ...],
    console: Console,
    execution: Execution,
    out: str | None,
    limit: int,
    crops: int,
    overwrite: bool,
    **options: Any,
) -> None:
    """Rate and distortion: plain JPEG 2000, our archives with each model, and other codecs.

    Every byte of a file counts, our side information too; the anchor is the same JPEG 2000 file without it.
    BD-rates are over the rates given. Reaches further: --threads codec threads, --jobs scenes at once.
    """
    from rsic_geo.evaluation import rd_report
    from rsic_geo.evaluation.imagery import find_scenes
    from rsic_geo.evaluation.rd import RdOptions, rate_distortion

    wanted = RdOptions(execution=execution, **options)
    scenes = find_scenes(places, limit=limit)
    folder = Path(out) if out is not None else None
    if folder is not None:
        rd_report.check_folder(folder, overwrite=overwrite)
    result = rate_distortion(scenes, wanted, console.progress())
    text = rd_report.table(result)
    if folder is not None:
        rd_report.write_report(result, folder)
        text += f"\nwritten: {folder}"
    console.result(rd_report.summary(result), text)


eval = evaluate
