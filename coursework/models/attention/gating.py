"""What attention modules share: gates that scale, and pools by name."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from torch import Tensor, nn

from coursework.recipe import named

T = TypeVar("T")
PoolName = Literal["avg", "max", "median", "l1", "l2", "l1-mean", "l2-mean"]
Pool = Callable[[Tensor, int], Tensor]

TINY = 1e-12  # keeps the gradient of a root finite where all is zero


class Gating(nn.Module, ABC):
    """Scale maps by weights that are read from them."""

    @abstractmethod
    def weights(self, maps: Tensor) -> Tensor:
        """Compute what scales maps (N, C, H, W): a shape that broadcasts."""

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (N, C, H, W) by their weights."""
        return maps * self.weights(maps)


# Each entry takes one axis away.  "l1" and "l2" are norms as report R0 has
# them and grow with the axis; "l1-mean" and "l2-mean" are the mean size and
# the root of the mean square.  The median of an even number of values is the
# lower of the middle two.
POOLS: Mapping[PoolName, Pool] = {
    "avg": lambda maps, axis: maps.mean(axis),
    "max": lambda maps, axis: maps.max(axis).values,
    "median": lambda maps, axis: maps.median(axis).values,
    "l1": lambda maps, axis: maps.abs().sum(axis),
    "l2": lambda maps, axis: (maps.square().sum(axis) + TINY).sqrt(),
    "l1-mean": lambda maps, axis: maps.abs().mean(axis),
    "l2-mean": lambda maps, axis: (maps.square().mean(axis) + TINY).sqrt(),
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
