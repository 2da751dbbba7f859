"""``make demo``: the main job once, on a small scene, with the numbers and a picture.

``python -m rsic_geo.evaluation.demo [SCENE] [TARGET]`` writes into ``out/``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rsic_geo.errors import RsicGeoError
from rsic_geo.evaluation.picture import side_by_side
from rsic_geo.options import DecodeOptions, EncodeOptions
from rsic_geo.raster import open_scene
from rsic_geo.targets import Target
from rsic_geo.verbs.compare import compare
from rsic_geo.verbs.compress import compress
from rsic_geo.verbs.decompress import decompress

REPOSITORY = Path(__file__).resolve().parents[2]
SCENE = REPOSITORY / "sample_data" / "fields_rgb_utm.tif"
TARGET = "psnr=34"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What one demonstration reads and writes."""

    scene: Path
    archive: Path
    codec: Path
    """Decompressed without enhancement."""
    enhanced: Path
    picture: Path

    @classmethod
    def of(cls, scene: Path, folder: Path) -> Files:
        """Return the names of a demonstration in ``folder``."""
        name = scene.stem
        return cls(
            scene=scene,
            archive=folder / f"{name}.jp2",
            codec=folder / f"{name}_codec.tif",
            enhanced=folder / f"{name}_enhanced.tif",
            picture=folder / "demo.png",
        )


def run(files: Files, target: Target) -> dict[str, Any]:
    """Compress, decompress twice, compare; return the numbers of the table.

    Raises:
        RsicGeoError: if a step fails.
    """
    files.archive.parent.mkdir(parents=True, exist_ok=True)
    scene, archive = str(files.scene), str(files.archive)
    packed = compress(scene, archive, EncodeOptions(target=target, overwrite=True)).to_json()
    decompress(archive, str(files.codec), DecodeOptions(enhance="off", overwrite=True))
    unpacked = decompress(archive, str(files.enhanced), DecodeOptions(overwrite=True)).to_json()
    codec, enhanced = compare(scene, str(files.codec)), compare(scene, str(files.enhanced))
    with open_scene(scene) as reader:
        items = _leaves(reader.metadata().to_json())
    return {
        "scene": packed["input"],
        "target": packed["target"],
        "bytes": packed["bytes"],
        "ratio": packed["ratio"],
        "bpp": packed["bpp"],
        "psnr_codec": codec.psnr,
        "psnr_enhanced": enhanced.psnr,
        "model": packed["model"],
        "metadata_items": items,
        "metadata_lost": len(enhanced.to_json()["metadata_diff"]),
        "validity_equal": enhanced.mask_equal and all(band.valid_equal for band in enhanced.bands),
        "seconds_compress": packed["seconds"],
        "seconds_decompress": unpacked["seconds"],
    }


def _leaves(value: Any) -> int:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return sum(_leaves(entry) for entry in value.values())
    if isinstance(value, list | tuple):
        return sum(_leaves(entry) for entry in value)
    return 1


def table(numbers: Mapping[str, Any], files: Files) -> list[tuple[str, str]]:
    """Return the rows of the table, name and text."""
    scene, target, lost = numbers["scene"], numbers["target"], numbers["metadata_lost"]
    size = f"{scene['width']} x {scene['height']} px, {scene['bands']} bands {scene['dtype']}"
    reached = "" if target["achieved"] is None else f", reached {target['achieved']:.2f}"
    model = numbers["model"]["name"] if numbers["model"] else "no network"
    return [
        ("scene", f"{files.scene.name}, {size}"),
        ("target", f"{target['asked']}{reached}"),
        ("archive", f"{numbers['bytes']} bytes"),
        ("ratio", f"{numbers['ratio']:.1f} (pixels uncompressed / archive)"),
        ("bits per pixel", f"{numbers['bpp']:.3f}"),
        ("PSNR codec alone", _decibels(numbers["psnr_codec"])),
        ("PSNR enhanced", f"{_decibels(numbers['psnr_enhanced'])} ({model})"),
        ("metadata", f"{numbers['metadata_items'] - lost} kept, {lost} lost"),
        ("nodata and masks", "exactly as in the scene" if numbers["validity_equal"] else "CHANGED"),
        ("compress", f"{numbers['seconds_compress']:.1f} s, search for the target and verification included"),
        ("decompress", f"{numbers['seconds_decompress']:.1f} s, enhanced"),
    ]


def _decibels(psnr: float | None) -> str:
    return "no error" if psnr is None else f"{psnr:.2f} dB"


def main(argv: list[str]) -> int:
    """Run the demonstration; return an exit code."""
    scene = Path(argv[0]) if argv else SCENE
    files = Files.of(scene, Path("out"))
    try:
        numbers = run(files, Target.parse(argv[1] if len(argv) > 1 else TARGET))
        rows = table(numbers, files)
        caption = "\n".join(f"{name}: {text}" for name, text in rows)
        side_by_side([files.scene, files.codec, files.enhanced], caption, files.picture)
    except RsicGeoError as error:
        print(f"demo: error: {error}", file=sys.stderr)
        return error.exit_code
    for name, text in [*rows, ("picture", str(files.picture))]:
        print(f"{name:18}{text}")
    return 0 if numbers["metadata_lost"] == 0 and numbers["validity_equal"] else 4


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
