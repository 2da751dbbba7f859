"""What landscapes are painted with: noise, shapes, trees, roofs, shadows and a sensor.

Everything is painted as surface reflectance in four bands (blue, green, red, near infrared) on a canvas of
twice the resolution of the finished scene, coordinates being (row, column) in metres from the upper left
corner. numpy and rasterio only.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

Field = NDArray[np.float32]
Mask = NDArray[np.bool_]
Spectrum = tuple[float, float, float, float]

OVERSAMPLING = 2
SUN = np.array([0.54, 0.45])
"""Where the sun stands, (down, right) in the picture: shadows fall up and to the left."""
SUN_HEIGHT = 0.71
SHADE = np.array([0.42, 0.34, 0.30, 0.26], np.float32)
"""Light left in a shadow, per band: the sky is blue."""


@dataclass(slots=True)
class Canvas:
    """Reflectance under construction, and the ground grid it is painted on."""

    height_m: float
    width_m: float
    pixel_m: float
    rng: np.random.Generator
    light: Field = field(init=False)
    rows: Field = field(init=False)
    cols: Field = field(init=False)

    def __post_init__(self) -> None:
        cell = self.cell
        shape = (round(self.height_m / cell), round(self.width_m / cell))
        rows, cols = np.mgrid[: shape[0], : shape[1]]
        self.rows = ((rows + 0.5) * cell).astype(np.float32)
        self.cols = ((cols + 0.5) * cell).astype(np.float32)
        self.light = np.zeros((4, *shape), np.float32)

    @property
    def cell(self) -> float:
        """Side of a canvas cell (m)."""
        return self.pixel_m / OVERSAMPLING

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows.shape

    def noise(self, wavelength_m: float, slope: float = 2.0) -> Field:
        """Return a random field of mean 0 and deviation 1, featureless above a wavelength.

        Amplitude falls with frequency to the power ``slope``: 1 is grainy, 2 like clouds, 3 smooth.
        """
        down = np.fft.fftfreq(self.shape[0], self.cell)[:, None]
        right = np.fft.rfftfreq(self.shape[1], self.cell)[None]
        white = np.fft.rfft2(self.rng.standard_normal(self.shape, np.float32))
        coloured = np.fft.irfft2(white / (wavelength_m**-2 + down**2 + right**2) ** (slope / 2), self.shape)
        return ((coloured - coloured.mean()) / coloured.std()).astype(np.float32)

    def paint(self, colour: Spectrum, cover: Mask | Field, texture: Field | float = 0.0) -> None:
        """Lay a surface over what is there; ``texture`` brightens it by that part."""
        touched = _extent(cover)
        spectrum = np.asarray(colour, np.float32)[:, None, None]
        brightness = 1 + np.broadcast_to(np.asarray(texture, np.float32), self.shape)[touched]
        patch = self.light[(slice(None), *touched)]
        patch += np.asarray(cover[touched], np.float32) * (spectrum * brightness - patch)

    def shade(self, cover: Mask | Field) -> None:
        """Darken the ground where something stands between it and the sun."""
        touched = _extent(cover)
        light_left = 1 - np.asarray(cover[touched], np.float32) * (1 - SHADE[:, None, None])
        self.light[(slice(None), *touched)] *= light_left

    def polygons(self, shapes: list[NDArray[np.floating]]) -> Mask:
        """Return the cells inside any polygon, each given as (n, 2) corners (row, column) in metres."""
        if not shapes:
            return np.zeros(self.shape, np.bool_)
        geometries = [
            {"type": "Polygon", "coordinates": [[(float(c), float(r)) for r, c in [*s, s[0]]]]}
            for s in shapes
        ]
        transform = Affine(self.cell, 0, 0, 0, self.cell, 0)
        return rasterize(geometries, self.shape, transform=transform, dtype="uint8").astype(np.bool_)

    def distance(self, line: NDArray[np.floating], reach_m: float = 45) -> Field:
        """Return the distance (m) to a polyline of (n, 2) points (row, column), at most ``reach_m``."""
        best = np.full(self.shape, reach_m**2, np.float32)
        for start, stop in zip(line[:-1], line[1:], strict=True):
            step = stop - start
            first = ((np.minimum(start, stop) - reach_m) / self.cell).astype(int)
            last = ((np.maximum(start, stop) + reach_m) / self.cell).astype(int)
            near = (slice(max(first[0], 0), max(last[0], 0)), slice(max(first[1], 0), max(last[1], 0)))
            down, right = self.rows[near] - np.float32(start[0]), self.cols[near] - np.float32(start[1])
            drow, dcol = np.float32(step[0]), np.float32(step[1])
            part = np.clip(
                (down * drow + right * dcol) / max(drow * drow + dcol * dcol, np.float32(1e-6)), 0, 1
            )
            down, right = down - part * drow, right - part * dcol
            best[near] = np.minimum(best[near], down * down + right * right)
        return np.sqrt(best)


def _extent(cover: Mask | Field) -> tuple[slice, slice]:
    """Return the rectangle outside which ``cover`` is 0."""
    sides = []
    for axis in (1, 0):
        places = np.flatnonzero(cover.any(axis=axis))
        sides.append(slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0))
    return sides[0], sides[1]


def soft(distance: Field, edge: float, width: float = 0.6) -> Field:
    """Return 1 inside ``edge`` metres, 0 outside, and a ramp of ``width`` metres between."""
    return np.clip((edge - distance) / width + 0.5, 0, 1)


def curve(points: list[tuple[float, float]], steps: int = 12) -> NDArray[np.float64]:
    """Return a smooth line through points (row, column): a Catmull-Rom spline."""
    p = np.array([points[0], *points, points[-1]], np.float64)
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for a, b, c, d in zip(p[:-3], p[1:-2], p[2:-1], p[3:], strict=True):
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        )
    return np.concatenate([*pieces, p[-1:]])


def box(centre: NDArray[np.floating], length: float, width: float, angle: float) -> NDArray[np.float64]:
    """Return the corners of a rectangle whose length runs at ``angle`` from the columns' direction."""
    along = np.array([np.sin(angle), np.cos(angle)]) * length / 2
    across = np.array([np.cos(angle), -np.sin(angle)]) * width / 2
    return np.array([along + across, along - across, -along - across, across - along]) + centre


@dataclass(frozen=True, slots=True)
class House:
    """A gabled or flat roof on four walls."""

    centre: tuple[float, float]
    length: float
    width: float
    angle: float
    height: float
    colour: Spectrum
    is_flat: bool = False


def build(canvas: Canvas, houses: list[House]) -> None:
    """Draw the shadows of houses, then their roofs, each slope lit by where it faces."""
    shadows = []
    for house in houses:
        outline = box(np.array(house.centre), house.length, house.width, house.angle)
        reach = house.height / SUN_HEIGHT
        shadows += [outline - SUN * reach * part for part in np.linspace(0, 1, 9)]
    canvas.shade(canvas.polygons(shadows))
    grain = canvas.noise(1.5, 1.0)
    for house in houses:
        centre = np.array(house.centre)
        across = np.array([np.cos(house.angle), -np.sin(house.angle)])
        whole = canvas.polygons([box(centre, house.length, house.width, house.angle)])
        if house.is_flat:
            inner = canvas.polygons([box(centre, house.length - 1.6, house.width - 1.6, house.angle)])
            canvas.paint(house.colour, whole, 0.18 + 0.03 * grain)
            canvas.paint(house.colour, inner, 0.05 * grain)
            continue
        for side in (1, -1):
            half = box(centre + side * across * house.width / 4, house.length, house.width / 2, house.angle)
            facing = 0.85 + 0.45 * side * float(across @ SUN)
            canvas.paint(tuple(c * facing for c in house.colour), canvas.polygons([half]), 0.05 * grain)


@dataclass(frozen=True, slots=True)
class Trees:
    """Crowns: where they stand and how large they are."""

    rows: NDArray[np.float64]
    cols: NDArray[np.float64]
    radii: NDArray[np.float64]
    """Crown radius (m)."""

    def __add__(self, other: Trees) -> Trees:
        pairs = ((self.rows, other.rows), (self.cols, other.cols), (self.radii, other.radii))
        return Trees(*(np.concatenate(pair) for pair in pairs))


def scatter(canvas: Canvas, cover: Mask, spacing_m: float, radius_m: tuple[float, float]) -> Trees:
    """Return trees standing irregularly, about ``spacing_m`` apart, where ``cover`` holds."""
    down = np.arange(0, canvas.height_m, spacing_m)
    right = np.arange(0, canvas.width_m, spacing_m)
    rows, cols = (a.ravel() for a in np.meshgrid(down, right, indexing="ij"))
    rows = rows + canvas.rng.uniform(-0.6, 0.6, rows.size) * spacing_m
    cols = cols + canvas.rng.uniform(-0.6, 0.6, cols.size) * spacing_m
    r, c = (rows / canvas.cell).astype(int), (cols / canvas.cell).astype(int)
    inside = (r >= 0) & (c >= 0) & (r < canvas.shape[0]) & (c < canvas.shape[1])
    inside[inside] = cover[r[inside], c[inside]]
    radii = canvas.rng.uniform(*radius_m, rows.size)
    return Trees(rows[inside], cols[inside], radii[inside])


def plant(canvas: Canvas, trees: Trees, colour: Spectrum, height: float = 1.5) -> None:
    """Draw the shadows of trees, then crowns like lumpy domes; ``height`` is in crown radii."""
    shadow = np.zeros(canvas.shape, np.float32)
    order = np.argsort(trees.rows, kind="stable")
    for k in order:
        reach = trees.radii[k] * height / SUN_HEIGHT
        for part in np.linspace(0.2, 1, 4):
            row, col = trees.rows[k] - SUN[0] * reach * part, trees.cols[k] - SUN[1] * reach * part
            near, distance = _disc(canvas, row, col, trees.radii[k] * 0.9)
            shadow[near] = np.maximum(shadow[near], soft(distance, trees.radii[k] * 0.9))
    canvas.shade(shadow)
    leaves = canvas.noise(1.6, 1.2)
    spectrum = np.asarray(colour, np.float32)[:, None, None]
    for k in order:
        _crown(canvas, (trees.rows[k], trees.cols[k], trees.radii[k]), spectrum, leaves)


def _disc(canvas: Canvas, row: float, col: float, radius: float) -> tuple[tuple[slice, slice], Field]:
    """Return the part of the canvas around a disc and the distances to its centre there."""
    reach = radius * 1.3 + canvas.cell
    rows = slice(max(int((row - reach) / canvas.cell), 0), max(int((row + reach) / canvas.cell) + 1, 0))
    cols = slice(max(int((col - reach) / canvas.cell), 0), max(int((col + reach) / canvas.cell) + 1, 0))
    near = (rows, cols)
    return near, np.hypot(canvas.rows[near] - row, canvas.cols[near] - col)


def _crown(canvas: Canvas, tree: tuple[float, float, float], spectrum: Field, leaves: Field) -> None:
    """Draw one crown: brighter towards the sun, ragged at the edge."""
    row, col, radius = tree
    near, distance = _disc(canvas, row, col, radius)
    down, right = canvas.rows[near] - row, canvas.cols[near] - col
    bumps = canvas.rng.uniform(0, 2 * np.pi, 2)
    around = np.arctan2(down, right)
    edge = radius * (1 + 0.12 * np.sin(3 * around + bumps[0]) + 0.08 * np.sin(5 * around + bumps[1]))
    cover = soft(distance + 0.25 * leaves[near], edge, 0.8)
    dome = np.sqrt(np.clip(1 - (distance / (radius * 1.15)) ** 2, 0, 1))
    facing = SUN_HEIGHT * dome + (down * SUN[0] + right * SUN[1]) / (radius * 1.15)
    tone = np.float32(canvas.rng.normal(1, 0.10))
    lit = tone * np.clip(0.35 + 0.95 * facing + 0.12 * leaves[near], 0.15, None)
    patch = canvas.light[(slice(None), *near)]
    patch += cover * (spectrum * lit - patch)


def observe(canvas: Canvas, blur_px: float) -> Field:
    """Return what an aperture of ``blur_px`` (Gaussian deviation) sees, at the scene's resolution."""
    down = np.fft.fftfreq(canvas.shape[0] + 64)[:, None]
    right = np.fft.rfftfreq(canvas.shape[1] + 64)[None]
    deviation = blur_px * OVERSAMPLING
    response = np.exp(-2 * (np.pi * deviation) ** 2 * (down**2 + right**2))
    # Mirrored edges: the transform would otherwise let the opposite side shine through.
    padded = np.pad(canvas.light, ((0, 0), (32, 32), (32, 32)), mode="symmetric")
    sharp = np.fft.rfft2(padded)
    seen = np.fft.irfft2(sharp * response, padded.shape[1:])[:, 32:-32, 32:-32]
    height, width = canvas.shape[0] // OVERSAMPLING, canvas.shape[1] // OVERSAMPLING
    return seen.reshape(4, height, OVERSAMPLING, width, OVERSAMPLING).mean((2, 4)).astype(np.float32)
