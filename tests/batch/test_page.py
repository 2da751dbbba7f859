"""The page of a run stays small, readable and inert, whatever its scenes are called and wherever they lie."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import xml.etree.ElementTree
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import shapely
from batch_support import RSIC, options, run
from pipeline_support import painted, write_scene
from rasterio.io import MemoryFile
from shapely.geometry import mapping

from rsic_geo.batch.export import export_run
from rsic_geo.batch.export.html import page
from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.message import options_text
from rsic_geo.geo.footprint_blob import geopackage_blob
from rsic_geo.options import EncodeOptions
from rsic_geo.targets import Target

HOSTILE = (
    "<script>alert(1)</script>.tif",
    '"><img src=x onerror=alert(1)>.tif',
    "</title></svg><svg onload=alert(1)>.tif",
    "'; rm -rf $(pwd) `id` &.tif",
    "a\nb\x1b[31m\x00\u202etxt.exe.tif",
    "]]>&lt;b&gt;" + "x" * 3000 + ".tif",
)
VOID = ("meta", "br", "img", "link")


def record_of(folder: Path, name: str = "default") -> RunRecord:
    return RunRecord(
        name=name, folder=str(folder), template="{stem}.jp2", reports=str(folder / "reports"), version="1",
        options=options_text(EncodeOptions(target=Target.parse("psnr=40"), model="none"), None),
        fingerprint="f",
    )  # fmt: skip


def box(west: float, south: float, size: float = 0.1) -> bytes:
    blob = geopackage_blob(dict(mapping(shapely.box(west, south, west + size, south + size))))
    assert blob is not None
    return blob


def scene(number: int, name: str, **values: object) -> dict[str, object]:
    return {
        "run": "default", "source": f"/in/{name}", "product": f"{number}.jp2", "state": "done", "bands": 3,
        "dtype": "uint8", "width": 1000, "height": 1000, "source_bytes": 3_000_000, "product_bytes": 800_000,
        "seconds": 2.0, "psnr": 40.5, "snr": 25.5, "max_error": 12.0, **values,
    }  # fmt: skip


def page_of(folder: Path, scenes: list[dict[str, object]], name: str = "default") -> str:
    with Ledger(folder / "rsic-batch.gpkg", write=True) as ledger:
        record = record_of(folder, name)
        ledger.start_run(record)
        ledger.add({**each, "run": name} for each in scenes)
        return "".join(page(ledger, record))


class Reader(HTMLParser):
    """An HTML parser that sees what a browser sees: elements, their attributes, and that all are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def body_of(text: str) -> xml.etree.ElementTree.Element:
    body = text[text.index("<body>") :].removesuffix("</html>\n").replace("<br>", "<br/>")
    return xml.etree.ElementTree.fromstring(body.replace("<details open>", '<details open="">'))


def map_of(text: str) -> xml.etree.ElementTree.Element:
    (found,) = [each for each in body_of(text).iter("svg") if each.get("class") == "map"]
    return found


def drawn(text: str) -> list[tuple[float, float]]:
    """Return the points of absolute moves and lines of the footprints on the map, none of the graticule's."""
    paths = [each.get("d", "") for each in map_of(text).findall("g/path")]
    return [(float(x), float(y)) for path in paths for x, y in re.findall(r"(-?[\d.]+)[ ,](-?[\d.]+)", path)]


def test_hostile_names_are_inert(tmp_path):
    scenes = [
        scene(i, name, geom=box(i, i), warnings=f"{name} is weak", meaning=name)
        for i, name in enumerate(HOSTILE)
    ]
    scenes += [
        scene(10 + i, "f" + name, state="failed", error=f"cannot read {name}", error_kind=name)
        for i, name in enumerate(HOSTILE)
    ]
    text = page_of(tmp_path, scenes)
    found = Reader(text)
    assert not found.open
    assert not found.names & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "a",
        "image",
        "use",
        "foreignobject",
    }
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"url\(|@import|https?://", text)
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in found.attributes
    body_of(text)  # and well-formed, without a control character
    assert len(text) < 100_000
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.tif" in text


def test_five_thousand_scenes_are_a_small_page(tmp_path):
    scenes = [
        scene(i, f"part{i % 50}/scene-of-a-usual-name-{i:05d}.tif",
              geom=box(5 + i % 100 / 5, 45 + i // 100 / 5, 0.19),
              psnr=30 + i % 4000 / 100, snr=20 + i % 3000 / 100, max_error=1 + i % 500, bands=1 + i % 40,
              dtype=("uint8", "uint16")[i % 2], warnings=None if i % 3 else "1 band ends below 20 dB SNR",
              meaning=f"RMSE at most {i}")
        for i in range(4900)
    ]  # fmt: skip
    scenes += [
        scene(5000 + i, f"bad-{i}.tif", state="failed", error_kind="SceneError", geom=box(30, 60),
              error=f"cannot read /in/bad-{i}.tif: IReadBlock failed at offset {i * 77}")
        for i in range(100)
    ]  # fmt: skip
    text = page_of(tmp_path, scenes)
    assert len(text.encode()) < 150_000
    body = body_of(text)
    assert len(body.findall(".//h3")) == 1  # one cause, although each error names another file and offset
    assert "100 x SceneError" in text
    assert "4,900 of" not in text
    assert text.count("<tr>") < 250
    for chart in (each for each in body.iter("svg") if each.get("class") != "map"):
        counts = [each.text or "" for each in chart.findall("text")[1::2]]
        assert 0 < len(counts) <= 16
        assert "0" not in counts
        assert sum(int(count.replace(",", "")) for count in counts) == 4900
    for each in body.iter("svg"):
        assert float(each.get("width", "inf")) < 1000
    colours = {each.get("fill") for each in map_of(text).findall("path")}
    assert {"rgb(60,160,80)", "rgb(215,45,45)"} <= colours  # cells of a hundred failures beside thousands


def test_three_thousand_outlines_of_many_points_are_bounded(tmp_path):
    circle = geopackage_blob(dict(mapping(shapely.Point(10, 50).buffer(8, quad_segs=200))))
    text = page_of(tmp_path, [scene(i, f"{i}.tif", geom=circle) for i in range(3000)])
    assert len(text.encode()) < 1_500_000
    assert len(map_of(text).findall("g/path")) == 3000


@pytest.mark.parametrize(
    ("boxes", "where", "spread"),
    [
        ([(10, 50, 1)], "10°E", 440),
        ([(179, -18, 0.5), (-179.5, -18, 0.5)], "180°E", 800),
        ([(179.8, -18, 0.4)], "180°E", 440),  # its own longitudes go on beyond 180
        ([(200, 10, 1)], "160°W", 440),
        ([(-120, 30, 1), (140, -30, 1)], "0°", 700),
        ([(-180, -90, 0.001), (179.999, 89.999, 0.001)], "0°", 440),
        ([(5, 5, 1e-7)], "5°E", 3),
    ],
)
def test_all_footprints_are_on_the_map(tmp_path, boxes, where, spread):
    text = page_of(tmp_path, [scene(i, f"{i}.tif", geom=box(*each)) for i, each in enumerate(boxes)])
    xs, ys = zip(*drawn(text), strict=True)
    assert -5 <= min(xs) <= max(xs) <= 945
    assert -5 <= min(ys) <= max(ys) <= 475
    # A footprint that is drawn as a square has one absolute point.
    assert max(max(xs) - min(xs), max(ys) - min(ys), 3) >= spread
    assert where in [each.text for each in map_of(text).iter("text")]


def test_scenes_nowhere_and_a_ledger_of_nonsense(tmp_path):
    text = page_of(tmp_path, [scene(0, "a.tif"), scene(1, "b.tif", geom=box(-170, -80, 190)[:60])])
    assert "No scene has a place on earth" in text
    assert "2 scenes have no known place" in text
    worse = {"psnr": float("inf"), "snr": "much", "max_error": 1e308, "product_bytes": 10**15}
    (tmp_path / "b").mkdir()
    body_of(page_of(tmp_path / "b", [scene(0, "a.tif", **worse), scene(1, "b.tif", max_error=5e-324)]))


def test_the_command_that_is_shown_mends_the_cause(tmp_path):
    kinds = ("structure lost", "damaged", "exists", "worker lost", "UnsupportedSceneError")
    scenes = [
        scene(i, f"o'{i}.tif", state="failed", error_kind=kind, error="says why")
        for i, kind in enumerate((*kinds, "target not reached"))
    ]
    (tmp_path / "it's out").mkdir()
    text = page_of(tmp_path / "it's out", scenes, "o'run")
    commands = {
        title.text.partition(" x ")[2]: command.text
        for title, command in zip(body_of(text).iter("h3"), body_of(text).iter("pre"), strict=True)
    }
    assert commands["exists"].startswith("rsic batch retry ")
    assert commands["worker lost"].endswith("--jobs 1")
    assert commands["structure lost"].endswith("-again' --target psnr=40.0 --model none --accept-loss")
    assert commands["damaged"].endswith("--target psnr=40.0 --model none --accept-damaged")
    assert commands["target not reached"].endswith("--model none --target lossless")
    assert commands["UnsupportedSceneError"].endswith("--model none --codec auto --target lossless")


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="the command asks the ledger by sqlite3")
def test_a_lost_band_is_archived_by_the_command_shown(tmp_path):
    pixels = painted((2, 200, 200), "uint16")
    pixels[1] = 500 + pixels[1] // 600
    (tmp_path / "in").mkdir()
    for name in ("fine", "o'ut"):
        write_scene(tmp_path / "in" / f"{name}.tif", pixels[:1] if name == "fine" else pixels)
    out = tmp_path / "it's out"
    assert run(tmp_path / "in", out, options("ratio=20"))[0].failed == 1
    export_run(out, str(tmp_path / "page.html"), "html")
    (command,) = body_of((tmp_path / "page.html").read_text()).iter("pre")
    assert command.text is not None
    shell = command.text.replace("| rsic ", f"| {shlex.join(RSIC)} ")
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in tmp_path.glob("it's out-again/**/*.jp2")] == ["o'ut.jp2"]


def test_the_worst_scene_of_a_class_is_shown_beside_its_source(tmp_path):
    (tmp_path / "in").mkdir()
    for name, shape, kind in (("rgb", (3, 300, 260), "uint8"), ("grey", (1, 128, 300), "uint16")):
        mask = np.ones(shape[1:], bool)
        mask[:, ::2] = False  # what is there is coded as anything, and no loss
        write_scene(
            tmp_path / "in" / f"{name}.tif", painted(shape, kind), mask=mask if name == "rgb" else None
        )
    run(tmp_path / "in", tmp_path / "out", options("ratio=10"))
    export_run(tmp_path / "out", str(tmp_path / "page.html"), "html")
    text = (tmp_path / "page.html").read_text()
    pictures = []
    for each in body_of(text).iter("img"):
        kind, _, content = each.get("src", "").partition(",")
        assert kind == "data:image/png;base64"
        with MemoryFile(b64decode(content)) as file, file.open() as picture:
            pictures.append((each.get("alt"), picture.read()))
    assert [words for words, _ in pictures] == ["source", "codec"] * 2
    shapes = [pixels.shape for _, pixels in pictures]
    assert shapes == [(3, 128, 128)] * 2 + [(1, 128, 128)] * 2
    for (_, before), (_, after) in zip(pictures[::2], pictures[1::2], strict=True):
        assert 0 < np.abs(before.astype(int) - after).mean() < 20
        assert before.std() > 30  # stretched, so that there is something to see
        if len(before) == 3:
            outside = ~before.any(axis=(0, 1))
            assert outside.sum() == 64
            assert not after[:, :, outside].any()
    (tmp_path / "in" / "rgb.tif").unlink()
    export_run(tmp_path / "out", str(tmp_path / "later.html"), "html")
    assert (tmp_path / "later.html").read_text().count("<img ") == 2
