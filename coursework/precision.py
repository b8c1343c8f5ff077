"""In which precision convolutions and matrix products are done."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

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


def prepare(network: nn.Module, precision: Precision) -> None:
    """Lay a network's weights out for a precision, in place.

    On a CPU bfloat16 pays only with the channels last, and some convolutions
    by channel are several times slower in it, backwards: these stay in
    float32 (page Benchmarks, "precision", EfficientNet-Lite0).
    """
    if precision == "float32":
        return
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for part in network.modules():
        if isinstance(part, nn.Conv2d) and _slow_in_bfloat16(part):
            part.register_forward_pre_hook(_to_float32)
            part.register_forward_hook(_back_from_float32, always_call=True)


def _slow_in_bfloat16(layer: nn.Conv2d) -> bool:
    """Tell a convolution by channel that strides, or reaches over 3 pixels."""
    wide = max(layer.stride) > 1 or max(map(int, layer.kernel_size)) > 3
    on_cpu = layer.weight.device.type == "cpu"
    return on_cpu and wide and layer.groups == layer.in_channels > 1


def _to_float32(layer: Any, inputs: tuple[Tensor]) -> tuple[Tensor]:
    layer.outside = torch.autocast("cpu", enabled=False)
    layer.outside.__enter__()
    return (inputs[0].float(),)


def _back_from_float32(layer: Any, inputs: Any, output: Any) -> None:
    layer.outside.__exit__(None, None, None)
    del layer.outside


def fast_in_bfloat16(device: torch.device) -> bool:
    """Tell by a device's instructions whether convolutions pay in bfloat16.

    A property of the device, not a timing: all runs of a grid must come to
    the same answer, however busy the machine is.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)
