"""The kinds of archives, each written in its own way."""
