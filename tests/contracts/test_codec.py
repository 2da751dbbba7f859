"""The contract of a codec: ours and one of another package, alone and through every verb."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from learned_support import COMPRESSAI, pyramid, write_checkpoint
from pipeline_support import assert_came_back, measured, painted, write_scene
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.codecs import learned_tile, registry
from rsic_geo.codecs.base import FINEST, LOSSLESS, CodecEntry, Setting, TileForm
from rsic_geo.errors import (
    BitstreamError,
    ChecksumError,
    MissingDependencyError,
    RsicGeoError,
    TargetNotReachedError,
    UnknownCodecError,
    UsageError,
)
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.scenes.archive import Archive

HERE = Path(__file__).parent
CODECS = ("jp2", "learned", "toy", "compressai")
WEIGHTS: dict[str, str] = {}
"""Networks of those that ship none."""


@pytest.fixture(scope="module", autouse=True)
def toy(tmp_path_factory):
    """Install a distribution that offers the toy codec, for this process and those it starts."""
    site = tmp_path_factory.mktemp("site")
    (site / "toy_codec.py").write_text((HERE / "toy_codec.py").read_text())
    info = site / "rsic_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rsic-toy\nVersion: 1.0\n")
    points = "toy = toy_codec:ENTRY\nbroken = nowhere:ENTRY\nliar = toy_codec:ENTRY\njp2 = toy_codec:ENTRY\n"
    (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{points}")
    checkpoint = write_checkpoint(site / "pyramid.safetensors", pyramid(COMPRESSAI["mean-scale"]))
    WEIGHTS["compressai"] = str(checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learned_tile, "load_compressai", lru_cache(learned_tile.load_compressai))
        patch.syspath_prepend(str(site))
        path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
        patch.setenv("PYTHONPATH", path)
        registry._offered.cache_clear()
        registry.get_entry.cache_clear()
        with network(Remembering()):
            yield site
    registry._offered.cache_clear()
    registry.get_entry.cache_clear()


def made(name: str, dtype: str, bands: int, groups=None):
    entry = registry.get_entry(name)
    form = TileForm(
        radiometry=Radiometry.whole_range(dtype, bands),
        groups=groups or tuple((band,) for band in range(bands)),
        tile_size=64,
    )
    return entry, entry.make(form, weights=WEIGHTS.get(name, "auto"), device="cpu", sha256=None)


def settings_of(entry: CodecEntry) -> list[Setting]:
    lossy = [Setting(quality=q / 4) for q in range(5)] if entry.dial == "quality" else [FINEST]
    sizes = [Setting(size=200), Setting(size=200, is_exact=True)] if entry.dial == "size" else []
    return lossy + sizes + [LOSSLESS] * entry.is_lossless_capable


# -- alone


@pytest.mark.parametrize("name", CODECS)
@given(data=st.data())
def test_tiles_there_and_back(name, data):
    """Type and shape come back, reduced reads are means, the same again gives the same, lossless is exact."""
    is_slow = name in WEIGHTS  # a network that really computes
    bands, height, width = (data.draw(st.integers(1, most)) for most in (2 if is_slow else 4, 64, 64))
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16"]))
    entry, codec = made(name, dtype, bands)
    pixels = painted((bands, height, width), dtype, data.draw(st.integers(0, 9)))
    setting = data.draw(st.sampled_from(settings_of(entry)))
    coded = codec.encode(pixels, setting)
    back = codec.decode(coded.payload, pixels.shape)
    assert (back.shape, back.dtype) == (pixels.shape, pixels.dtype)
    if coded.pixels is not None:
        np.testing.assert_array_equal(coded.pixels, back)
    assert codec.encode(pixels, setting).payload == coded.payload
    if setting.lossless:
        np.testing.assert_array_equal(back, pixels)
    if setting.is_exact and min(height, width) > 32:
        assert len(coded.payload) <= 200 + 400  # the headers of a codestream are not counted
    for reduce in [data.draw(st.integers(0, 5))] if is_slow else range(6):
        small = codec.decode(coded.payload, pixels.shape, reduce=reduce)
        assert small.shape == (bands, -(-height >> reduce), -(-width >> reduce))
        assert small.dtype == pixels.dtype


@pytest.mark.parametrize("name", CODECS)
def test_quality_costs_bytes_and_wins_likeness(name):
    entry, codec = made(name, "uint8", 3, ((0, 1, 2),))
    pixels = painted((3, 64, 64))
    settings = settings_of(entry)
    if entry.dial == "size":
        settings = [Setting(size=size) for size in (100, 400, 1600)]
    else:
        settings = [setting for setting in settings if not setting.lossless]
    sizes, errors = [], []
    for setting in settings:
        payload = codec.encode(pixels, setting).payload
        sizes.append(len(payload))
        errors.append(float(np.square(codec.decode(payload, pixels.shape) - pixels.astype(float)).sum()))
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0]


@lru_cache
def codec_and_payload(name: str):
    _, codec = made(name, "uint8", 3, ((0, 1, 2),))
    return codec, codec.encode(painted((3, 40, 50)), FINEST).payload


@pytest.mark.parametrize("name", CODECS)
@given(data=st.data())
def test_bytes_that_are_no_tile_are_refused(name, data):
    """A payload cut or altered is an error of ours, or a tile of the right shape: nothing else."""
    codec, good = codec_and_payload(name)
    payload = data.draw(
        st.one_of(
            st.binary(max_size=80),
            st.integers(0, len(good) - 1).map(lambda n: good[:n]),
            st.tuples(st.integers(0, len(good) - 1), st.integers(1, 255)).map(
                lambda at: good[: at[0]] + bytes([good[at[0]] ^ at[1]]) + good[at[0] + 1 :]
            ),
        )
    )
    try:
        back = codec.decode(payload, (3, 40, 50))
    except (BitstreamError, ChecksumError):
        return
    assert (back.shape, back.dtype) == ((3, 40, 50), np.dtype(np.uint8))


@pytest.mark.parametrize("name", CODECS)
def test_settings_without_meaning_are_refused(name):
    entry, codec = made(name, "uint8", 1)
    for values in ({}, {"lossless": True, "quality": 1.0}, {"quality": 1.5}, {"size": 5, "quality": 0.5}):
        with pytest.raises(UsageError):
            Setting(**values)
    wrong = Setting(quality=0.5) if entry.dial == "size" else Setting(size=100)
    if name != "toy":  # a codec may take more than it must
        with pytest.raises(UsageError):
            codec.encode(painted((1, 64, 64)), wrong)


# -- through the verbs


def scene_of(path: Path, kind: str) -> Path:
    shape = (300, 410)
    if kind == "mask":
        keep = np.random.default_rng(5).random(shape) < 0.9
        return write_scene(path, painted((3, *shape)), mask=keep)
    if kind == "nodata":
        pixels = painted((4, *shape), "uint16")
        pixels[:, 100:170, 30:300] = 7
        return write_scene(path, pixels, nodata=7)
    if kind == "alpha":
        pixels = painted((4, *shape))
        pixels[3] = np.where(np.add.outer(np.arange(300), np.arange(410)) > 300, 255, 0)
        return write_scene(path, pixels, photometric="RGB", alpha="YES")
    return write_scene(path, painted((3, *shape)))


KINDS = ("rgb", "mask", "nodata", "alpha")


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        *(("lossless", kind) for kind in KINDS),
        ("psnr=38", "rgb"), ("psnr=38", "nodata"), ("bpp=2", "rgb"), ("bpp=2", "nodata"),
        ("max-error=6", "mask"), ("max-error=6", "alpha"), ("max-error=0", "nodata"),
    ],
)  # fmt: skip
def test_every_target_through_a_codec_of_another_package(tmp_path, kind, target):
    """Targets are met by a count made without rsic_geo; metadata, nodata, mask and alpha come back."""
    source, archive, back = scene_of(tmp_path / "s.tif", kind), tmp_path / "a.rsic.tif", tmp_path / "b.tif"
    options = {
        "codec": "toy",
        "model": "none",
        "tile_size": 256,
        "threads": 2,
        "target": target,
        "accept_loss": True,
    }
    if target == "bpp=2" and kind == "nodata":
        options["target"] = "bpp=12"
    report = rsic_geo.compress(source, archive, **options).to_json()
    assert report["codec"] == "toy"
    assert report["verified"]
    rsic_geo.decompress(archive, back)
    assert_came_back(source, back, report)
    psnr, worst = measured(source, back)
    if target in ("lossless", "max-error=0"):
        assert worst == 0
    if target == "psnr=38" and kind == "rgb":
        assert psnr >= 38
    if target == "max-error=6":
        assert 0 < worst <= 6
    if target.startswith("bpp"):
        wanted = float(options["target"].partition("=")[2]) * 300 * 410 / 8
        assert archive.stat().st_size <= wanted * 1.02
    info = rsic_geo.info(archive)
    assert info["codec"] == {"name": "toy", "tiles_toy": 4, "tiles_jpeg2000": 0}
    assert rsic_geo.validate(archive)["valid"]
    with Archive(archive) as scene, rasterio.open(back) as whole:
        window = Window(row_off=200, col_off=240, height=77, width=99)
        rows, cols = window.slices
        np.testing.assert_array_equal(scene.read(window), whole.read()[:, rows, cols])
        assert scene.read(out_shape=(30, 41)).shape == (whole.count, 30, 41)


def test_a_codec_that_has_no_tiles_says_so():
    entry = registry.get_entry("cog")
    assert entry.make is None
    with pytest.raises(UsageError, match="as a whole"):
        entry.maker()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("target", ["lossless", "max-error=6"])
def test_every_target_through_a_codec_of_whole_scenes(tmp_path, kind, target):
    """The same of one whose container codes scenes as a whole; it knows no other target."""
    source, archive, back = scene_of(tmp_path / "s.tif", kind), tmp_path / "a.cog.tif", tmp_path / "b.tif"
    options = {"tile_size": 256, "threads": 2, "target": target, "accept_loss": True}
    report = rsic_geo.compress(source, archive, **options).to_json()
    assert (report["codec"], report["verified"]) == ("cog", True)
    rsic_geo.decompress(archive, back)
    assert_came_back(source, back, report)
    assert measured(source, back)[1] <= (0 if target == "lossless" else 6)
    assert rsic_geo.info(archive)["codec"] == {"name": "cog"}
    assert rsic_geo.validate(archive)["valid"]
    with pytest.raises(UsageError, match="max-error=N"):
        rsic_geo.compress(source, tmp_path / "c.cog.tif", target="psnr=40")


def test_any_flip_of_a_bit_is_found_or_changes_nothing(tmp_path):
    source, archive = scene_of(tmp_path / "s.tif", "mask"), tmp_path / "a.rsic.tif"
    rsic_geo.compress(source, archive, codec="toy", model="none", target="psnr=30", tile_size=256)
    data = archive.read_bytes()
    with rsic_geo.open(archive) as scene:
        whole = scene.read()
    rng = np.random.default_rng(3)
    refused, said = 0, []
    for at in rng.integers(0, len(data), 60):
        broken = bytearray(data)
        broken[at] ^= 1 << int(rng.integers(8))
        archive.write_bytes(broken)
        try:
            with rsic_geo.open(archive) as scene:
                np.testing.assert_array_equal(scene.read(), whole)
        except RsicGeoError as error:
            refused += 1
            said.append(str(error))
            assert not rsic_geo.validate(archive)["valid"]
    assert refused > 30
    assert all(len(text.splitlines()) == 1 for text in said)


def test_a_batch_and_the_command_line(tmp_path, toy, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for kind in ("rgb", "nodata"):
        scene_of(folder / f"{kind}.tif", kind)
    run = [sys.executable, "-m", "rsic_geo", "batch", "run", str(folder), str(tmp_path / "out")]
    done = subprocess.run(
        [*run, "--codec", "toy", "--model", "none", "--jobs", "2", "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    products = sorted(path.name for path in (tmp_path / "out").rglob("*.rsic.tif"))
    assert products == ["nodata.rsic.tif", "rgb.rsic.tif"]
    for kind in ("rgb", "nodata"):
        product = next((tmp_path / "out").rglob(f"{kind}.rsic.tif"))
        assert rsic_geo.compare(folder / f"{kind}.tif", product).is_equal
    assert main(["capabilities", "--json"]) == 0
    listed = {codec["name"]: codec for codec in json.loads(capsys.readouterr().out)["codecs"]}
    assert listed["toy"]["suffixes"] == [".rsic.tif"]
    assert listed["toy"]["lossless"] is True
    assert not {"broken", "liar"} & set(listed)
    assert listed["auto"]["suffixes"] == [".jp2", ".cog.tif"]
    assert listed["jp2"]["suffixes"] == [".jp2"]  # a name of ours is not taken by others


def test_what_cannot_be_done_is_said_in_one_line(tmp_path, toy, capsys):
    source, archive = scene_of(tmp_path / "s.tif", "rgb"), tmp_path / "a.rsic.tif"
    with pytest.raises(UnknownCodecError, match="'tyo' is not known: use broken or cog or compressai or jp2"):
        rsic_geo.compress(source, archive, codec="tyo")
    with pytest.raises(MissingDependencyError, match=r"'broken' of nowhere:ENTRY cannot be loaded"):
        rsic_geo.compress(source, archive, codec="broken")
    with pytest.raises(MissingDependencyError, match="no CodecEntry of that name"):
        rsic_geo.compress(source, archive, codec="liar")
    with pytest.raises(UsageError, match="works without a network"):
        rsic_geo.compress(source, archive, codec="toy:big")
    with pytest.raises(TargetNotReachedError):
        rsic_geo.compress(source, archive, codec="toy", model="none", target="bpp=0.01")
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]
    rsic_geo.compress(source, archive, codec="toy", model="none")
    (toy / "rsic_toy-1.0.dist-info" / "entry_points.txt").rename(toy / "away")
    try:
        registry._offered.cache_clear()
        registry.get_entry.cache_clear()
        assert main(["info", str(archive)]) == 0  # what needs no pixels works without the package
        capsys.readouterr()
        assert main(["decompress", str(archive), str(tmp_path / "b.tif")]) == 2
        assert "codec 'toy' is not known" in capsys.readouterr().err
    finally:
        (toy / "away").rename(toy / "rsic_toy-1.0.dist-info" / "entry_points.txt")
        registry._offered.cache_clear()
        registry.get_entry.cache_clear()


def test_nothing_outside_the_codecs_compares_a_codec_by_name():
    """The names of codecs appear in their room, as defaults of options, and where learning names its own."""
    package = Path(rsic_geo.__file__).parent
    found = {}
    for path in package.rglob("*.py"):
        room = path.relative_to(package).parts[0]
        if room in ("codecs", "training", "evaluation"):
            continue
        lines = [
            line.strip()
            for line in path.read_text().splitlines()
            for word in ('"jp2"', '"learned"', '"cog"', "'jp2'", "'learned'", "'cog'")
            if word in line and ("==" in line or "!=" in line or " in (" in line)
        ]
        if lines:
            found[str(path.relative_to(package))] = lines
    assert found == {"verbs/compress.py": [f'if entry.container == "{name}":' for name in ("cog", "jp2")]}
