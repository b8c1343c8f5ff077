"""In which precision convolutions and matrix products are done."""

from __future__ import annotations

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

    As measured (page Benchmarks, "precision"), bfloat16 pays for convolutions
    over many channels alone, and where a device has instructions for it.
    """
    if asked != "auto":
        return asked
    wide = any(
        isinstance(m, nn.Conv2d) and m.in_channels >= 16
        for m in network.modules()
    )
    return "bfloat16" if wide and fast_in_bfloat16(device) else "float32"


def fast_in_bfloat16(device: torch.device) -> bool:
    """Tell by a device's instructions whether convolutions pay in bfloat16.

    A property of the device, not a timing: all runs of a grid must come to
    the same answer, however busy the machine is.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)
