"""The zip passes the gate of QGIS's plugin site: names, sizes, licence, metadata, Bandit, secrets, style."""

from __future__ import annotations

import ast
import configparser
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support import REPOSITORY

from qgis_plugin.tools import pack

PLUGIN = REPOSITORY / "qgis_plugin"
REQUIRED = """name description version qgisMinimumVersion author email about tracker repository"""
CRITICAL = ",".join(
    f"B{number}"
    for number in (
        *(
            102,
            103,
            105,
            106,
            107,
            111,
            201,
            202,
            301,
            302,
            304,
            305,
            306,
            307,
            312,
            321,
            323,
            401,
            402,
            412,
            413,
        ),
        *(501, 502, 503, 505, 506, 507, 601, 602, 604, 605, 609, 610, 611, 612, 613, 615, 701),
    )
)
"""Bandit's tests that stop a publication; the others are warnings there."""
PAGE, ADDRESS = "https://project.test/rsic", "somebody@project.test"
"""What whoever publishes the plugin gives."""
FORBIDDEN = {".exe", ".dll", ".so", ".dylib", ".bat", ".sh", ".ps1", ".cmd", ".pyc", ".whl", ".zip"}


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    return pack.pack(tmp_path_factory.mktemp("package"), f"{PAGE}/", ADDRESS)


@pytest.fixture(scope="module")
def unpacked(package, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(package) as archive:
        archive.extractall(folder)
    return folder / pack.NAME


def _metadata(folder: Path) -> dict[str, str]:
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(folder / "metadata.txt", encoding="utf-8")
    return dict(parser["general"])


def _tool(name: str, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: pip install -e '.[plugin]'")
    return subprocess.run([str(program), *words], cwd=cwd, capture_output=True, text=True, check=False)


def test_the_zip_holds_one_folder_with_a_proper_name_and_nothing_forbidden(package):
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert {name.split("/")[0] for name in names} == {pack.NAME}
    assert pack.NAME.isidentifier()
    assert "plugin" not in pack.NAME.lower()
    assert package.stat().st_size < 1_000_000
    assert {f"{pack.NAME}/{name}" for name in ("__init__.py", "metadata.txt", "LICENSE")} <= set(names)
    assert not [name for name in names if Path(name).suffix.lower() in FORBIDDEN]
    assert not [name for name in names if re.search(r"\.\.|\\|__pycache__|__MACOSX|\.git/|/tools/", name)]


def test_the_same_checkout_gives_the_same_bytes(package, tmp_path):
    assert pack.pack(tmp_path, PAGE, ADDRESS).read_bytes() == package.read_bytes()


def test_the_licence_is_gpl_2_or_later(unpacked):
    assert (
        "GNU GENERAL PUBLIC LICENSE\n                       Version 2" in (unpacked / "LICENSE").read_text()
    )
    assert "GPL 2 or later" in (unpacked / "help" / "index.html").read_text(encoding="utf-8")


def test_the_metadata_follow_todays_rules(unpacked):
    found = _metadata(unpacked)
    assert set(REQUIRED.split()) <= found.keys()
    assert all(found[key] for key in REQUIRED.split())
    assert found["hasProcessingProvider"] == "yes"
    assert found["qgisMinimumVersion"] == "3.22"
    assert found["qgisMaximumVersion"] == "4.99"
    assert "supportsQt6" not in found
    assert "plugin" not in found["name"].lower()
    assert "External dependency" in found["about"]
    assert all(found[key].isascii() for key in ("description", "about", "name"))
    assert (unpacked / found["icon"]).is_file()
    assert (found["homepage"], found["repository"]) == (PAGE, PAGE)
    assert found["tracker"] == f"{PAGE}/issues"
    assert found["email"] == ADDRESS


def test_the_version_is_one(unpacked):
    source = (unpacked / "provider.py").read_text(encoding="utf-8")
    assert re.search(r'^VERSION = "(.*)"$', source, re.MULTILINE)[1] == _metadata(unpacked)["version"]


def test_what_nobody_gave_is_not_made_up(tmp_path):
    with zipfile.ZipFile(pack.pack(tmp_path)) as archive:
        archive.extractall(tmp_path)
    found = _metadata(tmp_path / pack.NAME)
    assert not found.keys() & {"homepage", "tracker", "repository", "email"}
    assert not re.search(r"https?://|@|example", " ".join(found.values()))
    assert {"name", "description", "version", "qgisMinimumVersion", "author", "about"} <= found.keys()


def test_make_passes_on_who_publishes():
    made = subprocess.run(
        ["make", "-n", "plugin-zip", f"PLUGIN_URL={PAGE}", f"PLUGIN_EMAIL={ADDRESS}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert f"--url '{PAGE}' --email '{ADDRESS}'" in made


def test_translations_are_compiled_into_the_zip(unpacked):
    assert (unpacked / "i18n" / "rsic_de.qm").read_bytes()[:4] == b"\x3c\xb8\x64\x18"
    assert not list(PLUGIN.rglob("*.qm"))


def test_only_qgis_and_the_standard_library_are_imported():
    allowed = {
        "qgis",
        "processing",
        "__future__",
    } | set(sys.stdlib_module_names)
    network = {"socket", "ssl", "http", "urllib", "ftplib", "smtplib", "asyncio", "xmlrpc"}
    strays = []
    for path in pack.files():
        if path.suffix != ".py":
            continue
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text, feature_version=(3, 9))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                if top not in allowed or top in network or "QtNetwork" in name:
                    strays.append(f"{path.name} imports {name}")
        is_engine = path.parent.name == "engine"
        if is_engine and re.search(r"^\s*(from|import) qgis", text, re.MULTILINE):
            strays.append(f"{path.name} of the engine's room imports qgis")
        if re.search(r"shell\s*=\s*True|from PyQt[56]|import PyQt[56]", text):
            strays.append(f"{path.name} uses a shell or one version of Qt")
    assert not strays


def test_no_file_is_over_400_lines():
    code = [path for path in pack.files() if path.suffix == ".py"]
    assert not [path for path in code if len(path.read_text(encoding="utf-8").splitlines()) > 400]


def test_bandits_critical_list_is_clean(unpacked):
    done = _tool("bandit", "-r", ".", "-f", "json", "-q", "-t", CRITICAL, cwd=unpacked)
    found = json.loads(done.stdout)
    assert not found["errors"]
    assert found["results"] == []
    assert found["metrics"]["_totals"]["nosec"] == 0


def test_no_secret_is_seen(unpacked):
    done = _tool(
        "detect-secrets", "scan", "--all-files", "--exclude-files", r"metadata\.txt", ".", cwd=unpacked
    )
    assert json.loads(done.stdout)["results"] == {}


def test_flake8_with_the_rules_of_qgis_is_clean(unpacked):
    done = _tool("flake8", "--version", cwd=unpacked)
    if "QGIS" not in done.stdout and "qgis" not in done.stdout:
        pytest.skip("flake8-qgis is not installed: pip install -e '.[plugin]'")
    done = _tool("flake8", "--config", ".flake8", ".", cwd=unpacked)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_algorithm_has_an_icon_and_a_chapter_in_the_help():
    text = (PLUGIN / "help" / "index.html").read_text(encoding="utf-8")
    for path in (PLUGIN / "algorithms").glob("*.py"):
        found = re.search(r'^    NAME = "(.+)"$', path.read_text(encoding="utf-8"), re.MULTILINE)
        if found:
            assert (PLUGIN / "icons" / f"{found[1]}.svg").is_file()
            assert f'id="{found[1]}"' in text


def test_pictures_of_the_documentation_are_small():
    assert not [path for path in (PLUGIN / "docs").glob("*") if path.stat().st_size > 150_000]
