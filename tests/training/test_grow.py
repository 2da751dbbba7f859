"""A codec that grows does what it did before, and begins to learn at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file  # noqa: E402

import rsic_geo.weights as weights_package  # noqa: E402
from rsic_geo.codecs.learned_network.frozen import shipped_tensors  # noqa: E402
from rsic_geo.codecs.learned_network.model import LearnedNetwork  # noqa: E402
from rsic_geo.codecs.learned_network.spec import CodecSpec  # noqa: E402
from rsic_geo.training.codec_state import grow, read_shipped  # noqa: E402

SHIPPED = Path(weights_package.__file__).parent / "rsic-codec-tiny.safetensors"
WIDER = CodecSpec(hidden=(72, 80, 100, 104), hyper=70, analysis=66, synthesis=100, post=36, hyper_latents=24)


def picture() -> torch.Tensor:
    """Return a smooth picture with an edge, (1, 3, 64, 96) in 0..1."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    wave = 0.5 + 0.2 * torch.sin(rows / 5) * torch.cos(columns / 7) + 0.2 * (columns > 40)
    return torch.stack([wave, wave.flip(0), 0.8 * wave])[None]


def test_growing_changes_nothing_and_opens_what_is_new() -> None:
    small = read_shipped(SHIPPED).eval()
    large = grow(small, WIDER, seed=3).eval()
    level = torch.tensor([128])
    before, after = small(picture(), level, hard=True), large(picture(), level, hard=True)
    torch.testing.assert_close(after.pixels, before.pixels, atol=1e-4, rtol=0)
    torch.testing.assert_close(after.bits, before.bits, atol=0.5, rtol=1e-3)
    (after.bits.sum() / 1000 + after.pixels.square().sum()).backward()
    opened = large.entropy.groups[1].middle.weight.grad[:64, 64:]
    assert opened.abs().max() > 0, "old features must begin to read new ones"


def test_shipped_weights_are_the_network_they_were_made_of() -> None:
    shipped = load_file(SHIPPED)
    again = shipped_tensors(read_shipped(SHIPPED))
    tables = {"exact.cdf", "exact.half_width", "exact.limits", "exact.base"}
    assert again.keys() == shipped.keys()
    for name in shipped.keys() - tables:
        torch.testing.assert_close(again[name], shipped[name], atol=0, rtol=0, msg=name)


@pytest.mark.parametrize("change", [{"hyper": 32}, {"groups": (16, 16, 48, 112)}])
def test_a_codec_that_would_shrink_is_refused(change: dict[str, object]) -> None:
    network = LearnedNetwork(CodecSpec())
    with pytest.raises(ValueError, match="codec"):
        grow(network, replace(CodecSpec(), **change), seed=0)
