"""Names from a user, a ledger or a file never leave their folder."""

from __future__ import annotations

import os
import sqlite3

import pytest
from batch_support import write_scenes

from rsic_geo.batch.confined import check_run_name, inside
from rsic_geo.cli.entry import main
from rsic_geo.errors import LedgerError, UsageError

AGAIN = ("--jobs", "0", "--threads", "1", "--progress", "none")
QUICK = ("--model", "none", *AGAIN)


@pytest.fixture
def done(tmp_path):
    """Return a folder with a finished run of two scenes in it, of which one is to be tried again."""
    write_scenes(tmp_path / "in", 2)
    assert main(["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), *QUICK]) == 0
    ledger = next((tmp_path / "out").glob("*.gpkg"))
    return tmp_path, ledger


def _edit(ledger, statement, *values):
    with sqlite3.connect(ledger) as connection:
        connection.execute(statement, values)


def _files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name", ["../../x", "..", "a/b", "", ".hidden", "x\n", "a\\b", "/abs", "x" * 101, "~/x"]
)
def test_a_run_is_no_path(name, tmp_path):
    write_scenes(tmp_path / "in", 1)
    before = _files(tmp_path)
    code = main(["batch", "run", str(tmp_path / "in"), str(tmp_path / "out"), "--run", name, *QUICK])
    assert code == 2
    assert _files(tmp_path) == before
    with pytest.raises(UsageError):
        check_run_name(name)


@pytest.mark.parametrize("name", ["default", "2024 spring", "a.b-c_d+e", "Größe"])
def test_usual_names_of_runs(name):
    assert check_run_name(name) == name


@pytest.mark.parametrize("place", ["/../../evil.jp2", "/../evil.jp2"])
def test_a_product_of_an_edited_ledger_stays_inside(done, place):
    folder, ledger = done
    out = folder / "out"
    _edit(ledger, "UPDATE scenes SET state = 'failed', product = ? WHERE fid = 1", str(out) + place)
    before = _files(folder.parent)
    code = main(["batch", "retry", str(ledger), *AGAIN])
    assert code == 3
    with sqlite3.connect(ledger) as connection:
        (error,) = connection.execute("SELECT error FROM scenes WHERE fid = 1").fetchone()
    assert "leads outside" in error
    assert not [name for name in _files(folder.parent) - before if "evil" in name]


def test_a_product_behind_a_link_out_of_the_folder_is_refused(done):
    folder, ledger = done
    out, elsewhere = folder / "out", folder / "elsewhere"
    elsewhere.mkdir()
    (out / "link").symlink_to(elsewhere, target_is_directory=True)
    _edit(
        ledger, "UPDATE scenes SET state = 'failed', product = ? WHERE fid = 1", str(out / "link" / "p.jp2")
    )
    assert main(["batch", "retry", str(ledger), *AGAIN]) == 3
    assert not list(elsewhere.iterdir())


def test_a_ledger_that_names_another_folder_has_to_be_confirmed(done, capsys):
    folder, ledger = done
    other = folder / "other"
    _edit(ledger, "UPDATE runs SET folder = ?", str(other))
    _edit(ledger, "UPDATE scenes SET state = 'failed', product = ? WHERE fid = 1", str(other / "p.jp2"))
    assert main(["batch", "retry", str(ledger), *AGAIN]) == 2
    assert "--output" in capsys.readouterr().err
    assert not other.exists()
    assert main(["batch", "retry", str(ledger), "--output", str(folder / "third"), *AGAIN]) == 2
    assert not (folder / "third").exists()


def test_reports_lie_beside_the_ledger_whatever_it_says(done):
    folder, ledger = done
    _edit(ledger, "UPDATE runs SET reports = ?", str(folder / "evil"))
    _edit(ledger, "UPDATE scenes SET state = 'failed'")
    main(["batch", "retry", str(ledger), *AGAIN])
    assert not (folder / "evil").exists()


def test_inside_follows_links(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    root.mkdir()
    other.mkdir()
    (root / "link").symlink_to(other)
    assert inside(root / "a" / "b.jp2", root, "it") == str(root / "a" / "b.jp2")
    for bad in (root / "link" / "x", root / ".." / "x", root, tmp_path, other / "x", "/etc/passwd"):
        with pytest.raises(LedgerError, match="leads outside"):
            inside(bad, root, "it")
    assert os.path.isdir(other)
