"""The xarray engine: lazy, by the codec's tiles, right under Dask's threads and processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - the accessor
import xarray
from pipeline_support import painted, write_scene
from support import REPOSITORY

import rsic_geo
from rsic_geo.errors import SceneNotFoundError
from rsic_geo.verbs.dataset import Dataset

PIXELS = painted((3, 300, 410), "uint16")
PIXELS[:, 40:90, 100:200] = 7


@pytest.fixture(scope="module", autouse=True)
def engine(tmp_path_factory):
    """Make the entry point of pyproject.toml known, as installing the package does."""
    text = (REPOSITORY / "pyproject.toml").read_text()
    section = '[project.entry-points."xarray.backends"]\n'
    line = text[text.index(section) + len(section) :].splitlines()[0].replace('"', "")
    place = tmp_path_factory.mktemp("installed")
    known = place / "rsic_door-1.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: rsic-door\nVersion: 1\n")
    (known / "entry_points.txt").write_text(f"[xarray.backends]\n{line}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        xarray.backends.refresh_engines()
        yield
    xarray.backends.refresh_engines()


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xarray")
    write_scene(folder / "scene.tif", PIXELS, nodata=7)
    rsic_geo.compress(folder / "scene.tif", folder / "scene.jp2", tile_size=256)
    return folder / "scene.jp2"


def test_it_is_one_of_the_engines(archive):
    assert "rsic" in xarray.backends.list_engines()
    assert type(xarray.backends.list_engines()["rsic"]).__name__ == "RsicBackend"


def test_values_and_place_are_those_of_the_scene(archive):
    with (
        xarray.open_dataset(archive, engine="rsic", mask_and_scale=False) as ours,
        xarray.open_dataset(archive.with_suffix(".tif"), engine="rasterio", mask_and_scale=False) as theirs,
    ):
        for name in ("band_data", "band", "y", "x"):
            np.testing.assert_array_equal(ours[name], theirs[name])
        assert ours.band_data.dims == theirs.band_data.dims
        assert (ours.rio.crs, ours.rio.transform()) == (theirs.rio.crs, theirs.rio.transform())
        assert ours.band_data.rio.nodata == 7


def test_nodata_becomes_nan(archive):
    with xarray.open_dataset(archive, engine="rsic") as ours:
        found = ours.band_data.values
    np.testing.assert_array_equal(np.isnan(found), PIXELS == 7)
    assert np.nanmax(np.abs(found - PIXELS)) == 0


def test_nothing_is_read_before_it_is_asked_for(archive, monkeypatch):
    windows = []
    read = Dataset.read
    monkeypatch.setattr(
        Dataset,
        "read",
        lambda self, *args, **more: windows.append(more["window"]) or read(self, *args, **more),
    )
    with xarray.open_dataset(archive, engine="rsic", mask_and_scale=False) as ours:
        part = ours.band_data.isel(band=[2, 0], y=slice(290, 280, -3), x=[5, 300])
        assert not windows
        np.testing.assert_array_equal(part.values, PIXELS[[2, 0], 290:280:-3][:, :, [5, 300]])
        (window,) = windows
        assert (window.row_off, window.height, window.col_off, window.width) == (281, 10, 5, 296)
        one = ours.band_data.isel(band=1, y=3)
        np.testing.assert_array_equal(one.values, PIXELS[1, 3])
        assert ours.band_data.isel(x=slice(0, 0)).values.shape == (3, 300, 0)


@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_chunks_are_the_tiles_and_dask_reads_them_right(scheduler, archive):
    with xarray.open_dataset(archive, engine="rsic", chunks={}, mask_and_scale=False) as ours:
        assert ours.band_data.chunks == ((3,), (256, 44), (256, 154))
        with dask.config.set(scheduler=scheduler, num_workers=2):
            np.testing.assert_array_equal(ours.band_data.compute(), PIXELS)


def test_a_dataset_pickles(archive):
    with xarray.open_dataset(archive, engine="rsic", mask_and_scale=False) as ours:
        again = pickle.loads(pickle.dumps(ours))
        np.testing.assert_array_equal(again.band_data, PIXELS)


def test_a_mask_is_a_variable(tmp_path):
    keep = np.indices((90, 80)).sum(0) % 5 > 0
    write_scene(tmp_path / "s.tif", painted((1, 90, 80)), mask=keep)
    rsic_geo.compress(tmp_path / "s.tif", tmp_path / "a.jp2")
    with xarray.open_dataset(tmp_path / "a.jp2", engine="rsic") as ours:
        np.testing.assert_array_equal(ours.mask.values != 0, keep)


def test_options_and_errors_are_those_of_open(archive):
    with pytest.raises(SceneNotFoundError):
        xarray.open_dataset(Path("missing.jp2"), engine="rsic")
    with pytest.raises(TypeError, match="did you mean 'threads'"):
        xarray.open_dataset(archive, engine="rsic", thread=1)
    with xarray.open_dataset(archive, engine="rsic", enhance="off", threads=1, device="cpu") as ours:
        assert ours.band_data.shape == PIXELS.shape
    with rasterio.open(archive) as theirs:
        assert theirs.count == 3
