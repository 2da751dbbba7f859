"""Value types and tile algebra of scenes: numpy, affine and shapely only."""
