"""Forged archives with right checksums: one error of ours within bounds of memory, or the scene as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from forged import Forge, places, put
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pipeline_support import painted

import rsic_geo
from rsic_geo.container import fields
from rsic_geo.errors import RsicGeoError

BUDGET_MIB = 64


def _write(path: Path, pixels: np.ndarray, **more) -> Path:
    """Write a scene with everything a document can tell: points, palettes and names are elsewhere."""
    with rasterio.open(
        path, "w", driver="GTiff", height=pixels.shape[1], width=pixels.shape[2], count=len(pixels),
        dtype=pixels.dtype, **more,
    ) as target:  # fmt: skip
        target.write(pixels)
        target.update_tags(PLATFORM="x", ns="MINE")
        target.update_tags(1, LOOK="7")
        target.descriptions = [f"band {k}" for k in range(len(pixels))]
        target.units = ["m"] * len(pixels)
        target.scales, target.offsets = [0.5] * len(pixels), [1.0] * len(pixels)
    return path


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forged")
    pixels = painted((4, 90, 110)).astype(np.uint16)
    pixels[:, :9, :9] = 7
    points = [rasterio.control.GroundControlPoint(r, c, 10.0 + c, 50.0 - r) for r in (0, 80) for c in (0, 90)]
    source = _write(folder / "s.tif", pixels, nodata=7, gcps=points, crs="EPSG:4326")
    archive = folder / "a.jp2"
    rsic_geo.compress(str(source), str(archive), target="bpp=3", model="rsic-linear", sidecar="never")
    return Forge(archive)


def _all_verbs(path: Path) -> None:
    """Look at a file by every verb that reads; anything but an error of ours comes through."""
    for verb in (
        lambda: rsic_geo.info(str(path)),
        lambda: rsic_geo.validate(str(path)),
        lambda: rsic_geo.open(str(path)).read(),
        lambda: rsic_geo.decompress(str(path), str(path.with_suffix(".tif")), overwrite=True),
    ):
        with suppress(RsicGeoError):
            verb()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from(
        [1e308, -1e308, 5e-324, 0, -1, 2**31, 2**63, 2**64 - 1, "nan", "inf", "", "x", "EPSG:4326"]
    )
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_any_json_value_at_any_place_is_an_error_of_ours_or_nothing(forge, tmp_path, data):
    document = forge.document
    path = data.draw(st.sampled_from(places(document)))
    changed = put(document, path, data.draw(JSON))
    try:
        text = json.dumps(changed)
    except ValueError:
        return
    file = tmp_path / "m.jp2"
    file.write_bytes(forge.with_text(text))
    _all_verbs(file)


@pytest.mark.parametrize(
    "text",
    [
        '{"s":{"width":Infinity}}',
        '{"s":{"width":1e999}}',
        '{"s":{"width":NaN}}',
        '{"s":{"nodata":{"all":1' + "0" * 400 + "}}}",
        '{"s":{"nodata":{"all":-1e400}}}',
        '{"s":{"transform":[1,0,0,0,1,1e999]}}',
        '{"s":' * 5000 + "1" + "}" * 5000,
        '{"s":{"count":1e18}}',
        '{"x":{"affine":{"dtype":"float32","scale":[1e309],"offset":[0]}}}',
        '{"r":{"dtype":"uint8","low":[-1e999],"high":[1]}}',
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_absurd_numbers_are_one_line(forge, text, tmp_path):
    file = tmp_path / "m.jp2"
    file.write_bytes(forge.with_text(text))
    found = rsic_geo.validate(str(file))
    assert not found["valid"]
    assert len(found["problems"]) == 1


_MEASURE = """
import resource, sys
import rsic_geo
from rsic_geo.errors import RsicGeoError
rsic_geo.info(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with rsic_geo.open(sys.argv[2]) as opened:
        opened.read()
        opened.dataset_mask()
except RsicGeoError as error:
    print(error, file=sys.stderr)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def _bombs(forge: Forge) -> dict[str, bytes]:
    """Return small files of whose parts each would inflate to hundreds of megabytes."""
    big = 1 << 24
    many = json.dumps({"s": {"gcps": [[]] * 4_000_000}}).encode()
    tags = json.dumps({"s": {"tags": {str(k): {} for k in range(1_000_000)}}}).encode()
    wide = ('{"s":{"crs":"' + "\U0001f30d" + "x" * (big - 100) + '"}}').encode()
    planes = b"\x05valid" + fields.varint(big) + b"\0\0" * (big // 2)
    return {
        "unknown fields": forge.with_fields(*((number, bytes(big)) for number in range(21, 121))),
        "known fields": forge.with_fields(
            *((number, bytes(big)) for number in (1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 13))
        ),
        "control points": forge.with_fields((12, many)),
        "tags": forge.with_fields((12, tags)),
        "a wide text": forge.with_fields((12, wide)),
        "planes": forge.with_fields((11, planes)),
        "groups": forge.with_fields((8, b"\x01\x00" * (big // 2))),
        "checksums": forge.with_fields((3, bytes(big))),
        "planes in a plane": forge.with_fields(
            (11, b"\x04mask" + b"\x01\x00" + fields.varint(4) + b"\xff\x00\x01\x01")
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "unknown fields", "known fields", "control points", "tags", "a wide text", "planes", "groups",
        "checksums", "planes in a plane",
    ],
)  # fmt: skip
def test_what_inflates_stays_within_the_budget(forge, name, tmp_path):
    good, bomb = tmp_path / "good.jp2", tmp_path / "bomb.jp2"
    good.write_bytes(forge.with_fields())
    bomb.write_bytes(_bombs(forge)[name])
    assert bomb.stat().st_size < 5 << 20, "a bomb is small"
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, good, bomb], capture_output=True, text=True, check=True, timeout=120
    )
    assert int(done.stdout) <= BUDGET_MIB, done.stderr


def test_what_is_written_keeps_the_bounds_it_is_read_with():
    writer = fields.Writer()
    for number in range(1, 9):
        writer.add(number, bytes(3 << 20))
    found = fields.read_fields(writer.data(), range(20))
    assert [len(content) for content in found.values()] == [3 << 20] * 8
