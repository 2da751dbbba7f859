"""The door for shells: the ``rsic`` command. One file per verb; nothing is imported before it is used."""

from __future__ import annotations

from rsic_geo.cli.entry import main

__all__ = ["main"]
