"""Products in a store that speaks S3: proven there, whole or not there, found again after every failure."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import boto3
import numpy as np
import pytest
import rasterio
from batch_support import RSIC, run, write_scene, write_scenes
from far import s3_server

from rsic_geo.batch import store
from rsic_geo.batch.coordinator import Watcher
from rsic_geo.batch.export import export_run
from rsic_geo.batch.inputs import Selection, discover
from rsic_geo.batch.preserve.fixity import FixityOptions, verify_archive
from rsic_geo.batch.preserve.rebuild import rebuild_ledger
from rsic_geo.batch.preserve.restore import RestoreOptions, restore
from rsic_geo.batch.run import BatchOptions, Crew, retry_batch
from rsic_geo.batch.status import status_of
from rsic_geo.cli import main
from rsic_geo.errors import OutputExistsError, SceneError, UsageError, VerificationError

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
SCENES = 2


@pytest.fixture(scope="module")
def address():
    with s3_server.storing() as found:
        yield found


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    write_scenes(folder, SCENES, nodata=1)
    return folder


@pytest.fixture(scope="module")
def expected(scenes, tmp_path_factory) -> dict[str, bytes]:
    """What a local run makes: the store has to hold the very same."""
    out = tmp_path_factory.mktemp("local")
    run(scenes, out)
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in out.rglob("*.jp2*")
        if "reports" not in path.parts[-3]
    }


class Bucket:
    """A bucket as another client of the store sees it."""

    def __init__(self, address: str, name: str) -> None:
        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        self.client = boto3.client("s3", endpoint_url=address, **keys)
        self.client.create_bucket(Bucket=name)
        self.name = name

    def objects(self) -> dict[str, bytes]:
        """Products and what lies beside them, by their names below the folder ``arch``."""
        keys = [each["Key"] for each in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]
        return {
            key.removeprefix("arch/"): self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
            for key in keys
            if store.REPORTS not in key
        }

    def uploads(self) -> list[str]:
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())
        return [each["Key"] for each in found]


@pytest.fixture
def bucket(address, request, tmp_path, monkeypatch):
    for key, value in s3_server.told(address).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    monkeypatch.chdir(tmp_path)
    s3_server.faults(address, 0)
    yield Bucket(address, f"b{abs(hash(request.node.name))}")
    s3_server.faults(address, 0)


def test_a_store_holds_what_a_folder_would_and_all_that_is_kept_works_on_it(
    bucket, scenes, expected, tmp_path
):
    place = f"s3://{bucket.name}/arch"
    standing, _ = run(scenes, place)
    assert (standing.done, standing.failed) == (SCENES, 0)
    assert bucket.objects() == expected
    home = tmp_path / f"{bucket.name}-arch"
    assert sorted(each.name for each in home.iterdir()) == [
        "rsic-batch-reports", "rsic-batch.gpkg", "rsic-batch.gpkg.lock",
    ]  # fmt: skip
    with (
        rasterio.open(f"/vsis3/{bucket.name}/arch/part1/s00001.jp2") as product,
        rasterio.open(scenes / "part1" / "s00001.tif") as scene,
    ):
        assert np.array_equal(product.read(), scene.read())
    _, again = run(scenes, place)
    assert again == {}
    assert status_of(place)["runs"][0]["states"]["done"] == SCENES
    assert verify_archive(place, FixityOptions(pixels=True)).rotten == []
    back = restore(place, str(tmp_path / "back"), RestoreOptions())
    assert (back.restored, back.failed) == (SCENES, [])
    for path in scenes.rglob("*.tif"):
        with rasterio.open(path) as one, rasterio.open(tmp_path / "back" / path.relative_to(scenes)) as two:
            assert np.array_equal(one.read(), two.read())
    export_run(place, str(tmp_path / "stac"), "stac")
    items = [each for each in (tmp_path / "stac").glob("*.json") if each.name != "collection.json"]
    listed = discover(map(str, items), Selection())
    assert {each.path for each in listed} == {
        f"/vsis3/{bucket.name}/arch/{name}" for name in expected if name.endswith(".jp2")
    }
    assert len(list((tmp_path / "stac").glob("*.png"))) == SCENES
    with pytest.raises(UsageError, match="rsic batch rebuild FOLDER"):
        export_run(place, str(tmp_path / "bag"), "bag")
    here = tmp_path / "here"  # as that says
    for each in bucket.client.list_objects_v2(Bucket=bucket.name)["Contents"]:
        path = here / each["Key"].removeprefix("arch/")
        path.parent.mkdir(parents=True, exist_ok=True)
        bucket.client.download_file(bucket.name, each["Key"], str(path))
    assert rebuild_ledger(str(here)).scenes == SCENES
    assert export_run(here, str(tmp_path / "bag"), "bag") == SCENES
    home.rename(tmp_path / "lost")
    assert rebuild_ledger(place).scenes == SCENES
    _, again = run(scenes, place)
    assert again == {}


def test_what_rots_in_a_store_is_named_and_made_anew_once_it_is_gone(bucket, scenes, expected):
    place = f"s3://{bucket.name}/arch"
    run(scenes, place)
    first, second = (f"arch/part{k}/s0000{k}.jp2" for k in range(2))
    sound = bucket.objects()[second.removeprefix("arch/")]
    rotten = sound[:-50] + bytes([sound[-50] ^ 1]) + sound[-49:]
    bucket.client.put_object(Bucket=bucket.name, Key=second, Body=rotten)
    bucket.client.delete_object(Bucket=bucket.name, Key=f"{first}.aux.xml")
    found = {each["product"][-6:]: each["rot"] for each in verify_archive(place, FixityOptions()).rotten}
    assert ".aux.xml, which other programs read, is missing" in found.pop("00.jp2")
    assert "damaged" in found.pop("01.jp2")
    assert found == {}
    back = restore(place, "back", RestoreOptions())
    assert (back.restored, len(back.failed)) == (1, 1)
    bucket.client.delete_object(Bucket=bucket.name, Key=second)
    assert [each["rot"] for each in verify_archive(place, FixityOptions()).rotten][1:] == ["it is gone"]
    assert run(scenes, place)[1]["s00001.tif"].state == "done"
    assert bucket.objects().keys() == expected.keys() - {f"{first.removeprefix('arch/')}.aux.xml"}
    _, outcomes = run(scenes, place, recheck=True)
    assert "is missing: copy it" in outcomes["s00000.tif"].error


@pytest.mark.parametrize(("kind", "share"), [("write", 30), ("read", 12)])
def test_a_store_that_tears_and_refuses_holds_nothing_half(address, bucket, scenes, expected, kind, share):
    place, said = f"s3://{bucket.name}/arch", []
    for seed in range(1, 20):  # the same command again and again, until it says it is done
        s3_server.faults(address, share, kind=kind, seed=seed)
        try:
            _, outcomes = run(scenes, place)
            said += [outcome.error for outcome in outcomes.values() if outcome.state != "done"]
            retry_batch(place, BatchOptions(crew=Crew(jobs=0)), Watcher())
        except SceneError as error:  # it did not answer when it was asked what it holds
            said.append(str(error))
        s3_server.faults(address, 0)
        # What could not be removed either is dropped by the next run, and looked for by nobody.
        held = {name: each for name, each in bucket.objects().items() if not name.endswith(".unproven")}
        assert held.items() <= expected.items()
        for name in held:  # whoever sees a product sees it complete
            assert not name.endswith(".jp2") or f"{name}.aux.xml" in held
        if held == expected:
            break
    assert bucket.objects() == expected
    assert said, "nothing failed: other seeds are needed"
    assert all("run again when the store answers" in each for each in said)
    assert bucket.uploads() == []


@pytest.mark.parametrize("own", ["when_supported", "when_required"])
def test_what_a_store_alters_is_not_left_there(address, bucket, scenes, tmp_path, monkeypatch, own):
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", own)  # the library's own checksum, or ours alone
    store._made.cache_clear()
    s3_server.faults(address, 100, kind="alter")
    file = next(scenes.rglob("*.tif"))
    with pytest.raises((SceneError, VerificationError), match="checksum|other bytes"):
        store.send(file, f"/vsis3/{bucket.name}/arch/a.tif", tmp_path)
    assert bucket.objects() == {}
    store._made.cache_clear()


def test_a_refusal_that_comes_once_is_asked_again(address, bucket, scenes, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "4")
    s3_server.faults(address, 40, seed=5)
    file = next(scenes.rglob("*.tif"))
    assert store.send(file, f"/vsis3/{bucket.name}/arch/a.tif", file.parent)
    s3_server.faults(address, 0)
    assert bucket.objects() == {"a.tif": file.read_bytes()}


def test_a_store_that_is_shut_stops_the_run_and_blames_no_scene(address, bucket, scenes):
    place = f"s3://{bucket.name}/arch"
    s3_server.faults(address, 100, kind="shut")
    with pytest.raises(SceneError, match="the store lets nothing be written"):
        run(scenes, place)
    s3_server.faults(address, 0)
    assert bucket.objects() == {}
    standing, outcomes = run(scenes, place)
    assert (standing.done, standing.failed, len(outcomes)) == (SCENES, 0, SCENES)


def test_a_full_disk_here_stops_the_run_and_leaves_nothing_there(bucket, scenes, expected, monkeypatch):
    place, real = f"s3://{bucket.name}/arch", store.fetch

    def full(name: str, path: Path, max_rate: float = 0.0) -> None:
        if ".jp2." in name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(name, path, max_rate)

    monkeypatch.setattr(store, "fetch", full)
    with pytest.raises(SceneError, match="No space left on device; run again when that is mended"):
        run(scenes, place)
    assert bucket.objects() == {}
    monkeypatch.undo()
    monkeypatch.chdir(scenes)
    ledger = scenes.parent / "elsewhere" / "l.gpkg"
    for key, value in s3_server.told(str(bucket.client.meta.endpoint_url)).items():
        monkeypatch.setenv(key, value)
    assert run(scenes, place, ledger=str(ledger))[0].done == SCENES
    assert bucket.objects() == expected


def test_a_large_scene_in_a_store_has_a_small_overview(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "OVERVIEWS_ABOVE", 10_000)
    write_scene(tmp_path / "in" / "a.tif", size=700)
    place = f"s3://{bucket.name}/arch"
    run(tmp_path / "in", place)
    overview = bucket.objects()["a.jp2.ovr"]
    assert len(overview) <= 0.02 * len(bucket.objects()["a.jp2"])
    with rasterio.open(f"/vsis3/{bucket.name}/arch/a.jp2") as product:
        assert len(product.overviews(1)) == 1
    assert verify_archive(place, FixityOptions()).rotten == []
    bucket.client.put_object(Bucket=bucket.name, Key="arch/a.jp2.ovr", Body=overview[:-1])
    (rot,) = verify_archive(place, FixityOptions()).rotten
    assert "a.jp2.ovr, read for small sizes, was altered" in rot["rot"]


def test_large_files_go_in_parts_and_what_was_left_of_them_is_dropped(bucket, scenes, tmp_path):
    large = tmp_path / "large.jp2"
    large.write_bytes(np.random.default_rng(0).bytes(9 * 2**20))
    name = f"/vsis3/{bucket.name}/arch/large.jp2"
    assert store.send(large, name, tmp_path)
    head = bucket.client.head_object(Bucket=bucket.name, Key="arch/large.jp2")
    assert head["ETag"].endswith('-2"')
    assert bucket.objects() == {"large.jp2": large.read_bytes()}
    assert not store.send(large, name, tmp_path)
    large.write_bytes(b"another")
    with pytest.raises(OutputExistsError, match="another object"):
        store.send(large, name, tmp_path)
    for key in ("arch/part0/s00000.jp2", "arch/of_others.jp2"):
        bucket.client.create_multipart_upload(Bucket=bucket.name, Key=key)
    for key in ("arch/part0/.s00000.jp2.unproven", "arch/.of_others.jp2.unproven"):
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"half")
    run(scenes, f"s3://{bucket.name}/arch")
    assert bucket.uploads() == ["arch/of_others.jp2"]
    left = [name for name in bucket.objects() if name.endswith("unproven")]
    assert left == [".of_others.jp2.unproven"]


def test_nothing_is_to_be_found_before_it_was_read_back(bucket, tmp_path, monkeypatch):
    file, real, seen = tmp_path / "a.jp2", store.fetch, []
    file.write_bytes(b"a product")

    def fetch(name: str, path: Path, max_rate: float = 0.0) -> None:
        seen.append(sorted(bucket.objects()))
        real(name, path, max_rate)

    monkeypatch.setattr(store, "fetch", fetch)
    assert store.send(file, f"/vsis3/{bucket.name}/arch/a.jp2", tmp_path)
    assert seen == [[".a.jp2.unproven"]]
    assert bucket.objects() == {"a.jp2": b"a product"}


def test_a_run_killed_while_it_sends_goes_on(bucket, scenes, expected, tmp_path, capsys):
    place = f"s3://{bucket.name}/arch"
    ledger = tmp_path / "kept" / "one.gpkg"
    words = ["batch", "run", scenes, place, "--model", "none", "--ledger", ledger, "-j1"]
    work = subprocess.Popen([*RSIC, *map(str, words)])
    while not bucket.objects():
        time.sleep(0.02)
    work.send_signal(signal.SIGKILL)
    work.wait()
    there = {name: held for name, held in bucket.objects().items() if not name.endswith(".unproven")}
    assert there.items() <= expected.items()
    assert main([*map(str, words[:-1]), "-j0"]) == 0
    assert f"ledger {ledger}" in capsys.readouterr().out
    assert bucket.objects() == expected
    assert [each.name for each in ledger.parent.iterdir() if each.name.startswith(".")] == []
    assert not list(tmp_path.glob("b*-arch"))
    with pytest.raises(UsageError, match="--output"):  # a ledger may be anybody's
        retry_batch(ledger, BatchOptions(crew=Crew(jobs=0)), Watcher())
    settings = BatchOptions(crew=Crew(jobs=0), output=place)
    assert retry_batch(ledger, settings, Watcher()).done == SCENES


def test_a_bucket_that_is_not_there_leaves_nothing_here(bucket, scenes, tmp_path, capsys):
    words = ["batch", "run", str(scenes), f"s3://no-{bucket.name}/arch", "--model", "none", "-j0"]
    assert main(words) == 1
    assert f"there is no bucket no-{bucket.name}: make it first" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert main(["batch", "status", f"s3://{bucket.name}/arch"]) == 1
    assert f"`rsic batch rebuild s3://{bucket.name}/arch`" in capsys.readouterr().err
    (scenes / "part1" / "s00000.tif").hardlink_to(scenes / "part0" / "s00000.tif")
    try:
        words = ["batch", "run", str(scenes), f"s3://{bucket.name}/arch", "--template", "{stem}.jp2", "-j0"]
        assert main(words) == 2
        assert "would both become" in capsys.readouterr().err
    finally:
        (scenes / "part1" / "s00000.tif").unlink()
    assert "Contents" not in bucket.client.list_objects_v2(Bucket=bucket.name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gs://b/arch",), "s3://BUCKET/PREFIX"),
        (("https://b/arch",), "s3://BUCKET/PREFIX"),
        (("s3://",), "s3://BUCKET/PREFIX"),
        (("s3:///arch",), "s3://BUCKET/PREFIX"),
        (("s3://b/arch", "--template", "{steam}.jp2"), "use {ext}, {name}"),
        (("here", "--template", "{stem}.png"), "archives end in"),
        (("s3://b/arch", "--duplicates", "hardlink"), "has no links"),
        (("s3://b/arch", "--ledger", "s3://b/l.gpkg"), "a file of this machine"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    scenes, tmp_path, monkeypatch, capsys, words, said
):
    monkeypatch.chdir(tmp_path)
    assert main(["batch", "run", str(scenes), *words, "-j0"]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
