"""The algorithms of the provider, in the order of a scene's life."""

from __future__ import annotations

from .checkengine import CheckEngine
from .compare import Compare
from .compress import Compress
from .decompress import Decompress
from .enhance import Enhance
from .reencodefolder import ReencodeFolder
from .validate import Validate

ALGORITHMS = (Compress, Decompress, Enhance, Compare, Validate, ReencodeFolder, CheckEngine)

__all__ = ["ALGORITHMS"]
