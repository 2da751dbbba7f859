"""The exit codes README and help promise, on every kind of file a script may meet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.cli.entry import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a folder of scenes and archives, whole and damaged in every way that has a name here."""
    place = tmp_path_factory.mktemp("codes")
    source = write_scene(place / "s.tif", painted((1, 100, 120)))
    shutil.copy(source, place / "same.tif")
    write_scene(place / "pixels.tif", painted((1, 100, 120), seed=3))
    write_scene(place / "tags.tif", painted((1, 100, 120)), crs="EPSG:32634")
    write_scene(place / "wider.tif", painted((1, 100, 121)))
    write_scene(place / "bands.tif", painted((2, 100, 120)))
    write_scene(place / "float.tif", painted((1, 20, 20)).astype("float32") + 0.5)
    rsic_geo.compress(source, place / "a.jp2")
    rsic_geo.compress(source, place / "lossy.jp2", target="max-error=3")
    whole = (place / "a.jp2").read_bytes()
    (place / "flipped.jp2").write_bytes(whole[:3000] + bytes([whole[3000] ^ 0x55]) + whole[3001:])
    (place / "half.jp2").write_bytes(whole[: len(whole) // 2])
    (place / "tail.jp2").write_bytes(whole[:-10])
    (place / "text.jp2").write_bytes(b"no raster")
    (place / "empty.jp2").write_bytes(b"")
    (place / "half.tif").write_bytes(source.read_bytes()[:5000])
    (place / "folder").mkdir()
    return place


def code(folder: Path, line: str) -> int:
    words = line.split()
    is_file = [w == "folder" or w.endswith((".tif", ".jp2")) for w in words]
    return main([str(folder / w) if named else w for w, named in zip(words, is_file, strict=True)])


CODES = {
    "validate a.jp2": 0,
    "validate lossy.jp2": 0,
    "validate s.tif": 0,
    "validate a.jp2 --no-pixels": 0,
    "validate flipped.jp2": 4,
    "validate flipped.jp2 --no-pixels": 4,
    "validate half.jp2": 4,
    "validate tail.jp2": 4,
    "validate text.jp2": 4,
    "validate empty.jp2": 4,
    "validate half.tif": 4,
    "validate missing.jp2": 1,
    "validate folder": 1,
    "validate": 2,
    "validate a.jp2 --pixels": 2,
    "compare s.tif same.tif": 0,
    "compare s.tif a.jp2": 0,
    "compare s.tif lossy.jp2": 4,
    "compare s.tif lossy.jp2 --max-error 3": 0,
    "compare s.tif lossy.jp2 --max-error 0": 4,
    "compare s.tif lossy.jp2 --min-psnr 20": 0,
    "compare s.tif lossy.jp2 --min-psnr 90": 4,
    "compare s.tif pixels.tif": 4,
    "compare s.tif tags.tif": 4,
    "compare s.tif tags.tif --ignore crs": 0,
    "compare s.tif tags.tif --ignore nonsense": 2,
    "compare s.tif wider.tif": 4,
    "compare s.tif bands.tif": 4,
    "compare s.tif flipped.jp2": 1,
    "compare flipped.jp2 s.tif": 1,
    "compare s.tif half.jp2": 1,
    "compare s.tif text.jp2": 1,
    "compare s.tif missing.tif": 1,
    "compare s.tif folder": 1,
    "compare s.tif": 2,
    "compare s.tif a.jp2 --max-error much": 2,
    "info a.jp2": 0,
    "info text.jp2": 1,
    "info missing.tif": 1,
    "decompress flipped.jp2 out.tif": 1,
    "decompress half.jp2 out.tif": 1,
    "decompress missing.jp2 out.tif": 1,
    "decompress a.jp2 s.tif": 2,
    "decompress a.jp2 out.tif --enhance nosuch": 2,
    "compress float.tif out.jp2": 2,
    "compress s.tif a.jp2": 2,
    "compress s.tif out.jp2 --codec zip": 2,
    "compress s.tif out.jp2 --target bpp=0.001": 4,
    "compress s.tif out.jp2 --model nosuch": 5,
    "nonsense s.tif": 2,
}


@pytest.mark.parametrize("line", CODES)
def test_the_exit_code_is_the_one_promised(folder, capsys, line) -> None:
    found = code(folder, line)
    out = capsys.readouterr()
    assert found == CODES[line], out
    if found not in (0, 4):
        assert out.err.startswith("rsic: error: ")
        assert out.err.count("\n") == 1
    assert not list(folder.glob("out.*"))


def test_help_readme_and_capabilities_name_the_same_codes(capsys) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    table = {line.split("|")[1].strip() for line in readme.splitlines() if line.startswith("| ")}
    assert main(["capabilities", "--json"]) == 0
    named = set(json.loads(capsys.readouterr().out)["exit_codes"])
    assert named <= table
    assert named == {cell for cell in table if cell.isdigit()}
    main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{number} " in text for number in named)
