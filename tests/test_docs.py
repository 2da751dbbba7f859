"""The pages: they build, their links lead somewhere, and the modules and files they name exist."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import REPOSITORY

PAGES = sorted((REPOSITORY / "docs" / "pages").rglob("*.md"))
TEXTS = [REPOSITORY / "README.md", *PAGES]


def test_the_pages_build_without_a_warning(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is not installed (make test)")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed (make test)")
    words = ["build", "--strict", "-q", "-f", "docs/mkdocs.yml", "-d", str(tmp_path / "site")]
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", *words], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "shell" / "index.html").exists()
    for verb in ("open", "compress", "decompress", "enhance", "compare", "info", "validate"):
        page = (tmp_path / "site" / "reference" / verb / "index.html").read_text(encoding="utf-8")
        assert f'id="rsic_geo.verbs.api.{verb}"' in page, verb
        for part in ("Parameters:", "Returns:", "Raises:"):
            assert part in page, (verb, part)


def test_the_readme_is_read_in_minutes():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 150


def test_the_examples_of_extending_run():
    """The codec is the one that tests/contracts/test_codec.py takes through every verb."""
    text = (REPOSITORY / "docs" / "pages" / "extending.md").read_text(encoding="utf-8")
    codec, _, target = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert codec == (REPOSITORY / "tests" / "contracts" / "toy_codec.py").read_text(encoding="utf-8")
    exec(target, {})  # its assertion is the test; the enhancer's is tests/repair/test_enhancer_contract.py


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_modules_and_files_that_are_named_exist(page):
    text = page.read_text(encoding="utf-8")
    for module in set(re.findall(r"python -m (rsic_geo[\w.]*)", text)):
        assert importlib.util.find_spec(module), module
    for path in set(re.findall(r"(?<![\w/])((?:tests|rsic_geo|qgis_plugin)/[\w/.-]+\.\w+)", text)):
        assert (REPOSITORY / Path(path)).exists(), path
