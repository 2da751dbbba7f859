"""Engines that work beside the window: Qt tells of them by signals, so nothing waits for them."""

from __future__ import annotations

from collections.abc import Sequence

from qgis.PyQt.QtCore import QObject, QProcess, QProcessEnvironment

from .engine.environment import clean_environment
from .engine.session import Session


class EngineProcess(QProcess):
    """An engine that gets its words later, when its signals are connected."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._argv = session.engine.argv
        surroundings = QProcessEnvironment()
        cleaned = clean_environment(session.environ, session.engine.program, session.extra)
        for name, value in cleaned.items():
            surroundings.insert(name, value)
        self.setProcessEnvironment(surroundings)
        # A Python as engine would look for packages where QGIS was started, too.
        self.setWorkingDirectory(str(session.engine.program.parent))

    def work(self, words: Sequence[str]) -> None:
        """Start the engine and return at once."""
        program, *first = self._argv
        self.start(program, [*first, *words])
