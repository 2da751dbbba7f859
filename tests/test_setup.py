"""The set-up asks for the right system packages, installs them only as root, and fails only where it must."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from support import REPOSITORY

UNWANTED = {"qgis", "torch", "dask", "distributed", "compressai", "gdal", "pillow", "pytest"}
SCRIPT = REPOSITORY / ".ci" / "system-packages"


class Machine:
    """A machine of the test's choice: a PATH of stand-ins that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.bin.mkdir()
        for tool in ("grep", "sh", "cat"):
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.has("ldconfig", "true")

    def has(self, name: str, body: str) -> None:
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    def set_up(self, what: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(SCRIPT), what],
            env={"PATH": str(self.bin), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def machine(tmp_path):
    found = Machine(tmp_path)
    found.has("apt-get", f'echo "$@" >> {found.log}')
    found.has("id", "echo 0")
    return found


def test_a_bare_machine_gets_everything(machine):
    machine.has("ldconfig", "echo nothing")
    done = machine.set_up("test")
    assert done.returncode == 0, done.stderr
    installs = [line for line in machine.calls() if line.startswith("install")]
    assert "python3 python3-venv libopenjp2-7" in installs[0]
    assert all(
        name in installs[1] for name in ("libopenjp2-tools", "gdal-bin", "libgdal-dev", "g++", "python3-dev")
    )
    assert installs[2].split()[-1] == "chromium", "by itself: not every distribution has it"


def test_the_demonstration_needs_no_compiler(machine):
    machine.has("ldconfig", "echo nothing")
    machine.set_up("demo")
    assert not any("libgdal-dev" in line or "g++" in line for line in machine.calls())


def test_without_root_the_packages_are_named_and_nothing_is_installed(machine):
    machine.has("ldconfig", "echo nothing")
    machine.has("id", "echo 1000")
    done = machine.set_up("demo")
    assert done.returncode == 1
    assert "apt-get install python3 python3-venv libopenjp2-7" in done.stderr
    assert machine.calls() == []


def test_a_complete_machine_is_left_alone(machine):
    machine.has("ldconfig", "echo 'libopenjp2.so.7 => here'")
    machine.has("python3", f'exec {sys.executable} "$@"')
    done = machine.set_up("demo")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert machine.calls() == []


def test_tools_of_the_tests_are_no_condition(machine):
    machine.has("ldconfig", "echo 'libopenjp2.so.7 => here'")
    machine.has("python3", f'exec {sys.executable} "$@"')
    machine.has("id", "echo 1000")
    done = machine.set_up("test")
    assert done.returncode == 0
    assert "gdal-bin" in done.stderr
    machine.has("id", "echo 0")
    machine.has("apt-get", 'case "$*" in *libgdal-dev*) exit 100;; esac')
    done = machine.set_up("test")
    assert done.returncode == 0
    assert "Could not install" in done.stdout


def test_an_old_python_is_refused_by_name(machine):
    machine.has("old", 'case "$1" in -V) echo "Python 3.8.1";; *) exit 1;; esac')
    done = machine.set_up("demo", PYTHON="old")
    assert done.returncode == 1
    assert "Python 3.8.1" in done.stderr


def test_a_plain_installation_pulls_nothing_it_does_not_need():
    plain = [text for text in requires("rsic-geo") or [] if "extra ==" not in text]
    names = {re.split(r"[^A-Za-z0-9_-]", text, maxsplit=1)[0].lower() for text in plain}
    assert {"numpy", "rasterio", "glymur", "onnxruntime", "click"} <= names
    assert not names & UNWANTED


def test_weights_and_their_cards_travel_with_the_package():
    from rsic_geo import weights

    folder = Path(weights.__file__).parent
    for row in weights.list_weights():
        assert (folder / row.file).stat().st_size <= 10 * 2**20
        assert (folder / Path(row.file).with_suffix(".md").name).is_file()
