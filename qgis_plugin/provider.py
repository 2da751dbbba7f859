"""The Processing provider `rsic`. It loads with or without an engine, and starts none."""

from __future__ import annotations

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithms import ALGORITHMS
from .algorithms.parameters import TIFF
from .i18n import tr
from .settings import engine_problem, remembered_capabilities

ICON = Path(__file__).parent / "icons" / "rsic.svg"
VERSION = "0.1.0"


class RsicProvider(QgsProcessingProvider):
    """Compression, enhancement, comparison and re-encoding of georeferenced scenes."""

    def id(self) -> str:
        return "rsic"

    def name(self) -> str:
        return "RSIC"

    def longName(self) -> str:
        return tr("RSIC: archives of georeferenced scenes")

    def versionInfo(self) -> str:
        engine = remembered_capabilities().version
        return f"{VERSION}, {tr('engine')} {engine}" if engine else VERSION

    def icon(self) -> QIcon:
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        return str(ICON)

    def warningMessage(self) -> str:
        return engine_problem()

    def defaultRasterFileExtension(self) -> str:
        return "tif"

    def supportedOutputRasterLayerExtensions(self) -> list[str]:
        # QGIS compares what is behind the last dot, or behind the first one.
        archives = [extension.lstrip(".") for extension in remembered_capabilities().extensions()]
        last = [extension.rpartition(".")[2] for extension in archives]
        return list(dict.fromkeys([*TIFF, *archives, *last]))

    def supportsNonFileBasedOutput(self) -> bool:
        return False

    def loadAlgorithms(self) -> None:
        known = remembered_capabilities()
        for algorithm in ALGORITHMS:
            if not self.addAlgorithm(algorithm(known)):
                raise RuntimeError(f"two algorithms are called {algorithm.NAME}")
