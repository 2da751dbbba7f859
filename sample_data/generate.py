"""Make the sample scenes: ``python sample_data/generate.py [--out FOLDER]``.

The same seeds give the same pixels wherever numpy draws the same random numbers (sums in another order may
move a value by one step). Every scene is there to exercise something a real archive holds; see README.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import rasterio
from coast import coast
from countryside import countryside
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from scenery import Canvas, Field, observe
from town import Plan, town

COMPRESSION = {"driver": "GTiff", "compress": "deflate", "predictor": 2, "zlevel": 9}
TILED = {**COMPRESSION, "tiled": True, "blockxsize": 256, "blockysize": 256}


def expose(light: Field, noise: tuple[float, float], rng: np.random.Generator) -> Field:
    """Return reflectance as a detector counts it: noise that grows with the light, and a floor."""
    floor, shot = noise
    deviation = np.sqrt(floor**2 + shot**2 * np.clip(light, 0, None))
    return light + deviation * rng.standard_normal(light.shape, np.float32)


def write_fields(path: Path) -> None:
    """Aerial orthophoto, RGB uint8, UTM, flown askew: nodata 0 around a rotated footprint."""
    height, width = 512, 640
    light = observe(countryside(height, width, 7), 0.55)[[2, 1, 0]]
    light = expose(light, (0.0010, 0.0035), np.random.default_rng(8))
    haze = np.array([0.010, 0.011, 0.016], np.float32)[:, None, None]
    pixels = np.clip((light + haze) / 0.34, 0, 1) ** (1 / 1.8) * 255
    pixels = np.clip(np.rint(pixels), 1, 255).astype(np.uint8)
    pixels[:, ~_footprint(height, width)] = 0
    transform = Affine(1.0, 0, 412300.0, 0, -1.0, 5321800.0)
    profile = {**TILED, "height": height, "width": width, "count": 3, "dtype": "uint8", "interleave": "pixel"}
    with rasterio.open(
        path, "w", crs=CRS.from_epsg(32633), transform=transform, nodata=0, **profile
    ) as scene:
        scene.write(pixels)
        scene.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        scene.descriptions = ("Red", "Green", "Blue")
        scene.update_tags(TIFFTAG_DATETIME="2026:07:14 10:32:00", PLACE="invented farmland", SEED="7")


def _footprint(height: int, width: int) -> NDArray[np.bool_]:
    """Return where a flight line at an angle saw the ground."""
    rows, cols = np.mgrid[:height, :width]
    corners = [(14, 62), (58, 637), (497, 588), (449, 5)]
    inside = np.ones((height, width), np.bool_)
    for (top, left), (bottom, right) in zip(corners, [*corners[1:], corners[0]], strict=True):
        inside &= (cols - left) * (bottom - top) - (rows - top) * (right - left) <= 0
    return inside


def write_coast(path: Path) -> None:
    """Satellite scene of four bands, uint16 reflectance with scale and offset, rotated transform."""
    height, width = 320, 384
    light = observe(coast(384, 448, 11), 0.55)[:, 20 : 20 + height, 16 : 16 + width]
    light = expose(light, (0.0004, 0.0014), np.random.default_rng(12))
    scale, offset = 0.0001, -0.1
    pixels = np.clip(np.rint((light - offset) / scale), 1, 65535).astype(np.uint16)
    angle = np.deg2rad(-17.5)
    right, down = 2.0 * np.cos(angle), 2.0 * np.sin(angle)
    transform = Affine(right, down, 487120.0, down, -right, 4152860.0)
    profile = {**TILED, "height": height, "width": width, "count": 4, "dtype": "uint16", "interleave": "band"}
    profile["photometric"] = "minisblack"
    with rasterio.open(path, "w", crs=CRS.from_epsg(32629), transform=transform, **profile) as scene:
        scene.write(pixels)
        scene.colorinterp = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
        scene.descriptions = ("Blue", "Green", "Red", "Near infrared")
        scene.scales, scene.offsets = (scale,) * 4, (offset,) * 4
        scene.units = ("reflectance",) * 4
        for band, wavelength in enumerate((0.490, 0.565, 0.665, 0.842), start=1):
            scene.update_tags(band, WAVELENGTH_UM=f"{wavelength:.3f}")
        scene.update_tags(PLACE="invented coast", SEED="11", PROCESSING_LEVEL="L2A")
        scene.update_tags(
            ns="IMAGERY", SATELLITEID="NONE", CLOUDCOVER="0", ACQUISITIONDATETIME="2026-05-03T11:14:00Z"
        )


def write_town(path: Path) -> None:
    """Panchromatic scene, 11 bits in uint16, not yet rectified: ground control points of pixel centres."""
    height, width = 224, 256
    canvas = Canvas(height, width, 1.0, np.random.default_rng(5))
    town(canvas, Plan((90, 110), 0.35, (62, 96), 0.92), np.ones(canvas.shape, np.bool_))
    blue, green, red, infrared = observe(canvas, 0.50)
    light = expose(
        0.2 * blue + 0.3 * green + 0.3 * red + 0.2 * infrared, (0.001, 0.004), np.random.default_rng(6)
    )
    pixels = np.clip(np.rint(120 + 4600 * light), 1, 2047).astype(np.uint16)
    points = [
        GroundControlPoint(row=row, col=col, x=x, y=y, z=z, id=str(number + 1))
        for number, (row, col, x, y, z) in enumerate(_control(height, width))
    ]
    profile = {**COMPRESSION, "height": height, "width": width, "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", gcps=points, crs=CRS.from_epsg(32633), **profile) as scene:
        scene.write(pixels[None])
        scene.descriptions = ("Panchromatic",)
        scene.update_tags(AREA_OR_POINT="Point", PLACE="invented town", SEED="5")


def _control(height: int, width: int) -> list[tuple[float, float, float, float, float]]:
    """Return (row, column, easting, northing, height) of a 3 x 3 net seen from an oblique orbit.

    Read back, the first is the centre of the first pixel, row and column 0.5.
    """
    net = []
    for row in (0.5, height / 2, height - 0.5):
        for col in (0.5, width / 2, width - 0.5):
            east = 601200.0 + 0.981 * col + 0.196 * row + 2.1e-5 * row * col
            north = 5407900.0 + 0.171 * col - 0.986 * row - 1.3e-5 * col * col
            # GDAL adds half a pixel to points of pixel centres when it writes them, and again when it reads.
            net.append((row - 1, col - 1, round(east, 3), round(north, 3), round(212.0 + 0.02 * col, 2)))
    return net


SCENES = {
    "fields_rgb_utm.tif": write_fields,
    "coast_4band_rotated.tif": write_coast,
    "town_pan_gcps.tif": write_town,
}


def main() -> None:
    """Write all scenes into a folder, by default this one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name, write in SCENES.items():
        write(folder / name)
        print(f"{folder / name}: {(folder / name).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
