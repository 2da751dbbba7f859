"""How the command line reads what is typed: classic spellings, pairs, amounts of memory."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.cli.classic import modernise
from rsic_geo.cli.options import check_local_output, parse_memory, parse_pair
from rsic_geo.errors import UsageError

CONTEXT = click.Context(click.Command("test"))
OPTION = click.Option(["--test"])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("compress a b", "compress a b"),
        ("decompress a b -of COG", "decompress a b --output-format COG"),
        ("decompress -of=COG a b", "decompress --output-format=COG a b"),
        ("decompress a b -co X=1 -co Y=2", "decompress a b --creation-option X=1 --creation-option Y=2"),
        ("info a --config GDAL_X YES", "info a --config GDAL_X=YES"),
        ("info a --config GDAL_X=YES", "info a --config GDAL_X=YES"),
        ("info a --config A B --config C=D", "info a --config A=B --config C=D"),
        ("compress -i a -o b", "compress a b"),
        ("compress -o b --input=a --target psnr=40", "compress a --target psnr=40 b"),
        ("compress -i a b", "compress a b"),
        ("compress a -o b", "compress a b"),
        ("compress a b -overwrite", "compress a b --overwrite"),
        ("batch run -i scenes -o archive --jobs 2", "batch run scenes --jobs 2 archive"),
        ("eval seams --input a.jp2", "eval seams a.jp2"),
        ("decompress a b -srcwin 0 0 9 9", "decompress a b --srcwin 0 0 9 9"),
        ("decompress a b -projwin -5 4 -4 3", "decompress a b --projwin -5 4 -4 3"),
        ("decompress a b -projwin_srs EPSG:1", "decompress a b --projwin-srs EPSG:1"),
        ("compress -- -of -co", "compress -- -of -co"),
    ],
)
def test_classic_spellings_become_those_of_rfc_104(typed, meant):
    assert modernise(typed.split()) == meant.split()


@given(
    st.lists(st.sampled_from(["compress", "a.tif", "--target", "psnr=40", "-q", "--config=K=V", "--json"]))
)
def test_modern_spellings_are_left_alone(words):
    assert modernise(words) == words


def test_pairs_come_repeated_or_joined_by_commas():
    pairs = parse_pair(CONTEXT, OPTION, ("COMPRESS=ZSTD,PREDICTOR=2", "NAME=a,b=c,d", "EMPTY="))
    assert pairs == (("COMPRESS", "ZSTD"), ("PREDICTOR", "2"), ("NAME", "a"), ("b", "c,d"), ("EMPTY", ""))


@pytest.mark.parametrize("word", ["COMPRESS", "=ZSTD", ""])
def test_what_is_no_pair_is_refused(word):
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        parse_pair(CONTEXT, OPTION, (word,))


@pytest.mark.parametrize(
    ("text", "mib"),
    [("512", 512), ("512MB", 512), ("2G", 2048), ("1.5 GiB", 1536), ("2048k", 2), (None, None)],
)
def test_memory_is_read_in_mib_or_with_a_unit(text, mib):
    assert parse_memory(CONTEXT, OPTION, text) == mib


def test_memory_may_be_a_share_of_the_machine():
    assert parse_memory(CONTEXT, OPTION, "100%") > parse_memory(CONTEXT, OPTION, "1%") >= 1


@pytest.mark.parametrize("text", ["much", "-1", "5 pounds", "1e3"])
def test_other_amounts_are_refused(text):
    with pytest.raises(click.BadParameter, match="no amount of memory"):
        parse_memory(CONTEXT, OPTION, text)


@pytest.mark.parametrize("path", ["/vsimem/out.tif", "/vsis3/bucket/out.tif", "https://example.org/out.tif"])
def test_outputs_must_be_on_a_disk(path):
    with pytest.raises(UsageError, match="local disk"):
        check_local_output(path)
