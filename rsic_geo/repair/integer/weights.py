"""Integer networks in a file of weights: one for three bands, one for single bands, and a golden window."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from rsic_geo.errors import WeightsError
from rsic_geo.repair.integer.engines import Golden
from rsic_geo.repair.integer.graph import IntegerNetwork

INTEGER_FORMAT = "rsic-integer-1"
"""Format of weights files that hold integer networks."""
_KINDS = ("rgb", "single")


def pack(networks: list[IntegerNetwork], golden: Golden, metadata: dict[str, str]) -> bytes:
    """Return the content of a weights file with networks for three bands and for one.

    Args:
        networks: of three bands and of one, with equally many proposals.
        golden: a window and the digest of what both make of it.
        metadata: further text to go with them.
    """
    tensors: dict[str, NDArray[Any]] = {"golden": golden.window}
    spec: dict[str, Any] = {"golden": golden.sha256}
    for kind, network in zip(_KINDS, networks, strict=True):
        tensors |= network.tensors(kind)
        spec[kind] = network.to_json()
    tensors = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    return safetensors.numpy.save(tensors, metadata | {"format": INTEGER_FORMAT, "spec": json.dumps(spec)})


def unpack(content: bytes, spec: dict[str, Any], name: str) -> tuple[list[IntegerNetwork], Golden]:
    """Return the networks of a file, for three bands and for one, and its golden window.

    Args:
        content: the file.
        spec: JSON of its metadata.
        name: what errors call it.

    Raises WeightsError if it holds no such networks, or some whose sums might not be exact.
    """
    try:
        tensors = safetensors.numpy.load(content)
        networks = [IntegerNetwork.from_file(spec[kind], tensors, kind) for kind in _KINDS]
        window = tensors["golden"]
        if window.dtype != np.uint8 or window.ndim != 3 or len(window) != networks[0].channels:
            raise ValueError("no golden window")
        if [one.bands for one in networks] != [3, 1] or networks[0].proposals != networks[1].proposals:
            raise ValueError("no pair of networks")
        return networks, Golden(window=window, sha256=str(spec["golden"]))
    except (SafetensorError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise WeightsError(f"weights {name!r} do not fit the network they describe ({error})") from error
