"""What thumbnails and windows cost over HTTP: ``PYTHONPATH=tests/helpers python -m far.far_reads FILE...``.

GDAL reads the file from a server that lists its folder and answers by ranges, each time as if for the first
time; the server counts requests and bytes. A thumbnail has 256 px, windows 512 x 512 px; of these the dearest
counts of some that lie about the middle, as corners of tiles do, and of some that lie elsewhere.
"""

from __future__ import annotations

import itertools
import shutil
import sys
import tempfile
from pathlib import Path

import rasterio
from rasterio.windows import Window

from far.range_server import counted, serving

_fresh = itertools.count(1)
"""GDAL remembers what it read of an address; the server has the same files under as many as one likes."""


def thumbnail(address: str, name: str, **config: str) -> tuple[int, int]:
    """Return the requests and bytes that reading all of a scene in 256 px takes."""
    counted(address)
    with rasterio.Env(**config), rasterio.open(f"/vsicurl/{address}/0/{next(_fresh)}/{name}") as scene:
        scale = max(scene.shape) / 256
        scene.read(out_shape=(scene.count, round(scene.height / scale), round(scene.width / scale)))
    return counted(address)


def windows(address: str, name: str, side: int = 512, **config: str) -> tuple[int, int]:
    """Return the most requests, and the most bytes, that one of some windows of ``side`` px takes."""
    found = []
    with rasterio.open(f"/vsicurl/{address}/0/{next(_fresh)}/{name}") as scene:
        down, right = scene.height - side, scene.width - side
    for place in ((0.5, 0.5), (0.25, 0.5), (0, 0), (1, 1), (0.37, 0.81), (0.62, 0.29)):
        counted(address)
        with rasterio.Env(**config), rasterio.open(f"/vsicurl/{address}/0/{next(_fresh)}/{name}") as scene:
            scene.read(window=Window(round(right * place[1]), round(down * place[0]), side, side))
        found.append(counted(address))
    return max(requests for requests, _ in found), max(sent for _, sent in found)


def main(paths: list[str]) -> None:
    """Print what each archive costs with what lies beside it, and alone."""
    for path in map(Path, paths):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for beside in ("", ".aux.xml", ".msk", ".ovr", ".vrt"):
                if Path(f"{path}{beside}").exists():
                    shutil.copyfile(f"{path}{beside}", folder / f"{path.name}{beside}")
            with serving(folder) as address:
                for beside in ("with its .ovr", "without"):
                    for what in (thumbnail, windows):
                        requests, sent = what(address, path.name)
                        print(
                            f"{path.name} {beside}: {what.__name__} {requests} requests, {sent / 1e3:.0f} kB"
                        )
                    (folder / f"{path.name}.ovr").unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
