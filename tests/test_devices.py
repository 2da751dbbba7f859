"""Which device a network runs on: refused in one line where there is none, whoever asks."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from rsic_geo.devices import choose_device, full_float32, has_bfloat16  # noqa: E402
from rsic_geo.errors import UsageError  # noqa: E402


@pytest.mark.parametrize(
    ("name", "gpus", "found"),
    [
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda"),
        ("cpu", 1, "cpu"),
        ("cuda", 1, "cuda"),
        ("cuda:1", 2, "cuda:1"),
    ],
)
def test_a_device_that_is_here(monkeypatch, name, gpus, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert choose_device(name) == torch.device(found)


@pytest.mark.parametrize(
    ("name", "gpus", "said"),
    [
        ("cuda", 0, "not available here; use auto or cpu"),
        ("cuda:1", 1, "not available here; there are 1"),
        ("meta", 1, "not available here"),
        ("tpu", 1, "unknown device"),
    ],
)
def test_a_device_that_is_not(monkeypatch, name, gpus, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(UsageError, match=said) as caught:
        choose_device(name)
    assert "\n" not in str(caught.value)


def test_full_float32_ends_with_its_body():
    before = torch.backends.cudnn.allow_tf32
    with full_float32():
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.allow_tf32 == before
    assert isinstance(has_bfloat16(torch.device("cpu")), bool)
