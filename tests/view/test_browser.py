"""The pages as a person sees them, in Chromium: pixels, swipe, keys, a phone, hostile names."""

from __future__ import annotations

import io
import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from batch_support import options, run, write_scene
from PIL import Image
from view_support import NAME, WORDS

from rsic_geo.batch.export import export_run
from rsic_geo.options import Execution
from rsic_geo.view.ledger import LedgerSite
from rsic_geo.view.server import Serving

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (make test)")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (apt-get install chromium)")

LOADED = """['left', 'right'].every((side) => {
  const tiles = [...document.querySelectorAll(`.leaflet-${side}-pane .leaflet-tile`)];
  return tiles.length > 0 && tiles.every((tile) => tile.classList.contains('leaflet-tile-loaded'));
}) && document.querySelectorAll('.leaflet-zoom-anim, .leaflet-pan-anim').length === 0"""
PLACE = """(() => { const box = document.getElementById('map').getBoundingClientRect();
  const at = map.containerPointToLatLng([0, 0]); return [box.top, box.left, -at.lat, at.lng]; })()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with playwright.sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM)
        yield chromium
        chromium.close()


@contextmanager
def visited(browser, url: str, width: int = 900, height: int = 620, **more) -> Iterator[object]:
    """Open a page in a fresh window; a word in its console, a dialog, or an address not its own fails."""
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    page = context.new_page()
    found: list[str] = []
    page.on("console", lambda message: found.append(f"{message.text} {message.location['url']}"))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("dialog", lambda dialog: (found.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda asked: found.append(asked.url) if is_foreign(asked.url, url) else None)
    page.goto(url)
    yield page
    context.close()
    assert found == []


def is_foreign(asked: str, url: str) -> bool:
    return not asked.startswith("data:") and urlsplit(asked)[:2] != urlsplit(url)[:2]


def until(page, condition: str) -> None:
    """Wait for a condition; the page's own policy forbids the usual way, which evaluates text inside it."""
    for _ in range(1500):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(10)
    raise AssertionError(f"never came: {condition}")


def go(page, row: int, column: int, zoom: int = 0) -> None:
    page.evaluate(f"map.setView([{-row}, {column}], {zoom}, {{ animate: false }})")
    until(page, LOADED)


def seen(page) -> tuple[np.ndarray, int, int]:
    """Return what the window shows (rows, columns, 3), and the scene's pixel (row, column) at its corner."""
    top, left, row, column = page.evaluate(PLACE)
    shot = np.array(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
    return shot, round(row - top), round(column - left)


def assert_shows(page, pixels: np.ndarray, rows: range, columns: range) -> None:
    """Check that part of the window shows these pixels (bands, h, w), bit for bit; 0 is no data."""
    shot, row, column = seen(page)
    part = shot[rows.start : rows.stop, columns.start : columns.stop].astype(int)
    own = pixels[:, row + rows.start : row + rows.stop, column + columns.start : column + columns.stop]
    assert part.shape[:2] == own.shape[1:]
    keep = own.any(axis=0)
    assert keep.mean() > 0.5
    assert np.array_equal(part[keep], own[:, keep].T)


def test_the_swipe_shows_the_pixels_of_either_side(browser, serving, pair):
    with visited(browser, serving.url) as page:
        until(page, LOADED)
        page.keyboard.press("g")  # lines away
        go(page, 270, 380)
        middle = round(page.evaluate("map.getSize().x") / 2)
        assert_shows(page, pair.original, range(200, 400), range(80, middle - 30))
        assert_shows(page, pair.repaired, range(200, 300), range(middle + 30, middle + 150))
        divider = page.locator("#divider span").bounding_box()
        y = divider["y"] + divider["height"] / 2
        page.mouse.move(divider["x"] + divider["width"] / 2, y)
        page.mouse.down()
        page.mouse.move(150, y, steps=4)
        page.mouse.up()
        assert page.locator("#divider").get_attribute("aria-valuenow") == str(round(100 * 150 / (2 * middle)))
        assert_shows(page, pair.original, range(200, 400), range(80, 120))
        assert_shows(page, pair.repaired, range(200, 300), range(180, middle + 150))
        page.keyboard.press("2")  # on the right: codec alone
        until(page, LOADED)
        assert_shows(page, pair.codec, range(200, 300), range(180, middle + 150))
        page.keyboard.press("x")
        until(page, LOADED)
        assert_shows(page, pair.original, range(200, 300), range(180, middle + 150))


def test_a_hostile_name_is_text_and_the_numbers_are_there(browser, serving, pair):
    with visited(browser, serving.url) as page:
        until(page, LOADED)
        assert page.text_content("#name") == f"{NAME}.jp2"
        assert page.title() == f"{NAME}.jp2 – rsic view"
        assert WORDS in page.text_content("#band0 option")
        assert page.locator("img:not(.leaflet-tile)").count() == 0
        until(page, "document.querySelectorAll('#quality tr').length === 3")
        assert "dB" in page.text_content("#quality")
        until(page, "document.querySelectorAll('.line-name').length > 2")
        go(page, 270, 380)
        top, left, row, column = page.evaluate(PLACE)
        page.mouse.move(math.ceil(left + 300 - column), math.ceil(top + 250 - row))
        until(page, "document.querySelectorAll('#values td').length === 12")
        cells = page.locator("#values td").all_text_contents()
        assert [int(each) for each in cells[1:4]] == pair.original[:, 250, 300].tolist()
        assert [int(each) for each in cells[9:12]] == pair.repaired[:, 250, 300].tolist()
        assert "row 250" in page.text_content("#values")


def test_keys_do_what_the_list_of_keys_says(browser, serving):
    with visited(browser, serving.url) as page:
        until(page, LOADED)
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()
        page.keyboard.press("4")
        page.keyboard.press("Shift+Digit7")
        assert page.evaluate("[byId('left').value, byId('right').value]") == ["strength", "error"]
        scale = page.evaluate("look.scale")
        page.keyboard.press(".")
        assert page.evaluate("look.scale") > scale
        assert page.locator("#legend .bar").count() == 2
        page.keyboard.press("o")
        until(page, "map.getZoom() === 0")
        page.keyboard.press("p")
        assert not page.locator("#panel").is_visible()
        page.keyboard.press("b")
        assert page.locator("#divider").get_attribute("aria-valuenow") == "100"
        page.keyboard.press("[")
        assert page.locator("#divider").get_attribute("aria-valuenow") == "95"


def test_it_can_be_used_on_a_phone(browser, serving, pair):
    with visited(browser, serving.url, 375, 740, has_touch=True, is_mobile=True) as page:
        until(page, LOADED)
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        for name in ("#left", "#right", "#swap", "#map", "#divider", "#legend"):
            box = page.locator(name).bounding_box()
            assert box["x"] >= -1
            assert box["x"] + box["width"] <= 376
        assert page.locator("#map").bounding_box()["height"] > 300
        go(page, 270, 380)
        top, left, row, column = page.evaluate(PLACE)
        page.touchscreen.tap(math.ceil(left + 330 - column), math.ceil(top + 250 - row))
        until(page, "document.querySelectorAll('#values td').length === 12")
        assert "row 250" in page.text_content("#values")


def test_the_exported_page_needs_no_server(browser, exported, pair):
    with visited(browser, Path(exported).as_uri()) as page:
        until(page, LOADED)
        page.keyboard.press("g")
        page.locator("#places button").first.click()
        until(page, LOADED)
        page.evaluate("map.getPane('lines').style.display = 'none'")
        middle = round(page.evaluate("map.getSize().x") / 2)
        assert page.text_content("#name") == f"{NAME}.jp2"
        top, left, row, column = page.evaluate(PLACE)
        first = round(left - column)  # where the scene begins
        assert_shows(page, pair.original, range(300, 400), range(max(100, first), middle - 30))


def test_a_footprint_leads_to_its_scene(browser, tmp_path):
    write_scene(tmp_path / "in" / f"{NAME}.tif", 0)
    run(tmp_path / "in", tmp_path / "out", options("psnr=40"))
    site = LedgerSite(str(tmp_path / "out"), Execution())
    with Serving(site) as served, visited(browser, served.url) as page:
        until(page, "document.querySelectorAll('#list button').length === 1")
        assert page.text_content("#list button") == f"{NAME}.tif"
        assert "done: 1" in page.text_content("#states")
        page.wait_for_timeout(500)  # until it has flown there
        box = page.locator("#map").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.wait_for_url("**/scene/*/")
        until(page, LOADED)
        assert page.text_content("#name") == f"{NAME}.jp2"
    site.close()


def test_the_page_of_a_batch_is_read_on_a_laptop_and_a_phone(browser, tmp_path):
    for number in range(4):
        write_scene(tmp_path / "in" / f"s{number}.tif", number)
    (tmp_path / "in" / "<img src=x onerror=alert(1)>.tif").write_bytes(b"no raster")
    run(tmp_path / "in", tmp_path / "out", options("psnr=38"))
    export_run(tmp_path / "out", str(tmp_path / "page.html"), "html")
    for width in (1000, 375):
        with visited(browser, (tmp_path / "page.html").as_uri(), width) as page:
            text = page.inner_text("body")
            assert "Failed: 1" in text
            assert "<img src=x onerror=alert(1)>.tif" in text
            assert page.locator("img[src='x']").count() == 0
            assert page.locator("svg").count() >= 2  # the map, and charts
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            shown = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
            assert len(np.unique(shown.reshape(-1, 3), axis=0)) > 20  # no blank page
