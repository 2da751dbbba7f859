"""``python -m rsic_geo`` is the ``rsic`` command."""

from __future__ import annotations

import sys

from rsic_geo.cli import main

if __name__ == "__main__":
    sys.exit(main())
