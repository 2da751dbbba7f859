"""Measures what the plugin adds to QGIS's start: `python3 startup.py [RUNS]`, with the Python QGIS uses.

Every run is a process of its own with a QGIS in it, without a window and with a profile of its own. Timed is
what QGIS does with the plugin when it starts: import it, make it, add its provider, make its page for the
options. Processor time is the plugin's own; time on the clock also depends on what else the machine does.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PLUGIN = Path(__file__).resolve().parents[1]
NAME = "rsic_geo_qgis"
LIMIT = 50.0
"""Most milliseconds of processor time (median)."""


def one(plugins: str) -> dict[str, object]:
    """Start QGIS, load the plugin out of the folder ``plugins``, and return milliseconds and modules."""
    sys.path += ["/usr/share/qgis/python/plugins", plugins]
    from qgis.core import QgsApplication

    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], False)
    application.initQgis()
    import qgis.gui  # QGIS has loaded it long before its plugins
    from processing.core.Processing import Processing

    Processing.initialize()
    before = set(sys.modules)
    clock, processor = time.perf_counter(), time.thread_time()
    module = __import__(NAME)
    plugin = module.classFactory(None)
    plugin.initProcessing()
    __import__(f"{NAME}.options_page").options_page.RsicOptionsFactory()
    return {
        "processor": 1000 * (time.thread_time() - processor),
        "clock": 1000 * (time.perf_counter() - clock),
        "modules": sorted(set(sys.modules) - before),
        "toolkit": qgis.gui.__name__,
    }


def measure(runs: int) -> list[dict[str, object]]:
    """Return what each of ``runs`` processes measured; one more, before them, compiles the plugin's files."""
    found = []
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "plugins").mkdir()
        (Path(home) / "plugins" / NAME).symlink_to(PLUGIN)
        environ = {**os.environ, "HOME": home, "XDG_RUNTIME_DIR": home, "QT_QPA_PLATFORM": "offscreen"}
        command = [sys.executable, str(Path(__file__).resolve()), "--one", str(Path(home) / "plugins")]
        for _ in range(runs + 1):
            done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise RuntimeError(done.stderr)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    return found[1:]


def main() -> int:
    """Measure, and say whether it is fast enough."""
    if sys.argv[1:2] == ["--one"]:
        outcome = json.dumps(one(sys.argv[2]))
        sys.stdout.write(f"\n{outcome}\n")
        sys.stdout.flush()
        os._exit(0)  # QGIS's own end is slow, and of no interest here
    rows = measure(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
    median = statistics.median(row["processor"] for row in rows)
    for name, key in (("processor time", "processor"), ("on the clock", "clock")):
        values = [row[key] for row in rows]
        sys.stdout.write(
            f"{name}: median {statistics.median(values):.1f} ms, {min(values):.1f} to {max(values):.1f} ms "
            f"({len(values)} starts)\n"
        )
    return 0 if median < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
