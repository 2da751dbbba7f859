"""Texts in the user's language: translations are `rsic_LANGUAGE.qm` in this folder, made from `tr` calls."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QCoreApplication, QLocale, QTranslator

CONTEXT = "Rsic"


def tr(text: str) -> str:
    """Return ``text`` in the user's language, or as it is."""
    return QCoreApplication.translate(CONTEXT, text)


def install_translator() -> QTranslator | None:
    """Load the translation of QGIS's language; None where there is none. The caller keeps it alive."""
    locale = QgsSettings().value("locale/userLocale", "", type=str) or QLocale.system().name()
    for name in (locale, locale.split("_")[0]):
        path = Path(__file__).parent / f"rsic_{name}.qm"
        if path.is_file():
            translator = QTranslator()
            if translator.load(str(path)):
                QCoreApplication.installTranslator(translator)
                return translator
    return None
