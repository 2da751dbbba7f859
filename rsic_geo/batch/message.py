"""What travels between the coordinator of a batch and its workers: small values, never pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple

from rsic_geo.options import EncodeOptions, Execution, said_options
from rsic_geo.targets import Target
from rsic_geo.verbs.names import archive_suffixes

OutcomeState = Literal["done", "failed", "skipped", "halted", "helped"]

RECEIPT_SCHEMA = "rsic-batch-scene-1"
"""What the report of a scene says it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A scene as an earlier archive holds it, of which a product is made anew."""

    read: str
    """What is read: the source itself or, where the earlier product is lossless, that product."""
    key: str
    """What must be read: content key of the source, or SHA-256 of the product."""
    source: Mapping[str, Any]
    """What the ledger keeps of the source."""
    floor: Mapping[str, Any]
    """What the earlier product promised and reached, by the ledger's columns."""
    spare: tuple[str, str] | None = None
    """Path and SHA-256 of the earlier product, where it is lossless: read if the source is another by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneJob:
    """One scene to be archived, with all a worker must know."""

    fid: int
    """Number of the scene in the ledger."""
    run: str
    source: str
    product: str
    """Absolute path of the archive; its suffix is a guess where ``suffixes`` names others."""
    report: str
    """Absolute path of the JSON report."""
    workshop: str
    """Folder, on the file system of the product, where unfinished files live."""
    options: EncodeOptions
    fingerprint: str
    """SHA-256 of what was asked for; part of what a receipt must match."""
    suffixes: tuple[str, ...] = ()
    """What the product may end in, as its codec turns out; empty where its name is settled."""
    model_sha256: str | None = None
    """Weights every worker must use; None where none are used or none are known."""
    codec_sha256: str | None = None
    """Network of the codec every worker must use; None for a codec without."""
    skip_existing: bool = False
    """Leave alone what exists under the product's name, instead of failing."""
    companions: bool = True
    """Copy the files that belong to the source beside the product."""
    config: tuple[tuple[str, str], ...] = ()
    """GDAL configuration options."""
    bands_above: int = 0
    """Pixels from which on a scene is worked on by row bands that are kept; 0 = never."""
    roots: tuple[str, str] | None = None
    """Folders that product and report must lie in, links followed; None where nothing foreign named them."""
    asked: str | None = None
    """What a rule asks for it, as :func:`asked_of` takes it; None: what the run does."""
    copies: bool = False
    """The product is the source's files as they are."""
    origin: Origin | None = None
    """Of a scene of another archive what it is made of, and what it must not fall below."""
    helps: bool = False
    """Only make row bands for the worker that archives this scene."""

    @property
    def read(self) -> str:
        """What is read: the source, but of a scene of another archive."""
        return self.source if self.origin is None else self.origin.read


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOutcome:
    """What became of a scene."""

    fid: int
    state: OutcomeState
    """``halted``: nothing is wrong with the scene, but the surroundings let no scene be written; ``helped``:
    row bands were made for another worker."""
    values: dict[str, Any] = field(default_factory=dict)
    """Columns of the ledger."""
    error: str | None = None
    error_kind: str | None = None
    adopted: bool = False
    """Whether a verified product was found finished, so that nothing had to be done."""


class Weights(NamedTuple):
    """Digests of the networks products are made with; None where there is none."""

    model: str | None
    codec: str | None


def options_text(options: EncodeOptions, model_sha256: str | None, codec_sha256: str | None = None) -> str:
    """Return as JSON what decides the bytes of a product; how fast it is made is no part of it."""
    said = {each.field: each for each in said_options()}
    found: dict[str, Any] = {"target": options.target.exact}
    for name in (each.name for each in fields(options)):
        value = getattr(options, name)
        # what was not to be chosen once is left out as it was then: those ledgers stay as they are
        if name == "tile_size" or (
            name in said and not (said[name].is_recent and value == said[name].default)
        ):
            found[name] = value
        if name == "codec" and codec_sha256 is not None:
            found["codec_sha256"] = codec_sha256
        if name == "model":
            found["model_sha256"] = model_sha256
    return json.dumps(found)


def options_from(text: str, execution: Execution) -> tuple[EncodeOptions, Weights]:
    """Return the options of :func:`options_text` and the networks they named."""
    fields = json.loads(text)
    for name in ("rules", MIGRATED):
        fields.pop(name, None)
    weights = Weights(fields.pop("model_sha256"), fields.pop("codec_sha256", None))
    target = Target.parse(fields.pop("target"))
    return EncodeOptions(target=target, execution=execution, **fields), weights


COPY = "copy"
"""What is asked for a scene that is not archived but copied."""
MIGRATED = "migrated"
"""Key in what is asked for a scene, of an :class:`Origin`."""


def asked_of(job: SceneJob, asked: str | None, *, is_open: bool) -> SceneJob:
    """Return a scene's job with what a rule asks for it; None: with what the run does.

    Args:
        job: of the run.
        asked: text of :func:`options_text`, or :data:`COPY`.
        is_open: whether products have the suffix that their codec turns out to have.
    """
    if asked is None:
        return job
    fields = {} if asked == COPY else json.loads(asked)
    origin = Origin(**fields[MIGRATED]) if MIGRATED in fields else None
    if asked == COPY or COPY in fields:
        return replace(
            job, asked=asked, copies=True, origin=origin, fingerprint=fingerprint(asked), suffixes=()
        )
    options, weights = options_from(asked, job.options.execution)
    return replace(
        job,
        asked=asked,
        origin=origin,
        options=options,
        fingerprint=fingerprint(asked),
        model_sha256=weights.model,
        codec_sha256=weights.codec,
        suffixes=archive_suffixes(options.codec) if is_open else (),
    )


def fingerprint(text: str) -> str:
    """Return the SHA-256 of what was asked for."""
    return hashlib.sha256(text.encode()).hexdigest()
