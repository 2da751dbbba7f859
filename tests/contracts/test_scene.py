"""The contract of a scene: whatever holds one, and every view of it, is read by the same laws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_support import Smoother, installed, painted, write_scene
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.errors import UsageError
from rsic_geo.geo.part import Part
from rsic_geo.geo.validity import equals_nodata
from rsic_geo.geo.window import Window
from rsic_geo.options import EncodeOptions
from rsic_geo.raster import open_scene
from rsic_geo.scenes.archive import Archive
from rsic_geo.scenes.kinds import open_store
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.source import PartScene
from rsic_geo.write.plan import plan_scene

SHAPE = (300, 410)
"""Rows and columns: no multiple of a tile or block, more than one of each."""


def holes(seed: int) -> np.ndarray:
    """Return where a scene holds data: all but a rectangle and some specks."""
    keep = np.random.default_rng(seed).random(SHAPE) < 0.98
    keep[20:90, 250:380] = False
    return keep


def rgb(folder: Path) -> Path:
    return write_scene(folder / "rgb.tif", painted((3, *SHAPE)), tiled=True, blockxsize=128, blockysize=128)


def with_nodata(folder: Path, dtype: str = "uint16") -> Path:
    pixels = painted((4, *SHAPE), dtype)
    pixels[:, ~holes(1)] = 7
    pixels[2, 5:9, 5:9] = 7  # one band alone
    return write_scene(folder / f"{dtype}.tif", pixels, nodata=7)


def related(folder: Path) -> Path:
    """Return bands of which each follows from the first, without data in one corner and in one band more."""
    pixels = (painted((1, *SHAPE), "uint16") // np.array([2, 3, 5]).reshape(3, 1, 1)).astype("uint16")
    pixels += pixels == 7
    pixels[:, ~holes(1)] = 7
    pixels[2, 5:9, 5:9] = 7
    return write_scene(folder / "related.tif", pixels, nodata=7)


def with_mask(folder: Path) -> Path:
    return write_scene(folder / "mask.tif", painted((3, *SHAPE)), mask=holes(2))


def with_alpha(folder: Path) -> Path:
    pixels = painted((4, *SHAPE))
    pixels[3] = np.where(holes(3), 255, 0)
    return write_scene(folder / "alpha.tif", pixels, photometric="RGB", alpha="YES")


def heights(folder: Path) -> Path:
    pixels = painted((1, *SHAPE), "int16").astype("float32") / 8
    pixels[:, ~holes(4)] = -9999
    return write_scene(folder / "dem.tif", pixels, nodata=-9999)


def depths(folder: Path) -> Path:
    pixels = np.abs(painted((1, *SHAPE), "int16").astype("float32")) / 7
    pixels[:, ~holes(4)] = -9999
    return write_scene(folder / "depths.tif", pixels, nodata=-9999)


def waves(folder: Path) -> Path:
    real = painted((2, *SHAPE), "int16").astype("float32")
    return write_scene(folder / "slc.tif", (real + 1j * real[:, ::-1]).astype("complex64"))


def mosaic(folder: Path) -> Path:
    """Return a VRT that shows the bands of a scene in another order."""
    source, path = with_nodata(folder), folder / "scene.vrt"
    bands = "".join(
        f'<VRTRasterBand dataType="UInt16" band="{n}"><NoDataValue>7</NoDataValue><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{source.name}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</SimpleSource></VRTRasterBand>"
        for n, band in ((1, 3), (2, 1))
    )
    path.write_text(f'<VRTDataset rasterXSize="{SHAPE[1]}" rasterYSize="{SHAPE[0]}">{bands}</VRTDataset>')
    return path


def archived(make: Callable[[Path], Path], **options: object) -> Callable[[Path], Path]:
    """Return what makes an archive of a scene."""

    def build(folder: Path) -> Path:
        suffix = {"learned": ".rsic.tif", "cog": ".cog.tif"}.get(str(options.get("codec")), ".jp2")
        archive = folder / f"archive{suffix}"
        with installed(Smoother()):
            rsic_geo.compress(
                make(folder), archive, **{"model": "none", "tile_size": 256, "threads": 1} | options
            )
        return archive

    return build


@contextmanager
def raster(path: Path) -> Iterator[Scene]:
    with open_scene(path) as scene:
        yield scene


@contextmanager
def archive(path: Path) -> Iterator[Scene]:
    with installed(Smoother()), Archive(str(path)) as scene:
        yield scene


@contextmanager
def stored(path: Path) -> Iterator[Scene]:
    """Open what the file of an archive stores, without its side information."""
    with Archive(str(path), enhance="off") as held:
        store = open_store(str(path), held.execution)
        try:
            yield store.reader
        finally:
            store.reader.close()


@contextmanager
def part(path: Path) -> Iterator[Scene]:
    area = Window(row_off=11, col_off=40, height=250, width=333)
    with raster(path) as whole:
        yield PartScene(whole, Part(window=area, bands=(2, 0)), None)


@contextmanager
def renamed(path: Path) -> Iterator[Scene]:
    """View a scene with another nodata value than its own."""
    with raster(path) as whole:
        yield PartScene(whole, Part(window=Window.full(*SHAPE)), 9.0)


@contextmanager
def part_of_archive(path: Path) -> Iterator[Scene]:
    area = Window(row_off=100, col_off=1, height=90, width=301)
    with archive(path) as whole:
        yield PartScene(whole, Part(window=area), None)


@contextmanager
def quantised(path: Path) -> Iterator[Scene]:
    options = EncodeOptions(quantize="uint16", target=rsic_geo.options.Target.parse("psnr=60"))
    with raster(path) as floats:
        yield plan_scene(floats, options)[0]


SCENES = {
    "raster": (rgb, raster),
    "raster with nodata": (with_nodata, raster),
    "raster with a mask": (with_mask, raster),
    "raster with alpha": (with_alpha, raster),
    "raster of floats": (heights, raster),
    "vrt": (mosaic, raster),
    "lossless archive": (archived(with_nodata, target="lossless"), archive),
    "lossy archive": (archived(with_nodata, target="psnr=45"), archive),
    "archive of rotated bands": (
        archived(with_nodata, target="snr=20", spectral="rotated", accept_loss=True),
        archive,
    ),
    "archive of rotated bands beside alpha": (
        archived(with_alpha, target="snr=20", spectral="rotated", accept_loss=True),
        archive,
    ),
    "archive of predicted bands": (archived(related, spectral="rotated"), archive),
    "archive of predicted steps": (archived(related, target="max-error=3", spectral="rotated"), archive),
    "archive of growing steps": (archived(with_nodata, target="max-rel-error=5%"), archive),
    "archive of floats in growing steps": (archived(depths, target="max-rel-error=2%"), archive),
    "enhanced archive": (archived(rgb, target="psnr=40", model="smoother"), archive),
    "archive with a mask": (archived(with_mask, target="psnr=40"), archive),
    "archive with alpha": (archived(with_alpha, target="psnr=40"), archive),
    "archive of floats": (archived(heights, target="psnr=60", quantize="uint16"), archive),
    "COG": (archived(with_nodata, codec="cog"), archive),
    "COG with a mask": (archived(with_mask, codec="cog"), archive),
    "COG with alpha": (archived(with_alpha, codec="cog"), archive),
    "COG of floats within a bound": (archived(heights, codec="cog", max_error=0.2), archive),
    "COG of complex samples": (archived(waves, codec="cog"), archive),
    "what a COG stores": (archived(with_mask, codec="cog"), stored),
    "learned archive": (archived(with_nodata, codec="learned", target="psnr=30"), archive),
    "learned archive with a mask": (archived(with_mask, codec="learned", target="psnr=30"), archive),
    "what a lossy archive stores": (archived(rgb, target="psnr=40"), stored),
    "what a learned archive stores": (archived(with_mask, codec="learned", target="psnr=30"), stored),
    "part": (with_nodata, part),
    "part of an archive": (archived(with_nodata, target="psnr=45"), part_of_archive),
    "other nodata": (with_mask, renamed),
    "quantised": (heights, quantised),
}


@pytest.fixture(scope="module", params=SCENES, ids=[name.replace(" ", "-") for name in SCENES])
def scene(request, tmp_path_factory):
    make, view = SCENES[request.param]
    with ExitStack() as held:
        held.enter_context(network(Remembering()))
        yield held.enter_context(view(make(tmp_path_factory.mktemp("scene"))))


def windows(profile) -> st.SearchStrategy[Window]:
    """Return windows inside a scene."""

    def of(corner: tuple[int, int, int, int]) -> Window:
        top, left, height, width = corner
        return Window(
            row_off=top,
            col_off=left,
            height=min(height, profile.height - top),
            width=min(width, profile.width - left),
        )

    sides = st.integers(0, profile.height - 1), st.integers(0, profile.width - 1)
    return st.tuples(*sides, st.integers(1, profile.height), st.integers(1, profile.width)).map(of)


@given(data=st.data())
def test_a_window_is_a_slice_of_the_whole(scene, data):
    profile = scene.profile
    full = Window.full(profile.height, profile.width)
    window = data.draw(windows(profile))
    rows, cols = window.slices
    bands = tuple(data.draw(st.lists(st.integers(0, profile.count - 1), min_size=1, max_size=4, unique=True)))
    pixels, valid, mask = scene.read(full), scene.read_valid(full), scene.read_mask(full)
    np.testing.assert_array_equal(scene.read(window), pixels[:, rows, cols])
    np.testing.assert_array_equal(scene.read(window, bands=bands), pixels[list(bands)][:, rows, cols])
    np.testing.assert_array_equal(scene.read_valid(window), valid[:, rows, cols])
    if mask is not None:
        np.testing.assert_array_equal(scene.read_mask(window), mask[rows, cols])


def test_pixels_have_the_type_and_shape_of_the_profile(scene):
    profile = scene.profile
    pixels = scene.read(Window.full(profile.height, profile.width))
    assert pixels.shape == (profile.count, profile.height, profile.width)
    assert pixels.dtype == profile.dtype
    for shape in ((1, 1), (37, 50), (profile.height, profile.width)):
        small = scene.read_overview(*shape)
        assert (small.shape, small.dtype) == ((profile.count, *shape), np.dtype(profile.dtype))
        assert scene.read_valid_overview(*shape).shape == shape
    window = Window(row_off=1, col_off=2, height=40, width=60)
    last = profile.count - 1
    assert scene.read_overview(10, 15, (last,), window).shape == (1, 10, 15)
    np.testing.assert_array_equal(scene.read_overview(40, 60, (last,), window)[0], scene.read(window)[last])


def test_metadata_describe_the_pixels(scene):
    profile, said = scene.profile, scene.metadata()
    assert (said.height, said.width, said.count) == (profile.height, profile.width, profile.count)
    assert said.colorinterp == profile.colorinterp
    assert isinstance(scene.others, tuple)


def test_validity_mask_and_pixels_agree(scene):
    profile = scene.profile
    full = Window.full(profile.height, profile.width)
    pixels, valid, mask = scene.read(full), scene.read_valid(full), scene.read_mask(full)
    np.testing.assert_array_equal(scene.read_valid(full, pixels), valid)
    assert (mask is not None) == profile.has_mask
    for band, value in enumerate(profile.nodata):
        if value is not None:
            np.testing.assert_array_equal(valid[band], ~equals_nodata(pixels[band], value))
    shown = valid.any(axis=0)
    if mask is not None:
        assert set(np.unique(mask)) <= {0, 255}
        shown &= mask != 0
    if profile.alpha_band is not None:
        shown &= pixels[profile.alpha_band] != 0
    np.testing.assert_array_equal(scene.read_valid_overview(profile.height, profile.width), shown)


@given(data=st.data())
def test_what_is_not_there_is_one_clear_error(scene, data):
    profile = scene.profile
    window = data.draw(
        st.builds(
            Window,
            row_off=st.integers(0, profile.height + 9),
            col_off=st.integers(0, profile.width + 9),
            height=st.integers(1, 2 * profile.height),
            width=st.integers(1, 2 * profile.width),
        ).filter(lambda w: w.row_stop > profile.height or w.col_stop > profile.width)
    )
    for read in (scene.read, scene.read_valid, scene.read_mask):
        with pytest.raises(UsageError, match=f"outside the scene of {profile.width} x {profile.height} px"):
            read(window)
    with pytest.raises(UsageError, match="outside the scene"):
        scene.read_overview(3, 3, None, window)
    inside = Window(row_off=0, col_off=0, height=2, width=2)
    for bands in ((profile.count,), (0, -1)):
        with pytest.raises(UsageError, match=rf"not all in 0..{profile.count - 1}"):
            scene.read(inside, bands=bands)


def test_every_implementation_is_in_the_suite():
    """A module that reads scenes and has no row above would escape these laws."""
    members = [name for name in vars(Scene) if name.startswith("read")]
    assert len(members) == 5
    found = {
        path.stem
        for path in Path(rsic_geo.__file__).parent.rglob("*.py")
        if all(f"def {name}(" in path.read_text() for name in members)
    }
    assert found == {"protocol", "read", "archive", "tiff", "source", "quantised"}
