"""Tiles show the pixels that other programs read: as they are, stretched, or as differences with a scale."""

from __future__ import annotations

import io
import math
import threading

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.errors import JobCancelledError, SceneMismatchError, UsageError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.view.cache import Cache
from rsic_geo.view.graticule import graticule
from rsic_geo.view.quality import blocks_in, measured
from rsic_geo.view.scene import Look, SceneView

AS_IT_IS = Look(bands=(0, 1, 2), cut=-1.0, scale=20.0)
BLUE, RED = np.array([33, 102, 172]), np.array([178, 24, 43])


def tile(view: SceneView, layer: str, level: int, column: int, row: int, look: Look = AS_IT_IS) -> np.ndarray:
    """Return a tile as Pillow reads it: red, green, blue and alpha (256, 256, 4)."""
    picture = Image.open(io.BytesIO(view.tile(layer, look, level, column, row)))
    assert picture.size == (256, 256)
    return np.array(picture.convert("RGBA"))


def shown(pixels: np.ndarray, valid: np.ndarray, level: int, column: int, row: int) -> np.ndarray:
    """Return what such a tile must be, of bands (3, h, w) of bytes at full resolution."""
    canvas = np.zeros((4, 256 << level, 256 << level))
    side = 256 << level
    part = pixels[:, row * side : (row + 1) * side, column * side : (column + 1) * side]
    keep = valid[row * side : (row + 1) * side, column * side : (column + 1) * side]
    canvas[:3, : part.shape[1], : part.shape[2]] = part * keep
    canvas[3, : part.shape[1], : part.shape[2]] = keep
    for _ in range(level):
        canvas = canvas.reshape(4, canvas.shape[1] // 2, 2, canvas.shape[2] // 2, 2).sum(axis=(2, 4))
    weight = np.maximum(canvas[3], 1)
    return np.concatenate([np.rint(canvas[:3] / weight), 255.0 * (canvas[3:] > 0)]).transpose(1, 2, 0)


@pytest.mark.parametrize("layer", ["original", "codec", "repaired"])
@pytest.mark.parametrize("place", [(0, 0, 0), (0, 1, 0), (0, 2, 1), (1, 0, 0), (1, 1, 0)])
def test_tiles_are_the_pixels_of_the_layer_and_clear_where_no_data_is(view, pair, layer, place):
    expected = shown(pair.layer(layer), pair.valid, *place)
    assert np.array_equal(tile(view, layer, *place), expected)
    assert 0 < expected[..., 3].sum() < 255 * 65536 or place == (0, 1, 0)


def test_coarser_tiles_look_like_the_scene_and_differences_wait_for_full_resolution(view, pair):
    found = tile(view, "codec", 2, 0, 0).astype(float)
    rows, columns = 105, 150  # a quarter
    assert (found[rows:, :, 3].max(), found[:, columns:, 3].max()) == (0, 0)
    small = Image.fromarray(pair.original.transpose(1, 2, 0)).resize((columns, rows), Image.Resampling.BOX)
    inside = found[35:rows, 45:columns]
    assert (inside[..., 3] == 255).all()
    assert (found[:25, :35, 3] == 0).all(), "nodata is clear at every level"
    assert np.abs(inside[..., :3] - np.array(small)[35:, 45:]).mean() < 6
    assert tile(view, "error", 2, 0, 0)[..., 3].max() == 0
    assert tile(view, "error", 1, 1, 0)[..., 3].max() == 255


@pytest.mark.parametrize("is_ragged", [False, True])
def test_no_data_is_clear_in_the_reduced_pixels_of_lossless_archives(tmp_path, is_ragged):
    pixels = painted((1, 600, 600), "uint16")
    pixels[:, :300, :300] = 0
    if is_ragged:  # then it is kept in a plane, and the codec sees something else there
        pixels[:, np.random.default_rng(1).random((600, 600)) < 0.02] = 0
    source = write_scene(tmp_path / "a.tif", pixels, nodata=0)
    rsic_geo.compress(source, tmp_path / "a.jp2")
    view = SceneView(str(tmp_path / "a.jp2"), None, Execution())
    found = tile(view, "codec", 2, 0, 0, view.usual_look)
    assert (found[:70, :70, 3] == 0).all()
    assert (found[80:150, 80:150, 3] == 255).mean() > 0.9
    kept = [kind for _, kind in rsic_geo.open(tmp_path / "a.jp2")._archive.side.planes]
    assert ("valid" in kept) == is_ragged
    view.close()


@pytest.mark.parametrize(
    ("layer", "before", "after"),
    [
        ("error", "original", "repaired"),
        ("error-codec", "original", "codec"),
        ("change", "codec", "repaired"),
    ],
)
def test_a_difference_can_be_read_off_its_colour(view, pair, layer, before, after):
    window = np.s_[:, :256, 256:512]
    apart = pair.layer(after)[window].astype(int) - pair.layer(before)[window].astype(int)
    largest = np.take_along_axis(apart, np.abs(apart).argmax(axis=0)[None], axis=0)[0]
    colours = tile(view, layer, 0, 1, 0)[..., :3].astype(float)
    # the way from white to an end, by the channel that changes most: red towards blue, green towards red
    down, up = (247 - colours[..., 0]) / (247 - BLUE[0]), (247 - colours[..., 1]) / (247 - RED[1])
    read = np.where(colours[..., 2] > colours[..., 0], -down, up) * AS_IT_IS.scale
    assert np.abs(largest).max() > 0
    assert np.abs(read - largest.clip(-20, 20)).max() <= 0.1


def test_one_stretch_is_for_all_layers_and_follows_the_percentiles(tmp_path):
    pixels = painted((1, 300, 300), "uint16")
    source = write_scene(tmp_path / "a.tif", pixels)
    rsic_geo.compress(source, tmp_path / "a.jp2", psnr=35)
    view = SceneView(str(tmp_path / "a.jp2"), str(source), Execution())
    look = Look(bands=(0,), cut=2.0, scale=1.0)
    seen: dict[int, set[int]] = {}
    for layer in ("original", "codec"):
        found, samples = tile(view, layer, 0, 0, 0, look), view.block(layer, Window.full(256, 256)).pixels[0]
        assert (found[..., 0] == found[..., 2]).all(), "one band is grey"
        for sample, light in zip(samples.ravel().tolist(), found[..., 0].ravel().tolist(), strict=True):
            seen.setdefault(sample, set()).add(light)
    assert all(len(lights) == 1 for lights in seen.values()), "a sample has one colour, in every layer"
    black = max(sample for sample, lights in seen.items() if lights == {0})
    white = min(sample for sample, lights in seen.items() if lights == {255})
    low, high = np.percentile(pixels, (2, 98))
    assert black == pytest.approx(low, abs=0.05 * (high - low))
    assert white == pytest.approx(high, abs=0.05 * (high - low))
    view.close()


def test_cells_have_the_strengths_and_errors_of_the_archive(view, pair):
    side = rsic_geo.open(pair.archive)._archive.side
    strengths = side.strengths[0] / 128
    colours = {}
    for (row, column), strength in np.ndenumerate(strengths):
        found = tile(view, "strength", 0, column, row)
        colours.setdefault(round(float(strength), 4), set()).add(tuple(found[0, 0]))
    assert len(colours) > 1
    assert all(len(each) == 1 for each in colours.values())
    lightest = [sum(map(int, next(iter(colours[each])))) for each in sorted(colours)]
    assert lightest == sorted(lightest)
    errors = pair.codec.astype(float) - pair.original
    for row, column in ((0, 1), (1, 2)):
        cell = np.s_[:, 256 * row : 256 * (row + 1), 256 * column : 256 * (column + 1)]
        measured_rmse = math.sqrt(np.square(errors[cell][:, pair.valid[cell[1:]]]).mean())
        assert view.recorded_error(0)[row, column] == pytest.approx(measured_rmse, rel=0.05)


@given(st.integers(-2, 4), st.integers(-1, 4), st.integers(-1, 3))
def test_there_are_just_the_tiles_that_cover_the_scene(view, level, column, row):
    is_there = 0 <= level <= 2 and 0 <= column << level <= 2 and 0 <= row << level <= 1
    if is_there:
        assert tile(view, "strength", level, column, row)[0, 0, 3] == 255
    else:
        with pytest.raises(UsageError):
            view.tile("strength", AS_IT_IS, level, column, row)


def test_quality_in_view_is_that_of_the_pixels_in_view(view, pair):
    window = Window(row_off=60, col_off=80, height=340, width=500)
    found = measured(view, window)
    assert found["of"] == found["blocks"]
    keep = pair.valid[window.slices]
    before = pair.original[(slice(None), *window.slices)][:, keep].astype(float)
    for name in ("codec", "repaired"):
        error = pair.layer(name)[(slice(None), *window.slices)][:, keep] - before
        told = found["sources"][name]
        assert told["psnr"] == pytest.approx(10 * math.log10(255**2 / np.square(error).mean()))
        snr = min(10 * math.log10(a.var() / np.square(b).mean()) for a, b in zip(before, error, strict=True))
        assert told["snr"] == pytest.approx(snr)
        assert told["max_error"] == np.abs(error).max()
    with pytest.raises(JobCancelledError):
        measured(view, window, lambda: False)


def test_of_large_views_blocks_are_spread_evenly(view):
    view.block_side, kept = 32, view.block_side
    parts, count = blocks_in(view, Window.full(420, 600), 8)
    view.block_side = kept
    assert (count, len(parts)) == (14 * 19, 8)
    assert min(len({part.col_off for part in parts}), len({part.row_off for part in parts})) >= 4


def test_samples_of_a_pixel_are_told_for_every_source(view, pair):
    told = view.values(300, 500)
    assert told == {name: pair.layer(name)[:, 300, 500].tolist() for name in told}
    assert set(told) == {"original", "codec", "repaired"}
    assert view.values(10, 10)["repaired"] == [None, None, None]
    with pytest.raises(UsageError):
        view.values(420, 0)


def test_palettes_floats_and_masks_are_shown(tmp_path):
    classes = painted((1, 80, 90)) // 64
    colours = {value: (10 * value, 200 - value, 7, 255) for value in range(4)}
    path = write_scene(tmp_path / "classes.tif", classes, photometric="PALETTE")
    with rasterio.open(path, "r+") as scene:
        scene.write_colormap(1, colours)
    view = SceneView(str(path), None, Execution())
    found = tile(view, "codec", 0, 0, 0, view.usual_look)
    assert all(tuple(found[y, x]) == colours[classes[0, y, x]] for y in range(80) for x in range(90))
    assert view.layers == ["codec"]
    view.close()
    heights = painted((1, 80, 90)).astype(np.float32)
    heights[0, :40] = np.nan
    path = write_scene(tmp_path / "heights.tif", heights, mask=np.tile(np.arange(90) < 45, (80, 1)))
    rsic_geo.compress(path, tmp_path / "heights.cog.tif")
    view = SceneView(str(tmp_path / "heights.cog.tif"), str(path), Execution())
    found = tile(view, "codec", 0, 0, 0, view.usual_look)
    assert (found[40:80, :45, 3] == 255).all()
    assert found[..., 3].sum() == 255 * 40 * 45
    assert measured(view, Window.full(80, 90))["sources"]["codec"]["is_equal"]
    view.close()


def test_another_scene_is_no_original(pair, tmp_path):
    other = write_scene(tmp_path / "other.tif", painted((3, 70, 110)))
    with pytest.raises(SceneMismatchError, match="110 x 70 px and 3 bands, not 600 x 420"):
        SceneView(str(pair.archive), str(other), Execution())


@pytest.mark.parametrize(
    ("crs", "place"),
    [("EPSG:32633", Affine(10, 2, 5e5, 1, -10, 5.6e6)), ("EPSG:4326", Affine(0.01, 0, 178, 0, -0.01, 3))],
)
def test_lines_lie_where_their_longitude_and_latitude_is(crs, place):
    wkt = rasterio.crs.CRS.from_string(crs).to_wkt()
    profile = SceneProfile(height=900, width=800, count=1, dtype="uint8", crs_wkt=wkt, transform=place)
    lines = graticule(profile, Window.full(900, 800))
    letters = {line["text"][-1] for line in lines} - {"°"}
    assert {"N", "E"} <= letters
    assert 5 <= len(lines) <= 20
    for line in lines:
        value, letter = line["text"][:-2], line["text"][-1]
        if letter == "°":
            continue
        ground = [place * (column, row) for run in line["runs"] for row, column in run]
        lon, lat = rasterio.warp.transform(crs, "EPSG:4326", *zip(*ground, strict=True))
        wanted = float(value) * (-1 if letter in "WS" else 1)
        found = np.array(lon if letter in "EW" else lat)
        assert np.abs((found - wanted + 180) % 360 - 180).max() < 1e-3


def test_a_scene_without_a_place_has_lines_of_rows_and_columns():
    profile = SceneProfile(height=90, width=80, count=1, dtype="uint8")
    texts = {line["text"] for line in graticule(profile, Window.full(90, 80))}
    assert {"row 20", "column 20", "column 0"} <= texts


def test_what_is_being_made_is_made_once_and_what_is_too_much_is_forgotten():
    cache, made, both = Cache(100), [], threading.Barrier(2)

    def slow() -> bytes:
        made.append(1)
        both.wait(10)
        return bytes(40)

    threads = [threading.Thread(target=cache.get, args=("a", slow, len)) for _ in range(3)]
    for thread in threads:
        thread.start()
    both.wait(10)
    for thread in threads:
        thread.join()
    assert len(made) == 1
    for key in "bcd":
        cache.get(key, lambda: bytes(40), len)
    assert cache.get("d", lambda: b"new", len) == bytes(40)
    assert cache.get("a", lambda: b"new", len) == b"new"
    with pytest.raises(ZeroDivisionError):
        cache.get("e", lambda: 1 // 0, len)
    assert cache.get("e", lambda: b"then", len) == b"then"
