"""What single kinds of archives need of GDAL."""
