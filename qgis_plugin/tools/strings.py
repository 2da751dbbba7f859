"""Collects what `tr` translates into i18n/rsic.ts: `python qgis_plugin/tools/strings.py [LANGUAGE...]`.

With languages, i18n/rsic_LANGUAGE.ts are brought up to date too, and keep what they translate already. Qt's
Linguist edits them, `lrelease` makes the .qm files that the plugin loads.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from xml.sax.saxutils import escape

PLUGIN = Path(__file__).resolve().parents[1]
FOLDER = PLUGIN / "i18n"
CONTEXT = "Rsic"
_ATTRIBUTES = {
    "TAGS": lambda value: [value],
    "GROUP": lambda value: [value[1]] if len(value) == 2 else [],
    "ADVICE": lambda value: [value],
}
"""Names of texts that are translated where they are shown."""
_ERRORS = ("EngineError", "EngineMissingError", "EngineVersionError")
"""Errors of the package `engine`, which knows no QGIS: their template is translated where it is shown."""


def texts() -> dict[str, str]:
    """Return every text with the file it is in.

    Raises:
        ValueError: naming a call whose text is not written there, so that no tool could find it.
    """
    found: dict[str, str] = {}
    for path in sorted(PLUGIN.rglob("*.py")):
        if "tools" in path.parts or path.parent.name == "i18n":
            continue
        name = path.relative_to(PLUGIN).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _of_node(node, name):
                if text:
                    found.setdefault(text, name)
    return found


def _of_node(node: ast.AST, name: str) -> list[str]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _ERRORS:
        argument = node.args[0]
        if isinstance(argument, ast.JoinedStr):
            raise ValueError(f"{name}, line {node.lineno}: give the values of an error by their names")
        return [argument.value] if isinstance(argument, ast.Constant) else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
        argument = node.args[0]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return [argument.value]
        names = {getattr(part, "attr", getattr(part, "id", "")) for part in ast.walk(argument)}
        if names & {*_ATTRIBUTES, "template"}:
            return []
        raise ValueError(f"{name}, line {node.lineno}: tr takes a text, not an expression")
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        take = _ATTRIBUTES.get(node.targets[0].id)
        if take is not None:
            return take(ast.literal_eval(node.value))
    return []


def document(language: str = "", known: dict[str, str] | None = None) -> str:
    """Return a .ts file with every text, and the translations ``known``."""
    attribute = f' language="{language}"' if language else ""
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<!DOCTYPE TS>", f'<TS version="2.1"{attribute}>']
    lines += ["<context>", f"    <name>{CONTEXT}</name>"]
    for text, name in texts().items():
        translation = (known or {}).get(text, "")
        state = "" if translation else ' type="unfinished"'
        lines += [
            "    <message>",
            f'        <location filename="../{name}"/>',
            f"        <source>{escape(text)}</source>",
            f"        <translation{state}>{escape(translation)}</translation>",
            "    </message>",
        ]
    return "\n".join([*lines, "</context>", "</TS>", ""])


def translations(path: Path) -> dict[str, str]:
    """Return what a .ts file of ours translates; nothing if there is none."""
    from xml.etree import ElementTree

    if not path.exists():
        return {}
    pairs = {}
    for message in ElementTree.parse(path).iter("message"):
        source, translation = message.findtext("source"), message.findtext("translation")
        if source and translation:
            pairs[source] = translation
    return pairs


if __name__ == "__main__":
    (FOLDER / "rsic.ts").write_text(document(), encoding="utf-8")
    for code in sys.argv[1:]:
        target = FOLDER / f"rsic_{code}.ts"
        target.write_text(document(code, translations(target)), encoding="utf-8")
