"""``rsic view``: look at an archive, its original and what lies between them, in a browser."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, overwrite_option, talking
from rsic_geo.options import Execution

if TYPE_CHECKING:
    from rsic_geo.options import ViewOptions


@click.command(short_help="Look at an archive beside its original, in a browser.")
@click.argument("archive", metavar="ARCHIVE|LEDGER")
@click.argument("original", metavar="[ORIGINAL]", required=False)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    metavar="N",
    help="Port on 127.0.0.1; 0 = one that is free.",
)
@click.option("--no-browser", "has_browser", flag_value=False, default=True, help="Print the address only.")
@click.option("--export", metavar="FILE.html", help="Write a page that needs no server instead, and end.")
@click.option(
    "--export-size",
    type=click.FloatRange(min=0.5),
    default=8.0,
    show_default=True,
    metavar="MB",
    help="Megabytes that page may have, about.",
)
@execution_options
@overwrite_option
@talking
def view(archive: str, original: str | None, console: Console, execution: Execution, **options: Any) -> int:
    """Show ARCHIVE, and the ORIGINAL it was made of, as a map in its own pixels.

    Swipe between original, codec alone, repaired and their differences. A LEDGER (or the output folder of a
    batch) becomes a map of its scenes.

    The page is served on 127.0.0.1 under a random address until Ctrl-C. It loads nothing from elsewhere, and
    shows no file but those named. Keys: press ? on the page.
    """
    from rsic_geo.options import ViewOptions

    chosen = ViewOptions(execution=execution, **options)
    with ExitStack() as held:
        if os.path.isdir(archive) or archive.lower().endswith(".gpkg"):
            return _serve_ledger(archive, original, chosen, console, held)
        from rsic_geo.view.scene import SceneView
        from rsic_geo.view.site import SceneSite

        scene = SceneView(archive, original, execution)
        held.callback(scene.close)
        if chosen.export is not None:
            return _export(scene, chosen, console)
        return _serve(SceneSite(scene), chosen, console)


def _serve_ledger(
    place: str, original: str | None, chosen: ViewOptions, console: Console, held: ExitStack
) -> int:
    from rsic_geo.errors import UsageError
    from rsic_geo.view.ledger import LedgerSite

    if original is not None or chosen.export is not None:
        raise UsageError(
            f"{place} is a ledger: it names its originals, and `rsic batch export --to html` writes its page"
        )
    site = LedgerSite(place, chosen.execution)
    held.callback(site.close)
    return _serve(site, chosen, console)


def _serve(site: Any, chosen: ViewOptions, console: Console) -> int:
    from rsic_geo.cli.signals import is_stopping
    from rsic_geo.view.server import Serving, has_display

    with suppress(KeyboardInterrupt), Serving(site, chosen.port) as serving:  # the usual end, and no failure
        console.result({"url": serving.url}, f"{serving.url}\nCtrl-C ends it.")
        if console.quiet and not console.as_json:
            click.echo(serving.url)  # there is no other way to it
        if chosen.has_browser and has_display():
            import webbrowser

            webbrowser.open(serving.url)
        while not is_stopping():
            time.sleep(0.5)
    return 0


def _export(scene: Any, chosen: ViewOptions, console: Console) -> int:
    from pathlib import Path

    from rsic_geo.cli.summary import bytes_text
    from rsic_geo.progress import Progress
    from rsic_geo.raster.files import PendingFile
    from rsic_geo.view.export import exported_page

    assert chosen.export is not None
    pending = PendingFile(chosen.export, overwrite=chosen.overwrite)
    text = exported_page(scene, chosen.export_size, Progress(callback=console.progress()))
    pending.temporary.write_text(text, encoding="utf-8")
    pending.publish()
    size = Path(chosen.export).stat().st_size
    console.result({"output": {"path": chosen.export, "bytes": size}}, f"{chosen.export}: {bytes_text(size)}")
    return 0
