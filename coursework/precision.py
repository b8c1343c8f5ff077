"""In which precision convolutions and matrix products are done."""

from __future__ import annotations

import functools
import time

import torch
from torch import nn

from coursework.recipe import Precision


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Do products and convolutions in a precision, where it isn't float32."""
    enabled = precision != "float32"
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def choose_precision(
    asked: Precision, network: nn.Module, device: torch.device
) -> Precision:
    """Resolve "auto" to the precision that a network trains faster in.

    bfloat16 pays for convolutions over many channels alone (see the page
    Benchmarks), and only on a device that was measured to be fast at it.
    """
    if asked != "auto":
        return asked
    wide = any(
        isinstance(m, nn.Conv2d) and m.in_channels >= 16
        for m in network.modules()
    )
    return "bfloat16" if wide and fast_in_bfloat16(device) else "float32"


@functools.cache
def fast_in_bfloat16(device: torch.device) -> bool:
    """Time a convolution, there and back, in both precisions.

    True if bfloat16 is at least 1.2 times as fast.  The fastest of several
    turns counts, so that other work on the machine does not decide.
    """
    maps = torch.ones(8, 64, 14, 14, device=device)
    maps = maps.to(memory_format=torch.channels_last).requires_grad_()
    layer = nn.utils.skip_init(nn.Conv2d, 64, 64, 3, device=device)
    nn.init.ones_(layer.weight)
    layer = layer.to(memory_format=torch.channels_last)

    def seconds(precision: Precision) -> float:
        started = time.perf_counter()
        with autocast(precision, device):
            total: torch.Tensor = layer(maps).float().mean()
        torch.autograd.grad(total, maps)[0][0, 0, 0, 0].item()
        return time.perf_counter() - started

    turns = [(seconds("float32"), seconds("bfloat16")) for _ in range(5)]
    plain, short = (min(times) for times in zip(*turns, strict=True))
    return bool(plain > 1.2 * short)
