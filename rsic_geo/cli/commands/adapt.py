"""``rsic adapt``: a network fine-tuned on scenes of an operator's own."""

from __future__ import annotations

import re
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.errors import INSTALL_TORCH, MissingDependencyError, OutputExistsError, UsageError
from rsic_geo.progress import Progress

LEAST_HELD = 4
"""Pictures held back without which nobody can tell a gain."""


@click.command(short_help="A network fine-tuned on your own scenes.")
@click.argument("paths", nargs=-1, required=True, metavar="INPUT... WEIGHTS")
@click.option(
    "--budget",
    default="30m",
    show_default=True,
    metavar="TIME",
    help="Time to train: 90s, 30m, 1.5h; judging and rounding take some minutes more.",
)
@click.option(
    "--base",
    default="auto",
    show_default=True,
    metavar="auto|NAME",
    help="Network of integers to begin with.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, metavar="N", help="Of what is drawn by chance."
)
@talking
def adapt(paths: tuple[str, ...], console: Console, budget: str, base: str, seed: int) -> None:
    """Fine-tune a network on scenes of one source (files, folders, @list) and write WEIGHTS (.safetensors).

    A quarter is held back, whole scenes of four and more, else a quarter of each: training ends when that
    gains no more, and weights are written only where it gains. Use them with --model WEIGHTS; archives name
    them, and `rsic batch run` puts them once beside its ledger.

    \b
    rsic adapt drone/ my-drone.safetensors --budget 1h
    rsic batch run drone/ archive/ --target psnr=40 --model my-drone.safetensors
    """  # noqa: D301 - click wants the character itself
    if find_spec("torch") is None:
        raise MissingDependencyError(f"training needs PyTorch: {INSTALL_TORCH}")
    from rsic_geo.batch.inputs import Selection, discover
    from rsic_geo.training.adapt import AdaptOptions
    from rsic_geo.training.adapt import adapt as train
    from rsic_geo.training.train import parse_duration
    from rsic_geo.verbs.pictures import PictureOptions, write_pictures
    from rsic_geo.weights import enhancer_name, list_weights, open_weights

    if len(paths) < 2:
        raise UsageError("give scenes and, as the last word, the weights to write: my-drone.safetensors")
    *inputs, destination = paths
    out = Path(destination)
    _check_name(out, {row.name for row in list_weights()})
    try:
        seconds = parse_duration(budget)
    except ValueError as error:
        raise UsageError(f"--budget {budget}: {error}; use 90s, 30m or 1.5h") from error
    weights = open_weights(enhancer_name(base))
    sources = [source.path for source in discover(inputs, Selection())]
    progress = Progress(callback=console.progress())
    with tempfile.TemporaryDirectory(prefix="rsic-adapt-") as scratch:
        folder = Path(scratch)
        taken = write_pictures(sources, folder, PictureOptions(seed=seed), progress.stage(0, 0.05))
        for text in progress.warnings:
            console.warn(text)
        if taken.held < LEAST_HELD or not taken.train:
            raise UsageError(
                f"{taken.train} pictures to train on and {taken.held} to hold back are too few: give four "
                "scenes and more, of 256 px at least, or larger ones (of fewer the last quarter of the rows "
                "is held back: 128 px of it at least)"
            )
        begin = folder / f"{weights.name}.safetensors"
        begin.write_bytes(weights.content)
        how = "whole scenes" if taken.apart else "a quarter of each scene"
        about = f"{taken.train} pictures of {taken.scenes} scenes ({how} held back)"
        options = AdaptOptions(
            base=begin,
            data=folder / "train",
            held=folder / "held",
            out=out,
            work=folder / "work",
            budget_s=seconds,
            about=about,
            seed=seed,
        )
        try:
            found = train(options, progress.stage(0.05, 1).report)
        except ValueError as error:
            raise UsageError(f"--base {base}: {error}") from error
    entries: dict[str, Any] = {
        "written": destination if found.sha256 else None, "sha256": found.sha256, "base": weights.name,
        "saved_percent": round(found.saved, 3), "worst_percent": round(found.worst, 3),
        "held": found.pictures, "scenes": taken.scenes, "seconds": round(found.seconds, 1),
    }  # fmt: skip
    gain = f"{found.saved:.2f} % of the bytes on {found.pictures} pictures held back"
    gain += f" (the worst: {found.worst:.2f} %)" if found.worst >= 0 else f" (one costs {-found.worst:.2f} %)"
    if found.sha256:
        text = f"{destination}: saves {gain}, against {weights.name}"
    else:
        text = f"nothing written: trained on {about}, {weights.name} gains nothing on what was held back"
    console.result(entries, text)


def _check_name(path: Path, shipped: set[str]) -> None:
    """Refuse what archives could not name."""
    if path.suffix != ".safetensors" or not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,47}", path.stem):
        raise UsageError(
            f"{path}: archives name their weights; use lower-case letters, digits, dots and dashes and the "
            "suffix .safetensors, as my-drone.safetensors"
        )
    if path.stem in shipped:
        raise UsageError(f"{path}: {path.stem} ships with rsic: give another name")
    if path.exists():
        raise OutputExistsError(f"{path} exists already: archives may need it, give another name")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
