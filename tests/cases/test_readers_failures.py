"""What a reader reports of a damaged source is never archived: every kind of source, damaged at random.

``RSIC_DAMAGES=1000 python -m pytest tests/cases/test_readers_failures.py`` tries a thousand of each kind.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from damage_support import KINDS, Raised, damaged, read_strictly, scene, trials, windows, write

import rsic_geo
from rsic_geo.errors import DamagedSceneError, RsicGeoError, SceneError
from rsic_geo.geo.window import Window
from rsic_geo.raster import accepting_damage, open_scene

DAMAGES = int(os.environ.get("RSIC_DAMAGES", "60"))
pytestmark = pytest.mark.filterwarnings("ignore")  # what rasterio warns of damaged files is not looked at


def _read(path: str, *, by_windows: bool) -> np.ndarray:
    with open_scene(path) as reader:
        height, width = reader.profile.height, reader.profile.width
        if not by_windows:
            return reader.read(Window.full(height, width))
        out = np.empty((reader.profile.count, height, width), dtype=reader.profile.dtype)
        for top, left, rows, columns in windows(height, width):
            window = Window(row_off=top, col_off=left, height=rows, width=columns)
            out[:, top : top + rows, left : left + columns] = reader.read(window)
        return out


@pytest.mark.parametrize("name", KINDS)
def test_what_is_read_is_what_a_reader_that_raises_reads(name, tmp_path):
    good = write(tmp_path, name).read_bytes()
    path = tmp_path / f"damaged_{name}"
    refused = 0
    for seed in trials(good, DAMAGES, path):
        for by_windows in (False, True):
            try:
                ours = _read(str(path), by_windows=by_windows)
            except RsicGeoError:
                refused += 1
                continue
            try:
                theirs = read_strictly(str(path))
            except Raised as error:
                pytest.fail(f"seed {seed}: read, where another reader raises {error}")
            np.testing.assert_array_equal(ours, theirs, err_msg=f"seed {seed}")
    assert refused, "no damage was found at all: the trials do not try anything"


@pytest.mark.parametrize("name", ["scene.jp2", "jpeg.tif", "scene.jpg", "scene.png", "deflate.tif"])
def test_what_compress_accepts_is_what_a_reader_that_raises_reads(name, tmp_path):
    good = write(tmp_path, name).read_bytes()
    path, archive = tmp_path / f"damaged_{name}", tmp_path / "a.jp2"
    refused = accepted = 0
    for seed in trials(good, max(20, DAMAGES // 3), path):
        archive.unlink(missing_ok=True)
        try:
            rsic_geo.compress(str(path), str(archive))
        except RsicGeoError:
            assert not archive.exists(), seed
            refused += 1
            continue
        accepted += 1
        with rsic_geo.open(str(archive)) as opened:
            np.testing.assert_array_equal(opened.read(), read_strictly(str(path)), err_msg=f"seed {seed}")
    assert refused
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")], "a half file was left"


def _says_damage(tmp_path: Path) -> Path:
    """Return a JPEG in TIFF whose decoder warns and hands out pixels."""
    good = write(tmp_path, "jpeg.tif").read_bytes()
    path = tmp_path / "warns.tif"
    for seed in range(200):
        path.write_bytes(damaged(good, 10 * seed + 1))
        try:
            _read(str(path), by_windows=False)
        except DamagedSceneError:
            return path
        except SceneError:
            continue
    raise AssertionError("no damage of these makes libjpeg warn")


class TestSaidDamage:
    def test_is_refused_in_one_line_and_leaves_nothing(self, tmp_path):
        source = _says_damage(tmp_path)
        with pytest.raises(DamagedSceneError, match=r"Corrupt JPEG data.*--accept-damaged") as caught:
            rsic_geo.compress(str(source), str(tmp_path / "a.jp2"))
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 1
        assert not (tmp_path / "a.jp2").exists()

    def test_is_archived_with_a_note_where_that_is_accepted(self, tmp_path):
        source, archive, back = _says_damage(tmp_path), tmp_path / "a.jp2", tmp_path / "b.tif"
        report = rsic_geo.compress(str(source), str(archive), accept_damaged=True)
        assert any("Corrupt JPEG data" in text for text in report.warnings)
        assert "Corrupt JPEG data" in report.to_json()["source_damage"][0]
        assert "Corrupt JPEG data" in rsic_geo.info(str(archive))["source_damage"][0]
        assert rsic_geo.info(str(archive))["lossless"] is True
        again = rsic_geo.decompress(str(archive), str(back))
        assert any("damaged when it was archived" in text for text in again.warnings)
        with rasterio.open(source) as first, rasterio.open(back) as second:
            np.testing.assert_array_equal(first.read(), second.read())

    def test_is_compared_only_where_that_is_accepted(self, tmp_path):
        source, archive = _says_damage(tmp_path), tmp_path / "a.jp2"
        rsic_geo.compress(str(source), str(archive), accept_damaged=True)
        with pytest.raises(DamagedSceneError):
            rsic_geo.compare(str(source), str(archive))
        found = rsic_geo.compare(str(source), str(archive), accept_damaged=True)
        assert found.to_json()["pixels_equal"]
        assert any("Corrupt JPEG data" in text for text in found.warnings)

    def test_a_sound_scene_has_no_note(self, tmp_path):
        source, archive = write(tmp_path, "jpeg.tif"), tmp_path / "a.jp2"
        report = rsic_geo.compress(str(source), str(archive), accept_damaged=True)
        assert not report.warnings
        assert "source_damage" not in report.to_json()
        assert "source_damage" not in rsic_geo.info(str(archive))

    @pytest.mark.parametrize("silence", ["level", "disable"])
    def test_is_heard_whatever_a_program_logs(self, silence, tmp_path, caplog):
        source = _says_damage(tmp_path)
        before = logging.getLogger("rasterio").level
        try:
            if silence == "level":
                logging.getLogger("rasterio").setLevel(logging.CRITICAL)
            else:
                logging.disable(logging.CRITICAL)
            caplog.clear()
            with pytest.raises(DamagedSceneError):
                rsic_geo.compress(str(source), str(tmp_path / "a.jp2"))
            assert not caplog.records, "a program that wants silence gets it"
        finally:
            logging.disable(logging.NOTSET)
            logging.getLogger("rasterio").setLevel(before)

    def test_accepting_ends_with_its_body(self, tmp_path):
        source = _says_damage(tmp_path)
        with accepting_damage(True) as notes, accepting_damage(False) as none:
            _read(str(source), by_windows=True)
        assert notes
        assert not none
        with pytest.raises(DamagedSceneError):
            _read(str(source), by_windows=True)


def test_a_failure_in_a_file_that_a_vrt_refers_to_is_one(tmp_path):
    good = write(tmp_path, "scene.jp2").read_bytes()
    source, vrt = tmp_path / "part.jp2", tmp_path / "scene.vrt"
    source.write_bytes(good)
    rasterio.shutil.copy(source, vrt, driver="VRT")
    for seed in range(1, 400, 2):
        source.write_bytes(damaged(good, seed))
        try:
            read_strictly(str(source))
        except Raised:
            with pytest.raises(RsicGeoError):
                _read(str(vrt), by_windows=False)
            with pytest.raises(RsicGeoError):
                rsic_geo.compress(str(vrt), str(tmp_path / "a.jp2"), threads=4)
            assert not (tmp_path / "a.jp2").exists()
            if seed > 40:
                return
    raise AssertionError("no damage of these makes a reader raise")


@pytest.mark.parametrize("verb", ["compress", "compare", "enhance", "decompress", "validate"])
def test_every_verb_ends_where_tiles_of_a_jpeg2000_file_cannot_be_decoded(verb, tmp_path):
    """F15: GDAL's own threads decoded a request over several blocks; their errors were printed and lost."""
    good = write(tmp_path, "lossy.jp2").read_bytes()
    path, out = tmp_path / "damaged.jp2", tmp_path / ("a.jp2" if verb == "compress" else "a.tif")
    whole = write(tmp_path, "deflate.tif")
    calls = {
        "compress": lambda: rsic_geo.compress(str(path), str(out)),
        "compare": lambda: rsic_geo.compare(str(whole), str(path)),
        "enhance": lambda: rsic_geo.enhance(str(path), str(out)),
        "decompress": lambda: rsic_geo.decompress(str(path), str(out)),
        "validate": lambda: rsic_geo.validate(str(path)),
    }
    tried = 0
    for seed in range(1, 300, 2):
        path.write_bytes(damaged(good, seed))
        with rasterio.open(whole) as first:
            shape = first.shape
        try:
            read_strictly(str(path))
            continue
        except Raised:
            pass
        try:
            with rasterio.open(path) as opened:
                if opened.shape != shape or opened.count != 3:
                    continue
        except rasterio.errors.RasterioError:
            continue
        if verb == "validate":
            assert not calls[verb]()["valid"], seed
        else:
            with pytest.raises(RsicGeoError):
                calls[verb]()
            assert not out.exists(), seed
        tried += 1
        if tried == 6:
            return
    raise AssertionError("too few damages make a reader raise")


def test_pixels_of_a_sound_scene_are_read_right(tmp_path):
    for name in ("scene.jp2", "whole.jp2", "deflate.tif"):
        np.testing.assert_array_equal(_read(str(write(tmp_path, name)), by_windows=True), scene())
