"""The Python door: typed keywords, paths of any kind, what is public, and what importing costs."""

from __future__ import annotations

import pickle
import subprocess
import sys
import textwrap
import typing
from dataclasses import fields
from pathlib import Path

import cloudpickle
import pytest
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution
from rsic_geo.verbs import keywords
from rsic_geo.verbs.api import _TARGETS


def _types(kind) -> dict[str, object]:
    return typing.get_type_hints(kind)


@pytest.mark.parametrize(
    ("keyword_types", "options", "apart"),
    [
        (keywords.ExecutionKeywords, Execution, set()),
        (keywords.EncodeKeywords, EncodeOptions, {"target", "execution"}),
        (keywords.DecodeKeywords, DecodeOptions, {"execution"}),
    ],
)
def test_keywords_are_the_fields_of_the_options(keyword_types, options, apart):
    """Whoever adds an option adds its keyword, of the same type."""
    wanted = {field.name: _types(options)[field.name] for field in fields(options) if field.name not in apart}
    found = _types(keyword_types)
    own = {
        name: kind for name, kind in found.items() if name not in _types(Execution) or options is Execution
    }
    own = {name: kind for name, kind in own.items() if name not in _TARGETS}
    assert own == wanted


@pytest.mark.slow
def test_a_wrong_keyword_fails_in_mypy_and_a_path_does_not(tmp_path):
    lines = textwrap.dedent("""
        from pathlib import Path
        import rsic_geo

        rsic_geo.compress(Path("a.tif"), "b.jp2", psnr=40, tile_size=256, threads=2)
        rsic_geo.decompress("b.jp2", Path("c.tif"), level=1)
        window = rsic_geo.Window(row_off=0, col_off=0, height=1, width=1)
        with rsic_geo.open(Path("b.jp2"), threads=1) as opened:
            opened.read(window)
        version: str = rsic_geo.__version__
        rsic_geo.compress("a.tif", "b.jp2", tilesize=256)  # wrong
        rsic_geo.compress("a.tif", "b.jp2", sidecar="sometimes")  # wrong
        rsic_geo.decompress("b.jp2", "c.tif", bands="1,2")  # wrong
        rsic_geo.open("b.jp2", thread=1)  # wrong
        rsic_geo.compare(1, "b")  # wrong
    """)
    path = tmp_path / "user.py"
    path.write_text(lines)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", tmp_path / "c", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wrong = {number for number, line in enumerate(lines.splitlines(), 1) if line.endswith("# wrong")}
    said = {
        int(line.split(":")[1]) for line in done.stdout.splitlines() if "error:" in line and "user.py" in line
    }
    assert said == wrong, done.stdout


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rsic_geo.compress("a", "b.jp2", tilesize=1), "compress.*'tilesize'.*'tile_size'"),
        (lambda: rsic_geo.decompress("a", "b.tif", lvl=1), "decompress.*'lvl'.*'level'"),
        (lambda: rsic_geo.enhance("a", "b.tif", foo=1), "enhance.*'foo'.*overwrite"),
        (lambda: rsic_geo.open("a", thread=1), "open.*'thread'.*'threads'"),
    ],
)
def test_a_wrong_keyword_says_what_may_have_been_meant(call, said):
    with pytest.raises(TypeError, match=said):
        call()


def test_paths_of_any_kind(tmp_path):
    source = Path(write_scene(tmp_path / "s.tif", painted((1, 40, 50))))
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    rsic_geo.compress(source, archive, max_error=2)
    rsic_geo.decompress(archive, str(back))
    assert rsic_geo.validate(archive)["valid"]
    assert rsic_geo.info(archive)["archive"]
    assert rsic_geo.compare(source, back).to_json()["max_abs_error"] <= 2


def test_what_is_public():
    assert rsic_geo.Window(row_off=1, col_off=2, height=3, width=4).row_stop == 4
    assert rsic_geo.__version__[0].isdigit()
    assert issubclass(rsic_geo.SceneNotFoundError, FileNotFoundError)
    assert rsic_geo.DamagedSceneError is rsic_geo.errors.DamagedSceneError
    assert set(rsic_geo.__all__) <= set(dir(rsic_geo))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rsic_geo.nothing


def test_importing_loads_no_heavy_library():
    code = (
        "import sys, rsic_geo; rsic_geo.__version__; rsic_geo.SceneError; "
        "print([m for m in ('torch', 'rasterio', 'numpy', 'glymur') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _uses_the_package(path):
    return rsic_geo.open(path)


def test_a_function_that_uses_the_package_can_be_sent_to_workers():
    import rsic_geo.repair  # a room with the beginnings of a verb's name once took it  # noqa: F401

    assert pickle.loads(cloudpickle.dumps(_uses_the_package)).__name__ == "_uses_the_package"
    assert callable(rsic_geo.enhance)
