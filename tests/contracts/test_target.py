"""The contract of a target: what every row must make true, and one that nobody knows, through every verb."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from batch_support import options, run
from hypothesis import given
from hypothesis import strategies as st
from pipeline_support import painted, write_scene

import rsic_geo
from rsic_geo.batch.coordinator import Watcher
from rsic_geo.batch.preserve.migrate import MigrateOptions, migrate
from rsic_geo.batch.run import BatchOptions, Crew
from rsic_geo.batch.verify import Proof, fallen_below
from rsic_geo.errors import TargetNotReachedError, UsageError
from rsic_geo.options import Execution
from rsic_geo.targets import TARGETS, Decibels, Exact, Number, Size, Target, numbered
from rsic_geo.view.scene import SceneView
from rsic_geo.view.told import described

CODES = {"bpp": 0, "psnr": 1, "ratio": 2, "max-error": 3, "snr": 4, "bpppb": 5, "max-rel-error": 6, "rmse": 7}
"""How archives that exist name their targets."""
SUFFIX = {"jp2": ".jp2", "learned": ".rsic.tif"}


@st.composite
def targets(draw: st.DrawFn, kind: str = "") -> Target:
    kind = kind or draw(st.sampled_from(sorted(TARGETS)))
    row = TARGETS[kind]
    if isinstance(row, Exact):
        return Target(kind=kind)
    value = st.floats(*row.limits)
    values = draw(st.lists(value, min_size=1, max_size=4 if row.is_amount else 1))
    unit = draw(st.sampled_from(["", "%", "r"] if row.is_amount and not row.is_relative else [""]))
    return Target(kind=kind, value=max(values), values=tuple(values) if len(values) > 1 else (), unit=unit)


@given(targets())
def test_every_target_is_read_as_it_is_written(target):
    assert Target.parse(target.exact) == target
    assert Target.parse(target) is target
    told = Target.parse(str(target))
    assert (told.kind, told.unit, len(told.values)) == (target.kind, target.unit, len(target.values))
    assert told.value == pytest.approx(target.value, rel=1e-4)


@given(st.sampled_from(sorted(numbered())).flatmap(lambda kind: st.tuples(*2 * [targets(kind)])))
def test_a_number_keeps_itself_and_of_two_others_one_keeps_less(pair):
    one, two = pair
    row = one.number
    assert row.keeps(one.value, one.value)
    assert not one.is_less_than(one)
    assert not (one.is_less_than(two) and two.is_less_than(one))
    assert row.keeps(one.value, two.value) or row.keeps(two.value, one.value)
    assert not row.keeps(math.nan, one.value), "what is not known keeps nothing"


@given(
    st.sampled_from([kind for kind, row in numbered().items() if isinstance(row, Size)]),
    st.floats(1, 100),
    st.tuples(st.integers(1, 4), st.integers(10**6, 10**9), st.integers(1, 9)),
)
def test_an_archive_of_the_size_allowed_keeps_it(kind, asked, scene):
    depth, pixels, bands = scene
    size = int(TARGETS[kind].budget(asked, depth * pixels * bands, pixels, bands))
    bits = 8 * size / pixels
    found = {"ratio": depth * pixels * bands / size, "bpp": bits, "bpppb": bits / bands}
    assert Target(kind=kind, value=asked).is_kept([found])


def test_archives_name_every_kind_and_none_by_a_code_of_another():
    codes = {kind: row.code for kind, row in numbered().items()}
    assert codes.items() >= CODES.items()
    assert len(set(codes.values())) == len(codes)


@pytest.fixture
def mse(monkeypatch):
    """Make up a target: the mean squared error of the worst band."""
    row = Decibels(
        code=99, word="N", about="squared", limits=(1e-6, 1e9), unit="samples", usual=(1.0, 1.0),
        figure=lambda found: found["rmse"] ** 2,
        keeps=lambda found, asked: found <= 1.01 * asked,
        told="its squared error is {:.4g}",
        promise="Made for a squared error of {:g}.",
        is_amount=True, reference=lambda band: math.sqrt(band.bound),
    )  # fmt: skip
    monkeypatch.setitem(TARGETS, "mse", row)


def squared(source: Path, back: Path) -> float:
    """Return the mean squared error of the worst band, by rasterio and numpy alone."""
    with rasterio.open(source) as ours, rasterio.open(back) as theirs:
        error = ours.read().astype(float) - theirs.read()
    return float((error**2).mean(axis=(1, 2)).max())


@pytest.mark.parametrize(("codec", "target", "most"), [("jp2", "mse=20", 20.0), ("learned", "mse=8%", 20.4)])
def test_a_made_up_target_goes_through_every_verb(tmp_path, mse, codec, target, most):
    scene = write_scene(tmp_path / "s.tif", painted((2, 96, 120)))  # % are of the range of bytes
    archive, back = tmp_path / f"a{SUFFIX[codec]}", tmp_path / "b.tif"
    how = {"codec": codec, "model": "auto" if codec == "jp2" else "none"}
    report = rsic_geo.compress(scene, archive, target=target, accept_loss=True, **how)
    rsic_geo.decompress(archive, back)
    found = squared(scene, back)
    assert 0.6 * most < found <= most
    assert report.details["target"]["asked"] == target
    assert report.details["target"]["achieved"] == pytest.approx(found, rel=1e-3)
    assert rsic_geo.info(archive)["target"] == {"mse": pytest.approx(most)}
    with closing(SceneView(str(archive), str(scene), Execution())) as view:
        assert f"Made for a squared error of {most:g}." in described(view)["promises"]


def test_what_is_allowed_floats_is_in_their_units_and_nothing_to_bands_of_one_value(tmp_path, mse):
    rows, cols = np.mgrid[0:96, 0:120]
    hills = 80 * np.sin(cols / 17) + 5 * np.sin(rows * cols / 9)
    scene = write_scene(tmp_path / "s.tif", np.stack([hills, np.full_like(hills, 7.25)]).astype("float32"))
    rsic_geo.compress(scene, tmp_path / "a.jp2", target="mse=0.25", model="none")
    rsic_geo.decompress(tmp_path / "a.jp2", tmp_path / "b.tif")
    assert 0.6 * 0.25 < squared(scene, tmp_path / "b.tif") <= 0.25
    with rasterio.open(tmp_path / "b.tif") as back:
        assert (back.read(2) == 7.25).all()


def test_a_made_up_target_is_proved_and_kept_by_migrations(tmp_path, mse, monkeypatch):
    (tmp_path / "in").mkdir()
    write_scene(tmp_path / "in" / "s.tif", painted((2, 96, 120)))
    wanted = options("mse=20,30", accept_loss=True)
    standing, _ = run(tmp_path / "in", tmp_path / "out", wanted)
    assert standing.done == 1
    with closing(sqlite3.connect(tmp_path / "out" / "rsic-batch.gpkg")) as ledger:
        asked, achieved = ledger.execute("SELECT target, achieved FROM scenes").fetchone()
    assert asked == "mse=20,30"
    assert 12 < achieved <= 30

    def moved(to: str, target: str) -> list[str]:
        told: list[str] = []
        how = MigrateOptions(changes={"target": Target.parse(target)})
        watcher = Watcher(scene=lambda _, outcome: told.append(outcome.error or outcome.state))
        migrate(tmp_path / "out", str(tmp_path / to), how, BatchOptions(crew=Crew(jobs=0)), watcher)
        return told

    with pytest.raises(UsageError, match="mse=40,40 keeps less"):
        moved("less", "mse=40,40")
    assert moved("size", "max-error=2") == ["done"]
    (error,) = moved("worse", "psnr=22")
    assert "its squared error is" in error
    assert "the earlier archive promised mse=20,30" in error
    # A proof that finds another error than was promised does not take the product.
    monkeypatch.setattr("rsic_geo.quality.BandErrors.rmse", 6.0)
    _, outcomes = run(tmp_path / "in", tmp_path / "again", wanted)
    assert "its squared error is 36, mse=20,30 was asked for" in outcomes["s.tif"].error


@pytest.mark.parametrize(
    ("earlier", "now", "found", "is_less"),
    [
        ("rmse=1%", "rmse=1%", 20.6, False),  # nearer what was asked for than the earlier archive came
        ("rmse=1%", "rmse=0.5,1%", 20.6, False),
        ("rmse=1,2%", "rmse=2%", 20.6, True),
        ("max-error=1%", "max-error=1%", 20.6, False),
        ("rmse=1%", "rmse=21", 20.6, True),
        ("rmse=1%", "rmse=20", 19.9, False),
        ("max-error=0.1r", "rmse=1%", 20.6, True),
    ],
)
def test_what_units_mean_in_samples_is_what_they_came_to_where_only_that_is_known(
    earlier, now, found, is_less
):
    errors = dict.fromkeys(("rmse", "max_abs_error"), found)
    proof = Proof(pixels_equal=False, figures=errors, bands=(errors, errors), masks_equal=True, lost=())
    fallen = fallen_below(proof, Target.parse(now), {"target": earlier, "achieved": 20.0, "psnr": 40.0})
    assert bool(fallen) == is_less


def heights(path: Path, dtype: str, scale: float) -> Path:
    """Write two bands of hills with nodata, in metres or, as ``scale`` says, in parts of them."""
    rows, cols = np.mgrid[0:120, 0:150]
    hills = 900 + 80 * np.sin(cols / 17) + 60 * np.cos(rows / 11) + 5 * np.sin(rows * cols / 9)
    pixels = np.stack([hills, hills / 2]) / scale
    pixels[:, :20, :30] = -9999
    profile = {"driver": "GTiff", "width": 150, "height": 120, "count": 2, "dtype": dtype, "nodata": -9999}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=Affine(10, 0, 0, 0, -10, 0), **profile) as file:
        file.write(pixels.astype(dtype))
        file.scales = (scale, scale)
    return path


@pytest.mark.parametrize(
    ("dtype", "scale", "target", "allowed"),
    [
        ("float32", 1.0, "0.5", (0.5, 0.5)),
        ("float32", 1.0, "0.5,2", (0.5, 2.0)),
        ("int16", 0.1, "0.3r", (3.0, 3.0)),
        ("int16", 0.1, "0.2%", None),
    ],
)
def test_heights_keep_their_rmse(tmp_path, dtype, scale, target, allowed):
    source, back = heights(tmp_path / "s.tif", dtype, scale), tmp_path / "b.tif"
    report = rsic_geo.compress(source, tmp_path / "a.*", rmse=target, model="none")  # whichever can
    rsic_geo.decompress(tmp_path / "a.jp2", back)
    with rasterio.open(source) as ours, rasterio.open(back) as theirs:
        one, two = ours.read(masked=True).astype(float), theirs.read(masked=True).astype(float)
    assert (np.ma.getmaskarray(one) == np.ma.getmaskarray(two)).all()
    found = np.sqrt(((one - two) ** 2).mean(axis=(1, 2)))
    parts = found / (allowed or 0.002 * (one.max(axis=(1, 2)) - one.min(axis=(1, 2))))
    assert 0.85 < parts.max() <= 1
    assert report.details["target"]["achieved"] == pytest.approx(found.max(), rel=1e-3)
    assert (report.details["target"]["meaning"] is None) == (target == "0.5")
    with pytest.raises(TargetNotReachedError if dtype == "float32" else UsageError):
        rsic_geo.compress(source, tmp_path / "c.jp2", rmse=1e-9 if dtype == "float32" else 0, model="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Number):
    """A kind of row that no search knows."""


@pytest.mark.parametrize("codec", SUFFIX)
def test_a_kind_of_row_that_is_in_no_search_is_not_taken_for_another(tmp_path, monkeypatch, codec):
    row = Odd(
        figure=lambda _: 0.0, keeps=lambda *_: True,
        code=98, word="N", limits=(0.0, 9.0), unit="dB", usual=(1.0, 1.0), told="{}",
    )  # fmt: skip
    monkeypatch.setitem(TARGETS, "odd", row)
    scene = write_scene(tmp_path / "s.tif", painted((1, 64, 64)))
    with pytest.raises(TypeError, match="no kind of target"):
        rsic_geo.compress(scene, tmp_path / f"a{SUFFIX[codec]}", target="odd=1", codec=codec)
    assert [path.name for path in tmp_path.iterdir()] == ["s.tif"]
    with pytest.raises(UsageError, match="unknown target 'even'"):
        Target(kind="even", value=1.0)
