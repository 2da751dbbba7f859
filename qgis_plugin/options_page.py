"""The page RSIC in QGIS's options: which engine, how it works by default, and a button that tests it."""

from __future__ import annotations

from qgis.core import QgsApplication
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from .engine.command import AUTO
from .engine.environment import parse_pairs
from .engine.errors import EngineError
from .engine.locate import find_engine
from .engine.session import Monitor, Session
from .engine.wording import error_text
from .i18n import tr
from .provider import ICON
from .settings import Settings, ask_capabilities, read_settings, remembered_capabilities, write_settings

_TEST_TIME = 30.0
"""Seconds the Test button waits."""


class RsicOptionsFactory(QgsOptionsWidgetFactory):
    """Makes the page when the options are opened."""

    def __init__(self) -> None:
        super().__init__()
        self.setTitle("RSIC")

    def icon(self) -> QIcon:
        return QIcon(str(ICON))

    def createWidget(self, parent: QWidget) -> RsicOptionsPage:
        return RsicOptionsPage(parent)


class RsicOptionsPage(QgsOptionsPageWidget):
    """The page; what it shows is kept when the user accepts the options."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        settings = read_settings()
        known = remembered_capabilities()
        self.engine = QgsFileWidget()
        self.engine.setFilePath(settings.engine)
        self.engine.setDialogTitle(tr("Program rsic, or a Python that has it"))
        self.engine.lineEdit().setPlaceholderText(tr("found by itself: RSIC_ENGINE, PATH"))
        self.device = QComboBox()
        _offer(self.device, known.devices or (AUTO, settings.device), settings.device)
        self.model = QComboBox()
        _offer(self.model, (AUTO, "none", *known.models, settings.model), settings.model)
        self.memory = QLineEdit(settings.memory)
        self.memory.setPlaceholderText(tr("512 (MiB), 2GB or 10%; empty for the engine's default"))
        self.environment = QPlainTextEdit(settings.environment)
        self.environment.setPlaceholderText("CUDA_VISIBLE_DEVICES=0")
        self.environment.setMaximumHeight(70)
        self.test_button = QPushButton(tr("Test"))
        self.test_button.clicked.connect(self.test)
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._arrange()

    def _arrange(self) -> None:
        introduction = QLabel(
            tr(
                "The work is done by the program rsic in a process of its own. Install the Python package "
                "rsic-geo in a Python environment of its own, and give the path of that environment's rsic "
                "or python here."
            )
        )
        introduction.setWordWrap(True)
        form = QFormLayout()
        form.addRow(tr("Engine"), self.engine)
        form.addRow("", self.test_button)
        form.addRow("", self.verdict)
        form.addRow(tr("Default device"), self.device)
        form.addRow(tr("Default network"), self.model)
        form.addRow(tr("Memory for raster cache"), self.memory)
        form.addRow(tr("Extra environment (NAME=VALUE)"), self.environment)
        layout = QVBoxLayout(self)
        layout.addWidget(introduction)
        layout.addLayout(form)
        layout.addStretch(1)

    def settings(self) -> Settings:
        """Return what the page shows."""
        return Settings(
            engine=self.engine.filePath().strip(),
            device=self.device.currentText(),
            model=self.model.currentText(),
            memory=self.memory.text().strip(),
            environment=self.environment.toPlainText().strip(),
        )

    def apply(self) -> None:
        """Keep what the page shows; QGIS calls this when the options are accepted."""
        write_settings(self.settings())

    def test(self) -> None:
        """Ask the engine the page shows what it can do, and show its answer."""
        shown = self.settings()
        self.verdict.setText(tr("Asking the engine..."))
        QgsApplication.processEvents()
        try:
            session = Session(find_engine(shown.engine), extra=parse_pairs(shown.environment))
            known = ask_capabilities(session, Monitor(), _TEST_TIME)
        except (EngineError, OSError) as error:
            self.verdict.setText(error_text(error, tr))
            return
        self.verdict.setText(
            tr("rsic {version} works: {program} ({origin}). Networks: {models}. Devices: {devices}.").format(
                version=known.version,
                program=session.engine.program,
                origin=session.engine.origin,
                models=", ".join(known.models) or tr("none"),
                devices=", ".join(known.devices),
            )
        )
        _offer(self.device, known.devices or (AUTO,), self.device.currentText())
        chosen = self.model.currentText()
        _offer(self.model, (AUTO, "none", *known.models, chosen), chosen)


def _offer(box: QComboBox, options: tuple[str, ...], chosen: str) -> None:
    """Replace the choices; what was chosen stays where it is one of them, else it is the first."""
    words = list(dict.fromkeys(options))
    box.clear()
    box.addItems(words)
    box.setCurrentText(chosen if chosen in words else words[0])
