"""Starting, continuing and looking at batches: the verbs of ``rsic batch`` as functions."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from rsic_geo.batch.confined import check_run_name, output_folder
from rsic_geo.batch.coordinator import LEDGER_NAME, WORKSHOP, Coordinator, Standing, Watcher, standing_of
from rsic_geo.batch.duplicates import Duplicates, share
from rsic_geo.batch.executors import Executor, ProcessExecutor, SerialExecutor
from rsic_geo.batch.inputs import Source, Sources
from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.ledger.lock import LedgerLock
from rsic_geo.batch.message import COPY, SceneJob, fingerprint, options_from, options_text
from rsic_geo.batch.preserve.rebuild import asked_path, keep_asked, reports_of, shard_ledger
from rsic_geo.batch.publish import send_common, write_text
from rsic_geo.batch.register import Choice, Registration, product_path, register, usual_template
from rsic_geo.batch.rules import Rules, read_rules, usual_rules
from rsic_geo.batch.store import check_bucket, home_of, is_store, place_of
from rsic_geo.codecs.registry import candidates
from rsic_geo.errors import LedgerError, SceneError, UsageError, WeightsError
from rsic_geo.options import EncodeOptions, Execution
from rsic_geo.progress import Progress
from rsic_geo.verbs.names import ANY, archive_suffixes
from rsic_geo.version import version
from rsic_geo.weights import enhancer_name, keep_weights, open_weights
from rsic_geo.weights.store import CODEC, SUFFIX, default_name

_BASE_MIB = 200
"""What one worker takes at most beside its tiles and cache, measured on scenes of three bands."""
_TILE_MIB = 64
"""What one codec thread takes at most for a tile of three bands."""
_COORDINATOR_MIB = 100
"""What the process that writes the ledger takes."""
_LEAST_MIB = _BASE_MIB + _TILE_MIB + 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who does the work, and with how much of the machine."""

    jobs: int = 1
    """Processes of this machine; 0 = the calling process itself."""
    scheduler: str | None = None
    """Address of a Dask scheduler; its workers are used instead of processes of this machine."""
    resources: tuple[tuple[str, float], ...] = ()
    """What a Dask worker must offer, as GPU=1."""
    memory_mib: int | None = None
    """Budget for all jobs of this machine together; None = no budget."""
    stalled_minutes: float = 120.0
    """A process of this machine that says nothing for so long is ended, its scene tried again; 0 = never."""
    execution: Execution = field(default_factory=Execution)
    """Threads and device of each job; 0 threads = this machine's cores divided among the jobs."""

    def fitted(self) -> Crew:
        """Return the crew with threads, raster cache and jobs that fit the cores and the budget.

        Raises:
            UsageError: if not even one job fits.
        """
        budget = None if self.memory_mib is None else self.memory_mib - _COORDINATOR_MIB
        jobs = self.jobs if budget is None else max(min(1, self.jobs), min(self.jobs, budget // _LEAST_MIB))
        share = max(1, jobs)
        # How many cores the workers of a cluster have is not known here.
        cores = 1 if self.scheduler is not None else os.cpu_count() or 1
        threads = self.execution.threads or max(1, cores // share)
        cache = self.execution.memory_mib
        if budget is not None:
            each = budget // share
            if each < _LEAST_MIB:
                least = _LEAST_MIB + _COORDINATOR_MIB
                raise UsageError(f"{self.memory_mib} MiB are too few for one job: give at least {least}")
            threads = max(1, min(threads, (each - _BASE_MIB - 16) // _TILE_MIB))
            cache = max(16, min(cache, each - _BASE_MIB - _TILE_MIB * threads))
        execution = replace(self.execution, threads=threads, memory_mib=cache)
        return replace(self, jobs=jobs, execution=execution)

    def executor(self) -> Executor:
        """Return the executor of this crew."""
        if self.scheduler is not None:
            from rsic_geo.batch.dask import DaskExecutor

            return DaskExecutor(self.scheduler, dict(self.resources))
        return (
            SerialExecutor()
            if self.jobs == 0
            else ProcessExecutor(self.jobs, stalled_seconds=60 * self.stalled_minutes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """Choices of a run that do not change what its products are."""

    run: str = "default"
    ledger: str | None = None
    """GeoPackage; None = in the output folder; of a store in a folder here that is named for it."""
    template: str | None = None
    """Where in the output folder products go; None = as their sources lie."""
    rules: str | None = None
    """File of rules: what is done with which scenes; None = the same with all."""
    skip_existing: bool = False
    companions: bool = True
    recheck: bool = False
    duplicates: Duplicates = "code"
    """What becomes of scenes that hold the very same as an earlier one, and are asked the same."""
    config: tuple[tuple[str, str], ...] = ()
    bands_above: float = 256.0
    """Megapixels from which on a scene is worked on by row bands, kept over a kill; 0 = never."""
    crew: Crew = field(default_factory=Crew)
    shard: tuple[int, int] | None = None
    """Number (from 1) and count: only that part of the scenes, with a ledger of its own; None = all."""
    output: str | None = None
    """Where a ledger that does not lie there says that products go; asked for by ``retry`` alone."""
    on_registered: Callable[[Registration], None] = lambda _found: None

    def __post_init__(self) -> None:
        """Raise UsageError if the name of the run could not be that of a file."""
        check_run_name(self.run)


def ledger_path(place: str | Path, shard: tuple[int, int] | None = None) -> Path:
    """Return the ledger meant by a path: a GeoPackage, or the output of a run; or that of one part of it.

    Raises:
        LedgerError: if there is none.
    """
    output = place_of(str(place))
    path = home_of(output) if is_store(output) else Path(place)
    path = path / LEDGER_NAME if path.is_dir() else path
    path = path if shard is None else shard_ledger(path, *shard)
    if path.is_file():
        return path
    if is_store(output):
        raise LedgerError(
            f"there is no ledger {path}: that of a store lies where its run was started; give that file, or "
            f"make it again of the store by `rsic batch rebuild {place}`"
        )
    raise LedgerError(f"there is no ledger {path}: give the GeoPackage of a run, or its output folder")


def run_batch(
    sources: Sources,
    folder: str,
    options: EncodeOptions,
    batch: BatchOptions,
    watcher: Watcher,
) -> Standing:
    """Archive scenes, each verified before it counts; continue where an earlier run of the name stopped.

    Nothing that exists is overwritten, no source is touched.

    Args:
        sources: scenes, from :func:`rsic_geo.batch.inputs.discover`.
        folder: where products go; made if missing. ``s3://BUCKET/PREFIX`` is a place in a store, whose ledger
            and reports lie in a folder of this machine.
        options: what the products must be.
        batch: ledger, names and workers.
        watcher: told what happens.

    Raises:
        LedgerBusyError: if another run writes to the ledger.
        LedgerMismatchError: if the run was started with other options.
        UsageError: if two scenes would become one product, or only parts of scenes are asked for.
        JobCancelledError: if it was stopped.
        SceneError: if there is no more room for products.
    """
    _check_whole(options)
    out = place_of(folder)
    path = Path(place_of(batch.ledger)) if batch.ledger else home_of(out) / LEDGER_NAME
    if is_store(path):
        raise UsageError(f"the ledger {batch.ledger} has to be a file of this machine")
    if is_store(out) and batch.duplicates != "code":
        raise UsageError("a store has no links: duplicates are coded there, too")
    home = str(path.parent) if is_store(out) else out
    if batch.shard is not None:
        path = shard_ledger(path, *batch.shard)
    rules = usual_rules(options) if batch.rules is None else read_rules(batch.rules, options)
    rules = Rules(
        rules=tuple(replace(rule, options=with_weights_in(home, rule.options)) for rule in rules.rules)
    )
    asked = [COPY if rule.does == "copy" else asked_text(rule.options, home) for rule in rules.rules]
    text = asked[-1]
    if batch.rules is not None:
        told = [
            [rule.name, dict(rule.when), rule.does, one] for rule, one in zip(rules.rules, asked, strict=True)
        ]
        text = json.dumps({**json.loads(text), "rules": told[:-1]})
    usual = usual_template(options.codec) if batch.rules is None else f"{{parent}}/{{stem}}{ANY}"
    record = RunRecord(
        name=batch.run,
        folder=out,
        template=batch.template or usual,
        reports=reports_of(path),
        options=text,
        fingerprint=fingerprint(text),
        version=version(),
    )
    if (scene := next(iter(sources), None)) is not None:  # a template is refused before anything is made
        endings = dict.fromkeys(each for one in rules.rules for each in archive_suffixes(one.options.codec))
        product_path(scene, record.template, record.name, tuple(endings))
    if is_store(out):
        check_bucket(out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SceneError(f"cannot write to {path.parent}: {error.strerror or error}") from error
    with LedgerLock(path), Ledger(path, write=True) as ledger:
        ledger.start_run(record)
        try:
            keep_asked(record)
        except OSError as error:
            raise SceneError(f"cannot write to {record.reports}: {error.strerror or error}") from error
        progress = Progress(callback=watcher.survey)
        chosen = partial(_chosen, rules, asked, batch.shard)
        batch.on_registered(
            register(
                ledger,
                record,
                sources,
                progress,
                choose=chosen,
                recheck=batch.recheck,
                duplicates=batch.duplicates,
            )
        )
        if is_store(out):
            send_common(asked_path(record.reports, record.name), record.folder, home)
        return work(ledger, record, batch, watcher)


def retry_batch(
    place: str | Path, batch: BatchOptions, watcher: Watcher, *, like: str = "%", skipped: bool = False
) -> Standing:
    """Try failed scenes of a run again, with what the run was started with, and do what else is left.

    Args:
        place: ledger or output folder.
        batch: run and workers; the ledger knows the rest.
        watcher: told what happens.
        like: SQL pattern of the sources.
        skipped: also scenes that were skipped.
    """
    path = ledger_path(place)
    with LedgerLock(path), Ledger(path, write=True) as ledger:
        record = find_run(ledger, batch.run)
        given = batch.output or (str(place) if is_store(place_of(str(place))) else None)
        record = replace(record, folder=output_folder(path, record.folder, given), reports=reports_of(path))
        states = ("failed", "skipped") if skipped else ("failed",)
        ledger.requeue(record.name, states, like)
        return work(ledger, record, batch, watcher)


def with_weights_in(folder: str, options: EncodeOptions) -> EncodeOptions:
    """Return options that name weights instead of their file, which is put once where products go.

    Raises:
        WeightsError: the file is none of weights.
        UsageError: another file of the name lies there.
    """
    codec, _, network = options.codec.partition(":")
    if options.model.endswith(SUFFIX):
        given = open_weights(options.model)
        keep_weights(given, folder)
        options = replace(options, model=given.name)
    if network.endswith(SUFFIX):
        given = open_weights(network)
        keep_weights(given, folder)
        options = replace(options, codec=f"{codec}:{given.name}")
    return options


def asked_text(options: EncodeOptions, folder: str) -> str:
    """Return what decides a product's bytes, as the ledger keeps it, with the weights that are here now."""
    _check_whole(options)
    return options_text(options, _weights(options, folder), _codec_weights(options, folder))


def _chosen(rules: Rules, asked: list[str], shard: tuple[int, int] | None, source: Source) -> Choice | None:
    """Return what is done with a scene of the shard; what the run is asked for is not repeated for it."""
    if shard is not None and not _is_of_shard(source, *shard):
        return None
    rule = rules.of(source)
    place = next(number for number, each in enumerate(rules.rules) if each is rule)
    is_usual = place == len(asked) - 1 or rule.does == "skip"
    return Choice(
        rule=rule.name, does=rule.does, codec=rule.options.codec, asked=None if is_usual else asked[place]
    )


def _is_of_shard(source: Source, number: int, count: int) -> bool:
    """Return whether a scene is of one of ``count`` parts: by its name, so that new scenes move no other."""
    return int(hashlib.sha256(source.relative.encode()).hexdigest()[:8], 16) % count == number - 1


def find_run(ledger: Ledger, name: str) -> RunRecord:
    """Return a run by name.

    Raises:
        UsageError: if there is none of the name.
    """
    runs = {run.name: run for run in ledger.runs()}
    if name not in runs:
        raise UsageError(f"{ledger.path} has no run {name!r}: it has {', '.join(runs) or 'none'}")
    return runs[name]


def work(ledger: Ledger, record: RunRecord, batch: BatchOptions, watcher: Watcher) -> Standing:
    """Do what is pending in a run, and leave its page; the caller holds the ledger's lock."""
    crew = batch.crew.fitted()
    options, weights = options_from(record.options, crew.execution)
    pattern = SceneJob(
        fid=0,
        run=record.name,
        source="",
        product="",
        report="",
        workshop=_workshop(ledger, record),
        options=options,
        fingerprint=record.fingerprint,
        suffixes=archive_suffixes(options.codec) if record.template.endswith(ANY) else (),
        model_sha256=weights.model,
        codec_sha256=weights.codec,
        roots=(record.folder, record.reports),
        skip_existing=batch.skip_existing,
        companions=batch.companions,
        config=batch.config,
        bands_above=round(batch.bands_above * 1e6),
    )

    def done() -> Standing:
        return Coordinator(
            ledger=ledger, run=record, executor=crew.executor(), pattern=pattern, watcher=watcher
        ).work()

    try:
        standing = done()
        if share(ledger, record, companions=batch.companions):
            standing = done()
        return standing_of(ledger, record.name, standing.seconds)
    finally:
        _summarise(ledger, record)


def _summarise(ledger: Ledger, record: RunRecord) -> None:
    """Leave the page of the run among its reports, as it stands now; a full disk is no reason to fail."""
    from rsic_geo.batch.export.html import page

    with suppress(OSError, LedgerError):
        write_text(Path(record.reports) / f"{record.name}.html", page(ledger, record))


def _check_whole(options: EncodeOptions) -> None:
    """Refuse what the ledger has no words for: a product is proven against the whole of its source."""
    whole = EncodeOptions()
    for name in ("srcwin", "projwin", "bbox", "window_crs", "bands", "nodata"):
        if getattr(options, name) != getattr(whole, name):
            raise UsageError(f"a batch archives whole scenes: {name} is for single ones (rsic compress)")


def _workshop(ledger: Ledger, record: RunRecord) -> str:
    """Return the folder of what is unfinished: runs of other ledgers may write to the same output folder."""
    name = hashlib.sha256(f"{ledger.path.resolve()}\n{record.name}".encode()).hexdigest()[:12]
    home = ledger.path.absolute().parent if is_store(record.folder) else record.folder
    return os.path.join(home, WORKSHOP, name)


def _weights(options: EncodeOptions, folder: str) -> str | None:
    """Return the digest of the weights products will be made with, where any are used."""
    if options.model == "none":
        return None
    try:
        name = enhancer_name(options.model, candidates(options.codec)[0].name, options.effort)
        digest = open_weights(name, near=os.path.join(folder, "product")).sha256
    except WeightsError:
        if options.model != "auto":
            raise
        return None
    return None if options.target.is_lossless else digest


def _codec_weights(options: EncodeOptions, folder: str) -> str | None:
    """Return the digest of the network of a learned codec.

    Raises:
        WeightsError: it is not here.
    """
    network = options.codec.partition(":")[2]
    if not candidates(options.codec)[0].weights_kind:
        return None
    near = os.path.join(folder, "product")
    return open_weights(network or default_name(kind=CODEC), near=near).sha256
