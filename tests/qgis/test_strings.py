"""Every text a user sees can be translated, and the list of them is up to date."""

from __future__ import annotations

from xml.etree import ElementTree

from qgis_plugin.tools import strings


def test_the_list_of_texts_is_up_to_date():
    kept = (strings.FOLDER / "rsic.ts").read_text(encoding="utf-8")
    assert kept == strings.document(), "run python qgis_plugin/tools/strings.py"


def test_every_text_is_in_the_list_with_its_context():
    root = ElementTree.fromstring(strings.document())
    assert [context.findtext("name") for context in root.iter("context")] == ["Rsic"]
    sources = {message.findtext("source") for message in root.iter("message")}
    assert {"Compress scene", "Enhancement", "Cancelled: nothing was written."} <= sources
    assert len(sources) > 150


def test_what_is_translated_is_kept(tmp_path):
    path = tmp_path / "rsic_de.ts"
    path.write_text(strings.document("de", {"Compress scene": "Szene & Archiv"}), encoding="utf-8")
    assert strings.translations(path) == {"Compress scene": "Szene & Archiv"}
    assert 'language="de"' in path.read_text(encoding="utf-8")
