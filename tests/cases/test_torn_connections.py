"""A store that tears connections: what is read over HTTP is right, or the command ends."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from damage_support import write
from far.range_server import serving

import rsic_geo
from rsic_geo.errors import RsicGeoError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", ["cog.tif", "jpeg.tif", "scene.jp2"])
def test_torn_answers_never_become_pixels(name, tmp_path):
    source = write(tmp_path, name)
    with rasterio.open(source) as opened:
        expected = opened.read()
    failed = right = 0
    with serving(tmp_path) as address:
        for trial in range(16):
            share, archive = (0, 20, 50, 80)[trial % 4], tmp_path / f"{trial}.archive.jp2"
            # An address of its own each time: GDAL keeps what it has read of one.
            try:
                rsic_geo.compress(f"/vsicurl/{address}/{share}/{trial}/{name}", str(archive))
            except RsicGeoError:
                failed += 1
                assert share, "a store that tears nothing must be read"
                assert not archive.exists()
                continue
            right += 1
            with rsic_geo.open(str(archive)) as opened:
                np.testing.assert_array_equal(opened.read(), expected, err_msg=f"trial {trial}")
    assert failed
    assert right >= 4
