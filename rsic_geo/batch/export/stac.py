"""Finished scenes as STAC items, or as one STAC-GeoParquet file. The only module that imports pystac."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import shapely
from shapely.geometry import mapping

from rsic_geo.batch.export.crops import thumbnail
from rsic_geo.batch.export.names import Names, portable
from rsic_geo.batch.ledger.file import Ledger, Row, RunRecord, now
from rsic_geo.batch.message import COPY
from rsic_geo.batch.publish import whole_folder, write_json
from rsic_geo.codecs.registry import title_of
from rsic_geo.errors import MissingDependencyError, RsicGeoError, UsageError
from rsic_geo.geo.extent import Extent, blob_parts
from rsic_geo.geo.metadata import MetadataSnapshot
from rsic_geo.raster.crs import epsg_and_axes
from rsic_geo.raster.doors.vsi import public_address
from rsic_geo.raster.files import PendingFile
from rsic_geo.scenes.archive import Archive

if TYPE_CHECKING:
    import pystac

EXTENSIONS = (
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
_SHA256_MULTIHASH = "1220"
"""Code of SHA-256 and its length, which a STAC checksum begins with."""
_MEDIA_TYPES = {
    ".jp2": "image/jp2",
    ".cog.tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tif": "image/tiff; application=geotiff",
}
# Acquisition before TIFFTAG_DATETIME, into which some write when the file was made.
_DATE_KEYS = (
    "ACQUISITIONDATETIME", "ACQUISITION_DATETIME", "DATATAKE_1_DATATAKE_SENSING_START", "ACQUISITION_DATE",
    "TIFFTAG_DATETIME",
)  # fmt: skip
_DATE = re.compile(
    r"(\d{4})[:-](\d{2})[:-](\d{2})(?:[ T](\d{2}):(\d{2}):(\d{2})(?:\.\d*)?\s*(Z|[+-]\d{2}:?\d{2})?)?"
)
_FIRST_PHOTOGRAPH = datetime(1858, 1, 1, tzinfo=timezone.utc)
"""No image from above is older; STAC wants a beginning where nothing is known."""
_COLLECTION = "collection"


def write_items(ledger: Ledger, record: RunRecord, folder: Path) -> int:
    """Write every finished scene as an item, and their collection, into a folder; return how many.

    Raises:
        MissingDependencyError: if pystac is not installed.
        OSError: if the folder cannot be written.
    """
    try:
        import pystac
    except ImportError as error:
        raise MissingDependencyError("pystac is not installed: pip install 'rsic-geo[stac]'") from error
    names, extent, times, links = Names((_COLLECTION,)), Extent(), _Interval(), [_link("root")]
    collection = portable("-".join([Path(record.folder).name, record.name]))
    with whole_folder(folder) as unfinished:
        for row in ledger.scenes(record.name, "done"):
            name = names.of(record, row["product"])
            item = _item(name, record, row, folder)
            _add_thumbnail(item, name, row, unfinished)
            extent.add(row["geom"])
            times.add(item, row)
            entries = item.to_dict(include_self_link=False)
            entries["collection"] = collection
            entries["links"] += [_link("root"), _link("parent"), _link("collection")]
            write_json(unfinished / f"{name}.json", entries)
            links.append({"rel": "item", "href": f"./{name}.json", "type": "application/geo+json"})
        bounds = extent.bounds() or (-180.0, -90.0, 180.0, 90.0)
        whole = pystac.Collection(
            id=collection,
            description=f"Scenes archived by rsic_geo, run {record.name}",
            extent=pystac.Extent(
                pystac.SpatialExtent([list(bounds)]), pystac.TemporalExtent([[times.start, times.end]])
            ),
            license="other",  # that of the scenes, which nobody told us
        )
        write_json(unfinished / f"{_COLLECTION}.json", {**whole.to_dict(), "links": links})
    return len(links) - 1


def write_geoparquet(ledger: Ledger, record: RunRecord, path: Path) -> int:
    """Write every finished scene as a row of one STAC-GeoParquet file, beside no thumbnails; return how many.

    Raises:
        MissingDependencyError: if stac-geoparquet is not installed.
        UsageError: no scene is finished.
        OSError: if the file cannot be written.
    """
    try:
        from stac_geoparquet import arrow
    except ImportError as error:
        raise MissingDependencyError(
            "stac-geoparquet is not installed: pip install 'rsic-geo[geoparquet]'"
        ) from error
    names, count = Names(), 0

    def items() -> Iterator[dict[str, Any]]:
        nonlocal count
        for row in ledger.scenes(record.name, "done"):
            item = _item(names.of(record, row["product"]), record, row, path.parent)
            entries = item.to_dict(include_self_link=False)
            # A column has one type: nowhere is an empty polygon, a nodata of NaN is text in all rows or none.
            if entries["geometry"] is None:
                entries |= {"geometry": {"type": "Polygon", "coordinates": []}, "bbox": [0.0] * 4}
            for band in entries["assets"]["data"].get("bands", ()):
                if "nodata" in band:
                    band["nodata"] = str(band["nodata"])
            count += 1
            yield entries

    if not ledger.totals(record.name)["done"]["scenes"]:
        raise UsageError(f"no scene of run {record.name!r} is finished: there is nothing to write")
    pending = PendingFile(path)
    try:
        arrow.to_parquet(arrow.parse_stac_items_to_arrow(items()), pending.temporary)
        pending.publish()
    finally:
        pending.discard()
    return count


def _add_thumbnail(item: pystac.Item, name: str, row: Row, folder: Path) -> None:
    """Write a small picture beside an item; of a copy that is no raster of ours there is none."""
    import pystac

    try:
        with Archive(row["product"], enhance="off") as archive:
            picture = thumbnail(archive)
    except (RsicGeoError, OSError):
        return
    (folder / f"{name}.png").write_bytes(picture)
    digest = _SHA256_MULTIHASH + hashlib.sha256(picture).hexdigest()
    asset = pystac.Asset(
        href=f"{quote(name)}.png",
        media_type="image/png",
        roles=["thumbnail"],
        extra_fields={"file:size": len(picture), "file:checksum": digest},
    )
    item.add_asset("thumbnail", asset)


@dataclass(slots=True)
class _Interval:
    """When the scenes of a collection were taken; open where that is not known of one."""

    start: datetime | None = None
    end: datetime | None = None
    _is_open: bool = False

    def add(self, item: pystac.Item, row: Row) -> None:
        start = item.datetime or item.common_metadata.start_datetime
        end = item.datetime or item.common_metadata.end_datetime
        self._is_open = self._is_open or item.properties["rsic:datetime_from"] is None
        self.start = None if self._is_open else min(filter(None, (start, self.start)), default=None)
        self.end = max(filter(None, (end, self.end)), default=None)


def _link(rel: str) -> dict[str, str]:
    return {"rel": rel, "href": f"./{_COLLECTION}.json", "type": "application/json"}


def _item(name: str, record: RunRecord, row: Row, folder: Path) -> pystac.Item:
    import pystac

    snapshot = _snapshot(row["product"])
    times, origin = _times(snapshot, row)
    placed = Extent()
    is_placed = placed.add(row["geom"])
    item = pystac.Item(
        id=name,
        geometry=_geometry(row["geom"]) if is_placed else None,
        bbox=list(placed.bounds() or ()) or None,
        **times,
        properties={
            **_projection(snapshot, row),
            **_processing(record, row),
            **({} if row["finished"] is None else {"created": row["finished"]}),
            "rsic:datetime_from": origin,
            "rsic:source": row["source"].rpartition("/")[2],
            "rsic:source_sha256": row["source_sha256"],
        },
        stac_extensions=list(EXTENSIONS),
    )
    item.add_asset("data", _asset(row, snapshot, folder))
    address = public_address(row["source"])
    if address is not None:
        item.add_link(pystac.Link(rel="derived_from", target=address))
    return item


def _geometry(blob: bytes) -> dict[str, Any]:
    parts = blob_parts(blob)
    return dict(mapping(parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)))


def _snapshot(product: str) -> MetadataSnapshot | None:
    """Return the metadata an archive gives back, or None where it cannot be opened any more."""
    try:
        with Archive(product, enhance="off") as archive:
            return archive.snapshot
    except (RsicGeoError, OSError):
        return None


def _times(snapshot: MetadataSnapshot | None, row: Row) -> tuple[dict[str, datetime | None], str | None]:
    """Return when a scene was taken, as arguments of an item, and which tag says so; None where none does.

    Of a tag that tells only the day the item spans that day. Where nothing is known the scene is at most as
    old as photography from above, and older than its archive: the time of a file says when it was copied.
    """
    domains = () if snapshot is None else snapshot.tags.values()
    for key, domain in itertools.product(_DATE_KEYS, domains):
        found = _DATE.match(str(domain.get(key, "")))
        if found is None:
            continue
        *parts, zone = found.groups()
        try:
            year, month, day, hour, minute, second = (int(part or 0) for part in parts)
            offset = datetime.strptime(zone or "Z", "%z").tzinfo
            taken = datetime(year, month, day, hour, minute, second, tzinfo=offset).astimezone(timezone.utc)
        except (ValueError, OverflowError):
            continue
        if parts[3] is not None:
            return {"datetime": taken}, key
        end = taken + timedelta(hours=23, minutes=59, seconds=59)
        return {"datetime": None, "start_datetime": taken, "end_datetime": end}, key
    archived = datetime.fromisoformat((row["finished"] or now()).replace("Z", "+00:00"))
    return {"datetime": None, "start_datetime": _FIRST_PHOTOGRAPH, "end_datetime": archived}, None


def _projection(snapshot: MetadataSnapshot | None, row: Row) -> dict[str, Any]:
    # A copy may be of a file that is no raster.
    found: dict[str, Any] = {"proj:shape": [row["height"], row["width"]]} if row["width"] else {}
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


def _processing(record: RunRecord, row: Row) -> dict[str, Any]:
    codec = None if row["target"] == COPY else title_of(row["codec"])
    # Warnings may name files beside the source by paths that are of no use elsewhere, and nobody's business.
    warnings = row["warnings"] and row["warnings"].replace(f"{os.path.dirname(row['source'])}/", "")
    if codec is None:
        lineage = "A copy of its source, byte for byte."
    elif row["lossless"]:
        lineage = f"Stored lossless by {codec}: every pixel comes back."
    else:
        psnr = "" if row["psnr"] is None else f", PSNR {row['psnr']:.2f} dB"
        psnr += "" if row["snr"] is None else f", SNR {row['snr']:.2f} dB of the worst band"
        reached = f"{row['target']}{psnr}, largest error {row['max_error']:g}"
        lineage = f"Stored lossy by {codec} to the target {reached}."
        lineage += f" {row['meaning']}." if row["meaning"] else ""
        lineage += f" Warning: {warnings}." if warnings else ""
    found = {
        "processing:software": {"rsic-geo": record.version},
        "rsic:target": row["target"],
        "rsic:enhanced": row["model"] is not None,
        **({} if row["snr"] is None else {"rsic:snr": row["snr"]}),
        **({} if warnings is None else {"rsic:warnings": warnings}),
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


def _asset(row: Row, snapshot: MetadataSnapshot | None, folder: Path) -> pystac.Asset:
    import pystac

    bands = [_band(row, snapshot, i) for i in range(row["bands"] or 0)]
    return pystac.Asset(
        href=public_address(row["product"])
        or quote(Path(os.path.relpath(row["product"], folder)).as_posix()),
        media_type=next(
            (kind for suffix, kind in _MEDIA_TYPES.items() if row["product"].lower().endswith(suffix)),
            None,  # a copy of a file of any format
        ),
        roles=["data"],
        extra_fields={
            "file:size": row["product_bytes"],
            "file:checksum": _SHA256_MULTIHASH + row["product_sha256"],
            **({"bands": bands} if bands else {}),
        },
    )


def _band(row: Row, snapshot: MetadataSnapshot | None, i: int) -> dict[str, Any]:
    """Return what the items say of one band, counted from 0."""
    found: dict[str, Any] = {"name": f"{i + 1}", "data_type": row["dtype"], "raster:sampling": "area"}
    if snapshot is None:
        return found
    found["raster:sampling"] = snapshot.area_or_point.lower()
    found["description"] = snapshot.descriptions[i] or snapshot.colorinterp[i] or "undefined"
    nodata, scale, offset = snapshot.nodata[i], snapshot.scales[i], snapshot.offsets[i]
    if nodata is not None:
        found["nodata"] = nodata if math.isfinite(nodata) else str(nodata)
    if math.isfinite(scale) and math.isfinite(offset) and (scale, offset) != (1, 0):
        found |= {"raster:scale": scale, "raster:offset": offset}
    if snapshot.units[i]:
        found["unit"] = snapshot.units[i]
    if snapshot.bits[i]:
        found["raster:bits_per_sample"] = snapshot.bits[i]
    return found
