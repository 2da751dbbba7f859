"""The plugin is imported from the checkout under the name of its folder; QGIS knows it as rsic_geo_qgis."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

if str(REPOSITORY) not in sys.path:
    sys.path.append(str(REPOSITORY))
if str(Path(__file__).parent) not in sys.path:
    sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def sample_data(sample_data, tmp_path_factory) -> Path:
    """Return copies: QGIS leaves its statistics, as .aux.xml, beside every raster it opens."""
    folder = tmp_path_factory.mktemp("sample data")
    for path in sample_data.glob("*.tif"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def fake(tmp_path):
    """Return the path of a fake engine."""
    import fake_engine

    return fake_engine.install(tmp_path / "fake engine")


@pytest.fixture
def session(fake):
    """Return a session with the fake engine and an environment as QGIS has it."""
    import os

    from qgis_plugin.engine.locate import find_engine
    from qgis_plugin.engine.session import Session

    environ = {**os.environ, "PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PROJ_LIB": "/nowhere"}
    return Session(find_engine(str(fake)), environ=environ, extra={"RSIC_EXTRA": "yes"})


@pytest.fixture(scope="session")
def qgis(tmp_path_factory):
    """Return a QGIS with a fresh profile in which the packed plugin is enabled, as a user would do it."""
    from real import PLUGIN_NAME, Qgis, require_qgis

    require_qgis()
    found = Qgis(tmp_path_factory.mktemp("qgis home"))
    found.install()
    done = found.process("plugins", "enable", PLUGIN_NAME)
    assert done.exit_code == 0, done.stderr
    return found


@pytest.fixture
def fresh_qgis(tmp_path):
    """Return a QGIS of this test alone, with the plugin installed and not enabled."""
    from real import Qgis, require_qgis

    require_qgis()
    home = tmp_path / "home"
    home.mkdir()
    found = Qgis(home)
    found.install()
    return found
