"""What the plugin adds to QGIS's window: entries of the menu Raster and of a raster layer's context menu."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from qgis.core import QgsProject, QgsRasterLayer, QgsSettings
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QFileDialog, QMenu, QPushButton
from qgis.utils import iface

from .algorithms.sources import layer_source
from .compat import LAYER_RASTER, LEVEL_INFO, LEVEL_WARNING
from .engine.errors import EngineError
from .engine.wording import error_text
from .i18n import tr
from .repaired import RepairedLayers
from .settings import GROUP, engine_problem, remembered_capabilities

MENU = "RSIC"
_WELCOMED = f"{GROUP}/welcomed"
_ICONS = Path(__file__).parent / "icons"
_TIME = 12
"""Seconds a message stays."""


class WindowActions:
    """The entries, and the layers they show."""

    def __init__(self) -> None:
        """Add the entries to the window."""
        self.layers = RepairedLayers(self.say)
        # The menu makes the entries itself: their class lies in another module in Qt 6.
        self.menu = QMenu(MENU, iface.mainWindow())
        self.menu.setIcon(QIcon(str(_ICONS / "rsic.svg")))
        self._of_layers = [
            self._entry("compress", tr("Archive with RSIC..."), self.archive),
            self._entry("showrepaired", tr("Show repaired"), self.show_repaired),
        ]
        self._entry("compare", tr("Compare with an archive..."), self.compare)
        self._entry("reencodefolder", tr("Archive a folder..."), self.archive_folder)
        self.menu.addSeparator()
        self._entry("checkengine", tr("Install the engine..."), self.install)
        iface.rasterMenu().addMenu(self.menu)
        for entry in self._of_layers:
            iface.addCustomActionForLayerType(entry, MENU, LAYER_RASTER, True)
        QgsProject.instance().readProject.connect(self.layers.revive)
        self._welcome()

    def remove(self) -> None:
        """Take everything back out, and end what shows layers."""
        QgsProject.instance().readProject.disconnect(self.layers.revive)
        for entry in self._of_layers:
            iface.removeCustomActionForLayerType(entry)
        iface.rasterMenu().removeAction(self.menu.menuAction())
        self.menu.deleteLater()
        self.layers.close()

    def _entry(self, name: str, text: str, work: Callable[[], None]) -> Any:
        entry = self.menu.addAction(QIcon(str(_ICONS / f"{name}.svg")), text)
        entry.triggered.connect(lambda _checked=False: work())
        return entry

    def say(self, text: str) -> None:
        """Show a message above the map."""
        iface.messageBar().pushMessage(MENU, text, LEVEL_WARNING, _TIME)

    def _welcome(self) -> None:
        """Offer to install the engine, once in a profile, where there is none."""
        if not engine_problem() or QgsSettings().value(_WELCOMED, False, type=bool):
            return
        QgsSettings().setValue(_WELCOMED, True)
        bar = iface.messageBar()
        item = bar.createMessage(MENU, tr("The program that does the work is not installed yet."))
        button = QPushButton(tr("Install the engine..."), item)
        button.clicked.connect(self.install)
        item.layout().addWidget(button)
        bar.pushWidget(item, LEVEL_INFO)

    def install(self) -> None:
        """Open the guided installation."""
        from .install_dialog import InstallDialog

        self.dialog = InstallDialog(iface.mainWindow())
        self.dialog.show()

    def _raster(self) -> QgsRasterLayer | None:
        layer = iface.activeLayer()
        return layer if isinstance(layer, QgsRasterLayer) else None

    def _open(self, algorithm: str, parameters: dict[str, Any]) -> None:
        from qgis import processing

        dialog = processing.createAlgorithmDialog(f"rsic:{algorithm}", parameters)
        dialog.show()

    def archive(self) -> None:
        """Open the dialog of compress with the layer that is selected."""
        layer = self._raster()
        self._open("compress", {"INPUT": layer.id()} if layer is not None else {})

    def compare(self) -> None:
        """Open the dialog of compare with the layer that is selected."""
        layer = self._raster()
        self._open("compare", {"REFERENCE": layer.id()} if layer is not None else {})

    def archive_folder(self) -> None:
        """Open the dialog of re-encode folder."""
        self._open("reencodefolder", {})

    def show_repaired(self) -> None:
        """Show the layer that is selected, or an archive that is asked for, repaired."""
        layer = self._raster()
        if layer is None:
            path, _ = QFileDialog.getOpenFileName(iface.mainWindow(), tr("Archive to show repaired"))
            if path:
                self.layers.show(path)
            return
        try:
            path = layer_source(layer, remembered_capabilities().archive_extensions)
        except EngineError as error:
            self.say(error_text(error, tr))
            return
        self.layers.show(path, layer.id())
