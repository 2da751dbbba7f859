"""Everything that talks to the `rsic` program. Imports no QGIS, so plain Python tests it."""
