"""What dialogs say: of every line the engine writes, nothing of a command line, of checksums or of Python."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import REPOSITORY

import rsic_geo.errors
from qgis_plugin.engine import wording
from qgis_plugin.engine.errors import ADVICE, EngineError, EngineMissingError
from qgis_plugin.engine.locate import find_engine
from qgis_plugin.tools import strings
from rsic_geo.batch.scene import _KINDS as BATCH_KINDS

FORBIDDEN = {
    "an option": re.compile(r"--"),
    "a checksum": re.compile(r"[0-9a-fA-F]{16}"),
    "Python": re.compile(
        r"\w*Path\(|\bnp\.\w+|\barray\(|\bdtype\(|\bat 0x|\bb'|[\[({]'|\b(?:None|True|False)\b|"
        r"\w+(?:Error|Exception)\b"
    ),
}
FOR_DEVELOPERS = {"training", "evaluation"}
"""Parts of the engine no dialog reaches."""
NO_SENTENCES = {"schema.py", "preset.py", "parts.py"}
"""Files whose texts are SQL, definitions of reference systems and names of files."""
DIGEST = "833db2440e5d9cc28259fb97c9174ffd2da90fabe178d01e425fdeeb7c12bc96"


def _labels() -> dict[str, str]:
    """Return the labels of all dialogs, by the names of their parameters."""
    found = {}
    for path in (REPOSITORY / "qgis_plugin" / "algorithms").glob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or len(call.args) < 2:
                continue
            name, label = call.args[:2]
            is_label = isinstance(label, ast.Call) and getattr(label.func, "id", "") == "tr"
            if is_label and isinstance(name, ast.Constant) and str(name.value).isupper():
                found[name.value] = label.args[0].value
    return found


LABELS = _labels()


def _is_forbidden(text: str) -> list[str]:
    return [what for what, pattern in FORBIDDEN.items() if pattern.search(text)]


def _filled(node: ast.AST) -> str | None:
    """Return a text of the engine with its values filled in as they may be; None for other expressions."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
            continue
        source = ast.unparse(part.value)
        cut = re.search(r"\[:(\d+)\]", source)
        is_digest = "sha256" in source or "digest" in source
        value = DIGEST[: int(cut.group(1)) if cut else None] if is_digest else "ab.tif"
        parts.append(repr(value) if part.conversion == ord("r") else value)
    return "".join(parts)


def _engine_texts() -> Iterator[tuple[str, str]]:
    """Yield every sentence of the engine that may be printed, with where it is written."""
    for path in sorted((REPOSITORY / "rsic_geo").rglob("*.py")):
        if FOR_DEVELOPERS & set(path.parts) or path.name in NO_SENTENCES:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        for call in ast.walk(tree):  # what --help prints
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("option", "argument"):
                silent |= {id(node) for node in ast.walk(call)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                silent |= {id(part) for part in node.values}
        for node in ast.walk(tree):
            text = None if id(node) in silent else _filled(node)
            if text and re.match(r"\(\w+='", text):  # a condition of SQL
                continue
            if text and " " in text.strip() and re.search(r"[a-z]{2}", text):
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", " ".join(text.split())


ENGINE_TEXTS = list(_engine_texts())


@pytest.mark.parametrize("labels", [LABELS, {}], ids=["every parameter", "no parameter"])
def test_no_sentence_of_the_engine_reaches_a_dialog_as_a_command_line_has_it(labels):
    assert len(ENGINE_TEXTS) > 700
    assert sum(bool(_is_forbidden(text)) for _, text in ENGINE_TEXTS) > 30  # there is something to hide
    shown = [(place, wording.plain(text, labels)) for place, text in ENGINE_TEXTS]
    bad = [(place, text) for place, text in shown if _is_forbidden(text)]
    assert not bad


def test_every_option_in_a_message_is_a_parameter_of_some_dialog():
    elsewhere = {
        "adapt.py",
        "bench.py",
        "eval.py",
        "models.py",
        "classic.py",
        "entry.py",
        "html.py",
        "next_step.py",
        "tour.py",
        "view.py",
        "export.py",
        "server.py",
        "compressai_tile.py",  # a command for a shell, of a codec that no dialog offers
    }
    for place, text in ENGINE_TEXTS:
        if Path(place.partition(":")[0]).name not in elsewhere:
            kept = text
            for pattern, _, _ in wording._PHRASES:
                kept = re.sub(pattern, "", kept)
            assert not wording.unknown_options(kept), place
    assert set(wording._OPTIONS.values()) <= {*LABELS, "OUTPUT"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "psnr=9 leaves nothing of B1: ask for more quality, or say --accept-loss (accept_loss=True)",
            "psnr=9 leaves nothing of B1: ask for more quality, or tick “{ACCEPT_LOSS}”",
        ),
        (
            "the file is damaged (Corrupt JPEG data): copy it again, or accept what it still holds "
            "(--accept-damaged)",
            "the file is damaged (Corrupt JPEG data): copy it again, or accept what it still holds "
            "(tick “{ACCEPT_DAMAGED}”)",
        ),
        (
            "samples of type float32 do not fit: add --quantize uint16 to store it with a "
            "scale and offset (not lossless), or keep it in a COG (gdal_translate -of COG -co PREDICTOR=YES)",
            "samples of type float32 do not fit: tick “{QUANTIZE}” to store it with a scale "
            "and offset (not lossless), or keep it in a COG",
        ),
        (
            f"the archive was made with model a ({DIGEST}), here is b ({DIGEST[:16]}): install that model, "
            "decode with --enhance off, or accept another result with --allow-other-model",
            "the archive was made with model a, here is b: install that model, set “{ENHANCE}” to off, or "
            "tick “{ALLOW_OTHER_MODEL}”",
        ),
        (
            "out of memory: lower --memory, --threads or --window-size",
            "out of memory: lower “{MEMORY}”, “{THREADS}” or “{WINDOW_SIZE}”",
        ),
        ("no such option: --target-size (see 'rsic compress --help')", "no such option: target size"),
        ("tags: {'a': 'b', 'c': None} became PosixPath('/x')", "tags: (a: “b”, c: nothing) became /x"),
        ("box b'jp2c' holds np.float64(3.5) at <A object at 0x7f00>", "box “jp2c” holds 3.5 at …"),
        ("unexpected KeyError: 'x' (a bug: run again with RSIC_DEBUG=1 and report what it prints)", "“x”"),
        ("pip install --force-reinstall --no-deps rsic-geo", "install the Python package rsic-geo"),
        (
            "weights 'a' here have sha256 833db2440e5d..., asked for are 0f2ab2440e5d...; put the right file "
            "into the folder",
            "weights “a” here are not those asked for; put the right file into the folder",
        ),
    ],
)
def test_advice_speaks_of_the_dialogs_parameters(line, said):
    assert wording.plain(line, LABELS) == said.format(**LABELS)


def test_a_dialog_without_the_parameter_does_not_advise_it():
    line = "the file is damaged (x): copy it again, or accept what it still holds (--accept-damaged)"
    assert wording.plain(line, {}) == "the file is damaged (x): copy it again"
    shown = wording.scene_text(line, "DamagedSceneError", str, {})
    assert "tick" not in shown
    assert LABELS["ACCEPT_DAMAGED"] in wording.scene_text(line, "DamagedSceneError", str, LABELS)


@pytest.mark.parametrize(
    "name", ["/data/2024--05/a.tif", f"/cache/{DIGEST}.tif", "C:\\scenes\\a--b.tif", "/x/it's ä.tif"]
)
def test_names_of_files_stay_as_they_are(name):
    text = f"cannot read {name}: it is no raster in a format GDAL knows"
    assert wording.plain(text, LABELS) == text


def test_every_kind_of_error_has_a_sentence_in_both_languages():
    kinds = {name for name, kind in vars(rsic_geo.errors).items() if inspect.isclass(kind)}
    sentences = wording.sentences(str)
    assert kinds | {"MemoryError", "OSError", "Bug"} <= sentences.keys()
    assert set(BATCH_KINDS.values()) | {"no room", "worker lost"} == wording._OF_BATCH.keys()
    assert set(wording._OF_BATCH.values()) <= sentences.keys()
    german = strings.translations(strings.FOLDER / "rsic_de.ts")
    texts = {*sentences.values(), *(text for _, text in wording.ways_out(str).values()), ADVICE}
    assert all(german[text] != text for text in texts)
    assert {name for name, _ in wording.ways_out(str).values()} <= LABELS.keys()


@pytest.mark.parametrize(
    ("kind", "code", "beginning"),
    [
        ("StructureLostError", 4, "A band would lose its structure"),
        ("MetadataLossError", 4, "Metadata of the scene would be lost"),
        ("structure lost", 1, "A band would lose its structure"),
        ("of a newer engine", 4, "What was written is not what it has to be"),
        (wording.UNNAMED, 2, "The parameters do not fit"),
        (wording.UNNAMED, 5, "The network cannot be used"),
        (wording.UNNAMED, 1, "The engine could not do this."),
    ],
)
def test_the_kind_chooses_the_sentence_and_the_exit_code_does_where_it_is_not_known(kind, code, beginning):
    shown = wording.error_text(EngineError("tile 3 is off.", code, kind), str, LABELS)
    assert shown.startswith(beginning)
    assert shown.endswith("The engine says: tile 3 is off.")


def test_errors_of_the_plugin_are_translated_before_their_values_come_in():
    def shouted(text: str) -> str:
        return text.upper().replace("{NAME}", "{name}").replace("{ORIGIN}", "{origin}")

    with pytest.raises(EngineMissingError) as caught:
        find_engine("/no/such/rsic", {})
    assert wording.error_text(caught.value, shouted).startswith(
        "THERE IS NO /no/such/rsic (settings): INSTALL"
    )
    assert caught.value.reason(str) == "There is no /no/such/rsic (settings)."
    assert str(caught.value) == f"There is no /no/such/rsic (settings): {ADVICE}."


def test_what_the_engine_reports_arrives_with_its_kind(session, tmp_path):
    from qgis_plugin.engine import command
    from qgis_plugin.engine.session import Monitor

    source = tmp_path / "error.tif"
    source.write_text("DamagedSceneError\n1\nit is damaged (--accept-damaged)")
    words = command.compress(command.Job(str(source), str(tmp_path / "a.jp2")), command.Compression())
    with pytest.raises(EngineError) as caught:
        session.call(words, Monitor())
    assert caught.value.kind == "DamagedSceneError"
    shown = wording.error_text(caught.value, str, LABELS)
    assert shown.startswith("The scene is damaged")
    assert not _is_forbidden(shown)
