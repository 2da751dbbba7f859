"""A file's suffix says what is inside: archives and scenes take no other's name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.codecs import registry
from rsic_geo.errors import UsageError
from rsic_geo.verbs.names import archive_suffixes, check_scene_name, codecs_for


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "s.tif", painted((1, 40, 50)))


@pytest.mark.parametrize("name", ["a.tif", "a.jp2.tif", "a.j2k", "a.jpx", "a", "jp2", "a.jp2.part"])
def test_an_archive_gets_no_name_that_promises_something_else(tmp_path, scene, capsys, name) -> None:
    assert main(["compress", str(scene), str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert ".jp2" in err
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


@pytest.mark.parametrize("verb", ["decompress", "enhance"])
@pytest.mark.parametrize("name", ["b.jp2", "b.png", "b.vrt", "b", "tif"])
def test_a_scene_gets_no_name_that_promises_something_else(tmp_path, scene, capsys, verb, name) -> None:
    assert main([verb, str(scene), str(tmp_path / name)]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert ".tif" in err
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]


def test_case_and_dots_of_a_name_do_not_matter(tmp_path, scene) -> None:
    rsic_geo.compress(scene, tmp_path / "v1.2.JP2")
    rsic_geo.decompress(tmp_path / "v1.2.JP2", tmp_path / "v1.2.TIFF")
    assert rsic_geo.compare(scene, tmp_path / "v1.2.TIFF").is_equal


def test_every_codec_has_suffixes_and_no_scene_takes_them() -> None:
    for codec in registry.names():
        for suffix in archive_suffixes(codec):
            codecs_for(f"a{suffix}", codec)
            with pytest.raises(UsageError):
                check_scene_name(f"a{suffix}")
