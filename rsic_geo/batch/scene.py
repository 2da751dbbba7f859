"""One scene of a batch, from source to proven product. The same code runs on every kind of worker."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsic_geo.batch.confined import inside
from rsic_geo.batch.copies import copied
from rsic_geo.batch.kept_comparison import Checkpoint
from rsic_geo.batch.ledger.file import now
from rsic_geo.batch.message import RECEIPT_SCHEMA, SceneJob, SceneOutcome
from rsic_geo.batch.parts import help_scene, store_for
from rsic_geo.batch.publish import (
    is_halting,
    publish,
    read_json,
    set_aside,
    workshop_for,
    write_json,
)
from rsic_geo.batch.source import (
    SourceState,
    check_unchanged,
    look_at,
    sha256_of,
    source_of,
)
from rsic_geo.batch.store import brought, exists, is_store
from rsic_geo.batch.verify import Promise, Proof, fallen_below, prove
from rsic_geo.errors import (
    ChecksumError,
    DamagedSceneError,
    OutputExistsError,
    RsicGeoError,
    SceneError,
    SourceChangedError,
    StructureLostError,
    TargetNotReachedError,
    UsageError,
    VerificationError,
    WeightsError,
)
from rsic_geo.geo.footprint_blob import blob_geojson, densified, geopackage_blob
from rsic_geo.options import EncodeOptions
from rsic_geo.progress import Progress, ProgressCallback
from rsic_geo.quality import finite
from rsic_geo.raster import accepting_damage, gdal_config, open_scene
from rsic_geo.raster.place import on_earth, outline_on_earth
from rsic_geo.report import Report
from rsic_geo.scenes.verdict import BandFacts, lost_message, weak_warning
from rsic_geo.targets import Target
from rsic_geo.verbs import compress
from rsic_geo.verbs.info import damaged_sidecars, validate
from rsic_geo.verbs.names import ANY
from rsic_geo.write.parts import BandStore

_KINDS: dict[type[BaseException], str] = {
    DamagedSceneError: "damaged",
    OutputExistsError: "exists",
    SourceChangedError: "changed",
    VerificationError: "verification",
    TargetNotReachedError: "target not reached",  # another target mends it, of the ones before none does
    StructureLostError: "structure lost",
}


def archive_scene(job: SceneJob, progress: ProgressCallback | None = None) -> SceneOutcome:
    """Archive one scene: encode, decode from disk, compare, and only then give the product its name.

    Whatever happens to the scene is an outcome, not an exception; only KeyboardInterrupt and a cancelling
    ``progress`` come through. May be called again for the same scene at any time: what is finished is found
    finished.
    """
    if job.helps:
        return help_scene(job)
    started = time.monotonic()
    try:
        with gdal_config(job.options.execution.gdal | dict(job.config)):
            return _archive(job, Progress(callback=progress), started)
    except RsicGeoError as error:
        if error.exit_code == 130:
            raise
        return _failed(job, error, started)
    except (OSError, MemoryError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError) as error:
        return _failed(job, error, started)


def _archive(job: SceneJob, progress: Progress, started: float) -> SceneOutcome:
    jobs = [job] if not job.suffixes else [_ending(job, suffix) for suffix in job.suffixes]
    for one in jobs:
        if one.roots is not None:  # the ledger that named them may be anybody's
            inside(one.product, one.roots[0], "the product")
            inside(one.report, one.roots[1], "the report")
    job, state = _originated(job)
    jobs = [replace(one, origin=job.origin) for one in jobs]
    if (there := _there(jobs)) is not None:
        return _existing(there, state)
    if job.copies:
        return copied(job, state, started)
    bands = store_for(job, state)
    try:
        outcome = _written(job, state, bands, progress, started)
    except (UsageError, VerificationError, SourceChangedError):
        _drop(bands)
        raise
    except (SceneError, OSError):
        if (there := _there(jobs)) is not None:  # a worker believed lost finished it meanwhile
            return _existing(there, state)
        raise
    _drop(bands)
    return outcome


def _originated(job: SceneJob) -> tuple[SceneJob, SourceState]:
    """Return a job and what it reads, which for a scene of another archive must be what that one held.

    A source that is another by now, or was taken away, gives way to the earlier product, if that is lossless.
    """
    origin = job.origin
    if origin is None:
        return job, look_at(job.read)
    try:
        state = look_at(origin.read)
        is_same = origin.key in (state.sha256, state.content_key)
    except SceneError:
        if origin.spare is None:
            raise
        is_same = False
    if is_same:
        return job, state
    if origin.spare is not None and origin.read != origin.spare[0]:
        read, key = origin.spare
        return _originated(replace(job, origin=replace(origin, read=read, key=key, spare=None)))
    if origin.read == job.source:
        raise SourceChangedError(
            f"{job.source}, or what lies beside it, is not what was archived, and its product is lossy: put "
            "it back as it was"
        )
    raise ChecksumError(f"{origin.read} changed since it was verified: see `rsic batch verify`")


def _there(jobs: Sequence[SceneJob]) -> SceneJob | None:
    """Return the first job whose product exists."""
    return next((job for job in jobs if exists(job.product)), None)


def _ending(job: SceneJob, suffix: str) -> SceneJob:
    """Return a job whose product, and so its report, has another suffix than was guessed."""
    if not (guess := next((each for each in job.suffixes if job.product.lower().endswith(each)), "")):
        return job
    stem, report = job.product[: -len(guess)], job.report[: -len(f"{guess}.json")]
    return replace(job, product=stem + suffix, report=f"{report}{suffix}.json")


def _drop(bands: BandStore | None) -> None:
    if bands is not None:
        bands.remove()


def _written(
    job: SceneJob, state: SourceState, bands: BandStore | None, progress: Progress, started: float
) -> SceneOutcome:
    """Write the product and give it its name if it is proven."""
    with (
        workshop_for(job.workshop, job.fid) as folder,
        accepting_damage(job.options.accept_damaged),
    ):
        name = Path(job.product if not job.suffixes else _ending(job, ANY).product).name
        report = compress.compress(
            job.read, str(folder / name), _encode_options(job), _stage(progress, 0, 0.7), bands
        )
        finished = Path(report.output["path"])
        job = job if not job.suffixes else _ending(job, next(filter(finished.name.endswith, job.suffixes)))
        _check_weights(job, report)
        proof = prove(
            job.read,
            str(finished),
            Promise(
                target=job.options.target,
                lossless=bool(report.details["lossless"]),
                facts=tuple(map(BandFacts.from_json, report.details["signals"])),
                bounds=tuple(report.details["bounds"]),
                is_relative=_is_relative(job),
            ),
            job.options.execution,
            progress.stage(0.7, 1),
            checkpoint=None if bands is None else _checkpoint(bands, state, finished),
        )
        if job.origin is not None:
            fallen = fallen_below(proof, job.options.target, job.origin.floor)
            proof = replace(proof, problems=(*proof.problems, *fallen))
        check_unchanged(job.read, state)
        gone = lost_message(proof.quality, str(job.options.target))
        if gone is not None and not job.options.accept_loss:
            raise StructureLostError(gone)
        values = {
            **source_of(job, state),
            **_product_values(job, report, proof, finished),
            "product": job.product,
            "seconds": round(time.monotonic() - started, 3),
            "finished": now(),
            "geom": _footprint(job, report),
        }
        if proof.problems:
            # A store holds what is proven, and nothing else.
            beside = job.report.removesuffix(".json") if is_store(job.product) else job.product
            place = set_aside(finished, Path(beside))
            text = f"{'; '.join(proof.problems)}: the product was kept as {place}"
            values["report"] = f"{job.report}.failed"
            write_json(values["report"], _receipt(job, report, proof, values), folder)
            return SceneOutcome(
                fid=job.fid, state="failed", values=values, error=text, error_kind="verification"
            )
        write_json(job.report, _receipt(job, report, proof, values), folder)
        publish(finished, job)
    return SceneOutcome(fid=job.fid, state="done", values=values)


def _checkpoint(bands: BandStore, state: SourceState, finished: Path) -> Checkpoint:
    """Return the account of the proof of a file against one content of its source, both by their bytes."""
    return Checkpoint(bands.folder / "proof.json", f"{state.content_key} {sha256_of(finished)}")


def _encode_options(job: SceneJob) -> EncodeOptions:
    """Return the options of the encoder, whose own check is left to the proof where that covers it."""
    return replace(job.options, overwrite=False, verify="full" if job.options.quantize else "later")


def _stage(progress: Progress, start: float, stop: float) -> ProgressCallback | None:
    callback = progress.callback
    if callback is None:
        return None
    return lambda fraction, message: callback(start + (stop - start) * fraction, message)


def _existing(job: SceneJob, state: SourceState) -> SceneOutcome:
    """Return what to make of a file that has the product's name already."""
    with brought(job.product, Path(job.workshop)) as place:
        return _found(job, state, place)


def _found(job: SceneJob, state: SourceState, place: str) -> SceneOutcome:
    """As :func:`_existing`; ``place`` is where the product's bytes are."""
    product = job.product
    receipt = read_json(job.report)
    if receipt is not None and receipt.get("schema") == RECEIPT_SCHEMA and receipt.get("verified"):
        values = _plain_values(receipt)
        is_ours = receipt.get("fingerprint") == job.fingerprint
        is_as_proven = values.get("product_sha256") == sha256_of(place)
        if is_ours and not is_as_proven:
            raise _rotten(product, validate(place)["problems"])
        if is_as_proven:
            if values.get("content_key") != source_of(job, state)["content_key"]:
                raise SourceChangedError(
                    f"{job.source} changed after it was archived as {product}: move that product away, or "
                    "archive the new content in another run"
                )
            if is_ours:
                if beside := damaged_sidecars(place):
                    raise _rotten(product, beside)
                return SceneOutcome(
                    fid=job.fid,
                    state="done",
                    values={**values, **source_of(job, state), "product": job.product, "report": job.report},
                    adopted=True,
                )
    if job.skip_existing:
        text = f"{product} exists already and was left alone"
        return SceneOutcome(fid=job.fid, state="skipped", error=text, error_kind="exists")
    raise OutputExistsError(f"{product} exists and is no verified product of this run: move it away")


def _rotten(product: str, problems: list[str]) -> ChecksumError:
    """Return the error of a product that was proven and is another now, with what its checksums say."""
    found = "; ".join(problems) or "it is whole, but another file than was verified"
    return ChecksumError(
        f"{product} changed since it was verified: {found}; put back a copy of it and what lies beside it, "
        "or move it away and try again"
    )


def _plain_values(receipt: dict[str, Any]) -> dict[str, Any]:
    values, footprint = dict(receipt.get("ledger") or {}), receipt.get("footprint")
    return values if footprint is None else {**values, "geom": geopackage_blob(footprint)}


def _check_weights(job: SceneJob, report: Report) -> None:
    model = report.details.get("model") or {}
    for name, found, wanted in (
        (model.get("name"), model.get("sha256"), job.model_sha256),
        (f"codec {job.options.codec}", report.details.get("codec_sha256"), job.codec_sha256),
    ):
        if found and wanted and found != wanted:
            raise WeightsError(
                f"this worker has other weights of {name} than the run was started with: install the same "
                "version of rsic-geo everywhere"
            )


def _is_relative(job: SceneJob) -> bool:
    """Return whether the target, or that of the archive this scene is migrated from, is a relative error."""
    is_earlier = job.origin is not None and Target.parse(job.origin.floor["target"]).is_relative
    return job.options.target.is_relative or is_earlier


def _product_values(job: SceneJob, report: Report, proof: Proof, finished: Path) -> dict[str, Any]:
    details, target, figures = report.details, job.options.target, proof.figures
    model = details.get("model") or {}
    return {
        "product_bytes": finished.stat().st_size,
        "product_sha256": sha256_of(finished),
        **{name: report.source.get(name) for name in ("width", "height", "bands", "dtype")},
        "codec": details["codec"],
        "codec_sha256": details.get("codec_sha256"),
        "model": model.get("name"),
        "model_sha256": model.get("sha256"),
        "asked": job.asked,
        "target": str(target),
        "achieved": target.reached(figures),
        "lossless": int(proof.pixels_equal),
        "psnr": finite(figures["psnr"]),
        "snr": finite(figures["snr"]) if proof.quality else None,
        "meaning": details["target"]["meaning"],
        "warnings": "; ".join(_warnings(report, proof)) or None,
        "max_error": figures["max_abs_error"],
        "masks": "identical" if proof.masks_equal else "different",
        "metadata": "identical" if not proof.lost else f"{len(proof.lost)} differences",
        "report": job.report,
    }


def _warnings(report: Report, proof: Proof) -> list[str]:
    """Return what was warned of; of weak bands by the proof, where the encoder left that to it."""
    weak = weak_warning(proof.quality) if report.details["quality"] is None else None
    return [*report.warnings, *([] if weak is None else [weak])]


def _footprint(job: SceneJob, report: Report) -> bytes | None:
    """Return where the valid pixels are on earth; the outline of the scene where only that is known."""
    feature = report.details.get("footprint")
    if feature is not None:
        placed = on_earth(densified(feature["geometry"]), feature["properties"]["crs"])
        if placed is not None:
            return geopackage_blob(placed)
    try:
        with open_scene(job.read) as reader:
            return geopackage_blob(outline_on_earth(reader))
    except SceneError:  # a footprint is for looking at; no scene fails for want of it
        return None


def _receipt(job: SceneJob, report: Report, proof: Proof, values: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON report: evidence for people, and what a resumed run recognises a product by."""
    entries = report.to_json()
    entries["input"] = {**entries["input"], "path": job.source, "sha256": values["source_sha256"]}
    if job.origin is not None:
        entries["made_of"] = {"path": job.read, "key": job.origin.key}
    entries["output"] = {
        "path": job.product, "bytes": values["product_bytes"], "sha256": values["product_sha256"],
    }  # fmt: skip
    entries.pop("verified", None)
    return {
        "schema": RECEIPT_SCHEMA,
        "run": job.run,
        "verified": not proof.problems,
        "fingerprint": job.fingerprint,
        "proof": proof.to_json(),
        "ledger": {name: value for name, value in values.items() if name not in ("geom", "product")},
        "footprint": blob_geojson(values["geom"]),
        "report": entries,
    }


def _failed(job: SceneJob, error: BaseException, started: float) -> SceneOutcome:
    seconds = round(time.monotonic() - started, 3)
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, RsicGeoError | OSError):
        text = f"unexpected {type(error).__name__}: {text}"
    if is_halting(error):
        return SceneOutcome(
            fid=job.fid, state="halted", values={"seconds": seconds}, error=text, error_kind="no room"
        )
    kind = type(error).__name__
    for family, name in _KINDS.items():
        if isinstance(error, family):
            kind = name
    return SceneOutcome(fid=job.fid, state="failed", values={"seconds": seconds}, error=text, error_kind=kind)
