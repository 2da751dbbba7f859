"""The Python door: typed keywords, paths of any kind, what is public, and what importing costs."""

from __future__ import annotations

import pickle
import subprocess
import sys
import typing
from dataclasses import fields
from pathlib import Path

import cloudpickle
import pytest
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution
from rsic_geo.verbs import keywords
from rsic_geo.verbs.keywords import TARGET_NAMES


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
    own = {name: kind for name, kind in own.items() if name not in TARGET_NAMES}
    assert own == wanted


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
