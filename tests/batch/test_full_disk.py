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


@pytest.mark.parametrize(
    ("case", "every"), [("run", 60), ("restore", 30), ("migrate", 160), ("merge", 80), ("stac", 12)]
)
def test_a_full_disk_at_writes_of_a_verb(case, every):
    """Some of all writes, SQLite's and GDAL's too; ``python tests/helpers/full_disk.py`` tries them all."""
    done = full_disk.armed(["--every", str(every), case])
    assert done.returncode == 0, done.stdout
