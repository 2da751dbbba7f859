"""What programs outside bring and expect: rasterio's habits, scenes that are no files, bytes by ranges."""
