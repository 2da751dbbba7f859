"""The units enhancers and filters work in: whole steps of a band's used range."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

STEPS = 4080
"""Steps of a band's used range that pixels are seen in: 16 for a digital number of uint8."""
FINE = 16 * STEPS
"""Steps of it that corrections are given in: 256 for a digital number of uint8."""
LEAST, MOST = -STEPS, 2 * STEPS
"""Ends that pixels are held to, in steps: values far outside the used range say nothing of what was lost."""

Steps: TypeAlias = NDArray[np.int16]
