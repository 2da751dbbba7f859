"""``rsic capabilities``: what this installation can do, for programs that drive it."""

from __future__ import annotations

from typing import Any

import click

from rsic_geo.cli.console import Console
from rsic_geo.cli.options import talking
from rsic_geo.cli.summary import outline

SCHEMA = "rsic-capabilities/1"


def describe() -> dict[str, Any]:
    """Return everything a caller may choose from. Loads no network."""
    from importlib.metadata import version

    from rsic_geo.codecs import registry
    from rsic_geo.options import TILE_SIZES
    from rsic_geo.targets import TARGETS, numbered
    from rsic_geo.weights import list_weights

    weights = list_weights()
    codecs: list[dict[str, Any]] = []
    for codec in registry.installed():
        networks = [row.name for row in weights if row.kind == codec.weights_kind]
        if codec.weights_kind and not networks:
            continue
        codecs.append(
            {
                "name": codec.name,
                "dtypes": list(codec.dtypes),
                "lossless": codec.is_lossless_capable,
                "suffixes": list(codec.suffixes),
                "weights": networks,
            }
        )
    choice = registry.candidates(registry.AUTO)
    codecs.insert(
        0,
        {
            "name": registry.AUTO,
            "dtypes": list(dict.fromkeys(dtype for codec in choice for dtype in codec.dtypes)),
            "lossless": True,
            "suffixes": [suffix for codec in choice for suffix in codec.suffixes],
            "weights": [],
        },
    )
    return {
        "schema": SCHEMA,
        "rsic_version": version("rsic-geo"),
        "verbs": list(_verbs()),
        "codecs": codecs,
        "targets": list(TARGETS),
        "target_values": {
            kind: {"unit": row.unit, "usual_of_bytes": row.usual[0], "usual": row.usual[1]}
            for kind, row in numbered().items()
        },
        "tile_sizes": list(TILE_SIZES),
        "models": [row.name for row in weights if row.kind == "enhancer"],
        "archive_extensions": list(dict.fromkeys(each for codec in codecs for each in codec["suffixes"])),
        "output_formats": ["GTiff", "COG"],
        "devices": ["auto", "cpu", *(["cuda"] if _has_cuda() else [])],
        "progress": ["auto", "bar", "json", "none"],
        "exit_codes": {
            "0": "ok",
            "1": "error",
            "2": "usage or unsupported input",
            "3": "some scenes of a batch failed",
            "4": "verification failed, target missed, a band lost its structure or scenes differ",
            "5": "model or engine unavailable",
            "130": "interrupted",
        },
    }


def _has_cuda() -> bool:
    """Return whether torch can use a GPU; torch, which takes seconds, is asked only where a driver is."""
    import ctypes
    import importlib
    import os

    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        return bool(importlib.import_module("torch").cuda.is_available())
    except (OSError, ImportError, RuntimeError):
        return False


def _verbs() -> tuple[str, ...]:
    from rsic_geo.cli.entry import VERBS

    return VERBS


@click.command(short_help="List codecs, targets, networks and formats.")
@talking
def capabilities(console: Console) -> None:
    """List codecs, targets, networks and formats of this installation (with --json for programs)."""
    entries = describe()
    console.result(entries, outline(entries))
