"""Workshop: make the weights that `rsic_geo.repair` uses. Nothing in the package imports it."""
