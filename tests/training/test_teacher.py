"""Small plain networks: what they are, what a teacher tells them, and sources held to a share."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from enhance_support import corrected, look  # noqa: E402
from PIL import Image  # noqa: E402
from training_support import write_pack  # noqa: E402

from rsic_geo.repair import load_enhancer  # noqa: E402
from rsic_geo.repair.network import ResidualUNet, UNetSpec, paired  # noqa: E402
from rsic_geo.training import train  # noqa: E402
from rsic_geo.training.data import ImagePacks, StreamOptions, crop_stream, find_packs  # noqa: E402
from rsic_geo.training.teacher import VIEWS, Teacher, mean_of_views, seen, spread  # noqa: E402
from rsic_geo.training.train import STATE_NAME  # noqa: E402
from rsic_geo.weights import open_weights  # noqa: E402

PLAIN = UNetSpec(widths=(8, 16), blocks=(1, 2), proposals=2, plain=True)
CPU = torch.device("cpu")
TEACHER = "rsic-nano"


@pytest.fixture(scope="module")
def pack_folder(tmp_path_factory):
    return write_pack(tmp_path_factory.mktemp("packs"))


def _teacher(tmp_path):
    path = tmp_path / "teacher.safetensors"
    path.write_bytes(open_weights(TEACHER).content)
    return path


def test_a_plain_network_says_so_and_others_say_nothing_of_it():
    assert UNetSpec.from_json(PLAIN.to_json()) == PLAIN
    assert "plain" not in replace(PLAIN, plain=False).to_json()


def test_operations_of_a_plain_network_are_counted():
    """Against torch's own count of what each convolution does."""
    counted = []

    def count(module, _, output):
        counted.append(module.weight.numel() * output.shape[2] * output.shape[3])

    network = ResidualUNet(PLAIN)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(count)
    network(torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.02))
    assert PLAIN.macs_per_pixel == pytest.approx(sum(counted) / 64**2)


def test_an_untrained_plain_network_corrects_nothing_and_a_trained_one_sees_single_bands():
    network = ResidualUNet(replace(PLAIN, proposals=1))
    assert not network(torch.rand(1, 3, 64, 64), torch.full((1, 1, 1, 1), 0.02)).any()
    torch.manual_seed(1)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    band, sigma = torch.rand(1, 1, 64, 64), torch.full((1, 1, 1, 1), 0.02)
    alone = paired(network)(band, sigma)
    together = network(band.expand(-1, 3, -1, -1), sigma).mean(dim=1, keepdim=True)
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-6)


def test_the_shipped_small_network_sees_no_further_than_its_halo():
    enhancer = load_enhancer("rsic-nano", "cpu")
    rng = np.random.default_rng(0)
    x = rng.random((3, 256, 384), dtype=np.float32)
    other = x.copy()
    other[..., :64] = rng.random((3, 256, 64), dtype=np.float32)
    change = np.abs(corrected(enhancer, look(x, 0.02)) - corrected(enhancer, look(other, 0.02)))
    assert change[..., :64].max() > 1e-3, "the change is one"
    assert not change[..., 64 + enhancer.halo :].any()


def test_a_lesson_is_what_the_teacher_adds_in_units_of_the_distortion(pack_folder, tmp_path):
    packs = find_packs(pack_folder)
    options = StreamOptions(packs=packs, crop=64)
    teacher = Teacher.read(_teacher(tmp_path), device=CPU, dtype=torch.float32)
    plain = crop_stream(options)
    taught = teacher.teach(crop_stream(options), train.to_batch)
    for _ in range(5):
        bare, crop = next(plain), next(taught)
        np.testing.assert_array_equal(bare.decoded, crop.decoded)
        assert bare.lesson is None
        x, target, sigma = train.to_batch([crop], CPU)
        expected = teacher.correct(x, target, sigma) / spread(sigma, x)
        np.testing.assert_allclose(crop.lesson, expected[0].numpy(), atol=2e-3)


@pytest.mark.parametrize("views", [2, 8])
def test_a_teacher_in_the_mirror_is_the_same_teacher(tmp_path, views):
    """Crops are shown as they are and transposed: what is taught must be transposed with them."""
    teacher = Teacher.read(_teacher(tmp_path), device=CPU, dtype=torch.float32, views=views)
    torch.manual_seed(2)
    x = torch.rand(1, 3, 64, 128)
    target, sigma = x + 0.02 * torch.randn_like(x), torch.full((1, 1, 1, 2), 0.02)
    turned = teacher.correct(x.transpose(2, 3), target.transpose(2, 3), sigma.transpose(2, 3)).transpose(2, 3)
    torch.testing.assert_close(turned, teacher.correct(x, target, sigma), rtol=1e-3, atol=1e-5)


def test_views_keep_the_phase_of_the_wavelet_which_flips_do_not():
    """Of samples on even rows and columns alone nothing comes to odd ones, in any of the eight views."""
    x = torch.zeros(1, 1, 64, 128)
    x[..., ::2, ::2] = 1 + torch.rand(1, 1, 32, 64)
    for view in range(8):
        turned = seen(x, view)
        assert turned.shape == ((1, 1, 128, 64) if view & 1 else (1, 1, 64, 128))
        assert turned[..., ::2, ::2].all()
        assert not turned[..., 1::2, :].any()
        assert not turned[..., :, 1::2].any()
    assert not torch.equal(x.flip(3)[..., :, 1::2], torch.zeros(1, 1, 64, 64)), "a plain flip moves them"


def test_what_a_wavelet_makes_of_a_view_is_the_view_of_what_it_makes():
    """By another wavelet than the codec's: a low-pass of even symmetry about the first sample."""
    torch.manual_seed(4)
    x = torch.rand(1, 1, 64, 64)

    def lowest(pixels):  # 5/3's low-pass with its whole-sample extension, then every second sample
        taps = torch.tensor([-1.0, 2.0, 6.0, 2.0, -1.0]) / 8
        wide = torch.nn.functional.pad(pixels, (2, 2, 2, 2), mode="reflect")
        both = torch.nn.functional.conv2d(wide, torch.outer(taps, taps)[None, None])
        return both[..., ::2, ::2]

    for view in range(8):
        expected, found = seen(lowest(x), view), lowest(seen(x, view))
        # the view's own row and column 0 stand for what was beyond the picture, and 2 taps reach them
        torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2])


@pytest.mark.parametrize("count", VIEWS)
def test_the_mean_of_views_of_what_stays_in_its_place_is_that_itself(count):
    torch.manual_seed(5)
    x, sigma = torch.rand(2, 3, 64, 128), torch.rand(2, 1, 1, 2)
    found = mean_of_views(lambda one, _: 2 * one, x, sigma, count)
    torch.testing.assert_close(found, 2 * x)
    told = mean_of_views(lambda one, level: spread(level, one).expand_as(one), x, sigma, count)
    # Nodes lie a pixel off: at the border of two the mean is mixed.
    inner = (..., slice(1, None), slice(1, 64))
    torch.testing.assert_close(told[inner], spread(sigma, x).expand_as(x)[inner])
    with pytest.raises(ValueError, match="3 views: must be one of 1, 2, 8"):
        mean_of_views(lambda one, _: one, x, sigma, 3)


def test_a_pupil_of_eight_views_is_shown_them_all(pack_folder, tmp_path):
    options = train.TrainOptions(
        data=pack_folder, out=tmp_path, spec=PLAIN, steps=8, batch=2, crop=64, workers=0, pool=8,
        precision="fp32", teacher=_teacher(tmp_path), teacher_views=8, fitted_share=0.5,
    )  # fmt: skip
    trainer = train.Trainer(options, say=lambda _: None)
    teacher = Teacher.read(options.teacher, device=CPU, dtype=torch.float32, views=8)
    stream = teacher.teach(crop_stream(StreamOptions(packs=find_packs(pack_folder), crop=64)), train.to_batch)
    crops = [next(stream) for _ in range(2)]
    plain, _, _ = train.to_batch(crops, CPU)
    shown = []
    for step in range(8):
        trainer.state.step = step
        x, target, _ = trainer.pixels(crops)
        torch.testing.assert_close(x, seen(plain, step))
        assert not torch.equal(target, x)
        assert not any(torch.equal(x, other) for other in shown)
        shown.append(x)
    with pytest.raises(ValueError, match="4 views"):
        train.Trainer(replace(options, teacher_views=4))
    with pytest.raises(ValueError, match="4 views"):
        Teacher.read(options.teacher, device=CPU, dtype=torch.float32, views=4)


def test_a_pupil_comes_nearer_to_its_teacher(pack_folder, tmp_path):
    teacher = _teacher(tmp_path)
    options = train.TrainOptions(
        data=pack_folder, out=tmp_path / "out", spec=PLAIN, steps=150, batch=4, crop=64, workers=0, pool=24,
        reuse=50.0, rate=3e-3, warmup=10, precision="fp32", log_every=50, teacher=teacher, teacher_share=1.0,
        fitted_share=0.5, squared_share=1.0, average_decay=0.9,
    )  # fmt: skip
    state = train.Trainer(options, say=lambda _: None).run()
    assert (tmp_path / "out" / STATE_NAME).exists()
    first, last = state.history[0], state.history[-1]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["gain_db"] > first["gain_db"]


def test_a_teacher_of_jpeg2000_does_not_teach_repair_of_another_codec(pack_folder, tmp_path):
    options = train.TrainOptions(
        data=pack_folder, out=tmp_path, spec=PLAIN, steps=1, teacher=tmp_path / "t", coded_by=tmp_path / "c"
    )
    with pytest.raises(ValueError, match="--teacher or --coded-by"):
        train.Trainer(options)


def test_no_source_has_more_than_its_share(tmp_path):
    """Three sources of 60, 12 and 8 images: none may be more than half."""
    with tarfile.open(tmp_path / "pack.tar", "w") as tar:
        for source, count in (("large", 60), ("middle", 12), ("small", 8)):
            for number in range(count):
                coded = io.BytesIO()
                Image.new("RGB", (64, 64)).save(coded, "PNG")
                entry = tarfile.TarInfo(f"{source}__{number}.png")
                entry.size = coded.tell()
                tar.addfile(entry, io.BytesIO(coded.getvalue()))
    packs = ImagePacks((tmp_path / "pack.tar",))
    names = [name.partition("__")[0] for name, *_ in packs._members]
    drawn = np.concatenate([packs.draw(3, epoch, 0.5) for epoch in range(60)])
    shares = {source: np.mean([names[number] == source for number in drawn]) for source in set(names)}
    assert shares["large"] == pytest.approx(0.5, abs=0.02)
    assert shares["middle"] == pytest.approx(0.3, abs=0.02)
    np.testing.assert_array_equal(packs.draw(3, 1, 0.5), packs.draw(3, 1, 0.5))
    assert sorted(packs.draw(3, 1, 1.0)) == list(range(80))
    with pytest.raises(ValueError, match="3 sources"):
        packs.draw(3, 0, 0.2)
