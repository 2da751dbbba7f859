"""Layers that show an archive repaired, without a file of pixels: engines serve them as long as they live."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from qgis.core import QgsProject, QgsRasterLayer
from qgis.PyQt.QtCore import QCoreApplication, QObject, QProcess

from .background import EngineProcess
from .engine import command
from .engine.errors import EngineError
from .engine.session import Listener, Monitor, Session
from .engine.wording import error_text
from .i18n import tr
from .settings import open_session, read_settings

PROPERTY = "rsic_geo/archive"
"""Of a layer: the archive it shows."""
_PATIENCE = 5000
"""Milliseconds an engine has to end when QGIS does."""


class RepairedLayers:
    """The engines that serve layers, one each; an engine ends with its layer."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Hold who tells the user what went wrong."""
        self.say = say
        self.running: list[_Server] = []

    def show(self, path: str, source_id: str = "", is_reviving: bool = False) -> None:
        """Start to show an archive and return at once; the layer is added when the engine has opened it.

        Args:
            path: of the archive.
            source_id: of its layer; the new one is put above it and drawn alike.
            is_reviving: that layer is one of ours, which is to show again what it showed.
        """
        try:
            session = open_session()
        except EngineError as error:
            self.say(error_text(error, tr))
            return
        self.running.append(_Server(session, path, source_id, self, is_reviving))

    def revive(self) -> None:
        """Serve again the layers of a project that was kept with them."""
        for layer_id, layer in QgsProject.instance().mapLayers().items():
            path = layer.customProperty(PROPERTY)
            if path and not layer.isValid():
                self.show(path, layer_id, is_reviving=True)

    def close(self) -> None:
        """End all engines, and wait until they have ended."""
        for server in list(self.running):
            server.close()
            server.wait()


class _Server(QObject):
    """One engine, from its start to the end of its layer."""

    def __init__(
        self, session: Session, path: str, source_id: str, owner: RepairedLayers, is_reviving: bool
    ) -> None:
        # With a parent it is not Python's to delete in the middle of a signal.
        super().__init__(QCoreApplication.instance())
        self._path, self._source_id, self._is_reviving = path, source_id, is_reviving
        self._owner = owner
        self._folder = tempfile.TemporaryDirectory(prefix="rsic-")
        self._vrt = os.path.join(self._folder.name, f"{Path(path).stem}.vrt")
        self._listener = Listener(Monitor())
        self._heard = b""
        self._is_closing = False
        self._process = process = EngineProcess(session, self)
        process.readyReadStandardOutput.connect(self._hear)
        process.readyReadStandardError.connect(self._listen)
        process.errorOccurred.connect(self._fail)
        process.finished.connect(self._end)
        execution = command.Execution(device=read_settings().device)
        process.work(command.view(path, self._vrt, execution))

    def close(self) -> None:
        """Let the engine end: its input does."""
        self._is_closing = True
        self._process.closeWriteChannel()

    def wait(self) -> None:
        """Return when the engine has ended; it is killed if it does not."""
        if not self._process.waitForFinished(_PATIENCE):
            self._process.kill()
            self._process.waitForFinished(_PATIENCE)

    def _hear(self) -> None:
        """Take the engine's result, which it prints when it is ready to serve."""
        self._heard += self._process.readAllStandardOutput().data()
        try:
            told = json.loads(self._heard)
        except ValueError:
            return  # there is more to come
        name = Path(self._path).name
        if not told.get("archive"):
            self._refuse(tr("{name} is no archive of RSIC: there is nothing to repair.").format(name=name))
        elif "repaired" not in told.get("layers", ()):
            self._refuse(tr("{name} needs no repair: its own layer shows all there is.").format(name=name))
        else:
            self._add(name)

    def _refuse(self, text: str) -> None:
        self._owner.say(text)
        self.close()

    def _add(self, name: str) -> None:
        project = QgsProject.instance()
        if self._is_reviving:
            layer = project.mapLayer(self._source_id)
            if layer is None:  # removed while the engine started
                self.close()
                return
            layer.setDataSource(self._vrt, layer.name(), "gdal")
        else:
            layer = QgsRasterLayer(self._vrt, tr("{name} (repaired)").format(name=name), "gdal")
        if not layer.isValid():
            self._refuse(tr("QGIS cannot open what the engine serves of {name}.").format(name=name))
            return
        layer.willBeDeleted.connect(self.close)
        if not self._is_reviving:
            layer.setCustomProperty(PROPERTY, self._path)
            said = layer.metadata()
            said.setAbstract(
                tr(
                    "Samples of {path} as Decompress scene gives them, computed where the map shows them. "
                    "Coarser than half the resolution they are the codec's. Served on this machine only, "
                    "until the layer is removed."
                ).format(path=self._path)
            )
            layer.setMetadata(said)
            _place(layer, self._source_id)

    def _listen(self) -> None:
        for line in self._process.readAllStandardError().data().decode("utf-8", "replace").splitlines():
            self._listener.line(line)

    def _fail(self, error: object) -> None:
        if error == QProcess.ProcessError.FailedToStart:  # any other is told when it has ended
            self._owner.say(
                tr("{program} cannot be started ({reason}).").format(
                    program=self._process.program(), reason=self._process.errorString()
                )
            )
            self._forget()

    def _end(self, exit_code: int) -> None:
        if not self._is_closing:
            self._listen()
            self._owner.say(error_text(self._listener.failure(exit_code), tr))
        self._forget()

    def _forget(self) -> None:
        self._folder.cleanup()
        if self in self._owner.running:
            self._owner.running.remove(self)
        self.deleteLater()


def _place(layer: QgsRasterLayer, source_id: str) -> None:
    """Add a layer to the project: above the one it was made of, and drawn like it."""
    project = QgsProject.instance()
    source = project.mapLayer(source_id)
    node = project.layerTreeRoot().findLayer(source_id)
    if source is not None and source.bandCount() == layer.bandCount():
        layer.setRenderer(source.renderer().clone())
    else:
        layer.setDefaultContrastEnhancement()
    if project.addMapLayer(layer, node is None) is not None and node is not None:
        group = node.parent()
        group.insertLayer(group.children().index(node), layer)
