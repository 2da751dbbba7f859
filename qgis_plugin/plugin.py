"""The plugin: a Processing provider, and with a window entries of its menus and a page of its options."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsApplication, QgsMessageLog

from .i18n import install_translator
from .provider import RsicProvider


class RsicPlugin:
    """What QGIS loads and unloads. Works without a window, where ``qgis.utils.iface`` is None."""

    def __init__(self) -> None:
        self._translator = install_translator()
        self._provider: RsicProvider | None = None
        self._options: Any = None
        self.actions: Any = None

    def initProcessing(self) -> None:
        """Add the provider; qgis_process calls only this."""
        provider = RsicProvider()
        if QgsApplication.processingRegistry().addProvider(provider):
            self._provider = provider

    def initGui(self) -> None:
        """Add the provider, and what belongs to the window."""
        from qgis.utils import iface

        self.initProcessing()
        if iface is not None:
            from .options_page import RsicOptionsFactory

            self._options = RsicOptionsFactory()
            iface.registerOptionsWidgetFactory(self._options)
            from .actions import WindowActions

            self.actions = WindowActions()

    def unload(self) -> None:
        """Take everything back out."""
        provider, self._provider = self._provider, None
        if provider is not None and not QgsApplication.processingRegistry().removeProvider(provider):
            QgsMessageLog.logMessage("The provider was gone already.", "RSIC")
        if self.actions is not None:
            self.actions.remove()
            self.actions = None
        if self._options is not None:
            from qgis.utils import iface

            iface.unregisterOptionsWidgetFactory(self._options)
            self._options = None
