"""Turn float weights into integers that ship: ``python -m rsic_geo.training.quantise FLOAT --data FOLDER``.

FLOAT is a U-Net that ``training.export`` wrote. Nothing is trained: the scale of every tensor (a power of
two) is the one that leaves the least error of the corrections on crops of the training pictures, coded as in
training. Scales of tensors that are added are one scale. Writes NAME.safetensors, the card and the manifest
row, as the exporter does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from rsic_geo.repair.integer.engines import Golden, NumpyEngine
from rsic_geo.repair.integer.graph import ZERO, IntegerNetwork
from rsic_geo.repair.integer.weights import pack
from rsic_geo.repair.network import ResidualUNet, UNetVariants, network_of, paired
from rsic_geo.training.data import StreamOptions, crop_stream, find_packs
from rsic_geo.training.degrade import DegradeOptions
from rsic_geo.training.export import ExportOptions, list_rows, steady, write_weights
from rsic_geo.training.rounding import Quantiser
from rsic_geo.training.train import to_batch

CROPS = 48
"""Crops that scales are chosen on."""
_GOLDEN_SIDE = 40


def calibration(packs: tuple[Path, ...], crops: int) -> tuple[Tensor, Tensor]:
    """Return decoded crops (n, 3, 128, 128) in 0..1 and their distortion (n, 1, 2, 2)."""
    options = StreamOptions(
        packs=packs, seed=11, crops_per_megapixel=2.0, degrade=DegradeOptions(grey_share=0.0)
    )
    x, _, sigma = to_batch(list(islice(crop_stream(options), crops)), torch.device("cpu"))
    return x, sigma


def quantise(
    pair: UNetVariants, x: Tensor, sigma: Tensor, say: Callable[[str], None] = print
) -> list[IntegerNetwork]:
    """Return the integer networks of three bands and of one, with scales chosen on crops.

    Args:
        pair: float networks.
        x: (n, 3, h, w) decoded crops in 0..1.
        sigma: (n, 1, h/64, w/64).
        say: told what was reached.
    """
    made = []
    for network, pixels in ((pair.rgb, x), (pair.single, x[:, 1:2])):
        with torch.inference_mode():
            folded = network.fold(pixels, sigma)[0]
        quantiser = Quantiser(network, folded)
        quantiser.search(say)
        made.append(quantiser.build(is_final=True))
        share = quantiser.error(made[-1])
        say(f"{network.spec.bands} bands: rounding is {share:.2%} of the corrections' energy")
    return made


def golden_of(networks: list[IntegerNetwork]) -> Golden:
    """Return a window of everything a byte can be, and what it becomes by numpy's int64."""
    rng = np.random.default_rng(2026)
    shape = (networks[0].channels, _GOLDEN_SIDE, _GOLDEN_SIDE)
    window = np.clip(np.rint(rng.normal(ZERO, 30, shape)), 0, 255).astype(np.uint8)
    window[:, : _GOLDEN_SIDE // 2] = rng.choice(
        np.array([0, 255], np.uint8), (shape[0], _GOLDEN_SIDE // 2, 1)
    )
    window[:, :, : _GOLDEN_SIDE // 4] = rng.integers(0, 256, (*shape[:2], _GOLDEN_SIDE // 4))
    golden = Golden(window=window, sha256="")
    return replace(golden, sha256=golden.digest(networks, lambda one: NumpyEngine(one, np.int64)))


def read_float(path: Path) -> tuple[UNetVariants, dict[str, str]]:
    """Return the networks of exported float weights, and the file's metadata.

    Raises ValueError if it holds no U-Net.
    """
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
        network = network_of(metadata["format"], json.loads(metadata["spec"]))
        network.load_state_dict({name: opened.get_tensor(name) for name in opened.keys()})  # noqa: SIM118
    network = network.eval().requires_grad_(False)
    if type(network) is ResidualUNet:
        network = paired(network)
    if not isinstance(network, UNetVariants):
        raise ValueError(f"{path}: only U-Nets become integers")
    return network, metadata


def ship(networks: list[IntegerNetwork], metadata: dict[str, str], folder: Path, measured: str) -> str:
    """Write integers over the float weights of a folder, with card and manifest row; return the sha256.

    Raises FileNotFoundError or ValueError if the folder holds no such weights.
    """
    name = metadata["name"]
    row = next((row for row in list_rows(folder) if row["name"] == name), None)
    if row is None:
        raise ValueError(f"{folder}: the manifest has no row of {name}")
    content = steady(pack(networks, golden_of(networks), metadata))
    options = ExportOptions(state=Path(), name=name, summary=row["summary"], folder=folder)
    return write_weights(options, content, partial(_card, folder / f"{name}.md", measured))


def _card(path: Path, measured: str, digest: str) -> str:
    """Return a card of float weights, told what became of them."""
    name = path.stem
    text = re.sub(
        r"\| file \|.*\|",
        f"| file | `{name}.safetensors`, integers of 8 bits made of the float weights "
        f"(`training.quantise`), sha256 `{digest}` |",
        path.read_text(),
    )
    text = re.sub(r"\n### As integers\n.*?(?=\n## )", "", text, flags=re.DOTALL)
    if not measured:
        return text
    return text.replace("\n## Limits", f"\n### As integers\n```\n{measured.strip()}\n```\n\n## Limits")


def main(arguments: list[str] | None = None) -> int:
    """Command line of the quantiser."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.quantise", description=__doc__)
    parser.add_argument("weights", type=Path, help="float weights, as the exporter wrote them")
    parser.add_argument("--data", type=Path, required=True, help="folder of training packs")
    parser.add_argument("--crops", type=int, default=CROPS)
    parser.add_argument("--folder", type=Path, default=ExportOptions.__dataclass_fields__["folder"].default)
    parser.add_argument("--measured", type=Path, help="text file with what was measured, for the card")
    values = parser.parse_args(arguments)
    pair, metadata = read_float(values.weights)
    kept = {key: metadata[key] for key in ("licence", "name")} | {"unet": json.dumps(pair.rgb.spec.to_json())}
    networks = quantise(pair, *calibration(find_packs(values.data), values.crops))
    measured = values.measured.read_text() if values.measured else ""
    print(ship(networks, kept, values.folder, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
