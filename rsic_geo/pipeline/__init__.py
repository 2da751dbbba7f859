"""The order of things: what is read, coded, enhanced, verified and written, and when."""
