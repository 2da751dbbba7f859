"""``rsic bench``: our speed, size and quality beside GDAL's, on a scene of the user's."""

from __future__ import annotations

from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.options import TILE_SIZES


@click.command(short_help="Time and size beside GDAL's, on a scene.")
@click.argument("scene", metavar="SCENE")
@click.option(
    "--target",
    metavar="T",
    help="lossless, bpp=B or ratio=R, of both [default: bpp=1]; with --all any target [default: psnr=40].",
)
@click.option(
    "--all",
    "is_all",
    is_flag=True,
    help="Every effort instead: what each costs and saves, windows, lossless, start-up.",
)
@click.option(
    "--tile-size",
    type=click.Choice([str(size) for size in TILE_SIZES]),
    default="1024",
    show_default=True,
    help="Codec tile (px) of both.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Threads of both; 0 = all cores.",
)
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="Runs; the fastest counts.",
)
@click.option("--model", default="auto", show_default=True, metavar="auto|none|NAME", help="Network to time.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda[:N]",
    help="Where the network runs.",
)
@talking
def bench(
    scene: str, console: Console, target: str | None, is_all: bool, tile_size: str, **options: Any
) -> None:
    """Compress and decompress SCENE with rsic and with GDAL, same tiles, threads and bytes, side by side.

    Times are of whole processes. The ratio is ours divided by GDAL's: below 1 is better for us.
    """
    from rsic_geo.evaluation.bench import BenchOptions
    from rsic_geo.evaluation.bench import bench as run
    from rsic_geo.targets import Target

    if is_all:
        from rsic_geo.evaluation import pace

        asked = pace.PaceOptions(
            target=Target.parse(target or "psnr=40"), threads=options["threads"], repeat=options["repeat"]
        )
        found = pace.pace(scene, asked, console.progress())
        console.result(found, pace.table(found))
        return
    wanted = BenchOptions(target=Target.parse(target or "bpp=1"), tile_size=int(tile_size), **options)
    entries = run(scene, wanted, console.progress())
    console.result(entries, table(entries))


def table(entries: dict[str, Any]) -> str:
    """Return the measurements as aligned lines, one quantity a line."""
    scene, settings = entries["scene"], entries["settings"]
    lines = [
        f"{scene['path']}: {scene['width']} x {scene['height']} px, {scene['bands']} bands {scene['dtype']}",
        f"target {settings['target']}, tiles {settings['tile_size']}, threads {settings['threads']}, best of "
        f"{settings['repeat']}; {settings['gdal']}",
        f"{'':28}{'rsic':>12}{'GDAL':>12}{'ratio':>8}",
    ]
    for part in ("compress", "decompress"):
        ours, theirs, ratio = entries[part]["ours"], entries[part]["gdal"], entries[part]["ratio"]
        for key, label in _ROWS:
            if ours.get(key) is not None:
                lines.append(_row(f"{part} {label}", ours[key], theirs.get(key), ratio.get(key)))
    enhance = entries["enhance"]
    if enhance:
        lines.append(_row(f"enhance Mpx/s ({enhance['model']})", enhance["mpx_per_second"]))
        lines.append(_row("enhance peak MiB", enhance["decompress"]["peak_mib"]))
        if enhance["psnr_codec"] is not None and enhance["psnr"] is not None:
            lines.append(_row("enhance gain dB", enhance["psnr"] - enhance["psnr_codec"]))
    return "\n".join(lines)


_ROWS = (
    ("seconds", "s"),
    ("cpu_seconds", "s of processor"),
    ("one_pass_seconds", "s, one pass"),
    ("encoding_passes", "passes"),
    ("bytes", "bytes"),
    ("psnr", "PSNR dB"),
    ("peak_mib", "peak MiB"),
)


def _row(label: str, ours: float, theirs: float | None = None, ratio: float | None = None) -> str:
    cells = [
        f"{value:.2f}" if isinstance(value, float) else str(value)
        for value in (ours, theirs)
        if value is not None
    ]
    line = f"{label:28}" + "".join(f"{cell:>12}" for cell in cells)
    return line if ratio is None else f"{line}{ratio:8.2f}"
