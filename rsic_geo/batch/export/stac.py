"""Finished scenes as STAC items. The only module that imports pystac."""

from __future__ import annotations

import json
import math
import os
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsic_geo.batch.ledger.file import Ledger, RunRecord
from rsic_geo.batch.publish import write_json
from rsic_geo.codecs.registry import title_of
from rsic_geo.errors import MissingDependencyError, RsicGeoError
from rsic_geo.geo.footprint_blob import blob_bounds, blob_geojson
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster.crs import epsg_and_axes
from rsic_geo.scenes.open import open_archive
from rsic_geo.verbs.names import archive_suffixes

if TYPE_CHECKING:
    import pystac

EXTENSIONS = (
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_SHA256_MULTIHASH = "1220"
_MEDIA_TYPES = {
    ".jp2": "image/jp2",
    ".cog.tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tif": "image/tiff; application=geotiff",
}
"""Code of SHA-256 and its length, which a STAC checksum begins with."""
_DATE_KEYS = ("ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "ACQUISITION_DATE", "TIFFTAG_DATETIME")


def write_items(ledger: Ledger, record: RunRecord, folder: Path) -> int:
    """Write every finished scene as an item, and a collection item list, into a folder; return how many.

    Raises:
        MissingDependencyError: if pystac is not installed.
        OSError: if the folder cannot be written.
    """
    try:
        import pystac
    except ImportError as error:
        raise MissingDependencyError("pystac is not installed: pip install 'rsic-geo[stac]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    links, count = [], 0
    for row in ledger.scenes(record.name, "done"):
        name = item_id(record, row["product"])
        place = folder / f"{name}.json"
        item = _item(pystac.Item, record, row, folder)
        write_json(place, item.to_dict(include_self_link=False))
        links.append({"rel": "item", "href": f"./{place.name}", "type": "application/geo+json"})
        count += 1
    write_json(
        folder / "catalog.json",
        {
            "type": "Catalog",
            "stac_version": pystac.get_stac_version(),
            "id": record.name,
            "description": f"Scenes archived by rsic_geo, run {record.name}",
            "links": [{"rel": "root", "href": "./catalog.json", "type": "application/json"}, *links],
        },
    )
    return count


def item_id(record: RunRecord, product: str) -> str:
    """Return the id of a product's item: its path below the output folder, on one level."""
    relative = Path(os.path.relpath(product, record.folder)).as_posix()
    for suffix in archive_suffixes(json.loads(record.options)["codec"]):
        relative = relative.removesuffix(suffix)
    return relative.replace("/", "__")


def _item(kind: type[pystac.Item], record: RunRecord, row: Any, folder: Path) -> pystac.Item:  # noqa: ANN401
    snapshot = _snapshot(row["product"])
    moment, origin = _moment(snapshot, row)
    item = kind(
        id=item_id(record, row["product"]),
        geometry=blob_geojson(row["geom"]),
        bbox=None if row["geom"] is None else list(blob_bounds(row["geom"])),
        datetime=moment,
        properties={
            **_projection(snapshot, row),
            **_processing(record, row),
            "created": row["finished"],
            "rsic:datetime_from": origin,
        },
        stac_extensions=list(EXTENSIONS),
    )
    item.add_asset("data", _asset(row, snapshot, folder))
    import pystac

    source = row["source"]
    target = Path(source).as_uri() if source.startswith("/") else source
    item.add_link(pystac.Link(rel="derived_from", target=target))
    return item


def _snapshot(product: str) -> MetadataSnapshot | None:
    """Return the metadata an archive gives back, or None where it cannot be opened any more."""
    try:
        with open_archive(product, enhance="off") as archive:
            return archive.snapshot
    except (RsicGeoError, OSError):
        return None


def _moment(snapshot: MetadataSnapshot | None, row: Any) -> tuple[datetime, str]:  # noqa: ANN401
    """Return when a scene was taken and where that is known from, at worst the age of its file."""
    for domain in (snapshot.tags if snapshot is not None else {}).values():
        for key in _DATE_KEYS:
            found = re.match(
                r"(\d{4})[:-](\d{2})[:-](\d{2})(?:[ T](\d{2}):(\d{2}):(\d{2}))?", str(domain.get(key, ""))
            )
            if found:
                try:
                    year, month, day, hour, minute, second = (int(part) for part in found.groups(default="0"))
                    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc), key
                except ValueError:
                    continue
    seconds = (row["source_mtime_ns"] or 0) / 1e9
    return datetime.fromtimestamp(seconds, timezone.utc), "time of change of the source file"


def _projection(snapshot: MetadataSnapshot | None, row: Any) -> dict[str, Any]:  # noqa: ANN401
    found: dict[str, Any] = {"proj:shape": [row["height"], row["width"]]}
    if snapshot is None:
        return {**found, "proj:code": None}
    crs = snapshot.crs or snapshot.gcp_crs
    code, _ = epsg_and_axes(crs)
    found["proj:code"] = None if code is None else f"EPSG:{code}"
    if crs is not None and code is None:
        found["proj:wkt2"] = crs
    if snapshot.transform is not None:
        found["proj:transform"] = list(snapshot.transform)
    return found


def _processing(record: RunRecord, row: Any) -> dict[str, Any]:  # noqa: ANN401
    codec = title_of(row["codec"])
    if row["lossless"]:
        lineage = f"Stored lossless by {codec}: every pixel comes back."
    else:
        psnr = "" if row["psnr"] is None else f", PSNR {row['psnr']:.2f} dB"
        psnr += "" if row["snr"] is None else f", SNR {row['snr']:.2f} dB of the worst band"
        reached = f"{row['target']}{psnr}, largest error {row['max_error']:g}"
        lineage = f"Stored lossy by {codec} to the target {reached}."
        lineage += f" {row['meaning']}." if row["meaning"] else ""
        lineage += f" Warning: {row['warnings']}." if row["warnings"] else ""
    found = {
        "processing:software": {"rsic-geo": record.version},
        "rsic:target": row["target"],
        "rsic:enhanced": row["model"] is not None,
        **({} if row["snr"] is None else {"rsic:snr": row["snr"]}),
        **({} if row["warnings"] is None else {"rsic:warnings": row["warnings"]}),
    }
    if row["codec_sha256"] is not None:
        lineage += " The codec is a network: its pixels are partly estimated, not measured."
        found |= {"rsic:codec": row["codec"], "rsic:codec_sha256": row["codec_sha256"]}
    if row["model"] is not None:
        lineage += (
            f" Readers of rsic_geo enhance it by the model {row['model']}: those pixels are partly "
            "estimated, not measured."
        )
        found |= {"rsic:model": row["model"], "rsic:model_sha256": row["model_sha256"]}
    return {**found, "processing:lineage": lineage}


def _asset(row: Any, snapshot: MetadataSnapshot | None, folder: Path) -> pystac.Asset:  # noqa: ANN401
    import pystac

    nodata = snapshot.nodata if snapshot is not None else (None,) * row["bands"]
    sampling = "point" if snapshot is not None and snapshot.area_or_point == "Point" else "area"
    names = snapshot.colorinterp if snapshot is not None else ("",) * row["bands"]
    return pystac.Asset(
        href=Path(os.path.relpath(row["product"], folder)).as_posix(),
        media_type=next(
            (kind for suffix, kind in _MEDIA_TYPES.items() if row["product"].lower().endswith(suffix)),
            None,  # a copy of a file of any format
        ),
        roles=["data"],
        extra_fields={
            "file:size": row["product_bytes"],
            "file:checksum": _SHA256_MULTIHASH + row["product_sha256"],
            "bands": [
                {
                    "name": f"{i}",
                    "description": name or "undefined",
                    **_samples(row["dtype"], value, sampling),
                }
                for i, (name, value) in enumerate(zip(names, nodata, strict=True), start=1)
            ],
        },
    )


def _samples(dtype: str, nodata: float | None, sampling: str) -> dict[str, Any]:
    found: dict[str, Any] = {"data_type": dtype, "raster:sampling": sampling}
    if nodata is not None:
        found["nodata"] = nodata if math.isfinite(nodata) else str(nodata)
    return found
