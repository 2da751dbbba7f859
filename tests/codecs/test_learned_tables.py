"""Weights of a learned codec may come from anybody: no number in them reaches native code unchecked."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("compressai") is None:
    pytest.skip("compressai is not installed (it has no build for Python 3.13)", allow_module_level=True)

import safetensors.torch  # noqa: E402
from learned_support import busy_network, weights_of  # noqa: E402

from rsic_geo.codecs.learned import LearnedCodec  # noqa: E402
from rsic_geo.errors import WeightsError  # noqa: E402
from rsic_geo.weights import WeightsFile  # noqa: E402


@pytest.fixture(scope="module")
def weights() -> WeightsFile:
    return weights_of(busy_network())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("half_width", lambda t: t + 30_000_000),
        ("half_width", lambda t: -t),
        ("hyper_index", lambda t: t * 0 + 2_000_000),
        ("hyper_index", lambda t: t * 0),
        ("cdf", lambda t: t * 0),
        ("cdf", lambda t: t[:3]),
        ("cdf", lambda t: t.flip(1)),
        ("cdf", lambda t: t.double()),
        ("base", lambda t: t.double() + 0.5),
        ("limits", lambda t: t * float("nan")),
    ],
)
def test_tables_that_would_lead_the_coder_astray_are_refused(weights, name, change):
    tensors = safetensors.torch.load(weights.content)
    tensors[f"exact.{name}"] = change(tensors[f"exact.{name}"]).contiguous()
    content = safetensors.torch.save(tensors, metadata=dict(weights.metadata))
    with pytest.raises(WeightsError, match="do not fit"):
        LearnedCodec.from_weights(
            WeightsFile(name="x", sha256="0" * 64, content=content, metadata=weights.metadata)
        )
