"""A part of a scene is that part of the whole: pixels, place, nodata, masks, metadata; and costs no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import Smoother, assert_same_place, installed, osgeo_gdal, painted, view, write_scene
from tiff_support import Remembering, network

import rsic_geo
import rsic_geo.scenes.source
from rsic_geo.errors import OutputExistsError, SceneError, UsageError, WeightsError
from rsic_geo.raster import SceneWriter
from rsic_geo.raster.files import PendingFile
from rsic_geo.weights import store

HEIGHT, WIDTH = 420, 610


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let networks that take no time stand in for the enhancer's and the learned codec's."""
    with installed(Smoother()), network(Remembering()):
        yield


@pytest.fixture(scope="module", params=["lossless", "bpp=0.35", "learned"])
def archive(request, tmp_path_factory) -> tuple[Path, Path]:
    """Return an archive of six tiles with holes, a mask and four bands, and all of it as a GeoTIFF."""
    folder = tmp_path_factory.mktemp("part")
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = painted((4, HEIGHT, WIDTH))
    pixels[:, rows + cols // 3 < 70] = 0
    mask = ~((rows > 300) & (cols > 500))
    source = write_scene(folder / "s.tif", pixels, mask=mask)
    if request.param == "learned":
        path, choices = folder / "a.rsic.tif", {"target": "psnr=20", "codec": "learned", "model": "none"}
    else:
        path, choices = folder / "a.jp2", {"target": request.param}
    with stand_ins():
        rsic_geo.compress(source, path, tile_size=256, **choices)
        rsic_geo.decompress(path, folder / "whole.tif")
    return path, folder / "whole.tif"


@st.composite
def boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    left, top = draw(st.integers(0, WIDTH - 1)), draw(st.integers(0, HEIGHT - 1))
    return left, top, draw(st.integers(1, WIDTH - left)), draw(st.integers(1, HEIGHT - top))


@settings(max_examples=12, deadline=None)
@given(box=boxes(), bands=st.lists(st.integers(1, 4), min_size=0, max_size=3, unique=True))
def test_a_part_is_what_gdal_cuts_out_of_the_whole(archive, box, bands) -> None:
    path, whole = archive
    ours, theirs = path.with_name("ours.tif"), path.with_name("theirs.tif")
    with stand_ins():
        report = rsic_geo.decompress(path, ours, srcwin=box, bands=tuple(bands), overwrite=True)
    gdal = osgeo_gdal()
    gdal.SetConfigOption("GDAL_TIFF_INTERNAL_MASK", "YES")
    gdal.Translate(str(theirs), str(whole), srcWin=box, bandList=bands or None)
    mine, other = view(ours), view(theirs)
    assert_same_place(mine, other)
    np.testing.assert_array_equal(mine.pixels, other.pixels)
    np.testing.assert_array_equal(mine.valid, other.valid)
    assert (mine.nodata, mine.mask_flags) == (other.nodata, other.mask_flags)
    assert [band["description"] for band in mine.bands] == [band["description"] for band in other.bands]
    assert mine.tags[0][""]["PLATFORM"] == "test"
    assert report.to_json()["output"]["width"] == box[2]


def test_a_box_in_map_units_is_the_same_part(archive, tmp_path) -> None:
    path, _ = archive
    with stand_ins():
        rsic_geo.decompress(path, tmp_path / "a.tif", srcwin=(100, 50, 200, 300))
        rsic_geo.decompress(path, tmp_path / "b.tif", projwin=(500050, 5599975, 500150, 5599825))
        rsic_geo.decompress(path, tmp_path / "c.tif", bbox=(500050, 5599825, 500150, 5599975))
        report = rsic_geo.decompress(path, tmp_path / "d.tif", bbox=(0, 5599825, 500150, 9999999))
    for name in ("b.tif", "c.tif"):
        assert rsic_geo.compare(tmp_path / "a.tif", tmp_path / name).is_equal
    assert any("beyond the scene" in text for text in report.to_json()["warnings"])
    assert report.to_json()["part"]["srcwin"] == [0, 0, 300, 350]


@pytest.mark.parametrize("level", [1, 2, 5])
def test_a_level_shows_the_scene_smaller_and_in_its_place(archive, tmp_path, level: int, monkeypatch) -> None:
    path, whole = archive
    size, box = 1 << level, (64, 32, 450, 333)
    with stand_ins():
        report = rsic_geo.decompress(path, tmp_path / "small.tif", srcwin=box, level=level).to_json()
    assert report["part"] == {"srcwin": list(box), "level": level, "bands": None}
    assert report["enhanced"] is False
    with rasterio.open(whole) as full, rasterio.open(tmp_path / "small.tif") as small:
        assert small.shape == (-(-333 // size), -(-450 // size))
        assert small.transform[:6] == pytest.approx(
            (0.5 * size, 0, 500032, 0, -0.5 * size, 5599984), rel=1e-15
        )
        assert small.nodatavals == full.nodatavals
        window = rasterio.windows.Window(64, 32, 450 // size * size, 333 // size * size)
        shape = (4, 333 // size, size, 450 // size, size)
        means = full.read(window=window).reshape(shape).mean(axis=(2, 4))
        found = small.read()[:, : shape[1], : shape[3]]
        # the codec that stands in takes single pixels for means
        assert np.abs(found - means).mean() < (30 if ".rsic" in path.name else 9)
        kept = small.read_masks(1)
        rows, cols = (
            np.minimum(np.arange(-(-length // size)) * size + size // 2, length - 1) for length in (333, 450)
        )
        there = full.read_masks(1, window=rasterio.windows.Window(64, 32, 450, 333))
        assert np.mean(kept == there[np.ix_(rows, cols)]) > 0.99
    monkeypatch.setattr(rsic_geo.scenes.source, "_SOURCE_SIDE", 128)
    with stand_ins():
        rsic_geo.decompress(path, tmp_path / "pieces.tif", srcwin=box, level=level)
    with rasterio.open(tmp_path / "small.tif") as one, rasterio.open(tmp_path / "pieces.tif") as pieces:
        # where a side is no multiple of the level's size, GDAL places its overviews by parts of a pixel
        assert np.abs(one.read().astype(int) - pieces.read()).mean() < 0.5
        np.testing.assert_array_equal(one.read_masks(1), pieces.read_masks(1))


def test_a_level_keeps_nodata_out_of_the_means(tmp_path) -> None:
    pixels = painted((1, 200, 300)).clip(100, 200)
    pixels[:, :, :64] = 0
    source = write_scene(tmp_path / "s.tif", pixels, nodata=0)
    rsic_geo.compress(source, tmp_path / "a.jp2")
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif", level=3)
    with rasterio.open(tmp_path / "b.tif") as small:
        found = small.read(1)
    assert found.shape == (25, 38)
    assert (found[:, :8] == 0).all()
    assert found[:, 8:].min() >= 100


def test_only_what_a_window_needs_is_decoded(tmp_path, monkeypatch) -> None:
    source = write_scene(tmp_path / "s.tif", painted((1, 1000, 1000)))
    with stand_ins():
        rsic_geo.compress(source, tmp_path / "a.jp2", target="bpp=0.4", tile_size=256, verify="none")
        seen = []
        from rsic_geo.raster import SceneReader

        read = SceneReader.read

        def counted(self, window, *, bands=None):
            seen.append(window)
            return read(self, window, bands=bands)

        monkeypatch.setattr(SceneReader, "read", counted)
        rsic_geo.decompress(
            tmp_path / "a.jp2", tmp_path / "b.tif", srcwin=(600, 600, 40, 30), window_size=128
        )
    reach = (
        128 + 2 * 64 + 64
    )  # a window of the enhancer, its halo on both sides, and the lattice's last square
    for window in seen:
        assert window.row_off >= 600 - reach
        assert window.row_stop <= 630 + reach
        assert window.col_stop <= 640 + reach


@pytest.fixture(scope="module")
def foreign(tmp_path_factory) -> Path:
    """Return a lossy JP2 of GDAL's: colour and one more band, a slanted collar, of two estimates' tiles."""
    folder, pixels = tmp_path_factory.mktemp("foreign"), painted((4, 300, 2500))
    rows, cols = np.mgrid[:300, :2500]
    pixels[:, rows < (cols - 1800) / 4] = 0
    source = write_scene(folder / "s.tif", pixels, nodata=0)
    rasterio.shutil.copy(source, folder / "f.jp2", driver="JP2OpenJPEG", QUALITY="4", REVERSIBLE="NO")
    return folder / "f.jp2"


@pytest.mark.parametrize("bands", [(), (4,), (3, 1)])
def test_enhancing_a_part_gives_that_part_of_the_whole(foreign, tmp_path, bands) -> None:
    with stand_ins():
        rsic_geo.enhance(foreign, tmp_path / "whole.tif", window_size=256)
        rsic_geo.enhance(
            foreign, tmp_path / "part.tif", srcwin=(1900, 40, 333, 222), bands=bands, window_size=256
        )
    with rasterio.open(tmp_path / "whole.tif") as whole, rasterio.open(tmp_path / "part.tif") as part:
        window = rasterio.windows.Window(1900, 40, 333, 222)
        np.testing.assert_array_equal(part.read(), whole.read(list(bands) or None, window=window))
        assert part.transform == whole.window_transform(window)
        assert part.tags(ns="RSIC") == whole.tags(ns="RSIC")


def test_what_stands_in_for_nodata_hangs_on_no_window(foreign, tmp_path) -> None:
    how = {"model": "rsic-nano", "strength": 1.0, "bands": (1,)}
    rsic_geo.enhance(foreign, tmp_path / "large.tif", srcwin=(1900, 20, 300, 260), **how)
    rsic_geo.enhance(foreign, tmp_path / "small.tif", srcwin=(2100, 40, 90, 80), window_size=64, **how)
    with rasterio.open(tmp_path / "large.tif") as large, rasterio.open(tmp_path / "small.tif") as small:
        found = small.read()
        assert 0.2 < (found == 0).mean() < 0.8
        np.testing.assert_array_equal(found, large.read(window=rasterio.windows.Window(200, 20, 90, 80)))


@pytest.mark.parametrize("of_ours", [True, False])
def test_the_change_is_what_was_added_and_stays_within_its_bound(foreign, tmp_path, of_ours) -> None:
    scene = foreign
    with stand_ins():
        if of_ours:
            scene = tmp_path / "a.jp2"
            rsic_geo.compress(foreign.with_name("s.tif"), scene, target="bpp=0.1")
        rsic_geo.decompress(scene, tmp_path / "before.tif", enhance="off")
        for bound in (None, 1.5):
            report = rsic_geo.enhance(
                scene, tmp_path / "after.tif", change=str(tmp_path / "change.tif"), max_change=bound,
                srcwin=(30, 20, 1000, 200), overwrite=True,
            ).to_json()  # fmt: skip
            assert report.get("max_change") == bound
            box = rasterio.windows.Window(30, 20, 1000, 200)
            with (
                rasterio.open(tmp_path / "before.tif") as before,
                rasterio.open(tmp_path / "after.tif") as after,
                rasterio.open(tmp_path / "change.tif") as change,
            ):
                added = after.read().astype(int) - before.read(window=box)
                np.testing.assert_array_equal(change.read(masked=True).filled(0), added)
                assert (change.transform, change.crs) == (after.transform, after.crs)
                assert change.tags(ns="RSIC")["RSIC_CHANGE"] == "YES"
                limit = np.abs(added).max()
                assert limit == 1 if bound else limit > 1
                assert (after.tags(ns="RSIC").get("RSIC_MAX_CHANGE") is None) == (bound is None)


def test_a_bound_does_not_push_pixels_onto_nodata(tmp_path) -> None:
    from rsic_geo.verbs.changes import _bounded, _bounded_beside_nodata

    before = np.array([[[3, 250, -5]]], np.int16)
    np.testing.assert_array_equal(
        _bounded(before, np.array([[[-9, 260, -5]]], np.int16), 3.9), [[[0, 253, -5]]]
    )
    floats = _bounded(np.array([[[1.0, np.nan]]]), np.array([[[2.0, np.nan]]]), 0.25)
    np.testing.assert_array_equal(floats, [[[1.25, np.nan]]])
    before, after = np.array([[[99, 99, 0]]], np.uint8), np.array([[[150, 98, 150]]], np.uint8)
    kept = _bounded_beside_nodata(before, after, 1, np.array([[[True, True, True]]]), [100])
    np.testing.assert_array_equal(kept, [[[99, 98, 1]]])


def test_weights_may_be_a_file(sample_data, tmp_path) -> None:
    rasterio.shutil.copy(
        sample_data / "town_pan_gcps.tif", tmp_path / "f.jp2", driver="JP2OpenJPEG", QUALITY="10"
    )
    weights = Path(store.__file__).with_name("rsic-tiny.safetensors")
    box = {"srcwin": (0, 0, 100, 80)}
    rsic_geo.enhance(tmp_path / "f.jp2", tmp_path / "a.tif", model="rsic-tiny", **box)
    rsic_geo.enhance(tmp_path / "f.jp2", tmp_path / "b.tif", model=str(weights), **box)
    assert rsic_geo.compare(tmp_path / "a.tif", tmp_path / "b.tif").is_equal
    (tmp_path / "no.safetensors").write_bytes(b"none")
    with pytest.raises(WeightsError):
        rsic_geo.enhance(tmp_path / "f.jp2", tmp_path / "c.tif", model=str(tmp_path / "no.safetensors"))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"srcwin": (600, 0, 11, 10)}, "does not lie in the scene"),
        ({"srcwin": (0, 0, 5, 5), "bbox": (0, 0, 1, 1)}, "one window only"),
        ({"bbox": (0, 0, 1, 1)}, "does not touch"),
        ({"bbox": (1, 0, 0, 1)}, "empty"),
        ({"bbox": (0, 0, float("nan"), 1)}, "numbers"),
        ({"window_crs": "EPSG:4326"}, "needs a window"),
        ({"bands": (5,)}, "no band 5"),
        ({"bands": (0,)}, "from 1"),
        ({"level": 11}, "less than a pixel"),
        ({"level": 1, "enhance": "rsic-tiny"}, "full size"),
        ({"level": 1, "max_change": 2}, "coarser level"),
        ({"level": 1, "change": "c.tif"}, "coarser level"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(archive, tmp_path, asked: Any, why: str) -> None:
    with stand_ins(), pytest.raises(UsageError, match=why):
        rsic_geo.decompress(archive[0], tmp_path / "b.tif", **asked)
    assert not list(tmp_path.iterdir())


def test_changes_never_replace_anything(foreign, tmp_path) -> None:
    (tmp_path / "old.tif").write_bytes(b"old")
    with stand_ins():
        for change, error in (
            (foreign, UsageError),
            (tmp_path / "e.tif", UsageError),
            (tmp_path / "c.jp2", UsageError),
            (tmp_path / "old.tif", OutputExistsError),
        ):
            with pytest.raises(error):
                rsic_geo.enhance(foreign, tmp_path / "e.tif", change=str(change))
        with pytest.raises(UsageError, match="full size"):
            rsic_geo.enhance(foreign, tmp_path / "e.tif", level=1)
    assert [path.name for path in tmp_path.iterdir()] == ["old.tif"]


@pytest.mark.parametrize("failing", ["b.tif", "c.tif"])
@pytest.mark.parametrize("step", ["prepare", "publish"])
def test_output_and_changes_appear_together_or_not_at_all(
    foreign, tmp_path, monkeypatch, failing, step
) -> None:
    owner = SceneWriter if step == "prepare" else PendingFile
    done = getattr(owner, step)

    def broken(self, **options):
        if getattr(self, "_pending", self).path.name == failing:
            raise SceneError("disk full")
        return done(self, **options)

    monkeypatch.setattr(owner, step, broken)
    with stand_ins(), pytest.raises(SceneError, match="disk full"):
        rsic_geo.decompress(
            foreign, tmp_path / "b.tif", change=str(tmp_path / "c.tif"), srcwin=(0, 0, 64, 64), enhance="off"
        )
    assert not list(tmp_path.iterdir())
