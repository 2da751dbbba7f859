"""The last box of an archive: everything its readers must know that the codestream does not say."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rsic_geo.container import jp2, sideinfo
from rsic_geo.container.integrity import file_crcs, picture_of, scene_crc
from rsic_geo.container.sideinfo import OVERVIEW, ModelReference, SideInfo, noted
from rsic_geo.geo.lattice import cell_counts
from rsic_geo.geo.radiometry import Peak
from rsic_geo.options import EncodeOptions
from rsic_geo.repair.base import Enhancer
from rsic_geo.scenes.components import spectral_entry
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


Fitted = tuple[Enhancement, Enhancer]
"""Levels and strengths, and who made the corrections they are for."""


def side_information(  # noqa: PLR0913 - what was measured, what was asked for, and what the container adds
    coded: CodedScene,
    fitted: Fitted | None,
    options: EncodeOptions,
    *,
    damage: Sequence[str] = (),
    extras: Mapping[str, Any] | None = None,
    **stored: Any,  # noqa: ANN401
) -> SideInfo:
    """Return everything an archive must say of a scene.

    Args:
        coded: what its tiles were measured to be.
        fitted: its enhancement, or None.
        options: what was asked for.
        damage: what the source's reader reported of damage.
        extras: further entries of the container's own.
        stored: fields of :class:`SideInfo` about how the container stores the tiles.
    """
    plan = coded.plan
    more: dict[str, Any] = {}
    if fitted is not None:
        enhancement, enhancer = fitted
        more = {
            "model": ModelReference(name=enhancer.name, sha256=enhancer.sha256),
            "groups": plan.groups,
            "radiometry": plan.radiometry,
            "levels": enhancement.levels,
            "strengths": enhancement.strengths,
            "filters": enhancement.filters,
        }
        if options.seal:  # before they are known numbers as long, so that sizes are those to come
            rows = cell_counts(plan.profile.height, plan.profile.width)[0]
            more["final_crcs"] = enhancement.final_crcs or tuple(
                zlib.crc32(bytes([k % 251])) for k in range(rows)
            )
    # What was kept exactly needs no word of what might have been lost.
    is_exact = plan.is_exact or options.target.number is None
    affine = {} if plan.coded_as is None else {"affine": plan.coded_as.to_json()}
    return SideInfo(
        lossless=plan.lossless,
        snapshot=plan.snapshot,
        tile_size=plan.grid.tile_size,
        pixel_crcs=_pixel_crcs(coded),
        seed=options.seed,
        target={} if is_exact else {options.target.kind: max(plan.bounds, default=options.target.value)},
        limits=stored_limits(plan),
        peaks=_stored_peaks(plan),
        extras={**(extras or {}), **affine, **spectral_entry(plan.spectral), **noted(damage)},
        **{"planes": coded.planes, **stored, **more},
    )


def _pixel_crcs(coded: CodedScene) -> tuple[int, ...]:
    """Return one checksum per tile of a lossless archive, one in all of a lossy one, none if not decoded."""
    crcs = tuple(coded.pixel_crcs[number] for number in range(len(coded.plan.grid)))
    if coded.plan.lossless:
        return crcs
    is_known = coded.is_measured or coded.is_read_later
    is_said = is_known and not coded.plan.keeps_samples  # where every stored byte has a checksum
    return (scene_crc(crcs),) if is_said else ()


def stored_limits(plan: ScenePlan) -> tuple[tuple[int, int] | None, ...]:
    """Return the limits an archive must tell of: none where every band fills its type."""
    if not plan.limits:
        return ()
    kind = np.iinfo(plan.profile.dtype)
    is_idle = all(ends in (None, (kind.min, kind.max)) for ends in plan.limits)
    return () if is_idle else plan.limits


def _stored_peaks(plan: ScenePlan) -> tuple[Peak, ...]:
    """Return the peaks an archive must tell of: those of uint8 and of floats in steps none."""
    if plan.is_exact or plan.keeps_samples or (plan.steps is not None and plan.affinity is not None):
        return ()
    return () if all(peak.kind == "type" for peak in plan.peaks) else plan.peaks


def seal_archive(  # noqa: PLR0913 - a file, what was measured of it, and what was asked for
    path: Path,
    coded: CodedScene,
    tile_crcs: tuple[int, ...],
    *,
    fitted: Fitted | None,
    options: EncodeOptions,
    damage: Sequence[str] = (),
    sidecars: tuple[str, ...] = (),
    overview: bytes | None = None,
) -> Seal:
    """Append the side information to a finished JP2 file; arguments as of :func:`side_information`.

    Args:
        path: the JP2 file.
        coded: what its tiles were measured to be.
        tile_crcs: checksums of the stored tiles.
        fitted: its enhancement, or None.
        options: what was asked for.
        damage: what the source's reader reported of damage.
        sidecars: suffixes of what else will lie beside it.
        overview: the ``.ovr`` that will.
    """
    with path.open("rb") as file:
        index = jp2.find_codestream(file)
        found = file_crcs(file, index)
    side = side_information(
        coded,
        fitted,
        options,
        damage=damage,
        header_crc=found.header,
        boxes_crc=found.of_boxes,
        box_marks=found.marks,
        tile_crcs=tile_crcs,
        sidecars=sidecars if overview is None else (*sidecars, ".ovr"),
        extras=None if overview is None else {OVERVIEW: zlib.crc32(overview)},
    )
    added = jp2.append_side_information(path, sideinfo.pack(side, picture_of(index.size)))
    return Seal(file_bytes=path.stat().st_size, side_bytes=added)
