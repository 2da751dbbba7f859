"""Guided installation: the engine in an environment of its own in the profile's folder, after asking."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QProcess, QProcessEnvironment
from qgis.PyQt.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from .engine import install
from .engine.capabilities import parse_capabilities
from .engine.environment import clean_environment
from .engine.errors import EngineError
from .engine.wording import error_text
from .i18n import tr
from .settings import read_settings, write_settings

_PATIENCE = 3000
"""Milliseconds a step has to end when it is cancelled, before it is killed."""


def root() -> Path:
    """Return the folder of the profile that holds engines made here."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "rsic_geo"


class InstallDialog(QDialog):
    """Says what will happen, does it when asked, and can be cancelled and repeated."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Install the RSIC engine"))
        self.resize(640, 420)
        self.package = QLineEdit(install.package())
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.bar = QProgressBar()
        self.start_button = QPushButton(tr("Install"))
        self.start_button.clicked.connect(self.begin)
        self.cancel_button = QPushButton(tr("Cancel"))
        self.cancel_button.clicked.connect(self.reject)
        self._steps: list[list[str]] = []
        self._pythons: list[str] = []
        self._count = 0
        self._folder: Path | None = None
        self._result = b""
        self._process = QProcess(self)
        self._process.readyReadStandardOutput.connect(self._hear)
        self._process.readyReadStandardError.connect(self._listen)
        self._process.finished.connect(self._next)
        self._process.errorOccurred.connect(self._fail)
        surroundings = QProcessEnvironment()
        for name, value in clean_environment(os.environ).items():
            surroundings.insert(name, value)
        self._process.setProcessEnvironment(surroundings)
        # Python would look for packages where QGIS was started, too.
        self._process.setWorkingDirectory(QgsApplication.qgisSettingsDirPath())
        self._arrange()

    def _arrange(self) -> None:
        text = QLabel(
            tr(
                "The work is done by the program rsic. Install makes a Python environment of its own in "
                "{folder} and lets pip load rsic-geo and what it needs from the Python Package Index (some "
                "hundred MB on disk, no torch). Nothing else on this computer is changed; removing that "
                "folder removes it."
            ).format(folder=root())
        )
        text.setWordWrap(True)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.start_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.addWidget(text)
        layout.addWidget(QLabel(tr("Package, or the folder or wheel of rsic-geo on this computer")))
        layout.addWidget(self.package)
        layout.addWidget(self.log)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)

    def begin(self) -> None:
        """Look for a Python that can, then go step by step."""
        self.start_button.setEnabled(False)
        self.cancel_button.setText(tr("Cancel"))
        self.log.clear()
        self._result = b""
        self._pythons = list(install.pythons(os.environ))
        self._steps = []
        self._folder = None
        self.bar.setRange(0, 0)
        self._probe()

    def _probe(self) -> None:
        if not self._pythons:
            self._end(
                tr(
                    "No Python of version {version} or newer with venv was found. Install one (python.org, "
                    "or your system's packages python3 and python3-venv) and try again."
                ).format(version=".".join(map(str, install.OLDEST)))
            )
            return
        self._start([self._pythons[0], "-c", install.PROBE])

    def _start(self, words: list[str]) -> None:
        program, *rest = words
        self._process.start(program, rest)

    def _next(self, exit_code: int) -> None:
        """Take how a step ended, and go on."""
        if self._folder is None:  # a Python was tried
            python = self._pythons.pop(0)
            if exit_code != 0:
                self._probe()
                return
            self._folder = install.new_folder(root())
            self._steps = install.steps(python, self._folder, self.package.text().strip())
            self._count = len(self._steps)
            self._pythons = []
        elif exit_code != 0:
            self._end(tr("The engine was not installed: see the lines above, and try again."))
            return
        done = self._count - len(self._steps)
        if not self._steps:
            self._finish()
            return
        self.bar.setRange(0, self._count)
        self.bar.setValue(done)
        step = self._steps.pop(0)
        self.log.appendPlainText("> " + " ".join(step))
        self._result = b""
        self._start(step)

    def _finish(self) -> None:
        try:
            version = parse_capabilities(self._result.decode("utf-8", "replace")).version
        except EngineError as error:
            self._end(error_text(error, tr))
            return
        folder, self._folder = self._folder, None  # it is kept from here on
        write_settings(replace(read_settings(), engine=str(folder)))
        install.remove_others(root(), folder)
        self.bar.setValue(self._count)
        self._end(
            tr("rsic {version} is installed and chosen in Settings > Options > RSIC.").format(version=version)
        )

    def _end(self, text: str) -> None:
        """Say how it ended; what was made in vain is removed."""
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self._steps, self._pythons = [], []
        self.bar.setRange(0, 1)
        self.log.appendPlainText(text)
        self.start_button.setEnabled(True)
        self.cancel_button.setText(tr("Close"))

    def _fail(self, error: object) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._next(1)

    def _hear(self) -> None:
        data = self._process.readAllStandardOutput().data()
        self._result += data
        if self._steps:  # the answer of the last one is no reading
            self.log.appendPlainText(data.decode("utf-8", "replace").rstrip())

    def _listen(self) -> None:
        self.log.appendPlainText(
            self._process.readAllStandardError().data().decode("utf-8", "replace").rstrip()
        )

    def is_working(self) -> bool:
        """Whether a step runs."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    def reject(self) -> None:
        """Cancel what runs, or close."""
        if not self.is_working():
            super().reject()
            return
        self._process.blockSignals(True)
        self._process.terminate()
        if not self._process.waitForFinished(_PATIENCE):
            self._process.kill()
            self._process.waitForFinished(_PATIENCE)
        self._process.blockSignals(False)
        self._end(tr("Cancelled: nothing was installed."))
