"""Where a network of ours runs, and how exactly: what codecs and enhancers have in common. Needs torch."""

from __future__ import annotations

import threading
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


_inside, _before, _lock, _turn = 0, 1, threading.Lock(), threading.RLock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread of the CPU in the body, and as many as before once all bodies are left.

    How sums are split decides their last bits.
    """
    global _inside, _before  # noqa: PLW0603 - torch's number of threads is global, too
    with _lock:
        if _inside == 0:
            _before = torch.get_num_threads()
        _inside += 1
        torch.set_num_threads(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                torch.set_num_threads(_before)


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Infer with one thread in full float32; on CUDA, where flags are global, one caller at a time."""
    with torch.inference_mode(), one_thread():
        if device.type == "cpu":
            yield
        else:
            with _turn, full_float32():
                yield


def full_float32() -> AbstractContextManager[None]:
    """Keep convolutions on CUDA in full float32 (no TF32) and repeatable (no autotuning) in the body."""
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
