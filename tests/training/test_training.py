"""The workshop: samples, a short run, and what it exports."""

from __future__ import annotations

import io
import itertools
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from PIL import Image  # noqa: E402
from training_support import picture, write_pack  # noqa: E402

from rsic_geo.errors import WeightsMismatchError  # noqa: E402
from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import UNetSpec  # noqa: E402
from rsic_geo.training import export, train  # noqa: E402
from rsic_geo.training.data import CropPool, ImagePacks, StreamOptions, crop_stream, find_packs, make_crops  # noqa: E402
from rsic_geo.training.degrade import DegradeOptions, cell_levels, degrade, octaves_at_nodes  # noqa: E402
from rsic_geo.training.state import TrainState  # noqa: E402
from rsic_geo.training.validate import assess_folder, bd_rate, summary  # noqa: E402
from rsic_geo.weights import enhancer_name, list_weights  # noqa: E402

SMALL = UNetSpec(widths=(8, 16), blocks=(1, 1))


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs"))


def options(folder: Path, out: Path, **given) -> train.TrainOptions:
    fields = {
        "spec": SMALL,
        "batch": 4,
        "crop": 64,
        "workers": 0,
        "pool": 16,
        "precision": "fp32",
        "log_every": 5,
    }
    return train.TrainOptions(data=folder, out=out, **{**fields, **given})


def test_levels_are_the_log_rmse_of_each_cell():
    original = np.full((300, 520, 3), 100, np.uint8)
    decoded = original.copy()
    decoded[:256, :256] += 4
    levels = cell_levels(original, decoded)
    assert levels.shape == (2, 3)
    assert levels[0, 0] == round(16 * (np.log2(4 / 255) + 15.9))
    assert (levels.ravel()[1:] == 1).all()


def test_octaves_are_bilinear_between_cell_centres_and_clamped():
    levels = np.array([[16, 48]], np.uint8)
    octaves = octaves_at_nodes(levels, np.array([32, 900]), np.array([0, 128, 256, 384, 9999]))
    np.testing.assert_allclose(octaves[0] + 15.9, [1, 1, 2, 3, 3], atol=1e-5)
    np.testing.assert_array_equal(octaves[0], octaves[1])


def test_a_grey_sample_is_one_band_three_times():
    coded = degrade(picture(1), np.random.default_rng(0), DegradeOptions(grey_share=1.0))
    for image in (coded.original, coded.decoded):
        assert (image == image[:, :, :1]).all()
    assert (coded.original != coded.decoded).any()


def test_crops_are_a_function_of_seed_and_place(pack_folder):
    stream = StreamOptions(packs=find_packs(pack_folder), seed=3, crop=64)
    packs = ImagePacks(stream.packs)
    first, again, other = (make_crops(packs, turn, stream) for turn in (5, 5, 6))
    assert len(first) >= 2
    assert all(
        (a.decoded == b.decoded).all() and (a.octaves == b.octaves).all()
        for a, b in zip(first, again, strict=True)
    )
    assert first[0].decoded.tobytes() != other[0].decoded.tobytes()


def test_workers_change_nothing_but_speed(pack_folder):
    stream = StreamOptions(packs=find_packs(pack_folder), seed=3, crop=64)
    alone, helped = crop_stream(stream), crop_stream(stream, workers=2)
    for _ in range(12):
        assert next(alone).decoded.tobytes() == next(helped).decoded.tobytes()


def test_the_pool_uses_each_crop_about_as_often_as_asked(pack_folder):
    stream = StreamOptions(packs=find_packs(pack_folder), crop=64)
    pool = CropPool(crop_stream(stream), size=8, reuse=4.0, seed=0)
    batches = [pool.batch(4) for _ in range(10)]
    assert all(len({id(crop) for crop in batch}) == 4 for batch in batches)
    drawn = len({id(crop) for batch in batches for crop in batch})
    assert drawn <= 8 + 10 * 4 / 4.0
    assert pool.next_image >= 1


def test_families_stay_together_in_the_pool(pack_folder):
    stream = StreamOptions(packs=find_packs(pack_folder), crop=64, family=3)
    packs = ImagePacks(stream.packs)
    assert all(len(make_crops(packs, turn, stream)) % 3 == 0 for turn in range(4))
    pool = CropPool(crop_stream(stream), size=9, reuse=2.0, seed=0, family=3)
    for _ in range(8):
        images = [crop.image for crop in pool.batch(6)]
        assert images[0] == images[1] == images[2]
        assert images[3] == images[4] == images[5]


def test_a_short_run_learns_and_repeats_exactly(pack_folder, tmp_path):
    lines: list[str] = []
    runs = [
        train.Trainer(options(pack_folder, tmp_path / name, steps=20, warmup=5), say=lines.append).run()
        for name in ("a", "b")
    ]
    for one, two in zip(*(run.network.state_dict().values() for run in runs), strict=True):
        assert torch.equal(one, two)
    assert runs[0].step == 20
    assert "gain" in lines[0]
    assert (tmp_path / "a" / "history.png").stat().st_size > 1000
    assert any(value.any() for key, value in runs[0].average.state_dict().items() if key.startswith("tail"))


def test_a_run_stops_on_its_budget_and_goes_on_where_it_was(pack_folder, tmp_path, monkeypatch):
    moments = itertools.count(100.0, 0.22)  # time goes by whenever somebody looks
    with monkeypatch.context() as patch:
        patch.setattr(train, "time", SimpleNamespace(monotonic=lambda: next(moments)))
        first = train.Trainer(options(pack_folder, tmp_path, budget_s=1.0), say=lambda _: None).run()
    assert first.step == 2  # begun after 0.22 and 0.66 s; the third look, after 1.1 s, is the end
    assert 1.1 <= first.seconds < 1.5
    assert first.history[-1]["seconds"] == first.seconds
    state_file = tmp_path / train.STATE_NAME
    more = train.Trainer(options(pack_folder, tmp_path, steps=2, resume=state_file), say=lambda _: None).run()
    assert more.step == first.step + 2
    assert more.images >= first.images
    assert not list(tmp_path.glob("*.tmp"))


def test_a_slim_state_keeps_the_average_and_can_be_gone_on_from(pack_folder, tmp_path):
    given = options(pack_folder, tmp_path, steps=4, slim=True)
    first = train.Trainer(given, say=lambda _: None).run()
    again = TrainState.load(tmp_path / train.STATE_NAME, device=torch.device("cpu"))
    assert again.step == 4
    for ours, theirs in zip(first.average.parameters(), again.average.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    more = train.Trainer(
        options(pack_folder, tmp_path, steps=2, resume=tmp_path / train.STATE_NAME), say=print
    )
    assert more.run().step == 6


def test_exported_weights_load_and_a_changed_file_is_refused(tmp_path, monkeypatch):
    state = TrainState.fresh(SMALL, seed=0, device=torch.device("cpu"))
    state.save(tmp_path / "state.pt")
    arguments = ["--name", "test-net", "--summary", 'a "quoted" line', "--folder", str(tmp_path)]
    for _ in range(2):  # exporting again replaces the row
        assert export.main([str(tmp_path / "state.pt"), *arguments]) == 0
    monkeypatch.setattr("rsic_geo.weights.store._PACKAGED", tmp_path)
    (row,) = list_weights()
    assert row.summary == 'a "quoted" line'
    assert row.sha256 in (tmp_path / "test-net.md").read_text()
    enhancer = load_enhancer("auto", "cpu")
    assert enhancer.name == "test-net"
    assert not corrected(enhancer, look(np.ones((1, 64, 64), np.float32), 1.0)).any()
    path = tmp_path / row.file
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsMismatchError):
        load_enhancer("test-net", "cpu")


def test_weights_can_be_the_default_of_one_codec_and_the_card_says_which(tmp_path, monkeypatch):
    TrainState.fresh(SMALL, seed=0, device=torch.device("cpu")).save(tmp_path / "state.pt")
    arguments = [str(tmp_path / "state.pt"), "--summary", "", "--folder", str(tmp_path)]
    assert export.main([*arguments, "--name", "plain"]) == 0
    assert (
        export.main([*arguments, "--name", "own", "--default-for", "learned", "--coded-by", "codec-x"]) == 0
    )
    monkeypatch.setattr("rsic_geo.weights.store._PACKAGED", tmp_path)
    assert (enhancer_name("auto"), enhancer_name("auto", "learned")) == ("plain", "own")
    assert "codec-x" in (tmp_path / "own.md").read_text()
    assert "JPEG 2000" in (tmp_path / "plain.md").read_text().split("## Training data")[1][:200]


def test_bad_names_are_not_exported(tmp_path):
    with pytest.raises(ValueError, match="lower-case"):
        export.export(export.ExportOptions(state=tmp_path, name="../x", summary="", folder=tmp_path))


def test_bd_rate_of_a_curve_shifted_in_rate():
    rates, db = (0.15, 0.25, 0.4, 0.6, 1.0), (27.0, 28.6, 30.2, 31.9, 34.7)
    assert bd_rate(rates, db, rates, db) == pytest.approx(0.0, abs=1e-9)
    cheaper = tuple(0.9 * rate for rate in rates)
    assert bd_rate(rates, db, cheaper, db) == pytest.approx(-10.0, abs=1e-6)


def test_an_untrained_network_validates_as_no_gain(tmp_path):
    Image.fromarray(picture(9)).save(tmp_path / "one.png")
    network = TrainState.fresh(SMALL, seed=0, device=torch.device("cpu")).average
    (result,) = assess_folder(network, tmp_path)
    assert result.bd_rate == pytest.approx(0.0, abs=1e-6)
    assert result.codec_db == result.enhanced_db
    assert "mean +0.00 %" in summary([result]) or "mean -0.00 %" in summary([result])


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("60s", 60), ("9m", 540), ("1.5h", 5400)])
def test_durations(text, seconds):
    assert train.parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-3s", "0", "nan", "soon"])
def test_bad_durations_are_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011 - the wording is argparse's business
        train.parse_duration(text)


def test_a_deep_sample_is_one_band_of_16_bits(pack_folder):
    coded = degrade(picture(1), np.random.default_rng(1), DegradeOptions(grey_share=1.0, deep_share=1.0))
    for image in (coded.original, coded.decoded):
        assert image.dtype == np.uint16
        assert (image == image[:, :, :1]).all()
    assert len(np.unique(coded.original)) > 300
    error = (coded.original.astype(float) - coded.decoded)[:256, :256] / 65535
    assert coded.levels[0, 0] == round(16 * (np.log2(np.sqrt(np.square(error).mean())) + 15.9))
    assert 0 < np.abs(error).max() < 0.3


def test_samples_of_8_and_16_bits_share_a_batch(pack_folder):
    stream = StreamOptions(packs=find_packs(pack_folder), crop=64, degrade=DegradeOptions(grey_share=1.0))
    packs = ImagePacks(stream.packs)
    crops = [crop for turn in range(8) for crop in make_crops(packs, turn, stream)]
    assert {crop.decoded.dtype for crop in crops} == {np.dtype(np.uint8), np.dtype(np.uint16)}
    together = train.to_batch(crops, torch.device("cpu"))
    for number, crop in enumerate(crops):
        alone = train.to_batch([crop], torch.device("cpu"))
        for ours, theirs in zip(together, alone, strict=True):
            torch.testing.assert_close(ours[number : number + 1], theirs, rtol=0, atol=1e-7)


@pytest.mark.parametrize("together", [False, True])
def test_packs_of_chips_with_many_bands_are_left_out_at_the_start(tmp_path, together):
    write_pack(tmp_path)
    shape, how = ((40, 40, 6), "contig") if together else ((6, 40, 40), "separate")
    with tarfile.open(tmp_path / "multiband-0.tar", "w") as tar:
        chip = io.BytesIO()
        tifffile.imwrite(chip, np.zeros(shape, np.uint16), photometric="minisblack", planarconfig=how)
        member = tarfile.TarInfo("landsat__6b.tif")
        member.size = chip.tell()
        chip.seek(0)
        tar.addfile(member, chip)
    with pytest.warns(UserWarning, match=r"multiband-0\.tar holds no 8-bit pictures"):
        assert [pack.name for pack in find_packs(tmp_path)] == ["train-0.tar"]
    (tmp_path / "train-0.tar").unlink()
    with (
        pytest.warns(UserWarning, match="goes without it"),
        pytest.raises(FileNotFoundError, match="no .tar"),
    ):
        find_packs(tmp_path)
