"""``rsic batch status``, ``verify``, ``restore``, ``rebuild``, ``merge``, ``export``: asked of archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, talking
from rsic_geo.cli.summary import bytes_text, outline
from rsic_geo.errors import VerificationError
from rsic_geo.options import Execution

if TYPE_CHECKING:
    from rsic_geo.batch.ledger.file import Row

EXIT_SOME_FAILED = 3
_run_name = click.option(
    "--run", "run_name", default="default", show_default=True, metavar="NAME", help="Name of the run."
)


@click.command(short_help="Say how far the runs are.")
@click.argument("ledger")
@click.option("--run", "run_name", metavar="NAME", help="Only this run.")
@click.option("--failed", is_flag=True, help="List what failed, and what was warned of.")
@talking
def status(ledger: str, console: Console, run_name: str | None, failed: bool) -> int:
    """Say how far the runs of LEDGER (or of the folder it is in) are.

    Exit code 3: some scenes failed.
    """
    from rsic_geo.batch.status import status_of

    entries = status_of(ledger, run_name, list_failed=failed)
    lines = []
    for entry in entries["runs"]:
        lines.append(f"run {entry['name']} ({'at work' if entry['at_work'] else 'at rest'}): {entry['text']}")
        lines.append(outline({k: entry[k] for k in ("states", "options")}, "  "))
        lines += [f"  failed: {scene['source']}: {scene['error']}" for scene in entry.get("failed", ())]
        lines += [f"  warned: {scene['source']}: {scene['warnings']}" for scene in entry.get("warned", ())]
    console.result(entries, "\n".join(lines))
    return EXIT_SOME_FAILED if any(entry["states"]["failed"] for entry in entries["runs"]) else 0


@click.command(short_help="Check that products are what was verified.")
@click.argument("ledger")
@_run_name
@click.option("--pixels", is_flag=True, help="Also decode every product.")
@click.option(
    "--max-rate",
    type=click.FloatRange(min=0),
    default=0,
    metavar="MB",
    help="Megabytes a second read at most.",
)
@click.option(
    "--max-age",
    type=click.FloatRange(min=0),
    default=0,
    metavar="DAYS",
    help="Leave alone what was checked in the last DAYS: to check a part every night, or to go on.",
)
@talking
def verify(
    ledger: str, console: Console, run_name: str, pixels: bool, max_rate: float, max_age: float
) -> int:
    """Check that the products of LEDGER (or of the folder it is in) are what was verified; no source is read.

    The one checked longest ago comes first; the ledger notes when (checked) and what is wrong (rot).
    Exit code 4: something is.
    """
    from rsic_geo.batch.preserve.fixity import FixityOptions, verify_archive
    from rsic_geo.weights.store import SUFFIX

    def told(scene: Row, rot: str | None) -> None:
        if rot is not None:
            console.warn(f"{scene['product']}: {rot}")

    options = FixityOptions(run=run_name, pixels=pixels, max_rate=max_rate * 1e6, max_age=max_age, told=told)
    found = verify_archive(ledger, options)
    for each in found.rotten:
        if each["product"].endswith(SUFFIX):  # weights, which are no scene
            console.warn(f"{each['product']}: {each['rot']}")
    text = (
        f"{found.checked} products ({bytes_text(found.bytes)}) checked, {len(found.rotten)} of them damaged"
    )
    console.result(found.to_json(), text)
    return VerificationError.exit_code if found.rotten else 0


@click.command(short_help="Scenes back as GeoTIFFs or COGs.")
@click.argument("ledger")
@click.argument("output", metavar="OUTPUT")
@_run_name
@click.option(
    "--where", default="1", metavar="SQL", help='Condition over the ledger\'s columns, as "psnr < 40".'
)
@click.option("--like", default="%", metavar="PATTERN", help="SQL pattern of the sources.")
@click.option(
    "--bbox", type=float, nargs=4, metavar="W S E N", help="Footprints that touch this box (degrees, WGS 84)."
)
@click.option(
    "-f",
    "--format",
    "driver",
    type=click.Choice(["GTiff", "COG"]),
    default="GTiff",
    show_default=True,
    help="Format of what is written.",
)
@execution_options
@talking
def restore(
    ledger: str, output: str, console: Console, execution: Execution, run_name: str, **choices: Any
) -> int:
    """Write scenes of LEDGER (or of the folder it is in) below OUTPUT, read them back and compare them.

    What an earlier run restored is compared again, not written. Exit code 3: some scenes failed.
    """
    from rsic_geo.batch.preserve.restore import RestoreOptions
    from rsic_geo.batch.preserve.restore import restore as run

    def told(scene: Row, error: str | None) -> None:
        if error is not None:
            console.warn(f"{scene['product']}: {error}")

    wanted = {name: choices[name] for name in ("where", "like", "bbox", "driver")}
    found = run(ledger, output, RestoreOptions(run=run_name, execution=execution, told=told, **wanted))
    text = (
        f"{found.restored} scenes restored and compared, {found.there} were there, {len(found.failed)} failed"
    )
    console.result(found.to_json(), text)
    return EXIT_SOME_FAILED if found.failed else 0


@click.command(short_help="A lost ledger again, from reports.")
@click.argument("folder", metavar="OUTPUT")
@talking
def rebuild(folder: str, console: Console) -> int:
    """Make the lost ledger of the output folder OUTPUT again, of the reports in it; no source is needed.

    Exit code 3: reports cannot be read, or their products are gone.
    """
    from rsic_geo.batch.preserve.rebuild import rebuild_ledger

    found = rebuild_ledger(folder)
    for product in found.gone:
        console.warn(f"{product} is gone: it is pending again")
    for report in found.unread:
        console.warn(f"{report} is no report of a scene of these runs")
    console.result(found.to_json(), f"{found.ledger}: {found.scenes} scenes of {found.runs} runs")
    return EXIT_SOME_FAILED if found.gone or found.unread else 0


@click.command(short_help="Join the ledgers of parts.")
@click.argument("ledgers", nargs=-1, required=True, metavar="LEDGER... JOINED")
@talking
def merge(ledgers: tuple[str, ...], console: Console) -> None:
    """Join ledgers of parts of a run (--shard) to the new ledger JOINED in the same folder."""
    from rsic_geo.batch.preserve.rebuild import merge_ledgers
    from rsic_geo.errors import UsageError

    if len(ledgers) < 2:
        raise UsageError("give ledgers and, as the last word, the ledger to write")
    count = merge_ledgers(list(ledgers[:-1]), ledgers[-1])
    console.result({"written": ledgers[-1], "scenes": count}, f"{ledgers[-1]}: {count} scenes")


@click.command(short_help="Write the ledger as STAC, GeoParquet, HTML or JSON.")
@click.argument("ledger")
@click.argument("destination", metavar="OUTPUT")
@click.option(
    "--to",
    "kind",
    type=click.Choice(["stac", "geoparquet", "html", "json", "bag"]),
    required=True,
    help="A folder of STAC items, one STAC-GeoParquet file, one HTML page, one JSON file, or a BagIt bag.",
)
@_run_name
@talking
def export(ledger: str, destination: str, console: Console, kind: str, run_name: str) -> None:
    """Write what LEDGER knows as STAC, a page with plots, JSON or a bag; nothing is overwritten."""
    from rsic_geo.batch.export import export_run

    count = export_run(ledger, destination, kind, run_name)
    console.result({"written": destination, "kind": kind, "scenes": count}, f"{destination}: {count} scenes")
