"""What a batch would take, before it is run: bytes and seconds, the range they lie in, and what will fail.

Some scenes are tried, the larger ones likelier (probability proportional to size, without replacement;
Efraimidis and Spirakis 2006), until a minute is over. Of a large one not everything is: windows are drawn,
those without data counted and left out, and a few of the others are archived as one small scene, so that a
target for a scene means about what it means for all of it. A scene that is not tried takes what those of its
class do for each byte of their files, in time for the root of bytes times samples. How far classes and scenes
scatter is simulated, which gives the range.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsic_geo.batch.inputs import Source, Sources
from rsic_geo.batch.plan.trial import Known, Trial, check, tried
from rsic_geo.batch.register import product_path
from rsic_geo.batch.rules import Rule, Rules
from rsic_geo.errors import JobCancelledError, RsicGeoError, UsageError
from rsic_geo.geo.window import Window
from rsic_geo.options import Execution
from rsic_geo.progress import Progress
from rsic_geo.raster import SceneReader
from rsic_geo.scenes.kinds import open_store
from rsic_geo.verbs.names import ANY, archive_suffixes, usual_suffix

BUDGET_SECONDS = 45.0
"""Time for trials; the headers of all scenes are read besides."""
_GRACE = 1.25
"""Parts of that time after which nothing more is looked at."""
_SCATTER = (0.4, 0.6, 0.8, 1.0)
"""How far ratios of one class scatter (natural logarithm) before anything is known, of classes ever wider;
counts as two scenes."""
_DRIFT = 0.2
"""How far a machine's speed in a run is from that in its plan (natural logarithm): others use it, too."""
_DRAWS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Where a total lies: in four of five cases between ``low`` and ``high``."""

    low: float
    middle: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Return a plain dictionary."""
        return {"p10": self.low, "p50": self.middle, "p90": self.high}


@dataclass(slots=True, kw_only=True)
class Estimate:
    """What a batch would do."""

    scenes: int
    pixels: int = 0
    source_bytes: int = 0
    left_out: int = 0
    """Scenes that a rule leaves out."""
    sampled: int = 0
    """Scenes tried."""
    product_bytes: Range | None = None
    """None where no scene could be tried."""
    seconds: Range | None = None
    """Of a run with one job, headers and start-up included."""
    failures: dict[str, list[str]] = field(default_factory=dict)
    """Scenes that will fail, by what is wrong with them."""
    clashes: dict[str, list[str]] = field(default_factory=dict)
    """Scenes that would become one product, by that."""
    template: str | None = None
    """A template that tells those apart."""

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary."""
        entries = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("product_bytes", "seconds"):
            entries[name] = None if entries[name] is None else entries[name].to_json()
        return entries


def estimate(
    sources: Sources,
    rules: Rules,
    progress: Progress,
    *,
    most: int = 0,
    template: str | None = None,
) -> Estimate:
    """Return what archiving the sources would take; nothing is written but to a temporary folder.

    Args:
        sources: all scenes of the batch.
        rules: what the products are to be.
        progress: told of headers and trials.
        most: scenes tried at most; 0 = as many as a minute allows.
        template: where products go; None = as their sources lie.
    """
    found = Estimate(scenes=len(sources))
    ruled = [(source, rules.of(source)) for source in sources]
    found.left_out = sum(rule.does == "skip" for _, rule in ruled)
    started = time.monotonic()
    known = list(_surveyed(ruled, found, progress.stage(0, 0.3)))
    once = time.monotonic() - started  # a run looks at all headers, too
    found.pixels = sum(each.pixels for each in known)
    found.source_bytes = sum(each.size for each in known)
    _find_clashes(ruled, rules, template, found)
    trials, wasted = _tried(known, found, most, progress.stage(0.3, 1))
    found.sampled = len(trials)
    if trials:
        failed = {path for paths in found.failures.values() for path in paths}
        rest = [each for each in known if each.path not in failed]
        sizes, times = ([getattr(trial, name) for trial in trials] for name in ("size", "seconds"))
        found.product_bytes = _range(_totals(rest, trials, sizes, lambda each: each.size))
        once += wasted + sum(trial.startup for trial in trials)
        drift = np.exp(np.random.default_rng(1).normal(0, _DRIFT, _DRAWS))
        found.seconds = _range(drift * (once + _totals(rest, trials, times, lambda each: each.work)))
    return found


def _tried(known: list[Known], found: Estimate, most: int, progress: Progress) -> tuple[list[Trial], float]:
    """Try scenes until their time is over, and note which will fail; then ask whether others can be tried.

    Returns:
        what the trials gave, and the seconds of those that failed in the end.
    """
    trials: list[Trial] = []
    wasted = 0.0
    hopeless: set[str] = set()
    looked: set[tuple[str, ...]] = set()
    started = time.monotonic()
    for number, each in enumerate(_drawn(known)):
        spent = (time.monotonic() - started) / BUDGET_SECONDS
        is_over = (most and number >= most) or (number > 1 and spent >= 1)
        if is_over and spent >= _GRACE:
            break
        if each.path in hopeless or (is_over and each.kind[:2] in looked):
            continue
        looked.add(each.kind[:2])
        progress.report(min(1.0, max(spent, number / len(known))), f"trying {os.path.basename(each.path)}")
        before = time.monotonic()
        try:
            if is_over and each.options is not None:
                check(each.path, each.options)
            elif not is_over:
                trials.append(tried(each, each.options, is_first=not trials))
        except JobCancelledError:
            raise
        except RsicGeoError as error:
            alike = [each.path]
            if type(error) is UsageError:  # of what is asked of scenes of its kind, whatever their pixels are
                alike = [other.path for other in known if other.kind[:2] == each.kind[:2]]
            wasted += time.monotonic() - before
            found.failures.setdefault(_cause(error, each.path), []).extend(alike)
            hopeless.update(alike)
    return trials, wasted


def _surveyed(ruled: list[tuple[Source, Rule]], found: Estimate, progress: Progress) -> Iterator[Known]:
    """Yield what is known of the scenes that can be opened, and note why others cannot."""
    for done, (source, rule) in enumerate(ruled):
        if done % 50 == 0:
            progress.report(done / len(ruled), f"looked at {done} of {len(ruled)} scenes")
        if rule.does == "skip":
            continue
        if source.fault is not None:
            found.failures.setdefault(source.fault, []).append(source.path)
            continue
        try:
            with closing(open_store(source.path, Execution()).reader) as reader:
                profile = reader.profile
                if not rule.options.accept_damaged:  # files cut short do not let the first pixel be read
                    reader.read(Window(row_off=0, col_off=0, height=1, width=1))
                stored = reader.compression if isinstance(reader, SceneReader) else "archive"
        except (RsicGeoError, OSError, ValueError) as error:
            found.failures.setdefault(_cause(error, source.path), []).append(source.path)
            continue
        size = os.path.getsize(source.path) if os.path.isfile(source.path) else profile.raw_bytes
        kind = (profile.dtype, f"{profile.count} {rule.name} {rule.does}", stored)
        yield Known(
            path=source.path,
            pixels=profile.height * profile.width,
            size=max(1, size),
            samples=profile.height * profile.width * profile.count,
            kind=kind,
            options=None if rule.does == "copy" else rule.options,
        )


def _cause(error: Exception, path: str) -> str:
    """Return what is wrong with a scene in words that scenes with the same fault share."""
    words = " ".join(str(error).split()) or type(error).__name__
    return words.replace(path, "it").removeprefix("cannot read it: ")


def _find_clashes(
    ruled: list[tuple[Source, Rule]], rules: Rules, template: str | None, found: Estimate
) -> None:
    """Note which scenes would become one product, and find a template by which they would not."""
    archived = [(source, rule.options.codec) for source, rule in ruled if rule.does == "archive"]
    codec = rules.rules[-1].options.codec
    usual = usual_suffix(codec) if len(rules.rules) == 1 else ANY
    tried = [template or f"{{parent}}/{{stem}}{usual}"]
    tried += [f"{{parent}}/{{{name}}}{usual}" for name in ("stem}-{ext", "name")]
    for chosen in tried:
        groups: dict[str, list[str]] = defaultdict(list)
        for source, codec in archived:
            groups[product_path(source, chosen, "default", archive_suffixes(codec))].append(source.path)
        clashes = {product: paths for product, paths in groups.items() if len(paths) > 1}
        if chosen is tried[0]:
            found.clashes = clashes
            if not clashes:
                return
        elif not clashes:
            found.template = chosen
            return


def _drawn(known: list[Known]) -> Iterator[Known]:
    """Yield scenes to try: the larger likelier, and one of each class before a second of any."""
    chance = random.Random(0)
    order = sorted(known, key=lambda each: -math.log(chance.random()) / each.size)
    seen: set[tuple[str, ...]] = set()
    weight: dict[tuple[str, ...], int] = defaultdict(int)
    for each in known:
        weight[each.kind] += each.size
    firsts: list[Known] = []
    others: list[Known] = []
    for each in order:
        (others if each.kind in seen else firsts).append(each)
        seen.add(each.kind)
    yield from sorted(firsts, key=lambda each: -weight[each.kind])
    yield from others


def _range(totals: NDArray[np.float64]) -> Range:
    low, middle, high = np.quantile(totals, (0.1, 0.5, 0.9))
    return Range(low=float(low), middle=float(middle), high=float(high))


def _totals(
    known: Iterable[Known], trials: list[Trial], values: list[float], measure: Callable[[Known], float]
) -> NDArray[np.float64]:
    """Return what the total over scenes, of which some are tried, may be (_DRAWS,).

    Args:
        known: all scenes.
        trials: of some of them.
        values: bytes or seconds of those.
        measure: what they go by, within a class.
    """
    ratios: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for trial, value in zip(trials, values, strict=True):
        row = (math.log(max(value, 1e-9) / measure(trial.known)), measure(trial.known))
        for kind in _classes(trial.known.kind):
            ratios[kind].append(row)
    tried = {trial.known.path for trial in trials}
    rest: dict[tuple[int, tuple[str, ...]], list[float]] = defaultdict(list)
    for each in known:
        if each.path not in tried:
            level, kind = next((i, kind) for i, kind in enumerate(_classes(each.kind)) if kind in ratios)
            rest[level, kind].append(measure(each))
    draw = np.random.default_rng(0)
    totals = np.zeros(_DRAWS)
    for trial, value in zip(trials, values, strict=True):
        totals += value * np.exp(draw.normal(0, trial.scatter, _DRAWS))
    common = draw.normal(0, math.sqrt(0.5), _DRAWS)
    for (level, kind), sizes in rest.items():
        totals += _simulated(ratios[kind], np.array(sizes, float), _SCATTER[level], (common, draw))
    return totals


def _classes(kind: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the classes a scene is of, the narrowest first: type, bands and compression; fewer; all."""
    dtype, bands, stored = kind
    return [kind, (dtype, stored), (stored,), ()]


def _simulated(
    rows: list[tuple[float, float]],
    sizes: NDArray[np.float64],
    usual: float,
    chance: tuple[NDArray[np.float64], np.random.Generator],
) -> NDArray[np.float64]:
    """Return totals of scenes of one class, of these sizes, drawn as its trials, and usual ones, scatter.

    Half of what its mean may be off is common to all classes: that what they take goes by one measure.
    """
    common, draw = chance
    logs, weights = (np.array(column) for column in zip(*rows, strict=True))
    # What large scenes take decides totals, so means are weighted by size.
    mean = float(np.average(logs, weights=weights))
    spread = float(np.average((logs - mean) ** 2, weights=weights))
    # One that outweighs the others tells no more than one (effective sample size; Kish 1965).
    count = float(weights.sum() ** 2 / (weights**2).sum())
    scatter = math.sqrt((count * spread + 2 * usual**2) / (count + 2))
    means = mean + (common + draw.normal(0, math.sqrt(0.5), _DRAWS)) * scatter / math.sqrt(count)
    # Sums of many scenes scatter less than scenes do: by the share of the sizes' squares.
    share = float(np.sqrt((sizes**2).sum()) / sizes.sum())
    factor = np.exp(draw.normal(0, scatter * share, _DRAWS))
    return np.asarray(np.exp(means) * sizes.sum() * factor)
