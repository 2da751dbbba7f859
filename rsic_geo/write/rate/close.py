"""Errors below what the 9/7 wavelet leaves, by the 5/3 wavelet with something thrown away.

With 8 bits 9/7 ends at a root mean square of 0.6 of colours (52 dB): its steps, the colour transform's and
the rounding of what comes back are left. 5/3 goes on to none, in whole numbers all the way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rsic_geo.progress import Progress
from rsic_geo.scenes.verdict import cost_of, decibels
from rsic_geo.targets import Target
from rsic_geo.write.rate.search import LEAST_COST, PSNR_AIM

if TYPE_CHECKING:
    from rsic_geo.write.coded import CodedScene
    from rsic_geo.write.rate.control import Carrying, RateSearch

_TRIALS, _STEP = 6, 8.0
"""Errors that are asked for, and the most one differs from the one before."""
_USUALLY = 0.3
"""Part of the error wanted that is asked for first: near to none OpenJPEG leaves two to six times that."""
_HARDLY = 1.003
"""Codings whose bytes differ by less are not worth another between them."""


def code_close(
    search: RateSearch, target: Target, least: float, carrying: Carrying, progress: Progress
) -> CodedScene | None:
    """Code the scene by the reversible wavelet with as few bytes as were found to do; None: nothing reached.

    Args:
        search: the scene.
        target: quality the final output must have.
        least: what that is to searches (dB), with their margin.
        carrying: what becomes of a coding. So near to none it hardly gains: where tiles were measured, only
            the coding that is kept is carried on.
        progress: told all along.
    """
    rod = search.plan.yardstick(target.kind)
    goal, aim = cost_of(least), cost_of(least + PSNR_AIM * search.slack)
    wanted = rod.mean_square(target.decibels) * search.plan.error_scale
    if wanted * search.plan.pixels * max(map(len, rod.units)) < 1:
        return None  # less than one sample that is off by one
    error = wanted * _USUALLY
    found: list[tuple[float, float]] = []  # logarithms of what was asked for, and of what was left over aim
    # Errors asked for and bytes of the smallest coding that reached, and of the largest that missed.
    reached, enough, missed, less = 0.0, math.inf, math.inf, 0
    for attempt in range(_TRIALS):
        stage = progress.stage(0.9 * attempt / _TRIALS, 0.9 * (attempt + 1) / _TRIALS)
        asked = error
        coded = search.encode_close(asked, stage.stage(0, 0.5))
        errors = coded.sse if coded.is_measured else carrying.finish(coded, stage.stage(0.5, 1))
        achieved, size = rod.cost(errors, coded.count), coded.body_bytes
        if achieved <= goal:
            reached, enough = max(reached, asked), min(enough, size)
            if decibels(achieved) <= target.decibels + search.slack:
                break
        elif size <= less * _HARDLY and not reached:
            return None  # all but everything is coded
        else:
            missed, less = min(missed, asked), max(less, size)
        if reached and enough <= less * _HARDLY:
            break
        found.append((math.log(asked), math.log(max(achieved, LEAST_COST) / aim)))
        error = _next_error(found)
        if not reached < error < missed:
            error = math.sqrt(reached * min(missed, _STEP * reached)) if reached else missed / _STEP
    if not reached:
        return None
    if asked != reached:
        coded = search.encode_close(reached, progress.stage(0.9, 0.95))
    elif not coded.is_measured:
        return coded
    achieved = rod.cost(carrying.finish(coded, progress.stage(0.95, 1)), coded.count)
    return coded if achieved <= goal else None


def _next_error(found: list[tuple[float, float]]) -> float:
    """Return the error to ask for next, by what the last two trials asked for and left (see the caller).

    Near to none the encoder leaves far more than it is asked for, so that the line through them is flat.
    """
    (asked, left), slope = found[-1], 1.0
    if len(found) > 1 and asked != found[-2][0]:
        slope = min(max((left - found[-2][1]) / (asked - found[-2][0]), 0.25), 2.0)
    most = math.log(_STEP)
    return math.exp(asked - min(max(left / slope, -most), most))
