"""Verbs of ``rsic`` on a disk that is full from their n-th write on, and what must hold of them then.

As a program: ``python tests/helpers/full_disk.py [--most N] [CASE ...]`` tries every n of every case (or N
of them), each both ways: nothing has room from then on, or one call fails and the next has room again.
What counts as a write, and how it is reached, says ``full_disk.c``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import mmap
import os
import re
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from batch_support import write_scene

from rsic_geo import cli
from rsic_geo.errors import MetadataLossError

QUIET = ("--threads", "1", "-q")
PLAIN = ("batch", "run", "in", "out", "--model", "none", "--jobs", "0", *QUIET)
RUN = (*PLAIN, "--rules", "rules.toml", "--duplicates", "hardlink")
RULES = '[[rule]]\nwhen = { name = "copy*" }\ndo = "copy"\n'
_VOLATILE = {
    "seconds",
    "timing",
    "started",
    "finished",
    "heartbeat",
    "worker",
    "attempts",
    "checked",
    "made",
    "kept",
}
"""What differs between commands that did the same: times, tries, row bands an earlier one had made."""
_OF_LIBTIFF = re.compile(r"^_tiff\w+Proc: No space left on device\.\n", re.MULTILINE)
"""What libtiff prints by itself, whoever listens."""
MODULES = (
    *("rsic_geo.cli.commands.batch", "rsic_geo.cli.commands.compress", "rsic_geo.cli.commands.decompress"),
    *("rsic_geo.batch.export.stac", "rsic_geo.batch.preserve.migrate", "rsic_geo.verbs.compare", "pystac"),
)
Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A command, what was done before it, and what of that was lost."""

    words: Words
    before: tuple[Words, ...] = ()
    lost: str = ""
    retry: Words = ()
    """What does scenes again that failed on a disk full for a moment: GDAL does not always say why."""


RETRY = ("batch", "retry", "out", "--jobs", "0", *QUIET)
RESTORE = ("batch", "restore", "out", "back", *QUIET)
SHARDS = [f"out/rsic-batch.shard-{number}-of-2.gpkg" for number in (1, 2)]
ARCHIVED = (("compress", "in/byte.tif", "a.jp2", "--target", "psnr=40", "--model", "none", *QUIET),)
CASES = {
    "run": Case(RUN, retry=RETRY),
    "run with a worker": Case((*PLAIN[:-5], "--jobs", "1", *QUIET), retry=RETRY),
    "run of bands": Case(
        (*PLAIN, "--target", "psnr=40", "--bands-above", "0.001", "--include", "byte*.tif"), retry=RETRY
    ),
    "restore": Case(RESTORE, (RUN,), retry=RESTORE),
    "rebuild": Case(("batch", "rebuild", "out", "-q"), (RUN,), "out/rsic-batch.gpkg"),
    "verify": Case(("batch", "verify", "out", "-q"), (RUN,)),
    "merge": Case(
        ("batch", "merge", *SHARDS, "out/rsic-batch.gpkg", "-q"),
        tuple((*PLAIN, "--shard", f"{number}/2") for number in (1, 2)),
    ),
    "migrate": Case(
        ("batch", "migrate", "out", "new", "--codec", "cog", "--jobs", "0", *QUIET),
        (PLAIN,),
        retry=("batch", "retry", "new", *RETRY[3:]),
    ),
    "bag": Case(("batch", "export", "out", "bag", "--to", "bag", "-q"), (RUN,)),
    "stac": Case(("batch", "export", "out", "stac", "--to", "stac", "-q"), (RUN,)),
    "html": Case(("batch", "export", "out", "page.html", "--to", "html", "-q"), (RUN,)),
    "geoparquet": Case(("batch", "export", "out", "p.parquet", "--to", "geoparquet", "-q"), (RUN,)),
    "compress": Case(ARCHIVED[0]),
    "compress to COG": Case(("compress", "in/float.tif", "a.cog.tif", *QUIET)),
    "decompress": Case(("decompress", "a.jp2", "back.tif", *QUIET), ARCHIVED),
    "decompress to COG": Case(("decompress", "a.jp2", "back.tif", "-f", "COG", *QUIET), ARCHIVED),
}


class Disk:
    """The disk of ``full_disk.c`` under one folder, and commands that work there."""

    def __init__(self, shared: str, folder: Path) -> None:
        with open(shared, "r+b") as stream:
            self._page = mmap.mmap(stream.fileno(), mmap.PAGESIZE)
        self.folder = folder

    def run(self, words: Words, at: int = 0, *, once: bool = False) -> tuple[int, str]:
        """Run a command that meets a full disk at a write (0 = never); return exit code and what it says."""
        said = self.folder.with_name("said")
        self._page[:24] = struct.pack("lll", at, once, 0)
        if (pid := os.fork()) == 0:
            code = 99
            try:
                os.chdir(self.folder)
                handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(handle, 1)
                os.dup2(handle, 2)
                code = cli.main(list(words))
            finally:
                os._exit(code)
        _, status = os.waitpid(pid, 0)
        self._page[:8] = struct.pack("l", 0)
        return os.waitstatus_to_exitcode(status), said.read_text()

    @property
    def seen(self) -> int:
        """Writes of the last command."""
        return int(struct.unpack("l", self._page[16:24])[0])

    @property
    def failed_at(self) -> str:
        """System call and file of the last write that failed first."""
        return self._page[24:].split(b"\0", 1)[0].decode()


def write_sources(folder: Path) -> None:
    """Write a scene for JPEG 2000 with a vendor's file beside it, one for a COG, one to copy, and twins."""
    byte = write_scene(folder / "in" / "byte.tif", 1, size=96)
    with rasterio.open(byte, "r+") as scene:
        mask = np.full((96, 96), 255, np.uint8)
        mask[:40, 20:70] = 0
        scene.write_mask(mask)
        scene.build_overviews([2])
    write_scene(folder / "in" / "float.tif", 2, shape=(24, 528), dtype="float32")
    write_scene(folder / "in" / "copy.tif", 3, size=24)
    (folder / "in" / "byte_MTL.txt").write_text("GROUP = L1_METADATA_FILE\n")
    for name in ("byte", "copy"):
        shutil.copy(folder / "in" / f"{name}.tif", folder / "in" / f"{name}_twin.tif")
    (folder / "rules.toml").write_text(RULES)


def picture(folder: Path) -> dict[str, Any]:
    """Return what lies in a folder, by names; of ledgers and reports what does not change with the clock."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name.endswith((".lock", "-wal", "-shm", "-journal")) or name.startswith("in/"):
            continue
        if "/.rsic-batch/" in name:  # row bands that the next run goes on with
            continue
        if path.suffix == ".gpkg" and not name.startswith("bag/"):
            with closing(sqlite3.connect(path)) as ledger:
                ledger.row_factory = sqlite3.Row
                (state,) = ledger.execute("PRAGMA integrity_check").fetchone()
                assert state == "ok", (name, state)
                made = ledger.execute("SELECT 1 FROM sqlite_master WHERE name='scenes'").fetchone()
                rows = ledger.execute("SELECT * FROM scenes ORDER BY source").fetchall() if made else []
            found[name] = [_settled(dict(row)) for row in rows]
        elif path.suffix == ".json" and not name.startswith("bag/"):
            found[name] = _settled(json.loads(path.read_text()))
        elif path.suffix == ".html":
            found[name] = path.read_text().rstrip().endswith("</html>")
        else:
            found[name] = path.read_bytes()
    return found


def _settled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _settled(each) for key, each in value.items() if key not in _VOLATILE}
    return [_settled(each) for each in value] if isinstance(value, list) else value


def _is_scene(name: str, found: Any, wanted: Any) -> bool:
    """Return whether GDAL finds the same pixels, masks, levels and tags in GeoTIFFs of other bytes."""
    if not name.endswith(".tif") or name.endswith(".cog.tif"):
        return False
    said = []
    for content in (found, wanted):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "scene.tif").write_bytes(content)
            words = ["gdalinfo", "-json", "-checksum", "scene.tif"]
            said.append(subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False).stdout)
    return bool(said[0]) and said[0] == said[1]


def faults(
    disk: Disk, case: Case, prepared: Path, whole: dict[str, Any], at: int, *, once: bool
) -> list[str]:
    """Return what is wrong with a command that met a full disk, and with the same command after it."""
    shutil.rmtree(disk.folder)
    shutil.copytree(prepared, disk.folder)
    code, said = disk.run(case.words, at, once=once)
    lines, wrong = _OF_LIBTIFF.sub("", said).splitlines(), []
    try:
        found = picture(disk.folder)
    except Exception as error:
        return [f"broken: {error!r}"]
    for name in found.keys() & whole.keys():
        # Some of GDAL's writes that fail it makes again elsewhere in the file.
        if found[name] != whole[name] and _is_scene(name, found[name], whole[name]):
            found[name] = whole[name]
    ledgers = {name for name in found if name.endswith(".gpkg")}
    left = found.keys() - whole.keys()
    if code < 0:  # GDAL's COG driver died of it (3.10): as good as a kill, which leaves what is marked so
        left = {name for name in left if ".part" not in name}
    wrong += [f"{name} is left behind" for name in left]
    wrong += [
        f"{name} is half" for name in found.keys() & whole.keys() - ledgers if found[name] != whole[name]
    ]
    if code == 0:
        pages = {name for name in whole if name.endswith("default.html")}  # for want of which no run fails
        missing = {name for name in whole if found.get(name) != whole[name]} - pages
        return wrong + [f"{name} is missed, and it says nothing" for name in missing]
    if code == 3 and once and case.retry:
        disk.run(case.retry)
    elif once and code == MetadataLossError.exit_code:  # a mask that is gone again is what shows
        wrong += [] if len(lines) == 1 else [f"it says {said!r}"]
    elif code >= 0 and (
        code != 1 or len(lines) != 1 or not lines[0].startswith("rsic: error: ") or "unexpected" in said
    ):
        wrong.append(f"it ends with {code} and says {said!r}")
    code, said = disk.run(case.words)
    if code:
        return [*wrong, f"after it, it ends with {code} and says {said!r}"]
    found = {name: each for name, each in picture(disk.folder).items() if ".part" not in name}
    wrong += [f"after it, {place} is left behind" for place in disk.folder.rglob(".rsic-batch")]
    other = [name for name in {**whole, **found} if found.get(name) != whole.get(name)]
    return wrong + [
        f"after it, {name} is another"
        for name in other
        if not (once and name in found and _is_scene(name, found[name], whole.get(name, b"")))
    ]


def tried(disk: Disk, name: str, most: int) -> tuple[int, list[str]]:
    """Try the writes of a case; return how many it has, and what was wrong at which."""
    case, prepared = CASES[name], disk.folder.with_name("prepared")
    for folder in (disk.folder, prepared):
        shutil.rmtree(folder, ignore_errors=True)
    disk.folder.mkdir()
    write_sources(disk.folder)
    for words in case.before:
        code, said = disk.run(words)
        assert code == 0, said
    if case.lost:
        (disk.folder / case.lost).unlink()
    shutil.copytree(disk.folder, prepared)
    code, said = disk.run(case.words)
    assert (code, said) == (0, ""), (code, said)
    whole, writes, wrong = picture(disk.folder), disk.seen, []
    step = -(-writes // most) if most else 1
    for at in range(1 + step // 2, writes + 1, step):
        for once in (False, True):
            wrong += [
                f"{name}, write {at} ({disk.failed_at}), {'once' if once else 'from then on'}: {each}"
                for each in faults(disk, case, prepared, whole, at, once=once)
            ]
    return writes, wrong


def armed(words: list[str], **more: Any) -> subprocess.CompletedProcess[Any]:
    """Run this program where ``full_disk.c`` is preloaded; there has to be a compiler."""
    here = Path(__file__)
    with tempfile.TemporaryDirectory(prefix="rsic-full-") as name:
        folder = Path(name).resolve()
        shim = folder / "full_disk.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, here.with_suffix(".c")], check=True)
        (folder / "page").write_bytes(bytes(mmap.PAGESIZE))
        (folder / "disk").mkdir()
        preload = {"LD_PRELOAD": shim, "FULL_DISK": folder / "page", "FULL_DISK_UNDER": f"{folder / 'disk'}/"}
        environment = os.environ | {key: str(place) for key, place in preload.items()}
        environment["TMPDIR"] = str(folder)
        return subprocess.run([sys.executable, str(here), *words], env=environment, check=False, **more)


def program() -> int:
    """Try what the command line asks for, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("cases", nargs="*", metavar="CASE", choices=[[], *CASES])
    asked = parser.parse_args()
    if "FULL_DISK" not in os.environ:
        return armed(sys.argv[1:]).returncode
    for module in MODULES:  # once, and not in each of thousands of processes
        importlib.import_module(module)
    disk = Disk(os.environ["FULL_DISK"], Path(os.environ["FULL_DISK_UNDER"]))
    is_wrong = False
    for name in asked.cases or CASES:
        before = time.monotonic()
        writes, wrong = tried(disk, name, asked.most)
        for line in wrong:
            print(line, flush=True)
        print(f"{name}: {writes} writes, {len(wrong)} faults, {time.monotonic() - before:.0f} s", flush=True)
        is_wrong |= bool(wrong)
    return int(is_wrong)


if __name__ == "__main__":
    sys.exit(program())
