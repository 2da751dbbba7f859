"""Peak memory on scenes of any size: ``python -m rsic_geo.evaluation.memory SCENE 8000 30000``.

A virtual raster repeats a real scene until it has the sides asked for, so the size of what is coded costs no
disk. Each verb runs as a process of its own, without enhancement.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from rsic_geo.evaluation.measured import Measured, run_measured
from rsic_geo.raster import open_scene

_TYPES = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRow:
    """What one size took."""

    side: int
    """Rows and columns of the scene (px)."""
    compress: Measured
    decompress: Measured


def repeated_scene(scene: str, side: int, target: Path) -> None:
    """Write a VRT of ``side`` x ``side`` px that repeats ``scene`` from its upper left corner."""
    with open_scene(scene) as reader:
        profile = reader.profile
        snapshot = reader.metadata()
    source = escape(str(Path(scene).resolve()))
    parts = [f'<VRTDataset rasterXSize="{side}" rasterYSize="{side}">']
    if profile.crs_wkt and snapshot.transform is not None:
        a, b, c, d, e, f = snapshot.transform
        parts.append(
            f"<SRS>{escape(profile.crs_wkt)}</SRS><GeoTransform>{c},{a},{b},{f},{d},{e}</GeoTransform>"
        )
    for band in range(profile.count):
        colour = profile.colorinterp[band].capitalize()
        parts.append(f'<VRTRasterBand dataType="{_TYPES[profile.dtype]}" band="{band + 1}">')
        parts.append(f"<ColorInterp>{colour}</ColorInterp>")
        for top in range(0, side, profile.height):
            for left in range(0, side, profile.width):
                height, width = min(profile.height, side - top), min(profile.width, side - left)
                parts.append(
                    f"<SimpleSource><SourceFilename>{source}</SourceFilename>"
                    f"<SourceBand>{band + 1}</SourceBand>"
                    f'<SrcRect xOff="0" yOff="0" xSize="{width}" ySize="{height}"/>'
                    f'<DstRect xOff="{left}" yOff="{top}" xSize="{width}" ySize="{height}"/></SimpleSource>'
                )
        parts.append("</VRTRasterBand>")
    target.write_text("\n".join([*parts, "</VRTDataset>"]))


def measure(scene: str, side: int, target: str, folder: Path, *, threads: int = 0) -> MemoryRow:
    """Compress and decompress a repeated scene, each in a process of its own.

    Args:
        scene: scene to repeat.
        side: rows and columns wanted (px).
        target: target of the compression, such as ``bpp=1``.
        folder: where the files go; they are removed again.
        threads: of both, 0 for one per core; each holds tiles of its own.

    Raises:
        RsicGeoError: if one of the two fails.
    """
    virtual, archive, back = folder / "scene.vrt", folder / "scene.jp2", folder / "back.tif"
    repeated_scene(scene, side, virtual)
    rsic, more = [sys.executable, "-m", "rsic_geo"], ["-q", "--overwrite", "--threads", str(threads)]
    packing = run_measured(
        [*rsic, "compress", str(virtual), str(archive), "--target", target, "--model", "none", *more]
    )
    unpacking = run_measured([*rsic, "decompress", str(archive), str(back), *more])
    for path in (virtual, archive, back):
        path.unlink()
    return MemoryRow(side=side, compress=packing, decompress=unpacking)


def table(rows: list[MemoryRow]) -> str:
    """Return the rows as text."""
    lines = [f"{'side':>7} {'compress':>20} {'decompress':>20}"]
    for row in rows:
        cells = [f"{m.peak_mib:7.0f} MiB {m.seconds:7.1f} s" for m in (row.compress, row.decompress)]
        lines.append(f"{row.side:>7} {cells[0]:>20} {cells[1]:>20}")
    return "\n".join(lines)


def main() -> None:
    """Measure the sizes given on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scene")
    parser.add_argument("sides", nargs="+", type=int)
    parser.add_argument("--target", default="bpp=1")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rsic-") as folder:
        rows = [measure(arguments.scene, side, arguments.target, Path(folder)) for side in arguments.sides]
    print(table(rows))


if __name__ == "__main__":
    main()
