"""What a run made of a GPU: its memory, and a share of what it can compute."""

from __future__ import annotations

import sys
from collections.abc import Mapping

# Dense bfloat16 products in FLOP/s, by NVIDIA's data sheets.  Of two names
# that fit a device the first counts.
PEAKS: Mapping[str, float] = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
}
PASSES = 3  # of a training step: forward, and two products backwards


def peak(device: str) -> float | None:
    """Return what a device of this name can do at most; None if unknown."""
    return next((p for name, p in PEAKS.items() if name in device), None)


def share_of_peak(
    multiply_adds: float, examples_per_second: float, device: str
) -> float | None:
    """Return which share of the device's peak training used.

    ``multiply_adds`` are those of one example's forward pass, two FLOPs each.
    The peak is that of bfloat16 whatever the precision, so a run in float32
    can't come near it.  None for a device whose peak is not known here.
    """
    most = peak(device)
    if most is None:
        return None
    return 2 * PASSES * multiply_adds * examples_per_second / most


def memory() -> int | None:
    """Return the most bytes that tensors held on the GPU; None without one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    return int(torch.cuda.max_memory_allocated())


def forget_memory() -> None:
    """Begin to count :func:`memory` anew."""
    if memory() is not None:
        sys.modules["torch"].cuda.reset_peak_memory_stats()
