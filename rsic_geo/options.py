"""What a caller may ask for, checked before the first pixel is read."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal, Protocol, get_args, get_origin, get_type_hints

from rsic_geo.errors import UsageError
from rsic_geo.targets import Target

Effort = Literal["fast", "normal", "best"]
EFFORTS: tuple[Effort, ...] = ("fast", "normal", "best")
"""Time to write and to read an archive: which model ``auto`` is, and how near its target a search ends."""
TILE_SIZES = (256, 512, 1024, 2048, 4096)
"""Codec tile sizes (px). Powers of two keep code-blocks aligned between tiles."""

MAX_TILE_SAMPLES = 1 << 24
"""Samples of a tile: the encoder takes about 8 bytes for each, per thread."""


def usual_tile_size(bands: int) -> int:
    """Return 1024 px, or less where a tile of so many bands would not fit a thread's share of memory."""
    size = 1024
    while size > TILE_SIZES[0] and size * size * bands > MAX_TILE_SAMPLES:
        size //= 2
    return size


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How the work is carried out. Nothing here may change the result beyond rounding."""

    threads: int = 0
    """Threads of the codec, of GDAL and of networks on a CPU; 0 = all cores."""
    device: str = "auto"
    """Device of the enhancer: auto, cpu, cuda, cuda:N."""
    window_size: int = 1024
    """Core of an enhancement window (px, multiple of 64)."""
    memory_mib: int = 256
    """Raster block cache (MiB)."""
    fast: bool = False
    """Reading only: float networks compute in bfloat16 where that is native. Twice the speed, a few pixels in
    a hundred of 8 bits off by one. Networks of integers, those that ship, stay exact."""

    def __post_init__(self) -> None:
        """Raise UsageError where a value makes no sense."""
        if self.window_size < 64 or self.window_size % 64:
            raise UsageError(f"window size {self.window_size}: use a multiple of 64 px, at least 64")
        if self.threads < 0:
            raise UsageError("threads cannot be negative; 0 means all cores")
        if self.memory_mib < 16:
            raise UsageError("memory must be at least 16 MiB")

    @property
    def workers(self) -> int:
        """Threads to start."""
        return self.threads or os.cpu_count() or 1

    @property
    def gdal(self) -> dict[str, str]:
        """GDAL configuration while this work is carried out."""
        asked = {"GDAL_NUM_THREADS": str(self.threads)} if self.threads else {}
        return {"GDAL_CACHEMAX": str(self.memory_mib), **asked}

    def output_options(self, asked: tuple[tuple[str, str], ...]) -> dict[str, str]:
        """Return creation options of an output: those asked for, and the number of threads."""
        given = {name.upper(): value for name, value in asked}
        return {"NUM_THREADS": str(self.threads), **given} if self.threads else given


class PartOptions(Protocol):
    """Options of a verb that say which part of a scene is wanted."""

    @property
    def srcwin(self) -> tuple[int, int, int, int] | None:
        """First column, first row, columns, rows (px)."""

    @property
    def projwin(self) -> tuple[float, float, float, float] | None:
        """Upper left and lower right corner."""

    @property
    def bbox(self) -> tuple[float, float, float, float] | None:
        """Least x, least y, greatest x, greatest y."""

    @property
    def window_crs(self) -> str | None:
        """Reference system of a window in map coordinates."""

    @property
    def bands(self) -> tuple[int, ...]:
        """Bands, from 1."""

    @property
    def level(self) -> int:
        """How often the sides are halved."""


def check_part(options: PartOptions) -> None:
    """Raise UsageError where the part asked for makes no sense, whatever the scene."""
    boxes = [box for box in (options.projwin, options.bbox) if box is not None]
    if len(boxes) + (options.srcwin is not None) > 1:
        raise UsageError("give one window only: in pixels, by two corners, or as a bounding box")
    if options.window_crs is not None and not boxes:
        raise UsageError("a reference system of the window needs a window in map coordinates")
    if not all(math.isfinite(value) for box in boxes for value in box):
        raise UsageError("the window's coordinates must be numbers")
    if options.srcwin is not None and (min(options.srcwin[:2]) < 0 or min(options.srcwin[2:]) < 1):
        raise UsageError("a window in pixels starts at 0 or more and has at least 1 column and row")
    asked: object = options.bands
    if isinstance(asked, str):
        raise UsageError("bands are numbers, as (4, 3, 2); bands rotated are asked for by spectral='rotated'")
    if any(band < 1 for band in options.bands):
        raise UsageError("bands are counted from 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """How the command line, rules of batches and ledgers know a field of options."""

    field: str
    name: str
    """Of the option, without dashes in front; by default the field's."""
    help: str
    metavar: str = ""
    """What stands for a value that is no choice."""
    choices: tuple[str, ...] = ()
    """Values there are; empty for any. By default those of the field's type."""
    is_recent: bool = False
    """Whether there are ledgers without it, made as by default."""
    default: Any


def said(default: Any, **how: Any) -> Any:  # noqa: ANN401 - a field of any type
    """Return a field that the command line has an option for, told as in :class:`Said`."""
    return field(default=default, metadata={"said": how})


_WEIGHTS = re.compile(r"range|error|\+?\d*\.?\d+(e-?\d+)?(,\+?\d*\.?\d+(e-?\d+)?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """Choices of ``compress``."""

    target: Target = field(default_factory=lambda: Target(kind="lossless"))
    codec: str = said(
        "auto",
        metavar="auto|jp2|cog|learned|learned:NAME|compressai:FILE",
        help="Codec of the archive (see rsic capabilities). auto goes by the archive's name, in a folder jp2 "
        "(.jp2) where it can hold the scene, else cog (.cog.tif: any sample type, without loss or within a "
        "largest error), of floats within a largest error the smaller one; learned, and compressai with a "
        "network of yours, write .rsic.tif.",
    )
    """Name of a codec, perhaps with a colon and its network; ``auto`` for the first of JPEG 2000 and COG that
    holds the scene (of floats within a largest error the smaller one), or which the archive's name says."""
    model: str = said(
        "auto",
        metavar="auto|none|NAME",
        help="Network whose repair the archive promises: its gain counts towards psnr and max-error; auto: "
        "by --effort.",
    )
    """Enhancer told to the archive: auto (by ``effort``), none, or a name from ``rsic models``."""
    effort: Effort = said(
        "normal",
        help="Time for bytes, where something may be lost: the scene's own filter alone (fast), the smallest "
        "network (normal), a larger one and a search that ends nearer the target (best). Tiles of the "
        "learned codec are refined not at all, once or three times.",
    )
    """Time for bytes: the scene's filter alone (fast), the smallest network (normal), a larger one and a
    search that ends nearer its target (best). A larger network takes longer to read, too. Tiles of the
    learned codec are refined not at all, once or three times, which takes no longer to read."""
    tile_size: int = 0
    """Side of a codec tile (px); 0 = 1024, less for scenes of very many bands."""
    seed: int = said(
        0,
        metavar="N",
        help="Seed recorded for networks that draw noise.",
    )
    quantize: str | None = said(
        None,
        choices=("uint16",),
        help="Accept a float scene, stored as this integer type with a scale and offset (lossy).",
    )
    srcwin: tuple[int, int, int, int] | None = None
    """Part of the scene: first column, first row, columns, rows (px); at most one of the three windows."""
    projwin: tuple[float, float, float, float] | None = None
    """Part of the scene: x and y of its upper left, then of its lower right corner."""
    bbox: tuple[float, float, float, float] | None = None
    """Part of the scene: least x, least y, greatest x, greatest y."""
    window_crs: str | None = None
    """Reference system of ``projwin`` or ``bbox``; None for the scene's."""
    bands: tuple[int, ...] = ()
    """Bands archived, from 1, in the order of the archive; empty for all."""
    nodata: float | Literal["none"] | None = None
    """Nodata value of all bands instead of the scene's, or ``none`` of them; None for the scene's own."""
    spectral: Literal["as-is", "rotated", "auto"] = said(
        "as-is",
        name="bands",
        help="The bands themselves, or components of them that take fewer bytes: rotated, or without loss "
        "predicted exactly (other programs see true bands through the .vrt beside it); auto: where a trial "
        "saves 15 %, without loss 5 %.",
    )
    """Whether archives hold the bands, which every program shows, or components in fewer bytes, which others
    see by a VRT beside it: a rotation, or without loss a prediction; auto: where a trial says it pays."""
    band_weights: str = said(
        "range",
        metavar="range|error|W,...",
        help="What errors of rotated bands weigh: as parts of each band's range, as digital numbers, or by "
        "these numbers.",
    )
    """What errors of rotated bands weigh: as parts of the range each uses (``range``), as digital numbers
    (``error``), or a number for each band with commas between."""
    sidecar: Literal["auto", "never", "require"] = said(
        "auto",
        help="GDAL .aux.xml beside the archive, for readers that are not rsic: with what they would miss, if "
        "anything (auto), not at all, or always and with all metadata (require).",
    )
    """Whether an ``.aux.xml`` is beside it: with what GDAL would lose (auto), never, or with everything."""
    georef: Literal["both", "geojp2", "gml"] = said(
        "both",
        help="Boxes by which other programs find the place of a .jp2; small files are smaller with one.",
    )
    overviews: Literal["auto", "small", "none"] = said(
        "auto",
        is_recent=True,
        help="An .ovr of at most 512 px and 2 % beside a .jp2, for thumbnails over a network; GDAL then "
        "reads every reduced size of it. auto: above 4 Mpx, in batches into a store.",
    )
    """Whether a ``.jp2`` gets an ``.ovr`` (512 px, 2 % at most); auto: above 4 Mpx, in batches to a store."""
    seal: bool = said(
        False,
        is_recent=True,
        help="Also keep checksums of enhanced pixels (4 bytes per 256 rows), by which readers on any machine "
        "prove that theirs are the same bits.",
    )
    accept_damaged: bool = said(
        False,
        help="Archive what a source still holds whose reader reports damage (such as corrupt JPEG data); the "
        "archive and the report note it. Without this such a source fails.",
    )
    accept_loss: bool = said(
        False,
        help="Archive although a band loses its structure (below 6 dB SNR), which else ends with code 4.",
    )
    verify: Literal["none", "full", "later"] = "full"
    """Whether the archive is decoded and compared with its source; later: the caller does, by bands."""
    overwrite: bool = False
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        """Raise UsageError where a value makes no sense."""
        if self.tile_size not in (0, *TILE_SIZES):
            raise UsageError(f"tile size {self.tile_size}: use one of {', '.join(map(str, TILE_SIZES))}")
        for each in said_options():
            value = getattr(self, each.field)
            if each.choices and value not in (*each.choices, each.default):
                *others, last = each.choices
                use = f"use {', '.join(others)} or {last}" if others else f"only {last} is known"
                raise UsageError(f"{each.name} {value!r}: {use}")
        if not _WEIGHTS.fullmatch(self.band_weights.replace(" ", "")):
            raise UsageError(f"band weights {self.band_weights!r}: use range, error or numbers, as 1,1,0.5")
        if self.verify not in ("none", "full", "later"):
            raise UsageError(f"verify {self.verify!r}: use full or none")
        if self.execution.fast:
            raise UsageError("fast is for reading: archives are made with exact arithmetic")
        if not 0 <= self.seed < 2**32:
            raise UsageError("seed must be between 0 and 4294967295")
        check_part(self)

    @property
    def level(self) -> int:
        """How often the sides are halved: an archive holds every level."""
        return 0


@cache
def said_options() -> tuple[Said, ...]:
    """Return how each field of :class:`EncodeOptions` that decides an archive's bytes is known elsewhere."""
    types, found = get_type_hints(EncodeOptions), []
    for each in fields(EncodeOptions):
        if "said" in each.metadata:
            of_type = get_args(types[each.name]) if get_origin(types[each.name]) is Literal else ()
            how = {"name": each.name.replace("_", "-"), "choices": of_type, **each.metadata["said"]}
            found.append(Said(field=each.name, default=each.default, **how))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeOptions:
    """Choices of ``decompress`` and ``enhance``."""

    enhance: str = "auto"
    """auto (what the archive says), off, or a model's name."""
    driver: str = "GTiff"
    """Output driver: GTiff or COG."""
    creation_options: tuple[tuple[str, str], ...] = ()
    strength: float | None = None
    """One strength for every cell instead of the archive's (foreign files only)."""
    allow_other_model: bool = False
    """Decode with another model than the one the archive was made with."""
    srcwin: tuple[int, int, int, int] | None = None
    """Part of the scene: first column, first row, columns, rows (px); at most one of the three windows."""
    projwin: tuple[float, float, float, float] | None = None
    """Part of the scene: x and y of its upper left, then of its lower right corner."""
    bbox: tuple[float, float, float, float] | None = None
    """Part of the scene: least x, least y, greatest x, greatest y."""
    window_crs: str | None = None
    """Reference system of ``projwin`` or ``bbox``; None for the scene's."""
    bands: tuple[int, ...] = ()
    """Bands wanted, from 1, in the order of the output; empty for all."""
    level: int = 0
    """How often the sides are halved; from 1 on nothing is enhanced (``decompress`` only)."""
    change: str | None = None
    """GeoTIFF to write with what enhancement added to each sample (``enhance`` only)."""
    max_change: float | None = None
    """Largest change of a sample by enhancement, in digital numbers (``enhance`` only)."""
    overwrite: bool = False
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        """Raise UsageError where a value makes no sense."""
        if self.driver not in ("GTiff", "COG"):
            raise UsageError(f"output format {self.driver!r}: use GTiff or COG")
        given: dict[str, str] = {}
        if any(isinstance(pair, str) or len(pair) != 2 for pair in self.creation_options):
            raise UsageError(
                "creation_options are pairs of a name and a value, such as (('COMPRESS', 'ZSTD'),)"
            )
        for name, value in self.creation_options:
            if given.setdefault(name.upper(), value) != value:
                raise UsageError(f"creation option {name.upper()} is given twice, with different values")
        if self.strength is not None and not 0 <= self.strength <= 1.5:
            raise UsageError("strength must be between 0 and 1.5")
        if self.max_change is not None and not 0 <= self.max_change < math.inf:
            raise UsageError("the largest change must be 0 or more digital numbers")
        check_part(self)
        if not 0 <= self.level <= 31:
            raise UsageError("the level must be between 0 (full size) and 31")
        if self.level and (self.change is not None or self.max_change is not None):
            raise UsageError("nothing is enhanced at a coarser level: leave out the level, or the changes")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewOptions:
    """Choices of ``view``."""

    port: int = 0
    """Port on 127.0.0.1; 0 = one that is free."""
    has_browser: bool = True
    """Whether a browser is opened, where there is a screen."""
    export: str | None = None
    """Page to write instead of serving one."""
    export_size: float = 8.0
    """Bytes that page may have, about (MB)."""
    vrt: str | None = None
    """VRT to write, by which GDAL and QGIS read what is served; it is removed when that ends."""
    until_eof: bool = False
    """Whether to end with standard input: with the program that started this one."""
    overwrite: bool = False
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        """Raise UsageError where a value makes no sense."""
        if self.export is not None and not self.export.lower().endswith((".html", ".htm")):
            raise UsageError(f"{self.export} is no name of a page: let it end in .html")
        if self.vrt is not None and not self.vrt.lower().endswith(".vrt"):
            raise UsageError(f"{self.vrt} is no name of a VRT: let it end in .vrt")
        if self.vrt is not None and self.export is not None:
            raise UsageError("a VRT needs the server that an exported page does without: choose one of them")
