"""What QGIS says of an archive is so: held against the layer as QGIS itself reads and draws it."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from damage_support import damaged, write
from real import RSIC, capabilities
from support import SCENES
from test_engine_wording import FORBIDDEN

from qgis_plugin.engine.capabilities import USUAL_TARGETS

pytestmark = [pytest.mark.qgis, pytest.mark.filterwarnings("ignore")]

PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 4e5, 0, -10, 5e6)}


def _write(path: Path, pixels: np.ndarray, **more) -> Path:
    bands, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=height,
        width=width,
        count=bands,
        dtype=pixels.dtype,
        **PLACE,
        **more,
    ) as out:
        out.write(pixels)
    return path


def _hills(height: int = 90, width: int = 110) -> np.ndarray:
    """Return smooth heights with some grain, 0..1."""
    rows, columns = np.mgrid[:height, :width]
    grain = np.random.default_rng(7).normal(0, 0.01, (height, width))
    return np.clip(0.5 + 0.3 * np.sin(rows / 9) * np.cos(columns / 13) + grain, 0, 1)


def _samples(folder: Path, bands: int) -> np.ndarray:
    """Return the samples (bands, h, w) that QGIS reads."""
    return np.array([json.loads((folder / f"{number}.json").read_text()) for number in range(1, bands + 1)])


def _drawn(folder: Path) -> np.ndarray:
    """Return how opaque QGIS draws each pixel (h, w), 0..255."""
    return np.array(json.loads((folder / "alpha.json").read_text()))


def _psnr(errors: np.ndarray, peak: float) -> float:
    return float(10 * np.log10(peak**2 / np.mean(np.square(errors))))


def test_both_psnr_are_those_of_what_they_name(qgis, tmp_path, sample_data):
    scene = sample_data / "fields_rgb_utm.tif"
    found = qgis.inside(
        "truth", scene=scene, folder=tmp_path,
        TARGET="psnr", TARGET_VALUE=34, MODEL="rsic-tiny", DEVICE="cpu", THREADS=1,
    )  # fmt: skip
    layer = _samples(tmp_path, 3)
    with rasterio.open(scene) as source, rasterio.open(tmp_path / "b.tif") as back:
        original, repaired = source.read().astype(float), back.read().astype(float)
        keep = np.broadcast_to(source.dataset_mask() != 0, original.shape)
    assert found["PSNR_LAYER"] == pytest.approx(_psnr((layer - original)[keep], 255), abs=0.01)
    assert found["PSNR"] == pytest.approx(_psnr((repaired - original)[keep], 255), abs=0.01)
    assert found["PSNR"] > found["PSNR_LAYER"] + 0.05  # else it would not matter which is which
    lines = found["log"].splitlines()
    codec, scene_back = f"{found['PSNR_LAYER']:.2f} dB", f"{found['PSNR']:.2f} dB"
    assert f"PSNR of the layer, which shows the codec's pixels: {codec}" in lines
    assert f"PSNR of the repaired scene, which Decompress scene gives back: {scene_back}" in lines
    assert f"psnr=34 of the range 0..255: RMSE at most {255 / 10**1.7:.0f}" in found["log"]


@pytest.mark.parametrize("target", [{}, {"TARGET": "psnr", "TARGET_VALUE": 38}], ids=["lossless", "lossy"])
def test_nodata_is_transparent(qgis, tmp_path, target):
    pixels = np.stack([20 + 200 * _hills() + band for band in range(3)]).astype(np.uint8)
    corner = np.add.outer(np.arange(90), np.arange(110)) < 60
    pixels[:, corner] = 0
    scene = _write(tmp_path / "s.tif", pixels, nodata=0, photometric="RGB")
    qgis.inside("truth", scene=scene, folder=tmp_path, MODEL="none", **target)
    alpha = _drawn(tmp_path)
    assert np.array_equal(alpha == 0, corner)
    assert set(np.unique(alpha)) == {0, 255}


def test_a_mask_is_transparent(qgis, tmp_path):
    pixels = np.stack([20 + 200 * _hills()] * 3).astype(np.uint8)
    hidden = _hills() > 0.7
    scene = _write(tmp_path / "s.tif", pixels, photometric="RGB")
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(scene, "r+") as out:
        out.write_mask(~hidden)
    found = qgis.inside("truth", scene=scene, folder=tmp_path, MODEL="none", TARGET="psnr", TARGET_VALUE=40)
    assert (tmp_path / "a.jp2.msk").exists()
    assert found["SIDECAR_BYTES"] >= (tmp_path / "a.jp2.msk").stat().st_size
    assert f"Files beside it, which belong to it: {found['SIDECAR_BYTES']:,.0f} bytes" in found["log"]
    assert np.array_equal(_drawn(tmp_path) == 0, hidden)


@pytest.mark.parametrize("nodata", [-9999.0, float("nan")])
def test_a_quantised_scene_shows_its_own_units(qgis, tmp_path, nodata):
    heights = (12.04 + 850 * _hills()).astype(np.float32)
    hole = _hills() < 0.25
    heights[hole] = nodata
    scene = _write(tmp_path / "s.tif", heights[None], nodata=nodata)
    found = qgis.inside(
        "truth", scene=scene, folder=tmp_path,
        MODEL="none", QUANTIZE=True, TARGET="max-error", TARGET_VALUE=0.5,
    )  # fmt: skip
    layer, alpha = _samples(tmp_path, 1), _drawn(tmp_path)
    assert np.array_equal(alpha == 0, hole)
    error = np.abs(layer[0] - heights)[~hole].max()
    assert error <= found["MAX_ERROR"] + 1e-3 <= 0.5 + 1e-3
    assert found["PSNR_LAYER"] == pytest.approx(found["PSNR"], abs=0.01)
    span = float(np.ptp(heights[~hole]))
    assert found["PSNR"] == pytest.approx(_psnr((layer[0] - heights)[~hole], span), abs=0.7)


@pytest.mark.shared
@pytest.mark.skipif(
    not (SCENES / "rasterio_float_raster_with_nodata.tif").exists(), reason="no shared scenes"
)
def test_a_real_float_scene_shows_its_own_units(qgis, tmp_path):
    shutil.copyfile(SCENES / "rasterio_float_raster_with_nodata.tif", tmp_path / "s.tif")
    found = qgis.inside(
        "truth", scene=tmp_path / "s.tif", folder=tmp_path,
        MODEL="none", QUANTIZE=True, TARGET="psnr", TARGET_VALUE=60,
    )  # fmt: skip
    layer = _samples(tmp_path, 1)
    with rasterio.open(tmp_path / "s.tif") as source:
        original = source.read(1, masked=True)
    assert np.array_equal(_drawn(tmp_path) == 0, np.ma.getmaskarray(original))
    assert np.abs(layer[0] - original).max() <= found["MAX_ERROR"] * 1.001 + 1e-6


def test_what_others_do_not_see_is_one_line(qgis, tmp_path):
    pixels = np.stack([1 + 60000 * _hills(), 1 + 60000 * _hills()]).astype(np.uint16)
    pixels[0, :20], pixels[1, :, :20] = 0, 0  # nodata in other places of each band
    scene = _write(tmp_path / "s.tif", pixels, nodata=0)
    found = qgis.inside("truth", scene=scene, folder=tmp_path, MODEL="none", TARGET="psnr", TARGET_VALUE=45)
    lines = [line for line in found["log"].splitlines() if line.startswith("Other programs do not see: ")]
    assert len(lines) == 1
    assert "nodata that only some bands have in a place" in lines[0]


def test_help_lists_the_usual_targets_and_all_once_the_engine_was_asked(fresh_qgis):
    targets = capabilities()["targets"]
    assert {*USUAL_TARGETS} < {*targets}
    assert fresh_qgis.process("plugins", "enable", "rsic_geo_qgis").exit_code == 0

    def offered() -> list[str]:
        said = fresh_qgis.process("help", "rsic:compress").stdout
        return re.findall(
            r"- \d+: (\S+)", said.partition("TARGET: Target")[2].partition("Acceptable values")[0]
        )

    assert offered() == [*USUAL_TARGETS]
    fresh_qgis.algorithm("rsic:checkengine")
    assert offered() == targets


def test_a_gpu_is_offered_only_where_the_engine_has_one(qgis):
    devices = capabilities()["devices"]
    found = qgis.inside("devices", kept="cuda")
    assert found["known"] == devices
    assert sorted(found["dialogs"]) == ["compress", "decompress", "enhance", "reencodefolder"]
    default = "cuda" if "cuda" in devices else "auto"
    assert all(entry == [devices, default] for entry in found["dialogs"].values())
    assert (found["page"], found["chosen"]) == (devices, default)


def test_check_engine_says_what_to_do_where_there_is_none(qgis, tmp_path):
    lonely = replace(qgis, engine=str(tmp_path / "no rsic"))
    report = tmp_path / "r.html"
    ours, broken = lonely.inside(
        "said",
        runs=[
            ["rsic:checkengine", {"REPORT": str(report)}],
            ["rsic:checkengine", {"ENGINE": "/bin/false", "REPORT": str(tmp_path / "s.html")}],
        ],
    )
    for run, reason in ((ours, "There is no "), (broken, "/bin/false is not a working rsic engine")):
        assert not run["error"]
        assert (run["results"]["HEALTHY"], run["results"]["VERSION"]) == (False, "")
        (text,) = [line for line in run["lines"] if "What to do:" in line]  # all of it in one
        assert text.startswith(reason)
        steps = text.partition("What to do:\n")[2].splitlines()
        assert [step[:3] for step in steps] == ["1. ", "2. ", "3. ", "4. "]
        assert "Settings > Options > RSIC" in text
        assert not any(pattern.search(text) for pattern in FORBIDDEN.values())
    page = report.read_text(encoding="utf-8")
    assert "What to do:" in page
    assert "There is no" in page
    done = lonely.process("run", "rsic:checkengine")
    assert done.exit_code == 0


@pytest.fixture
def wrong(tmp_path) -> dict[str, Path]:
    """Return files in which something is wrong, by what that is."""
    warns = tmp_path / "warns.tif"
    good = write(tmp_path, "jpeg.tif").read_bytes()
    for seed in range(1, 2000, 10):
        warns.write_bytes(damaged(good, seed))
        if _is_damaged_and_says_so(warns):
            break
    else:
        raise AssertionError("no damage of these makes libjpeg warn")
    nothing = tmp_path / "nothing.tif"
    nothing.write_bytes(b"II*\0 no raster")
    cut = tmp_path / "cut.jp2"
    pixels = (255 * _hills(300, 300))[None].astype(np.uint8)
    with rasterio.open(
        cut, "w", driver="JP2OpenJPEG", height=300, width=300, count=1, dtype="uint8", QUALITY=100, **PLACE
    ) as out:
        out.write(pixels)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    lost = np.stack([1000 + 60000 * _hills(), 500 + 60 * _hills()]).astype(np.uint16)
    return {
        "warns": warns,
        "nothing": nothing,
        "cut": cut,
        "lost": _write(tmp_path / "lost.tif", lost),
        "float": _write(tmp_path / "float.tif", _hills()[None].astype(np.float32)),
    }


def _is_damaged_and_says_so(path: Path) -> bool:
    from rsic_geo.errors import DamagedSceneError, SceneError
    from rsic_geo.geo.window import Window
    from rsic_geo.raster import open_scene

    try:
        with open_scene(path) as reader:
            reader.read(Window.full(reader.profile.height, reader.profile.width))
    except DamagedSceneError:
        return True
    except SceneError:
        return False
    return False


def _compress(path: Path | str, output: Path, **more: object) -> list[object]:
    return ["rsic:compress", {"INPUT": str(path), "OUTPUT": str(output), "MODEL": "none", **more}]


def test_every_fault_is_told_in_the_words_of_the_dialog(qgis, tmp_path, wrong):
    out = tmp_path / "x.jp2"
    harsh = {"TARGET": "max-error", "TARGET_VALUE": 400}
    cases = {
        "nothing": (_compress(wrong["nothing"], out), "A file is there, but it could not be read"),
        "cut": (_compress(wrong["cut"], out), "The file is damaged: copy it again from where it came."),
        "missing": (_compress(tmp_path / "no.tif", out), "There is no raster"),
        "warns": (
            _compress(wrong["warns"], out),
            "The scene is damaged: copy it again from where it came. To use what can still be read, tick "
            "“Archive a damaged scene as it can still be read”.",
        ),
        "lost": (
            _compress(wrong["lost"], out, **harsh),
            "A band would lose its structure, so nothing was written: ask for more quality. To write it all "
            "the same, tick “Accept that a band loses its structure”.",
        ),
        "float": (_compress(wrong["float"], out), "tick “Accept a floating-point scene” to store it"),
        "decompress": (
            ["rsic:decompress", {"INPUT": str(wrong["cut"]), "OUTPUT": str(tmp_path / "y.tif")}],
            "The file is damaged: copy it again from where it came.",
        ),
        "enhance": (
            ["rsic:enhance", {"INPUT": str(wrong["warns"]), "OUTPUT": str(tmp_path / "y.tif")}],
            "The scene is damaged: copy it again from where it came. The engine says: ",
        ),
        "compare": (
            ["rsic:compare", {"REFERENCE": str(wrong["lost"]), "INPUT": str(wrong["float"])}],
            "These scenes cannot be compared",
        ),
    }
    found = qgis.inside("said", runs=[job for job, _ in cases.values()])
    for run, (name, (_, text)) in zip(found, cases.items(), strict=True):
        assert text in run["error"], name
        assert "not found" not in run["error"]
        assert "no such file" not in run["error"]
    assert not out.exists()
    accepted = [
        _compress(wrong["warns"], tmp_path / "w.jp2", ACCEPT_DAMAGED=True),
        _compress(wrong["lost"], tmp_path / "l.jp2", ACCEPT_LOSS=True, **harsh),
        ["rsic:validate", {"INPUT": str(wrong["cut"]), "REPORT": str(tmp_path / "v.html")}],
        ["rsic:checkengine", {"REPORT": str(tmp_path / "e.html")}],
    ]
    fine = qgis.inside("said", runs=accepted)
    assert not [run["error"] for run in fine if run["error"]]
    assert any("the source is damaged" in line for line in fine[0]["lines"])
    assert any("below 20 dB SNR" in line for line in fine[1]["lines"])
    assert fine[2]["results"]["VALID"] is False
    own = (str(tmp_path), str(RSIC))
    for run in [*found, *fine]:
        lines = [line for line in run["lines"] if not line.startswith("Results: ")]  # Processing's own
        text = "\n".join([*lines, run["error"]])
        for name in own:
            text = text.replace(name, "")
        assert not [what for what, pattern in FORBIDDEN.items() if pattern.search(text)], text


def test_errors_are_told_in_german(qgis, tmp_path, wrong):
    warns, lonely = qgis.inside(
        "said",
        language="de_AT",
        runs=[
            _compress(wrong["warns"], tmp_path / "x.jp2"),
            ["rsic:checkengine", {"ENGINE": str(tmp_path / "none"), "REPORT": str(tmp_path / "r.html")}],
        ],
    )
    assert warns["error"].startswith("Die Szene ist beschädigt: ")
    assert "„Eine beschädigte Szene so archivieren, wie sie noch lesbar ist“ anhaken." in warns["error"]
    assert any(line.startswith("Es gibt kein ") and "Was zu tun ist:" in line for line in lonely["lines"])


def test_a_file_that_may_not_be_read_is_there(qgis, tmp_path, sample_data):
    found = qgis.inside("unreadable", scene=sample_data / "fields_rgb_utm.tif", folder=tmp_path)
    assert found["file"].endswith(f"{tmp_path}{os.sep}closed.tif is there, but you may not read it.")
    assert (found["folder"], found["missing"]) == (True, False)
