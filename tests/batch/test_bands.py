"""Row bands of one very large scene: kept over an interruption, made by several, and always the same."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from dataclasses import replace

import mortal
import numpy as np
import pytest
from band_kills import Killer, command, counts
from batch_kills import Victims
from batch_support import options, products, rsic, run, write_scene
from hypothesis import given
from hypothesis import strategies as st
from pipeline_support import Smoother, installed, painted
from pipeline_support import write_scene as write_rgb

from rsic_geo.batch import verify
from rsic_geo.batch.coordinator import WORKSHOP
from rsic_geo.batch.kept_comparison import Checkpoint
from rsic_geo.codecs.registry import get_entry
from rsic_geo.errors import (
    ContainerError,
    JobCancelledError,
    LedgerError,
    SceneError,
    TargetNotReachedError,
)
from rsic_geo.geo.window import TileGrid
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.quality import BandErrors
from rsic_geo.raster import open_scene
from rsic_geo.targets import Target
from rsic_geo.verbs import compress
from rsic_geo.write import fit
from rsic_geo.write import parts as bands_module
from rsic_geo.write.kept_fit import FitLog, FittedRow
from rsic_geo.write.parts import LEAST_TILES, BandStore, help_out, row_bands
from rsic_geo.write.passes import TilePass, TileRecord, pack_record, unpack_record
from rsic_geo.write.plan import plan_scene
from rsic_geo.write.reading import Bench, sized_codec
from rsic_geo.write.tiles import TileResult

TARGETS = ["lossless", "psnr=36", "bpp=1.5", "max-error=9"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Be a scene of 5 x 4 tiles in three bands of tile rows, with nodata."""
    return write_scene(
        tmp_path_factory.mktemp("large") / "large.tif", shape=(1200, 800), nodata=0, tiled=True
    )


def wanted(target: str, model: str = "none") -> EncodeOptions:
    return EncodeOptions(
        target=Target.parse(target), model=model, tile_size=256, execution=Execution(threads=1), verify="none"
    )


def stop_with(folder, parts: int):
    """Stop as soon as so many parts are finished."""
    return lambda _done, _message: len(list(folder.glob("*.part"))) < parts


@given(height=st.integers(1, 9000), width=st.integers(1, 9000), tile_size=st.sampled_from([256, 1024]))
def test_bands_are_rows_of_tiles_and_all_of_them(height, width, tile_size):
    grid = TileGrid(height=height, width=width, tile_size=tile_size)
    found = row_bands(grid)
    assert [number for tiles in found for number in tiles] == list(range(len(grid)))
    assert all(tiles.start % grid.cols == 0 for tiles in found)
    assert all(len(tiles) >= LEAST_TILES for tiles in found[:-1])


floats = st.floats(0, 1e12)


@given(
    number=st.integers(0, 10**6),
    stream=st.binary(),
    plane=st.binary(),
    values=st.lists(floats, min_size=6, max_size=6),
)
def test_coded_tiles_survive_as_bytes(number, stream, plane, values):
    cells = np.array(values).reshape(2, 1, 3)
    result = TileResult(
        number=number,
        codestream=stream,
        sse=cells.sum(axis=(1, 2)),
        worst=np.array(values[:1]),
        cell_sse=cells,
        cell_count=cells + 1,
        pixel_crc=number,
        coding_seconds=0.1,
    )
    back = unpack_record(pack_record(TileRecord(number=number, result=result, planes={"mask": plane})))
    assert (back.number, back.planes) == (number, {"mask": plane})
    assert (back.result.codestream, back.result.worst.tolist()) == (stream, values[:1])
    for name in ("sse", "cell_sse", "cell_count"):
        assert np.array_equal(getattr(back.result, name), getattr(result, name))


@given(sizes=st.lists(st.integers(1, 10**9)), errors=st.lists(floats), cut=st.integers(1, 5))
def test_curves_survive_as_bytes_and_cut_ones_are_refused(sizes, errors, cut):
    record = TileRecord(number=3, points=(tuple(sizes), tuple(errors), tuple(errors)), is_usual=cut > 2)
    packed = pack_record(record)
    assert unpack_record(packed) == record
    with pytest.raises(ContainerError):
        unpack_record(packed[:-cut])


def test_a_pass_survives_as_json_and_its_key_is_that_of_its_tiles():
    one = TilePass(work="sizes", sizes=(1, 2, 3, 4))
    other = TilePass(work="sizes", sizes=(1, 2, 3, 5))
    assert TilePass.from_json(one.to_json()) == one
    layered = TilePass(work="curves", layers=(9.0, 3.5))
    assert TilePass.from_json(layered.to_json()) == layered
    assert one.key(range(2)) == other.key(range(2)) != one.key(range(2, 4))
    assert one.key(range(2, 4)) != other.key(range(2, 4))


def bench_of(reader, target):
    plan = plan_scene(reader, wanted(target))[1]
    return Bench(reader=reader, plan=plan, codec=sized_codec(get_entry("jp2"), plan), workers=1)


@pytest.mark.parametrize("target", TARGETS)
def test_what_was_interrupted_goes_on_and_gives_the_same_bytes(scene, tmp_path, target):
    compress.compress(str(scene), str(tmp_path / "once.jp2"), wanted(target))
    out, made = tmp_path / "out.jp2", 0
    for parts in (1, 2, 1000):
        store = BandStore(tmp_path / "bands", {"scene": 1})
        try:
            report = compress.compress(
                str(scene), str(out), wanted(target), stop_with(store.folder, parts), store
            )
        except JobCancelledError:
            assert not out.exists()
        made += store.made
        assert len(list(store.folder.glob("*.part"))) == made, "a finished band was made twice"
        assert made >= min(parts, 3)
    assert report.details["bands"] == {"made": store.made, "kept": store.kept}
    assert store.kept >= 2
    assert out.read_bytes() == (tmp_path / "once.jp2").read_bytes()


def test_a_damaged_part_is_made_again(scene, tmp_path):
    todo = wanted("lossless")
    store = BandStore(tmp_path / "bands", {})
    compress.compress(str(scene), str(tmp_path / "a.jp2"), todo, bands=store)
    part = sorted(store.folder.glob("*.part"))[1]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    sorted(store.folder.glob("*.part"))[2].write_bytes(b"")
    store = BandStore(tmp_path / "bands", {})
    compress.compress(str(scene), str(tmp_path / "b.jp2"), todo, bands=store)
    assert (store.made, store.kept) == (2, 1)
    assert (tmp_path / "a.jp2").read_bytes() == (tmp_path / "b.jp2").read_bytes()


def test_parts_of_another_scene_are_thrown_away(scene, tmp_path):
    compress.compress(
        str(scene),
        str(tmp_path / "a.jp2"),
        wanted("lossless"),
        bands=BandStore(tmp_path / "bands", {"key": 1}),
    )
    assert list((tmp_path / "bands").glob("*.part"))
    BandStore(tmp_path / "bands", {"key": 1})
    assert list((tmp_path / "bands").glob("*.part"))
    BandStore(tmp_path / "bands", {"key": 2})
    assert not list((tmp_path / "bands").glob("*.part"))


@pytest.mark.parametrize("target", ["lossless", "bpp=1.5"])
def test_helpers_make_parts_and_change_nothing(scene, tmp_path, target, monkeypatch):
    monkeypatch.setattr(bands_module, "_LEAST_WAIT", 300.0)  # the writer believes no helper dead
    monkeypatch.setattr(bands_module, "_CLOSED_SECONDS", 300.0)  # nor do helpers go before it begins
    helped, make = threading.Event(), bands_module._make

    def make_part(*args) -> None:
        if threading.current_thread() is threading.main_thread():
            assert helped.wait(300), "nobody helps"
        make(*args)
        helped.set()

    monkeypatch.setattr(bands_module, "_make", make_part)
    compress.compress(str(scene), str(tmp_path / "once.jp2"), wanted(target))
    store = BandStore(tmp_path / "bands", {})
    made = []

    def help_it() -> None:
        with open_scene(str(scene)) as reader:
            bench = bench_of(reader, target)
            made.append(help_out(store.folder, bench))

    helpers = [threading.Thread(target=help_it) for _ in range(2)]
    for helper in helpers:
        helper.start()
    compress.compress(str(scene), str(tmp_path / "out.jp2"), wanted(target), bands=store)
    store.remove()
    for helper in helpers:
        helper.join(30)
    assert sum(made) > 0
    assert store.kept >= sum(made)
    assert (tmp_path / "out.jp2").read_bytes() == (tmp_path / "once.jp2").read_bytes()


def test_a_part_its_helper_never_finishes_is_made_by_the_writer(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(bands_module, "_LEAST_WAIT", 0.01)
    store = BandStore(tmp_path / "bands", {})
    claim = bands_module._claim
    monkeypatch.setattr(
        bands_module, "_claim", lambda part: claim(part) and not claim(part)
    )  # taken by nobody
    compress.compress(str(scene), str(tmp_path / "out.jp2"), wanted("lossless"), bands=store)
    assert (store.made, store.kept) == (3, 0)


def test_a_helper_that_reads_the_scene_in_another_way_makes_nothing(scene, tmp_path):
    store = BandStore(tmp_path / "bands", {})
    (store.folder / "pass.json").write_text('{"plan": "another", "pass": {}}')
    with open_scene(str(scene)) as reader:
        bench = bench_of(reader, "lossless")
        assert help_out(store.folder, bench) == 0


class Stopped(Smoother):
    """A smoother that stops the work when it has corrected so many windows."""

    def __init__(self, after: int) -> None:
        self.after, self.windows = after, 0

    def correct(self, sight, seed=0):
        self.windows += 1
        if self.windows > self.after:
            raise JobCancelledError("stopped")
        return super().correct(sight, seed)


def test_a_fit_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "SAMPLE_WINDOWS", 4)  # those of the filters are not kept, and are few of many
    source = write_rgb(tmp_path / "rgb.tif", painted((3, 1100, 300)))
    todo = replace(wanted("bpp=0.25", model="auto"), execution=Execution(threads=1, window_size=256))
    whole, half, rest = Stopped(10**6), Stopped(10), Stopped(10**6)
    with installed(whole):
        compress.compress(str(source), str(tmp_path / "once.jp2"), todo)
    store = BandStore(tmp_path / "bands", {})
    with installed(half), pytest.raises(JobCancelledError):
        compress.compress(str(source), str(tmp_path / "out.jp2"), todo, None, store)
    (log,) = store.folder.glob("fit-*.log")
    kept = log.read_bytes()
    assert kept
    store = BandStore(tmp_path / "bands", {})
    with installed(rest):
        report = compress.compress(str(source), str(tmp_path / "out.jp2"), todo, None, store)
    assert report.details["cells_enhanced"] > 0
    assert log.read_bytes().startswith(kept)
    assert rest.windows < whole.windows
    assert (tmp_path / "out.jp2").read_bytes() == (tmp_path / "once.jp2").read_bytes()


class _Network:
    sha256 = "ab"


def test_a_line_cut_short_is_no_row(tmp_path):
    log = FitLog(tmp_path, {0: 7})
    assert log.rows(_Network(), 0, None) == {}
    fitted = FittedRow(
        strengths=np.arange(6, dtype=np.uint8).reshape(2, 3),
        sse=np.array([0.1, 2.0]),
        worst=np.array([3.5, 1.0]),
    )
    log.add(4, fitted)
    log.add(5, fitted)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    log.add(6, fitted)
    found = FitLog(tmp_path, {0: 7}).rows(_Network(), 0, None)
    assert sorted(found) == [4, 6]
    assert np.array_equal(found[6].strengths, fitted.strengths)
    assert (found[6].sse.tolist(), found[6].worst.tolist()) == ([0.1, 2.0], [3.5, 1.0])
    assert FitLog(tmp_path, {0: 8}).rows(_Network(), 0, None) == {}
    assert FitLog(tmp_path, {0: 7}).rows(_Network(), 0, 2.0) == {}


def test_a_batch_keeps_bands_until_the_product_is_there(scene, tmp_path, monkeypatch):
    target = options("lossless", tile_size=256)
    real = compress.compress

    def stopped(src, dst, wanted, progress, bands):
        return real(src, dst, wanted, stop_with(bands.folder, 2), bands)

    monkeypatch.setattr(compress, "compress", stopped)
    with pytest.raises(JobCancelledError):
        run([str(scene)], tmp_path / "out", target, bands_above=0.5)
    (folder,) = (tmp_path / "out" / WORKSHOP).glob("*/bands-*")
    kept = len(list(folder.glob("*.part")))
    assert kept > 0
    assert [path for path in folder.parent.iterdir() if path != folder] == []
    monkeypatch.undo()
    assert run([str(scene)], tmp_path / "out", target, bands_above=0.5)[0].done == 1
    assert counts(tmp_path / "out") == {"made": 3 - kept, "kept": kept}
    assert list(products(tmp_path / "out")) == ["large.jp2"]


def test_a_proof_goes_on_where_it_stopped(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(verify, "_WINDOW", 256)
    target = options("psnr=36", tile_size=256)
    assert run([str(scene)], tmp_path / "once", target)[0].done == 1
    real, seen = verify.compare_window, []

    def compared(original, archive, window, bands):
        seen.append(window.row_off)
        if len(seen) == 10:
            raise JobCancelledError("stopped")
        return real(original, archive, window, bands)

    monkeypatch.setattr(verify, "compare_window", compared)
    with pytest.raises(JobCancelledError):
        run([str(scene)], tmp_path / "out", target, bands_above=0.5)
    assert run([str(scene)], tmp_path / "out", target, bands_above=0.5)[0].done == 1
    assert seen[10:] == [row for row in (512, 768, 1024) for _ in range(4)]
    reports = [tmp_path / name / "rsic-batch-reports" / "large.jp2.json" for name in ("once", "out")]
    once, out = (json.loads(report.read_text())["proof"] for report in reports)
    assert once == out


@given(values=st.lists(st.floats(allow_nan=False), min_size=4, max_size=4), rows=st.integers(0, 10**6))
def test_an_account_survives_and_a_damaged_one_counts_for_nothing(tmp_path_factory, values, rows):
    path = tmp_path_factory.mktemp("account") / "proof.json"
    sse, sad, largest, peak = values
    bands = [
        BandErrors(band=1, sse=sse, sad=sad, max_abs_error=largest, peak=peak),
        BandErrors(band=2, is_alpha=True),
    ]
    Checkpoint(path, "ab").save(rows, False, bands)
    assert Checkpoint(path, "ab").load(2) == (rows, False, bands)
    assert Checkpoint(path, "cd").load(2) is None
    assert Checkpoint(path, "ab").load(3) is None
    path.write_bytes(path.read_bytes()[:-3])
    assert Checkpoint(path, "ab").load(2) is None


def test_a_batch_keeps_no_bands_of_a_scene_that_cannot_be_archived(scene, tmp_path, monkeypatch):
    def fail(src, dst, wanted, progress, bands):
        assert bands is not None
        raise TargetNotReachedError("no")

    monkeypatch.setattr(compress, "compress", fail)
    assert run([str(scene)], tmp_path / "out", options(), bands_above=0.5)[0].failed == 1
    assert not (tmp_path / "out" / WORKSHOP).exists()


def test_bands_outlive_a_full_disk(scene, tmp_path):
    """Work on a file system that one pass does not fit, if this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this process may not mount a small file system")
    wanted = options("lossless", tile_size=256)
    try:
        with pytest.raises((SceneError, LedgerError), match=r"No space left.*run again"):
            run([str(scene)], disk / "out", wanted, bands_above=0.5)
        kept = len(list((disk / "out" / WORKSHOP).glob("*/bands-*/*.part")))
        assert kept > 0
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        assert run([str(scene)], disk / "out", wanted, bands_above=0.5)[0].done == 1
        assert counts(disk / "out")["kept"] == kept
        assert len(products(disk / "out")) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_smaller_scenes_are_archived_as_ever(scene, tmp_path, monkeypatch):
    real, given_bands = compress.compress, []

    def spy(src, dst, wanted, progress, bands):
        given_bands.append(bands)
        return real(src, dst, wanted, progress, bands)

    monkeypatch.setattr(compress, "compress", spy)
    assert run([str(scene)], tmp_path / "out", options(), bands_above=2)[0].done == 1
    assert run([str(scene)], tmp_path / "out0", options(), bands_above=0)[0].done == 1
    assert given_bands == [None, None]


@pytest.mark.slow
def test_kills_make_no_finished_band_again(tmp_path):
    write_scene(tmp_path / "in" / "large.tif", size=1800, tiled=True)
    assert rsic(*command(tmp_path / "in", tmp_path / "once", "--target", "psnr=38")[3:]).returncode == 0
    words = command(tmp_path / "in", tmp_path / "out", "--target", "psnr=38", "--jobs", "2", "-q")
    environment = mortal.plan(tmp_path / "deaths", ["proving.1.hold"])  # it cannot end before the kills do
    with Victims([*mortal.MORTAL, *words[3:]], environment=environment) as run:
        killer = Killer(run, random.Random(4), 2.0)
        killer.until_done(6, (tmp_path / "deaths" / "proving.1.hold").unlink)
    assert products(tmp_path / "out") == products(tmp_path / "once")
    assert killer.killed.total() == 6
    assert killer.most_seen > 0, "no kill met a finished band"
    assert not (tmp_path / "deaths" / mortal.AGAIN).exists()
