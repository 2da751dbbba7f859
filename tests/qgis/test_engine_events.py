"""Lines of the engine as events; capabilities as choices."""

from __future__ import annotations

import json

import pytest
from fake_engine import CAPABILITIES
from hypothesis import given
from hypothesis import strategies as st

from qgis_plugin.engine.capabilities import Capabilities, parse_capabilities
from qgis_plugin.engine.errors import EngineVersionError
from qgis_plugin.engine.events import Event, parse_line


def test_the_engines_own_lines_are_understood(capsys):
    from rsic_geo.cli.console import JsonProgress, event

    JsonProgress()(0.25, "encoding")
    event("warning", message="nodata is 0")
    event("error", message="no space", exit_code=1, error_kind="SceneError")
    event("done")
    seen = [parse_line(line) for line in capsys.readouterr().err.splitlines()]
    assert seen == [
        Event("progress", "encoding", 0.25),
        Event("warning", "nodata is 0"),
        Event("error", "no space", None, 1, "SceneError"),
        Event("done"),
    ]


@pytest.mark.parametrize(
    ("line", "fraction"),
    [
        ('{"event": "progress", "fraction": 7}', 1.0),
        ('{"event": "progress", "fraction": -1}', 0.0),
        ('{"event": "progress", "fraction": NaN}', None),
        ('{"event": "progress", "fraction": "half"}', None),
        ('{"event": "progress", "fraction": true}', None),
        ('{"event": "progress"}', None),
    ],
)
def test_fractions_are_between_0_and_1_or_none(line, fraction):
    assert parse_line(line).fraction == fraction


@pytest.mark.parametrize("line", ["", "  \n"])
def test_an_empty_line_says_nothing(line):
    assert parse_line(line) is None


@pytest.mark.parametrize(
    "line", ["Traceback", "{broken", "[1]", '{"no": "event"}', '{"event": 3}', "{" * 5000]
)
def test_other_lines_are_text(line):
    assert parse_line(line) == Event("text", line)


@given(st.text())
def test_no_line_is_an_error(line):
    parse_line(line)


def test_choices_are_what_the_engine_lists():
    found = parse_capabilities(json.dumps(CAPABILITIES))
    assert (found.version, found.models) == ("0.1.0", ("one", "two"))
    assert found.codecs == ("jp2", "strange", "strange:a", "strange:b")
    assert found.extensions() == (".jp2", ".odd.tif", ".odd")
    assert found.extensions("strange:a") == found.extensions("strange") == (".odd.tif", ".odd")
    assert found.can_be_lossless("jp2")
    assert not found.can_be_lossless("strange:b")
    assert (found.tile_sizes, found.output_formats) == ((512, 1024), ("GTiff", "COG"))
    assert not found.has_batch
    assert parse_capabilities(
        json.dumps({**CAPABILITIES, "verbs": [*CAPABILITIES["verbs"], "batch"]})
    ).has_batch


def test_an_engine_that_says_less_is_understood_too():
    rows = {"codecs": ["jp2", "other"], "archive_extensions": [".jp2"]}
    found = parse_capabilities(json.dumps({**CAPABILITIES, **rows}))
    assert found.codecs == ("jp2", "other")
    assert found.extensions("other") == (".jp2",)
    assert found.can_be_lossless("other")
    assert Capabilities().extensions("jp2") == (".jp2",)


def test_what_an_engine_said_can_be_kept():
    found = parse_capabilities(json.dumps(CAPABILITIES))
    assert Capabilities.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_the_real_engine_is_understood():
    from rsic_geo.cli.commands.capabilities import describe

    found = parse_capabilities(json.dumps(describe()))
    assert found.codecs
    assert {"lossless", "psnr"} <= set(found.targets)
    assert "auto" in found.devices


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "rsic-capabilities/2"}, "update the plugin"),
        ({"schema": "other/1"}, "not the rsic engine"),
        ({"schema": None}, "not the rsic engine"),
        ({"rsic_version": "0.0.9"}, r"needs 0\.1 or newer: update the engine"),
        ({"rsic_version": None}, "update the engine"),
        ({"verbs": ["compress"]}, "lacks decompress"),
    ],
)
def test_an_engine_that_does_not_fit_is_refused_with_what_to_do(change, message):
    with pytest.raises(EngineVersionError, match=message):
        parse_capabilities(json.dumps({**CAPABILITIES, **change}))


@given(
    st.text()
    | st.recursive(
        st.none() | st.booleans() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ).map(json.dumps)
)
def test_no_answer_is_more_than_a_refusal(text):
    with pytest.raises(EngineVersionError):
        parse_capabilities(text)
