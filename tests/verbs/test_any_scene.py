"""Scenes of every shape and habit: any size, bands, types, masks, colours and names, there and back."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jp2_support import assert_valid
from pipeline_support import Smoother, installed, measured, painted, write_scene
from rasterio.enums import ColorInterp

import rsic_geo
from rsic_geo.container.jp2 import find_codestream
from rsic_geo.errors import ChecksumError

TYPES = ("uint8", "uint16", "int16")
COLOURS = (
    ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.gray, ColorInterp.undefined,
    ColorInterp.alpha,
)  # fmt: skip


@st.composite
def scenes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw pixels and a description; most are odd in some way."""
    dtype = draw(st.sampled_from(TYPES))
    side = st.integers(1, 90) | st.sampled_from([1, 2, 255, 256, 257])
    shape = (draw(st.integers(1, 6)), draw(side), draw(side))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    limits = np.iinfo(dtype)
    kind = draw(st.sampled_from(["painted", "noise", "constant", "two values"]))
    if kind == "painted":
        pixels = painted(shape, dtype, draw(st.integers(0, 3)))
    elif kind == "noise":
        pixels = rng.integers(limits.min, limits.max, shape, endpoint=True).astype(dtype)
    elif kind == "constant":
        pixels = np.full(shape, draw(st.integers(limits.min, limits.max)), dtype)
    else:
        pixels = rng.choice(np.array([limits.min, limits.max], dtype), shape)
    nodata = draw(st.sampled_from([None, None, 0, limits.min, limits.max, 100]))
    if nodata is not None and draw(st.booleans()):
        pixels[:, rng.random(shape[1:]) < draw(st.sampled_from([0.05, 0.5, 1.0]))] = nodata
    colours = draw(st.lists(st.sampled_from(COLOURS), min_size=shape[0], max_size=shape[0]))
    if colours.count(ColorInterp.alpha) > 1 or nodata is not None:
        colours = [ColorInterp.undefined if c is ColorInterp.alpha else c for c in colours]
    mask = None
    if nodata is None and ColorInterp.alpha not in colours and draw(st.booleans()):
        mask = rng.random(shape[1:]) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    return {"pixels": pixels, "nodata": nodata, "colours": colours, "mask": mask}


def write(path: Path, scene: dict[str, Any]) -> Path:
    write_scene(path, scene["pixels"], mask=scene["mask"], nodata=scene["nodata"], photometric="MINISBLACK")
    with rasterio.open(path, "r+") as out:
        out.colorinterp = scene["colours"]
        out.set_band_description(1, "première bande")
        out.scales = tuple(0.5 * (i + 1) for i in range(out.count))
        out.offsets = tuple(-1.5 * i for i in range(out.count))
        out.update_tags(ns="AUFNAHME", Größe='1 < 2 & "3" > \' ', EMPTY="")
    return path


RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@RELAXED
@given(scenes(), st.sampled_from([256, 512, 1024]))
def test_lossless(tmp_path_factory, scene, tile_size):
    folder = tmp_path_factory.mktemp("any")
    source = write(folder / "s.tif", scene)
    rsic_geo.compress(source, folder / "a.jp2", tile_size=tile_size)
    rsic_geo.decompress(folder / "a.jp2", folder / "r.tif")
    found = rsic_geo.compare(source, folder / "r.tif")
    assert found.is_equal, found.to_json()
    assert rsic_geo.compare(source, folder / "a.jp2").is_equal
    assert_valid(folder / "a.jp2")


@RELAXED
@given(scenes(), st.sampled_from(["psnr", "max-error"]), st.sampled_from([256, 1024]))
def test_lossy(tmp_path_factory, scene, kind, tile_size):
    folder = tmp_path_factory.mktemp("any")
    source = write(folder / "s.tif", scene)
    is_wide = scene["pixels"].dtype != np.uint8
    target = {"psnr": 34.0, "max-error": 3000.0 if is_wide else 12.0}[kind]
    with installed(Smoother()):
        # of a scene of few counts the target may leave nothing, which is refused unless it is accepted
        rsic_geo.compress(
            source, folder / "a.jp2", target=f"{kind}={target}", tile_size=tile_size, accept_loss=True
        )
        rsic_geo.decompress(folder / "a.jp2", folder / "r.tif")
    psnr, largest = measured(source, folder / "r.tif")
    assert psnr >= target if kind == "psnr" else largest <= target
    found = rsic_geo.compare(source, folder / "r.tif")
    assert found.mask_equal
    assert all(band.valid_equal for band in found.bands)
    assert [d for d in found.metadata if d.field not in ("tags[RSIC]",) and "RSIC" not in d.field] == []
    assert_valid(folder / "a.jp2")


@pytest.mark.parametrize(
    "name",
    [
        "with space.tif",
        "brackets [1].tif",
        "star*.tif",
        "größe.tif",
        "日本.tif",
        "no suffix",
        "two.dots.tif",
        "-x.tif",
    ],
)
def test_any_name(tmp_path, name):
    source = write_scene(tmp_path / name, painted((1, 40, 50)))
    archive, result = tmp_path / f"{name}.jp2", tmp_path / f"{name} back.tif"
    rsic_geo.compress(source, archive, target="psnr=35", model="none")
    rsic_geo.decompress(archive, result)
    assert measured(source, result)[0] >= 35
    allowed = {f"{path.name}{end}" for path in (source, archive, result) for end in ("", ".aux.xml")}
    assert {path.name for path in tmp_path.iterdir()} <= allowed


def test_names_that_only_gdal_knows(tmp_path, monkeypatch):
    """Inside a ZIP file, in memory, and relative to the folder we are in."""
    source = write_scene(tmp_path / "s.tif", painted((3, 70, 80)))
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        archive.write(source, "inner/s.tif")
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate((f"/vsizip/{tmp_path}/s.zip/inner/s.tif", "s.tif", "./s.tif")):
        rsic_geo.compress(name, f"a{number}.jp2")
        rsic_geo.decompress(f"a{number}.jp2", f"r{number}.tif")
        assert rsic_geo.compare(source, f"r{number}.tif").is_equal


def test_the_same_input_gives_the_same_bytes(tmp_path):
    """Twice, and with one thread or four: archives can be compared by their checksum."""
    source = write_scene(tmp_path / "s.tif", painted((3, 300, 560)), nodata=0)
    made = []
    with installed(Smoother()):
        for threads in (1, 4, 4):
            rsic_geo.compress(
                source, tmp_path / "a.jp2", target="psnr=33", tile_size=256, threads=threads, overwrite=True
            )
            made.append((tmp_path / "a.jp2").read_bytes())
            rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / f"r{len(made)}.tif", threads=threads)
    assert made[0] == made[1] == made[2]
    assert rsic_geo.compare(tmp_path / "r1.tif", tmp_path / "r2.tif").is_equal


def test_many_at_once(tmp_path):
    """Jobs in threads of one process do not meet."""
    sources = [write_scene(tmp_path / f"{i}.tif", painted((1 + i % 3, 200, 300), seed=i)) for i in range(6)]

    def there_and_back(source: Path) -> bool:
        archive, result = source.with_suffix(".jp2"), source.with_suffix(".back.tif")
        rsic_geo.compress(source, archive, tile_size=256, memory_mib=16 + int(source.stem))
        rsic_geo.decompress(archive, result)
        return rsic_geo.compare(source, result).is_equal

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(there_and_back, sources))


@pytest.mark.parametrize("first", ["bpp=1", "psnr=34", "lossless"])
@pytest.mark.parametrize("habit", ["nodata", "mask", "alpha"])
def test_an_archive_is_a_scene_like_any_other(tmp_path, first, habit):
    """Compressed again without loss it gives the same final pixels, nodata, masks and metadata."""
    rows, cols = np.mgrid[0:200, 0:600]
    inside = rows + cols // 2 > 60
    pixels = painted((4 if habit == "alpha" else 3, 200, 600))
    if habit == "nodata":
        pixels[:, ~inside] = 0
    elif habit == "alpha":
        pixels[3] = np.where(inside, 255, 0)
    source = write_scene(
        tmp_path / "s.tif",
        pixels,
        mask=inside if habit == "mask" else None,
        nodata=0 if habit == "nodata" else None,
        alpha="YES",
    )
    archive = tmp_path / "a.jp2"
    with installed(Smoother()):
        rsic_geo.compress(source, archive, target=first, sidecar="never", tile_size=256)
        rsic_geo.decompress(archive, tmp_path / "a.tif")
        for name in ("a.jp2", "a.tif"):
            rsic_geo.compress(tmp_path / name, tmp_path / "b.jp2", overwrite=True)
            rsic_geo.decompress(tmp_path / "b.jp2", tmp_path / "b.tif", overwrite=True)
            assert rsic_geo.compare(tmp_path / "a.tif", tmp_path / "b.tif").is_equal
            assert rsic_geo.compare(archive, tmp_path / "b.jp2").is_equal
        rsic_geo.compress(archive, tmp_path / "c.jp2", target="psnr=30")
        found = rsic_geo.compare(archive, tmp_path / "c.jp2")
        assert found.psnr is None or found.psnr >= 30
        assert found.mask_equal
        assert found.metadata == ()


def test_a_damaged_archive_is_no_source(tmp_path):
    source = write_scene(tmp_path / "s.tif", painted((1, 300, 300)))
    rsic_geo.compress(source, tmp_path / "a.jp2", target="psnr=36", model="none")
    damaged = bytearray((tmp_path / "a.jp2").read_bytes())
    with (tmp_path / "a.jp2").open("rb") as file:
        part = find_codestream(file).parts[0]
    damaged[part.offset + part.length // 2] ^= 4
    (tmp_path / "a.jp2").write_bytes(damaged)
    with pytest.raises(ChecksumError, match="tile 0"):
        rsic_geo.compress(tmp_path / "a.jp2", tmp_path / "b.jp2")
    assert not (tmp_path / "b.jp2").exists()
