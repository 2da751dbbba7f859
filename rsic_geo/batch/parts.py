"""Very large scenes of a batch: their row bands are kept over a kill, and made by whoever is idle."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from rsic_geo.batch.message import SceneJob, SceneOutcome
from rsic_geo.batch.source import SourceState
from rsic_geo.codecs.base import CodecEntry
from rsic_geo.errors import RsicGeoError
from rsic_geo.raster import gdal_config, gdal_version, reading_config
from rsic_geo.scenes.kinds import open_store
from rsic_geo.scenes.source import open_source
from rsic_geo.verbs.names import codecs_for
from rsic_geo.version import version
from rsic_geo.write.parts import BandStore, help_out, is_open
from rsic_geo.write.plan import plan_scene
from rsic_geo.write.reading import Bench, sized_codec

PREFIX = "bands-"
"""Begins the names of the folders that outlive a run that was stopped."""


def bands_folders(job: SceneJob) -> list[Path]:
    """Return where row bands of a scene are kept, those of another content of its source too."""
    return sorted(Path(job.workshop).glob(f"{PREFIX}{job.fid}-*"))


def store_for(job: SceneJob, state: SourceState) -> BandStore | None:
    """Return the store of a scene large enough to be worked on by row bands, else None.

    Bands of another content of the source, made by another version or under other options of GDAL, lie in
    folders of other names, whoever may still write there, and are thrown away. None are kept of a source
    whose content has no known digest: one that is no local file, or has members that are none.

    Raises:
        RsicGeoError: if the scene cannot be opened.
        OSError: if the store cannot be written.
    """
    if not (job.bands_above and state.is_known) or _codec_of(job).dial != "size":
        return None
    if job.options.accept_damaged:
        return None  # whoever makes a band hears of its damage, and a band that is kept cannot tell
    with closing(open_store(job.read, job.options.execution).reader) as reader:
        pixels = reader.profile.height * reader.profile.width
    if pixels < job.bands_above:
        return None
    identity = {
        "content_key": state.content_key,
        "stamps": [list(stamp[1:3]) for stamp in state.stamps],
        "fingerprint": job.fingerprint,
        "version": version(),
        "gdal": gdal_version(),
        "config": _digest(reading_config()),  # values may be secrets
    }
    folder = Path(job.workshop) / f"{PREFIX}{job.fid}-{_digest(identity)[:32]}"
    for other in bands_folders(job):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    return BandStore(folder, identity)


def _codec_of(job: SceneJob) -> CodecEntry:
    """Return the codec of a product, by its name, be that a guess: a scene that is none is made in one go."""
    return codecs_for(job.product, job.options.codec)[0]


def _digest(entries: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entries, sort_keys=True).encode()).hexdigest()


def wants_help(job: SceneJob) -> bool:
    """Return whether the worker that archives a scene has bands others could make just now."""
    return any(map(is_open, bands_folders(job)))


def helper_of(job: SceneJob) -> SceneJob:
    """Return the job of a worker that helps with a scene."""
    return replace(job, helps=True)


def help_scene(job: SceneJob) -> SceneOutcome:
    """Make row bands of a scene that another worker archives, until there is nothing left to take.

    An error is told, but is not the scene's: the other worker will meet it, if it is more than bad luck.
    """
    folder = max(bands_folders(job), key=is_open, default=None)
    if folder is None:
        return SceneOutcome(fid=job.fid, state="helped", values={"bands": 0})
    try:
        how = job.options.execution
        with gdal_config(how.gdal | dict(job.config)), open_source(job.read, how) as opened:
            reader, plan = plan_scene(opened, job.options)
            codec = sized_codec(_codec_of(job), plan)
            bench = Bench(reader=reader, plan=plan, codec=codec, workers=how.workers)
            made = help_out(folder, bench)
    except (RsicGeoError, OSError, MemoryError, ValueError, ArithmeticError, LookupError) as error:
        return SceneOutcome(fid=job.fid, state="helped", error=" ".join(str(error).split()))
    return SceneOutcome(fid=job.fid, state="helped", values={"bands": made})
