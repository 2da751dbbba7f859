"""Weights are found by name, verified, and never run."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsic_geo.errors import RsicGeoError, UsageError, WeightsError, WeightsMismatchError, WeightsNotFoundError
from rsic_geo.weights import (
    ENVIRONMENT_VARIABLE,
    default_name,
    enhancer_name,
    list_weights,
    open_weights,
    store,
)


def tiny_file(metadata: dict[str, str]) -> bytes:
    """Return a safetensors file without tensors."""
    header = json.dumps({"__metadata__": metadata}).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.fixture
def packaged(tmp_path, monkeypatch):
    """A stand-in for the package's weights folder with one entry."""
    content = tiny_file({"spec": "{}"})
    (tmp_path / "one.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "manifest.toml").write_text(
        f'default = "one"\n[[weights]]\nname = "one"\nfile = "one.safetensors"\nsha256 = "{digest}"\n'
        'summary = "s"\nlicence = "l"\n'
    )
    monkeypatch.setattr(store, "_PACKAGED", tmp_path)
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    return tmp_path


def test_every_shipped_file_is_what_the_manifest_says():
    rows = list_weights()
    assert default_name() in [row.name for row in rows]
    for row in rows:
        weights = open_weights(row.name)
        assert weights.sha256 == row.sha256
        assert weights.spec
        assert len(weights.content) <= 10_000_000
        assert row.licence
        assert row.sha256 in (store._PACKAGED / f"{row.name}.md").read_text()


def test_auto_opens_the_default(packaged):
    assert open_weights("auto").name == "one"


def test_one_changed_byte_is_refused(packaged):
    path = packaged / "one.safetensors"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(WeightsMismatchError, match="damaged or replaced"):
        open_weights("one")


def test_a_missing_file_is_named(packaged):
    (packaged / "one.safetensors").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"one\.safetensors"):
        open_weights("one")


def test_no_weights_at_all_is_said_plainly(packaged):
    (packaged / "manifest.toml").write_text('default = ""\n')
    assert list_weights() == ()
    with pytest.raises(WeightsNotFoundError, match="no weights are shipped"):
        open_weights("auto")


def test_the_environment_comes_before_the_package_and_digest_decides(packaged, tmp_path_factory, monkeypatch):
    other = tmp_path_factory.mktemp("other")
    (other / "one.safetensors").write_bytes(tiny_file({"spec": "{}", "note": "other"}))
    shipped = open_weights("one")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(other))
    assert open_weights("one").metadata["note"] == "other"
    with pytest.raises(WeightsMismatchError, match=ENVIRONMENT_VARIABLE):
        open_weights("one", sha256=shipped.sha256)


def test_names_do_not_reach_out_of_the_folder(packaged, monkeypatch):
    inner = packaged / "inner"
    inner.mkdir()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(inner))
    with pytest.raises(WeightsNotFoundError):
        open_weights("../one")


def test_a_path_is_opened_and_named_after_its_file(packaged):
    assert open_weights(str(packaged / "one.safetensors")).name == "one"


def test_files_without_a_spec_are_refused_when_it_is_asked_for(packaged):
    path = packaged / "bare.safetensors"
    for metadata in ({}, {"spec": "{"}, {"spec": "[1]"}):
        path.write_bytes(tiny_file(metadata))
        with pytest.raises(WeightsError, match="no readable network spec"):
            _ = open_weights(str(path)).spec


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=80), valid_start=st.booleans())
def test_random_bytes_raise_our_error_only(tmp_path_factory, content, valid_start):
    path = tmp_path_factory.mktemp("bytes") / "random.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content if valid_start else content)
    try:
        _ = open_weights(str(path)).spec
    except RsicGeoError:
        return
    pytest.fail("random bytes carried a spec")


def test_auto_is_what_was_trained_on_the_codecs_output(packaged):
    assert [enhancer_name("auto", codec) for codec in ("jp2", "learned", "learned:mine")] == ["one"] * 3
    path = packaged / "manifest.toml"
    path.write_text('default_learned = "two"\n' + path.read_text())
    assert enhancer_name("auto") == enhancer_name("auto", "jp2") == "one"
    assert enhancer_name("auto", "learned") == enhancer_name("auto", "learned:mine") == "two"
    assert enhancer_name("mine", "learned") == "mine"


@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_runs_that_bring_weights_of_one_name_none_writes_over_the_other(
    tmp_path, monkeypatch, has_links
):
    ours, theirs = tiny_file({"of": "ours"}), tiny_file({"of": "theirs"})
    (tmp_path / "mine.safetensors").write_bytes(ours)
    given = open_weights(str(tmp_path / "mine.safetensors"))
    place = tmp_path / "rsic-weights" / "mine.safetensors"
    claim, quicker = store._claim, theirs

    def late(temporary, named):
        place.write_bytes(quicker)
        claim(temporary, named)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(store, "_claim", late)
    if not has_links:
        monkeypatch.setattr(store.os, "link", refuse)
    with pytest.raises(UsageError, match="other weights of that name"):
        store.keep_weights(given, tmp_path)
    assert place.read_bytes() == theirs
    place.unlink()
    quicker = ours
    store.keep_weights(given, tmp_path)
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    monkeypatch.setattr(store, "_claim", claim)
    place.unlink()
    store.keep_weights(given, tmp_path)
    assert place.read_bytes() == ours


@pytest.mark.parametrize("place", [0, 3, 11])
def test_a_flipped_bit_in_a_tensor_is_told_where_the_exporter_noted_a_digest(tmp_path, place):
    pytest.importorskip("torch")
    numpy = pytest.importorskip("safetensors.numpy")
    from rsic_geo.training.export import steady

    path = tmp_path / "mine.safetensors"
    content = bytearray(steady(numpy.save({"w": np.arange(3, dtype=np.float32)}, {"spec": "{}"})))
    path.write_bytes(content)
    assert open_weights(str(path)).spec == {}
    content[len(content) - 12 + place] ^= 4
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        open_weights(str(path))
