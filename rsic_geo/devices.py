"""Where a network of ours runs, and how exactly: what codecs and enhancers have in common. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from rsic_geo.errors import UsageError


def choose_device(name: str) -> torch.device:
    """Return the torch device of ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. UsageError if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"unknown device {name!r}; use auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda") or (device.type == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"device {name!r} is not available here; use auto or cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r} is not available here; there are {torch.cuda.device_count()}")
    return device


def has_bfloat16(device: torch.device) -> bool:
    """Say whether convolutions in bfloat16 are native, and so faster, on a device."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(native and native())


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread of the CPU: how sums are split decides their last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def full_float32() -> AbstractContextManager[None]:
    """Keep convolutions on CUDA in full float32 (no TF32) and repeatable (no autotuning) in the body."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
