"""The verbs on real files, as scripts use them: files in, files out, JSON on stdout, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin
from support import started

from rsic_geo.cli.entry import main
from rsic_geo.errors import UsageError
from rsic_geo.options import EncodeOptions, Execution

RSIC = (sys.executable, "-m", "rsic_geo")


def write_scene(path: Path, *, size: int = 96, dtype: str = "uint8", bands: int = 3, **profile) -> Path:
    """Write a smooth, georeferenced scene with some texture."""
    rows, cols = np.mgrid[0:size, 0:size]
    generator = np.random.default_rng(7)
    base = 100 + 60 * np.sin(cols / 17) + 40 * np.cos(rows / 11)
    pixels = np.stack([base + 5 * band + generator.normal(0, 3, base.shape) for band in range(bands)])
    if dtype != "uint8":
        pixels = pixels * 11
    settings = {
        "driver": "GTiff", "width": size, "height": size, "count": bands, "dtype": dtype, "crs": "EPSG:32633",
        "transform": from_origin(500000, 5600000, 0.5, 0.5), **profile,
    }  # fmt: skip
    with rasterio.open(path, "w", **settings) as scene:
        scene.write(pixels.clip(0).astype(dtype))
        scene.update_tags(PLATFORM="test")
    return path


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "scene.tif", photometric="RGB")


def run_json(capsys, *words: str) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out else {}


def test_lossless_there_and_back(scene, tmp_path, capsys):
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    code, report = run_json(capsys, "compress", scene, archive)
    assert code == 0
    assert report["lossless"] is True
    assert report["bytes"] == archive.stat().st_size
    assert run_json(capsys, "decompress", archive, back)[0] == 0
    code, found = run_json(capsys, "compare", scene, back)
    assert code == 0
    assert found["pixels_equal"] is True
    assert found["metadata_diff"] == []
    assert found["max_abs_error"] == 0
    assert [band["band"] for band in found["bands"]] == [1, 2, 3]


def test_lossy_meets_its_target_and_compare_tells_the_difference(scene, tmp_path, capsys):
    archive = tmp_path / "a.jp2"
    code, report = run_json(capsys, "compress", scene, archive, "--target", "psnr=38", "--model", "none")
    assert code == 0
    assert report["psnr"] >= 38
    code, found = run_json(capsys, "compare", scene, archive)
    assert code == 4
    assert found["pixels_equal"] is False
    assert found["psnr"] == pytest.approx(report["psnr"], abs=0.01)
    assert main(["compare", str(scene), str(archive), "--min-psnr", "38", "-q"]) == 0
    assert main(["compare", str(scene), str(archive), "--min-psnr", "60", "-q"]) == 4
    assert main(["compare", str(scene), str(archive), "--max-error", "255", "-q"]) == 0
    assert main(["compare", str(scene), str(archive), "--max-error", "0", "-q"]) == 4


def test_info_tells_an_archive_from_a_raster(scene, tmp_path, capsys):
    archive = tmp_path / "a.jp2"
    assert main(["compress", str(scene), str(archive), "-q"]) == 0
    code, found = run_json(capsys, "info", archive)
    assert code == 0
    assert (found["width"], found["height"]) == (96, 96)
    assert found["archive"]
    code, found = run_json(capsys, "info", scene)
    assert code == 0
    assert not found["archive"]


def test_validate_accepts_what_is_whole_and_refuses_what_is_not(scene, tmp_path, capsys):
    archive = tmp_path / "a.jp2"
    assert main(["compress", str(scene), str(archive), "-q"]) == 0
    code, found = run_json(capsys, "validate", archive)
    assert (code, found["valid"]) == (0, True)
    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 0x55
    archive.write_bytes(damaged)
    assert main(["validate", str(archive), "-q"]) != 0


def test_validate_prints_every_problem_whole(tmp_path, capsys):
    scene = write_scene(tmp_path / "scene.tif", nodata=0)
    archive = tmp_path / ("a_scene_of_a_long_name" * 4 + ".jp2")
    assert main(["compress", str(scene), str(archive), "--target", "psnr=40", "--model", "none", "-q"]) == 0
    beside = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(f"{archive.name}."))
    assert len(beside) > 1  # or nothing is long enough to be cut
    for name in beside:
        (tmp_path / name).unlink()
    assert main(["validate", str(archive)]) == 4
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("problems:") + 1
    for line, name in zip(lines[begin : begin + len(beside)], beside, strict=True):
        assert line.startswith(f"  - {name}, which")
        assert line.endswith("copy it beside the file")


def test_nothing_is_overwritten_unasked(scene, tmp_path, capsys):
    archive = tmp_path / "a.jp2"
    archive.write_bytes(b"precious")
    assert main(["compress", str(scene), str(archive)]) == 2
    assert archive.read_bytes() == b"precious"
    assert "overwrite" in capsys.readouterr().err
    assert main(["compress", str(scene), str(archive), "--overwrite", "-q"]) == 0
    assert archive.read_bytes()[4:8] == b"jP  "


@pytest.mark.parametrize(
    ("dtype", "words"),
    [("float32", []), ("uint8", ["--target", "psnr=often"]), ("uint8", ["--codec", "zip"])],
)
def test_what_cannot_be_done_is_refused_in_one_line_and_nothing_is_written(tmp_path, capsys, dtype, words):
    scene = write_scene(tmp_path / "scene.tif", dtype=dtype)
    assert main(["compress", str(scene), str(tmp_path / "a.jp2"), *words]) == 2
    err = capsys.readouterr().err
    assert err.startswith("rsic: error: ")
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_an_unreadable_input_is_one_line(tmp_path, capsys):
    (tmp_path / "x.jp2").write_bytes(b"no image at all")
    for words in (["decompress", "x.jp2", "y.tif"], ["info", "x.jp2"], ["compress", "gone.tif", "y.jp2"]):
        assert main([words[0], *(str(tmp_path / word) for word in words[1:])]) in (1, 2)
        assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.jp2"]


def test_virtual_files_are_read(scene, tmp_path, capsys):
    import zipfile

    with zipfile.ZipFile(tmp_path / "scene.zip", "w") as packed:
        packed.write(scene, "scene.tif")
    inside = f"/vsizip/{tmp_path}/scene.zip/scene.tif"
    assert main(["compress", inside, str(tmp_path / "a.jp2"), "-q"]) == 0
    code, found = run_json(capsys, "compare", scene, tmp_path / "a.jp2")
    assert (code, found["pixels_equal"]) == (0, True)


def test_classic_names_work(scene, tmp_path, capsys):
    archive, back = tmp_path / "a.jp2", tmp_path / "b.tif"
    assert main(["compress", str(scene), str(archive), "-q", "-of", "JP2OpenJPEG"]) == 0
    words = [
        "-of",
        "GTiff",
        "-co",
        "COMPRESS=LZW",
        "-co",
        "TILED=NO",
        "--config",
        "GDAL_NUM_THREADS",
        "1",
        "-q",
    ]
    assert main(["decompress", str(archive), str(back), *words]) == 0
    with rasterio.open(back) as found:
        assert found.profile["compress"] == "lzw"
        assert not found.profile["tiled"]
    assert main(["compress", str(scene), str(tmp_path / "c.jp2"), "-co", "QUALITY=25"]) == 2
    assert "--target" in capsys.readouterr().err


def test_names_that_are_no_utf_8_are_said_to_be_the_fault(scene, tmp_path, capsys):
    odd = os.fsdecode(b"odd\xff")
    shutil.copy(scene, tmp_path / f"{odd}.tif")
    assert main(["compress", str(tmp_path / f"{odd}.tif"), str(tmp_path / "a.jp2")]) == 1
    assert "no UTF-8, which GDAL wants: rename it" in capsys.readouterr().err
    assert main(["compress", str(scene), str(tmp_path / f"{odd}.jp2")]) == 2
    assert "give a name that is UTF-8" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.jp2"))


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_error(scene, tmp_path, closed):
    """As some schedulers start their jobs. The first file opened must not become somebody's stdout."""
    archive = tmp_path / "a.jp2"
    line = f"{sys.executable} -m rsic_geo compress {scene} {archive} --model none -v {closed}"
    found = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")
    assert main(["validate", str(archive), "-q"]) == 0


def test_a_nitf_scene_with_its_empty_header_fields_comes_back(scene, tmp_path):
    nitf, archive, back = (str(tmp_path / name) for name in ("a.ntf", "a.jp2", "b.tif"))
    rasterio.shutil.copy(str(scene), nitf, driver="NITF")
    with rasterio.open(nitf) as source:
        assert "" in source.tags().values()
    assert main(["compress", nitf, archive, "-q"]) == 0
    assert main(["decompress", archive, back, "-q"]) == 0
    assert main(["compare", nitf, back, "-q"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "compress scene.tif a.jp2 --report linked/scene.tif --overwrite",
        "compress scene.tif a.jp2 --report a.jp2.aux.xml",
        "compress linked/scene.tif a.jp2 --report ./scene.tif --overwrite",
        "enhance scene.tif b.tif --change c.tif --report c.tif",
        "eval compare scene.tif other.tif --report other.tif --overwrite",
        "eval rd scene.tif --report scene.tif --overwrite",
    ],
)
def test_a_report_never_takes_the_place_of_a_raster(scene, tmp_path, monkeypatch, capsys, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path)
    shutil.copy(scene, tmp_path / "other.tif")
    before = {path.name: path.read_bytes() for path in (scene, tmp_path / "other.tif")}
    assert main(line.split()) == 2
    assert "give another name" in capsys.readouterr().err
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    assert {path.name for path in tmp_path.iterdir()} == {*before, "linked"}


def test_a_report_holds_the_checksums(scene, tmp_path):
    report = tmp_path / "report.json"
    assert main(["compress", str(scene), str(tmp_path / "a.jp2"), "-q", "--report", str(report)]) == 0
    found = json.loads(report.read_text())
    assert len(found["input"]["sha256"]) == len(found["output"]["sha256"]) == 64


def test_capabilities_name_what_options_take(capsys):
    code, found = run_json(capsys, "capabilities")
    assert code == 0
    assert "jp2" in [codec["name"] for codec in found["codecs"]]
    assert "psnr" in found["targets"]
    assert found["exit_codes"]["4"]


def test_a_gpu_is_offered_only_where_torch_can_use_one(capsys, monkeypatch):
    import ctypes

    import torch

    _, found = run_json(capsys, "capabilities")
    assert found["devices"] == ["auto", "cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: None)
    for answer, devices in ((True, ["auto", "cpu", "cuda"]), (False, ["auto", "cpu"])):
        monkeypatch.setattr(torch.cuda, "is_available", lambda answer=answer: answer)
        _, found = run_json(capsys, "capabilities")
        assert found["devices"] == devices


def test_models_are_listed_and_verified(capsys):
    code, found = run_json(capsys, "models", "list")
    assert code == 0
    assert found["default"] in {row["name"] for row in found["models"]}
    assert {row["kind"] for row in found["models"]} == {"enhancer", "codec"}
    code, verified = run_json(capsys, "models", "verify")
    assert code == 0
    assert all(row["ok"] for row in verified["models"])
    assert main(["models", "card"]) == 0
    assert found["default"] in capsys.readouterr().out
    assert main(["models", "card", "nonsense"]) == 5
    assert main(["models", "verify", "nonsense", "-q"]) == 5


def test_the_doctor_is_content_here_and_says_what_is_missing(capsys, monkeypatch):
    code, found = run_json(capsys, "doctor")
    assert (code, found["healthy"]) == (0, True)
    monkeypatch.setitem(sys.modules, "glymur", None)
    code, found = run_json(capsys, "doctor")
    assert (code, found["healthy"]) == (5, False)
    missing = [finding for finding in found["findings"] if finding["status"] == "missing"]
    assert "glymur" in missing[0]["name"]
    assert missing[0]["advice"]


@pytest.mark.parametrize("words", [[], ["--target", "max-error=0"], ["--target", "psnr=40"]])
def test_a_model_nobody_knows_is_refused_even_where_none_is_used(scene, tmp_path, capsys, words):
    assert main(["compress", str(scene), str(tmp_path / "a.jp2"), "--model", "nosuch", *words]) == 5
    assert main(["batch", "run", str(scene), str(tmp_path / "out"), "--model", "nosuch", *words, "-q"]) == 5
    err = capsys.readouterr().err
    assert err.count("\n") == 2
    assert err.count("nosuch") == 2
    assert [path.name for path in tmp_path.rglob("*.jp2")] == []


def test_a_model_that_exists_is_no_mistake_where_none_is_used(scene, tmp_path):
    assert main(["compress", str(scene), str(tmp_path / "a.jp2"), "--model", "rsic-tiny", "-q"]) == 0


def test_a_foreign_proj_does_not_break_us(scene, tmp_path):
    environment = {
        **os.environ,
        "PROJ_LIB": str(tmp_path),
        "PROJ_DATA": str(tmp_path),
        "GDAL_DATA": str(tmp_path),
    }
    words = [*RSIC, "compress", str(scene), str(tmp_path / "a.jp2")]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_half_file(tmp_path, number):
    scene = write_scene(tmp_path / "scene.tif", size=2000)
    words = [
        *RSIC,
        "compress",
        str(scene),
        str(tmp_path / "a.jp2"),
        "--target",
        "psnr=45",
        "--tile-size",
        "256",
        "--model",
        "none",
    ]
    # it cannot end before it is read: what it says does not fit into the pipe
    pipe = {"stderr": subprocess.PIPE, "text": True, "pipesize": 4096}
    with started([*words, "--progress", "json"], **pipe) as process:
        for _ in range(3):
            process.stderr.readline()  # at work
        process.send_signal(number)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert json.loads(err.splitlines()[-1])["exit_code"] == 130
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_a_closed_pipe_is_no_error(scene):
    words = f"{sys.executable} -m rsic_geo info {scene} --json | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_fast_reading_differs_by_one_digital_number_at_most(tmp_path, sample_data, capsys):
    archive = tmp_path / "a.jp2"
    code, report = run_json(
        capsys, "compress", sample_data / "fields_rgb_utm.tif", archive, "--target", "bpp=0.4"
    )
    assert code == 0
    assert report["model"]
    outputs = {}
    for words in ([], ["--fast"]):
        out = tmp_path / f"{len(words)}.tif"
        assert run_json(capsys, "decompress", archive, out, *words)[0] == 0
        with rasterio.open(out) as opened:
            outputs[len(words)] = opened.read().astype(int)
    difference = np.abs(outputs[0] - outputs[1])
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.1


def test_archives_are_never_made_with_fast_arithmetic(scene, tmp_path, capsys):
    assert main(["compress", str(scene), str(tmp_path / "a.jp2"), "--fast"]) == 2
    with pytest.raises(UsageError, match="exact"):
        EncodeOptions(execution=Execution(fast=True))
