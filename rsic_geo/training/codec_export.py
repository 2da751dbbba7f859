"""Ship a codec: ``python -m rsic_geo.training.codec_export STATE --name NAME --summary WORDS``.

Writes NAME.safetensors (integers of the entropy model with its frequency tables, half precision of the
transforms, spec in the metadata), NAME.md (model card) and the manifest row.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import islice
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from rsic_geo.codecs.learned_network import (
    FORMAT,
    LEVELS,
    CodecSpec,
    LearnedNetwork,
    shipped_tensors,
    tables,
)
from rsic_geo.training.codec_state import CodecState
from rsic_geo.training.data import StreamOptions, crop_stream, find_packs
from rsic_geo.training.degrade import DegradeOptions
from rsic_geo.training.export import LICENCE, ExportOptions, check_name, parse, write_weights

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


def export(options: ExportOptions, data: Path | None = None) -> str:
    """Write weights, card and manifest row; return the sha256.

    With a folder of packs the frequency tables follow the symbols of some of its crops.

    Raises ValueError on a bad name, a file too large, or weights that do not fit the integers.
    """
    check_name(options.name)
    state = CodecState.load(options.state, device=torch.device("cpu"))
    network, spec = state.average, state.average.spec
    metadata = {
        "format": FORMAT,
        "spec": json.dumps(spec.to_json()),
        "name": options.name,
        "licence": LICENCE,
    }
    counts = count_symbols(network.eval(), data) if data else None
    content = save(shipped_tensors(network, counts), metadata=metadata)
    return write_weights(options, content, lambda digest: _card(options, state, spec, digest))


@torch.inference_mode()
def count_symbols(network: LearnedNetwork, data: Path) -> Tensor:
    """Return how often each size of symbol occurs in crops of training images, at all qualities alike."""
    packs = find_packs(data)
    stream = crop_stream(StreamOptions(packs=packs, seed=7, crop=128, degrade=DegradeOptions(is_coded=False)))
    counts = tables.no_counts()
    for number, crop in enumerate(islice(stream, 0, 4 * COUNTED_CROPS, 4)):
        pixels = torch.from_numpy(crop.original.copy()).permute(2, 0, 1)[None].float() / 255
        level = torch.tensor([number * 37 % LEVELS])
        network(pixels.contiguous(), level, hard=True, held=True, counts=counts)
    return counts


def _card(options: ExportOptions, state: CodecState, spec: CodecSpec, digest: str) -> str:
    from rsic_geo.codecs.learned_network.entropy import phases

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
    given = parse(parser, arguments)
    data = given.pop("data", None)
    print(export(ExportOptions(kind="codec", **given), data))
    return 0


if __name__ == "__main__":
    sys.exit(main())
