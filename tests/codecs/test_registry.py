"""The registry knows its codecs by name and names them when asked for another."""

from __future__ import annotations

import pytest

from rsic_geo.codecs import registry
from rsic_geo.errors import UnknownCodecError


def test_every_name_gives_a_codec_of_that_name():
    assert registry.names() == ("cog", "compressai", "jp2", "learned")
    assert {"cog", "jp2"} <= {entry.name for entry in registry.installed()}
    assert registry.get_entry("learned:any-weights").name == "learned"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(UnknownCodecError, match="'mpeg' is not known: use cog or compressai or jp2"):
        registry.get_entry("mpeg")
    assert registry.title_of("jp2") == "JPEG 2000"
    assert registry.title_of("mpeg") == "codec mpeg"
