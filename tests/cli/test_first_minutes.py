"""Section by section what `tests/first_minutes.sh` does in an empty environment, here in this one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement
from pipeline_support import painted, write_scene
from support import REPOSITORY

from rsic_geo import errors
from rsic_geo.cli.entry import VERBS, main
from rsic_geo.cli.next_step import next_step

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_without_a_verb_it_says_where_to_begin(capsys):
    assert main([]) == 2
    assert "rsic tour" in capsys.readouterr().err


def test_an_archive_without_a_name_lies_beside_its_scene(tmp_path, capsys):
    source = write_scene(tmp_path / "my.scene.tif", painted((1, 40, 50)))
    assert main(["compress", str(source)]) == 0
    archive = tmp_path / "my.scene.jp2"
    first = archive.read_bytes()
    for more in ([], ["--overwrite"]):  # what nobody named is never overwritten
        assert main(["compress", str(source), *more]) == 2
        assert "exists already" in capsys.readouterr().err
        assert archive.read_bytes() == first
    assert main(["compress", str(archive)]) == 2  # it would be its own source
    assert main(["compress", f"/vsicurl/file://{source}"]) == 2
    assert "say where the archive goes" in capsys.readouterr().err
    assert main(["compress", str(tmp_path / "missing.tif")]) == 1


@pytest.mark.parametrize(
    ("error", "step"),
    [
        (errors.OutputExistsError("a exists already"), "--overwrite replaces it"),
        (errors.OutputExistsError("a exists already (--overwrite replaces a named one)"), ""),
        (errors.UsageError("no"), "rsic compress --help"),
        (errors.UnknownCodecError("no codec"), "rsic capabilities lists codecs"),
        (
            errors.WeightsNotFoundError("no network"),
            "rsic models lists networks, rsic doctor says what is missing",
        ),
        (errors.MissingDependencyError("no torch"), "rsic doctor says what is missing"),
        (errors.ChecksumError("damaged"), "rsic validate FILE tells all that is damaged"),
        (errors.SceneError("unreadable"), ""),
    ],
)
def test_an_error_says_what_to_type_next(error, step):
    assert next_step(error, "compress") == step


def test_what_is_told_to_type_exists():
    import rsic_geo.cli.next_step as module

    named = re.findall(r"rsic (\w+)", "".join(words for _, words in module._STEPS))
    assert named
    assert set(named) - {"compress"} <= set(VERBS)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_given_a_script(shell, capsys):
    assert main(["completion", shell]) == 0
    assert "_RSIC_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("rsic dec", {"decompress"}),
        ("rsic compress a.tif --tile", {"--tile-size"}),
        ("rsic batch st", {"status"}),
    ],
)
def test_what_is_typed_is_completed(typed, offered):
    words = {
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "_RSIC_COMPLETE": "bash_complete",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from rsic_geo.cli import main; main([])"],
        env={**words, "PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert {line.partition(",")[2] for line in done.stdout.split()} == offered, done.stderr


@pytest.mark.slow
def test_the_tour_goes_the_whole_way(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["tour"]) == 0
    shown = capsys.readouterr()
    assert [line.split()[2] for line in shown.out.splitlines() if line.startswith("$ rsic ")] == [
        "compress", "validate", "view", "decompress", "compare",
    ]  # fmt: skip
    assert "target psnr=36: reached 36" in shown.out
    assert not shown.err
    assert sorted(path.name for path in (tmp_path / "rsic-tour").iterdir() if path.suffix != ".xml") == [
        "back.tif", "look.html", "scene.jp2", "scene.tif",
    ]  # fmt: skip
    assert main(["tour"]) == 2
    assert main(["tour", "two words"]) == 2


@pytest.mark.slow
def test_what_is_packed_is_whole_and_holds_no_data(tmp_path):
    pytest.importorskip("build")
    source = tmp_path / "source"
    shutil.copytree(
        REPOSITORY / "rsic_geo", source / "rsic_geo", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    words = ["-m", "build", "-o", str(tmp_path / "dist"), str(source)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    made = sorted((tmp_path / "dist").iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", *made],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    wheel = next(path for path in made if path.suffix == ".whl")
    sdist = next(path for path in made if path.suffix == ".gz")
    with zipfile.ZipFile(wheel) as file:
        packed = set(file.namelist())
    with tarfile.open(sdist) as file:
        names = packed | set(file.getnames())
    assert not [name for name in names if name.endswith((".tif", ".tiff", ".jp2", ".png", ".csv", ".gpkg"))]
    kinds = (".py", ".typed", ".safetensors", ".html", ".js", ".css", ".LICENSE")
    wanted = [p for p in (REPOSITORY / "rsic_geo").rglob("*") if p.suffix in kinds]
    assert {str(path.relative_to(REPOSITORY)) for path in wanted if "__pycache__" not in path.parts} <= packed


def test_the_recipe_for_conda_renders():
    builder = pytest.importorskip("rattler_build")
    recipe = builder.Stage0Recipe.from_file(str(REPOSITORY / ".ci" / "conda" / "recipe.yaml"))
    (rendered,) = recipe.render(builder.VariantConfig())
    assert "package='rsic-geo'" in repr(rendered)
    text = (REPOSITORY / ".ci" / "conda" / "recipe.yaml").read_text().replace("noarch:", "noarhc:")
    with pytest.raises(builder.RattlerBuildError):
        builder.Stage0Recipe.from_yaml(text).render(builder.VariantConfig())


def test_the_recipe_for_conda_asks_for_what_the_package_asks_for():
    yaml = pytest.importorskip("yaml")
    recipe = yaml.safe_load((REPOSITORY / ".ci" / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert recipe["context"]["version"] == project["version"]
    assert f">={recipe['context']['python_min']}" == project["requires-python"]
    asked = {each.name: str(each.specifier) for each in map(Requirement, project["dependencies"])}
    run = dict(line.split(" ", 1) if " " in line else (line, "") for line in recipe["requirements"]["run"])
    assert run.pop("python")
    assert run.pop("openjpeg") == ""  # which glymur needs and no wheel brings
    assert {name: set(words.split(",")) for name, words in run.items()} == {
        name: set(words.split(",")) for name, words in asked.items()
    }
    (setuptools,) = recipe["requirements"]["host"][-1:]
    assert setuptools.replace(" ", "") in "setuptools>=77"
    assert recipe["build"]["noarch"] == "python"
    parts = ["context", "package", "source", "build", "requirements", "tests", "about", "extra"]
    assert list(recipe) == parts  # conda-forge's linter wants this order
    assert all(recipe.values())
    for name in ("homepage", "summary", "license"):
        assert recipe["about"][name], name
    assert len(recipe["about"]["summary"]) < 120
    assert recipe["about"]["license_file"] == project["license-files"]
    assert recipe["about"]["license"] == project["license"]
    (script,) = recipe["build"]["python"]["entry_points"]
    assert script == f"rsic = {project['scripts']['rsic']}"
