"""``rsic eval``: what codecs and models are worth, measured on scenes of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, overwrite_option, stack, talking
from rsic_geo.errors import OutputExistsError, UsageError
from rsic_geo.options import EFFORTS, Execution
from rsic_geo.progress import Progress
from rsic_geo.targets import Target

EXIT_SEAMS = 4


@click.group(name="eval", short_help="Measure codecs and networks.")
def evaluate() -> None:
    """Measure codecs and networks: rate and distortion, likeness, seams."""


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
        "--rates",
        default="0.15,0.25,0.4,0.6,1",
        show_default=True,
        callback=_numbers,
        metavar="B,...",
        help="Sizes of the files (bits per pixel).",
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
        show_default=True,
        callback=_words,
        metavar="NAME,...",
        help="Other codecs: avif, jxl, webp, jpeg.",
    ),
    click.option(
        "--learned",
        default="none",
        show_default=True,
        callback=_words,
        metavar="auto|NAME",
        help="Also measure archives of the learned codec with these weights, alone and with the models.",
    ),
    click.option(
        "--effort",
        type=click.Choice(EFFORTS),
        default="normal",
        show_default=True,
        help="How long the learned codec looks for fewer bytes.",
    ),
    click.option(
        "--earlier", metavar="CSV", help="points.csv of an earlier run: show its other codecs, too."
    ),
    click.option(
        "--full", "with_full", is_flag=True, help="Also measure without adaptive filter, and strength 1."
    ),
    click.option("--fast", is_flag=True, help="Network in bfloat16: twice the speed, PSNR within 0.001 dB."),
    click.option(
        "--limit",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="This many scenes, evenly spread; 0 = all.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        metavar="N",
        help="Scenes worked on at once.",
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


def _files(places: tuple[str, ...], words: list[str], console: Console) -> int:
    from rsic_geo.evaluation.exactly import as_text, tables

    entries = tables(places, [Target.parse(word) for word in words], Progress(callback=console.progress()))
    console.result(entries, as_text(entries))
    return 0


@evaluate.command(short_help="Files without loss, ours beside those of other programs.")
@click.argument("scenes", nargs=-1, required=True)
@talking
def lossless(scenes: tuple[str, ...], console: Console) -> int:
    """Bytes of SCENES without loss: ours (JPEG 2000, COG), COGs of GDAL's alone, JPEG-LS, JPEG XL, WebP."""
    return _files(scenes, ["lossless"], console)


@evaluate.command(name="near-lossless", short_help="Files within a largest error, ours beside others.")
@click.argument("scenes", nargs=-1, required=True)
@click.option(
    "--bounds",
    default="2,10",
    show_default=True,
    callback=_numbers,
    metavar="N,...",
    help="Largest errors, in the units of the samples.",
)
@click.option("--parts", default="", callback=_numbers, metavar="P,...", help="And in % of each sample.")
@talking
def near_lossless(
    scenes: tuple[str, ...], console: Console, bounds: tuple[float, ...], parts: tuple[float, ...]
) -> int:
    """Bytes of SCENES within a largest error, as parts of our file without loss: ours, LERC, JPEG-LS.

    Every file of ours is decoded, and its largest error counted.
    """
    asked = [f"max-error={bound!r}" for bound in bounds if bound > 0]
    return _files(scenes, ["lossless", *asked, *(f"max-rel-error={part!r}%" for part in parts)], console)


@evaluate.command(short_help="What rotating bands saves.")
@click.argument("scenes", nargs=-1, required=True)
@click.option(
    "--rates",
    default="0.1,0.2,0.4,0.8",
    show_default=True,
    callback=_numbers,
    metavar="B,...",
    help="Sizes of the files (bits per sample).",
)
@talking
def bands(scenes: tuple[str, ...], console: Console, rates: tuple[float, ...]) -> int:
    """Archives of SCENES with bands as they are and rotated, every byte of the file counted."""
    from rsic_geo.evaluation.bands import as_text, tables

    entries = tables(scenes, rates, Progress(callback=console.progress()))
    console.result(entries, as_text(entries))
    return 0


@evaluate.command(short_help="Rate and distortion of codecs and networks.")
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
    earlier: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Rate and distortion: plain JPEG 2000, our archives with each model, and other codecs.

    Every byte of a file counts, our side information too; the anchor is the same JPEG 2000 file without it.
    BD-rates are over the rates given; they need a codec to reach at least half of the anchor's qualities.
    """
    from rsic_geo.evaluation.curves import report
    from rsic_geo.evaluation.curves.rd import RdOptions, rate_distortion
    from rsic_geo.evaluation.imagery import find_scenes

    if crops and out is None:
        raise UsageError("--crops draws into the report's folder: give --out DIR")
    wanted = RdOptions(execution=execution, **options)
    scenes = find_scenes(places, limit=limit)
    folder = Path(out) if out is not None else None
    if folder is not None:
        report.check_folder(folder, overwrite=overwrite)
    if earlier is not None:
        from rsic_geo.evaluation.curves.earlier import check_earlier, with_earlier

        check_earlier(Path(earlier), wanted)
    result = rate_distortion(scenes, wanted, console.progress())
    if earlier is not None:
        result = with_earlier(result, Path(earlier))
    text = report.table(result)
    if folder is not None:
        report.write_report(result, folder)
        if crops:
            from rsic_geo.evaluation.curves.crops import draw_crops

            draw_crops(result, scenes, crops, folder / "crops.png")
        text += f"\nwritten: {folder}"
    console.result(report.summary(result), text)


@evaluate.command(short_help="Likeness by PSNR, MS-SSIM and GMSD.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("others", nargs=-1, required=True, metavar="OTHER...")
@click.option(
    "--picture", metavar="PNG", help="Draw them side by side as this file, where the first OTHER is worst."
)
@execution_options
@overwrite_option
@talking
def compare(
    reference: str,
    others: tuple[str, ...],
    console: Console,
    execution: Execution,
    picture: str | None,
    overwrite: bool,
) -> None:
    """Likeness of each OTHER to REFERENCE: PSNR, MS-SSIM and GMSD, per band, over REFERENCE's valid pixels.

    Archives count as what they decompress to. MS-SSIM: 1 = alike. GMSD: 0 = alike.
    """
    from rsic_geo.evaluation.curves.likeness import likeness

    target = None if picture is None else Path(picture)
    if target is not None and target.exists() and not overwrite:
        raise OutputExistsError(f"{target} exists: use --overwrite to replace it")
    entries = likeness(reference, others, picture=target, execution=execution, progress=console.progress())
    console.result(entries, _likeness_table(entries))


def _likeness_table(entries: dict[str, Any]) -> str:
    lines = [f"against {entries['reference']}, {entries['valid']:.1%} of it valid"]
    lines.append(f"{'':24}{'PSNR dB':>10}{'MS-SSIM':>10}{'GMSD':>10}")
    for scene in entries["scenes"]:
        rows = [(Path(scene["path"]).name[:23], scene["psnr"], scene["ms_ssim"], scene["gmsd"])]
        bands = zip(scene["psnr_bands"], scene["ms_ssim_bands"], scene["gmsd_bands"], strict=True)
        rows += [(f"  band {i}", *values) for i, values in enumerate(bands, start=1)]
        lines += [f"{name:24}{psnr:>10.3f}{ssim:>10.5f}{gmsd:>10.5f}" for name, psnr, ssim, gmsd in rows]
    return "\n".join(lines)


@evaluate.command(short_help="Steps at the borders of enhancement windows.")
@click.argument("scene", metavar="SCENE")
@click.option(
    "--windows",
    default="256,512,1024",
    show_default=True,
    callback=_numbers,
    metavar="PX,...",
    help="Window sizes to try, multiples of 64.",
)
@click.option(
    "--target",
    default="bpp=0.5",
    show_default=True,
    metavar="T",
    help="What a scene that is no archive is compressed to.",
)
@click.option(
    "--model", default="auto", show_default=True, metavar="NAME|FILE", help="Network of such a scene."
)
@execution_options
@talking
def seams(
    scene: str, console: Console, execution: Execution, windows: tuple[float, ...], target: str, model: str
) -> int:
    """Steps across the borders of enhancement windows against steps beside them, 1 = no seam.

    SCENE is an archive made with a model, or any scene, which is compressed first. Exits with 4 where a
    ratio lies outside 0.98 to 1.02.
    """
    from rsic_geo.evaluation.seams import SeamOptions, seam_report

    wanted = SeamOptions(
        window_sizes=tuple(int(size) for size in windows),
        target=Target.parse(target),
        model=model,
        execution=execution,
    )
    entries = seam_report(scene, wanted, console.progress())
    console.result(entries, _seam_table(entries))
    return 0 if entries["passed"] else EXIT_SEAMS


def _seam_table(entries: dict[str, Any]) -> str:
    lines = [
        f"{entries['scene']}: {entries['width']} x {entries['height']} px, {entries['bands']} bands "
        f"{entries['dtype']}, model {entries['model']}",
        "Steps across window borders (standard errors): against those beside them, and against those of",
        f"windows of {entries['other_size']} px at the same places. Differences in 1/255 of the used range.",
        f"{'':15}| {'beside: codec':>16}{'enhanced':>17}{'second by first':>17} | {'same places:':>12}"
        f"{'final':>5}{'correction':>17}{'blend edges':>17} | {'differ by > 1':>12}{'max':>5}",
    ]
    for entry in entries["windows"]:
        beside = "".join(f"{_ratio(ratio):>17}" for ratio in entry["beside"].values())
        same = "".join(f"{_ratio(ratio):>17}" for ratio in entry["same_places"].values())
        difference = entry["difference"]
        lines.append(
            f"{entry['window_size']:>5} px{entry['beside']['final']['borders']:>7} |{beside} | {same} | "
            f"{difference['above_1']:>12.5%}{difference['max']:>5.2f}"
        )
    if entries["cells"]["ratio"] is not None:
        lines.append(f"at the borders of strength cells: {_ratio(entries['cells'])}")
    low, high = entries["limits"]
    passed = "yes" if entries["passed"] else "NO"
    lines.append(f"same places within {low:g} to {high:g}: {passed}")
    return "\n".join(lines)


def _ratio(entry: dict[str, Any]) -> str:
    if entry["ratio"] is None:
        return "-"
    error = entry["standard_error"]
    return f"{entry['ratio']:.4f} ({error:.4f})" if error is not None else f"{entry['ratio']:.4f}"


eval = evaluate
