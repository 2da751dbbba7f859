"""What may be asked for, and what progress and cancelling mean."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsic_geo.batch.message import options_from, options_text
from rsic_geo.batch.rules import _OPTIONS
from rsic_geo.cli.commands.batch import run
from rsic_geo.cli.commands.compress import compress
from rsic_geo.errors import JobCancelledError, UsageError
from rsic_geo.options import DecodeOptions, EncodeOptions, Execution, Said, said_options
from rsic_geo.progress import Progress
from rsic_geo.targets import Target


@pytest.mark.parametrize(
    "text", ["", "best", "psnr", "psnr=", "psnr=x", "psnr=nan", "psnr=-3", "ratio=0.5", "bpp=0", "lossless=1"]
)
def test_nonsense_targets_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(text)
    assert "\n" not in str(caught.value)


def test_no_error_at_all_means_lossless() -> None:
    assert Target.parse("max-error=0").is_lossless
    assert not Target.parse("max-error=1").is_lossless


@pytest.mark.parametrize("text", ["max-error=1,2%", "max-error=1%,2%", "rmse=1%,2%"])
def test_one_unit_stands_behind_the_last_of_several_values_or_behind_each(text: str) -> None:
    target = Target.parse(text)
    assert (target.values, target.unit) == ((1.0, 2.0), "%")
    assert str(target) == f"{target.kind}=1,2%"


@pytest.mark.parametrize("text", ["max-error=1%,2", "max-error=1r,2%", "max-error=1,2%,3%", "rmse=1r,2,3r"])
def test_values_of_several_units_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="one unit for all values, behind the last or behind each"):
        Target.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: EncodeOptions(tile_size=1000),
        lambda: EncodeOptions(quantize="uint8"),
        lambda: EncodeOptions(sidecar="perhaps"),  # type: ignore[arg-type]
        lambda: EncodeOptions(seed=-1),
        lambda: Execution(window_size=100),
        lambda: Execution(threads=-1),
        lambda: Execution(memory_mib=1),
        lambda: DecodeOptions(driver="PNG"),
        lambda: DecodeOptions(strength=2.0),
        lambda: DecodeOptions(creation_options=(("COMPRESS", "LZW"), ("compress", "ZSTD"))),
    ],
)
def test_values_without_meaning_are_refused(wrong) -> None:
    with pytest.raises(UsageError):
        wrong()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=4), st.floats(-1, 2))
def test_stages_stay_inside_their_job(spans: list[tuple[float, float]], fraction: float) -> None:
    seen: list[float] = []
    progress = Progress(callback=lambda part, text: seen.append(part) is None)
    for start, stop in spans:
        progress = progress.stage(min(start, stop), max(start, stop))
    progress.report(fraction, "working")
    assert 0 <= seen[0] <= 1
    assert progress.start - 1e-12 <= seen[0] <= progress.stop + 1e-12


def test_false_cancels_and_warnings_are_kept_once() -> None:
    progress = Progress(callback=lambda part, text: False)
    with pytest.raises(JobCancelledError):
        progress.report(0.5)
    stage = progress.stage(0, 0.5)
    stage.warn("twice")
    progress.warn("twice")
    assert progress.warnings == ["twice"]


def test_whatever_decides_bytes_is_part_of_what_a_batch_was_asked_for() -> None:
    """A field that is forgotten here would let a run go on with other products than it began with."""
    changed = EncodeOptions(
        target=Target.parse("psnr=41"), codec="cog", model="none", effort="best", tile_size=256, seed=3,
        quantize="uint16", spectral="rotated", band_weights="error", sidecar="never", georef="gml", seal=True,
        overviews="small",
        accept_damaged=True, accept_loss=True,
    )  # fmt: skip
    usual = EncodeOptions()
    not_of_products = {"overwrite", "execution", "verify"}
    refused = {"srcwin", "projwin", "bbox", "window_crs", "bands", "nodata"}  # a batch archives whole scenes
    decides = {each.name for each in fields(EncodeOptions)} - not_of_products - refused
    assert {name for name in decides if getattr(changed, name) == getattr(usual, name)} == set()
    again, _ = options_from(options_text(changed, None), changed.execution)
    assert again == changed
    given = set(_OPTIONS.values()) | {"target"}
    assert decides == given


@pytest.mark.parametrize("said", said_options(), ids=lambda said: said.field)
def test_a_field_that_is_said_is_an_option_of_the_command_line(said: Said) -> None:
    for command in (compress, run):
        (option,) = [each for each in command.params if each.name == said.field]
        assert f"--{said.name}" in option.opts
        assert option.is_flag == (said.default is False)
        if said.default:
            assert option.default == said.default
        for choice in said.choices:
            EncodeOptions(**{said.field: choice})
        if said.choices:
            assert option.type.choices == said.choices
            with pytest.raises(UsageError, match=f"{said.name} 'other': (use|only) .*{said.choices[-1]}"):
                EncodeOptions(**{said.field: "other"})
