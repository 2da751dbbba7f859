"""The proof of a written archive finds whatever its readers would not give back, on any thread."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rasterio
from pipeline_support import painted

import rsic_geo
from rsic_geo.errors import JobCancelledError, VerificationError
from rsic_geo.scenes.archive import Archive


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
    """Let what archives are read by give something else in one tile; return how often it did."""
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
        ("plain", "psnr=36", "read_shown", "decoders of encoding and of reading disagree", 3),
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


@pytest.mark.parametrize("target", ["lossless", "psnr=36"])
def test_no_file_is_closed_while_a_thread_reads_it(tmp_path, monkeypatch, target):
    source, genuine, close = scene_of("plain", tmp_path / "s.tif"), Archive.read_shown, Archive.close
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
