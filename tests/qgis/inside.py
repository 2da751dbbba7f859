"""Runs in QGIS's own Python: `python3 inside.py SCENARIO JSON` prints the result as its last line.

The tests start it as a process of its own, for their Python cannot import QGIS.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

PLUGINS = Path.home() / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
sys.path += ["/usr/share/qgis/python/plugins", str(PLUGINS)]

from qgis.core import (  # noqa: E402 - QGIS's folders have to be known first
    QgsApplication,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterRasterLayer,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)


def start(is_graphical: bool = False) -> QgsApplication:
    """Start QGIS with the profile of HOME and the plugin in it."""
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication(
        [], is_graphical, str(Path.home() / ".local/share/QGIS/QGIS3/profiles/default")
    )
    application.initQgis()
    from processing.core.Processing import Processing

    Processing.initialize()
    return application


def load() -> None:
    """Load the plugin as QGIS does."""
    import rsic_geo_qgis

    plugin = rsic_geo_qgis.classFactory(None)
    plugin.initProcessing()
    load.plugin = plugin


def run(name: str, **parameters: object) -> dict:
    import processing

    feedback = QgsProcessingFeedback(False)
    results = processing.run(name, parameters, feedback=feedback)
    return {**results, "log": feedback.textLog()}


def attempt(name: str, **parameters: object) -> str:
    """Return what an algorithm refuses or fails with; empty if it works."""
    try:
        run(name, **parameters)
    except QgsProcessingException as error:
        return str(error)
    return ""


def provider() -> dict:
    load()
    found = QgsApplication.processingRegistry().providerById("rsic")
    algorithms = {}
    for algorithm in found.algorithms():
        made = algorithm.create()
        can, why = made.canExecute()
        algorithms[algorithm.id()] = {
            "help": made.shortHelpString(),
            "icon": os.path.exists(made.svgIconPath()),
            "parameters": [
                [p.name(), p.type(), bool(p.help()), p.description()] for p in made.parameterDefinitions()
            ],
            "outputs": [output.name() for output in made.outputDefinitions()],
            "models": _options(made, "MODEL") or _options(made, "ENHANCE"),
            "can": can,
            "why": why,
            "help_url": made.helpUrl(),
            "is_asked": algorithm.parameterDefinition("MODEL") is not None,
        }
    return {"warning": found.warningMessage(), "version": found.versionInfo(), "algorithms": algorithms}


def _options(algorithm: object, name: str) -> list[str]:
    definition = algorithm.parameterDefinition(name)
    return list(definition.options()) if definition is not None else []


def every_algorithm(scene: str, folder: str) -> dict:
    """Every algorithm once, each on what the one before made."""
    load()
    out = Path(folder)
    common = {"DEVICE": "cpu", "THREADS": 1}
    found = {
        "compress": run(
            "rsic:compress",
            INPUT=scene,
            TARGET="psnr",
            TARGET_VALUE=36,
            GEOREF="gml",
            OVERVIEWS=True,
            SEAL=True,
            OUTPUT=str(out / "a.jp2"),
            REPORT=str(out / "a.json"),
            **common,
        )
    }
    found["layer"] = QgsRasterLayer(str(out / "a.jp2"), "a").crs().authid()
    found["decompress"] = run(
        "rsic:decompress", INPUT=str(out / "a.jp2"), OUTPUT=str(out / "b.tif"), **common
    )
    found["enhance"] = run(
        "rsic:enhance", INPUT=str(out / "a.jp2"), MODEL="rsic-nano", OUTPUT=str(out / "c.tif"), **common
    )
    found["compare"] = run(
        "rsic:compare", REFERENCE=scene, INPUT=str(out / "b.tif"), REPORT=str(out / "d.html"), MIN_PSNR=35
    )
    found["validate"] = run("rsic:validate", INPUT=str(out / "a.jp2"), REPORT=str(out / "e.html"))
    found["checkengine"] = run("rsic:checkengine", REPORT=str(out / "f.html"))
    return found


def ledger(path: str) -> dict:
    """The ledger of a folder as a layer: its features, where they are, and their states."""
    layer = QgsVectorLayer(path, "ledger", "ogr")
    fields = layer.fields().names()
    features = list(layer.getFeatures()) if layer.isValid() else []
    boxes = [feature.geometry().boundingBox() for feature in features if not feature.geometry().isEmpty()]
    return {
        "valid": layer.isValid(),
        "crs": layer.crs().authid(),
        "states": sorted(str(feature["state"]) for feature in features) if "state" in fields else [],
        "centres": [[box.center().x(), box.center().y()] for box in boxes],
    }


def layers(scene: str, folder: str) -> dict:
    """Layers as input: a file in a project, a service, one in memory, a vector, a file that is none."""
    load()
    out = Path(folder)
    project = QgsProject.instance()
    layer = QgsRasterLayer(scene, "my scene")
    project.addMapLayer(layer)
    service = QgsRasterLayer("type=xyz&url=http://127.0.0.1:9/{z}/{x}/{y}.png&zmax=3&zmin=0", "tiles", "wms")
    from osgeo import gdal

    gdal.UseExceptions()
    gdal.Translate("/vsimem/memory.tif", scene)
    memory = QgsRasterLayer("/vsimem/memory.tif", "in memory")
    points = QgsVectorLayer("Point?crs=epsg:4326", "points", "memory")
    for other in (service, memory, points):
        project.addMapLayer(other, False)
    target = {"MODEL": "none", "OUTPUT": str(out / "x.jp2")}
    twin = out / "same.jp2"
    twin.write_bytes(Path(scene).read_bytes())
    return {
        "valid": [service.isValid(), memory.isValid()],
        "by_name": run("rsic:compress", INPUT="my scene", MODEL="none", OUTPUT=str(out / "by name.jp2"))[
            "OUTPUT"
        ],
        "layer": run("rsic:compress", INPUT=layer, MODEL="none", OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"],
        "service": attempt("rsic:compress", INPUT=service, **target),
        "memory": attempt("rsic:compress", INPUT=memory, **target),
        "vector": attempt("rsic:compress", INPUT=points, **target),
        "missing": attempt("rsic:compress", INPUT=str(out / "nothing.tif"), **target),
        "same": attempt("rsic:compress", INPUT=str(twin), MODEL="none", OUTPUT=str(twin)),
        "no_value": attempt("rsic:compress", INPUT=scene, TARGET="psnr", **target),
        "lossless_enhance": attempt("rsic:enhance", INPUT=scene, OUTPUT=str(out / "y.tif")),
        "folder": attempt("rsic:compress", INPUT=scene, MODEL="none", OUTPUT="/nonexistent/x.jp2"),
        "left": sorted(path.name for path in out.iterdir()),
    }


def loading(scene: str, folder: str) -> dict:
    """What Processing would load into the project after a run, and under which name."""
    load()
    context = QgsProcessingContext()
    project = QgsProject.instance()
    context.setProject(project)
    feedback = QgsProcessingFeedback(False)
    output = QgsProcessingOutputLayerDefinition(str(Path(folder) / "x.jp2"), project)
    parameters = {"INPUT": scene, "MODEL": "none", "OUTPUT": output}
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
    results, is_fine = algorithm.run(parameters, context, feedback)
    from processing.gui.Postprocessing import handleAlgorithmResults

    handleAlgorithmResults(algorithm, context, feedback, False, parameters)
    return {
        "fine": is_fine,
        "wrong name": attempt("rsic:compress", INPUT=scene, MODEL="none", OUTPUT=str(Path(folder) / "x.tif")),
        "layers": [[layer.name(), layer.source(), layer.isValid()] for layer in project.mapLayers().values()],
    }


def background(scene: str, folder: str, extent: str) -> dict:
    """A run as a dialog starts it: in a thread of its own, with a layer of the project."""
    load()
    from qgis.core import QgsProcessingAlgRunnerTask
    from qgis.PyQt.QtCore import QEventLoop

    project = QgsProject.instance()
    layer = QgsRasterLayer(scene, "my scene")
    project.addMapLayer(layer)
    found = {}
    for name, changes in (("whole", {}), ("part", {"EXTENT": extent, "BANDS": [2]})):
        context = QgsProcessingContext()
        context.setProject(project)
        feedback = QgsProcessingFeedback(False)
        output = str(Path(folder) / f"{name}.jp2")
        parameters = {"INPUT": layer.id(), "MODEL": "none", "OUTPUT": output, **changes}
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
        task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
        loop = QEventLoop()

        def finish(is_fine: bool, results: dict, name: str = name, loop: QEventLoop = loop) -> None:
            found[name] = {"fine": is_fine, **results}
            loop.quit()

        task.executed.connect(finish)
        QgsApplication.taskManager().addTask(task)
        loop.exec()
        found[name]["log"] = feedback.textLog()
    return found


def part(scene: str, folder: str, extent: str, bands: list[int]) -> dict:
    load()
    out = Path(folder)
    run("rsic:compress", INPUT=scene, BANDS=bands, EXTENT=extent, MODEL="none", OUTPUT=str(out / "part.jp2"))
    run("rsic:compress", INPUT=scene, BANDS=[1], MODEL="none", OUTPUT=str(out / "band.jp2"))
    return {
        "outside": attempt(
            "rsic:compress", INPUT=scene, EXTENT="0,1,0,1 [EPSG:4326]", OUTPUT=str(out / "n.jp2")
        ),
        "band": attempt("rsic:compress", INPUT=scene, BANDS=[99], MODEL="none", OUTPUT=str(out / "n.jp2")),
        "left": sorted(path.name for path in out.iterdir()),
    }


def parts(scene: str, archive: str, lossy: str, folder: str, extent: str) -> dict:
    """Parts of an archive and of another program's file, with every parameter that says which."""
    load()
    out = Path(folder)
    common = {"DEVICE": "cpu", "THREADS": 1}
    found = {
        "part": run(
            "rsic:decompress",
            INPUT=archive, ENHANCE="off", EXTENT=extent, BANDS=[3, 1], OUTPUT=str(out / "part.tif"), **common,
        ),
        "level": run("rsic:decompress", INPUT=archive, LEVEL=2, OUTPUT=str(out / "level.tif"), **common),
        "enhance": run(
            "rsic:enhance",
            INPUT=lossy, EXTENT=extent, BANDS=[2], MAX_CHANGE=3, WINDOW_SIZE=256, MODEL_FILE=_weights(),
            OUTPUT=str(out / "enhanced.tif"), CHANGE=str(out / "change.tif"), **common,
        ),
        "compare": run(
            "rsic:compare",
            REFERENCE=scene, INPUT=scene, METRICS=["MS-SSIM", "GMSD"], REPORT=str(out / "c.html"),
        ),
    }  # fmt: skip
    found["outside"] = attempt(
        "rsic:decompress", INPUT=archive, EXTENT="0,1,0,1 [EPSG:4326]", OUTPUT=str(out / "n.tif")
    )
    found["left"] = sorted(path.name for path in out.iterdir())
    return found


def _weights() -> str:
    import subprocess

    from rsic_geo_qgis.engine.locate import find_engine

    python = find_engine().program.parent / "python"
    code = "import rsic_geo.weights as w; print(next(iter(w.__path__)))"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return str(Path(done.stdout.strip()) / "rsic-nano.safetensors")


def codecs(scene: str, folder: str) -> dict:
    """A codec with a name of its own for its archives, which only the engine knows of."""
    load()
    out = Path(folder)
    values = {"INPUT": scene, "CODEC": "strange:b", "MODEL": "none", "TARGET": "bpp", "TARGET_VALUE": 1}
    definition = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
    output, context = definition.parameterDefinition("OUTPUT"), QgsProcessingContext()
    names = ("a.jp2", "a.odd.tif", "a.b.odd", "a.png")
    accepted = [
        definition.provider().isSupportedOutputValue(str(out / name), output, context) for name in names
    ]
    return {
        "accepted": [is_fine for is_fine, _ in accepted],
        "options": _options(definition, "CODEC"),
        "extensions": definition.parameterDefinition("OUTPUT").supportedOutputRasterLayerExtensions(),
        "temporary": run("rsic:compress", **values, OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"],
        "loaded": _loaded(values),
        "named": run("rsic:compress", **values, OUTPUT=str(out / "x.odd"))["OUTPUT"],
        "wrong": attempt("rsic:compress", **values, OUTPUT=str(out / "x.jp2")),
        "lossless": attempt("rsic:compress", INPUT=scene, CODEC="strange", OUTPUT=str(out / "x.odd.tif")),
        "folder": run(
            "rsic:reencodefolder",
            FOLDER=str(Path(scene).parent), PATTERN=Path(scene).name,
            CODEC="strange", TARGET="bpp", TARGET_VALUE=1,
            OUTPUT_FOLDER=str(out / "many"), SUMMARY=str(out / "s.csv"),
        ),
        "page": _page(scene, out),
        "left": sorted(path.name for path in out.rglob("*") if path.is_file()),
    }  # fmt: skip


def _loaded(values: dict) -> list[str]:
    """Return the files whose layers QGIS would load, where it made up their names."""
    context = QgsProcessingContext()
    context.setProject(QgsProject.instance())
    output = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", QgsProject.instance())
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
    results, is_fine = algorithm.run({**values, "OUTPUT": output}, context, QgsProcessingFeedback(False))
    assert is_fine
    found = [f"{path} {details.name}" for path, details in context.layersToLoadOnCompletion().items()]
    return [results["OUTPUT"], *found]


def _page(scene: str, out: Path) -> list[str]:
    """A page of an archive, as QGIS calls it, is the archive; one of another TIFF is that page."""
    import shutil

    from rsic_geo_qgis.algorithms.sources import layer_source

    found = []
    for name in ("page.odd.tif", "page.tif"):
        shutil.copy(scene, out / name)
        layer = QgsRasterLayer(f"GTIFF_DIR:1:{out / name}", "page")
        found.append(layer_source(layer, [".odd.tif"]) if layer.isValid() else "invalid")
    return found


def truth(scene: str, folder: str, **parameters: object) -> dict:
    """What a run says of an archive, and its layer in QGIS: the samples, and how it is drawn."""
    load()
    out = Path(folder)
    archive = run("rsic:compress", INPUT=scene, OUTPUT=str(out / "a.jp2"), **parameters)
    run("rsic:decompress", INPUT=archive["OUTPUT"], OUTPUT=str(out / "b.tif"), DEVICE="cpu", THREADS=1)
    layer = QgsRasterLayer(archive["OUTPUT"], "archive")
    assert layer.isValid()
    provider, extent = layer.dataProvider(), layer.extent()
    size = layer.width(), layer.height()
    for number in range(1, layer.bandCount() + 1):
        block = provider.block(number, extent, *size)
        samples = [[block.value(row, column) for column in range(size[0])] for row in range(size[1])]
        (out / f"{number}.json").write_text(json.dumps(samples))
    image = layer.renderer().block(1, extent, *size).image()
    alpha = [[image.pixel(column, row) >> 24 for column in range(size[0])] for row in range(size[1])]
    (out / "alpha.json").write_text(json.dumps(alpha))
    return {**archive, "bands": layer.bandCount(), "size": size}


class Log(QgsProcessingFeedback):
    """Keeps every line that is said, but for the command, which is there to be typed again."""

    def __init__(self) -> None:
        super().__init__(False)
        self.lines: list[str] = []

    def pushInfo(self, info: str) -> None:
        self.lines.append(info)

    def pushWarning(self, warning: str) -> None:
        self.lines.append(warning)

    def pushConsoleInfo(self, info: str) -> None:
        self.lines.append(info)

    def setProgressText(self, text: str) -> None:
        self.lines.append(text)

    def reportError(self, error: str, fatalError: bool = False) -> None:
        self.lines.append(error)


def said(runs: list, language: str = "") -> list:
    """Everything dialogs say in some runs, right and wrong ones, in a language: lines, error, results."""
    from qgis.core import QgsSettings

    if language:
        QgsSettings().setValue("locale/userLocale", language)
    load()
    QgsSettings().remove("locale/userLocale")
    import processing

    found = []
    for name, parameters in runs:
        log, error, results = Log(), "", {}
        try:
            results = processing.run(name, parameters, feedback=log)
        except QgsProcessingException as problem:
            error = str(problem)
        found.append({"lines": log.lines, "error": error, "results": results})
    return found


def unreadable(scene: str, folder: str) -> dict:
    """Files that are there and may not be read, as a user who is not root meets them."""
    load()
    from rsic_geo_qgis.algorithms import sources

    closed = str(Path(folder) / "closed.tif")
    Path(closed).write_bytes(Path(scene).read_bytes()[:1000])

    class Closed:
        path, R_OK = os.path, os.R_OK

        @staticmethod
        def access(path: str, _mode: int) -> bool:
            return path != closed

        @staticmethod
        def stat(path: str) -> object:
            if "locked" in path:
                raise PermissionError(path)
            return os.stat(path)

    sources.os = Closed
    target = {"OUTPUT": str(Path(folder) / "x.jp2")}
    return {
        "file": attempt("rsic:compress", INPUT=closed, **target),
        "folder": sources._is_there("/locked/a.tif"),
        "missing": sources._is_there("/no/such.tif"),
    }


def devices(kept: str) -> dict:
    """What the dialogs and the options offer as device where another one was chosen on another machine."""
    from qgis.core import QgsSettings

    load()
    from rsic_geo_qgis.options_page import RsicOptionsFactory
    from rsic_geo_qgis.settings import current_capabilities

    QgsSettings().setValue("rsic_geo/device", kept)
    known = current_capabilities()
    found = {}
    for algorithm in QgsApplication.processingRegistry().providerById("rsic").algorithms():
        made = algorithm.create()
        if made.parameterDefinition("DEVICE") is not None:
            found[made.name()] = [_options(made, "DEVICE"), made.parameterDefinition("DEVICE").defaultValue()]
    page = RsicOptionsFactory().createWidget(None)
    shown = [page.device.itemText(index) for index in range(page.device.count())]
    QgsSettings().remove("rsic_geo/device")
    return {"known": known.devices, "dialogs": found, "page": shown, "chosen": page.device.currentText()}


def model(scene: str, folder: str) -> dict:
    """A model of two of our algorithms: archive, then the scene back; saved, loaded again and run."""
    load()
    chain = QgsProcessingModelAlgorithm("chain", "tests")
    chain.addModelParameter(
        QgsProcessingParameterRasterLayer("scene", "Scene"), QgsProcessingModelParameter("scene")
    )
    source = QgsProcessingModelChildParameterSource
    archive = QgsProcessingModelChildAlgorithm("rsic:compress")
    archive.setChildId("archive")
    archive.addParameterSources("INPUT", [source.fromModelParameter("scene")])
    for name, value in (("TARGET", "lossless"), ("MODEL", "none")):
        archive.addParameterSources(name, [source.fromStaticValue(value)])
    kept = QgsProcessingModelOutput("archive", "Archive")
    kept.setChildId("archive")
    kept.setChildOutputName("OUTPUT")
    archive.setModelOutputs({"archive": kept})
    chain.addChildAlgorithm(archive)
    back = QgsProcessingModelChildAlgorithm("rsic:decompress")
    back.setChildId("back")
    back.addParameterSources("INPUT", [source.fromChildOutput("archive", "OUTPUT")])
    product = QgsProcessingModelOutput("scene back", "Scene back")
    product.setChildId("back")
    product.setChildOutputName("OUTPUT")
    back.setModelOutputs({"scene back": product})
    chain.addChildAlgorithm(back)
    path = str(Path(folder) / "chain.model3")
    assert chain.toFile(path)
    loaded = QgsProcessingModelAlgorithm()
    assert loaded.fromFile(path)
    loaded.initAlgorithm()
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback(False)
    names = {p.description(): p.name() for p in loaded.parameterDefinitions()}
    parameters = {
        names["Scene"]: scene,
        names["Archive"]: "TEMPORARY_OUTPUT",
        names["Scene back"]: str(Path(folder) / "back.tif"),
    }
    results, is_fine = loaded.run(parameters, context, feedback)
    kept = loaded.parameterDefinition(names["Archive"]).defaultFileExtension()
    return {
        "fine": is_fine,
        "extension": kept,
        "results": {k: str(v) for k, v in results.items()},
        "log": feedback.textLog(),
        "names": names,
    }


def batch(scenes: list[str], folder: str) -> dict:
    """The dialog of QGIS's batch mode, with one row per scene."""
    load()
    from processing.gui.BatchAlgorithmDialog import BatchAlgorithmDialog
    from qgis.gui import QgsGui

    QgsGui.editorWidgetRegistry().initEditors()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
    dialog = BatchAlgorithmDialog(algorithm)
    panel = dialog.mainWidget()
    panel.addRow(len(scenes) - panel.batchRowCount())
    columns = {definition: column for column, definition in panel.column_to_parameter_definition.items()}
    outputs = [str(Path(folder) / f"{Path(scene).stem}.jp2") for scene in scenes]
    context = QgsProcessingContext()
    for row, (scene, output) in enumerate(zip(scenes, outputs, strict=True)):
        first = 1 if panel.tblParameters.rowCount() > len(scenes) else 0
        panel.wrappers[row][columns["INPUT"]].setParameterValue(scene, context)
        panel.wrappers[row][columns["MODEL"]].setParameterValue("none", context)
        panel.tblParameters.cellWidget(row + first, columns["OUTPUT"]).setValue(output)
    panel.checkLoadLayersOnCompletion.setChecked(False)
    dialog.runAlgorithm()
    return {"outputs": outputs, "log": dialog.textLog() if hasattr(dialog, "textLog") else ""}


def cancel(scene: str, output: str, after: float) -> dict:
    """Stop in the middle of a large scene; say how long that took and who is left."""
    load()
    import processing

    feedback = QgsProcessingFeedback(False)
    moments: dict[str, float] = {}
    children: list[str] = []

    def watch() -> None:
        while feedback.progress() < after and "end" not in moments:
            time.sleep(0.02)
        children.extend(_children())
        moments["cancel"] = time.monotonic()
        feedback.cancel()

    watcher = threading.Thread(target=watch)
    watcher.start()
    results = processing.run(
        "rsic:compress", {"INPUT": scene, "MODEL": "none", "OUTPUT": output}, feedback=feedback
    )
    moments["end"] = time.monotonic()
    watcher.join()
    return {
        "results": results,
        "seconds": moments["end"] - moments["cancel"],
        "children_before": len(children),
        "children_after": _children(),
        "progress": feedback.progress(),
        "log": feedback.textLog(),
    }


def _children() -> list[str]:
    """Return the living processes that have this one as parent or ancestor."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found: list[int] = []
    circle = [os.getpid()]
    while circle:
        circle = [pid for pid, parent in parents.items() if parent in circle]
        found += circle
    return [str(pid) for pid in found]


def options(engine: str) -> dict:
    """The page in QGIS's options: what Test says of a good and a bad engine, and what is kept."""
    load()
    from rsic_geo_qgis.options_page import RsicOptionsFactory
    from rsic_geo_qgis.settings import read_settings

    page = RsicOptionsFactory().createWidget(None)
    page.engine.setFilePath("/no/such/rsic")
    page.test_button.click()
    bad = page.verdict.text()
    page.engine.setFilePath(engine)
    page.test_button.click()
    good = page.verdict.text()
    page.memory.setText("256")
    page.environment.setPlainText("A=1")
    page.apply()
    again = RsicOptionsFactory().createWidget(None)
    kept = read_settings()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:compress")
    return {
        "bad": bad,
        "good": good,
        "kept": [kept.engine, kept.memory, kept.environment, again.memory.text()],
        "default": algorithm.parameterDefinition("MEMORY").defaultValue(),
    }


def dialogs() -> dict:
    """Pictures of the parameters dialog of every algorithm and of the page of options, in German."""
    from qgis.core import QgsSettings

    QgsSettings().setValue("locale/userLocale", "de")
    load()
    QgsSettings().remove("locale/userLocale")
    from processing.gui.AlgorithmDialog import AlgorithmDialog
    from qgis.gui import QgsGui

    QgsGui.editorWidgetRegistry().initEditors()
    found = {}
    for algorithm in QgsApplication.processingRegistry().providerById("rsic").algorithms():
        dialog = AlgorithmDialog(algorithm.create())
        dialog.show()
        QgsApplication.processEvents()
        found[algorithm.name()] = shot(dialog, algorithm.name())
        dialog.close()
    from rsic_geo_qgis.options_page import RsicOptionsFactory

    page = RsicOptionsFactory().createWidget(None)
    page.resize(600, 500)
    found["options"] = shot(page, "options")
    return found


def german() -> dict:
    """What a user of QGIS in German reads."""
    from qgis.core import QgsSettings

    QgsSettings().setValue("locale/userLocale", "de_AT")
    load()
    algorithms = QgsApplication.processingRegistry().providerById("rsic").algorithms()
    QgsSettings().remove("locale/userLocale")
    return {algorithm.name(): [algorithm.displayName(), algorithm.group()] for algorithm in algorithms}


def unload() -> dict:
    """The plugin goes without a trace, and comes back."""
    load()
    registry = QgsApplication.processingRegistry()
    before = registry.providerById("rsic") is not None
    load.plugin.unload()
    between = registry.providerById("rsic") is not None
    load()
    return {"before": before, "between": between, "after": registry.providerById("rsic") is not None}


class Window:
    """As much of QGIS's window as the plugin takes notice of."""

    def __init__(self) -> None:
        from qgis.gui import QgsMapCanvas, QgsMessageBar
        from qgis.PyQt.QtWidgets import QMainWindow, QMenu

        self.window, self.bar, self.menu, self.canvas = (
            QMainWindow(),
            QgsMessageBar(),
            QMenu(),
            QgsMapCanvas(),
        )
        self.of_layers: list = []
        self.active = None

    def mainWindow(self) -> object:
        return self.window

    def rasterMenu(self) -> object:
        return self.menu

    def messageBar(self) -> object:
        return self.bar

    def activeLayer(self) -> object:
        return self.active

    def addCustomActionForLayerType(self, action: object, menu: str, _kind: object, _all: bool) -> None:
        self.of_layers.append(action)

    def removeCustomActionForLayerType(self, action: object) -> None:
        self.of_layers.remove(action)

    def registerOptionsWidgetFactory(self, _factory: object) -> None:
        pass

    def unregisterOptionsWidgetFactory(self, _factory: object) -> None:
        pass


def window() -> Window:
    """Load the plugin as QGIS with a window does."""
    import qgis.utils
    import rsic_geo_qgis

    qgis.utils.iface = Window()
    load.plugin = rsic_geo_qgis.classFactory(qgis.utils.iface)
    load.plugin.initGui()
    return qgis.utils.iface


def until(condition: object, seconds: float = 60) -> None:
    """Let events happen until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it took too long"
        QgsApplication.processEvents()
        time.sleep(0.01)


def repaired(archive: str, plain: str, lossless: str, folder: str) -> dict:
    """A layer repaired: its samples, place in the project and end; what is said where there is none."""
    iface = window()
    project, actions = QgsProject.instance(), load.plugin.actions
    source = QgsRasterLayer(archive, "archive")
    project.addMapLayer(source)
    iface.active = source
    entries = {action.text(): action for action in iface.of_layers}
    found: dict = {
        "entries": list(entries),
        "icons": [not action.icon().isNull() for action in iface.of_layers],
    }
    running = actions.layers.running

    def layer() -> object:
        return next((each for each in project.mapLayers().values() if "repaired" in each.name()), None)

    entries["Show repaired"].trigger()
    until(lambda: layer() is not None)
    shown = layer()
    found["order"] = [each.name() for each in project.layerTreeRoot().layerOrder()]
    found["alike"] = shown.renderer().type() == source.renderer().type()
    found["about"] = shown.metadata().abstract()
    found["placed"] = [shown.crs() == source.crs(), shown.extent() == source.extent(), shown.isValid()]
    provider, extent, size = shown.dataProvider(), shown.extent(), (shown.width(), shown.height())
    for number in range(1, shown.bandCount() + 1):
        block = provider.block(number, extent, *size)
        samples = [[block.value(row, column) for column in range(size[0])] for row in range(size[1])]
        (Path(folder) / f"{number}.json").write_text(json.dumps(samples))
    found["drawn"] = _drawn(shown)
    found["children"] = len(_children())
    project.write(str(Path(folder) / "kept.qgz"))
    project.clear()
    until(lambda: not running)
    found["after clearing"] = _children()
    project.read(str(Path(folder) / "kept.qgz"))
    until(lambda: layer() is not None and layer().isValid())
    found["revived"] = layer().dataProvider().sample(layer().extent().center(), 1)
    project.removeMapLayer(layer().id())
    until(lambda: not running)
    said = []
    for path in (plain, lossless, str(Path(folder) / "missing.jp2")):
        actions.layers.show(path)
        until(lambda: not running)
        said.append(iface.bar.currentItem().text())
    engine, os.environ["RSIC_ENGINE"] = os.environ["RSIC_ENGINE"], "/no/such/rsic"
    actions.layers.show(archive)
    said.append(iface.bar.currentItem().text())
    os.environ["RSIC_ENGINE"] = engine
    actions.layers.show(archive)
    load.plugin.unload()
    found["left"] = [len(iface.of_layers), len(iface.menu.actions()), _children()]
    return {**found, "said": said}


def folder_run(scenes: str, folder: str) -> dict:
    """A folder with a scene that fails: what is said, and the layer of its ledger."""
    iface = window()
    from processing.gui.Postprocessing import handleAlgorithmResults

    context, log = QgsProcessingContext(), Log()
    project = QgsProject.instance()
    context.setProject(project)
    parameters = {"FOLDER": scenes, "OUTPUT_FOLDER": folder, "MODEL": "none"}
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("rsic:reencodefolder")
    results, is_fine = algorithm.run(parameters, context, log)
    handleAlgorithmResults(algorithm, context, log, False, parameters)
    (layer,) = project.mapLayers().values()
    return {
        "fine": is_fine,
        "failed": results["FAILED"],
        "name": layer.name(),
        "style": layer.renderer().type(),
        "selected": [Path(feature["source"]).name for feature in layer.selectedFeatures()],
        "bar": iface.bar.currentItem().text(),
        "lines": log.lines,
    }


def left(fractions: list, seconds: list) -> list:
    """What the log says of the time that is left, at some progress and some time after the start."""
    load()
    from rsic_geo_qgis.algorithms import base

    log, times = Log(), iter([0.0, *seconds])

    class Clock:
        monotonic = staticmethod(lambda: next(times))

    base.time = Clock
    monitor = base.QgisMonitor(log, {})
    monitor.stage("encoding")
    for fraction in fractions:
        monitor.progress(fraction)
    return log.lines


def differences(first: str, second: str, folder: str) -> dict:
    """The pictures of a comparison: captions, and the lightest pixel of each difference."""
    load()
    from qgis.PyQt.QtGui import QImage
    from rsic_geo_qgis.pictures import side_by_side

    found = {}
    for picture in side_by_side(first, second, QgsProcessingFeedback(False)):
        image = QImage.fromData(picture.png)
        rows = range(image.height() - 14) if picture.caption.startswith("Difference") else range(0)
        lights = [image.pixel(x, y) & 255 for y in rows for x in range(image.width())]
        found[picture.caption] = [image.width(), image.height(), max(lights, default=0)]
    return found


def install(package: str) -> dict:
    """The welcome of a profile without an engine, and the guided installation: failed, cancelled, whole."""
    engine = os.environ.pop("RSIC_ENGINE")
    iface = window()
    from qgis.PyQt.QtWidgets import QPushButton
    from rsic_geo_qgis.install_dialog import root
    from rsic_geo_qgis.settings import engine_problem, read_settings

    item = iface.bar.currentItem()
    found: dict = {"problem": engine_problem(), "welcome": item is not None and item.text() or ""}
    (button,) = [each for each in item.findChildren(QPushButton) if each.text() == "Install the engine..."]
    button.click()
    dialog = load.plugin.actions.dialog

    def last() -> str:
        return dialog.log.toPlainText().splitlines()[-1]

    def made() -> list:
        return sorted(path.name for path in root().glob("*"))

    dialog.package.setText(str(Path(package).with_name("missing.whl")))
    dialog.start_button.click()
    until(dialog.start_button.isEnabled)
    found["failed"] = [last(), made(), dialog.log.toPlainText()]
    dialog.package.setText(package)
    dialog.start_button.click()
    until(lambda: "-m venv" in dialog.log.toPlainText())
    dialog.cancel_button.click()
    found["cancelled"] = [last(), made(), _children(), dialog.isVisible()]
    dialog.start_button.click()
    until(dialog.start_button.isEnabled)
    found["whole"] = [last(), made(), engine_problem(), read_settings().engine == str(root() / "engine-1")]
    found["picture"] = shot(dialog, "install")
    dialog.cancel_button.click()
    found["closed"] = not dialog.isVisible()
    load.plugin.unload()
    iface = window()
    found["second start"] = iface.bar.currentItem() is None
    os.environ["RSIC_ENGINE"] = engine
    return found


def shot(widget: object, name: str) -> dict:
    """Take a picture of a dialog: its size, how many colours it has, and the texts on it."""
    from qgis.PyQt.QtWidgets import QAbstractButton, QComboBox, QLabel

    image = widget.grab().toImage()
    if "RSIC_SHOTS" in os.environ:  # a folder: for a look at what the tests see
        image.save(str(Path(os.environ["RSIC_SHOTS"]) / f"{name}.png"))
    columns, rows = range(0, image.width(), 3), range(0, image.height(), 3)
    words = [each.text() for kind in (QLabel, QAbstractButton) for each in widget.findChildren(kind)]
    words += [each.currentText() for each in widget.findChildren(QComboBox)]
    return {
        "size": [image.width(), image.height()],
        "colours": len({image.pixel(column, row) for column in columns for row in rows}),
        "words": words,
    }


def compress_dialog(scene: str) -> dict:
    """What the dialog of compress fills in, enables and says, by target, preset and scene."""
    iface = window()
    import processing
    import processing.tools.general
    from qgis.gui import QgsGui

    processing.tools.general.iface = iface  # it was imported before there was a window
    QgsGui.editorWidgetRegistry().initEditors()
    layer = QgsRasterLayer(scene, "scene")
    QgsProject.instance().addMapLayer(layer)
    dialog = processing.createAlgorithmDialog("rsic:compress", {"INPUT": layer.id()})
    dialog.show()
    wrappers = dialog.mainWidget().wrappers

    def state() -> list:
        value = wrappers["TARGET_VALUE"]
        return [
            wrappers["TARGET"].parameterValue(), value.parameterValue(), value.wrappedWidget().isEnabled(),
            value.wrappedLabel().text(), dialog.preset.currentText(),
        ]  # fmt: skip

    found = {"kind": type(dialog).__name__, "first": state(), "presets": {}, "targets": {}}
    for index in range(1, dialog.preset.count()):
        dialog.preset.setCurrentIndex(index)
        dialog.preset.activated.emit(index)
        found["presets"][dialog.preset.currentText()] = state()
    for target in ("psnr", "max-error", "max-rel-error", "bpp", "bpppb", "ratio", "snr", "lossless"):
        wrappers["TARGET"].setParameterValue(target, QgsProcessingContext())
        found["targets"][target] = state()
    until(lambda: dialog.expected.text() not in ("", "Trying a sample..."))
    found["expected"] = dialog.expected.text()
    found["picture"] = shot(dialog, "compress")
    wrappers["TARGET"].setParameterValue("psnr", QgsProcessingContext())
    until(lambda: dialog.expected.text() == "Trying a sample...")
    dialog.close()
    until(lambda: not _children())
    return found


def _drawn(layer: object) -> int:
    """How many colours a map of a layer has."""
    from qgis.core import QgsMapRendererParallelJob, QgsMapSettings
    from qgis.PyQt.QtCore import QSize

    settings = QgsMapSettings()
    settings.setLayers([layer])
    settings.setDestinationCrs(layer.crs())
    settings.setExtent(layer.extent())
    settings.setOutputSize(QSize(300, 200))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    image = job.renderedImage()
    return len({image.pixel(column, row) for column in range(300) for row in range(200)})


GRAPHICAL = ("repaired", "install", "folder_run", "compress_dialog", "batch", "options", "dialogs", "devices")

if __name__ == "__main__":
    scenario, arguments = sys.argv[1], json.loads(sys.argv[2])
    application = start(scenario in GRAPHICAL)
    outcome = json.dumps(globals()[scenario](**arguments), default=str)
    sys.stdout.write(f"\n{outcome}\n")
    sys.stdout.flush()
    os._exit(0)  # QGIS's own end is slow, and of no interest here
