"""An archive made anew: from sources, from lossless products, never below what was promised, over kills."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from batch_support import options, run, write_scene, write_scenes

from rsic_geo.batch.coordinator import Watcher
from rsic_geo.batch.preserve.migrate import MigrateOptions, migrate
from rsic_geo.batch.run import BatchOptions, Crew
from rsic_geo.cli.entry import main
from rsic_geo.errors import JobCancelledError, UsageError

LEDGER = "rsic-batch.gpkg"
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def rows(folder: Path, columns: str) -> list[tuple]:
    with closing(sqlite3.connect(folder / LEDGER)) as connection:
        return connection.execute(f"SELECT {columns} FROM scenes ORDER BY source").fetchall()


def move(old: Path, new: Path, watcher: Watcher | None = None, *, remove_old: bool = False, **changes):
    how = MigrateOptions(changes=changes, remove_old=remove_old)
    return migrate(old, str(new), how, BatchOptions(crew=Crew(jobs=0)), watcher or Watcher())


def gdal_checksums(path: Path) -> list[int]:
    """Return what gdalinfo, another program, says of the pixels of each band."""
    said = subprocess.run(["gdalinfo", "-checksum", path], capture_output=True, text=True, check=True).stdout
    return [int(line.rpartition("=")[2]) for line in said.splitlines() if "Checksum=" in line]


@pytest.fixture
def scenes(tmp_path):
    write_scenes(tmp_path / "in", 3)
    return sorted((tmp_path / "in").rglob("*.tif"))


@pytest.fixture
def archive(tmp_path, scenes):
    run(tmp_path / "in", tmp_path / "old")
    return tmp_path / "old"


@pytest.mark.parametrize("are_sources_there", [True, False])
def test_another_codec_gives_the_same_pixels_to_any_reader(tmp_path, archive, scenes, are_sources_there):
    wanted = [gdal_checksums(scene) for scene in scenes]
    kept = rows(archive, "source, source_sha256, content_key, source_bytes")
    if not are_sources_there:
        shutil.rmtree(tmp_path / "in")
    before = {path: path.read_bytes() for path in archive.rglob("*.jp2")}
    assert move(archive, tmp_path / "new", codec="cog").done == 3
    products = [Path(tmp_path / "new" / name) for (name,) in rows(tmp_path / "new", "product")]
    assert all(product.name.endswith(".cog.tif") for product in products)
    assert [gdal_checksums(product) for product in products] == wanted
    assert rows(tmp_path / "new", "source, source_sha256, content_key, source_bytes") == kept
    assert {path: path.read_bytes() for path in archive.rglob("*.jp2")} == before
    assert main(["batch", "verify", str(tmp_path / "new"), "--pixels"]) == 0
    # The new archive stands alone: its ledger can be lost, and the old one go.
    shutil.rmtree(archive)
    (tmp_path / "new" / LEDGER).unlink()
    assert main(["batch", "rebuild", str(tmp_path / "new")]) == 0
    assert rows(tmp_path / "new", "source, source_sha256, content_key, source_bytes") == kept
    assert main(["batch", "restore", str(tmp_path / "new"), str(tmp_path / "back")]) == 0
    assert sorted(map(gdal_checksums, (tmp_path / "back").rglob("*.tif"))) == sorted(wanted)


def test_a_lossy_product_without_its_source_is_refused_and_one_with_a_changed_source_too(tmp_path, scenes):
    run(tmp_path / "in", tmp_path / "old", options("psnr=35"))
    scenes[0].unlink()
    write_scene(scenes[1], seed=77)
    assert (move(tmp_path / "old", tmp_path / "new", effort="best")).failed == 2
    found = rows(tmp_path / "new", "state, error_kind, error")
    assert [row[:2] for row in found] == [("failed", "refused")] * 2 + [("done", None)]
    assert "lossy" in found[0][2]
    assert "put the source back" in found[1][2]


def test_a_source_that_came_back_is_used(tmp_path, scenes):
    run(tmp_path / "in", tmp_path / "old", options("psnr=35"))
    shutil.move(scenes[0], tmp_path / "away.tif")
    assert move(tmp_path / "old", tmp_path / "new", effort="fast").failed == 1
    shutil.move(tmp_path / "away.tif", scenes[0])
    assert move(tmp_path / "old", tmp_path / "new", effort="fast").failed == 0


def test_less_than_was_promised_is_refused_before_anything_is_written(tmp_path, archive):
    with pytest.raises(UsageError, match="keeps less"):
        move(archive, tmp_path / "new", target=options("psnr=40").target)
    assert not (tmp_path / "new").exists()


def test_a_target_of_another_kind_is_judged_by_what_came_of_it(tmp_path, scenes):
    run(tmp_path / "in", tmp_path / "old", options("psnr=38"))
    standing = move(tmp_path / "old", tmp_path / "fine", target=options("max-error=3").target)
    assert (standing.done, standing.failed) == (3, 0)
    standing = move(tmp_path / "old", tmp_path / "coarse", target=options("max-error=40").target)
    assert (standing.done, standing.failed) == (0, 3)
    assert all(
        "the earlier archive promised psnr=38" in error for (error,) in rows(tmp_path / "coarse", "error")
    )


def test_old_products_go_only_when_new_ones_are_proven_and_a_stop_loses_none(tmp_path, archive, scenes):
    shutil.rmtree(tmp_path / "in")
    old = sorted(archive.rglob("*.jp2"))
    old[1].write_bytes(old[1].read_bytes()[:-40])  # rot: must never be taken for the scene

    def stop(_source, _outcome):
        raise JobCancelledError("stopped")

    with pytest.raises(JobCancelledError):
        move(archive, tmp_path / "new", Watcher(scene=stop), remove_old=True, codec="cog")
    new = {path.name.split(".")[0] for path in (tmp_path / "new").rglob("*.cog.tif")}
    assert all(path.exists() or path.name.split(".")[0] in new for path in old)
    standing = move(archive, tmp_path / "new", remove_old=True, codec="cog")
    assert (standing.done, standing.failed) == (2, 1)
    assert [path.exists() for path in old] == [False, True, False]
    assert rows(archive, "state, error_kind") == [
        ("skipped", "migrated"),
        ("done", None),
        ("skipped", "migrated"),
    ]
    (error,) = [error for state, error in rows(tmp_path / "new", "state, error") if state == "failed"]
    assert "changed since it was verified" in error


def test_copies_are_copied_and_names_that_meet_are_told_apart(tmp_path):
    write_scene(tmp_path / "in" / "a.tif", seed=1)
    with rasterio.open(
        tmp_path / "in" / "a.img", "w", driver="HFA", count=1, height=40, width=50, dtype="float64"
    ) as scene:
        scene.write(np.linspace(0, 1, 2000).reshape(1, 40, 50))
    write_scene(tmp_path / "in" / "b.tif", seed=2)
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "as it is"\nwhen = { name = "b*" }\ndo = "copy"\n'
        '[[rule]]\nwhen = { name = "*.img" }\ncodec = "cog"\n'
    )
    assert (
        main(
            [
                "batch",
                "run",
                str(tmp_path / "in"),
                str(tmp_path / "old"),
                "--rules",
                str(rules),
                "-j0",
                "--codec",
                "jp2",
            ]
        )
        == 0
    )
    assert (
        main(["batch", "migrate", str(tmp_path / "old"), str(tmp_path / "new"), "--codec", "cog", "-j0"]) == 0
    )
    assert {path.name for path in (tmp_path / "new").iterdir() if path.suffix == ".tif"} == {
        "a.cog.tif",
        "a.jp2.cog.tif",
        "b.tif",
    }
    assert (tmp_path / "new" / "b.tif").read_bytes() == (tmp_path / "in" / "b.tif").read_bytes()


def test_the_archive_itself_is_no_place_for_the_new_one(archive, capsys):
    assert main(["batch", "migrate", str(archive), str(archive), "--codec", "cog"]) == 2
    assert "is the archive itself" in capsys.readouterr().err


def test_a_new_product_that_rotted_costs_no_old_one(tmp_path, archive):
    shutil.rmtree(tmp_path / "in")
    move(archive, tmp_path / "new", codec="cog")
    victim = sorted((tmp_path / "new").rglob("*.cog.tif"))[1]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 4
    victim.write_bytes(content)
    standing = move(archive, tmp_path / "new", remove_old=True, codec="cog")
    assert (standing.done, standing.failed) == (2, 1)
    (kept,) = archive.rglob("*.jp2")
    assert kept.stem == victim.name.split(".")[0]
    assert main(["batch", "verify", str(tmp_path / "new")]) == 4


def test_links_keep_what_they_lead_to_until_they_are_made_anew(tmp_path, scenes):
    for name in ("again", "more"):
        shutil.copy2(scenes[0], tmp_path / "in" / f"{name}.tif")
    wanted = sorted(gdal_checksums(path) for path in (tmp_path / "in").rglob("*.tif"))
    run(tmp_path / "in", tmp_path / "old", duplicates="symlink")
    shutil.rmtree(tmp_path / "in")
    standing = move(tmp_path / "old", tmp_path / "new", remove_old=True, codec="cog")
    assert (standing.done, standing.failed) == (5, 0)
    assert not [path for path in (tmp_path / "old").rglob("*") if path.suffix in (".jp2", ".xml")]
    assert sorted(gdal_checksums(path) for path in (tmp_path / "new").rglob("*.cog.tif")) == wanted


def test_a_source_without_its_sidecar_gives_way_to_the_lossless_product(tmp_path, scenes):
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(scenes[0], "r+") as scene:
        scene.write_mask(np.arange(64 * 64).reshape(64, 64) % 5 > 0)
    assert Path(f"{scenes[0]}.msk").exists()
    run(tmp_path / "in", tmp_path / "old")
    Path(f"{scenes[0]}.msk").unlink()
    standing = move(tmp_path / "old", tmp_path / "new", codec="cog")
    assert (standing.done, standing.failed) == (3, 0)
    product = next((tmp_path / "new").rglob(f"{scenes[0].stem}.cog.tif"))
    with rasterio.open(product) as found:
        np.testing.assert_array_equal(found.dataset_mask() > 0, np.arange(64 * 64).reshape(64, 64) % 5 > 0)


def test_what_was_found_rotten_is_not_forgotten_by_the_next_check(tmp_path, archive, scenes, capsys):
    victim = next(archive.rglob("*.jp2"))
    victim.write_bytes(victim.read_bytes()[:-40])
    assert (
        main(
            ["batch", "run", str(tmp_path / "in"), str(archive), "-j0", "-q", "--recheck", "--model", "none"]
        )
        == 3
    )
    assert main(["batch", "verify", str(archive)]) == 4
    assert "3 products" in capsys.readouterr().out


def test_an_archive_on_a_medium_that_is_written_once_is_checked(tmp_path, archive, monkeypatch):
    import os

    monkeypatch.setattr(os, "access", lambda *_: False)
    before = (archive / LEDGER).read_bytes()
    assert main(["batch", "verify", str(archive)]) == 0
    assert (archive / LEDGER).read_bytes() == before
    next(archive.rglob("*.jp2")).write_bytes(b"rot")
    assert main(["batch", "verify", str(archive)]) == 4
