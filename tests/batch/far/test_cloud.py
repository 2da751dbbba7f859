"""Scenes in a store: planned and archived where they lie; what breaks on the way never becomes pixels."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from batch_support import rsic, write_scene
from far.range_server import serving

import rsic_geo
from rsic_geo.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    for seed in range(4):
        write_scene(folder / f"s{seed}.tif", seed, size=160, tiled=True, blockxsize=64, blockysize=64)
    return folder


@pytest.fixture(scope="module")
def store(scenes):
    with serving(scenes) as address:
        yield address


def rows(folder: Path) -> dict[str, tuple[str, str | None]]:
    with closing(sqlite3.connect(folder / "rsic-batch.gpkg")) as connection:
        found = connection.execute("SELECT source, state, error FROM scenes").fetchall()
    return {source.rpartition("/")[2]: (state, error) for source, state, error in found}


def s3(address: str) -> list[str]:
    """Return the options by which GDAL takes the store for S3."""
    told = {
        "AWS_S3_ENDPOINT": address.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
        "AWS_NO_SIGN_REQUEST": "YES",
    }
    return [word for key, value in told.items() for word in ("--config", f"{key}={value}")]


@pytest.mark.parametrize("kind", ["http", "vsicurl", "s3"])
def test_addresses_in_a_list_are_planned_archived_and_go_on(store, scenes, tmp_path, kind, capsys):
    root = {"http": f"{store}/0/1", "vsicurl": f"/vsicurl/{store}/0/1", "s3": "s3://0/1"}[kind]
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{root}/s{seed}.tif\n" for seed in range(4)))
    how = s3(store) if kind == "s3" else []
    words = [f"@{names}", str(tmp_path / "out"), "-q", "--model", "none", *how]
    assert main(["batch", "plan", *words, "--json"]) == 0
    assert '"failures": {}' in capsys.readouterr().out
    assert main(["batch", "run", *words, "-j0"]) == 0, capsys.readouterr().err
    for seed in range(4):
        assert rsic_geo.compare(scenes / f"s{seed}.tif", tmp_path / "out" / f"s{seed}.jp2").is_equal
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jp2")}
    assert main(["batch", "run", *words, "-j0"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("seed", [1, 2])
def test_a_store_that_fails_and_tears_loses_no_scene_and_makes_none_up(store, scenes, tmp_path, seed):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"{store}/40/{seed}/s{number}.tif\n" for number in range(4)))
    out = tmp_path / "out"
    for _ in range(12):  # the same command again and again, until it says it is done
        done = rsic("batch", "run", f"@{names}", out, "-j0", "-q")
        assert done.returncode in (0, 3), done.stderr
        found = rows(out)
        assert len(found) == 4
        for name, (state, error) in found.items():
            product = out / name.replace(".tif", ".jp2")
            assert product.exists() == (state == "done")
            if state == "done":
                assert rsic_geo.compare(scenes / name, product).is_equal
            else:
                assert state == "failed"
                assert error
                assert "Traceback" not in error
        if done.returncode == 0:
            break
        rsic("batch", "retry", out, "-j0", "-q")
    assert not list(out.rglob(".rsic-batch"))
    assert sum(state == "done" for state, _ in rows(out).values()) >= 1
