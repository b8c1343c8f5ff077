"""Report R3's counts of parameters and bytes, beside those made by code.

Its networks are torchvision's, for 200 classes where they are its own.
Parameters are counted on the meta device: shapes alone, no memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from coursework.models import sources
from coursework.models.transfer import Strategy, Transfer

Build = Callable[[], nn.Module]

# What the report says; None: a round number.
VITS: Mapping[str, str | None] = {
    "vit_b_16": None,
    "vit_b_32": "86M",
    "vit_l_16": "307M",
    "vit_l_32": "307M",
    "vit_h_14": "632M",
}
RESNETS: Mapping[str, str | None] = dict.fromkeys(
    (
        *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
        *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"),
        *("wide_resnet50_2", "wide_resnet101_2"),
    )
)
WEIGHTS_MIB = 43.03  # of ResNet-18, float32
PASSES_MIB = 82.01  # forward and backward at 256 px; "MB" in the report


@dataclass(frozen=True)
class Count:
    """A number of parameters as the report has it and as it is."""

    what: str
    reported: str | None
    ours: int


@dataclass(frozen=True)
class Layer:
    """Bytes of one call of a module, for one batch.

    ``estimated`` is twice its output, see :func:`memory`; ``kept`` what
    autograd keeps from here on for the backward pass.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    estimated: int
    kept: int


def parameters(build: Build) -> tuple[int, int]:
    """Count parameters: all of them, and those that train."""
    with torch.device("meta"):
        tensors = list(build().parameters())
    return (
        sum(p.numel() for p in tensors),
        sum(p.numel() for p in tensors if p.requires_grad),
    )


def report_counts() -> list[Count]:
    """Count again what the report counts of its three networks."""
    small, small_head = _trained("resnet18", "head")
    head = _trained("resnet50", "head")[1]
    stage = _trained("resnet50", "last-stage")[1]
    vit_head = _trained("vit_b_16", "head")[1]
    tuned = _trained("vit_b_16", "last-attention")[1]
    return [
        Count("ResNet-18", "11,279,112", small),
        Count("ResNet-18, head", "102,600", small_head),
        Count("ResNet-50, layer4", "3,351,552", stage - head),
        Count("ResNet-50, head", "2,049,000", head),
        Count("ResNet-50, layer4 and head", "5,400,552", stage),
        Count("ViT-B/16, head", "769,000", vit_head),
        Count("ViT-B/16, last attention", "2,362,368", tuned - vit_head),
        Count("ViT-B/16, last attention and head", "3,131,368", tuned),
    ]


def table(reported: Mapping[str, str | None]) -> list[Count]:
    """Count the networks of ``VITS`` or ``RESNETS``, with 1000 classes."""
    return [
        Count(name, said, parameters(_from_torchvision(name, 1000))[0])
        for name, said in reported.items()
    ]


def resnet18() -> nn.Module:
    """Build the network whose memory the report estimates."""
    whole: Any = _from_torchvision("resnet18", 200)()
    body: nn.Module = whole.body  # the report's pictures came normalised
    return body


def memory(build: Build = resnet18, side: int = 256) -> list[Layer]:
    """Follow one picture (3, side, side) through a network in training.

    The sum of ``estimated`` is what torchsummary calls "forward/backward
    pass size" (and gives in MiB, as "MB"): four bytes for each number that
    a module puts out, blocks besides the layers in them but neither
    ``Sequential`` nor the whole, twice for the gradients.  It counts a ReLU in
    place as if it took memory of its own, and gradients as if all were alive
    at once.  ``kept`` counts each storage where it is first saved for
    the backward pass, weights and buffers left out.
    """
    network = build().train()
    layers: list[Layer] = []
    frames = [0]  # bytes kept so far in each call that is under way
    state = network.state_dict(keep_vars=True).values()
    seen = {tensor.untyped_storage().data_ptr() for tensor in state}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            frames[-1] += storage.nbytes()
        return tensor.detach()

    def enter(part: nn.Module, inputs: Any) -> None:
        frames.append(0)

    def leave(name: str, part: nn.Module, inputs: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        holder = part is network or isinstance(part, nn.Sequential)
        bytes_out = 0 if holder else 2 * first.numel() * 4
        kind, shape = type(part).__name__, tuple(first.shape)
        layers.append(Layer(name, kind, shape, bytes_out, frames.pop()))

    for name, part in network.named_modules():
        part.register_forward_pre_hook(enter)
        part.register_forward_hook(partial(leave, name))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda kept: kept):
        outputs = network(torch.zeros(1, 3, side, side))
    del outputs  # until here it held all that was kept: no storage came twice
    return [layer for layer in layers if layer.estimated or layer.kept]


def _from_torchvision(name: str, classes: int) -> Build:
    return partial(sources.torchvision, name, classes, pretrained=False)


def _trained(name: str, strategy: Strategy) -> tuple[int, int]:
    make = _from_torchvision(name, 200)
    return parameters(lambda: Transfer(make(), strategy))
