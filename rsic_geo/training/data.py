"""Training samples: tar packs of images -> endless stream of degraded crops -> batches.

The stream is a function of (packs, seed, options): worker ``w`` of ``n`` makes images w, w+n, ... and
the reader takes turns, so the order of crops does not depend on how fast a worker is.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import queue
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsic_geo.training.degrade import NODE, DegradeOptions, Samples, degrade, octaves_at_nodes, vary

if TYPE_CHECKING:
    CropQueue: TypeAlias = "multiprocessing.Queue[list[Crop]]"

ALIGN = 32
"""Crop offsets are multiples of this: the wavelet of 5 levels repeats every 32 px from the tile's origin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crop:
    """A degraded square with its original and the distortion at its lattice nodes."""

    decoded: Samples
    """(crop, crop, 3)."""
    original: Samples
    """(crop, crop, 3), of the same type."""
    octaves: NDArray[np.float32]
    """(crop/64, crop/64) log2 RMSE in units of 0..1."""
    image: int
    """Number of its image in the stream."""
    lesson: NDArray[np.float16] | None = None
    """(3, crop, crop) what a teacher would add to ``decoded``, in units of the distortion; None: untaught."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """What the stream of crops is made of."""

    packs: tuple[Path, ...]
    """Tar files of images Pillow can read."""
    seed: int = 0
    crop: int = 128
    """Side of a crop in px, a multiple of 64."""
    crops_per_megapixel: float = 40.0
    """How many crops are cut from one coded image, per megapixel (at least 2)."""
    family: int = 1
    """The number of crops of an image is a multiple of this."""
    jitter: float = 0.08
    """Standard deviation in octaves of the error made on purpose in the distortion told."""
    source_share: float = 1.0
    """Largest share of the images drawn that may come from one source (the name before ``__``)."""
    cache_bytes: int = 400_000_000
    """Decoded images kept in memory, per process."""
    degrade: DegradeOptions = field(default_factory=DegradeOptions)


class ImagePacks:
    """Random access to the images of several tar packs, with a bounded cache of decoded ones."""

    def __init__(self, packs: tuple[Path, ...], cache_bytes: int = 0) -> None:
        self._members: list[tuple[str, Path, int, int]] = []  # name, pack, offset, size
        for pack in packs:
            with tarfile.open(pack) as tar:
                self._members += [
                    (m.name, pack, m.offset_data, m.size) for m in tar.getmembers() if m.isfile()
                ]
        self._members.sort(key=lambda member: member[0])
        self._cache: dict[int, NDArray[np.uint8]] = {}
        self._left = cache_bytes
        self._drawn: tuple[tuple[int, int, float], NDArray[np.int64]] | None = None
        if not self._members:
            raise ValueError("no images in the packs given")

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self._members)

    def draw(self, seed: int, epoch: int, source_share: float) -> NDArray[np.int64]:
        """Return the numbers of an epoch's images, in order: each once, or drawn so that no source rules.

        With ``source_share`` below 1 images are drawn with replacement; the larger sources are held to that
        share, what they give up goes to the smaller ones in proportion.
        """
        key = (seed, epoch, source_share)
        if self._drawn is None or self._drawn[0] != key:
            rng = np.random.default_rng((seed, epoch))
            if source_share >= 1.0:
                order = rng.permutation(len(self))
            else:
                order = rng.choice(len(self), len(self), p=self._chances(source_share))
            self._drawn = (key, order)
        return self._drawn[1]

    def _chances(self, source_share: float) -> NDArray[np.float64]:
        """Return the probability of every image."""
        sources = np.array([name.partition("__")[0] for name, *_ in self._members])
        _, which, counts = np.unique(sources, return_inverse=True, return_counts=True)
        if len(counts) * source_share < 1.0:
            raise ValueError(f"{len(counts)} sources cannot each be at most {source_share} of a batch")
        shares = counts / counts.sum()
        held = np.zeros(len(counts), dtype=bool)
        # Holding one source down lifts the others, which may pass the limit in turn: until none does.
        while (shares > source_share + 1e-12).any():
            held |= shares > source_share
            free = 1.0 - source_share * held.sum()
            shares = np.where(held, source_share, counts * free / counts[~held].sum())
        chances: NDArray[np.float64] = (shares / counts)[which]
        chances /= chances.sum()
        return chances

    def read(self, number: int) -> NDArray[np.uint8]:
        """Return image ``number`` as (height, width, 3) uint8."""
        if number in self._cache:
            return self._cache[number]
        _, pack, offset, size = self._members[number]
        with pack.open("rb") as stream:
            stream.seek(offset)
            coded = stream.read(size)
        with Image.open(io.BytesIO(coded)) as image:
            pixels = np.asarray(image.convert("RGB"))
        if pixels.nbytes <= self._left:
            self._left -= pixels.nbytes
            self._cache[number] = pixels
        return pixels


def find_packs(folder: Path) -> tuple[Path, ...]:
    """Return the tar packs of RGB pictures in a folder, in name order; others are left out with a warning.

    Raises FileNotFoundError if there are none.
    """
    packs = []
    for pack in sorted(folder.glob("*.tar")):
        if _holds_pictures(pack):
            packs.append(pack)
        else:  # chips of many bands would end a run hours later, when the first of them is drawn
            warnings.warn(f"{pack} holds no 8-bit pictures: training goes without it", stacklevel=2)
    if not packs:
        raise FileNotFoundError(f"{folder}: no .tar pack of training images there")
    return tuple(packs)


def _holds_pictures(pack: Path) -> bool:
    """Say whether the first file of a pack is a picture; packs are of one kind."""
    with tarfile.open(pack) as tar:
        first = next((member for member in tar if member.isfile()), None)
        stream = tar.extractfile(first) if first is not None else None
        if stream is None:
            return False
        try:
            with Image.open(io.BytesIO(stream.read())) as image:
                return not image.mode.startswith(("I", "F"))  # whole numbers or floats beyond 8 bits
        except OSError:  # Pillow's own error for what it does not know is one
            return False


def make_crops(packs: ImagePacks, turn: int, options: StreamOptions) -> list[Crop]:
    """Return the crops of the ``turn``-th image of the stream; the same for the same arguments."""
    epoch, place = divmod(turn, len(packs))
    number = int(packs.draw(options.seed, epoch, options.source_share)[place])
    rng = np.random.default_rng((options.seed, epoch, place, 1))
    image = packs.read(number)
    if min(image.shape[:2]) < options.crop:
        return []
    coded = degrade(vary(image, rng, options.degrade, smallest=options.crop), rng, options.degrade)
    height, width = coded.original.shape[:2]
    count = max(2, round(options.crops_per_megapixel * height * width / 1e6))
    count = options.family * -(-count // options.family)
    crops = []
    for _ in range(count):
        row = ALIGN * int(rng.integers((height - options.crop) // ALIGN + 1))
        col = ALIGN * int(rng.integers((width - options.crop) // ALIGN + 1))
        window = (slice(row, row + options.crop), slice(col, col + options.crop))
        centres = np.arange(options.crop // NODE) * NODE + NODE // 2
        octaves = octaves_at_nodes(coded.levels, row + centres, col + centres)
        octaves = octaves + np.float32(rng.normal(0.0, options.jitter))
        crops.append(
            Crop(decoded=coded.decoded[window], original=coded.original[window], octaves=octaves, image=turn)
        )
    return crops


def crop_stream(options: StreamOptions, *, workers: int = 0, first: int = 0) -> Iterator[Crop]:
    """Yield crops forever, beginning with image ``first``; made in ``workers`` processes (0: in this one)."""
    if workers == 0:
        packs = ImagePacks(options.packs, options.cache_bytes)
        turn = first
        while True:
            yield from make_crops(packs, turn, options)
            turn += 1
    context = multiprocessing.get_context("spawn")
    queues: list[CropQueue] = [context.Queue(maxsize=4) for _ in range(workers)]
    for number, out in enumerate(queues):
        arguments = (options, first + number, workers, out)
        context.Process(target=_produce, args=arguments, daemon=True).start()
    while True:
        for source in queues:
            yield from source.get(timeout=600)


def _produce(options: StreamOptions, first: int, step: int, out: CropQueue) -> None:
    """Worker: put the crops of every ``step``-th image; ends when its parent is gone."""
    parent = os.getppid()
    os.nice(5)
    packs = ImagePacks(options.packs, options.cache_bytes)
    turn = first
    while True:
        crops = make_crops(packs, turn, options)
        turn += step
        while True:
            try:
                out.put(crops, timeout=5)
                break
            except queue.Full:
                if os.getppid() != parent:
                    os._exit(0)


class CropPool:
    """A bounded pool that mixes crops of many images; each crop is used about ``reuse`` times.

    Families of crops of one image stay together. The stream must be one of the same family.
    """

    def __init__(
        self, source: Iterator[Crop], *, size: int, reuse: float, seed: int, family: int = 1
    ) -> None:
        self._source = source
        self._family = family
        self._size = size
        self._fresh_per_draw = 1.0 / reuse
        self._owed = 0.0
        self._rng = np.random.default_rng((seed, 77))
        self._families: list[list[Crop]] = []
        self.next_image = 0
        """Number of the first image of the stream that was not drawn from."""

    def _take(self) -> list[Crop]:
        crops = [next(self._source) for _ in range(self._family)]
        self.next_image = crops[-1].image + 1
        return crops

    def batch(self, count: int) -> list[Crop]:
        """Return ``count`` different crops, in whole families."""
        wanted = count // self._family
        while len(self._families) < max(self._size // self._family, wanted):
            self._families.append(self._take())
        self._owed += wanted * self._fresh_per_draw
        while self._owed >= 1.0:
            self._families[int(self._rng.integers(len(self._families)))] = self._take()
            self._owed -= 1.0
        drawn = self._rng.choice(len(self._families), wanted, replace=False)
        return [crop for i in drawn for crop in self._families[i]]
