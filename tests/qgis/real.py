"""A QGIS of this machine with a fresh profile that has the packed plugin, and ways to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qgis_plugin.tools import startup
from qgis_plugin.tools.pack import pack

QGIS_PROCESS = shutil.which("qgis_process.bin") or shutil.which("qgis_process")
"""Debian's wrapper of that name is broken in 3.22, the program itself is not."""
QGIS_PYTHON = "/usr/bin/python3"
"""The Python QGIS's bindings are made for."""
PLUGIN_NAME = "rsic_geo_qgis"
RSIC = Path(sys.executable).parent / "rsic"

REQUIRED = os.environ.get("RSIC_QGIS") == "required"
"""Where QGIS is meant to be (CI, make test-qgis), its absence is a failure, not a reason to skip."""
ADVICE = "QGIS is not on this machine: make test-qgis installs it (as root: apt-get install qgis xvfb xauth)"


def require_qgis() -> None:
    """Skip the test where there is no QGIS, or fail it where there has to be one."""
    if QGIS_PROCESS is None:
        if REQUIRED:
            pytest.fail(ADVICE, pytrace=False)
        pytest.skip(ADVICE)


def capabilities() -> dict[str, Any]:
    """Return what the engine the tests use says of itself."""
    done = subprocess.run([str(RSIC), "capabilities", "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Finished:
    """A process that has ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What was printed, as JSON."""
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Qgis:
    """A home folder with a QGIS profile in it."""

    home: Path
    engine: str = os.fspath(RSIC)

    @property
    def plugins(self) -> Path:
        """Where QGIS looks for plugins."""
        return self.home / ".local/share/QGIS/QGIS3/profiles/default/python/plugins"

    def environment(self) -> dict[str, str]:
        """Return an environment as a user's: no window, no trace of the tests' own Python."""
        kept = {name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ}
        runtime = self.home / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        return {
            **kept,
            "HOME": os.fspath(self.home),
            "OMP_NUM_THREADS": "1",
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "QT_QPA_PLATFORM": "offscreen",
            "RSIC_ENGINE": self.engine,
            "XDG_RUNTIME_DIR": os.fspath(runtime),
        }

    def install(self) -> None:
        """Unpack the plugin's zip where QGIS looks for plugins."""
        self.plugins.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(pack(self.home)) as archive:
            archive.extractall(self.plugins)

    def process(
        self, *words: str, is_json: bool = False, timeout: float = 800, cwd: Path | None = None
    ) -> Finished:
        """Run qgis_process."""
        assert QGIS_PROCESS is not None
        argv = [QGIS_PROCESS, *(["--json"] if is_json else []), *words]
        return self._run(argv, timeout, cwd)

    def algorithm(self, name: str, *, timeout: float = 800, **parameters: object) -> dict[str, Any]:
        """Run an algorithm with qgis_process and return its results; a failure is one of the test."""
        words = [f"{key}={value}" for key, value in parameters.items()]
        done = self.process("run", name, "--", *words, is_json=True, timeout=timeout)
        assert done.exit_code == 0, done.stderr
        return done.json["results"]

    def inside(self, scenario: str, *, timeout: float = 800, **arguments: object) -> Any:
        """Run a function of ``inside.py`` in a Python process with QGIS in it, and return what it returns."""
        script = Path(__file__).with_name("inside.py")
        done = self._run([QGIS_PYTHON, str(script), scenario, json.dumps(arguments, default=str)], timeout)
        assert done.exit_code == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def start_up(self) -> dict[str, Any]:
        """Start a QGIS without a window, and return what the plugin added to that: see `tools/startup.py`."""
        done = self._run([QGIS_PYTHON, startup.__file__, "--one", os.fspath(self.plugins)], 300)
        assert done.exit_code == 0, done.stdout + done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start qgis_process and return at once."""
        assert QGIS_PROCESS is not None
        quiet = subprocess.DEVNULL
        argv = [QGIS_PROCESS, *words]
        return subprocess.Popen(argv, env=self.environment(), stdin=quiet, stdout=quiet, stderr=quiet)

    def _run(self, argv: list[str], timeout: float, cwd: Path | None = None) -> Finished:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            check=False,
            env=self.environment(),
            timeout=timeout,
            cwd=cwd,
        )
        return Finished(done.returncode, done.stdout, done.stderr)
