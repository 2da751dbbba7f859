"""Networks of integers: the same bytes on every machine, whoever computes them. Loads no torch."""
