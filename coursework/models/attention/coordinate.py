"""Coordinate attention."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from coursework.models.attention.fused import alongside
from coursework.models.attention.gating import (
    POOLS,
    Gating,
    PoolName,
    several,
)
from coursework.recipe import at_least

Direction = Literal["height", "width"]

# The axis of (N, C, H, W) that is pooled to leave one place a row or column.
DIRECTIONS: Mapping[Direction, int] = {"height": 3, "width": 2}


class CoordinateAttention(Gating):
    """Scale by gates for each row and each column of each channel.

    :cite:p:`hou2021coordinate`, eq. 4–9.  Both directions share their first
    convolution, to channels / ``reduction`` maps but at least ``minimum``.
    Beyond the paper, its inputs may be several ``pools`` of each row or
    column, one behind the other, and ``directions`` may be one alone.
    Raises ValueError for an unknown pool or direction, for none of them, and
    for a ``reduction`` or ``minimum`` below 1.
    """

    def __init__(
        self,
        channels: int,
        *,
        reduction: int = 32,
        minimum: int = 8,
        pools: Sequence[PoolName] = ("avg",),
        directions: Sequence[Direction] = ("height", "width"),
    ) -> None:
        super().__init__()
        at_least("reduction", reduction, 1)
        at_least("minimum", minimum, 1)
        self.pools = several(POOLS, pools, "pool")
        self.axes = several(DIRECTIONS, directions, "direction")
        middle = max(minimum, channels // reduction)
        self.shared = nn.Sequential(
            nn.Conv1d(len(pools) * channels, middle, 1),
            nn.BatchNorm1d(middle),
            nn.Hardswish(),
        )
        self.gates = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv1d(middle, channels, 1), nn.Sigmoid()
                )
                for name in directions
            }
        )

    def weights(self, maps: Tensor) -> Tensor:
        """Compute a row's gate times a column's: (N, channels, H, W)."""
        pooled = [
            torch.cat([pool(maps, axis) for pool in self.pools], 1)
            for axis in self.axes
        ]
        lengths = [each.shape[2] for each in pooled]
        shared = self.shared(torch.cat(pooled, 2)).split(lengths, 2)
        parts = zip(self.gates.values(), shared, self.axes, strict=True)
        gates = [
            alongside(gate(part).unsqueeze(axis), maps)
            for gate, part, axis in parts
        ]
        product: Tensor = reduce(operator.mul, gates)
        return product
