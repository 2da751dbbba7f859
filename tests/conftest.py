"""Fixtures every test may use. What is needed at collection time is in ``helpers/support.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import REPOSITORY, SHARED

# Machines are shared: how long an example takes says nothing about the code. The same examples everywhere, so
# that what passes here passes in CI. To look for new ones: RSIC_RANDOM=1 make test
settings.register_profile(
    "rsic",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("RSIC_RANDOM"),
)
settings.load_profile("rsic")


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Return the folder of real scenes beside the checkout; skip the test where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real scenes (folder 'shared' beside the checkout) are not on this machine")
    return SHARED


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Return the folder of scenes the project generated itself and committed."""
    folder = REPOSITORY / "sample_data"
    if not any(folder.glob("*.tif")):
        pytest.skip("sample_data/ holds no scenes: run its generator")
    return folder
