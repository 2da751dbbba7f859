"""The door to raster files. No other room imports rasterio."""

from __future__ import annotations

from rsic_geo.raster.crs import same_crs
from rsic_geo.raster.doors.decoders import PixelDecoder
from rsic_geo.raster.env import accepting_damage, gdal_config, gdal_version, reading_config
from rsic_geo.raster.files import fetch_raster
from rsic_geo.raster.formats.cog import LERC_TYPES, CogDraft, predictor_pays
from rsic_geo.raster.gdal_xml import looked_up_vrt_xml, summed_vrt_xml
from rsic_geo.raster.members import largest_blocks, members_of, said_of_others
from rsic_geo.raster.read import SceneReader, open_scene
from rsic_geo.raster.restore import (
    degenerate_geotiff,
    metadata_lost_in_geotiff,
    metadata_missing,
    needs_pam_sidecar,
    sidecar_differences,
    write_mask_sidecar,
    write_pam_sidecar,
)
from rsic_geo.raster.snapshot import metadata_differences
from rsic_geo.raster.write import DRIVERS, LOSSY_NOTE, SceneWriter, copy_as_cog

__all__ = [
    "DRIVERS",
    "LERC_TYPES",
    "LOSSY_NOTE",
    "CogDraft",
    "PixelDecoder",
    "SceneReader",
    "SceneWriter",
    "accepting_damage",
    "copy_as_cog",
    "degenerate_geotiff",
    "fetch_raster",
    "gdal_config",
    "gdal_version",
    "largest_blocks",
    "members_of",
    "metadata_differences",
    "metadata_lost_in_geotiff",
    "metadata_missing",
    "needs_pam_sidecar",
    "open_scene",
    "predictor_pays",
    "reading_config",
    "said_of_others",
    "same_crs",
    "sidecar_differences",
    "looked_up_vrt_xml",
    "summed_vrt_xml",
    "write_mask_sidecar",
    "write_pam_sidecar",
]
