"""An output is there whole or not at all, whatever stops the work: caller, errors, signals, a full disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pipeline_support import Smoother, installed, painted, write_scene
from support import started

import rsic_geo
from rsic_geo.errors import JobCancelledError, OutputExistsError, SceneError, UsageError

LIMITED = """
import resource, sys
import rsic_geo
from rsic_geo.errors import RsicGeoError
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
verb, source, target, *rest = sys.argv[2:]
try:
    options = {"target": rest[0], "model": "none"} if rest else {"enhance": "off"}
    getattr(rsic_geo, verb)(source, target, **options)
except RsicGeoError as error:
    print(type(error).__name__, error, sep="|")
    raise SystemExit(3)
"""

Verb = Callable[..., object]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Return a scene and an enhanced archive of it, of several tiles each."""
    folder = tmp_path_factory.mktemp("inputs")
    source = write_scene(folder / "s.tif", painted((3, 300, 700)), nodata=0)
    with installed(Smoother()):
        report = rsic_geo.compress(source, folder / "a.jp2", target="psnr=33", tile_size=256)
    assert report.details["cells_enhanced"] > 0
    return source, folder / "a.jp2"


@pytest.fixture(autouse=True)
def quick():
    with installed(Smoother()):
        yield


def compress_lossless(inputs, target: Path, **options) -> None:
    rsic_geo.compress(inputs[0], target, tile_size=256, **options)


def compress_to_psnr(inputs, target: Path, **options) -> None:
    rsic_geo.compress(inputs[0], target, target="psnr=33", tile_size=256, **options)


def compress_to_size(inputs, target: Path, **options) -> None:
    rsic_geo.compress(inputs[0], target, target="bpp=1", tile_size=256, **options)


def compress_whole(inputs, target: Path, **options) -> None:
    rsic_geo.compress(inputs[0], target, tile_size=256, codec="cog", **options)


def decompress(inputs, target: Path, **options) -> None:
    rsic_geo.decompress(inputs[1], target, **options)


def decompress_to_cog(inputs, target: Path, **options) -> None:
    rsic_geo.decompress(inputs[1], target, driver="COG", **options)


VERBS = pytest.mark.parametrize(
    "verb",
    [compress_lossless, compress_to_psnr, compress_to_size, compress_whole, decompress, decompress_to_cog],
)


def output_of(verb: Verb, folder: Path) -> Path:
    if verb is compress_whole:
        return folder / "out.cog.tif"
    return folder / ("out.jp2" if "compress_" in verb.__name__[:9] else "out.tif")


@VERBS
def test_nothing_is_overwritten_unasked(inputs, tmp_path, verb):
    out = output_of(verb, tmp_path)
    out.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="exists"):
        verb(inputs, out)
    assert out.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [out]
    verb(inputs, out, overwrite=True)
    assert rsic_geo.validate(out)["valid"]


@VERBS
@pytest.mark.parametrize("suffix", [".aux.xml", ".msk", ".ovr"])
def test_no_sidecar_is_overwritten_unasked(inputs, tmp_path, verb, suffix):
    """A stray sidecar is somebody's file: not replaced, deleted, or read as if it were ours."""
    out = output_of(verb, tmp_path)
    stray = out.with_name(out.name + suffix)
    stray.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match=stray.name):
        verb(inputs, out)
    assert list(tmp_path.iterdir()) == [stray]
    assert stray.read_bytes() == b"precious"
    verb(inputs, out, overwrite=True)
    assert not stray.exists() or stray.read_bytes() != b"precious"


def stop_at(share: float, stop: BaseException | None) -> Callable[[float, str], bool]:
    def progress(fraction: float, message: str) -> bool:
        if fraction < share:
            return True
        if stop is not None:
            raise stop
        return False

    return progress


@VERBS
@pytest.mark.parametrize("kind", ["cancelled", "interrupted", "broken callback"])
def test_stopping_anywhere_leaves_what_was_there(inputs, tmp_path, verb, kind):
    """Four random places each; an older output with its sidecar survives untouched."""
    chance = random.Random(f"{verb.__name__} {kind}")
    stop, expected = {
        "cancelled": (None, JobCancelledError),
        "interrupted": (KeyboardInterrupt(), KeyboardInterrupt),
        "broken callback": (ZeroDivisionError("callback"), ZeroDivisionError),
    }[kind]
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        out = output_of(verb, folder)
        older = {}
        if number % 2:
            older = {out.name: b"older", out.name + ".aux.xml": b"<PAMDataset/>"}
            for name, content in older.items():
                (folder / name).write_bytes(content)
        with pytest.raises(expected):
            verb(inputs, out, progress=stop_at(chance.random() * 0.97, stop), overwrite=True)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == older


@VERBS
def test_progress_rises_to_one(inputs, tmp_path, verb):
    seen: list[float] = []
    verb(inputs, output_of(verb, tmp_path), progress=lambda fraction, _: bool(seen.append(fraction)) or True)
    assert seen == sorted(seen)
    assert 0 <= seen[0] < 0.5
    assert seen[-1] == 1


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["compress", "decompress"])
def test_a_killed_process_leaves_no_output(inputs, tmp_path, name):
    """Killed at four moments: the final name is absent or whole; a file marked .part may stay."""
    source = inputs[0] if name == "compress" else tmp_path / "a.jp2"
    if name == "decompress":
        rsic_geo.compress(inputs[0], source, target="psnr=50", model="none", tile_size=256)
    code = (
        "import sys, rsic_geo\n"
        "def tell(fraction, message):\n"
        "    print(fraction, flush=True)\n"
        f"rsic_geo.{name}(sys.argv[1], sys.argv[2], progress=tell, overwrite=True)\n"
    )
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        out = folder / ("o.jp2" if name == "compress" else "o.tif")
        words = [sys.executable, "-c", code, str(source), str(out)]
        with started(words, stdout=subprocess.PIPE, text=True) as process:
            for _ in range(number + 1):
                process.stdout.readline()
        left = {path.name for path in folder.iterdir()}
        assert all(".part" in each for each in left - {out.name, out.name + ".aux.xml"})
        if out.exists():
            assert rsic_geo.validate(out)["valid"]


@VERBS
def test_folders_nobody_can_write_to(inputs, tmp_path, verb):
    with pytest.raises(SceneError, match="folder"):
        verb(inputs, output_of(verb, tmp_path / "missing"))
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):  # root may write anywhere but in the kernel's own folders
        folder = Path("/proc")
    if not folder.is_dir():
        pytest.skip("everything can be written to here")
    with pytest.raises(SceneError) as caught:
        verb(inputs, output_of(verb, folder))
    assert len(str(caught.value).splitlines()) == 1


@VERBS
def test_a_folder_in_place_of_the_output(inputs, tmp_path, verb):
    out = output_of(verb, tmp_path)
    out.mkdir()
    for overwrite in (False, True):
        with pytest.raises((SceneError, UsageError)):
            verb(inputs, out, overwrite=overwrite)
    assert list(tmp_path.iterdir()) == [out]
    assert list(out.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("limit", [0, 3000, 30_000, 90_000])
@pytest.mark.parametrize("name", ["lossless", "psnr", "cog", "decompress"])
def test_a_full_disk_is_one_line(inputs, tmp_path, name, limit):
    """Files may not grow past a limit: an error of ours, and nothing stays."""
    words = {
        "lossless": ["compress", str(inputs[0]), str(tmp_path / "o.jp2"), "lossless"],
        "psnr": ["compress", str(inputs[0]), str(tmp_path / "o.jp2"), "psnr=44"],
        "cog": ["compress", str(inputs[0]), str(tmp_path / "o.cog.tif"), "lossless"],
        "decompress": ["decompress", str(inputs[1]), str(tmp_path / "o.tif")],
    }[name]
    code = (
        LIMITED
        if name != "decompress"
        else LIMITED.replace("if rest else {}", 'if rest else {"enhance": "off"}')
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(limit), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr[-2000:]
    kind, _, text = done.stdout.strip().partition("|")
    assert kind == "SceneError", done.stdout
    assert len(text.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_source_is_never_the_output(inputs, tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((1, 50, 60)))
    before = source.read_bytes()
    link = tmp_path / "link.jp2"
    link.symlink_to(source)
    for target in (source, tmp_path / "." / "s.tif", link):
        with pytest.raises(UsageError):
            rsic_geo.compress(source, target, overwrite=True)
        with pytest.raises(UsageError):
            rsic_geo.decompress(source, target, overwrite=True)
    assert source.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"s.tif", "link.jp2"}


def test_stale_sidecars_do_not_outlive_their_file(inputs, tmp_path):
    """A sidecar of the overwritten file would be read as if it were the new one's."""
    out = tmp_path / "o.tif"
    out.write_bytes(b"older")
    (tmp_path / "o.tif.aux.xml").write_text("<PAMDataset><SRS>bogus</SRS></PAMDataset>")
    time.sleep(0.01)
    rsic_geo.decompress(inputs[1], out, overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"o.tif"}
    assert rsic_geo.compare(inputs[0], out).metadata[1:] == ()
