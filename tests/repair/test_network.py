"""Laws of the network itself."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from rsic_geo.repair.network import ResidualUNet, UNetSpec  # noqa: E402


@settings(max_examples=8, deadline=None)
@given(
    widths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    rows=st.integers(1, 2),
    cols=st.integers(1, 3),
    cell=st.sampled_from([2, 16, 64]),
)
def test_an_untrained_network_corrects_nothing(widths, rows, cols, cell):
    network = ResidualUNet(UNetSpec(widths=tuple(widths), blocks=(1,) * len(widths), mean_cell=cell))
    x = torch.rand(2, 3, 64 * rows, 64 * cols)
    out = network(x, torch.rand(2, 1, rows, cols))
    assert out.shape == x.shape
    assert not out.any()


def test_a_spec_survives_json(small_spec):
    assert UNetSpec.from_json(small_spec.to_json()) == small_spec
    assert UNetSpec.from_json({"widths": [8, 12, 16], "blocks": [1, 1, 1]}) == small_spec


@pytest.mark.parametrize(
    "fields",
    [
        {"widths": [], "blocks": []},
        {"widths": [8, 8], "blocks": [1]},
        {"widths": [0], "blocks": [1]},
        {"widths": [8], "blocks": [-1]},
        {"mean_cell": 48},
        {"widths": [2] * 7, "blocks": [1] * 7},
    ],
)
def test_impossible_specs_are_refused(fields):
    with pytest.raises(ValueError, match="must"):
        UNetSpec.from_json(fields)


def test_cost_counts_every_convolution(small_spec):
    network = ResidualUNet(small_spec)
    macs = []

    def count(layer, _inputs, output):
        macs.append(layer.weight.numel() * output.shape[-1] * output.shape[-2])

    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 3, 64, 64), torch.ones(1, 1, 1, 1))
    assert sum(macs) / 64**2 == pytest.approx(small_spec.macs_per_pixel)


def test_brightness_of_the_window_does_not_matter(busy_enhancer):
    """The local mean is taken out: a brighter scene gets the same correction."""
    network = busy_enhancer._network
    x, sigma = torch.rand(1, 3, 128, 128) * 0.5, torch.full((1, 1, 2, 2), 0.02)
    with torch.inference_mode():
        assert torch.allclose(network(x, sigma), network(x + 0.3, sigma), atol=1e-5)
