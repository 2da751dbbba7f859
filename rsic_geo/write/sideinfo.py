"""The last box of an archive: everything its readers must know that the codestream does not say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rsic_geo.container import jp2, sideinfo
from rsic_geo.container.integrity import file_crcs, picture_of
from rsic_geo.container.sideinfo import ModelReference, SideInfo, noted
from rsic_geo.container.sideinfo_check import scene_crc
from rsic_geo.geo.radiometry import Peak
from rsic_geo.options import EncodeOptions
from rsic_geo.repair.base import Enhancer
from rsic_geo.write.coded import CodedScene
from rsic_geo.write.fit import Enhancement
from rsic_geo.write.plan import ScenePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """What sealing cost."""

    file_bytes: int
    """The whole archive."""
    side_bytes: int
    """Our box within it."""


def _pixel_crcs(coded: CodedScene, crcs: tuple[int, ...]) -> tuple[int, ...]:
    """Return one checksum per tile of a lossless archive, one in all of a lossy one, none if not decoded."""
    if coded.plan.lossless:
        return crcs
    return (scene_crc(crcs),) if coded.is_measured else ()


def stored_limits(plan: ScenePlan) -> tuple[tuple[int, int] | None, ...]:
    """Return the limits an archive must tell of: none where every band fills its type."""
    kind = np.iinfo(plan.profile.dtype)
    is_idle = all(ends in (None, (kind.min, kind.max)) for ends in plan.limits)
    return () if is_idle else plan.limits


def stored_peaks(plan: ScenePlan) -> tuple[Peak, ...]:
    """Return the peaks an archive must tell of: those of uint8 go without saying."""
    return () if all(peak.kind == "type" for peak in plan.peaks) else plan.peaks


def seal_archive(  # noqa: PLR0913 - a file, what was measured of it, and what was asked for
    path: Path,
    coded: CodedScene,
    tile_crcs: tuple[int, ...],
    *,
    fitted: tuple[Enhancement, Enhancer] | None,
    options: EncodeOptions,
    damage: Sequence[str] = (),
    sidecars: tuple[str, ...] = (),
) -> Seal:
    """Append the side information to a finished JP2 file.

    Args:
        path: the JP2 file.
        coded: what its tiles were measured to be.
        tile_crcs: checksums of the stored tiles.
        fitted: levels and strengths and who made them, or None.
        options: what was asked for.
        damage: what the source's reader reported of damage.
        sidecars: suffixes of what will lie beside it.
    """
    plan = coded.plan
    with path.open("rb") as file:
        index = jp2.find_codestream(file)
        found = file_crcs(file, index)
    crcs = tuple(coded.pixel_crcs[number] for number in range(len(plan.grid)))
    side = SideInfo(
        lossless=plan.lossless,
        snapshot=plan.snapshot,
        tile_size=plan.grid.tile_size,
        header_crc=found.header,
        boxes_crc=found.of_boxes,
        box_marks=found.marks,
        tile_crcs=tile_crcs,
        pixel_crcs=_pixel_crcs(coded, crcs),
        seed=options.seed,
        planes=coded.planes,
        target={} if options.target.kind == "lossless" else {options.target.kind: options.target.value},
        limits=stored_limits(plan),
        peaks=stored_peaks(plan),
        sidecars=sidecars,
        extras={**({} if plan.affinity is None else {"affine": plan.affinity.to_json()}), **noted(damage)},
    )
    if fitted is not None:
        enhancement, enhancer = fitted
        side = replace(
            side,
            model=ModelReference(name=enhancer.name, sha256=enhancer.sha256),
            groups=plan.groups,
            levels=enhancement.levels,
            strengths=enhancement.strengths,
            filters=enhancement.filters,
            radiometry=plan.radiometry,
        )
    added = jp2.append_side_information(path, sideinfo.pack(side, picture_of(index.size)))
    return Seal(file_bytes=path.stat().st_size, side_bytes=added)
