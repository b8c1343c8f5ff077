"""In which precision convolutions and matrix products are done."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from coursework.recipe import Precision


def autocast(
    precision: Precision, device: torch.device
) -> AbstractContextManager[object]:
    """Do products and convolutions in a precision, where it isn't float32."""
    if precision == "float32":
        return nullcontext()  # cheaper than an autocast that is not enabled
    return torch.autocast(device.type, torch.bfloat16)


def choose_precision(
    asked: Precision, network: nn.Module, device: torch.device
) -> Precision:
    """Resolve "auto" to the precision that a network trains faster in.

    As measured (page Benchmarks, "precision"), bfloat16 pays where a device
    has instructions for it and the work is in convolutions; a vision
    transformer has but one.
    """
    if asked != "auto":
        return asked
    convolutions = sum(isinstance(m, nn.Conv2d) for m in network.modules())
    fast = convolutions > 1 and fast_in_bfloat16(device)
    return "bfloat16" if fast else "float32"


def fast_in_bfloat16(device: torch.device) -> bool:
    """Tell by a device's instructions whether convolutions pay in bfloat16.

    A property of the device, not a timing: all runs of a grid must come to
    the same answer, however busy the machine is.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)
