"""rsic_geo: smaller archives of remote-sensing scenes, given back better than their codec.

Importing this package loads no torch. The verbs are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rsic_geo.verbs.api import compare, compress, decompress, enhance, info, open, validate

__all__ = ["compare", "compress", "decompress", "enhance", "info", "open", "validate"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load a verb when it is asked for."""
    if name in __all__:
        from rsic_geo.verbs import api

        return getattr(api, name)
    raise AttributeError(f"module 'rsic_geo' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*globals(), *__all__])
