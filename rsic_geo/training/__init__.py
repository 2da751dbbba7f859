"""Workshop: make the weights that `rsic_geo.enhance` uses. Nothing in the package imports it."""
