"""The mean of several runs of one network: ``python -m rsic_geo.training.soup OUT STATE STATE...``.

Runs that began with the same weights end in the same valley, and the mean of their ends is often better than
each (M. Wortsman et al., "Model soups", ICML 2022). States of enhancers may propose different numbers of
corrections: what only some of them propose is the mean of those. Codecs can be averaged too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rsic_geo.training.proposals import proposals_of
from rsic_geo.training.state import read_payload


def mixed(payloads: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a state without optimiser whose average is the mean of the given states' averages.

    Steps, seconds and history are those of the state with the most proposals, the last of several.

    Raises:
        ValueError: fewer than two states, or states of different networks.
    """
    if len(payloads) < 2:
        raise ValueError("a mean needs two states or more")
    widest = max(reversed(payloads), key=lambda payload: proposals_of(payload["average"]))
    weights: dict[str, Tensor] = {}
    for name, value in widest["average"].items():
        like = _rows(value)
        total, count = torch.zeros_like(like, dtype=torch.float32), torch.zeros(len(like))
        for payload in payloads:
            if name not in payload["average"]:
                raise ValueError(f"the states are of different networks: {name}")
            one = _rows(payload["average"][name])
            if one.shape[1:] != like.shape[1:] or len(one) > len(like):
                raise ValueError(f"the states are of different networks: {name}")
            total[: len(one)] += one.float()
            count[: len(one)] += 1
        weights[name] = (total / count.view(-1, *[1] * (like.dim() - 1))).reshape(value.shape)
    kept = {key: value for key, value in widest.items() if key not in ("network", "optimizer")}
    return kept | {"average": weights}


def _rows(value: Tensor) -> Tensor:
    """Return a tensor with one dimension at least."""
    return value if value.dim() else value.reshape(1)


def main(arguments: list[str] | None = None) -> int:
    """Write the mean of states."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.soup", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("out", type=Path)
    parser.add_argument("states", type=Path, nargs="+")
    values = parser.parse_args(arguments)
    torch.save(mixed([read_payload(state) for state in values.states]), values.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
