"""Turn a training state into shipped weights: ``python -m rsic_geo.training.export STATE --name rsic-tiny``.

Writes NAME.safetensors (fp16, spec in the metadata), NAME.md (model card) and the manifest row. This
is the only writer of the weights folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from rsic_geo.repair.network import (
    LDM_FORMAT,
    REGRESSION,
    VARIANTS_FORMAT,
    LdmSpec,
    ResidualUNet,
    macs_per_pixel,
    paired,
)
from rsic_geo.training.ldm_state import LdmState
from rsic_geo.training.state import RunState, TrainState, read_payload

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FORMAT = "rsic-unet-1"
"""Kind of network and version of its input convention."""
MAX_BYTES = 10_000_000
"""Largest file that may ship inside the package."""
_MANIFEST_HEAD = "# Written by rsic_geo.training.export: one [[weights]] row per file in this folder.\n"
LICENCE = (
    "weights under the package's licence; trained partly on RSSCN7 (no licence stated, research use) "
    "and OpenAerialMap CC BY 4.0"
)

_CARD = """# {name}

{summary}

| | |
|---|---|
| network | {network} |
| size | {parameters:.2f} M parameters, {kmacs:.0f} kMAC per pixel |
| input | decoded pixels in 0..1 ({bands}) and their RMSE on a 64 px lattice |
| output | a correction to add, scaled per scene cell by the strength stored in the archive |
| file | `{name}.safetensors`, fp16, sha256 `{sha256}` |
| training | {steps} steps, {minutes:.0f} minutes |

## Training data
{coding}; {single}.

| source | what | licence |
|---|---|---|
| RSSCN7 | Google Earth, 7 land-use classes | none stated: **research use**; check before any commercial use |
| OpenDroneMap Caliterra, Seneca (near-infrared) | drone | CC0 |
| OpenAerialMap | drone and aerial, tiles once JPEG q75 | CC BY 4.0, contributors of OpenAerialMap |
| NEON DeepForest | airborne, 0.1 m | CC0 |
{more_data}
## Measured
The codec alone against the codec with this network, same bytes, on held-out images of other places
(`python -m rsic_geo.training.validate`, `ldm_validate` for a learned codec); PSNR of 8 bit RGB.

```
{measured}
```

## Limits
Trained for PSNR on 8 bit optical imagery. Thin on harbours, airports and deserts; no radar, no thermal
bands: there the stored strength keeps it from doing harm, it will not gain much. It smooths what the codec
destroyed, it does not invent texture. Imagery that was JPEG-coded before (hard 8 px blocks) gains least.
"""


_SECOND_PART = """\
| UC Merced | aerial, 0.3 m, 21 classes | public domain |
| FAIR1M-like tiles | airports, harbours, suburbs, once JPEG | **research use** |
| Sentinel-2 (OSCD and others), from 16 bits | cities, coast, desert | Copernicus terms, CC BY-SA |
| Sentinel Hub scenes | clouds, snow, storms | CC BY-SA |
| OpenDroneMap copr | dunes | CC BY-SA |
| Landsat (OLI, TM, Levant, wallpaper) | satellite | public domain; the Levant scenes **research use** |
| Google roads, QuickBird (OTB), drone vineyard | satellite, drone | **research use** |
"""
"""Rows of the card for the packs train-3 and train-4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What to write."""

    state: Path
    name: str
    summary: str
    measured: str = "not measured"
    """Output of the validator."""
    folder: Path = Path(__file__).parents[1] / "weights"
    default: bool = False
    """Whether ``auto`` shall mean these weights."""
    default_for: str = ""
    """Codec for whose archives ``auto`` shall mean these weights, such as ``learned``."""
    coded_by: str = ""
    """Learned codec whose output the network was trained on; empty: JPEG 2000."""
    kind: str = "enhancer"
    """``enhancer`` or ``codec``."""
    second_part: bool = False
    """Whether it was also trained on the second part of the training data."""
    teacher: str = ""
    """Weights whose corrections it learned; empty: none."""
    teacher_share: float = 0.9
    """How far its target lay from the originals towards theirs: ``train --teacher-share``."""
    single: Path | None = None
    """State of a U-Net trained on single bands, to go beside the other; None: the other one folded."""


def export(options: ExportOptions) -> str:
    """Write weights, card and manifest row; return the sha256. Raises ValueError on a bad name or size."""
    check_name(options.name)
    shipped = open_shipped(options.state)
    if options.single:
        shipped = with_single(shipped, open_shipped(options.single))
    tensors = {key: value.half().contiguous() for key, value in shipped.network.state_dict().items()}
    metadata = {
        "format": shipped.format,
        "spec": json.dumps(shipped.spec),
        "name": options.name,
        "licence": LICENCE,
    }
    return write_weights(
        options, save(tensors, metadata=metadata), lambda digest: _card(options, shipped, digest)
    )


def write_weights(options: ExportOptions, content: bytes, card: Callable[[str], str]) -> str:
    """Write weights, their card (told the sha256) and the manifest row; return the sha256.

    Raises ValueError on a file too large to ship.
    """
    content = steady(content)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{len(content)} bytes are too many to ship (limit {MAX_BYTES})")
    digest = hashlib.sha256(content).hexdigest()
    write_file(options.folder / f"{options.name}.safetensors", content)
    write_file(options.folder / f"{options.name}.md", card(digest).encode())
    update_manifest(options, digest)
    return digest


def steady(content: bytes) -> bytes:
    """Return a safetensors file with its metadata in order of names, so that equal weights are equal files.

    The library writes them in an order that differs from run to run. ``tensors`` is added to them, the sha256
    of what follows the header, by which ``weights.store`` tells a damaged file.
    """
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    metadata = header.get("__metadata__", {}) | {"tensors": hashlib.sha256(content[end:]).hexdigest()}
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at multiples of eight bytes
    return len(text).to_bytes(8, "little") + text + content[end:]


def check_name(name: str) -> None:
    """Raise ValueError for a name that weights may not have."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{0,47}", name):
        raise ValueError(f"{name!r}: names are lower-case letters, digits, dots and dashes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """The part of a training state that is shipped."""

    network: nn.Module
    format: str
    spec: dict[str, Any]
    """JSON of the network's spec."""
    description: str
    """One line for the card."""
    steps: int
    seconds: float
    """Training time."""
    bands: str = "3 bands, or one band as three equal ones"
    """What its input is, for the card."""
    single: str = "a fifth of them as a single band"
    """How often it was trained on single bands, for the card."""


def open_shipped(path: Path) -> Shipped:
    """Return what a state file of either trainer has to ship: averaged weights, no optimiser, no oracle."""
    device = torch.device("cpu")
    state: RunState
    if "stage" not in read_payload(path):
        state = TrainState.load(path, device=device)
        network: nn.Module = state.average
        unet, spec, kind, extra = state.average.spec, state.average.spec.to_json(), FORMAT, ""
    else:
        state = LdmState.load(path, device=device)
        network, ldm = state.average.network, state.average.network.spec
        unet, spec, kind, extra = ldm.restorer, ldm.to_json(), LDM_FORMAT, _prior_words(ldm)
        if ldm.prior is None:  # the same network, weights and all
            network, spec, kind = state.average.network.restorer, unet.to_json(), FORMAT
    body = "plain" if unet.plain else "residual"
    words = f"{body} U-Net at half resolution, widths {unet.widths}, blocks {unet.blocks}{extra}"
    return Shipped(
        network=network, format=kind, spec=spec, description=words, steps=state.step, seconds=state.seconds
    )


def with_single(shipped: Shipped, other: Shipped) -> Shipped:
    """Return a U-Net with another one beside it, that is asked where there is a single band.

    Raises ValueError if one of them is no plain U-Net, or they propose different numbers of corrections.
    """
    rgb, single = shipped.network, other.network
    if not (isinstance(rgb, ResidualUNet) and isinstance(single, ResidualUNet)):
        raise ValueError("only plain U-Nets can stand beside each other in one file")
    network = paired(rgb, single)
    words = f"{shipped.description}; a second one, for single bands, trained {other.steps} steps"
    return replace(
        shipped,
        network=network,
        format=VARIANTS_FORMAT,
        spec=network.spec.to_json(),
        description=words,
        seconds=shipped.seconds + other.seconds,
        bands="3 bands by one network, single bands by the other",
        single="single bands: a fifth of those the first network saw, all of the second's",
    )


def _prior_words(spec: LdmSpec) -> str:
    if spec.prior is None:
        return ""
    steps = f"{spec.diffusion.steps} diffusion steps from {spec.diffusion.start} noise"
    how = "one regression" if spec.diffusion == REGRESSION else steps
    return f"; prior of {spec.prior.channels} numbers per 64 px cell by {how}, fused by DFAM and FiLM"


def _coding(codec: str) -> str:
    """Return how training images were coded, a sentence without its end."""
    if codec:
        return f"Crops were coded on the fly with the learned codec {codec}, each at a random quality"
    return (
        "Images were coded on the fly with JPEG 2000 (OpenJPEG through Pillow, 9/7 wavelet, colour\n"
        "transform), one rate per image between 0.08 and 2.2 bits per pixel"
    )


def _card(options: ExportOptions, shipped: Shipped, digest: str) -> str:
    taught = (
        f". {options.teacher_share:.0%} of its target were the corrections of `{options.teacher}`, the rest "
        "the originals"
        if options.teacher
        else ""
    )
    return _CARD.format(
        more_data=_SECOND_PART if options.second_part else "",
        name=options.name,
        summary=options.summary,
        network=shipped.description,
        parameters=sum(p.numel() for p in shipped.network.parameters()) / 1e6,
        kmacs=macs_per_pixel(shipped.network) / 1e3,
        sha256=digest,
        steps=shipped.steps,
        minutes=shipped.seconds / 60,
        coding=_coding(options.coded_by),
        bands=shipped.bands,
        single=shipped.single + taught,
        measured=options.measured.strip(),
    )


def list_rows(folder: Path) -> list[dict[str, str]]:
    """Return the rows of a folder's manifest."""
    with (folder / "manifest.toml").open("rb") as stream:
        rows: list[dict[str, str]] = tomllib.load(stream)["weights"]
    return rows


def update_manifest(options: ExportOptions, digest: str) -> None:
    """Replace the row of this name in its place, or append it; other rows stay byte for byte."""
    path = options.folder / "manifest.toml"
    text = path.read_text() if path.exists() else ""
    head, *rows = text.split("[[weights]]\n")
    names = [f'name = "{options.name}"\n' in row for row in rows]
    place = names.index(True) if any(names) else len(rows)
    rows = [row for row, is_ours in zip(rows, names, strict=True) if not is_ours]
    fields = {
        "name": options.name,
        "file": f"{options.name}.safetensors",
        "sha256": digest,
        "summary": options.summary,
        "licence": LICENCE,
    }
    if options.kind != "enhancer":
        fields["kind"] = options.kind
    rows.insert(place, "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()))
    defaults = dict(re.findall(r'^(default\w*) = "(.+)"$', head, re.MULTILINE))
    own_key = "default" if options.kind == "enhancer" else f"default_{options.kind}"
    if options.default or own_key not in defaults:
        defaults[own_key] = options.name
    if options.default_for:
        defaults[f"default_{options.default_for}"] = options.name
    lines = "".join(f'{key} = "{defaults[key]}"\n' for key in sorted(defaults))
    parts = [_MANIFEST_HEAD + lines, *(row.strip() + "\n" for row in rows)]
    write_file(path, "\n[[weights]]\n".join(parts).encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file at one stroke."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def parse(parser: argparse.ArgumentParser, arguments: list[str] | None) -> dict[str, Any]:
    """Add what every exporter asks for; return what was given, the files read."""
    parser.add_argument("state", type=Path, help="state file of the trainer")
    parser.add_argument("--name", required=True)
    parser.add_argument("--summary", required=True, help="one line for the manifest")
    parser.add_argument("--measured", type=Path, help="text file with what was measured")
    parser.add_argument("--folder", type=Path, default=ExportOptions.__dataclass_fields__["folder"].default)
    parser.add_argument("--default", action="store_true", help="make `auto` mean these weights")
    values = vars(parser.parse_args(arguments))
    if values["measured"]:
        values["measured"] = values["measured"].read_text()
    return {key: value for key, value in values.items() if value is not None}


def main(arguments: list[str] | None = None) -> int:
    """Command line of the exporter."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.export", description=__doc__)
    parser.add_argument("--coded-by", help="learned codec whose output it was trained on, by name")
    parser.add_argument(
        "--single", type=Path, help="state of a U-Net trained on single bands, to go beside it"
    )
    parser.add_argument("--second-part", action="store_true", help="trained on train-3 and train-4, too")
    parser.add_argument("--teacher", help="weights whose corrections it learned, by name")
    parser.add_argument("--teacher-share", type=float, help="as it was given to train")
    parser.add_argument("--default-for", choices=("learned",), help="make `auto` mean these for its archives")
    print(export(ExportOptions(**parse(parser, arguments))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
