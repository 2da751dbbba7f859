"""Which kinds of archives can hold a scene."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rsic_geo.codecs.base import CodecEntry
from rsic_geo.errors import UnsupportedSceneError
from rsic_geo.geo.profile import SceneProfile
from rsic_geo.options import EncodeOptions
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.quantised import whole_numbers

JP2_TYPES = ("uint8", "uint16", "int16")


def fitting(entries: Sequence[CodecEntry], opened: Scene, options: EncodeOptions) -> tuple[CodecEntry, ...]:
    """Return which of some codecs to try on a scene: the first that can hold it as asked.

    Of floats, exact or within a largest error, all that can. Where none can, the last is returned, which says
    why.
    """
    able = [entry for entry in entries if len(entries) == 1 or _can_hold(entry, opened, options)]
    # Which is smaller depends on the scene: of steps within a bound, and of whole numbers in floats.
    is_bounded = options.target.is_lossless or options.target.is_bound
    is_open = is_bounded and np.dtype(opened.profile.dtype).kind == "f"
    return tuple(able if is_open else able[:1]) or tuple(entries[-1:])


def _can_hold(entry: CodecEntry, opened: Scene, options: EncodeOptions) -> bool:
    p, target = opened.profile, options.target
    if entry.dial == "error":
        is_asked_more = options.quantize is not None or options.spectral == "rotated"
        return (target.is_lossless or target.is_bound) and not is_asked_more
    if p.has_band_masks or p.dtype in entry.dtypes:
        return not p.has_band_masks
    if p.dtype not in ("float32", "float64"):
        return False
    is_in_steps = options.quantize is not None or (target.is_amount and not target.is_lossless)
    return is_in_steps or whole_numbers(opened) is not None


def check_supported(profile: SceneProfile) -> None:
    """Raise UnsupportedSceneError where an archive has no place for the scene's samples or masks."""
    if profile.has_band_masks:
        raise UnsupportedSceneError(
            "bands with masks of their own fit no such archive: name it .cog.tif, or --codec cog, or make "
            "them one mask for all bands (gdal_translate -mask 1)"
        )
    if profile.dtype in JP2_TYPES:
        return
    hint = "name the archive .cog.tif, or --codec cog: a COG holds them without loss"
    if profile.dtype in ("float32", "float64"):
        hint += (
            "; or say how far samples may be off (--target rmse=0.01 or max-error=0.01, in the scene's units)"
            ", or add --quantize uint16 to store them in 65536 steps"
        )
    raise UnsupportedSceneError(
        f"samples of type {profile.dtype} do not fit JPEG 2000 or a network (uint8, uint16, int16): {hint}"
    )
