"""Laws of the diffusion, its noise, its prior and its restorer."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from rsic_geo.repair.network import (  # noqa: E402
    REGRESSION,
    SIZES,
    DiffusionSpec,
    LdmNetwork,
    LdmSpec,
    PriorEncoder,
    PriorSpec,
    ResidualUNet,
    UNetSpec,
    macs_per_pixel,
)
from rsic_geo.repair.network.diffusion import diffuse, sample, signal_shares  # noqa: E402
from rsic_geo.repair.network.noise import keyed_noise  # noqa: E402

SCHEDULES = st.builds(
    DiffusionSpec, steps=st.integers(1, 12), beta_first=st.floats(0.01, 0.3), beta_last=st.floats(0.3, 0.999)
)
LATTICE = st.integers(-(2**20), 2**20)


def noise(row: int, col: int, rows: int, cols: int, *, seed: int = 0, channels: int = 4) -> torch.Tensor:
    return keyed_noise(
        row + torch.arange(rows)[None], col + torch.arange(cols)[None], channels=channels, seed=seed
    )[0]


@given(spec=SCHEDULES)
def test_the_last_step_of_a_schedule_holds_nothing_but_noise(spec):
    shares = signal_shares(spec)
    assert len(shares) == spec.steps + 1
    assert shares[0] == 1.0
    assert shares[-1] == 0.0
    assert all(a > b for a, b in zip(shares, shares[1:], strict=False))
    clean, start = torch.randn(1, 3, 2, 2), torch.randn(1, 3, 2, 2)
    assert torch.equal(diffuse(clean, start, spec.steps, spec), start)
    assert torch.equal(diffuse(clean, start, 0, spec), clean)


@given(spec=SCHEDULES)
def test_a_denoiser_that_knows_finds_the_way_and_is_shown_the_forward_process(spec):
    clean, start = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    seen = []

    def knows(state, condition, level):
        seen.append((level, state))
        return condition

    assert torch.equal(sample(knows, clean, start, spec), clean)
    assert [level for level, _ in seen] == [t / spec.steps for t in range(spec.steps, 0, -1)]
    for level, state in seen:
        expected = diffuse(clean, start, round(level * spec.steps), spec)
        torch.testing.assert_close(state, expected, atol=1e-4, rtol=1e-4)


@given(row=LATTICE, col=LATTICE, seed=st.integers(0, 2**64 - 1))
def test_noise_belongs_to_the_place_and_not_to_the_window(row, col, seed):
    whole = noise(row, col, 4, 5, seed=seed)
    assert torch.equal(whole[:, 1:3, 2:5], noise(row + 1, col + 2, 2, 3, seed=seed))
    assert torch.equal(whole[:2], noise(row, col, 4, 5, seed=seed, channels=2))
    assert not torch.equal(whole, noise(row, col, 4, 5, seed=(seed + 1) % 2**64))
    assert not torch.equal(whole[:, :4, :4], noise(col, row, 4, 4, seed=seed).mT) or row == col


def test_noise_is_standard_and_uncorrelated():
    values = noise(-60, 1000, 120, 120, channels=8).double()
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    assert abs((values**4).mean() - 3) < 0.3
    assert values.abs().max() < 4.9
    for other in (values.roll(1, 1), values.roll(1, 2), values.roll(1, 0), values.mT):
        assert abs((values * other).mean()) < 0.02


def test_noise_is_the_same_in_every_release():
    """Archives name a seed: what it stands for must not change. Known values, computed once."""
    found = noise(3, -2, 1, 2, seed=1234567890123, channels=1)[0]
    expected = torch.tensor([[-0.08118121325969696, -0.8551124930381775]])
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_noise_is_the_same_on_cuda():
    rows, cols = torch.arange(-5, 40)[None], torch.arange(100, 160)[None]
    here = keyed_noise(rows, cols, channels=8, seed=99)
    assert torch.equal(here, keyed_noise(rows.cuda(), cols.cuda(), channels=8, seed=99).cpu())


@settings(max_examples=6)
@given(
    widths=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    diffusion=st.sampled_from([DiffusionSpec(), REGRESSION, DiffusionSpec(steps=2, start="zero")]),
    has_prior=st.booleans(),
)
def test_an_untrained_network_corrects_nothing_and_its_spec_survives_json(widths, diffusion, has_prior):
    prior = PriorSpec(channels=3, widths=(4, 4), hidden=4, depth=1) if has_prior else None
    restorer = UNetSpec(widths=tuple(widths), blocks=(1,) * len(widths))
    spec = LdmSpec(restorer=restorer, prior=prior, diffusion=diffusion)
    assert LdmSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    network = LdmNetwork(spec)
    x = torch.rand(2, 3, 64, 128)
    out = network(x, torch.rand(2, 1, 1, 2))
    assert out.shape == x.shape
    assert not out.any()


@pytest.mark.parametrize(
    "fields",
    [
        {"prior": {"channels": 0}},
        {"prior": {"widths": []}},
        {"prior": {"widths": [4] * 7}},
        {"diffusion": {"steps": 0}},
        {"diffusion": {"beta_last": 1.0}},
        {"diffusion": {"beta_first": 0.5, "beta_last": 0.4}},
        {"diffusion": {"start": "dice"}},
        {"sampler": {}},
    ],
)
def test_impossible_specs_are_refused(fields):
    with pytest.raises(ValueError, match=r"must|unknown"):
        LdmSpec.from_json(SIZES["tiny"].to_json() | fields)


def test_without_a_prior_it_is_the_plain_network(busy_enhancer, busy_ldm, small_ldm_spec):
    plain = LdmNetwork(LdmSpec(restorer=small_ldm_spec.restorer, prior=None))
    plain.restorer.load_state_dict(busy_enhancer._network.rgb.state_dict())
    x, sigma = torch.rand(1, 3, 128, 64), torch.full((1, 1, 2, 1), 0.03)
    with torch.inference_mode():
        torch.testing.assert_close(plain(x, sigma), busy_enhancer._network(x, sigma), atol=1e-6, rtol=0)


def test_weights_of_the_plain_network_are_a_start_that_loses_nothing(busy_enhancer, small_ldm_spec):
    network = LdmNetwork(small_ldm_spec)
    missing, unexpected = network.restorer.load_state_dict(
        busy_enhancer._network.rgb.state_dict(), strict=False
    )
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"dfam", "films"}
    x, sigma = torch.rand(1, 3, 128, 64), torch.full((1, 1, 2, 1), 0.03)
    with torch.inference_mode():
        torch.testing.assert_close(network(x, sigma), busy_enhancer._network(x, sigma), atol=1e-6, rtol=0)


def test_the_prior_is_normalised_and_hangs_on_the_original_of_its_own_cell(small_ldm_spec):
    torch.manual_seed(0)
    encoder = PriorEncoder(small_ldm_spec.prior)
    x, sigma = torch.rand(1, 3, 128, 192), torch.full((1, 1, 2, 3), 0.03)
    original = x + 0.03 * torch.randn_like(x)
    with torch.inference_mode():
        tokens = encoder(x, original, sigma)
        assert tokens.shape == (1, 8, 2, 3)
        torch.testing.assert_close(tokens.mean(dim=(2, 3)), torch.zeros(1, 8), atol=1e-4, rtol=0)
        torch.testing.assert_close(tokens.square().mean(dim=(2, 3)), torch.ones(1, 8), atol=0.05, rtol=0)
        encoder.eval()
        tokens = encoder(x, original, sigma)
        original[:, :, 64:, 64:128] += 0.02 * torch.randn(1, 3, 64, 64)
        changed = (encoder(x, original, sigma) != tokens).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[1, 1]]


def test_brightness_of_the_scene_does_not_matter(busy_ldm):
    x, sigma = torch.rand(1, 3, 128, 128) * 0.5, torch.full((1, 1, 2, 2), 0.02)
    with torch.inference_mode():
        dark, bright = busy_ldm._network(x, sigma), busy_ldm._network(x + 0.3, sigma)
    torch.testing.assert_close(dark, bright, atol=1e-5, rtol=0)


def test_sizes_are_what_they_are_meant_to_be():
    """tiny for two CPU cores, base below ten million parameters and below 10 MB in half precision."""
    tiny, base = (LdmNetwork(SIZES[name]) for name in ("tiny", "base"))
    assert macs_per_pixel(tiny) < 60e3
    assert macs_per_pixel(tiny.restorer) == pytest.approx(SIZES["tiny"].restorer.macs_per_pixel)
    parameters = sum(parameter.numel() for parameter in base.parameters())
    assert 4e6 < parameters < 4.99e6
    assert isinstance(tiny.restorer, ResidualUNet)
