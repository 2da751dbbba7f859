"""The registry knows its codecs by name and names them when asked for another."""

from __future__ import annotations

import numpy as np
import pytest

from rsic_geo.codecs import registry
from rsic_geo.codecs.jpeg2000 import J2KParams
from rsic_geo.errors import UnknownCodecError


def test_every_name_gives_a_codec_of_that_name():
    assert registry.names() == ("jp2", "learned")
    assert registry.installed()[0].name == "jp2"
    assert registry.get_codec("jp2").codec_id == "jp2"


def test_a_codec_from_the_registry_codes():
    codec = registry.get_codec("jp2")
    pixels = np.arange(48, dtype=np.uint16).reshape(1, 6, 8)
    assert codec.is_lossless_capable
    np.testing.assert_array_equal(codec.decode(codec.encode(pixels, J2KParams(lossless=True))), pixels)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownCodecError, match="jp2"):
        registry.get_codec("mpeg")
