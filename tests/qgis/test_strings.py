"""Every text a user sees can be translated, and the list of them is up to date."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from xml.etree import ElementTree

import pytest

from qgis_plugin.tools import strings
from qgis_plugin.tools.qm import compiled


def test_the_list_of_texts_is_up_to_date():
    kept = (strings.FOLDER / "rsic.ts").read_text(encoding="utf-8")
    assert kept == strings.document(), "run python qgis_plugin/tools/strings.py"


def test_every_text_is_in_the_list_with_its_context():
    root = ElementTree.fromstring(strings.document())
    assert [context.findtext("name") for context in root.iter("context")] == ["Rsic"]
    sources = {message.findtext("source") for message in root.iter("message")}
    assert {"Compress scene", "Enhancement", "Cancelled: nothing was written."} <= sources
    assert len(sources) > 150


def test_german_is_complete_and_keeps_every_placeholder():
    german = strings.translations(strings.FOLDER / "rsic_de.ts")
    assert german.keys() == strings.texts().keys(), (
        "run python qgis_plugin/tools/strings.py de, and translate"
    )
    for text, translation in german.items():
        assert sorted(re.findall(r"{[^}]*}", text)) == sorted(re.findall(r"{[^}]*}", translation))
        assert text.count("\n\n") == translation.count("\n\n")
        assert (text[-1] == ".") == (translation[-1] == "."), text


def _sections(content: bytes) -> dict[int, bytes]:
    """Return the sections of a .qm file by their tag."""
    found, rest = {}, content[16:]
    while rest:
        tag, length = struct.unpack(">BI", rest[:5])
        found[tag], rest = rest[5 : 5 + length], rest[5 + length :]
    return found


@pytest.mark.skipif(shutil.which("lrelease") is None, reason="Qt's lrelease is not on this machine")
def test_what_is_compiled_is_what_qts_own_compiler_makes(tmp_path):
    source, target = strings.FOLDER / "rsic_de.ts", tmp_path / "de.qm"
    subprocess.run(["lrelease", str(source), "-qm", str(target)], check=True, capture_output=True)
    theirs, ours = target.read_bytes(), compiled(source)
    assert ours[:16] == theirs[:16]
    assert _sections(ours).items() <= _sections(theirs).items()


def test_what_is_not_translated_is_left_out(tmp_path):
    path = tmp_path / "rsic_de.ts"
    path.write_text(strings.document("de", {"Compress scene": "Szene packen"}), encoding="utf-8")
    content = compiled(path)
    assert "Szene packen".encode("utf-16-be") in content
    assert b"Decompress scene" not in content


def test_what_is_translated_is_kept(tmp_path):
    path = tmp_path / "rsic_de.ts"
    path.write_text(strings.document("de", {"Compress scene": "Szene & Archiv"}), encoding="utf-8")
    assert strings.translations(path) == {"Compress scene": "Szene & Archiv"}
    assert 'language="de"' in path.read_text(encoding="utf-8")
