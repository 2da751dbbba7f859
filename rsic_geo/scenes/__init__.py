"""Whatever holds a scene, opened for reading: rasters of GDAL, archives of ours, parts, quantised views."""
