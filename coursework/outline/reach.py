"""How far a path has come, followed through every operation of torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten


class Reach(NamedTuple):
    """What led to a tensor: a path's layers with weights, its field.

    ``field`` is the side, in pixels, of what one place depends on, and
    ``jump`` how many pixels two neighbouring places lie apart.
    """

    layers: int
    field: float
    jump: float


def reach(network: nn.Module, shape: Sequence[int]) -> tuple[int, float]:
    """Return the longest chain of weighted layers, and the widest field."""
    picture = torch.zeros(1, *shape, device="meta")
    paths = _Paths(picture)
    with torch.no_grad(), paths:
        output = network(picture)
    return paths.at[output].layers, paths.widest


class _Paths(TorchDispatchMode):
    """Note for each tensor that comes from the picture how it got there.

    An operation that slides a window widens the field (Araujo, Norris and
    Sim, "Computing receptive fields of convolutional neural networks",
    Distill, 2019); one that keeps a map's sides is taken to keep its places
    apart; after any other a value depends on all places.
    """

    def __init__(self, picture: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.at = {picture: Reach(0, 1, 1)}  # keeps all: they take no memory
        self.widest: float = 1

    def __torch_dispatch__(
        self, op: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and note where its results stand."""
        result = op(*args, **(kwargs or {}))
        inputs, outputs = _tensors((args, kwargs)), _tensors(result)
        met = [tensor for tensor in inputs if tensor in self.at]
        if met:
            layers = max(self.at[tensor].layers for tensor in met)
            layers += op in WEIGHTED
            field, jump = self._field(op, args, met, outputs)
            for tensor in outputs:
                self.at[tensor] = Reach(layers, field, jump)
        return result

    def _field(
        self, op: Any, args: Any, met: list[Tensor], outputs: list[Tensor]
    ) -> tuple[float, float]:
        field, jump = max(self.at[tensor][1:] for tensor in met)
        if op in WINDOWS:
            extent, stride = WINDOWS[op](*args)
            field, jump = field + (extent - 1) * jump, jump * stride
            self.widest = max(self.widest, field)
            return field, jump
        sides = {tensor.shape[2:] for tensor in outputs if tensor.ndim == 4}
        kept = any(tensor.shape[2:] in sides for tensor in met)
        return (field, jump) if kept else (math.inf, 1)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _convolved(
    maps: Tensor, weight: Tensor, *settings: Any
) -> tuple[float, int]:
    _, stride, _, gap, transposed, *_ = settings
    extent = gap[0] * (weight.shape[2] - 1) + 1
    return math.inf if transposed else extent, stride[0]


def _pooled(
    maps: Tensor, kernel: list[int], stride: Sequence[int] = (), *_: Any
) -> tuple[float, int]:
    return kernel[0], (stride or kernel)[0]


def _folded(maps: Tensor, factor: int) -> tuple[float, int]:
    return factor, factor


# The extent and stride of each operation's window, from its arguments.
WINDOWS: Mapping[Any, Callable[..., tuple[float, int]]] = {
    aten.convolution.default: _convolved,
    aten.max_pool2d_with_indices.default: _pooled,
    aten.avg_pool2d.default: _pooled,
    aten.pixel_unshuffle.default: _folded,
}
# What convolutions and dense layers come to; attention is another product.
WEIGHTED = {aten.convolution.default, aten.mm.default, aten.addmm.default}
