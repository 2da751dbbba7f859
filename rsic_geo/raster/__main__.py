"""``python -m rsic_geo.raster SOURCE TARGET DRIVER NAME=VALUE ...`` copies a raster with GDAL alone."""

import sys

from rsic_geo.raster.fetch import main

if __name__ == "__main__":
    main(sys.argv[1:])
