"""Scenes that a rule has copied as they are."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from rsic_geo.batch.ledger.file import now
from rsic_geo.batch.message import COPY, RECEIPT_SCHEMA, SceneJob, SceneOutcome
from rsic_geo.batch.publish import flush, publish, workshop_for, write_json
from rsic_geo.batch.source import (
    READ_WITH,
    SourceState,
    check_unchanged,
    sha256_of,
    source_of,
)
from rsic_geo.errors import UnsupportedSceneError, VerificationError


def copied(job: SceneJob, state: SourceState, started: float) -> SceneOutcome:
    """Copy the files of a source; done when the copy's bytes are the source's.

    Raises:
        UnsupportedSceneError: it is no file of this machine, or consists of several that name each other.
        VerificationError: the copy is not the same.
    """
    check_copied(job.read, state)
    product = Path(job.product)
    with workshop_for(job.workshop, job.fid) as folder:
        finished = folder / product.name
        for name, *_ in state.stamps:
            copy = Path(f"{finished}{name[len(job.read) :]}")
            shutil.copy2(name, copy)
            flush(copy)
        check_unchanged(job.read, state)
        if sha256_of(finished) != state.sha256:
            raise VerificationError(f"the copy of {job.read} has other bytes: is the disk sound?")
        values = {
            **source_of(job, state),
            "product_bytes": finished.stat().st_size,
            "product_sha256": state.sha256,
            "product": job.product,
            "asked": job.asked,
            "codec": COPY,
            "target": COPY,
            "lossless": 1,
            "max_error": 0.0,
            "masks": "identical",
            "metadata": "identical",
            "report": job.report,
            "seconds": round(time.monotonic() - started, 3),
            "finished": now(),
        }
        receipt = {
            "schema": RECEIPT_SCHEMA,
            "run": job.run,
            "verified": True,
            "fingerprint": job.fingerprint,
            "ledger": values,
            "footprint": None,
            "report": {"input": {"path": job.source, "sha256": values["source_sha256"]}},
        }
        write_json(job.report, receipt, folder)
        publish(finished, job)
    return SceneOutcome(fid=job.fid, state="done", values=values)


def check_copied(source: str, state: SourceState) -> None:
    """Refuse to copy what is no file of this machine, or names others that belong to it.

    Raises:
        UnsupportedSceneError: it is so.
    """
    others = set(state.members) - {source + suffix for suffix in READ_WITH}
    if state.sha256 is None or others:
        raise UnsupportedSceneError(
            f"{source} is no single file that could be copied as it is: archive it, or leave it out"
        )
