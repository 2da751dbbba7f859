"""Codecs: the pixels of ONE tile to bytes and back. They know nothing of files, scenes or georeferencing."""
