"""The workshop of the learned codec: a short run, resuming it, and what it exports."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from learned_support import SMALL, busy_network, weights_of  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from training_support import picture, write_pack  # noqa: E402

from rsic_geo.cli.commands import train as verb  # noqa: E402
from rsic_geo.cli.entry import main  # noqa: E402
from rsic_geo.codecs.compressai_network import CompressaiNetwork, CompressaiSpec  # noqa: E402
from rsic_geo.codecs.learned_network import CodecSpec, tables  # noqa: E402
from rsic_geo.codecs.learned_network.entropy import phase_mask  # noqa: E402
from rsic_geo.codecs.learned_network.frozen import freeze  # noqa: E402
from rsic_geo.codecs.learned_network.model import LearnedNetwork  # noqa: E402
from rsic_geo.codecs.learned_network.spec import phases  # noqa: E402
from rsic_geo.devices import one_thread  # noqa: E402
from rsic_geo.repair.network import UNetSpec  # noqa: E402
from rsic_geo.training import codec, codec_export, codec_validate, train  # noqa: E402
from rsic_geo.training.codec_state import CodecState, degrade_batch, read_codec  # noqa: E402
from rsic_geo.training.data import ImagePacks, StreamOptions, find_packs, make_crops  # noqa: E402
from rsic_geo.training.degrade import DegradeOptions  # noqa: E402
from rsic_geo.training.export import ExportOptions  # noqa: E402
from rsic_geo.training.validate import assess, learned_coding, summary  # noqa: E402
from rsic_geo.weights import default_name, list_weights  # noqa: E402


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs"))


def options(folder: Path, out: Path, **given) -> codec.CodecOptions:
    fields = {
        "batch": 2,
        "crop": 64,
        "workers": 0,
        "pool": 16,
        "precision": "fp32",
        "log_every": 5,
        "codec": SMALL,
    }
    return codec.CodecOptions(data=folder, out=out, **{**fields, **given})


def run(given: codec.CodecOptions) -> CodecState:
    state = codec.CodecTrainer(given, say=lambda _: None).run()
    assert isinstance(state, CodecState)
    return state


def test_crops_for_a_codec_are_not_coded(pack_folder):
    uncoded = StreamOptions(packs=find_packs(pack_folder), crop=64, degrade=DegradeOptions(is_coded=False))
    packs = ImagePacks(uncoded.packs)
    for turn in range(6):
        for crop in make_crops(packs, turn, uncoded):
            np.testing.assert_array_equal(crop.decoded, crop.original)
    coded = make_crops(packs, 0, replace(uncoded, degrade=DegradeOptions()))
    assert any((crop.decoded != crop.original).any() for crop in coded)


def test_a_run_of_steps_is_a_function_of_its_arguments(pack_folder, tmp_path):
    first = run(options(pack_folder, tmp_path / "a", steps=6, hard_share=0.5))
    again = run(options(pack_folder, tmp_path / "b", steps=6, hard_share=0.5))
    for ours, theirs in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_run_lowers_its_loss_and_goes_on_where_it_stopped(pack_folder, tmp_path):
    state = run(options(pack_folder, tmp_path, steps=40, rate=3e-3, warmup=1, hard_share=0.0))
    losses = [record["loss"] for record in state.history]
    assert np.mean(losses[-2:]) < np.mean(losses[:2])
    assert (tmp_path / "history.png").is_file()
    more = run(options(pack_folder, tmp_path, steps=5, resume=tmp_path / "state.pt"))
    assert more.step == 45
    assert more.images > state.images


def test_the_encoder_rests_in_the_last_part_and_the_rest_does_not(pack_folder, tmp_path):
    fresh = CodecState.fresh(SMALL, seed=0, device=torch.device("cpu")).network.state_dict()
    state = run(options(pack_folder, tmp_path, steps=4, hard_share=1.0, warmup=1))
    moved = {k for k, v in state.network.state_dict().items() if not torch.equal(v, fresh[k])}
    assert not any(name.startswith(("analysis", "gains.knots")) for name in moved)
    assert {"synthesis.matrix", "gains.deviation", "entropy.groups.0.leave.weight"} <= moved


def test_the_encoder_alone_moves_and_steps_have_a_slope(pack_folder, tmp_path):
    fresh = CodecState.fresh(SMALL, seed=0, device=torch.device("cpu")).network.state_dict()
    ways = {"encoder_alone": True, "sharpness": 12.0}
    state = run(options(pack_folder, tmp_path, steps=4, warmup=1, **ways))
    moved = {k for k, v in state.network.state_dict().items() if not torch.equal(v, fresh[k])}
    assert "analysis.matrix" in moved
    assert all(name.startswith("analysis.") for name in moved)


@pytest.mark.parametrize("way", [{"passes": 1}, {"sharpness": 8.0}, {"encoder_alone": True}])
def test_networks_of_compressai_are_not_refined(pack_folder, tmp_path, way):
    with pytest.raises(ValueError, match="leave --arch"):
        run(options(pack_folder, tmp_path, steps=1, codec=CompressaiSpec.sized("elic", 8, 20), **way))


def test_tables_are_counted_on_refined_symbols(pack_folder, monkeypatch):
    monkeypatch.setattr(codec_export, "COUNTED_CROPS", 6)
    plain, again, refined = (codec_export.count_symbols(busy_network(), pack_folder, n) for n in (0, 0, 1))
    assert torch.equal(plain, again)
    assert not torch.equal(plain, refined)
    assert float(plain.sum()) == float(refined.sum())


def test_what_decodes_is_trained_on_refined_latents(pack_folder, tmp_path):
    """The crops and the noise are the same: what differs is what the encoder at rest was made to send."""
    plain = run(options(pack_folder, tmp_path / "plain", steps=3, hard_share=1.0))
    refined = run(options(pack_folder, tmp_path / "refined", steps=3, hard_share=1.0, passes=1))
    fresh = CodecState.fresh(SMALL, seed=0, device=torch.device("cpu")).network.state_dict()
    ours, theirs = refined.network.state_dict(), plain.network.state_dict()
    assert not torch.equal(ours["synthesis.matrix"], theirs["synthesis.matrix"])
    assert torch.equal(ours["analysis.matrix"], fresh["analysis.matrix"])


@pytest.mark.parametrize("hard", [False, True])
def test_the_hyper_latent_pays_for_its_own_bits(hard, monkeypatch):
    network = busy_network().requires_grad_(True)
    told = network.entropy.hyper_features
    monkeypatch.setattr(network.entropy, "hyper_features", lambda z, *rest: told(z.detach(), *rest))
    image = torch.from_numpy(picture(1, 200, 260)[:64, :128]).permute(2, 0, 1)[None].float() / 255
    network(image.contiguous(), torch.tensor([128]), hard=hard, held=hard).bits.sum().backward()
    assert float(network.entropy.hyper_analysis[-1].weight.grad.abs().max()) > 0


def test_a_slim_state_is_small_and_can_be_gone_on_with(pack_folder, tmp_path):
    run(options(pack_folder, tmp_path / "whole", steps=2))
    run(options(pack_folder, tmp_path / "slim", steps=2, slim=True))
    sizes = [(tmp_path / name / "state.pt").stat().st_size for name in ("whole", "slim")]
    assert sizes[1] < sizes[0] / 5
    assert run(options(pack_folder, tmp_path, steps=1, resume=tmp_path / "slim" / "state.pt")).step == 3


def test_an_enhancer_is_trained_on_the_output_of_a_codec(pack_folder, tmp_path):
    run(options(pack_folder, tmp_path, steps=1))
    state = tmp_path / "state.pt"
    given = train.TrainOptions(
        data=pack_folder, out=tmp_path / "enhancer", spec=UNetSpec(widths=(8, 16), blocks=(1, 1)), steps=3,
        batch=4, crop=64, workers=0, pool=16, precision="fp32", coded_by=state,
    )  # fmt: skip
    trainer = train.Trainer(given, say=lambda _: None)
    assert trainer.run().step == 3
    target = torch.rand(6, 3, 64, 128)
    target[0] = target[0, :1]
    decoded, sigma = degrade_batch(trainer.codec, target, jitter=0.0)
    assert sigma.shape == (6, 1, 1, 2)
    assert torch.equal(decoded[0, 0], decoded[0, 2])
    assert torch.allclose((decoded * 255).round(), decoded * 255, atol=1e-3)
    rmse = (decoded - target).square().mean(dim=(1, 2, 3)).sqrt()
    assert torch.allclose(sigma[:, 0, 0, 0], rmse)
    same = target[1:2].expand(6, -1, -1, -1)
    together, alone = (
        degrade_batch(trainer.codec, same, jitter=0.0, family=family)[0].flatten(1).unique(dim=0)
        for family in (3, 1)
    )
    assert len(together) == 2 < len(alone)
    coding = learned_coding(state, torch.device("cpu"))
    network = trainer.state.average
    (found,) = assess([lambda x, s, _: network(x, s)], picture(1, 120, 140), "x", torch.device("cpu"), coding)
    assert list(found.bpp) == sorted(found.bpp)
    assert "quality 0.15" in summary([found], coding)


def test_qualities_are_spread_over_the_whole_axis():
    torch.manual_seed(0)
    level, weight = codec.draw_levels(8, CodecSpec())
    assert sorted(int(value) // 32 for value in level) == list(range(8))
    assert torch.equal(torch.argsort(level), torch.argsort(weight))
    assert CodecSpec().weight(1.0) == pytest.approx(CodecSpec().lambda_high)


@pytest.mark.parametrize("group", range(4))
def test_phases_cover_every_place_once_and_neighbours_are_known(group):
    device = torch.device("cpu")
    counted = sum(phase_mask(phase, 13, 18, device).int() for phase in phases(group))
    assert bool((counted == 1).all())
    known = torch.zeros(16, 16, dtype=torch.bool)
    for number, phase in enumerate(phases(group)):
        mask = phase_mask(phase, 16, 16, device)
        if number:
            row, column = map(int, torch.nonzero(mask[4:-4, 4:-4])[0] + 4)
            reach = phase.reach
            around = known[row - reach : row + reach + 1 : reach, column - reach : column + reach + 1 : reach]
            assert int(around.sum()) == 4
        known |= mask


def test_tables_are_what_an_arithmetic_coder_needs():
    frozen = freeze(busy_network())
    for row, half in zip(frozen["cdf"], frozen["half_width"], strict=True):
        used = row[: 2 * int(half) + 3]
        assert int(used[0]) == 0
        assert int(used[-1]) == 65536
        assert bool((used.diff() > 0).all())
        assert bool((row[len(used) :] == 0).all())
        assert torch.equal(used.diff()[:-1], used.diff()[:-1].flip(0))  # both signs are as likely
    assert (frozen["limits"] >= 0.5).all()


def test_the_tables_cost_hardly_more_than_the_distributions_they_stand_for():
    network = LearnedNetwork(SMALL)
    probability = tables.probabilities(network.entropy)
    table, half = tables.cumulative(probability)
    for place in (8, 30, 50, 79):
        width = int(half[place])
        exact = torch.cat([probability[place, 1 : width + 1].flip(0), probability[place, : width + 1]])
        shares = table[place, : 2 * width + 2].diff().double() / 65536
        entropy = -(exact * exact.log2()).sum()
        assert float(-(exact * shares.log2()).sum()) < float(entropy) * 1.01 + 0.002


def test_tables_follow_what_was_counted():
    network = busy_network()
    probability = tables.probabilities(network.entropy)
    counts = tables.no_counts()
    assert torch.allclose(
        tables.as_counted(probability, counts),
        probability / (2 * probability.sum(1, True) - probability[:, :1]),
    )
    image = torch.from_numpy(picture(2)).permute(2, 0, 1)[None].float()[..., :200, :256] / 255
    with torch.inference_mode():
        bits = float(network(image.contiguous(), torch.tensor([200]), hard=True, counts=counts).bits)
    assert int(counts.sum()) == 192 * 25 * 32
    found = tables.as_counted(probability, counts)
    sides = found[:, :1].sum(1) + 2 * found[:, 1:].sum(1)
    assert torch.allclose(sides, torch.ones_like(sides))
    cost = -(counts[1:, :40] * found[1:, :40].clamp(min=1e-9).log2()).sum()
    assert float(cost) < bits  # counted tables code what was counted in fewer bits
    table, half = tables.cumulative(found)
    for row, width in zip(table, half, strict=True):
        assert bool((row[: 2 * int(width) + 3].diff() > 0).all())


def test_an_export_names_a_codec_and_leaves_the_enhancers_alone(pack_folder, tmp_path, monkeypatch):
    run(options(pack_folder, tmp_path, steps=2))
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "manifest.toml").write_text('default = "old"\n')
    given = ExportOptions(
        state=tmp_path / "state.pt",
        name="tiny",
        summary="a codec",
        measured="n/a",
        folder=folder,
        kind="codec",
    )
    monkeypatch.setattr(codec_export, "COUNTED_CROPS", 8)
    digest = codec_export.export(given, pack_folder)
    (row,) = list_weights(folder)
    assert (row.name, row.kind, row.sha256) == ("tiny", "codec", digest)
    assert default_name(folder) == "old"
    assert default_name(folder, kind="codec") == "tiny"
    assert digest in (folder / "tiny.md").read_text()
    if find_spec("compressai"):
        from rsic_geo.codecs.learned import LearnedCodec

        opened = LearnedCodec(str(folder / "tiny.safetensors"), device="cpu")
        tile = opened.encode_tile(np.full((3, 20, 30), 0.5, np.float32), 0.5)
        assert np.abs(opened.decode_tile(tile.payload, (3, 20, 30)) - 0.5).max() < 0.05


def test_networks_of_compressai_are_trained_exported_and_repaired(pack_folder, tmp_path):
    pytest.importorskip("scipy")
    if not find_spec("compressai"):
        pytest.skip("needs compressai")
    from rsic_geo.codecs.compressai_tile import CompressaiCodec

    spec, a = CompressaiSpec.sized("elic", 8, 20), tmp_path / "a"
    asked = "train codec --arch elic --channels 8 --latents 20 --batch 2 --crop 64 --workers 0 --pool 16"
    asked += f" --precision fp32 --steps 3 --hard-share 0.3 --data {pack_folder} --out {a}"
    with one_thread():
        assert main(asked.split()) == 0
        first = CodecState.load(a / "state.pt", device=torch.device("cpu"))
        again = run(options(pack_folder, tmp_path / "b", codec=spec, steps=3, hard_share=0.3))
        for ours, theirs in zip(first.network.parameters(), again.network.parameters(), strict=True):
            assert torch.equal(ours, theirs)
        more = run(options(pack_folder, tmp_path / "c", codec=spec, steps=2, resume=a / "state.pt"))
        assert (more.step, more.network.spec) == (5, spec)
        fields = {"name": "mine", "summary": "a codec", "kind": "codec", "folder": tmp_path / "w"}
        digest = codec_export.export(ExportOptions(state=tmp_path / "c" / "state.pt", **fields))
        assert digest in (tmp_path / "w" / "mine.md").read_text()
        assert not (tmp_path / "w" / "manifest.toml").exists()
        opened = CompressaiCodec(str(tmp_path / "w" / "mine.safetensors"), device="cpu")
        tile = opened.encode_tile(np.full((3, 20, 30), 0.5, np.float32), 0.5)
        assert opened.decode_tile(tile.payload, (3, 20, 30)).shape == (3, 20, 30)
        given = train.TrainOptions(
            data=pack_folder, out=tmp_path / "e", spec=UNetSpec(widths=(8, 16), blocks=(1, 1)), steps=1,
            batch=4, crop=64, workers=0, pool=16, precision="fp32",
            coded_by=tmp_path / "w" / "mine.safetensors",
        )  # fmt: skip
        assert train.Trainer(given, say=lambda _: None).run().step == 1


def test_what_the_workshop_refuses_is_one_line(tmp_path, monkeypatch, capsys):
    given = ["train", "codec", "--data", str(tmp_path), "--out", str(tmp_path / "o"), "--steps", "1"]
    write_pack(tmp_path, 1)
    assert main([*given, "--arch", "elic", "--grown-from", "x.safetensors", "--workers", "0"]) == 2
    assert capsys.readouterr().err.count("leave --arch out") == 1
    monkeypatch.setattr(verb, "find_spec", lambda name: None)
    assert main(given) == 5
    assert capsys.readouterr().err.count("pip install") == 1


def test_a_checkpoint_of_compressai_itself_is_taken(tmp_path):
    pytest.importorskip("scipy")
    if not find_spec("compressai"):
        pytest.skip("needs compressai")
    theirs = CompressaiNetwork(CompressaiSpec.sized("elic-official", 8, 20)).model
    for name, content in (
        ("bare.pth", theirs.state_dict()),
        (
            "whole.pth.tar",
            {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in theirs.state_dict().items()}},
        ),
    ):
        torch.save(content, tmp_path / name)
        fields = {"name": "theirs", "summary": "", "kind": "codec", "folder": tmp_path / "w"}
        codec_export.export(ExportOptions(state=tmp_path / name, **fields))
        tensors = load_file(tmp_path / "w" / "theirs.safetensors")
        assert torch.equal(tensors["g_s.1.weight"], theirs.g_s[1].weight)
    with pytest.raises(ValueError, match="not shipped"):
        codec_export.export(ExportOptions(state=tmp_path / "bare.pth", name="theirs", summary=""))
    for content, words in (
        (b"no file of torch", "without running code"),
        ({"w": torch.zeros(2)}, "is not there"),
    ):
        if isinstance(content, bytes):
            (tmp_path / "x.pth").write_bytes(content)
        else:
            torch.save(content, tmp_path / "x.pth")
        with pytest.raises(ValueError, match=words):
            codec_export.export(ExportOptions(state=tmp_path / "x.pth", **fields))


def test_weights_that_do_not_fit_the_integers_are_not_exported():
    network = busy_network()
    network.entropy.groups[0].middle.weight[0, 0] = 40.0
    with pytest.raises(ValueError, match="0.middle: weights up to 40"):
        freeze(network)


def test_the_validator_finds_that_bits_buy_quality():
    network = LearnedNetwork(SMALL).eval()
    image = picture(3, 120, 160)[:100, :131]
    curves = codec_validate.assess(network, image, "x")
    assert list(curves.bpp) == sorted(curves.bpp)
    assert list(curves.psnr) == sorted(curves.psnr)
    assert curves.standard_bpp == pytest.approx(curves.bpp, rel=0.2, abs=0.1)
    assert "BD-rate against JPEG 2000 over 1 images" in codec_validate.summary([curves])


def test_the_validator_refines_and_takes_shipped_weights(tmp_path):
    """Shipped weights are validated as a state is, tails apart; refined they cost less."""
    path = tmp_path / "w.safetensors"
    path.write_bytes(weights_of(busy_network()).content)
    network = read_codec(path, torch.device("cpu"))
    image = picture(3, 120, 160)[:100, :131]
    plain, refined = (codec_validate.assess(network, image, "x", passes) for passes in (0, 2))
    weigh = [SMALL.refined_weight(round(q * 255)) / 255**2 for q in codec_validate.QUALITIES]

    def costs(curves):
        return [
            b + w * 255**2 / 10 ** (p / 10) for b, p, w in zip(curves.bpp, curves.psnr, weigh, strict=True)
        ]

    assert np.mean(np.log(costs(refined))) < np.mean(np.log(costs(plain))) - 0.003
