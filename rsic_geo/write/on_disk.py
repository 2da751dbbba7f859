"""What a coded scene lost, measured on the file it was written to: the proof of its pixels, before its seal.

Where nothing follows the codec, tiles need not be decoded as they are coded, and once more for the proof: the
file is read back by GDAL, tile by tile, and a search goes by that. Sealing appends a box and leaves the tiles
as they are; that it did, the proof of the sealed file says by their checksums and by decoding one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from rsic_geo.errors import RsicGeoError, VerificationError
from rsic_geo.progress import Progress
from rsic_geo.raster import open_scene
from rsic_geo.scenes.protocol import Scene, StoredScene
from rsic_geo.threads import threaded_map
from rsic_geo.write.coded import CodedScene, gather_errors
from rsic_geo.write.plan import ScenePlan
from rsic_geo.write.reading import raw_tiles
from rsic_geo.write.sideinfo import stored_limits
from rsic_geo.write.tiles import RawTile, TileResult, compared, errors_by_band, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """What a file gave back before it was sealed."""

    shown: NDArray[np.float64]
    """Squared errors per band of what other programs show; they know no limits."""
    tile_crcs: tuple[int, ...]
    """Checksums of the tiles it was read from."""


def is_told_by_disk(plan: ScenePlan) -> bool:
    """Return whether decoded pixels alone are the output of a lossy scene: no planes, components or steps."""
    kept = plan.has_nodata or plan.profile.has_mask or plan.alpha_bands
    return not (plan.lossless or kept or plan.coded_as is not None or plan.spectral is not None)


def measure_on_disk(  # noqa: PLR0913 - a file, what it must be, and how the work is done
    path: Path,
    reader: Scene,
    coded: CodedScene,
    tile_crcs: tuple[int, ...],
    progress: Progress,
    *,
    workers: int,
) -> ReadBack:
    """Read a written file back by GDAL and enter what it lost into the record of its scene.

    Args:
        path: the file, not sealed yet.
        reader: the scene it was made from, of a kind that :func:`is_told_by_disk`.
        coded: what is known of it; its errors are not.
        tile_crcs: checksums of the tiles that were stored.
        progress: told after each tile.
        workers: threads, each of which opens the file.

    Raises:
        VerificationError: if the file cannot be read.
    """
    plan = coded.plan
    shown = np.zeros(plan.profile.count)
    idle: SimpleQueue[StoredScene] = SimpleQueue()

    is_clamped = bool(stored_limits(plan)) or plan.profile.sample_bits is not None

    def look(raw: RawTile) -> tuple[TileResult, NDArray[np.float64]]:
        stored = idle.get()
        try:
            decoded = stored.read(plan.grid.core(plan.grid.tile_number(raw.number)))
        except RsicGeoError as error:
            raise VerificationError(f"the written archive cannot be read back: {error}") from error
        finally:
            idle.put(stored)
        tile = prepare(raw, lossless=False)
        result = compared(tile, b"", decoded)
        if not is_clamped:
            return result, result.sse
        return result, errors_by_band(decoded, tile.original, np.ones(decoded.shape, np.bool_))[0]

    with ExitStack() as held:
        count = min(workers, len(plan.grid))
        for _ in range(count):  # readers of one file take turns
            idle.put(held.enter_context(_opened(path)))
        # Closed before the files are, as those of the proof are.
        with closing(threaded_map(look, raw_tiles(reader, plan), count)) as tiles:
            for done, (result, seen) in enumerate(tiles, start=1):
                gather_errors(coded, result)
                shown += seen
                progress.report(done / len(plan.grid), "reading back")
    coded.is_measured = True
    return ReadBack(shown=shown, tile_crcs=tile_crcs)


@contextmanager
def _opened(path: Path) -> Iterator[StoredScene]:
    with ExitStack() as held:
        try:
            stored = held.enter_context(open_scene(path))
        except RsicGeoError as error:
            raise VerificationError(f"the written archive cannot be read back: {error}") from error
        yield stored
