"""QGIS 4 is not on the machines this runs on: what is known of it holds for every line of the plugin.

Qt 6 knows enums by their full names only, has no `exec_` and no QVariant types, and keeps some classes in
other modules. The names used are listed here; where PyQt6 can be imported, the list is held against it:

    python -m venv qt6 && qt6/bin/pip install PyQt6
    PYTHONPATH=$(echo qt6/lib/python3.*/site-packages) python -m pytest tests/qgis/test_qt6.py
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from qgis_plugin.tools import pack

USED = {
    "QtCore": {
        "QBuffer": (), "QByteArray": (), "QCoreApplication": (), "QIODevice": ("OpenModeFlag.WriteOnly",),
        "QLocale": (), "QObject": (), "QProcess": ("ProcessError.FailedToStart", "ProcessState.NotRunning"),
        "QProcessEnvironment": (), "QTimer": (),
        "QThread": (), "QTranslator": (), "QUrl": (),
        "Qt": ("TextInteractionFlag.TextSelectableByMouse",),
    },
    "QtGui": {
        "QColor": (), "QIcon": (), "QImage": ("Format.Format_RGB32",),
        "QPainter": ("CompositionMode.CompositionMode_Difference", "CompositionMode.CompositionMode_Plus"),
    },
    "QtWidgets": {
        "QDialog": (), "QHBoxLayout": (), "QProgressBar": (), "QComboBox": (), "QFileDialog": (), "QMenu": (),
        "QFormLayout": (), "QLabel": (), "QLineEdit": (),
        "QPlainTextEdit": (),
        "QPushButton": (), "QVBoxLayout": (), "QWidget": (),
    },
}  # fmt: skip
"""Everything of Qt the plugin uses: classes by module, and enums by class."""
QGIS_ENUMS = {
    "Qgis.LayerType.Raster", "Qgis.MessageLevel.Info", "Qgis.MessageLevel.Warning",
    "QgsMapLayerType.RasterLayer",
    "Qgis.ProcessingFileParameterBehavior.File", "Qgis.ProcessingFileParameterBehavior.Folder",
    "Qgis.ProcessingNumberParameterType.Double", "Qgis.ProcessingNumberParameterType.Integer",
    "Qgis.ProcessingParameterFlag.Advanced", "QgsProcessingParameterDefinition.Flag.FlagAdvanced",
    "QgsProcessingParameterFile.Behavior.File", "QgsProcessingParameterFile.Behavior.Folder",
    "QgsProcessingParameterNumber.Type.Double", "QgsProcessingParameterNumber.Type.Integer",
}  # fmt: skip
"""Enums of QGIS, all asked for in compat.py, which looks which of two homes they have."""
GONE = {
    "exec_", "print_", "QVariant", "NULL", "QRegExp", "QRegExpValidator", "QTextCodec", "QDesktopWidget",
    "QMatrix", "QStringRef", "toTime_t", "fromTime_t", "setMargin", "toPyObject", "globalPos", "qsrand",
    "qrand", "desktop", "QSignalMapper", "QGLWidget",
}  # fmt: skip
"""Names that are gone in Qt 6 or mean something else there; the plugin needs none of them."""


def _files() -> list[Path]:
    return [path for path in pack.files() if path.suffix == ".py"]


def _chains(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield every longest `a.b.c` of a file as its parts; calls and other expressions begin no chain."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or id(node) in inner:
            continue
        parts, owner = [node.attr], node.value
        while isinstance(owner, ast.Attribute):
            parts.append(owner.attr)
            owner = owner.value
        if isinstance(owner, ast.Name):
            yield (owner.id, *reversed(parts))


def _imports(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Return module and name by local name, of what is imported from QGIS."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qgis"):
            found |= {alias.asname or alias.name: (str(node.module), alias.name) for alias in node.names}
    return found


def _trees() -> list[tuple[str, ast.AST]]:
    return [(path.name, ast.parse(path.read_text(encoding="utf-8"))) for path in _files()]


def test_every_enum_of_qt_and_qgis_has_its_full_name():
    used: dict[str, dict[str, set[str]]] = {}
    of_qgis: dict[str, set[str]] = {}
    for name, tree in _trees():
        imported = _imports(tree)
        for local, (module, what) in imported.items():
            if module.startswith("qgis.PyQt."):
                used.setdefault(module.removeprefix("qgis.PyQt."), {}).setdefault(what, set())
            assert module in ("qgis", "qgis.core", "qgis.gui", "qgis.utils") or module.startswith(
                "qgis.PyQt."
            ), local
        for local, *parts in _chains(tree):
            if local not in imported or not parts[0][0].isupper():
                continue
            module, what = imported[local]
            assert len(parts) == 2 or local == "QgsMapLayerType", (
                f"{name}: {local}.{'.'.join(parts)} is no full name of an enum"
            )
            if module.startswith("qgis.PyQt."):
                used[module.removeprefix("qgis.PyQt.")][what].add(".".join(parts))
            else:
                of_qgis.setdefault(name, set()).add(f"{what}.{'.'.join(parts)}")
    assert used == {module: {k: set(v) for k, v in classes.items()} for module, classes in USED.items()}
    assert of_qgis == {"compat.py": QGIS_ENUMS}


def test_nothing_is_used_that_qt_6_has_no_more():
    for name, tree in _trees():
        words = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        words |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        words |= {what for _, what in _imports(tree).values()}
        assert not words & GONE, name
        for node in ast.walk(tree):  # values are never asked for their Qt type, which Qt 6 counts differently
            is_import = isinstance(node, ast.ImportFrom | ast.Import)
            names = (
                [getattr(node, "module", None), *[alias.name for alias in node.names]] if is_import else []
            )
            assert not any(str(each).startswith(("PyQt", "sip")) for each in names), name


@pytest.mark.parametrize(("module", "classes"), USED.items())
def test_pyqt_6_knows_every_name(module, classes):
    pytest.importorskip("PyQt6", reason="PyQt6 is not installed here")
    found = importlib.import_module(f"PyQt6.{module}")
    for name, enums in classes.items():
        owner = getattr(found, name)
        for enum in enums:
            kind, member = enum.split(".")
            assert member in getattr(owner, kind).__members__


METHODS = {
    "QByteArray": "data", "QBuffer": "open close",
    "QCoreApplication": "instance translate processEvents thread",
    "QComboBox": "addItems setCurrentText currentText clear activated currentIndex setCurrentIndex",
    "QFormLayout": "addRow",
    "QImage": "convertToFormat copy save pixel",
    "QLabel": "setText setWordWrap setTextInteractionFlags setMinimumHeight fontMetrics",
    "QLineEdit": "setPlaceholderText text", "QLocale": "system name",
    "QPainter": "setCompositionMode drawImage fillRect end",
    "QFileDialog": "getOpenFileName", "QMenu": "addAction addMenu menuAction setIcon deleteLater",
    "QDialog": "resize setWindowTitle reject show", "QHBoxLayout": "addStretch addWidget",
    "QObject": "deleteLater blockSignals", "QProgressBar": "setRange setValue",
    "QProcess": "start closeWriteChannel waitForFinished kill readAllStandardOutput readAllStandardError "
    "errorOccurred finished setProcessEnvironment setWorkingDirectory errorString program state terminate",
    "QProcessEnvironment": "insert", "QTimer": "setSingleShot setInterval timeout start stop",
    "QPlainTextEdit": "setPlaceholderText setMaximumHeight toPlainText appendPlainText clear setReadOnly",
    "QPushButton": "clicked", "QThread": "currentThread", "QTranslator": "load",
    "QUrl": "fromLocalFile setFragment toString", "QVBoxLayout": "addWidget addLayout addStretch",
}  # fmt: skip


def test_pyqt_6_knows_every_method():
    pytest.importorskip("PyQt6", reason="PyQt6 is not installed here")
    homes = {
        name: importlib.import_module(f"PyQt6.{module}") for module, names in USED.items() for name in names
    }
    for name, methods in METHODS.items():
        for method in methods.split():
            assert hasattr(getattr(homes[name], name), method), f"{name}.{method}"
