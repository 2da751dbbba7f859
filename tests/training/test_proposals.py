"""Several proposals: the fit an encoder makes, and networks that are taught to be fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from training_support import picture, write_pack  # noqa: E402

from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import LdmSpec, ResidualUNet, UNetSpec  # noqa: E402
from rsic_geo.training import export, ldm, train  # noqa: E402
from rsic_geo.training.ldm_state import LdmState  # noqa: E402
from rsic_geo.training.proposals import (  # noqa: E402
    LossShares,
    fitted_correction,
    proposals_loss,
    relative_loss,
    structure_loss,
    widened,
)
from rsic_geo.training.state import TrainState  # noqa: E402
from rsic_geo.training.train import STATE_NAME  # noqa: E402
from rsic_geo.training.validate import assess_folder, fit  # noqa: E402

SMALL = UNetSpec(widths=(8, 16), blocks=(1, 1))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("packs"))


def options(folder, out, **given) -> train.TrainOptions:
    fields = {"spec": SMALL, "batch": 4, "crop": 64, "workers": 0, "pool": 16, "precision": "fp32"}
    return train.TrainOptions(data=folder, out=out, **{**fields, **given})


def random_batch(proposals: int, *, scale: float = 1.0):
    torch.manual_seed(proposals)
    proposed = torch.randn(2, 3 * proposals, 64, 128) * 0.02 * scale
    return proposed, torch.randn(2, 3, 64, 128) * 0.02, torch.full((2, 1, 1, 2), 0.02)


@pytest.mark.parametrize("proposals", [1, 3])
def test_no_other_mix_leaves_less_error(proposals):
    """Against scipy's least squares, axis by axis; the pull of the ridge is too weak to matter much."""
    proposed, error, sigma = random_batch(proposals, scale=40.0)
    ours = fitted_correction(proposed, error, sigma)
    axes = np.array([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], float)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    for k in range(2):
        expected = np.zeros((3, 64 * 128))
        planes = proposed[k].numpy().reshape(proposals, 3, -1)
        turned = np.einsum("ac,pcn->pan", axes, planes)
        wanted = axes @ error[k].numpy().reshape(3, -1)
        for axis in range(3):
            basis = turned[:, axis].T
            expected[axis] = basis @ np.linalg.lstsq(basis, wanted[axis], rcond=None)[0]
        np.testing.assert_allclose(ours[k].numpy().reshape(3, -1), axes.T @ expected, atol=2e-4)


def test_a_proposal_that_is_right_is_taken_and_nonsense_is_left_out():
    proposed, error, sigma = random_batch(3)
    proposed = proposed.view(2, 3, 3, 64, 128)
    proposed[:, 2] = error * 3
    mixed = fitted_correction(proposed.reshape(2, 9, 64, 128), error, sigma)
    assert (mixed - error).square().mean() < 0.01 * error.square().mean()


def test_a_family_shares_the_mix_of_its_crops_laid_side_by_side():
    proposed, error, sigma = (
        torch.cat([one, other]) for one, other in zip(random_batch(2), random_batch(2), strict=True)
    )
    proposed[2:] *= 1.7
    mixed = fitted_correction(proposed, error, sigma, family=2)
    beside = [torch.cat([part[::2], part[1::2]], dim=3) for part in (proposed, error, sigma)]
    expected = torch.cat(fitted_correction(*beside).chunk(2, dim=3))[[0, 2, 1, 3]]
    torch.testing.assert_close(mixed, expected, rtol=1e-3, atol=1e-6)
    alone = fitted_correction(proposed, error, sigma)
    assert not torch.allclose(mixed, alone, atol=1e-4)
    assert (alone - error).square().sum() < (mixed - error).square().sum()


def test_batches_are_whole_families_of_one_image(pack_folder, tmp_path):
    given = options(pack_folder, tmp_path, steps=3, proposals=2, fitted_share=0.7, family=2)
    seen = []

    class Watched(train.Trainer):
        def pixels(self, crops):
            seen.append([crop.image for crop in crops])
            return super().pixels(crops)

    assert Watched(given, say=str).run().step == 3
    assert all(images[::2] == images[1::2] for images in seen)
    with pytest.raises(ValueError, match="not whole families of 3"):
        train.Trainer(options(pack_folder, tmp_path, steps=1, family=3), say=str)


def test_the_loss_is_that_of_the_first_alone_unless_the_mix_is_asked_for():
    proposed, error, sigma = random_batch(2)
    x = torch.rand(2, 3, 64, 128)
    alone = relative_loss(proposed[:, :3] - error, sigma, squared_share=0.3)
    correction, loss = proposals_loss(proposed, x, x + error, sigma, LossShares(squared=0.3, fitted=0))
    torch.testing.assert_close(loss, alone, rtol=1e-4, atol=0)
    assert torch.equal(correction, proposed[:, :3])
    mixed, less = proposals_loss(proposed, x, x + error, sigma, LossShares(squared=1, fitted=1))
    assert less < relative_loss(-error, sigma, squared_share=1)
    torch.testing.assert_close(mixed, fitted_correction(proposed, error, sigma), rtol=1e-3, atol=1e-6)


def test_structure_is_lost_with_detail_and_not_with_light():
    torch.manual_seed(0)
    original = torch.nn.functional.avg_pool2d(torch.rand(3, 3, 64, 128), 3, stride=1, padding=1)
    decoded = torch.nn.functional.avg_pool2d(original, 5, stride=1, padding=2)
    assert structure_loss(original, decoded, original) < 1e-5
    torch.testing.assert_close(structure_loss(decoded, decoded, original), torch.tensor(1.0))
    assert structure_loss(decoded + 0.02, decoded, original) < 1.05
    worse = torch.nn.functional.avg_pool2d(decoded, 5, stride=1, padding=2)
    assert structure_loss(worse, decoded, original) > 1.05
    half = (original + decoded) / 2
    assert 0 < structure_loss(half, decoded, original) < 1
    assert structure_loss(original, original, original) < 1e-5  # nothing was lost: no division by it


def test_the_structural_share_mixes_both_losses(pack_folder, tmp_path):
    proposed, error, sigma = random_batch(2)
    x = torch.rand(2, 3, 64, 128)
    one, mixed, other = (
        proposals_loss(proposed, x, x + error, sigma, LossShares(squared=0.5, fitted=0.7, structure=share))[1]
        for share in (0.0, 0.25, 1.0)
    )
    torch.testing.assert_close(mixed, 0.75 * one + 0.25 * other)
    given = options(pack_folder, tmp_path, steps=2, structure_share=0.3)
    assert train.Trainer(given, say=str).run().step == 2


def test_gradients_reach_every_proposal():
    proposed, error, sigma = random_batch(3)
    proposed.requires_grad_(True)
    x = torch.rand(2, 3, 64, 128)
    proposals_loss(proposed, x, x + error, sigma, LossShares(squared=0.5, fitted=1))[1].backward()
    assert (proposed.grad.flatten(2).abs().sum(dim=2) > 0).all()


def test_a_fresh_network_learns_all_its_proposals(pack_folder, tmp_path):
    given = options(pack_folder, tmp_path, steps=3, warmup=1, proposals=3, fitted_share=0.7)
    trainer = train.Trainer(given, say=str)
    before = trainer.state.network.tail.weight.detach().clone()
    assert not before[:12].any()
    moved = (trainer.run().network.tail.weight.detach() - before).flatten(1).abs().amax(dim=1)
    assert (moved.view(3, 12).amin(dim=1) > 1e-5).all()
    with pytest.raises(ValueError, match="fitted-share"):
        train.Trainer(options(pack_folder, tmp_path, steps=1, proposals=2), say=str)
    with pytest.raises(ValueError, match="1 to 4"):
        UNetSpec(proposals=5)


def test_widened_weights_propose_the_same_first_and_something_new():
    torch.manual_seed(0)
    plain = ResidualUNet(SMALL)
    torch.nn.init.normal_(plain.tail.weight, std=0.02)
    wide = ResidualUNet(replace(SMALL, proposals=3))
    wide.load_state_dict(widened(plain.state_dict(), 3))
    x, sigma = torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.03)
    with torch.inference_mode():
        first, other = wide(x, sigma)[:, :3], wide(x, sigma)[:, 3:]
        torch.testing.assert_close(first, plain(x, sigma))
    assert other.abs().mean() > 0.2 * first.abs().mean()


def test_a_run_goes_on_with_more_proposals_and_what_it_exports_has_them(pack_folder, tmp_path):
    train.Trainer(options(pack_folder, tmp_path, steps=4, warmup=1), say=str).run()
    given = {"steps": 3, "resume": tmp_path / STATE_NAME, "proposals": 2, "fitted_share": 0.5}
    state = train.Trainer(options(pack_folder, tmp_path / "wide", **given), say=str).run()
    assert state.network.spec.proposals == 2
    assert state.step == 7
    path = tmp_path / "wide" / STATE_NAME
    assert TrainState.load(path, device=CPU).network.spec.proposals == 2
    with pytest.raises(ValueError, match="proposes 2"):
        train.Trainer(options(pack_folder, tmp_path, steps=1, resume=path, proposals=1), say=str)
    export.main([str(path), "--name", "wide", "--summary", "", "--folder", str(tmp_path)])
    enhancer = load_enhancer(str(tmp_path / "wide.safetensors"), "cpu")
    assert enhancer.proposals == 2
    found = corrected(enhancer, look(np.random.default_rng(0).random((1, 64, 64), np.float32), 0.03))
    assert found.shape == (2, 64, 64)
    assert not np.array_equal(found[0], found[1])


def test_the_restorer_of_a_diffusion_takes_proposals_over(pack_folder, tmp_path):
    wide = {"proposals": 3, "fitted_share": 0.5}
    train.Trainer(options(pack_folder, tmp_path, steps=2, warmup=1, **wide), say=str).run()
    given = {"batch": 2, "crop": 64, "workers": 0, "pool": 8, "precision": "fp32", "steps": 1}
    given |= {"ldm": LdmSpec(restorer=SMALL), "data": pack_folder, "fitted_share": 0.5}
    for stage, begin in (
        ("1", {"warm": tmp_path / STATE_NAME}),
        ("2", {"resume": tmp_path / "1" / STATE_NAME}),
    ):
        run = ldm.LdmOptions(stage=stage, out=tmp_path / stage, **begin, **given)
        ldm.LdmTrainer(run, say=str).run()
        path = tmp_path / stage / STATE_NAME
        assert LdmState.load(path, device=CPU).network.network.spec.proposals == 3
    with pytest.raises(ValueError, match="proposes 3"):
        ldm.LdmTrainer(ldm.LdmOptions(stage="2", out=tmp_path, resume=path, proposals=1, **given), say=str)


def test_the_diffusion_is_not_told_either_if_so_asked(pack_folder, tmp_path):
    given = {"batch": 2, "crop": 64, "workers": 0, "pool": 8, "precision": "fp32", "steps": 1, "stage": "1"}
    run = ldm.LdmOptions(
        ldm=LdmSpec(restorer=SMALL), data=pack_folder, out=tmp_path, untold=True, rate=0.1, warmup=1, **given
    )
    trainer = ldm.LdmTrainer(run, say=str)
    trainer.run()
    trainer.state.network.eval()
    x, sigma = torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.03)
    one, other = (trainer.judge(x, x, factor * sigma)[0] for factor in (1, 4))
    assert torch.equal(one, other)
    assert one.any()


def test_validation_fits_proposals_as_numpy_does(tmp_path):
    rng = np.random.default_rng(1)
    change, error = rng.normal(size=(20, 30, 6)).astype(np.float32), rng.normal(size=(20, 30, 3))
    basis = np.stack([change[:, :, :3].ravel(), change[:, :, 3:].ravel()], axis=1)
    expected = basis @ np.linalg.lstsq(basis, error.ravel(), rcond=None)[0]
    np.testing.assert_allclose(fit(change, error.astype(np.float32)).ravel(), expected, atol=1e-5)
    from PIL import Image

    scene = picture(3, 100, 140)
    Image.fromarray(scene).save(tmp_path / "a.png")
    torch.manual_seed(3)
    network = ResidualUNet(replace(SMALL, proposals=2))
    (result,) = assess_folder(network, tmp_path)
    assert result.enhanced_db == pytest.approx(result.codec_db, abs=1e-9)  # the first proposal is none
    assert result.fitted_db > result.codec_db  # noise, but fitted


def test_a_network_that_is_not_told_sees_nothing_of_the_distortion(pack_folder, tmp_path):
    trainer = train.Trainer(options(pack_folder, tmp_path, steps=2, warmup=1, untold=True), say=str)
    trainer.run()
    x, sigma = torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.03)
    told = [trainer.judge(x, x, factor * sigma)[0] for factor in (1, 4)]
    assert torch.equal(*told)
    assert told[0].abs().max() > 0


def test_the_workshop_and_archives_agree_on_axes_and_on_how_many_proposals_there_may_be():
    """Training imports nothing of the pipeline, so what both need is written in both."""
    from rsic_geo.container import filters
    from rsic_geo.repair.filter import colour_axes
    from rsic_geo.repair.network import unet
    from rsic_geo.training import proposals

    assert unet.MAX_PROPOSALS == filters.MAX_PROPOSALS
    axes = np.array(proposals._OPPONENT)
    np.testing.assert_allclose(axes / np.linalg.norm(axes, axis=1, keepdims=True), colour_axes(3))
