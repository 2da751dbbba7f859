"""The dialog of compress: presets, a value that fits its target and scene, and what to expect of both."""

from __future__ import annotations

import json
import tempfile
from typing import Any

from processing.gui.AlgorithmDialog import AlgorithmDialog
from qgis.core import QgsProcessingAlgorithm, QgsProcessingContext, QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QProcess, QTimer
from qgis.PyQt.QtWidgets import QComboBox, QLabel, QWidget

from .algorithms.parameters import read_compression
from .algorithms.sources import layer_source
from .amounts import size_text, time_text
from .background import EngineProcess
from .engine import command
from .engine.errors import EngineError
from .engine.session import Listener, Monitor
from .engine.wording import error_text
from .expectation import presets, unit, usual_value
from .i18n import tr
from .settings import open_session, remembered_capabilities

_REST = 700
"""Milliseconds without a change before the engine is asked."""
_WATCHED = (
    "TARGET_VALUE", "MODEL", "CODEC", "EFFORT", "TILE_SIZE", "SPECTRAL", "QUANTIZE", "ACCEPT_LOSS",
    "ACCEPT_DAMAGED",
)  # fmt: skip
"""Parameters that what to expect depends on, beside scene and target."""


class CompressDialog(AlgorithmDialog):
    """The usual dialog, which knows what its parameters mean for each other."""

    def __init__(self, algorithm: QgsProcessingAlgorithm, parent: QWidget | None = None) -> None:
        super().__init__(algorithm, parent=parent)
        self._wrappers = self.mainWidget().wrappers
        self._context = QgsProcessingContext()
        self._context.setProject(QgsProject.instance())
        self._process: EngineProcess | None = None
        self._listener = Listener(Monitor())
        self._presets: dict[str, tuple[str, float | None]] = {}
        self.preset = QComboBox()
        self.expected = QLabel()
        self.expected.setWordWrap(True)
        self.expected.setMinimumHeight(2 * self.expected.fontMetrics().lineSpacing())
        value = self._wrappers["TARGET_VALUE"]
        self._arrange(self._wrappers["TARGET"].wrappedLabel(), value)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST)
        self._rest.timeout.connect(self._ask)
        self._wrappers["INPUT"].widgetValueHasChanged.connect(lambda _wrapper: self._take_scene())
        self._wrappers["TARGET"].widgetValueHasChanged.connect(lambda _wrapper: self._take_target())
        for name in _WATCHED:
            self._wrappers[name].widgetValueHasChanged.connect(lambda _wrapper: self._wait())
        self.preset.activated.connect(lambda _index: self._take_preset())
        self._take_scene()
        self._take_target()

    def _arrange(self, above: QWidget, value: Any) -> None:
        """Put presets above the target and what to expect below its value."""
        layout = above.parentWidget().layout()
        place = layout.indexOf(above)
        layout.insertWidget(place, self.preset)
        label = QLabel(tr("What matters"), above.parentWidget())
        layout.insertWidget(place, label)
        layout.insertWidget(layout.indexOf(value.wrappedWidget()) + 1, self.expected)

    def _layer(self) -> QgsRasterLayer | None:
        parameters = {"INPUT": self._wrappers["INPUT"].parameterValue()}
        layer = self.algorithm().parameterAsRasterLayer(parameters, "INPUT", self._context)
        return layer if layer is not None and layer.isValid() else None

    def _take_scene(self) -> None:
        chosen = self.preset.currentText()
        layer = self._layer()
        # Of rasters that are no files noise would have to be loaded from another machine.
        file = layer if layer is not None and layer.providerType() == "gdal" else None
        self._presets = presets(file, remembered_capabilities())
        self.preset.clear()
        self.preset.addItems([tr("as set below"), *self._presets])
        self.preset.setCurrentText(chosen)
        if self.preset.currentIndex() > 0:
            self._take_preset()
        self._wait()

    def _take_preset(self) -> None:
        found = self._presets.get(self.preset.currentText())
        if found is not None:
            target, value = found
            chosen = self.preset.currentIndex()
            self._set("TARGET", target)
            self._set("TARGET_VALUE", value)
            self.preset.setCurrentIndex(chosen)

    def _take_target(self) -> None:
        """Fill in the value that is usual for the target, and say its unit."""
        target, known = self._wrappers["TARGET"].parameterValue(), remembered_capabilities()
        value = self._wrappers["TARGET_VALUE"]
        is_used = target != command.LOSSLESS
        value.wrappedWidget().setEnabled(is_used)
        value.wrappedLabel().setText(
            tr("Value of the target ({unit})").format(unit=unit(target, known))
            if is_used
            else tr("Value of the target")
        )
        self._set("TARGET_VALUE", usual_value(target, self._layer(), known) if is_used else None)
        self.preset.setCurrentIndex(0)
        self._wait()

    def _set(self, name: str, value: object) -> None:
        self._wrappers[name].setParameterValue(value, self._context)

    def _wait(self) -> None:
        """Ask when nothing changes for a moment; what was asked before is of no use any more."""
        self._stop()
        self.expected.setText("")
        self._rest.start()

    def _ask(self) -> None:
        """Let the engine archive a sample of the scene, which writes nothing."""
        layer = self._layer()
        if layer is None:
            return
        names = ("TARGET", *_WATCHED, "VERIFY", "SIDECAR", "GEOREF", "OVERVIEWS", "SEAL")
        parameters = {name: self._wrappers[name].parameterValue() for name in names}
        try:
            compression = read_compression(self.algorithm(), parameters, self._context)
            if compression.target != command.LOSSLESS and not compression.value:
                return
            session = open_session()
            source = layer_source(layer, remembered_capabilities().archive_extensions)
        except EngineError as error:
            self.expected.setText(error_text(error, tr))
            return
        self.expected.setText(tr("Trying a sample..."))
        self._listener = Listener(Monitor())
        self._process = process = EngineProcess(session, self)
        process.readyReadStandardError.connect(self._listen)
        process.finished.connect(self._tell)
        process.work(command.plan(source, tempfile.gettempdir(), compression))

    def _listen(self) -> None:
        if self._process is not None:
            text = self._process.readAllStandardError().data().decode("utf-8", "replace")
            for line in text.splitlines():
                self._listener.line(line)

    def _tell(self, exit_code: int) -> None:
        process, self._process = self._process, None
        if process is None:
            return  # it was stopped
        text = process.readAllStandardOutput().data()
        process.deleteLater()
        layer = self._layer()
        if exit_code != 0 or layer is None:
            self.expected.setText(error_text(self._listener.failure(exit_code), tr, self._labels()))
            return
        said = _said(json.loads(text))
        if any(self._wrappers[name].parameterValue() for name in ("BANDS", "EXTENT")):
            said = f"{said} {tr('That is for the whole scene, not for the part that is chosen.')}"
        self.expected.setText(said)

    def _labels(self) -> dict[str, str]:
        return self.algorithm().labels()

    def _stop(self) -> None:
        self._rest.stop()
        process, self._process = self._process, None
        if process is not None and process.state() != QProcess.ProcessState.NotRunning:
            process.finished.connect(process.deleteLater)
            process.terminate()

    def runAlgorithm(self) -> None:
        self._stop()
        super().runAlgorithm()

    def done(self, result: int) -> None:
        self._stop()
        super().done(result)


def _said(plan: dict[str, Any]) -> str:
    """Return a plan of the engine in one line."""
    size, seconds = ((plan.get(key) or {}).get("p50") for key in ("product_bytes", "seconds"))
    if not size:
        reasons = "; ".join(map(str, plan.get("failures") or {}))
        return tr("A sample could not be archived like this: {reason}.").format(
            reason=reasons or tr("unknown")
        )
    text = tr("Expect about {size}, {time}.").format(size=size_text(size), time=time_text(seconds or 0))
    before = plan.get("source_bytes")
    return f"{text} {tr('The file has {size}.').format(size=size_text(before))}" if before else text
