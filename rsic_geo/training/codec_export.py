"""Ship a codec: ``python -m rsic_geo.training.codec_export STATE --name NAME --summary WORDS``.

Writes NAME.safetensors (integers of the entropy model with its frequency tables, half precision of the
transforms, spec in the metadata), NAME.md (model card) and the manifest row.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import sys
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from rsic_geo.codecs.compressai_network import CompressaiNetwork
from rsic_geo.codecs.learned_network import FORMAT, LEVELS, CodecSpec, tables
from rsic_geo.codecs.learned_network.frozen import shipped_tensors
from rsic_geo.codecs.learned_network.model import LearnedNetwork
from rsic_geo.codecs.learned_network.refine import refined
from rsic_geo.codecs.learned_network.spec import phases
from rsic_geo.training.codec_state import CodecState
from rsic_geo.training.data import StreamOptions, crop_stream, find_packs
from rsic_geo.training.degrade import DegradeOptions
from rsic_geo.training.export import (
    LICENCE,
    ExportOptions,
    check_name,
    parse,
    steady,
    write_file,
    write_weights,
)
from rsic_geo.training.state import read_payload

COUNTED_CROPS = 256
"""Crops whose symbols are counted."""
_CARD = """# {name}

{summary}

| | |
|---|---|
| network | lapped transform of 8 px blocks with residual networks, hyperprior, context in {steps} steps of {groups} channels |
| size | {parameters:.2f} M parameters, of which the entropy model runs in integers |
| input | three bands, or one seen as three, in 0..1 over the scene's radiometry |
| quality | one scalar for 256 levels; lambda {low} to {high} against the squared error of 8 bit samples |
| file | `{name}.safetensors`, sha256 `{sha256}` |
| training | {trained} steps, {minutes:.0f} minutes |

## Training data
Crops of uncoded images, a fifth of them as a single band, some shrunk, toned or with permuted bands.

| source | what | licence |
|---|---|---|
| RSSCN7 | Google Earth, 7 land-use classes | none stated: **research use**; check before any commercial use |
| OpenDroneMap Caliterra, Seneca (near-infrared) | drone | CC0 |
| OpenAerialMap | drone and aerial, tiles once JPEG q75 | CC BY 4.0, contributors of OpenAerialMap |
| NEON DeepForest | airborne, 0.1 m | CC0 |

## Measured
Against JPEG 2000 (OpenJPEG, 9/7 wavelet, colour transform) on held-out images of other places; PSNR of 8 bit RGB.

```
{measured}
```

## Limits
Trained for PSNR on 8 bit optical imagery. Symbols are exact on every device; pixels are float32 and may differ by
rounding. A payload decodes with exactly these weights and no others: an archive names their sha256, keep the file.
"""  # noqa: E501


_COMPRESSAI_CARD = """# {name}

{summary}

| | |
|---|---|
| network | CompressAI's {arch}, N = {n}, M = {m}, groups of channels: {groups} |
| size | {parameters:.2f} M parameters |
| file | `{name}.safetensors`, sha256 `{sha256}` |
| from | {origin} |

## Measured
```
{measured}
```

## Limits
The entropy model is computed in floats: a machine whose arithmetic comes to other latents refuses the archive.
A payload decodes with exactly these weights and no others: an archive names their sha256, keep the file.
"""  # noqa: E501


def export(options: ExportOptions, data: Path | None = None, passes: int = 0) -> str:
    """Write weights, card and manifest row; return the sha256.

    With a folder of packs the frequency tables follow the symbols of some crops, refined so many times.

    Raises ValueError on a bad name, a file too large, an unknown checkpoint, or weights that do not fit the
    integers.
    """
    check_name(options.name)
    state = read_checkpoint(options.state)
    if isinstance(state, CompressaiNetwork):
        return _export_compressai(options, state, "a checkpoint of CompressAI")
    network = state.average
    if isinstance(network, CompressaiNetwork):
        origin = f"training.codec, {state.step} steps, {state.seconds / 60:.0f} minutes"
        return _export_compressai(options, network, origin)
    spec = network.spec
    metadata = {
        "format": FORMAT,
        "spec": json.dumps(spec.to_json()),
        "name": options.name,
        "licence": LICENCE,
    }
    counts = count_symbols(network.eval(), data, passes) if data else None
    content = save(shipped_tensors(network, counts), metadata=metadata)
    return write_weights(options, content, lambda digest: _card(options, state, spec, digest))


def read_checkpoint(path: Path) -> CodecState | CompressaiNetwork:
    """Return the state in a file, or the network of a checkpoint of CompressAI's; no code of it is run.

    Raises:
        ValueError: it is neither.
    """
    try:
        payload = read_payload(path)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(f"{path}: no checkpoint that can be read without running code of it") from error
    if not isinstance(payload, dict):
        raise ValueError(f"{path}: no checkpoint with a state dict")
    if "codec" in payload:
        return CodecState.load(path, device=torch.device("cpu"))
    given = payload.get("state_dict", payload)
    tensors = {k.removeprefix("module."): v for k, v in given.items() if isinstance(v, Tensor)}
    try:
        return CompressaiNetwork.from_tensors(tensors)
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _export_compressai(options: ExportOptions, network: CompressaiNetwork, origin: str) -> str:
    if options.folder == ExportOptions.__dataclass_fields__["folder"].default or options.default:
        raise ValueError("networks of CompressAI are not shipped: say where yours goes, --folder FOLDER")
    spec = network.spec
    tensors = {k: v.contiguous() for k, v in (network.tensors() | network.tables()).items()}
    content = steady(save(tensors, metadata={"name": options.name}))
    digest = hashlib.sha256(content).hexdigest()
    card = _COMPRESSAI_CARD.format(
        name=options.name,
        summary=options.summary,
        arch=spec.arch,
        n=spec.n,
        m=spec.m,
        groups=", ".join(map(str, spec.groups)) or "none",
        parameters=sum(p.numel() for p in network.parameters()) / 1e6,
        sha256=digest,
        origin=origin,
        measured=options.measured.strip(),
    )
    write_file(options.folder / f"{options.name}.safetensors", content)
    write_file(options.folder / f"{options.name}.md", card.encode())
    return digest


@torch.no_grad()
def count_symbols(network: LearnedNetwork, data: Path, passes: int = 0) -> Tensor:
    """Return how often each size of symbol occurs in crops of training images, at all qualities alike."""
    packs = find_packs(data)
    stream = crop_stream(StreamOptions(packs=packs, seed=7, crop=128, degrade=DegradeOptions(is_coded=False)))
    counts = tables.no_counts()
    network.refining = partial(refined, network, passes) if passes else None
    for number, crop in enumerate(islice(stream, 0, 4 * COUNTED_CROPS, 4)):
        pixels = torch.from_numpy(crop.original.copy()).permute(2, 0, 1)[None].float() / 255
        level = torch.tensor([number * 37 % LEVELS])
        network(pixels.contiguous(), level, hard=True, held=True, counts=counts)
    return counts


def _card(options: ExportOptions, state: CodecState, spec: CodecSpec, digest: str) -> str:
    return _CARD.format(
        name=options.name,
        summary=options.summary,
        steps=sum(len(phases(group)) for group in range(len(spec.groups))),
        groups=", ".join(str(count) for count in spec.groups),
        parameters=sum(p.numel() for p in state.average.parameters()) / 1e6,
        low=spec.lambda_low,
        high=spec.lambda_high,
        sha256=digest,
        trained=state.step,
        minutes=state.seconds / 60,
        measured=options.measured.strip(),
    )


def main(arguments: list[str] | None = None) -> int:
    """Command line of the exporter."""
    parser = argparse.ArgumentParser(prog="python -m rsic_geo.training.codec_export", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of packs, for frequency tables that were counted")
    parser.add_argument(
        "--passes", type=int, default=0, help="count symbols of latents refined so many times"
    )
    given = parse(parser, arguments)
    data, passes = given.pop("data", None), given.pop("passes", 0)
    try:
        print(export(ExportOptions(kind="codec", **given), data, passes))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
