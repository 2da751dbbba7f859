"""``rsic compare``: how two rasters differ, pixel by pixel and tag by tag."""

from __future__ import annotations

from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.cli.summary import compare_summary

EXIT_DIFFERENT = 4


def _agree(entries: dict[str, Any], min_psnr: float | None, max_error: float | None) -> bool:
    """Whether it passes: equal, or within the bounds that were given; metadata and validity always equal."""
    if entries["metadata_diff"] or not entries["mask_equal"] or not entries["valid_equal"]:
        return False
    if entries["pixels_equal"]:
        return True
    if min_psnr is None and max_error is None:
        return False
    psnr, error = entries.get("psnr"), entries.get("max_abs_error")
    good_enough = min_psnr is None or (psnr is not None and float(psnr) >= min_psnr)
    return good_enough and (max_error is None or (error is not None and float(error) <= max_error))


@click.command(short_help="Compare two scenes, every pixel and every tag.")
@click.argument("reference", metavar="REFERENCE")
@click.argument("other", metavar="OTHER")
@click.option("--min-psnr", type=float, metavar="DB", help="Pixels may differ down to this PSNR (dB).")
@click.option(
    "--max-error", type=float, metavar="N", help="Pixels may differ by up to N, in the units of the samples."
)
@click.option("--ignore", multiple=True, metavar="FIELD", help="Metadata field to leave out, repeatable.")
@click.option("--accept-damaged", is_flag=True, help="Compare what a scene still holds that is damaged.")
@talking
def compare(
    reference: str,
    other: str,
    console: Console,
    min_psnr: float | None,
    max_error: float | None,
    ignore: tuple[str, ...],
    accept_damaged: bool,
) -> int:
    """Compare the pixels and every piece of metadata of OTHER with REFERENCE.

    PSNR is of the worst band, over the samples valid in REFERENCE. Its peak is 255 for bytes (of which red,
    green and blue count as one), else all values of the bits the file tells of, or the range the band uses;
    alpha must be equal and has no part in it. An archive of ours is compared by what it
    decompresses to. Exits with 0 where both agree (within the bounds given), else with 4.
    """
    from rsic_geo.verbs.compare import compare as run

    entries = run(
        reference, other, ignore=ignore, accept_damaged=accept_damaged, progress=console.progress()
    ).to_json()
    console.result(entries, compare_summary(entries))
    return 0 if _agree(entries, min_psnr, max_error) else EXIT_DIFFERENT
