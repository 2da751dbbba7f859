"""From a scene to a verified archive: plan, code to the target, fit, verify, and only then take the name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from rsic_geo.codecs.base import CodecEntry
from rsic_geo.codecs.registry import get_entry
from rsic_geo.errors import (
    JobCancelledError,
    RsicGeoError,
    SceneError,
    TargetNotReachedError,
    UsageError,
    WeightsError,
)
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.raster import (
    accepting_damage,
    gdal_config,
    metadata_lost_in_geotiff,
    said_of_others,
)
from rsic_geo.raster.files import PendingFile, check_apart
from rsic_geo.repair.base import Enhancer
from rsic_geo.report import Report, describe_file
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.source import describe_part, open_source, part_of
from rsic_geo.verbs.names import archive_name, codec_lent, codecs_for, is_open, keep_given, lacking_model
from rsic_geo.weights import WeightsFile, enhancer_name, open_weights
from rsic_geo.write.holders import fitting
from rsic_geo.write.parts import BandStore
from rsic_geo.write.plan import ScenePlan, plan_scene
from rsic_geo.write.writer import Job

_WORTH_SAYING = 0.005
"""Part of the bytes, or dB, by which JPEG 2000 has to be better than the codec asked for to be named."""


def compress(  # noqa: PLR0913 - from where to where, how, and what the caller has besides
    src: str,
    dst: str,
    options: EncodeOptions | None = None,
    progress: ProgressCallback | None = None,
    bands: BandStore | None = None,
    *,
    is_alone: bool = False,
) -> Report:
    """Write a scene as an archive that meets its target, checked by decoding it.

    The archive appears under its name only when it is complete and verified; the source is never touched.

    Args:
        src: any raster GDAL reads, including ``/vsi`` names.
        dst: archive to write, with the suffix of its codec (``.jp2``, ``.cog.tif``, ``.rsic.tif``), a name
            with ``.*`` in its place, or a folder, in which it is called as the source is.
        options: what is asked for.
        progress: told a fraction and a text; returning False cancels.
        bands: keeps finished row bands, so that the same work interrupted goes on; the caller removes it.
        is_alone: the caller takes the archive and its sidecars elsewhere, and nothing else beside them.

    Returns:
        What was reached, in numbers.

    Raises:
        UnsupportedSceneError: if the scene's samples do not fit the codec.
        UnknownCodecError: if there is no such codec.
        DamagedSceneError: if the source's reader reports damage and that was not accepted.
        TargetNotReachedError: if the target cannot be met.
        VerificationError: if the written file does not decode to what was promised.
        OutputExistsError: if ``dst`` exists and overwriting was not asked for.
        UsageError: if ``dst`` has not the codec's suffix, or is ``src``.
    """
    options = options or EncodeOptions()
    report = Progress(callback=progress)
    started = time.perf_counter()
    entries = codecs_for(dst, options.codec)
    if len(entries) == 1:
        _check_options(options, entries[0])
    with ExitStack() as held:
        held.enter_context(gdal_config(options.execution.gdal))
        outputs = {} if is_open(dst) else {dst: held.enter_context(_pending(src, dst, options.overwrite))}
        damage = held.enter_context(accepting_damage(options.accept_damaged))
        # A network takes the memory that would keep the scene between its passes.
        is_kept = options.model == "none" and not options.target.is_lossless
        whole = held.enter_context(open_source(src, options.execution, is_kept=is_kept))
        opened, part = part_of(whole, options, report)
        chosen = fitting(entries, opened, options)
        tries: list[_Try] = []
        for number, entry in enumerate(chosen):
            name = archive_name(src, dst, entry)
            if name not in outputs:
                outputs[name] = held.enter_context(_pending(src, name, options.overwrite))
            share = 0.8 if entry.has_rival else 1.0
            stage = report.stage(share * number / len(chosen), share * (number + 1) / len(chosen))
            stage.warnings = []
            is_named = options.codec.partition(":")[0] == entry.name  # perhaps with its network
            asked = options if is_named else replace(options, codec=entry.name)
            lacking = held.enter_context(codec_lent(asked.codec, str(outputs[name].path)))
            one = _Try(entry, asked, stage, lacking)
            try:
                job = one.planned(outputs[name], opened, damage, bands)
                one.settle(job.run(), opened)
            except TargetNotReachedError:
                if number == len(chosen) - 1 and not tries:
                    raise
                continue
            tries.append(one)
        best = min(tries, key=lambda one: one.file_bytes)
        instead = _jp2_instead(best, opened, damage, report) if best.job.is_contested else {}
        for note in _to_be_known(whole, best.job.plan.snapshot) + best.stage.warnings:
            report.warn(note)
        for note in damage:
            report.warn(f"the source is damaged; what it still holds was archived: {note}")
        _keep_weights(best, report, is_alone=is_alone)
        if options.seal and best.job.enhancement is None:
            report.warn("nothing is enhanced in this archive, so there is nothing to seal")
        best.pending.publish()
        report.report(1.0, "done")
        return Report(
            verb="compress",
            source=describe_file(src, whole.profile),
            output=describe_file(str(best.pending.path), best.job.plan.profile),
            seconds=time.perf_counter() - started,
            warnings=tuple(report.warnings),
            details={
                **best.outcome,
                **instead,
                **describe_part(part),
                **({"source_damage": damage} if damage else {}),
                "sidecar_bytes": best.sidecar_bytes,
                "others_miss": best.missed,
            },
        )


_FINE = 0.6
"""Root mean square error of whole numbers below which an archive without loss may be the smaller one."""


class _Try:
    """A scene archived by one codec, under the temporary name of its output."""

    pending: PendingFile
    job: Job
    outcome: dict[str, Any]
    missed: list[str]
    sidecar_bytes = 0

    def __init__(
        self, entry: CodecEntry, options: EncodeOptions, stage: Progress, lacking: WeightsFile | None
    ) -> None:
        _check_options(options, entry)
        self.entry, self.options, self.stage, self.lacking = entry, options, stage, lacking

    @property
    def file_bytes(self) -> int:
        """Bytes of the archive and what lies beside it."""
        return int(self.outcome["bytes"]) + self.sidecar_bytes

    def planned(
        self, pending: PendingFile, opened: Scene, damage: Sequence[str], bands: BandStore | None
    ) -> Job:
        """Return what writes the archive and verifies it; arguments as of :func:`compress`."""
        self.pending, report = pending, self.stage
        job_type, plan_for = _ways(self.entry)
        reader, plan = plan_for(opened, self.options, report)
        if plan.not_finite:
            report.warn(f"{plan.not_finite} samples are infinite or NaN: they come back as nodata")
        if far := [
            f"{value:g} in band {n}" for n, value in enumerate(plan.far_values, 1) if value is not None
        ]:
            report.warn(
                f"values far from all others ({', '.join(far[:3])}) count as signal, beside which the others "
                "may be lost: if they mean no data, say so (--nodata)"
            )
        self.job = job_type(
            entry=self.entry,
            reader=reader,
            plan=plan,
            options=self.options,
            path=pending.temporary,
            enhancer=_enhancer(self.options, plan, report, str(pending.path)),
            progress=report.stage(0, 0.6) if plan.is_close or plan.is_doubtful else report,
            bands=bands,
            damage=damage,
        )
        return self.job

    def settle(self, outcome: dict[str, Any], opened: Scene) -> None:
        """Take what the job reported, or another plan where that is smaller; write what lies beside."""
        self.outcome, options, plan = outcome, self.options, self.job.plan
        if plan.is_doubtful:  # pieces could not tell whether bands as they are take more bytes
            stage = self.stage.stage(0.6, 0.8)
            as_is = plan_scene(opened, replace(options, spectral="as-is"), stage)
            self.job, self.outcome = _smaller(self.job, self.outcome, as_is, stage)
        is_sized = self.entry.dial == "size" and options.target.is_decibels and plan.affinity is None
        is_fine = is_sized and 0 < self.outcome["rmse"] < _FINE
        if plan.is_close or self.job.is_close or is_fine:  # nor whether nothing need be lost for so few
            stage = self.stage.stage(0.8 if plan.is_close else 0.99, 1)
            exact = plan_scene(opened, options, stage, way="lossless")
            meant = self.outcome["target"]["meaning"]
            self.job, self.outcome = _smaller(self.job, self.outcome, exact, stage)
            # What a target allowed is told also where nothing had to be lost for it.
            self.outcome["target"] = {**self.outcome["target"], "meaning": meant}
        self.missed = self.job.write_sidecar(self.pending.path.name)
        self.sidecar_bytes = sum(path.stat().st_size for path in self.pending.sidecars)


def _smaller(
    job: Job, outcome: dict[str, Any], other_way: tuple[Scene, ScenePlan], progress: Progress
) -> tuple[Job, dict[str, Any]]:
    """Archive a scene also by another plan; return the job whose file is smaller, of equals the other."""
    path = job.path.with_name(f"{job.path.stem}.other{job.path.suffix}")  # discarded with the first
    other = type(job)(
        entry=job.entry,
        reader=other_way[0],
        plan=other_way[1],
        options=job.options,
        path=path,
        enhancer=None,
        progress=progress,
        bands=job.bands,
        damage=job.damage,
    )
    found = other.run()
    if found["bytes"] > outcome["bytes"]:
        path.unlink()
        return job, outcome
    os.replace(path, job.path)
    other.path = job.path
    return other, found


def _to_be_known(source: Scene, snapshot: MetadataSnapshot) -> list[str]:
    """Return what who archives a scene must know before the original is thrown away."""
    notes = []
    beside = said_of_others(source.others)
    if beside is not None:
        notes.append(beside)
    is_placed = snapshot.transform or len(snapshot.gcps) > 1 or snapshot.rpcs
    if not is_placed and (snapshot.crs or snapshot.gcps):
        notes.append(
            "the scene has a reference system but no place in it, and so will the archive: if other programs "
            "show it in its place, what says so is not read here; if none does, its georeference is damaged"
        )
    lost = metadata_lost_in_geotiff(snapshot)
    if lost:
        first = "; ".join(str(item) for item in lost[:3])
        more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
        notes.append(
            f"the archive holds what no GeoTIFF can say, decompress will leave it out: {first}{more}"
        )
    return notes


def _check_options(options: EncodeOptions, entry: CodecEntry) -> None:
    """Refuse what a codec or its container cannot do.

    Raises:
        UsageError: a lossless target, a sidecar, tiles that are too large, or weights of a codec without any.
    """
    if options.target.is_lossless and not entry.is_lossless_capable:
        raise UsageError(f"{entry.title} is lossy: use --codec jp2, or a target such as psnr=40 or bpp=0.5")
    if options.target.is_bound and not options.target.is_plain and entry.dial == "quality":
        raise UsageError(f"{options.target}: {entry.title} takes one value in the units of the samples")
    if options.spectral == "rotated" and entry.dial != "size":
        raise UsageError(f"rotated bands are for JPEG 2000: leave out --bands, or --codec {entry.name}")
    if options.quantize is not None and entry.dial == "error":
        raise UsageError(
            f"{entry.title} keeps floats as they are: leave out --quantize, or --codec {entry.name}"
        )
    if options.sidecar == "require" and entry.container == "tiff":
        raise UsageError(f"archives of {entry.title} need no sidecar: leave out --sidecar")
    if entry.max_tile_size and options.tile_size > entry.max_tile_size:
        raise UsageError(f"tile size {options.tile_size}: {entry.title} takes up to {entry.max_tile_size}")
    weights = options.codec.partition(":")[2]
    if weights and not entry.weights_kind:
        raise UsageError(f"codec {entry.name} works without a network: leave out :{weights}")


Planner = Callable[[Scene, EncodeOptions, Progress], tuple[Scene, ScenePlan]]


def _ways(entry: CodecEntry) -> tuple[type[Job], Planner]:
    """Return what writes archives of a codec, and what plans them."""
    if entry.container == "cog":
        from rsic_geo.write.jobs.cog import CogJob, plan_cog

        return CogJob, plan_cog
    if entry.container == "jp2":
        from rsic_geo.write.jobs.jp2 import Jp2Job

        return Jp2Job, plan_scene
    from rsic_geo.write.jobs.tiff import TiffJob

    return TiffJob, plan_scene


@contextmanager
def _pending(src: str, dst: str, overwrite: bool) -> Iterator[PendingFile]:
    """Reserve a temporary name beside the output; whatever happens, no half file stays."""
    if str(dst).startswith("/vsi"):
        raise UsageError("archives are written to local files: write it here and copy it")
    check_apart(src, dst)
    pending = PendingFile(dst, overwrite=overwrite)
    try:
        yield pending
    except RsicGeoError:  # some are OSErrors too, such as weights that are missing
        raise
    except OSError as error:
        raise SceneError(f"cannot write {dst}: {error.strerror or error}") from error
    finally:
        pending.discard()


def _keep_weights(made: _Try, progress: Progress, *, is_alone: bool) -> None:
    """Put weights of files where readers of the archive find them, or say what they need."""
    enhancer = None if made.job.enhancement is None else made.job.enhancer
    used = None if enhancer is None else (enhancer.name, enhancer.sha256)
    lacking = [made.lacking, lacking_model(made.options.model, used, str(made.pending.path))]
    is_kept = not is_alone and made.options.sidecar != "never"
    keep_given([one for one in lacking if one is not None], made.pending.path, progress, is_kept=is_kept)


def _jp2_instead(
    made: _Try, opened: Scene, damage: Sequence[str], progress: Progress
) -> dict[str, dict[str, Any]]:
    """Return what JPEG 2000 and its enhancement make of the scene at the same target, where that is better.

    Tiles are compared one by one as the codecs decode them. What a reader gets has been enhanced, JPEG 2000
    gains more by that, and its sizes are shared out by slope: only the whole archive tells.
    """
    stage = progress.stage(0.8, 1)
    stage.warnings = []
    other = _Try(get_entry("jp2"), replace(made.options, codec="jp2"), stage, None)
    pending = PendingFile(made.pending.temporary.with_suffix(".jp2"), overwrite=True)
    try:
        job = other.planned(pending, opened, damage, None)
        other.settle(job.run(), opened)
    except JobCancelledError:
        raise
    except RsicGeoError:  # it does not reach what was reached, or cannot: nothing to tell
        return {}
    finally:
        pending.discard()
    saved, ours, theirs = 1 - other.file_bytes / made.file_bytes, made.outcome["psnr"], other.outcome["psnr"]
    if not made.options.target.is_size:
        words = f"{100 * saved:.1f} % smaller"
    elif ours is None or theirs is None:
        return {}
    else:
        saved, words = theirs - ours, f"{theirs - ours:.2f} dB better"
    if saved < _WORTH_SAYING:
        return {}
    progress.warn(
        f"JPEG 2000 suits this scene better than {made.entry.title}: without --codec {made.entry.name} the "
        f"archive is {words} at this target"
    )
    return {"jp2_instead": {"bytes": other.file_bytes, "psnr": theirs}}


def _enhancer(options: EncodeOptions, plan: ScenePlan, progress: Progress, near: str) -> Enhancer | None:
    """Return the enhancer the archive ``near`` will name, or None."""
    if options.model == "none":
        return None
    if plan.lossless or not plan.groups or plan.affinity is not None or plan.keeps_samples:
        if options.model != "auto":
            # A name nobody knows is a mistake even where no network is used.
            open_weights(options.model, near=near)
        return None
    from rsic_geo.repair import load_enhancer

    try:
        name = enhancer_name(options.model, options.codec, options.effort)
        return load_enhancer(name, options.execution.device, near=near)
    except WeightsError as error:
        if options.model != "auto":
            raise
        progress.warn(f"no enhancement: {error}")
        return None
