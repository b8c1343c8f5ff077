"""What attention modules share: gates that scale, and pools by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from coursework.models.attention.fused import Pool, mark
from coursework.recipe import named

T = TypeVar("T")
PoolName = Literal["avg", "max", "median", "l1", "l2", "l1-mean", "l2-mean"]

TINY = 1e-12  # keeps the gradient of a root finite where all is zero


class Gating(nn.Module, ABC):
    """Scale maps by weights that are read from them."""

    @abstractmethod
    def weights(self, maps: Tensor) -> Tensor:
        """Compute what scales maps (N, C, H, W): a shape that broadcasts."""

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (N, C, H, W) by their weights."""
        return maps * self.weights(maps)


def _median(maps: Tensor, axis: int) -> Tensor:
    if maps.device.type != "cpu":
        return maps.median(axis).values
    # torch's own looks at one number at a time.
    rows = maps.movedim(axis, -1).contiguous().numpy()
    middle = (rows.shape[-1] - 1) // 2
    return torch.from_numpy(np.partition(rows, middle)[..., middle])


def _mark(maps: Tensor, pooled: Tensor, gradient: Tensor, axis: int) -> Tensor:
    return mark(maps, pooled, axis).mul_(gradient)


def _share(maps: Tensor, pooled: Tensor, gradient: Tensor, axis: int) -> Tensor:
    return gradient / maps.shape[axis]


def _sign(maps: Tensor, pooled: Tensor, gradient: Tensor, axis: int) -> Tensor:
    return maps.sign().mul_(gradient)


def _scale(maps: Tensor, pooled: Tensor, gradient: Tensor, axis: int) -> Tensor:
    return maps * (gradient / pooled)


# Each entry takes one axis away.  "l1" and "l2" are norms as report R0 has
# them and grow with the axis; "l1-mean" and "l2-mean" are the mean size and
# the root of the mean square.  The median of an even number of values is the
# lower of the middle two.
POOLS: Mapping[PoolName, Pool] = {
    "avg": Pool(lambda maps, axis: maps.mean(axis), _share),
    "max": Pool(lambda maps, axis: maps.amax(axis), _mark),
    "median": Pool(_median, _mark),
    "l1": Pool(lambda maps, axis: maps.abs().sum(axis), _sign),
    "l2": Pool(
        lambda maps, axis: (maps.square().sum(axis) + TINY).sqrt(), _scale
    ),
    "l1-mean": Pool(
        lambda maps, axis: maps.abs().mean(axis),
        lambda m, p, g, axis: _sign(m, p, g / m.shape[axis], axis),
    ),
    "l2-mean": Pool(
        lambda maps, axis: (maps.square().mean(axis) + TINY).sqrt(),
        lambda m, p, g, axis: _scale(m, p, g / m.shape[axis], axis),
    ),
}


def several(table: Mapping[Any, T], names: Sequence[str], kind: str) -> list[T]:
    """Look several names up, in their order.

    Raises ValueError for none, for one that comes twice and for an unknown.
    """
    found = [named(table, name, kind) for name in names]
    if not found or len(set(names)) < len(names):
        accepted = ", ".join(map(repr, table))
        raise ValueError(
            f"{kind} names are {tuple(names)}; give at least one and none "
            f"twice; accepted: {accepted}"
        )
    return found
