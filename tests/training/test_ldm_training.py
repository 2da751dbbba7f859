"""The stages of the diffusion enhancer: what each trains, what it leaves, what is made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from PIL import Image  # noqa: E402
from training_support import picture, write_pack  # noqa: E402

from rsic_geo.geo.lattice import sigma_lattice  # noqa: E402
from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import REGRESSION, LdmSpec, PriorSpec, UNetSpec  # noqa: E402
from rsic_geo.training import export, ldm, ldm_validate, train  # noqa: E402
from rsic_geo.training.ldm_state import STAGES, LdmState  # noqa: E402
from rsic_geo.training.state import read_payload  # noqa: E402
from rsic_geo.training.train import STATE_NAME  # noqa: E402

CPU = torch.device("cpu")
SPEC = LdmSpec(
    restorer=UNetSpec(widths=(8, 16), blocks=(1, 1)),
    prior=PriorSpec(channels=8, widths=(8, 12), hidden=16, depth=1),
)
FROM = {"2": "1", "regress": "1", "joint": "2"}
TRAINED = {
    "plain": {"network.restorer"},
    "1": {"network.restorer", "oracle.encoder"},
    "2": {"network.condition", "network.denoiser"},
    "regress": {"network.condition", "network.denoiser"},
    "joint": {"network.restorer", "network.condition", "network.denoiser"},
}


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory) -> Path:
    return write_pack(tmp_path_factory.mktemp("packs"))


def run(folder: Path, out: Path, stage: str, **given) -> LdmState:
    fields = {
        "ldm": SPEC,
        "batch": 4,
        "crop": 64,
        "workers": 0,
        "pool": 16,
        "precision": "fp32",
        "warmup": 2,
        "log_every": 3,
        "steps": 6,
        "rate": 3e-3,
    }
    options = ldm.LdmOptions(data=folder, out=out, stage=stage, **{**fields, **given})
    return ldm.LdmTrainer(options, say=lambda _: None).run()


@pytest.fixture(scope="module")
def stages(pack_folder, tmp_path_factory) -> dict[str, Path]:
    """State files of every stage, each begun with the one before."""
    out = tmp_path_factory.mktemp("stages")
    found: dict[str, Path] = {}
    for stage in ("plain", "1", "2", "regress", "joint"):
        resume = found.get(FROM.get(stage, ""))
        run(pack_folder, out / stage, stage, resume=resume)
        found[stage] = out / stage / STATE_NAME
    return found


def weights(path: Path) -> dict[str, torch.Tensor]:
    return dict(LdmState.load(path, device=CPU).network.named_parameters())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_moves_its_own_parts_only(stages, stage):
    after = weights(stages[stage])
    if stage in FROM:
        before = {k: v for k, v in read_payload(stages[FROM[stage]])["average"].items() if k in after}
    else:
        fresh = LdmSpec(restorer=SPEC.restorer, prior=None) if stage == "plain" else SPEC
        before = dict(LdmState.fresh(fresh, stage=stage, seed=0, device=CPU).network.named_parameters())
    assert before.keys() == after.keys()
    moved = {".".join(k.split(".")[:2]) for k in after if not torch.equal(before[k], after[k])}
    assert moved == TRAINED[stage]
    history = read_payload(stages[stage])["history"]
    assert history
    assert all(np.isfinite(list(record.values())).all() for record in history)
    assert (stages[stage].parent / "history.png").stat().st_size > 1000


def test_the_schedule_belongs_to_the_stage(stages):
    specs = {stage: LdmState.load(path, device=CPU).network.network.spec for stage, path in stages.items()}
    assert specs["plain"].prior is None
    assert specs["regress"].diffusion == REGRESSION
    assert specs["2"] == specs["joint"] == SPEC


@pytest.mark.parametrize("stage", ["1", "joint"])
def test_a_run_repeats_exactly_also_from_a_state(pack_folder, stages, tmp_path, stage):
    resume = stages["2"] if stage == "joint" else stages["1"]
    runs = [run(pack_folder, tmp_path / name, stage, resume=resume, steps=3) for name in ("a", "b")]
    for one, two in zip(*(r.network.state_dict().values() for r in runs), strict=True):
        assert torch.equal(one, two)


def test_a_resumed_stage_goes_on_where_it_was(pack_folder, stages, tmp_path):
    loaded = LdmState.load(stages["joint"], device=CPU)
    trainer_state = run(pack_folder, tmp_path, "joint", resume=stages["joint"], steps=1)
    assert trainer_state.step == loaded.step + 1
    assert trainer_state.images >= loaded.images
    steps = {int(entry["step"]) for entry in trainer_state.optimizer.state_dict()["state"].values()}
    assert steps == {loaded.step + 1}


def test_a_budget_ends_a_stage_and_a_slim_state_is_small_and_goes_on(pack_folder, tmp_path):
    first = run(pack_folder, tmp_path / "a", "1", steps=None, budget_s=1.0, slim=True)
    assert first.step > 0
    path = tmp_path / "a" / STATE_NAME
    parameters = sum(p.numel() for p in first.network.parameters())
    assert path.stat().st_size < 2 * parameters + 40_000
    assert run(pack_folder, tmp_path / "b", "1", resume=path, steps=1).step == first.step + 1


def test_a_restorer_begins_with_the_weights_of_a_u_net(pack_folder, tmp_path):
    given = {"batch": 4, "crop": 64, "workers": 0, "pool": 16, "precision": "fp32", "steps": 4, "warmup": 1}
    options = train.TrainOptions(data=pack_folder, out=tmp_path, spec=SPEC.restorer, **given)
    unet = train.Trainer(options, say=lambda _: None).run().average
    given = ["--name", "unet", "--summary", "", "--folder", str(tmp_path)]
    export.main([str(tmp_path / STATE_NAME), *given])
    x, sigma = torch.rand(1, 3, 64, 128), torch.full((1, 1, 1, 2), 0.03)
    for name, tolerance in ((STATE_NAME, 1e-6), ("unet.safetensors", 1e-4)):
        options = ldm.LdmOptions(
            data=pack_folder, out=tmp_path / "ldm", stage="1", ldm=SPEC, warm=tmp_path / name, steps=1
        )
        state = ldm.LdmTrainer(options, say=lambda _: None).state
        with torch.inference_mode():
            expected = unet(x, sigma)
            assert expected.any()
            for workshop in (state.network, state.average):
                torch.testing.assert_close(workshop.network(x, sigma), expected, atol=tolerance, rtol=0)


def test_a_held_u_net_rests_while_what_reads_the_prior_learns(pack_folder, stages, tmp_path):
    state = run(pack_folder, tmp_path, "joint", resume=stages["2"], hold=True)
    before, after = weights(stages["2"]), weights(tmp_path / STATE_NAME)
    moved = {".".join(k.split(".")[:3]) for k in after if not torch.equal(before[k], after[k])}
    told = {"network.restorer.dfam", "network.restorer.films"}
    assert {name for name in moved if name.startswith("network.restorer")} == told
    again = run(pack_folder, tmp_path / "b", "joint", resume=tmp_path / STATE_NAME, hold=True, steps=1)
    assert (again.hold, again.step) == (True, state.step + 1)
    free = run(pack_folder, tmp_path / "c", "joint", resume=tmp_path / STATE_NAME, steps=1)
    assert (free.hold, free.step) == (False, 1)


def test_stages_that_do_not_fit_are_refused():
    for stage, spec in (("1", LdmSpec(prior=None)), ("plain", SPEC), ("3", SPEC)):
        with pytest.raises(ValueError, match="stage"):
            LdmState.fresh(spec, stage=stage, seed=0, device=CPU)
    with pytest.raises(ValueError, match="held"):
        LdmState.fresh(LdmSpec(prior=None), stage="plain", seed=0, device=CPU, hold=True)


def test_the_command_line_runs_a_stage(pack_folder, tmp_path, capsys):
    arguments = ["--stage", "1", "--size", "tiny", "--data", str(pack_folder), "--out", str(tmp_path)]
    arguments += ["--steps", "1", "--batch", "2", "--crop", "64", "--pool", "4", "--workers", "0", "--slim"]
    assert ldm.main([*arguments, "--seed", "3"]) == 0
    assert "gain" in capsys.readouterr().out
    assert (tmp_path / STATE_NAME).stat().st_size < 4_000_000


def test_the_ablation_has_a_row_per_prior(stages, tmp_path, capsys):
    Image.fromarray(picture(9)).save(tmp_path / "one.png")
    rows = [str(stages["plain"]), f"{stages['1']}:true", f"{stages['1']}:none", str(stages["joint"])]
    assert ldm_validate.main([*rows, f"{stages['joint']}:mean", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.count("BD-rate over 1 images") == 5
    assert out.count(f"against {rows[0]}") == 4
    with pytest.raises(ValueError, match="prior"):
        ldm_validate.open_row(f"{stages['1']}:best", CPU)


@pytest.mark.parametrize("stage", ["plain", "joint"])
def test_exported_weights_do_what_the_average_does(stages, tmp_path, stage):
    arguments = ["--name", "test-ldm", "--summary", "a test", "--folder", str(tmp_path)]
    assert export.main([str(stages[stage]), *arguments]) == 0
    enhancer = load_enhancer(str(tmp_path / "test-ldm.safetensors"), "cpu")
    assert ("diffusion" in (tmp_path / "test-ldm.md").read_text()) == (stage == "joint")
    network = LdmState.load(stages[stage], device=CPU).average.network.eval()
    sight = look(np.random.default_rng(1).random((3, 128, 128), np.float32), 0.03, 4 * 64, 5 * 64)
    x = torch.from_numpy(sight.pixels.astype(np.float32) / 4080)[None]
    sigma = torch.from_numpy(sigma_lattice(sight.cells, sight.window))[None, None]
    with torch.inference_mode():
        expected = network(x, sigma, origins=[(4, 5)], seed=6)[0].numpy()
    found = corrected(enhancer, sight, seed=6)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())
