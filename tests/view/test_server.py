"""The server answers to who knows its address, on this machine, and about the files that were named."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from urllib.parse import quote, urlsplit

import pytest
from batch_support import RSIC, options, run, write_scene
from hypothesis import example, given
from hypothesis import strategies as st
from support import started
from view_support import NAME, WORDS, get

from rsic_geo.cli import main
from rsic_geo.errors import UsageError
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.view.export import exported_page
from rsic_geo.view.ledger import LedgerSite
from rsic_geo.view.scene import SceneView
from rsic_geo.view.server import Answer, Serving
from rsic_geo.view.site import SceneSite

SCENE = ("", "meta.json", "static/leaflet.js", "tile/codec/0/1/1.png", "values.json?row=400&column=550",
         "graticule.json?top=0&bottom=420&left=0&right=600",
         "quality.json?top=300&bottom=400&left=400&right=500")  # fmt: skip


@pytest.mark.parametrize("path", SCENE)
def test_a_client_with_the_address_gets_everything(serving, path):
    found = get(serving, path)
    assert found.status == 200
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"
    head = get(serving, path, method="HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path", SCENE)
def test_without_the_token_there_is_nothing(serving, path):
    token = urlsplit(serving.url).path.strip("/")
    assert len(token) >= 32
    for wrong in ("", "/", f"/{path}", f"/{token[:-1]}/{path}", f"/{token}x/{path}", f"/{'A' * 32}/{path}"):
        found = get(serving, wrong or "/")
        assert found.status == 404
        assert token.encode() not in found.body
        assert found.body.count(b"\n") == 1


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("localhost", 200), ("localhost:9000", 200), ("127.0.0.1:1", 200),
        ("evil.example", 403), ("evil.example:80", 403), ("127.0.0.1.evil.example", 403), ("", 403),
        ("localhost.evil.example:80", 403), ("evil@localhost", 403), ("10.0.0.1:8080", 403),
    ],
)  # fmt: skip
def test_a_page_of_somebody_elses_name_is_refused(serving, host, status):
    assert get(serving, "meta.json", Host=host).status == status


def test_it_listens_on_this_machine_only_and_to_reading_only(serving):
    assert serving._server.server_address[0] == "127.0.0.1"
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        found = get(serving, "meta.json", method=method)
        assert (found.status, found.headers["allow"]) == (405, "GET, HEAD")
        assert found.body == b"rsic view answers GET and HEAD only\n"
    host, port = serving._server.server_address
    with socket.create_connection((host, port)) as peer:
        peer.sendall(b"GET two words HTTP/1.1\r\n\r\n")  # no request at all
        answer = b"".join(iter(lambda: peer.recv(9999), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"<" not in answer


WORD = st.one_of(
    st.sampled_from(["..", "%2e%2e", ".", "", "static", "tile", "codec", "0", "1.png", "meta.json", "%00",
                     "etc", "..%2f..%2fetc%2fpasswd", "leaflet.js", "scene.html", "view.py", "%ff", "-1",
                     "9" * 30]),
    st.text(max_size=6).map(lambda text: quote(text.encode("utf-8", "replace"))),
)  # fmt: skip


@given(st.lists(WORD, max_size=6).map("/".join), st.text(max_size=8).map(quote))
@example("static/../view.py", "")
@example("static/..%2fserver.py", "")
@example("static/scene.html", "")
@example("tile/codec/0/0/0.png", "bands=0,1,2,3")
@example("tile/codec/0/0/0.png", "bands=0&cut=nan&scale=inf")
@example("tile/codec/0/0/0.png", "scale=-1")
@example("tile/../0/0/0.png", "")
@example("tile/codec/0/0/99999999.png", "")
@example("quality.json", "top=-5&bottom=inf&left=0&right=10")
@example("graticule.json", "top=9&bottom=9&left=0&right=10")
def test_no_path_leads_elsewhere_and_nothing_ends_the_server(serving, path, query):
    found = get(serving, f"{path}?{query}")
    assert found.status in (200, 400, 404)
    if found.status == 200:
        assert path in ("", "meta.json", "static/leaflet.js") or path.startswith("tile/codec/0/")
    else:
        assert found.headers["content-type"].startswith("text/plain")
        assert found.body.count(b"\n") == 1
        assert b"Traceback" not in found.body


def test_what_names_say_is_data_and_no_markup(serving):
    found = get(serving, "meta.json")
    assert found.headers["content-type"].startswith("application/json")
    told = json.loads(found.body)
    assert (told["name"], told["bands"][0]) == (f"{NAME}.jp2", WORDS)
    assert NAME.encode() not in get(serving, "").body


def test_pages_of_a_scene_load_only_what_is_served(serving):
    text = get(serving, "").body.decode()
    loaded = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert len(loaded) >= 5
    for place in loaded:
        assert place == "data:," or get(serving, place).status == 200


def test_damage_is_one_line_where_it_lies_and_the_page_goes_on(pair, tmp_path):
    content = bytearray(pair.archive.read_bytes())
    place = content.index(b"\xff\x93") + 2000  # in the first tile's packets
    content[place] ^= 0x5A
    (tmp_path / "a.jp2").write_bytes(content)
    view = SceneView(str(tmp_path / "a.jp2"), None, Execution())
    with Serving(SceneSite(view)) as served:
        found = get(served, "tile/codec/0/1/1.png")
        assert found.status == 500
        assert b"copy the file again" in found.body
        assert found.body.count(b"\n") == 1
        assert get(served, "").status == 200
    view.close()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ledger")
    write_scene(folder / "in" / f"{NAME}.tif", 0)
    write_scene(folder / "in" / "b.tif", 1)
    write_scene(folder / "in" / "c.tif", 2)
    (folder / "in" / "torn.tif").write_bytes((folder / "in" / "b.tif").read_bytes()[:700])
    run(folder / "in", folder / "out", options("psnr=40"))
    (folder / "in" / "b.tif").unlink()
    (folder / "out" / "c.jp2").unlink()
    site = LedgerSite(str(folder / "out"), Execution())
    with Serving(site) as served:
        yield served
    site.close()


def in_view(served, west: float = -180, east: float = 180):
    found = get(served, f"scenes.json?west={west}&south=-90&east={east}&north=90")
    assert found.status == 200
    return json.loads(found.body)


def test_a_batch_is_a_map_of_its_scenes(ledger):
    assert get(ledger, "").status == 200
    told = in_view(ledger)
    assert dict((state, count) for state, count, _ in told["states"]) == {"done": 3, "failed": 1}
    named = {scene["name"]: scene for scene in told["scenes"]}
    assert set(named) >= {f"{NAME}.tif", "b.tif", "c.tif"}
    ring = named["c.tif"]["rings"][0]
    assert all(-31 < lat < -29 and 139 < lon < 141 for lat, lon in ring), "EPSG:4326 at 140 E, 30 S"
    near = in_view(ledger, west=130, east=150)
    assert [scene["name"] for scene in near["scenes"] if scene["rings"]] == ["c.tif"]


def test_each_scene_of_a_batch_has_its_page_or_a_line_that_says_why_not(ledger):
    ids = {scene["name"]: scene["id"] for scene in in_view(ledger)["scenes"]}
    told = json.loads(get(ledger, f"scene/{ids[f'{NAME}.tif']}/meta.json").body)
    assert "original" in [layer["id"] for layer in told["layers"]]
    assert get(ledger, f"scene/{ids[f'{NAME}.tif']}/static/scene.js").status == 200
    told = json.loads(get(ledger, f"scene/{ids['b.tif']}/meta.json").body)
    assert "original" not in [layer["id"] for layer in told["layers"]], "its source is gone"
    gone = get(ledger, f"scene/{ids['c.tif']}/meta.json")
    assert (gone.status, b"is gone" in gone.body) == (500, True)
    for fid in ("999", "-1", "x", "1%20OR%201"):
        assert get(ledger, f"scene/{fid}/meta.json").status == 400
    failed = get(ledger, f"scene/{next(i for n, i in ids.items() if n not in told and n == 'torn.tif')}/")
    assert (failed.status, b"is failed: " in failed.body) == (400, True)


def test_scenes_are_opened_again_after_others_were_looked_at(ledger, monkeypatch):
    monkeypatch.setattr("rsic_geo.view.ledger._MOST_OPEN", 1)
    ids = {scene["name"]: scene["id"] for scene in in_view(ledger)["scenes"]}
    for name in (f"{NAME}.tif", "b.tif", f"{NAME}.tif"):
        assert get(ledger, f"scene/{ids[name]}/tile/codec/0/0/0.png").status == 200


class Slow:
    """A site that answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    def answer(self, words, query):
        self.asked.set()
        assert self.let.wait(20)
        return Answer(b"done", "text/plain")


def test_it_ends_after_the_last_answer_so_that_no_file_is_closed_while_it_is_read():
    site, ended, replies = Slow(), threading.Event(), []
    served = Serving(site)
    served.__enter__()
    client = threading.Thread(target=lambda: replies.append(get(served, "x")))
    client.start()
    assert site.asked.wait(20)
    closing = threading.Thread(target=lambda: (served.__exit__(), ended.set()))
    closing.start()
    assert not ended.wait(0.3)
    site.let.set()
    assert ended.wait(20)
    client.join()
    closing.join()
    assert [reply.body for reply in replies] == [b"done"]


def served_by_rsic(*words: str):
    return started([*RSIC, "view", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_ended(pair, number):
    with served_by_rsic(str(pair.archive), str(pair.source), "--no-browser") as process:
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32,}/", url)
        with socket.create_connection(
            ("127.0.0.1", urlsplit(url).port), timeout=10
        ):  # idle, as browsers leave some
            process.send_signal(number)
            assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_a_port_that_is_taken_is_said(pair, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["view", str(pair.archive), "--no-browser", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"port {port} is taken" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nothing.jp2"], 1, "nothing.jp2"),
        (["{archive}", "nothing.tif"], 1, "nothing.tif"),
        (["{archive}", "--export", "page.txt"], 2, "end in .html"),
        (["{folder}", "{archive}"], 2, "is a ledger"),
        (["{folder}"], 1, "there is no ledger"),
        (["{archive}", "--export", "{folder}/no/page.html"], 1, "there is no folder"),
        (["{archive}", "--export", "{folder}/there.html"], 2, "exists already"),
    ],
)
def test_bad_input_is_one_line(pair, tmp_path, capsys, words, code, said):
    (tmp_path / "there.html").write_text("mine")
    words = [word.format(archive=pair.archive, folder=tmp_path) for word in words]
    assert main(["view", "--no-browser", *words]) == code
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
    assert (tmp_path / "there.html").read_text() == "mine"


class Page(HTMLParser):
    """What a page loads, runs and says of policy."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded, self.inside, self.policy, self.handlers = [], [], "", []
        self._tag = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.loaded += [given[name] for name in ("src", "href") if name in given]
        self.handlers += [name for name in given if name.startswith("on") or name == "style"]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        self._tag = f"{tag} {given.get('type', '')}".strip()

    def handle_endtag(self, tag):
        self._tag = ""

    def handle_data(self, data):
        if self._tag:
            self.inside.append((self._tag, data))


def test_the_exported_page_is_one_file_that_loads_nothing(exported, pair):
    assert exported.stat().st_size < 2.6e6
    text = exported.read_text(encoding="utf-8")
    page = Page(text)
    assert page.loaded == ["data:,"]
    assert page.handlers == []
    parts = {}
    for tag, data in page.inside:
        parts[tag] = parts.get(tag, "") + data
    assert set(parts) >= {"script", "style", "script application/json"}
    for tag, name in (("script", "script-src"), ("style", "style-src")):
        digest = b64encode(sha256(parts[tag].encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in page.policy
    told = json.loads(parts["script application/json"])
    assert told["meta"]["bands"][0] == WORDS
    assert len(told["places"]) >= 2
    assert WORDS not in text


def test_a_page_without_room_for_an_overview_is_refused(view):
    with pytest.raises(UsageError, match="more with --export-size"):
        exported_page(view, 0.25, Progress())


def test_a_report_tells_the_page_that_was_written(pair, tmp_path, capsys):
    path = tmp_path / "page.html"
    words = ["view", str(pair.archive), "--export", str(path), "--json", "-q", "--overwrite"]
    assert main(words) == 0
    assert json.loads(capsys.readouterr().out)["output"] == {"path": str(path), "bytes": path.stat().st_size}
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
