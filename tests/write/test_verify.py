"""The proof of a written archive finds whatever its readers would not give back, on any thread."""

from __future__ import annotations

import time
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from pipeline_support import painted

import rsic_geo
from rsic_geo.errors import JobCancelledError, SceneError, VerificationError
from rsic_geo.scenes.archive import Archive
from rsic_geo.write import on_disk, verify
from rsic_geo.write.jobs import jp2


def scene_of(kind, path):
    pixels = painted((4, 300, 340))
    count, nodata = {"alpha": (4, None), "nodata": (3, 0)}.get(kind, (3, None))
    pixels = pixels[:count].clip(1, 255)
    profile = {"driver": "GTiff", "count": count, "height": 300, "width": 340, "dtype": "uint8"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path,
            "w",
            nodata=nodata,
            photometric="rgb",
            alpha="unspecified" if kind == "alpha" else "no",
            **profile,
        ) as scene,
    ):
        if kind == "alpha":
            scene.colorinterp = [*scene.colorinterp[:3], rasterio.enums.ColorInterp.alpha]
            pixels[3] = np.where(np.hypot(*np.mgrid[-150:150, -170:170]) < 140, 255, 0)
        if kind == "nodata":
            pixels[:, 40:90, 200:260] = 0
        scene.write(pixels)
        if kind == "mask":
            mask = np.full((300, 340), 255, np.uint8)
            mask[30:80, 150:210] = 0
            scene.write_mask(mask)
    return path


def spoiled(name, monkeypatch):
    """Let what archives are read by give something else in the last tile; return how often it did."""
    genuine, hits = getattr(Archive, name), []

    def spoil(self, *given, **named):
        out = genuine(self, *given, **named)
        windows = [each for each in given if isinstance(each, rsic_geo.Window)]
        if windows and (windows[0].row_off, windows[0].col_off) == (256, 256):
            hits.append(name)
            out = np.array(out)
            out[..., 2:42, 3:53] = ~out[..., 2:42, 3:53]
        return out

    monkeypatch.setattr(Archive, name, spoil)
    return hits


@pytest.mark.parametrize(
    ("kind", "target", "spoils", "said", "threads"),
    [
        ("plain", "lossless", "read_shown", "tile 3 of the written archive does not decode to its source", 1),
        ("mask", "bpp=2", "read_shown", "decoders of encoding and of reading disagree", 3),
        ("plain", "max-error=30", "read_shown", "decoders of encoding and of reading disagree", 1),
        ("mask", "lossless", "read_mask", "the dataset mask of the written archive differs", 3),
        ("mask", "psnr=36", "read_mask", "the dataset mask of the written archive differs", 1),
        ("nodata", "psnr=36", "read_valid", "nodata of the written archive differs", 3),
        ("alpha", "psnr=36", "finish", "alpha in tile 3 of the archive differs", 1),
    ],
)
def test_what_an_archive_does_not_give_back_is_found(  # noqa: PLR0913 - what goes wrong, and where
    tmp_path, monkeypatch, kind, target, spoils, said, threads
):
    source = scene_of(kind, tmp_path / "s.tif")
    settings = {"target": target, "model": "none", "tile_size": 256, "threads": threads}
    assert rsic_geo.compress(source, tmp_path / "sound.jp2", **settings).details["verified"]
    hits = spoiled(spoils, monkeypatch)
    with pytest.raises(VerificationError, match=said):
        rsic_geo.compress(source, tmp_path / "spoiled.jp2", **settings)
    assert hits
    assert sorted(each.name for each in tmp_path.glob("*.jp2")) == ["sound.jp2"]


def lossy(source, path, target="psnr=36", **more):
    """Archive a scene whose pixels are read back before the file is sealed."""
    settings = {"target": target, "model": "none", "tile_size": 256, **more}
    return rsic_geo.compress(source, path, **settings).details


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("target", ["psnr=36", "bpp=2", "snr=20"])
def test_what_was_read_back_is_what_is_told(tmp_path, monkeypatch, target, threads):
    """By the file as rasterio decodes it, tile checksums and all; and no tile is decoded twice."""
    looks, genuine = [], on_disk.compared
    monkeypatch.setattr(on_disk, "compared", lambda *given: looks.append(1) or genuine(*given))
    source = scene_of("plain", tmp_path / "s.tif")
    told = lossy(source, tmp_path / "a.jp2", target, threads=threads)
    assert told["verified"]
    # A size is searched by bytes alone: only what has the right one is read.
    assert len(looks) == 4 * (1 if target.startswith("bpp") else told["encoding_passes"])
    with rasterio.open(source) as file:
        pixels = file.read().astype(float)
    with rasterio.open(tmp_path / "a.jp2") as file, rsic_geo.open(tmp_path / "a.jp2") as archive:
        for shown, name in ((file.read(), "psnr_shown"), (archive.read(), "psnr")):
            square = np.square(pixels - shown).mean()
            assert told[name] == pytest.approx(10 * np.log10(255**2 / square), abs=1e-3)
    assert told["max_abs_error"] == np.abs(pixels - shown).max()
    assert rsic_geo.validate(tmp_path / "a.jp2")["valid"]


def test_what_others_show_is_told_where_limits_cut(tmp_path):
    """Rings beyond what the scene holds are cut by our readers alone."""
    pixels = np.where(np.hypot(*np.mgrid[-150:150, -170:170]) < 140, 900, 20).astype(np.uint16)
    pixels = pixels + np.random.default_rng(2).integers(0, 40, pixels.shape, np.uint16)
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", count=1, height=300, width=340, dtype="uint16"
    ) as scene:
        scene.write(np.minimum(pixels, 900), 1)
    told = lossy(tmp_path / "s.tif", tmp_path / "a.jp2", "psnr=30", accept_loss=True)
    with rasterio.open(tmp_path / "s.tif") as before, rasterio.open(tmp_path / "a.jp2") as after:
        error = before.read().astype(float) - after.read()
    assert told["psnr_shown"] < told["psnr"] - 0.05
    spread = 10 ** (told["psnr_shown"] / 20) * np.sqrt(np.square(error).mean())
    with rsic_geo.open(tmp_path / "a.jp2") as back, rasterio.open(tmp_path / "s.tif") as before:
        ours = np.square(before.read().astype(float) - back.read()).mean()
    assert told["psnr"] == pytest.approx(20 * np.log10(spread) - 10 * np.log10(ours), abs=1e-3)


def test_bytes_that_change_after_they_were_read_back_are_found(tmp_path, monkeypatch):
    source, genuine = scene_of("plain", tmp_path / "s.tif"), jp2.measure_on_disk

    def spoil(path, *given, **named):
        found = genuine(path, *given, **named)
        content = bytearray(path.read_bytes())
        starts = [k for k in range(len(content)) if content[k : k + 2] == b"\xff\x90"]
        assert len(starts) >= 4
        worst = max(given[1].tile_sse, key=given[1].tile_sse.get)
        content[starts[(worst + 1) % 4] + 60] ^= 1
        path.write_bytes(content)
        return found

    monkeypatch.setattr(jp2, "measure_on_disk", spoil)
    with pytest.raises(VerificationError, match="of the written archive is not what was read back"):
        lossy(source, tmp_path / "a.jp2")
    assert not list(tmp_path.glob("*.jp2"))


def test_limits_that_others_were_measured_with_are_found(tmp_path, monkeypatch):
    """Readers cut what the codec rings: the tile that is decoded again may not ring."""
    source = scene_of("plain", tmp_path / "s.tif")
    monkeypatch.setattr(verify, "stored_limits", lambda plan: ((2, 254),) * 3)
    with pytest.raises(VerificationError, match="tells other limits of its bands"):
        lossy(source, tmp_path / "a.jp2")


def test_one_tile_of_the_sealed_file_is_decoded_once_more(tmp_path, monkeypatch):
    source, genuine = scene_of("plain", tmp_path / "s.tif"), Archive.read_shown
    monkeypatch.setattr(Archive, "read_shown", lambda self, *given: ~genuine(self, *given))
    with pytest.raises(VerificationError, match="decoders of encoding and of reading disagree"):
        lossy(source, tmp_path / "a.jp2")


def test_a_file_that_cannot_be_read_back_is_no_archive(tmp_path, monkeypatch):
    source = scene_of("plain", tmp_path / "s.tif")

    @contextmanager
    def none(path):
        raise SceneError(f"{path}: no raster")
        yield

    monkeypatch.setattr(on_disk, "open_scene", none)
    with pytest.raises(VerificationError, match="cannot be read back: .*no raster"):
        lossy(source, tmp_path / "a.jp2")
    assert not list(tmp_path.glob("*.jp2"))


def test_a_source_that_fails_while_the_file_is_read_back_is_said_to_fail(tmp_path, monkeypatch):
    def fails(*_):
        raise SceneError("s.tif: cannot be read any more")

    monkeypatch.setattr(on_disk, "raw_tiles", fails)
    with pytest.raises(SceneError, match="cannot be read any more"):
        lossy(scene_of("plain", tmp_path / "s.tif"), tmp_path / "a.jp2")


def test_no_file_is_closed_while_it_is_read_back(tmp_path, monkeypatch):
    source, genuine = scene_of("plain", tmp_path / "s.tif"), on_disk.open_scene
    reading, torn = [], []

    @contextmanager
    def slow(path):
        with genuine(path) as stored:
            read = stored.read

            def slowly(window):
                reading.append(stored)
                time.sleep(0.05)
                try:
                    return read(window)
                finally:
                    reading.remove(stored)

            yield SimpleNamespace(read=slowly)
            torn.extend(each for each in reading if each is stored)

    monkeypatch.setattr(on_disk, "open_scene", slow)
    with pytest.raises(JobCancelledError):
        lossy(source, tmp_path / "a.jp2", threads=3, progress=lambda _, text: text != "reading back")
    assert not torn
    assert not list(tmp_path.glob("*.jp2"))


@pytest.mark.parametrize(("kind", "target"), [("plain", "lossless"), ("mask", "psnr=36")])
def test_no_file_is_closed_while_a_thread_reads_it(tmp_path, monkeypatch, kind, target):
    source, genuine, close = scene_of(kind, tmp_path / "s.tif"), Archive.read_shown, Archive.close
    reading, torn = [], []

    def slow(self, window, **named):
        reading.append(self)
        time.sleep(0.05)
        try:
            return genuine(self, window, **named)
        finally:
            reading.remove(self)

    monkeypatch.setattr(Archive, "read_shown", slow)
    monkeypatch.setattr(Archive, "close", lambda self: torn.extend(reading) or torn or close(self))
    with pytest.raises(JobCancelledError):
        rsic_geo.compress(
            source, tmp_path / "a.jp2", target=target, model="none", tile_size=256, threads=3,
            progress=lambda _, text: text != "verifying",
        )  # fmt: skip
    assert not torn
    assert not list(tmp_path.glob("*.jp2"))
