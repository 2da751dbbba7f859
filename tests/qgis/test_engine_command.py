"""What the plugin asks of the engine is what the engine's command line takes."""

from __future__ import annotations

from dataclasses import replace

import click
import pytest

from qgis_plugin.engine import command
from qgis_plugin.engine.command import Compression, Execution, Job, Product


def _parsed(words: list[str]) -> dict[str, object]:
    """Return the values the real command line would see; a word it does not know is an error."""
    from rsic_geo.cli.classic import modernise
    from rsic_geo.cli.entry import rsic

    verb, *rest = modernise(list(words))
    found = rsic.get_command(click.Context(rsic), verb)
    assert found is not None
    return found.make_context(verb, rest).params


def test_what_is_written_is_named_by_its_whole_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    job = Job("in.jp2", "sub/out.tif", report="r.json")
    words = command.enhance(job, Product(), command.Repair(change="c.tif"))
    assert words[2] == str(tmp_path / "sub" / "out.tif")
    assert words[words.index("--report") + 1] == str(tmp_path / "r.json")
    assert words[words.index("--change") + 1] == str(tmp_path / "c.tif")


def test_defaults_leave_everything_to_the_engine():
    assert command.compress(Job("a.tif", "/b.jp2", is_overwriting=False), Compression()) == [
        *("compress", "a.tif", "/b.jp2", "--target", "lossless", "--progress", "json", "--json")
    ]
    assert command.decompress(Job("b.jp2", "/c.tif"), Product()) == [
        *("decompress", "b.jp2", "/c.tif", "--overwrite", "--progress", "json", "--json")
    ]


EVERYTHING = Execution(device="cpu", memory="2GB", threads=3, window_size=256)
JOB = Job("/data/ä b.tif", "/out/x.jp2", EVERYTHING, report="/out/r.json")
QUICK = replace(JOB, execution=replace(EVERYTHING, is_fast=True))


def test_the_engine_understands_every_option_of_compress():
    compression = Compression(
        target="psnr",
        value=40.5,
        codec="jp2",
        model="none",
        tile_size=512,
        quantize="uint16",
        sidecar="never",
        georef="geojp2",
        has_overview=True,
        is_sealed=True,
        is_verified=False,
        accepts_loss=True,
        nodata=-9999.5,
    )
    part = command.Part((-12.5, 48.25, 1e-3, 47), (3, 1))
    seen = _parsed(command.compress(JOB, compression, part))
    assert (seen["projwin"], seen["bands"], str(seen["nodata"])) == (part.corners, (3, 1), "-9999.5")
    assert seen["accept_loss"] is True
    assert (seen["georef"], seen["seal"], seen["overviews"]) == ("geojp2", True, "small")
    assert seen["source"] == "/data/ä b.tif"
    assert seen["destination"] == "/out/x.jp2"
    assert str(seen["target"]).startswith("psnr=40.5") or seen["target"]
    assert {
        "report": "/out/r.json",
        "overwrite": True,
        "as_json": True,
        "progress": "json",
    }.items() <= seen.items()
    assert {"memory": 2048, "threads": 3, "device": "cpu", "window_size": 256}.items() <= seen.items()
    assert "none" in (seen["verify"], seen["model"])


def test_the_engine_understands_every_option_of_the_other_verbs():
    product = Product("COG", ("COMPRESS=ZSTD", "LEVEL=9"))
    seen = _parsed([*command.decompress(JOB, product, "off"), "--allow-other-model"])
    assert seen["driver"] == "COG"
    assert seen["creation_options"] == (("COMPRESS", "ZSTD"), ("LEVEL", "9"))
    assert seen["enhance"] == "off"
    seen = _parsed(command.decompress(QUICK, product, part=command.Part((0.1, 9, 8, -1e-7), (2,), 3)))
    assert (seen["projwin"], seen["bands"], seen["level"]) == ((0.1, 9, 8, -1e-7), (2,), 3)
    assert seen["is_fast_reading"] is True
    repair = command.Repair("rsic-tiny", 0.75, 4.5, "/out/c.tif")
    part = command.Part((-12.5, 48.25, 1e-3, 47), (3, 1))
    seen = _parsed(command.enhance(JOB, product, repair, part))
    assert (seen["max_change"], seen["change"]) == (4.5, "/out/c.tif")
    assert (seen["projwin"], seen["bands"]) == ((-12.5, 48.25, 1e-3, 47), (3, 1))
    assert (seen["model"], seen["strength"]) == ("rsic-tiny", 0.75)
    seen = _parsed(command.compare("a", "b", 40, 3, ["tags", "nodata"]))
    assert (seen["min_psnr"], seen["max_error"], seen["ignore"]) == (40, 3, ("tags", "nodata"))
    assert _parsed(command.validate("a", False))["no_pixels"] is True
    assert _parsed(command.validate("a"))["no_pixels"] is False


@pytest.mark.parametrize(
    ("target", "value", "word"),
    [
        ("lossless", None, "lossless"),
        ("psnr", 40.0, "psnr=40"),
        ("bpp", 0.15, "bpp=0.15"),
        ("snr", 30.0, "snr=30"),
        ("max-rel-error", 1.5, "max-rel-error=1.5%"),
        ("bpppb", 0.05, "bpppb=0.05"),
        ("ratio", 1e6, "ratio=1000000"),
    ],
)
def test_targets_are_spelled_as_the_engine_does(target, value, word):
    assert Compression(target=target, value=value).target_word() == word
