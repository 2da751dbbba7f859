"""What the ledger's GeoPackage is made of: tables, columns, and the colours QGIS draws states in."""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x47504B47
"""``GPKG``, which tells a GeoPackage from any other SQLite file."""
USER_VERSION = 10300
"""GeoPackage 1.3."""

STATES = ("pending", "running", "done", "failed", "skipped")
COLOURS = {
    "pending": "190,190,190", "running": "255,190,30", "done": "60,160,80", "failed": "215,45,45",
    "skipped": "120,150,200",
}  # fmt: skip
"""Red, green and blue that a state is drawn in."""

SCENE_COLUMNS: tuple[tuple[str, str], ...] = (
    ("run", "TEXT NOT NULL"),
    ("source", "TEXT NOT NULL"),
    ("product", "TEXT NOT NULL"),
    ("state", "TEXT NOT NULL"),
    ("attempts", "INTEGER NOT NULL DEFAULT 0"),
    ("worker", "TEXT"),
    ("heartbeat", "DATETIME"),
    ("started", "DATETIME"),
    ("finished", "DATETIME"),
    ("source_bytes", "INTEGER"),
    ("source_mtime_ns", "INTEGER"),
    ("source_sha256", "TEXT"),
    ("content_key", "TEXT"),
    ("product_bytes", "INTEGER"),
    ("product_sha256", "TEXT"),
    ("width", "INTEGER"),
    ("height", "INTEGER"),
    ("bands", "INTEGER"),
    ("dtype", "TEXT"),
    ("codec", "TEXT"),
    ("codec_sha256", "TEXT"),
    ("model", "TEXT"),
    ("model_sha256", "TEXT"),
    ("target", "TEXT"),
    ("achieved", "REAL"),
    ("lossless", "BOOLEAN"),
    ("psnr", "REAL"),
    ("snr", "REAL"),
    ("meaning", "TEXT"),
    ("max_error", "REAL"),
    ("masks", "TEXT"),
    ("metadata", "TEXT"),
    ("seconds", "REAL"),
    ("warnings", "TEXT"),
    ("error", "TEXT"),
    ("error_kind", "TEXT"),
    ("report", "TEXT"),
    ("checked", "DATETIME"),
    ("rot", "TEXT"),
    ("rule", "TEXT"),
    ("asked", "TEXT"),
)
"""Columns of a scene after its number and footprint, with their GeoPackage types."""

RUN_COLUMNS = ("name", "created", "folder", "template", "reports", "options", "fingerprint", "version")
"""Columns of a run: where its products go, what was asked for, and the fingerprint of that."""

_GEOPACKAGE = """
CREATE TABLE gpkg_spatial_ref_sys (
  srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (
  table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER,
  CONSTRAINT fk_gc_r_srs_id FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL,
  srs_id INTEGER NOT NULL, z TINYINT NOT NULL, m TINYINT NOT NULL,
  CONSTRAINT pk_geom_cols PRIMARY KEY (table_name, column_name),
  CONSTRAINT uk_gc_table_name UNIQUE (table_name),
  CONSTRAINT fk_gc_tn FOREIGN KEY (table_name) REFERENCES gpkg_contents(table_name),
  CONSTRAINT fk_gc_srs FOREIGN KEY (srs_id) REFERENCES gpkg_spatial_ref_sys (srs_id));
CREATE TABLE layer_styles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT, f_table_schema TEXT, f_table_name TEXT,
  f_geometry_column TEXT, styleName TEXT, styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN,
  description TEXT, owner TEXT, ui TEXT, update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')));
"""

_WGS84_WKT = (
    'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],'
    'AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",'
    '0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],'
    'AUTHORITY["EPSG","4326"]]'
)
_SYSTEMS = (
    ("Undefined Cartesian SRS", -1, "NONE", -1, "undefined", "undefined Cartesian coordinates"),
    ("Undefined geographic SRS", 0, "NONE", 0, "undefined", "undefined geographic coordinates"),
    ("WGS 84 geodetic", 4326, "EPSG", 4326, _WGS84_WKT, "longitude and latitude on WGS 84"),
)
_CONTENTS = (
    ("scenes", "features", "Scenes of the archive, by state", 4326),
    ("runs", "attributes", "What each run was asked for", None),
    ("layer_styles", "attributes", "Style of the layer in QGIS", None),
)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make an empty database the GeoPackage of a new ledger, in one transaction."""
    scenes = ", ".join(f"{name} {kind}" for name, kind in SCENE_COLUMNS)
    runs = ", ".join(f"{name} TEXT NOT NULL{' UNIQUE' * (name == 'name')}" for name in RUN_COLUMNS)
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _GEOPACKAGE.split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(
            "CREATE TABLE scenes (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, "
            f"geom MULTIPOLYGON, {scenes})"
        )
        connection.execute(f"CREATE TABLE runs (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {runs})")
        connection.execute("CREATE UNIQUE INDEX scenes_product ON scenes (product)")
        connection.execute("CREATE UNIQUE INDEX scenes_source ON scenes (run, source)")
        connection.execute("CREATE INDEX scenes_state ON scenes (run, state)")
        connection.execute(
            "CREATE INDEX scenes_totals ON scenes "
            "(run, state, width, height, source_bytes, product_bytes, seconds, error_kind)"
        )
        connection.executemany("INSERT INTO gpkg_spatial_ref_sys VALUES (?,?,?,?,?,?)", _SYSTEMS)
        connection.executemany(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) "
            "VALUES (?1, ?2, ?1, ?3, ?4)",
            _CONTENTS,
        )
        connection.execute(
            "INSERT INTO gpkg_geometry_columns VALUES ('scenes', 'geom', 'MULTIPOLYGON', 4326, 0, 0)"
        )
        connection.execute(
            "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, "
            "styleName, styleQML, useAsDefault, description) "
            "VALUES ('', '', 'scenes', 'geom', 'state', ?, 1, 'Scenes coloured by state')",
            (_style(),),
        )
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {USER_VERSION}")


def _style() -> str:
    """Return the QGIS style that fills footprints by state."""
    categories = "".join(
        f'<category symbol="{i}" value="{state}" label="{state}" render="true"/>'
        for i, state in enumerate(STATES)
    )
    symbols = "".join(
        f'<symbol type="fill" name="{i}" alpha="0.6" clip_to_extent="1"><layer '
        'class="SimpleFill" enabled="1" locked="0" pass="0"><Option type="Map">'
        f'<Option name="color" type="QString" value="{COLOURS[state]},255"/>'
        '<Option name="outline_color" type="QString" value="50,50,50,255"/>'
        '<Option name="outline_width" type="QString" value="0.2"/><Option name="style" type="QString" '
        'value="solid"/></Option></layer></symbol>'
        for i, state in enumerate(STATES)
    )
    return (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM"><qgis version="3.22.0" '
        'styleCategories="Symbology"><renderer-v2 type="categorizedSymbol" attr="state" symbollevels="0" '
        f'enableorderby="0" forceraster="0"><categories>{categories}</categories><symbols>{symbols}</symbols>'
        "</renderer-v2><layerGeometryType>2</layerGeometryType></qgis>"
    )
