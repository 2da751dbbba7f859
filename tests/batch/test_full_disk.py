"""A disk that is full at any write of any verb: nothing half, one line, and the same command goes on."""

from __future__ import annotations

import shutil
import sys

import full_disk
import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="the full disk is made by a C compiler on Linux",
)


def test_a_full_disk_at_writes_of_verbs():
    """Some of all writes, SQLite's and GDAL's too; ``python tests/helpers/full_disk.py`` tries them all."""
    cases = ["run", "restore", "migrate", "merge", "stac", "decompress"]
    done = full_disk.armed(["--most", "2", *cases], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" 0 faults") == len(cases)
