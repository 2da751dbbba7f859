"""rsic_geo: smaller archives of remote-sensing scenes, given back better than their codec.

Importing this package loads neither torch nor rasterio. The verbs are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rsic_geo import errors
from rsic_geo.errors import RsicGeoError

if TYPE_CHECKING:
    from rsic_geo.geo.window import Window
    from rsic_geo.report import Report
    from rsic_geo.verbs.api import compare, compress, decompress, enhance, info, open, validate
    from rsic_geo.verbs.compare import Comparison
    from rsic_geo.verbs.dataset import Dataset

    __version__: str

__all__ = [
    "Comparison",
    "Dataset",
    "Report",
    "RsicGeoError",
    "Window",
    "__version__",
    "compare",
    "compress",
    "decompress",
    "enhance",
    "errors",
    "info",
    "open",
    "validate",
]
_PLACES = {
    "Comparison": "rsic_geo.verbs.compare",
    "Dataset": "rsic_geo.verbs.dataset",
    "Report": "rsic_geo.report",
    "Window": "rsic_geo.geo.window",
    **dict.fromkeys(
        ("compare", "compress", "decompress", "enhance", "info", "open", "validate"), "rsic_geo.verbs.api"
    ),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Load what is public when it is asked for; every class of :mod:`rsic_geo.errors` is here, too."""
    if name in _PLACES:
        found = globals()[name] = getattr(import_module(_PLACES[name]), name)
        return found
    if name == "__version__":
        from rsic_geo.version import version

        return version()
    if name.endswith("Error") and hasattr(errors, name):
        return getattr(errors, name)
    raise AttributeError(f"module 'rsic_geo' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__, *(name for name in vars(errors) if name.endswith("Error"))})
