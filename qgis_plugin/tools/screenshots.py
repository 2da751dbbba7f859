"""Takes the pictures of the documentation in a real QGIS under Xvfb: `python3 screenshots.py [FOLDER]`.

Needs qgis, xvfb and an engine (RSIC_ENGINE, PATH or the checkout's .venv); leaves the user's profile alone.
It prepares a profile and scenes in a temporary folder and starts QGIS with this very file as its script,
which takes the pictures step by step while QGIS runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER_VARIABLE = "RSIC_SCREENSHOTS"
WORK_VARIABLE = "RSIC_SCREENSHOTS_WORK"
NAME = "rsic_geo_qgis"
HERE = Path(os.environ.get("RSIC_SCREENSHOTS_SCRIPT") or __file__).resolve()
CHECKOUT = HERE.parents[2]
_SCENE = CHECKOUT / "sample_data" / "fields_rgb_utm.tif"
_TARGET = "bpp=0.3"
_SETTINGS = f"""[PythonPlugins]
{NAME}=true
processing=true
[qgis]
checkVersion=false
showTips=false
askToSaveProjectChanges=false
"""


def prepare(work: Path) -> None:
    """Make a profile with the plugin, and an archive decoded with and without repair."""
    sys.path.insert(0, str(CHECKOUT))
    from qgis_plugin.engine.locate import find_engine

    profile = work / "home" / ".local/share/QGIS/QGIS3/profiles/default"
    (profile / "python" / "plugins").mkdir(parents=True)
    (profile / "python" / "plugins" / NAME).symlink_to(CHECKOUT / "qgis_plugin")
    (profile / "QGIS").mkdir()
    (profile / "QGIS" / "QGIS3.ini").write_text(_SETTINGS)
    (work / "runtime").mkdir(mode=0o700)
    rsic = find_engine().argv
    archive = work / "scene.jp2"
    for words in (
        ["compress", str(_SCENE), str(archive), "--target", _TARGET],
        ["decompress", str(archive), str(work / "before.tif"), "--enhance", "off"],
        ["decompress", str(archive), str(work / "after.tif")],
    ):
        subprocess.run([*rsic, *words, "--quiet"], check=True)


def launch(folder: Path) -> int:
    """Start QGIS on a virtual screen, and return its exit code."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        prepare(work)
        environ = {
            **os.environ,
            "HOME": str(work / "home"),
            "XDG_RUNTIME_DIR": str(work / "runtime"),
            FOLDER_VARIABLE: str(folder.resolve()),
            WORK_VARIABLE: str(work),
            "RSIC_SCREENSHOTS_SCRIPT": str(HERE),
            # QGIS takes the Python it finds first for its own; one of pyenv's has no QGIS in it.
            "PATH": os.pathsep.join(["/usr/bin", "/bin", os.environ.get("PATH", "")]),
        }
        environ.pop("QT_QPA_PLATFORM", None)
        screen = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24"]
        command = [*screen, "qgis", "--nologo", "--noversioncheck", "--code", str(HERE)]
        folder.mkdir(parents=True, exist_ok=True)
        return subprocess.run(command, env=environ, check=False, timeout=300).returncode


class Photographer:
    """Runs inside QGIS: one step after the other, with time for windows to appear between them."""

    def __init__(self) -> None:
        from qgis.PyQt.QtCore import QTimer

        self.folder = Path(os.environ[FOLDER_VARIABLE])
        self.work = Path(os.environ[WORK_VARIABLE])
        self.steps = [self.load, self.toolbox, self.dialog, self.canvas, self.end]
        self.timer = QTimer()
        self.timer.timeout.connect(self.step)
        self.timer.start(6000)

    def step(self) -> None:
        """Do the next thing; an error ends QGIS, for nobody is there to read it."""
        try:
            self.steps.pop(0)()
        except Exception as error:
            sys.stderr.write(f"screenshots: {type(error).__name__}: {error}\n")
            os._exit(1)

    def load(self) -> None:
        """Show both scenes, and the toolbox with our provider open."""
        from qgis.core import QgsProject, QgsRasterLayer
        from qgis.PyQt.QtWidgets import QDockWidget, QLineEdit
        from qgis.utils import iface

        window = iface.mainWindow()
        window.resize(1400, 900)
        self.layers = [
            QgsRasterLayer(str(self.work / f"{name}.tif"), label)
            for name, label in (("after", "repaired"), ("before", "as the codec kept it"))
        ]
        archive = QgsRasterLayer(str(self.work / "scene.jp2"), "archive")
        QgsProject.instance().addMapLayers([archive, *self.layers])
        iface.mapCanvas().setExtent(self.layers[0].extent())
        self.dock = window.findChild(QDockWidget, "ProcessingToolbox")
        self.dock.show()
        self.dock.resize(330, 560)
        self.dock.findChild(QLineEdit).setText("rsic")

    def toolbox(self) -> None:
        """Take the toolbox."""
        picture = self.dock.grab()
        self.save(picture.copy(0, 0, picture.width(), 340), "toolbox")

    def dialog(self) -> None:
        """Take the dialog of enhance."""
        from qgis import processing
        from qgis.PyQt.QtCore import QTimer

        dialog = processing.createAlgorithmDialog("rsic:enhance", {"INPUT": "archive", "MAX_CHANGE": 16})
        dialog.resize(860, 700)
        dialog.show()

        def take() -> None:
            self.save(dialog.grab(), "enhance")
            dialog.close()

        QTimer.singleShot(4000, take)

    def canvas(self) -> None:
        """Take the map before and after, and put both halves side by side."""
        from qgis.core import QgsRectangle, QgsVector
        from qgis.PyQt.QtGui import QColor, QPainter, QPixmap
        from qgis.utils import iface

        canvas = iface.mapCanvas()
        centre = self.layers[0].extent().center() + QgsVector(-60, -60)
        canvas.setExtent(QgsRectangle(centre.x() - 260, centre.y() - 170, centre.x() + 260, centre.y() + 170))
        halves = []
        for layer in reversed(self.layers):
            canvas.setLayers([layer])
            canvas.refresh()
            canvas.waitWhileRendering()
            halves.append(canvas.grab())
        side = min(halves[0].width(), halves[0].height(), 320)
        left, top = (halves[0].width() - side) // 2, (halves[0].height() - side) // 2
        picture = QPixmap(2 * side + 4, side)
        picture.fill(QColor("white"))
        painter = QPainter(picture)
        for number, (half, text) in enumerate(zip(halves, (f"JPEG 2000, {_TARGET}", "repaired by rsic"))):
            x = number * (side + 4)
            painter.drawPixmap(x, 0, half.copy(left, top, side, side))
            painter.fillRect(x, side - 24, side, 24, QColor(0, 0, 0, 160))
            painter.setPen(QColor("white"))
            painter.drawText(x + 8, side - 8, text)
        painter.end()
        self.save(picture, "before_after", is_photograph=True)

    def save(self, picture: object, name: str, is_photograph: bool = False) -> None:
        """Write a picture; one of widgets with 256 colours, which keeps it small."""
        from qgis.PyQt.QtCore import Qt
        from qgis.PyQt.QtGui import QImage

        image = picture.toImage().convertToFormat(QImage.Format.Format_RGB32)
        if not is_photograph:
            image = image.convertToFormat(
                QImage.Format.Format_Indexed8,
                Qt.ImageConversionFlag.ThresholdDither | Qt.ImageConversionFlag.AvoidDither,
            )
        if not image.save(str(self.folder / f"{name}.png"), "PNG", 0):
            raise OSError(f"cannot write {name}.png into {self.folder}")

    def end(self) -> None:
        """End QGIS without its questions."""
        os._exit(0)


if FOLDER_VARIABLE in os.environ:
    photographer = Photographer()
elif __name__ == "__main__":
    default = CHECKOUT / "qgis_plugin" / "docs"
    sys.exit(launch(Path(sys.argv[1]) if len(sys.argv) > 1 else default))
