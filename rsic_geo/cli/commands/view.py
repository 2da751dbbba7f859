"""``rsic view``: look at an archive, its original and what lies between them, in a browser."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import execution_options, overwrite_option, talking
from rsic_geo.options import Execution

if TYPE_CHECKING:
    from rsic_geo.options import ViewOptions
    from rsic_geo.view.scene import SceneView


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
@click.option(
    "--vrt",
    metavar="FILE.vrt",
    help="Write a VRT, too: GDAL and QGIS read the repaired samples by it, as long as this runs.",
)
@click.option("--until-eof", is_flag=True, help="End when standard input ends, instead of by Ctrl-C.")
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
        return _serve(SceneSite(scene), chosen, console, scene)


def _serve_ledger(
    place: str, original: str | None, chosen: ViewOptions, console: Console, held: ExitStack
) -> int:
    from rsic_geo.errors import UsageError
    from rsic_geo.view.ledger import LedgerSite

    if original is not None or chosen.export is not None or chosen.vrt is not None:
        raise UsageError(
            f"{place} is a ledger: it names its originals, `rsic batch export --to html` writes its page; "
            "it has no samples for a VRT"
        )
    site = LedgerSite(place, chosen.execution)
    held.callback(site.close)
    return _serve(site, chosen, console)


def _serve(site: Any, chosen: ViewOptions, console: Console, scene: SceneView | None = None) -> int:
    from rsic_geo.cli.signals import is_stopping
    from rsic_geo.view.server import Serving, has_display

    with suppress(KeyboardInterrupt), ExitStack() as held:  # Ctrl-C is the usual end, and no failure
        url = held.enter_context(Serving(site, chosen.port)).url
        told: dict[str, Any] = {"url": url}
        if scene is not None:
            told |= {"layers": scene.layers, "archive": scene.sources["codec"].is_archive}
        if scene is not None and chosen.vrt is not None:
            _write_vrt(chosen.vrt, scene.vrt(url), held, overwrite=chosen.overwrite)
            told["vrt"] = chosen.vrt
        is_over = _end_of_input() if chosen.until_eof else Event()
        console.result(told, f"{url}\nCtrl-C ends it.")
        if console.quiet and not console.as_json:
            click.echo(url)  # there is no other way to it
        if chosen.has_browser and has_display():
            import webbrowser

            webbrowser.open(url)
        while not is_stopping() and not is_over.wait(0.5):
            pass
    return 0


def _write_vrt(path: str, content: bytes, held: ExitStack, *, overwrite: bool) -> None:
    """Write a VRT that is removed with ``held``: what it leads to is gone then."""
    from rsic_geo.raster.files import PendingFile

    pending = PendingFile(path, overwrite=overwrite)
    pending.temporary.write_bytes(content)
    pending.publish()
    held.callback(Path(path).unlink, missing_ok=True)


def _end_of_input() -> Event:
    """Return what is set when standard input ends."""
    is_over = Event()

    def wait() -> None:
        with suppress(OSError, ValueError):  # an input that cannot be read has ended
            while os.read(0, 4096):
                pass
        is_over.set()

    Thread(target=wait, daemon=True).start()
    return is_over


def _export(scene: Any, chosen: ViewOptions, console: Console) -> int:
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
