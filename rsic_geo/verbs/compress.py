"""From a scene to a verified archive: plan, code to the target, fit, verify, and only then take the name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rsic_geo.codecs import registry
from rsic_geo.errors import (
    RsicGeoError,
    SceneError,
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
from rsic_geo.scenes.part import describe_part
from rsic_geo.scenes.protocol import Scene
from rsic_geo.scenes.source import open_source, part_of
from rsic_geo.verbs.names import check_archive_name
from rsic_geo.weights import enhancer_name, open_weights
from rsic_geo.write.parts import BandStore
from rsic_geo.write.plan import ScenePlan, plan_scene
from rsic_geo.write.writer import Job


def compress(
    src: str,
    dst: str,
    options: EncodeOptions | None = None,
    progress: ProgressCallback | None = None,
    bands: BandStore | None = None,
) -> Report:
    """Write a scene as an archive that meets its target, checked by decoding it.

    The archive appears under its name only when it is complete and verified; the source is never touched.

    Args:
        src: any raster GDAL reads, including ``/vsi`` names.
        dst: archive to write, with the suffix of its codec (``.jp2``, ``.rsic.tif``).
        options: what is asked for.
        progress: told a fraction and a text; returning False cancels.
        bands: keeps finished row bands, so that the same work interrupted goes on; the caller removes it.

    Returns:
        What was reached, in numbers.

    Raises:
        UnsupportedSceneError: if the scene's samples do not fit the codec.
        DamagedSceneError: if the source's reader reports damage and that was not accepted.
        TargetNotReachedError: if the target cannot be met.
        VerificationError: if the written file does not decode to what was promised.
        OutputExistsError: if ``dst`` exists and overwriting was not asked for.
        UsageError: if ``dst`` has not the codec's suffix, or is ``src``.
    """
    options = options or EncodeOptions()
    report = Progress(callback=progress)
    started = time.perf_counter()
    codec = options.codec.partition(":")[0]
    kind = _job_type(codec)
    check_archive_name(dst, codec)
    options = kind.completed(options)
    with (
        gdal_config(options.execution.gdal),
        _pending(src, dst, options.overwrite) as pending,
        accepting_damage(options.accept_damaged) as damage,
        open_source(src, options.execution) as whole,
    ):
        opened, part = part_of(whole, options, report)
        reader, plan = plan_scene(opened, options, report)
        for note in _to_be_known(whole, plan.snapshot):
            report.warn(note)
        if plan.not_finite:
            report.warn(f"{plan.not_finite} samples are infinite or NaN: they come back as nodata")
        if far := [
            f"{value:g} in band {n}" for n, value in enumerate(plan.far_values, 1) if value is not None
        ]:
            report.warn(
                f"values far from all others ({', '.join(far[:3])}) count as signal, beside which the others "
                "may be lost: if they mean no data, say so (--nodata)"
            )
        job = kind(
            reader=reader,
            plan=plan,
            options=options,
            path=pending.temporary,
            enhancer=_enhancer(options, plan, report),
            progress=report,
            bands=bands,
            damage=damage,
        )
        outcome = job.run()
        for note in damage:
            report.warn(f"the source is damaged; what it still holds was archived: {note}")
        missed = job.write_sidecar()
        beside = {name.name: name.stat().st_size for name in pending.sidecars}
        pending.publish()
        report.report(1.0, "done")
        return Report(
            verb="compress",
            source=describe_file(src, whole.profile),
            output=describe_file(dst, plan.profile),
            seconds=time.perf_counter() - started,
            warnings=tuple(report.warnings),
            details={
                **outcome,
                **describe_part(part),
                **({"source_damage": damage} if damage else {}),
                "sidecar_bytes": sum(beside.values()),
                "others_miss": missed,
            },
        )


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


def _job_type(codec: str) -> type[Job[Any, Any]]:
    """Return what writes archives of a codec.

    Raises:
        UsageError: no codec has that name.
    """
    if codec == "jp2":
        from rsic_geo.write.jp2 import Jp2Job

        return Jp2Job
    if codec == "learned":
        from rsic_geo.write.learned import LearnedJob

        return LearnedJob
    raise UsageError(f"codec {codec!r} is not known: use {' or '.join(registry.names())}")


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


def _enhancer(options: EncodeOptions, plan: ScenePlan, progress: Progress) -> Enhancer | None:
    """Return the enhancer the archive will name, or None."""
    if options.model == "none":
        return None
    if plan.lossless or not plan.groups or plan.affinity is not None:
        if options.model != "auto":
            open_weights(options.model)  # a name nobody knows is a mistake even where no network is used
        return None
    from rsic_geo.repair import load_enhancer  # torch only when needed

    try:
        name = enhancer_name(options.model, options.codec)
        return load_enhancer(name, options.execution.device, threads=options.execution.threads)
    except WeightsError as error:
        if options.model != "auto":
            raise
        progress.warn(f"no enhancement: {error}")
        return None
