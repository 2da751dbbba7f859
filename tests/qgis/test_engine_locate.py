"""Where the engine is looked for, and the environment it gets."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from qgis_plugin.engine.environment import clean_environment, parse_pairs
from qgis_plugin.engine.errors import EngineMissingError
from qgis_plugin.engine.locate import find_engine


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_settings_come_before_the_variable_and_the_variable_before_the_path(tmp_path):
    set_, variable, path = (_program(tmp_path / name / "rsic") for name in ("set", "variable", "path"))
    environ = {"RSIC_ENGINE": str(variable), "PATH": str(path.parent)}
    found = [
        find_engine(str(set_), environ),
        find_engine("", environ),
        find_engine("", {"PATH": str(path.parent)}),
    ]
    assert [engine.argv for engine in found] == [(str(set_),), (str(variable),), (str(path),)]
    assert [engine.origin for engine in found] == ["settings", "RSIC_ENGINE", "PATH"]


def test_a_python_is_asked_for_the_module_and_its_link_is_kept(tmp_path):
    link = tmp_path / "venv" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(sys.executable)
    assert find_engine(str(link), {}).argv == (str(link), "-m", "rsic_geo")
    assert find_engine(str(tmp_path / "venv"), {}).argv == (str(link), "-m", "rsic_geo")


def test_an_environment_is_searched_for_its_rsic(tmp_path):
    program = _program(tmp_path / "bin" / "rsic")
    _program(tmp_path / "bin" / "python")
    assert find_engine(str(tmp_path), {}).argv == (str(program),)


def test_what_was_given_on_purpose_is_not_replaced_by_something_else(tmp_path):
    path = _program(tmp_path / "rsic").parent
    for environ, setting in (
        ({"PATH": str(path)}, "/no/such"),
        ({"PATH": str(path), "RSIC_ENGINE": "/no/such"}, ""),
    ):
        with pytest.raises(EngineMissingError, match=r"There is no /no/such.*Settings > Options > RSIC"):
            find_engine(setting, environ)
    with pytest.raises(EngineMissingError, match="holds no rsic"):
        find_engine(str(_empty(tmp_path)), {})


def _empty(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def test_without_any_engine_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("qgis_plugin.engine.locate.__file__", str(tmp_path / "a" / "b" / "locate.py"))
    with pytest.raises(EngineMissingError) as caught:
        find_engine("", {"PATH": str(tmp_path)})
    text = str(caught.value)
    assert "\n" not in text
    assert text.count(". ") == 0
    assert "install the Python package rsic-geo" in text
    assert "Settings > Options > RSIC" in text


def test_a_replaced_program_has_another_fingerprint(tmp_path):
    program = _program(tmp_path / "rsic")
    before = find_engine(str(program), {}).fingerprint()
    assert find_engine(str(program), {}).fingerprint() == before
    program.write_text("#!/bin/sh\nexit 1\n")
    assert find_engine(str(program), {}).fingerprint() != before


def test_the_environment_keeps_the_users_and_drops_the_ones_of_qgis():
    foreign = [
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "PROJ_LIB",
        "PROJ_DATA",
        "GDAL_DATA",
        "GDAL_DRIVER_PATH",
        "GDAL_CACHEMAX",
        "QT_PLUGIN_PATH",
        "QGIS_PREFIX_PATH",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DYLD_LIBRARY_PATH",
        "OSGEO4W_ROOT",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "CPL_ZIP_ENCODING",
    ]
    kept = {
        "HOME": "/home/me",
        "LANG": "C",
        "CUDA_VISIBLE_DEVICES": "1",
        "OMP_NUM_THREADS": "1",
        "RSIC_DEBUG": "1",
    }
    seen = clean_environment({**dict.fromkeys(foreign, "x"), **kept, "PATH": "/usr/bin"}, None, {"MY": "own"})
    assert not seen.keys() & set(foreign)
    assert kept.items() <= seen.items()
    assert seen["PATH"] == "/usr/bin"
    assert seen["MY"] == "own"
    assert seen["PYTHONUTF8"] == "1"


def test_the_engines_own_folder_is_first_on_the_path(tmp_path):
    seen = clean_environment({"PATH": "/usr/bin"}, tmp_path / "bin" / "rsic")
    assert seen["PATH"].split(os.pathsep) == [str(tmp_path / "bin"), "/usr/bin"]


def test_extra_variables_are_pairs():
    assert parse_pairs("A=1\n B_2 = two words ; C=x=y\n") == {"A": "1", "B_2": "two words", "C": "x=y"}
    with pytest.raises(EngineMissingError, match="not NAME=VALUE: nonsense"):
        parse_pairs("A=1;nonsense")
