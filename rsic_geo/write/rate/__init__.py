"""How many bits: sharing them over the tiles, and the searches that meet a target."""
