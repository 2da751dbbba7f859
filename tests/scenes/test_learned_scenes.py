"""Learned archives of real scenes, of a scene larger than memory should need, and with a real network."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import psutil
import pytest
import rasterio
from learned_support import busy_network, weights_of
from pipeline_support import assert_came_back, assert_same_place, measured, painted, view, write_scene
from support import SCENES
from tiff_support import Remembering, network

import rsic_geo
from rsic_geo.codecs.base import Setting
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.scenes.archive import Archive

REAL = (
    "cbers4_awfi_4band_int16.tif", "gcps110_uint16.tif", "gdal_byte.jp2", "gdal_byte_point.jp2",
    "gdal_int16_lossless.jp2", "gdal_stefan_full_rgba.jp2", "hro_colorado.tif", "hro_colorado_alpha.tif",
    "hro_colorado_extmask.tif", "hro_colorado_mask.tif", "hro_colorado_nodata.tif",
    "landsat8_L1TP_10band_uint16.tif", "pleiades_rpc_pair_img_01.tif", "rasterio_RGB.byte.tif",
    "rasterio_RGBA.uint16.tif", "rasterio_all-nodata.tif", "rasterio_alpha.tif", "rasterio_rotated.tif",
    "rf_NAIP-VA-b4.tiff", "riocogeo_image_nodata.tif", "rasterio_world.rgb.tif",
)  # fmt: skip
"""RGB and single bands, 4 and 10 bands, 8 and 16 bits, signed, nodata, masks, alpha, control points, RPCs."""


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_real_scenes_there_and_back(name, tmp_path):
    """Metadata, nodata, mask and alpha exactly, pixels as the encoder made them, the preview in its place."""
    source, archive, back = SCENES / name, tmp_path / "a.rsic.tif", tmp_path / "b.tif"
    if not source.is_file():
        pytest.skip("the real scenes are not on this machine")
    options = {"codec": "learned", "model": "none", "target": "psnr=34"}
    with network(Remembering()):
        report = rsic_geo.compress(source, archive, **options).to_json()
        rsic_geo.decompress(archive, back)
    assert assert_came_back(source, back, report) >= 34
    ours, theirs = view(source, pixels=False), view(archive)
    height, width = theirs.pixels.shape[1:]
    with rasterio.open(source) as scene:
        down, right = scene.height / height, scene.width / width
    if theirs.transform is not None:
        x, a, b, y, d, e = theirs.transform
        theirs.transform = (x, a / right, b / down, y, d / right, e / down)
    theirs.gcps = [(col * right, row * down, *rest) for col, row, *rest in theirs.gcps]
    assert_same_place(ours, theirs)


SMALL = (
    "gcps110_uint16.tif", "gdal_byte.jp2", "gdal_byte_point.jp2", "gdal_stefan_full_rgba.jp2",
    "hro_colorado_mask.tif", "rasterio_rotated.tif",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=pytest.mark.shared) for name in SMALL), (1, 1, 1), (4, 17, 1031)]
)
def test_the_shipped_networks_there_and_back(name, tmp_path):
    """Codec and enhancer as users have them: everything as for other networks, and the window of a whole."""
    if find_spec("compressai") is None:
        pytest.skip("compressai is not installed (it has no build for Python 3.13)")
    archive, back = tmp_path / "a.rsic.tif", tmp_path / "b.tif"
    source = SCENES / name if isinstance(name, str) else tmp_path / "s.tif"
    if not isinstance(name, str):
        write_scene(source, painted(name, "uint16"))
    elif not source.is_file():
        pytest.skip("the real scenes are not on this machine")
    report = rsic_geo.compress(source, archive, codec="learned", target="psnr=30", threads=1).to_json()
    rsic_geo.decompress(archive, back, threads=1)  # as it was fitted: other numbers of threads round apart
    assert assert_came_back(source, back, report, within=1e-3) >= 30
    with Archive(archive, execution=Execution(threads=1)) as scene, rasterio.open(back) as whole:
        height, width = (min(side, 9) for side in whole.shape)
        window = Window(row_off=whole.height - height, col_off=0, height=height, width=width)
        np.testing.assert_array_equal(scene.read(window), whole.read()[:, -height:, :width])


@pytest.mark.parametrize("shape", [(3, 1, 1), (1, 17, 130), (4, 200, 150)])
def test_a_real_network_with_random_weights(shape, tmp_path, monkeypatch):
    """Symbols through CompressAI's coder, pixels equal to the encoder's own, tile by tile."""
    if find_spec("compressai") is None:
        pytest.skip("compressai is not installed (it has no build for Python 3.13)")
    from rsic_geo.codecs.learned import LearnedCodec
    from rsic_geo.write.rate.dial import TileCoder

    real = LearnedCodec.from_weights(weights_of(busy_network()))
    monkeypatch.setattr(
        TileCoder, "at", lambda self, tile, dial: self.coded(tile, Setting(quality=min(max(dial, 0), 1)))
    )
    source, archive, back = (tmp_path / name for name in ("s.tif", "a.rsic.tif", "b.tif"))
    write_scene(source, painted(shape, "uint16" if shape[0] == 4 else "uint8"))
    with network(real):
        report = rsic_geo.compress(
            source,
            archive,
            codec="learned",
            model="none",
            target="psnr=5",
            tile_size=256,
            threads=1,
            accept_loss=True,  # of random weights nothing else is to be expected
        ).to_json()
        assert rsic_geo.info(archive)["codec"]["tiles_learned"] == 1
        rsic_geo.decompress(archive, back)
        with Archive(archive) as scene:
            part = scene.read(Window(row_off=0, col_off=0, height=1, width=1))
            assert scene.read(out_shape=(1, 1)).shape == (shape[0], 1, 1)
    psnr, worst = measured(source, back)
    assert psnr == pytest.approx(report["psnr"] or np.inf, abs=1e-6)
    assert worst == report["max_abs_error"]
    with rasterio.open(back) as scene:
        np.testing.assert_array_equal(scene.read()[:, :1, :1], part)


VRT = """<VRTDataset rasterXSize="{side}" rasterYSize="{side}"><SRS>EPSG:32633</SRS>
<GeoTransform>500000,1,0,5600000,0,-1</GeoTransform>{bands}</VRTDataset>"""
BAND = """<VRTRasterBand dataType="Byte" band="{band}">
<ColorInterp>{colour}</ColorInterp>{sources}</VRTRasterBand>"""
SOURCE = """<SimpleSource>
<SourceFilename relativeToVRT="1">s.tif</SourceFilename><SourceBand>{band}</SourceBand>
<DstRect xOff="{x}" yOff="{y}" xSize="1024" ySize="1024"/></SimpleSource>"""


class Forgetful:
    """Means of 16 x 16 px, really coded: nothing is remembered from one tile to the next."""

    name, sha256 = "forgetful", "ef" * 32

    def encode_tile(self, samples, quality, *, passes=0):
        from tiff_support import Tile

        del quality, passes
        bands, height, width = samples.shape
        small = samples[:, ::16, ::16].astype(np.float16)
        payload = np.array([bands, height, width], "<u2").tobytes() + small.tobytes()
        return Tile(payload, self.decode_tile(payload, samples.shape))

    def decode_tile(self, payload, shape, *, reduce=0):
        bands, height, width = map(int, np.frombuffer(payload[:6], "<u2"))
        assert (bands, height, width) == shape
        small = np.frombuffer(payload[6:], np.float16).reshape(bands, -(-height // 16), -(-width // 16))
        full = small.repeat(16, 1).repeat(16, 2)[:, :height, :width].astype(np.float32)
        step = 1 << reduce
        return np.ascontiguousarray(full[:, ::step, ::step])


def repeated(path, side):
    """Write a VRT of ``side`` px that repeats s.tif."""
    bands = ""
    for band, colour in enumerate(("Red", "Green", "Blue"), start=1):
        places = [(x, y) for y in range(0, side, 1024) for x in range(0, side, 1024)]
        sources = "".join(SOURCE.format(band=band, x=x, y=y) for x, y in places)
        bands += BAND.format(band=band, colour=colour, sources=sources)
    path.write_text(VRT.format(side=side, bands=bands))
    return path


@pytest.mark.slow
def test_memory_does_not_grow_with_the_scene(tmp_path):
    """16 times the pixels, 192 MB of them, both ways with 128 MiB more; what others left moves about."""
    write_scene(tmp_path / "s.tif", painted((3, 1024, 1024)))
    process, options = psutil.Process(), {"threads": 1, "memory_mib": 32}
    peaks: dict[int, int] = {}
    for side in (2048, 8192):

        def watch(_fraction, _text, side=side):
            peaks[side] = max(peaks.get(side, 0), process.memory_info().rss)
            return True

        source, archive = repeated(tmp_path / f"{side}.vrt", side), tmp_path / f"{side}.rsic.tif"
        chosen = {"codec": "learned", "model": "none", "target": "psnr=15"}
        with network(Forgetful()):
            rsic_geo.compress(source, archive, progress=watch, **chosen, **options)
            rsic_geo.decompress(archive, tmp_path / f"{side}.tif", progress=watch, **options)
            with Archive(archive, execution=Execution(**options)) as scene:
                assert scene.read(out_shape=(512, 512)).shape == (3, 512, 512)
                watch(1, "")
    assert peaks[8192] - peaks[2048] < 128 * 2**20
