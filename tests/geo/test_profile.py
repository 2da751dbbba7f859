"""Profiles: per-band defaults, sizes, and what follows from them."""

from __future__ import annotations

import pytest

from rsic_geo.errors import UsageError
from rsic_geo.geo.profile import SceneProfile


def test_defaults_fit_the_bands() -> None:
    profile = SceneProfile(height=2, width=3, count=4, dtype="uint16")
    assert profile.nodata == (None,) * 4
    assert profile.colorinterp == ("undefined",) * 4
    assert not profile.has_alpha
    assert not profile.has_nodata
    assert profile.raw_bytes == 2 * 3 * 4 * 2


def test_alpha_is_found_by_its_colour() -> None:
    profile = SceneProfile(height=2, width=3, count=2, dtype="uint8", colorinterp=("gray", "alpha"))
    assert profile.alpha_band == 1
    assert profile.has_alpha


@pytest.mark.parametrize("field", [{"height": 0}, {"count": 0}, {"nodata": (1,)}, {"colorinterp": ("gray",)}])
def test_impossible_profiles_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SceneProfile(**{"height": 2, "width": 3, "count": 2, "dtype": "uint8"} | field)
