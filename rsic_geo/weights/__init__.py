"""Network weights shipped with the package, or found beside it: located, verified, opened."""

from __future__ import annotations

from rsic_geo.weights.store import (
    ENVIRONMENT_VARIABLE,
    WEIGHTS_FOLDER,
    WeightsFile,
    WeightsRow,
    beside,
    default_name,
    enhancer_name,
    keep_weights,
    lent,
    list_weights,
    open_weights,
)

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "WEIGHTS_FOLDER",
    "WeightsFile",
    "WeightsRow",
    "beside",
    "default_name",
    "enhancer_name",
    "keep_weights",
    "lent",
    "list_weights",
    "open_weights",
]
