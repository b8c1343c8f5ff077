"""Attention modules in the form that papers and public code give them.

Each has our module's parameters, by the same names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

ORDERS = {"cw": (0, 2, 1, 3), "hc": (0, 3, 2, 1), "hw": (0, 1, 2, 3)}


def largest(maps: Tensor) -> Tensor:
    """Pool axis 1 by the maximum."""
    return maps.max(1, keepdim=True).values


def average(maps: Tensor) -> Tensor:
    """Pool axis 1 by the mean."""
    return maps.mean(1, keepdim=True)


def sorted_median(maps: Tensor) -> Tensor:
    """Pool axis 1 by the lower median, found by sorting."""
    middle = (maps.shape[1] - 1) // 2
    return maps.sort(1).values[:, middle : middle + 1]


class Gate(nn.Module):
    """Scale by a gate read from pools of axis 1."""

    def __init__(self, pools: Sequence[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.pools = pools
        self.convolution = nn.Conv2d(len(pools), 1, 7, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(1, momentum=0.01)

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps of any axes (N, A, B, C)."""
        pooled = torch.cat([pool(maps) for pool in self.pools], 1)
        return maps * torch.sigmoid(self.norm(self.convolution(pooled)))


class Triplet(nn.Module):
    """Triplet attention :cite:p:`misra2021triplet`, by rotating the maps."""

    def __init__(
        self,
        channels: int,
        pools: Sequence[Callable[[Tensor], Tensor]] = (largest, average),
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleDict({name: Gate(pools) for name in ORDERS})

    def forward(self, maps: Tensor) -> Tensor:
        """Average the gated copies of maps (N, C, H, W)."""
        found = [self.branches["hw"](maps)]
        for name in ("cw", "hc"):
            turned = maps.permute(ORDERS[name]).contiguous()
            gated = self.branches[name](turned)
            found.append(gated.permute(ORDERS[name]).contiguous())
        total: Tensor = found[0] + found[1] + found[2]
        return total / 3


class Coordinate(nn.Module):
    """Coordinate attention :cite:p:`hou2021coordinate`, on maps throughout."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        middle = max(8, channels // 32)
        self.shared = nn.Sequential(
            nn.Conv2d(channels, middle, 1),
            nn.BatchNorm2d(middle),
            nn.Hardswish(),
        )
        self.gates = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Conv2d(middle, channels, 1), nn.Sigmoid()
                )
                for name in ("height", "width")
            }
        )
        self.rows = nn.AdaptiveAvgPool2d((None, 1))
        self.columns = nn.AdaptiveAvgPool2d((1, None))

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (N, channels, H, W)."""
        pooled = [self.rows(maps), self.columns(maps).permute(0, 1, 3, 2)]
        shared = self.shared(torch.cat(pooled, 2))
        rows, columns = shared.split(maps.shape[2:], 2)
        across = self.gates["width"](columns.permute(0, 1, 3, 2))
        scaled: Tensor = maps * across * self.gates["height"](rows)
        return scaled
