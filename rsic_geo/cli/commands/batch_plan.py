"""``rsic batch plan`` and ``rules``: what a run would do, and which inputs it is about."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.commands.compress import archive_choices, encode_options
from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, stack, talking
from rsic_geo.cli.summary import bytes_text
from rsic_geo.errors import UsageError
from rsic_geo.options import Execution

if TYPE_CHECKING:
    from rsic_geo.batch.inputs import Sources
    from rsic_geo.batch.rules import Rules
    from rsic_geo.options import EncodeOptions

inputs = stack(
    click.argument("paths", nargs=-1, required=True, metavar="INPUT... OUTPUT"),
    click.option(
        "--include",
        multiple=True,
        metavar="GLOB",
        help="Files taken from folders, repeatable (default: rasters).",
    ),
    click.option("--exclude", multiple=True, metavar="GLOB", help="Files left out, repeatable."),
    click.option("--base", metavar="DIR", help="Root the paths of files and lists are mirrored from."),
    click.option("--asset", metavar="KEY", help="Asset taken from STAC items."),
    click.option("-0", "--null", "nul", is_flag=True, help="Names on stdin end with NUL."),
)

rules_option = click.option(
    "--rules",
    metavar="FILE",
    help="TOML file that says which scenes are archived how, copied or left out; see `rsic batch rules`.",
)


def found_in(paths: tuple[str, ...], choices: dict[str, Any], *, output: bool) -> tuple[Sources, str]:
    """Return the scenes of the inputs, and the output folder where the last word is one."""
    import os

    from rsic_geo.batch.inputs import Selection, discover

    if output and len(paths) < 2:
        raise UsageError("give inputs and, as the last word, the output folder")
    inputs, folder = (paths[:-1], paths[-1]) if output else (paths, "")
    if output and os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(f"the output {folder} is a file: give a folder")
    selection = Selection(
        include=choices.pop("include"),
        exclude=choices.pop("exclude"),
        base=choices.pop("base"),
        asset=choices.pop("asset"),
        avoid=(os.path.abspath(folder),) if output else (),
    )
    found = discover(inputs, selection, sys.stdin.buffer, nul=choices.pop("nul"))
    if not found:
        raise UsageError(f"no scenes found in {' '.join(inputs)}: see --include")
    return found, folder


@click.command(short_help="Say how many, how large, how long.")
@inputs
@archive_choices
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Scenes tried at most; 0, the default: as many as a minute allows.",
)
@click.option("--template", metavar="TEXT", help="Product below OUTPUT, as for `rsic batch run`.")
@rules_option
@execution_options
@talking
def plan(
    paths: tuple[str, ...],
    console: Console,
    execution: Execution,
    sample: int,
    template: str | None,
    rules: str | None,
    **choices: Any,
) -> int:
    """Say how many scenes INPUT holds and what archiving them would take, from a sample; nothing is written.

    Also which would fail and why, and which would become one product, with a template that tells those apart.
    What is in OUTPUT already is left out of INPUT.
    """
    sources, _ = found_in(paths, choices, output=True)
    wanted = rules_of(rules, encode_options(execution, **choices))
    return say_estimate(console, sources, wanted, sample, template)


def rules_of(path: str | None, wanted: EncodeOptions) -> Rules:
    """Return the rules of a file, or without one what the options say of every scene."""
    from rsic_geo.batch.rules import read_rules, usual_rules

    return usual_rules(wanted) if path is None else read_rules(path, wanted)


@click.command(short_help="Which scene falls under which rule.")
@click.argument("file", metavar="RULES")
@inputs
@archive_choices
@execution_options
@talking
def rules(file: str, paths: tuple[str, ...], console: Console, execution: Execution, **choices: Any) -> None:
    """Say which rule of the file RULES each scene of INPUT... falls under; nothing is written.

    Scenes that no rule fits are archived as the options say.
    """
    sources, _ = found_in(paths, choices, output=False)
    found = rules_of(file, encode_options(execution, **choices))
    entries = []
    for source in sources:
        rule = found.of(source)
        target = f"{rule.options.codec}, {rule.options.target}" if rule.does == "archive" else ""
        entries.append({"scene": source.path, "rule": rule.name or None, "does": rule.does, "how": target})
    lines = [f"{each['rule'] or '-'}: {each['does']} {each['how']}: {each['scene']}" for each in entries]
    console.result({"scenes": entries}, "\n".join(lines))


def say_estimate(
    console: Console, sources: Sources, wanted: Rules, most: int = 0, template: str | None = None
) -> int:
    """Print what archiving scenes would take."""
    from rsic_geo.batch.coordinator import duration
    from rsic_geo.batch.plan.estimate import estimate
    from rsic_geo.progress import Progress

    found = estimate(sources, wanted, Progress(callback=console.progress()), most=most, template=template)
    failing = sum(map(len, found.failures.values()))
    lines = [
        f"{found.scenes} scenes, {failing} of them would fail"
        + (f" and {found.left_out} are left out" if found.left_out else "")
        + f"; {found.pixels / 1e6:.1f} Mpx, "
        f"{bytes_text(found.source_bytes)}"
    ]
    size, time_ = found.product_bytes, found.seconds
    if size is not None and time_ is not None:
        lines += [
            f"about {bytes_text(size.middle)} after it ({bytes_text(size.low)} to {bytes_text(size.high)} in "
            f"four of five cases), {duration(time_.middle)} with one job ({duration(time_.low)} to "
            f"{duration(time_.high)}); {found.sampled} scenes were tried"
        ]
    for cause, paths in found.failures.items():
        console.warn(f"{len(paths)} would fail, such as {paths[0]}: {cause}")
    for product, paths in found.clashes.items():
        console.warn(f"{' and '.join(paths[:3])} would become one product, {product}")
    if found.template is not None:
        console.warn(f"--template '{found.template}' tells them apart")
    console.result(found.to_json(), "\n".join(lines))
    return 0
