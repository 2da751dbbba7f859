"""Archives of the learned codec there and back, with a network that works in a millisecond."""

from __future__ import annotations

import random
import sys
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_support import (
    Smoother,
    assert_came_back,
    assert_same_place,
    installed,
    measured,
    painted,
    view,
    write_scene,
)
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.cli.entry import main
from rsic_geo.codecs import learned_tile
from rsic_geo.codecs.base import CodedBands, Setting, TileForm
from rsic_geo.codecs.learned_tile import LearnedTiles
from rsic_geo.codecs.registry import get_entry
from rsic_geo.container.tiff import Preview, TiffArchive, TiffSpool, frame
from rsic_geo.errors import (
    BitstreamError,
    ChecksumError,
    ContainerError,
    MissingDependencyError,
    RsicGeoError,
    TargetNotReachedError,
    UnknownCodecError,
    UsageError,
    WeightsMismatchError,
)
from rsic_geo.geo.radiometry import Radiometry
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.raster.formats.preview import picture_geotiff
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.payloads import TileDecoder
from rsic_geo.scenes.source import open_source
from rsic_geo.scenes.tiff import codec_of
from rsic_geo.verbs import compress as encode
from rsic_geo.write import tiles as tilework
from rsic_geo.write.rate.dial import TileCoder
from rsic_geo.write.tiles import RawTile

TARGETS = [
    ("bpp=0.4", "none"), ("bpp=1", "none"), ("ratio=60", "smoother"), ("psnr=38", "none"),
    ("psnr=38", "smoother"), ("psnr=46", "none"), ("max-error=6", "none"), ("max-error=6", "smoother"),
    ("max-error=1", "none"),
]  # fmt: skip
SHAPES = [(1, 1), (17, 1031), (300, 257), (256, 256), (40, 70)]


@pytest.fixture
def codec():
    with network(Remembering()) as instance:
        yield instance


def compress(source, archive, target="bpp=1", model="none", **options):
    return rsic_geo.compress(
        source,
        archive,
        target=target,
        model=model,
        overwrite=True,
        **{"codec": "learned", "tile_size": 256, "threads": 1} | options,
    ).to_json()


def pixels_of(path):
    with rasterio.open(path) as scene:
        return scene.read()


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Return a scene of six tiles."""
    return write_scene(tmp_path_factory.mktemp("town") / "town.tif", painted((3, 300, 650)))


@settings(max_examples=15)
@given(
    shape=st.sampled_from(SHAPES),
    bands=st.integers(1, 5),
    dtype=st.sampled_from(["uint8", "uint16", "int16"]),
    extra=st.sampled_from(["none", "nodata", "mask"]),
    seed=st.integers(0, 99),
)
def test_what_comes_back_is_what_the_encoder_made(tmp_path_factory, shape, bands, dtype, extra, seed):
    """Pixels as measured, metadata, nodata and mask exactly; windows and a second reader agree."""
    folder = tmp_path_factory.mktemp("law")
    source, archive, back = folder / "s.tif", folder / "a.rsic.tif", folder / "b.tif"
    rng = np.random.default_rng(seed)
    pixels = painted((bands, *shape), dtype, seed)
    mask = None
    if extra == "mask":
        mask = rng.random(shape) < 0.8
    if extra == "nodata":
        pixels[:, rng.random(shape) < 0.2] = 7
    write_scene(source, pixels, mask=mask, **({"nodata": 7} if extra == "nodata" else {}))
    with network(Remembering()):
        report = compress(source, archive, "psnr=20", accept_loss=True)  # painted noise spreads by little
        rsic_geo.decompress(archive, back)
        assert_came_back(source, back, report)
        with Archive(archive) as scene:
            top, left = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
            window = Window(
                row_off=top,
                col_off=left,
                height=int(rng.integers(1, shape[0] - top + 1)),
                width=int(rng.integers(1, shape[1] - left + 1)),
            )
            np.testing.assert_array_equal(scene.read(window), pixels_of(back)[(slice(None), *window.slices)])
        assert rsic_geo.validate(archive)["valid"]


@pytest.mark.parametrize(("target", "model"), TARGETS)
def test_targets_are_met(town, tmp_path, codec, target, model):
    """Sizes within 2 %, PSNR and largest error never missed, computed without rsic_geo."""
    archive, back = tmp_path / "a.rsic.tif", tmp_path / "b.tif"
    with installed(Smoother()):
        report = compress(town, archive, target, model)
        rsic_geo.decompress(archive, back)
    psnr, worst = measured(town, back)
    kind, _, value = target.partition("=")
    size = archive.stat().st_size
    assert report["bytes"] == size
    if kind == "bpp":
        assert size * 8 / (300 * 650) == pytest.approx(float(value), rel=0.02)
    elif kind == "ratio":
        assert 300 * 650 * 3 / size == pytest.approx(float(value), rel=0.02)
    elif kind == "psnr":
        assert float(value) <= psnr < float(value) + 0.5
    else:
        assert worst <= float(value)
    assert psnr == pytest.approx(report["psnr"] or np.inf, abs=1e-6)
    assert psnr >= (report["psnr_codec"] or np.inf) - 1e-9


class Useless(Smoother):
    def propose(self, x, sigma):
        return np.zeros_like(x)


@pytest.mark.parametrize("size", [1400, 1900, 2600, 3300])
def test_a_small_size_is_met_whatever_enhancement_adds(tmp_path, codec, size):
    """What it takes is only guessed before; nor does the preview, which grows with the file, mislead."""
    source = write_scene(tmp_path / "s.tif", painted((3, 160, 200)))
    with installed(Useless()):
        report = compress(source, tmp_path / "a.rsic.tif", f"bpp={size * 8 / 32000}", "smoother")
    assert report["bytes"] == pytest.approx(size, rel=0.02)
    assert not [line for line in report["warnings"] if "asked for" in line]


def test_enhancement_is_never_worse(town, tmp_path, codec):
    """It is recorded, applied on the way back, and can be left off."""
    archive = tmp_path / "a.rsic.tif"
    with installed(Smoother()):
        report = compress(town, archive, "bpp=0.3", "smoother")
        assert report["model"]["name"] == "smoother"
        assert report["psnr"] > report["psnr_codec"]
        rsic_geo.decompress(archive, tmp_path / "on.tif")
        rsic_geo.decompress(archive, tmp_path / "off.tif", enhance="off")
    assert measured(town, tmp_path / "on.tif")[0] == pytest.approx(report["psnr"], abs=1e-6)
    assert measured(town, tmp_path / "off.tif")[0] == pytest.approx(report["psnr_codec"], abs=1e-6)


@pytest.mark.parametrize(
    ("target", "effort", "passes"),
    [
        ("psnr=30", "fast", {0}),
        ("psnr=30", "normal", {1}),
        ("psnr=30", "best", {3}),
        ("bpp=0.5", "best", {3}),
        ("max-error=6", "best", {0}),
    ],
)
def test_effort_says_how_often_tiles_are_refined(town, tmp_path, codec, target, effort, passes):
    compress(town, tmp_path / "a.rsic.tif", target, effort=effort)
    assert codec.passes == passes


@pytest.mark.parametrize("dark", [2, 4])
def test_a_tile_the_network_fails_on_is_jpeg2000(town, tmp_path, codec, monkeypatch, dark):
    """Noise in one place, or a bad network everywhere: never below JPEG 2000 at the same size."""
    kept = codec.encode_tile

    def fails_on_dark(samples, quality, **how):
        tile = kept(samples, quality, **how)
        if samples.mean() < float(limit):
            tile.reconstruction[:] = 0.5
        return tile

    with rasterio.open(town) as scene:
        means = [
            scene.read(window=((r, r + 256), (c, c + 256))).mean() / 255
            for r in (0, 256)
            for c in (0, 256, 512)
        ]
    limit = sorted(means)[dark] - 1e-6
    monkeypatch.setattr(codec, "encode_tile", fails_on_dark)
    report = compress(town, tmp_path / "a.rsic.tif", "bpp=0.5")
    found = rsic_geo.info(tmp_path / "a.rsic.tif")["codec"]
    assert (found["tiles_learned"], found["tiles_jpeg2000"]) == (6 - dark, dark)
    if dark == 4:  # then JPEG 2000's own archive is the better one, and the report says so
        (said,) = [line for line in report["warnings"] if "JPEG 2000 suits this scene better" in line]
        alone = compress(town, tmp_path / "b.jp2", "bpp=0.5", codec="jp2")
        assert report["jp2_instead"] == {
            "bytes": alone["bytes"] + alone["sidecar_bytes"],
            "psnr": alone["psnr"],
        }
        assert f"{alone['psnr'] - report['psnr']:.2f} dB better" in said
    assert not list(tmp_path.glob(".*"))


def test_only_the_tiles_needed_are_decoded(town, tmp_path, codec):
    compress(town, tmp_path / "a.rsic.tif", "bpp=1", verify="none")
    with Archive(tmp_path / "a.rsic.tif") as scene:
        assert codec.decoded == 0
        scene.read(Window(row_off=10, col_off=300, height=100, width=100))
        assert codec.decoded == 1
        scene.read(Window(row_off=250, col_off=260, height=25, width=20))
        assert codec.decoded == 2
        scene.read(Window(row_off=0, col_off=510, height=10, width=10))
        assert codec.decoded == 3


@pytest.mark.parametrize("shape", [(300, 650), (150, 325), (75, 150), (20, 31), (3, 7), (1, 1), (350, 700)])
def test_reduced_reads_are_area_means(town, tmp_path, codec, shape):
    """Of the decompressed scene: exactly at halves, nearly where pixels of the reduced tiles are cut."""
    archive, back = tmp_path / "a.rsic.tif", tmp_path / "b.tif"
    compress(town, archive, "bpp=0.5")
    rsic_geo.decompress(archive, back)
    with Archive(archive) as scene:
        ours = scene.read(out_shape=shape)
    full = pixels_of(back).astype(float)
    rows = np.minimum((np.arange(shape[0] + 1) * 300 / shape[0]), 300)
    cols = np.minimum((np.arange(shape[1] + 1) * 650 / shape[1]), 650)
    total = np.pad(full.cumsum(1).cumsum(2), ((0, 0), (1, 0), (1, 0)))
    at = np.stack([[np.interp(cols, np.arange(651), line) for line in band] for band in total])
    at = np.stack([[np.interp(rows, np.arange(301), column) for column in band.T] for band in at]).transpose(
        0, 2, 1
    )
    sums = np.diff(np.diff(at, axis=1), axis=2)
    expected = sums / (np.diff(rows)[:, None] * np.diff(cols))
    if 300 % shape[0] == 0 and shape[0] in (1, 150, 300):  # whole tiles' resolutions
        np.testing.assert_allclose(ours, expected, atol=1.01)
    assert np.abs(ours - expected).mean() < 3


POINTS = [
    GroundControlPoint(
        row=row, col=col, x=500000 + 2 * col + 0.3 * row, y=5600000 - 2.2 * row, z=7, id=str(i)
    )
    for i, (row, col) in enumerate([(0, 0), (0.5, 96), (64, 0.25), (64, 96), (30.5, 40.25)], start=1)
]
ROTATED = Affine.translation(500000, 5600000) @ Affine.rotation(30) @ Affine.scale(0.5, -0.7)


@pytest.mark.parametrize("meaning", ["Area", "Point"])
@pytest.mark.parametrize(
    "place",
    [
        {},
        {"transform": ROTATED},
        {"transform": Affine(0.01, 0, 12, 0, -0.02, 50), "crs": "EPSG:4326"},
        {"transform": None, "gcps": POINTS},
    ],
    ids=["north-up", "rotated", "degrees", "gcps"],
)
def test_gdal_finds_the_preview_where_the_scene_is(tmp_path, codec, place, meaning):
    """Same reference system, same extent, right colours; no second page troubles it."""
    source, archive = tmp_path / "s.tif", tmp_path / "a.rsic.tif"
    write_scene(source, painted((3, 64, 96)), **place)
    with rasterio.open(source, "r+") as scene:
        scene.update_tags(AREA_OR_POINT=meaning)
    compress(source, archive, "psnr=30")
    ours, theirs = view(source), view(archive)
    height, width = theirs.pixels.shape[1:]
    down, right = 64 / height, 96 / width
    if theirs.transform is not None:
        x, a, b, y, d, e = theirs.transform
        theirs.transform = (x, a / right, b / down, y, d / right, e / down)
    theirs.gcps = [(col * right, row * down, *rest) for col, row, *rest in theirs.gcps]
    assert_same_place(ours, theirs)
    assert theirs.tags[0][""].get("AREA_OR_POINT", "Area") == meaning
    assert theirs.tags[0][""]["PLATFORM"] == "test"
    assert [band["colour"] for band in theirs.bands] == [band["colour"] for band in ours.bands]
    with rasterio.open(archive) as scene:
        assert scene.subdatasets == []


def test_names_outside_ascii(tmp_path, codec):
    """TIFF texts are UTF-8 as GDAL writes them: items of metadata, and names of coordinate systems."""
    gdal = pytest.importorskip("osgeo.gdal")

    unnamed = CRS.from_string("+proj=tmerc +lat_0=47 +lon_0=8.5 +datum=WGS84").to_wkt()
    crs = CRS.from_wkt(unnamed.replace("unknown", "Zürich", 1))
    source, archive = tmp_path / "s.tif", tmp_path / "a.rsic.tif"
    write_scene(source, painted((3, 40, 60)), crs=crs, transform=Affine(2, 0, 5e5, 0, -2, 5e6))
    with rasterio.open(source, "r+") as scene:
        scene.update_tags(TITLE="Zürich", NAME="日本")
        assert "Zürich" in scene.crs.to_wkt()
    compress(source, archive, "bpp=12")
    with rasterio.open(archive) as scene:
        assert (scene.tags()["TITLE"], scene.tags()["NAME"]) == ("Zürich", "日本")
        assert "Zürich" in scene.crs.to_wkt()
    found = gdal.Open(str(archive))
    assert found.GetMetadataItem("TITLE") == "Zürich"
    assert found.GetSpatialRef().GetName() == "Zürich"


def test_the_preview_shows_the_scene(town, tmp_path, codec):
    compress(town, tmp_path / "a.rsic.tif", "bpp=2")
    with rasterio.open(tmp_path / "a.rsic.tif") as scene:
        small = scene.read().astype(float)
        assert max(small.shape) <= 512
    with rasterio.open(town) as scene:
        expected = scene.read(out_shape=small.shape, resampling=rasterio.enums.Resampling.average)
    assert np.abs(small - expected).mean() < 12


def test_the_preview_is_transparent_where_the_scene_is(tmp_path, codec):
    pixels = painted((3, 200, 200))
    mask = np.zeros((200, 200), bool)
    mask[:100] = True
    source = write_scene(tmp_path / "s.tif", pixels, mask=mask)
    compress(source, tmp_path / "a.rsic.tif", "psnr=30")
    with rasterio.open(tmp_path / "a.rsic.tif") as scene:
        shown = scene.read_masks(1)
    half = shown.shape[0] // 2
    assert (shown[: half - 1] == 255).all()
    assert (shown[half + 1 :] == 0).all()


@pytest.fixture(scope="module")
def whole(town, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "a.rsic.tif"
    with network(Remembering()):
        compress(town, path, "bpp=0.4")
        with rsic_geo.open(path) as scene:
            return path.read_bytes(), scene.read()


@pytest.mark.parametrize("seed", range(6))
def test_damage_is_refused_or_changes_nothing(whole, tmp_path, codec, seed):
    """50 faults each: an error of ours in one line, or exactly the scene."""
    data, pixels = whole
    rng, path = random.Random(seed), tmp_path / "a.rsic.tif"
    refused, said = 0, []
    for _ in range(50):
        broken = bytearray(data)
        at = rng.randrange(len(broken))
        fault = rng.randrange(3)
        if fault == 0:
            for _ in range(rng.choice([1, 1, 4])):
                broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        elif fault == 1:
            broken[at : at + 8] = rng.randbytes(8)
        else:
            del broken[at:]
        path.write_bytes(broken)
        try:
            with rsic_geo.open(path) as scene:
                np.testing.assert_array_equal(scene.read(), pixels)
        except RsicGeoError as error:
            refused += 1
            said.append(str(error))
            assert not rsic_geo.validate(path)["valid"]
    assert refused > 25
    assert all(len(text.splitlines()) == 1 for text in said)


def test_a_damaged_tile_is_named_and_the_others_can_be_read(whole, tmp_path, codec, capsys):
    data, pixels = whole
    path = tmp_path / "a.rsic.tif"
    path.write_bytes(data)
    with Archive(path) as scene:
        offset = scene.tiff._archive._found.offsets[4]
    broken = bytearray(data)
    broken[offset + 30] ^= 1
    path.write_bytes(broken)
    with Archive(path) as scene:
        with pytest.raises(ChecksumError, match="tile 4"):
            scene.read()
        left = Window(row_off=0, col_off=0, height=300, width=256)
        np.testing.assert_array_equal(scene.read(left), pixels[:, :, :256])
    found = rsic_geo.validate(path)
    assert found["damaged_tiles"] == [4]
    assert "1 damaged tile (4)" in found["problems"][0]
    assert main(["validate", str(path)]) == 4
    assert main(["decompress", str(path), str(tmp_path / "b.tif")]) == 1
    assert "tile 4" in capsys.readouterr().err
    assert not (tmp_path / "b.tif").exists()


@pytest.mark.parametrize(
    "changes", [{"dtype": "int16"}, {"dtype": "float32"}, {"tile_size": 512}, {"bands": 2}, {"height": 299}]
)
def test_parts_of_two_archives_are_refused(whole, tmp_path, codec, changes):
    """Every checksum right, and still no scene: what a careless or hostile writer may make."""
    path, mixed = tmp_path / "a.rsic.tif", tmp_path / "b.rsic.tif"
    path.write_bytes(whole[0])
    with TiffArchive(path) as archive:
        layout = replace(archive.layout, is_rgb=False, **changes)
        with TiffSpool(mixed, layout) as spool:
            for number in range(layout.tile_count):
                spool.add_tile(number, frame(number, *archive.payload(number)))
            preview = Preview(picture=picture_geotiff(np.zeros((1, 8, 8), np.uint8), "deflate"), place=None)
            spool.finish(archive.side, preview, None)
    with pytest.raises((ContainerError, BitstreamError)), rsic_geo.open(mixed) as scene:
        scene.read()
    assert main(["decompress", str(mixed), str(tmp_path / "c.tif")]) == 1


def test_other_weights_are_refused(whole, tmp_path):
    path = tmp_path / "a.rsic.tif"
    path.write_bytes(whole[0])
    with network(Remembering("cd" * 32)), Archive(path) as scene:
        assert scene.profile.width == 650
        with pytest.raises(WeightsMismatchError, match="remembering"):
            scene.read()
    with network(Remembering("cd" * 32)):
        assert main(["decompress", str(path), str(tmp_path / "b.tif")]) == 5


def test_without_the_extra_its_name_is_told(whole, town, tmp_path, monkeypatch, capsys):
    path = tmp_path / "a.rsic.tif"
    path.write_bytes(whole[0])
    monkeypatch.setitem(sys.modules, "tifffile", None)
    with pytest.raises(MissingDependencyError, match="pip install --no-deps .*tifffile"):
        rsic_geo.open(path)
    assert main(["info", str(path)]) == 5
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "rsic_geo.codecs.learned", None)
    argv = ["compress", str(town), str(tmp_path / "c.rsic.tif"), "--codec", "learned", "--target", "bpp=1"]
    assert main(argv) == 5
    assert "pip install --no-deps" in capsys.readouterr().err
    assert not (tmp_path / "c.rsic.tif").exists()
    for verb in (["info"], ["validate", "--no-pixels"]):
        assert main([*verb, str(path)]) == 0  # what needs no network works
    assert main(["validate", str(path)]) == 5  # and what does says nothing of the file


def test_the_codec_is_asked_for_by_name(town, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        learned_tile,
        "load_network",
        lambda name, device, sha256=None: asked.append((name, device, sha256)) or Remembering(),
    )
    options = {"target": "bpp=1", "model": "none", "device": "cpu"}
    rsic_geo.compress(town, tmp_path / "a.rsic.tif", codec="learned:best", **options)
    assert asked[0] == ("best", "cpu", None)
    assert asked[1] == ("remembering", "cpu", "ab" * 8)  # what the archive says, when it is verified


def test_weights_that_decoding_would_not_find_are_refused_first(town, tmp_path, monkeypatch):
    """Archives name their weights; a path says nothing on another machine, or tomorrow."""
    weights, archive = tmp_path / "mine.safetensors", tmp_path / "a.rsic.tif"
    header = b'{"__metadata__":{"spec":"{}"}}  '
    weights.write_bytes(len(header).to_bytes(8, "little") + header)
    monkeypatch.setattr(encode, "plan_scene", None)  # before any work
    folder = tmp_path / "others"
    folder.mkdir()
    (folder / weights.name).write_bytes(weights.read_bytes() + b" ")
    monkeypatch.setenv("RSIC_GEO_WEIGHTS", str(folder))
    with pytest.raises(UsageError, match="found by the name 'mine': give yours another"):
        rsic_geo.compress(town, archive, codec=f"learned:{weights}", target="bpp=1")
    monkeypatch.undo()
    monkeypatch.setenv("RSIC_GEO_WEIGHTS", str(tmp_path))
    with network(Remembering()):
        rsic_geo.compress(town, archive, codec=f"learned:{weights}", target="bpp=1", model="none")
    assert archive.exists()
    assert not (tmp_path / "rsic-weights").exists()


@pytest.mark.parametrize("name", ["/tmp/w.safetensors", "w.safetensors", "../w", "a\\b", "a\0b"])
def test_an_archive_that_names_a_file_as_its_codec(name):
    side = SimpleNamespace(extras={"codec": [f"learned:{name}", "ab" * 32]})
    with pytest.raises(ContainerError, match="names a file"):
        codec_of(side)


@pytest.mark.parametrize(("top", "margin"), [(255, 1), (4000, 1), (20001, 2), (65535, 4)])
def test_devices_round_apart_within_the_bound(top, margin):
    """The network is held to the bound less 5e-5 of the range; a tighter bound is JPEG 2000's alone."""
    radiometry = Radiometry(dtype="uint16", low=(0.0,), high=(float(top),))
    coded = CodedBands.of(((0,),), TileForm(radiometry=radiometry, tile_size=64), lossless=False)
    found = Remembering()
    codec = LearnedTiles(coded.form, weights="auto", device="cpu", sha256=None, loader=lambda *_, **__: found)
    tiles = TileCoder(codec, get_entry("learned"), TileDecoder(codec, coded, 1))
    noise = np.random.default_rng(1).integers(0, top, (1, 64, 64)).astype(np.uint16)
    raw = RawTile(number=0, pixels=noise, nodata_valid=None, mask=None)
    tile = tilework.prepare(raw, lossless=False)
    worst = tiles.coded(tile, Setting(quality=127 / 255)).max_error  # where the search begins
    found = tiles.within(tile, worst + margin)
    assert (found.codestream[:1], found.max_error) == (b"L", worst)
    assert tiles.within(tile, worst + margin - 0.5).max_error < worst
    assert tiles.within(tile, margin - 0.5).codestream[:1] == b"J"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target": "lossless"}, "use --codec jp2"),
        ({"target": "max-error=0"}, "use --codec jp2"),
        ({"output": "a.jp2"}, ".rsic.tif"),
        ({"output": "a.tif"}, ".rsic.tif"),
        ({"codec": "jp2"}, ".jp2"),
        ({"sidecar": "require"}, "--sidecar"),
        ({"tile_size": 4096}, "2048"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(town, tmp_path, codec, changes, said):
    options = {"codec": "learned", "target": "bpp=1"} | changes
    with pytest.raises(UsageError, match=said) as caught:
        rsic_geo.compress(town, tmp_path / options.pop("output", "a.rsic.tif"), **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_codec_nobody_knows_is_refused_before_any_work(town, tmp_path):
    with pytest.raises(UnknownCodecError, match="'mpeg' is not known: use cog or .* or learned"):
        rsic_geo.compress(town, tmp_path / "a.rsic.tif", codec="mpeg", target="bpp=1")
    assert list(tmp_path.iterdir()) == []


def test_a_size_no_archive_can_have(tmp_path, codec):
    source = write_scene(tmp_path / "s.tif", painted((3, 40, 40)))
    with pytest.raises(TargetNotReachedError):
        compress(source, tmp_path / "a.rsic.tif", "bpp=0.5")
    assert not (tmp_path / "a.rsic.tif").exists()


def test_a_float_scene_comes_back_with_its_scale(tmp_path, codec):
    ramp = np.add.outer(np.arange(300), np.arange(200)).astype(np.float32) * 0.1 - 7
    ramp[20:40, 10:30] = np.nan
    source = write_scene(tmp_path / "s.tif", ramp[None], nodata=float("nan"))
    compress(source, tmp_path / "a.rsic.tif", "psnr=50", quantize="uint16")
    rsic_geo.decompress(tmp_path / "a.rsic.tif", tmp_path / "b.tif")
    back = pixels_of(tmp_path / "b.tif")[0]
    np.testing.assert_array_equal(np.isnan(back), np.isnan(ramp))
    assert np.nanmax(np.abs(back - ramp)) < 1


def test_an_alpha_band_comes_back_exactly(tmp_path, codec):
    pixels = painted((4, 300, 300))
    pixels[3] = np.where(np.add.outer(np.arange(300), np.arange(300)) > 250, 255, 0)
    source = write_scene(tmp_path / "s.tif", pixels, alpha="YES")
    compress(source, tmp_path / "a.rsic.tif", "psnr=35")
    rsic_geo.decompress(tmp_path / "a.rsic.tif", tmp_path / "b.tif")
    np.testing.assert_array_equal(pixels_of(tmp_path / "b.tif")[3], pixels[3])


def test_an_archive_is_a_source_like_any_other(whole, tmp_path, codec):
    """Compressing a learned archive takes its final pixels, not its preview."""
    path = tmp_path / "a.rsic.tif"
    path.write_bytes(whole[0])
    rsic_geo.compress(path, tmp_path / "b.jp2")
    rsic_geo.decompress(tmp_path / "b.jp2", tmp_path / "c.tif")
    np.testing.assert_array_equal(pixels_of(tmp_path / "c.tif"), whole[1])
    assert rsic_geo.compare(path, tmp_path / "c.tif").is_equal


@pytest.mark.parametrize("name", ["in/a.rsic.tif", "scene.tif"])
@pytest.mark.parametrize("form", ["/vsizip/{}/{}", "zip://{}!{}"])
def test_behind_a_name_of_gdals(whole, tmp_path, codec, name, form):
    """Whatever it is called there: GDAL would give the preview."""
    bundle, back = tmp_path / "a.zip", tmp_path / "b.tif"
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr(name, whole[0])
    path = form.format(bundle, name)
    rsic_geo.decompress(path, back)
    np.testing.assert_array_equal(pixels_of(back), whole[1])
    assert rsic_geo.compare(path, str(back)).is_equal
    with open_source(path, Execution()) as scene:
        np.testing.assert_array_equal(scene.read(Window.full(*whole[1].shape[1:])), whole[1])


def test_a_preview_by_another_program_is_a_scene(whole, tmp_path):
    """A copy that still carries the preview's description has no archive around it."""
    archive, copy = tmp_path / "a.rsic.tif", tmp_path / "copy.tif"
    archive.write_bytes(whole[0])
    rasterio.shutil.copy(archive, copy, driver="GTiff")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.write(copy, "copy.tif")
    with Archive(f"/vsizip/{tmp_path}/a.zip/copy.tif") as scene:
        assert not scene.is_archive
        assert max(scene.profile.height, scene.profile.width) <= 512


@pytest.mark.parametrize(("target", "figure"), [("rmse=0.5", "rmse"), ("max-error=2", "max_abs_error")])
def test_floats_whose_error_is_said_need_no_quantize(tmp_path, target, figure):
    rng = np.random.default_rng(2)
    heights = (100 + 20 * np.sin(np.arange(200) / 30) + rng.normal(0, 0.3, (1, 160, 200))).astype(np.float32)
    source = write_scene(tmp_path / "dem.tif", heights)
    rsic_geo.compress(source, tmp_path / "dem.rsic.tif", codec="learned", target=target, model="none")
    rsic_geo.decompress(tmp_path / "dem.rsic.tif", tmp_path / "back.tif")
    off = np.abs(rasterio.open(tmp_path / "back.tif").read() - heights)
    found = {"rmse": np.sqrt(np.square(off, dtype=np.float64).mean()), "max_abs_error": off.max()}[figure]
    assert 0 < found <= float(target.partition("=")[2]) * 1.001


def test_floats_whose_error_is_not_said_are_refused_with_what_to_do(tmp_path, capsys):
    source = write_scene(tmp_path / "dem.tif", np.ones((1, 40, 50), np.float32) / 3)
    words = ["compress", str(source), str(tmp_path / "a.rsic.tif"), "--codec", "learned"]
    assert main([*words, "--target", "psnr=40"]) != 0
    err = capsys.readouterr().err
    assert "float32 do not fit JPEG 2000 or a network" in err
    assert "--quantize uint16" in err
    assert [path.name for path in tmp_path.iterdir()] == ["dem.tif"]
