"""How long ``rsic view`` takes, and its pictures: ``python tests/tools/look.py ARCHIVE ORIGINAL [FOLDER]``.

Needs Chromium and playwright. Prints seconds to the first picture (every tile of both sides is there), and
milliseconds of tiles when they are made and when they are cached. The scene is 8192 x 4096 px or more. With a
FOLDER the screenshots of docs/pages/view.md are written there.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from support import started  # noqa: E402

LOADED = """['left', 'right'].every((side) => {
  const tiles = [...document.querySelectorAll(`.leaflet-${side}-pane .leaflet-tile`)];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains('leaflet-tile-loaded'));
})"""


def until_loaded(page: Page) -> None:
    while not page.evaluate(LOADED):
        page.wait_for_timeout(10)


def milliseconds(url: str) -> float:
    start = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        answer.read()
    return 1000 * (time.perf_counter() - start)


def times(url: str, layer: str, level: int) -> str:
    """Return the time of six tiles, made and cached: median and most."""
    tiles = [f"{url}tile/{layer}/{level}/{x}/{y}.png" for x in (1, 2, 3) for y in (0, 1)]
    told = []
    for what in ("made", "cached"):
        found = [milliseconds(tile) for tile in tiles]
        told.append(f"{what} {statistics.median(found):.0f} (at most {max(found):.0f}) ms")
    return f"{layer} 1:{2**level}: {', '.join(told)}"


def shoot(page: Page, folder: Path, name: str) -> None:
    until_loaded(page)
    page.wait_for_timeout(2500)  # for quality and lines
    from PIL import Image

    page.screenshot(path=folder / "shot.png")
    Image.open(folder / "shot.png").convert("RGB").save(folder / f"{name}.webp", quality=70)
    (folder / "shot.png").unlink()


def main(archive: str, original: str, folder: str | None = None) -> None:
    start = time.perf_counter()
    command = [sys.executable, "-m", "rsic_geo", "view", archive, original, "--no-browser"]
    with started(command, stdout=subprocess.PIPE, text=True) as process, sync_playwright() as engine:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        print(f"address after {time.perf_counter() - start:.2f} s")
        chromium = engine.chromium.launch(executable_path=shutil.which("chromium"))
        page = chromium.new_page(viewport={"width": 1000, "height": 600})
        opened = time.perf_counter()
        page.goto(url)
        until_loaded(page)
        print(f"first picture {time.perf_counter() - opened:.2f} s after the browser asked for the page")
        there = page.evaluate("meta.layers.map((each) => each.id)")
        for layer, level in (("original", 3), ("codec", 3), ("codec", 1), ("repaired", 1), ("error", 0)):
            if layer in there:
                print(times(url, layer, level))
        if folder is not None:
            shoot(page, Path(folder), "view")
            page.keyboard.press("o")
            page.keyboard.press("4")
            shoot(page, Path(folder), "view-difference")
            page.set_viewport_size({"width": 375, "height": 700})
            shoot(page, Path(folder), "view-phone")
        chromium.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
