"""How the branches of triplet attention become one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from coursework.models.attention.fused import scaled

FusionName = Literal["mean", "weights", "convolution"]


class Mean(nn.Module):
    """Average the branches: all gates together scale the maps once."""

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()

    def forward(self, maps: Tensor, gates: Sequence[Tensor]) -> Tensor:
        """Map (N, C, H, W) and gates that broadcast to it to its shape."""
        return scaled(maps, [gate / len(gates) for gate in gates])


class Weighted(nn.Module):
    """Add the branches up by learned factors, at first those of a mean."""

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.full((branches,), 1 / branches))

    def forward(self, maps: Tensor, gates: Sequence[Tensor]) -> Tensor:
        """Map (N, C, H, W) and gates that broadcast to it to its shape."""
        pairs = zip(self.factors, gates, strict=True)
        return scaled(maps, [factor * gate for factor, gate in pairs])


class Mixed(nn.Module):
    """Map all branches' channels back by a 1×1 convolution without bias.

    At first it takes the mean: branches × channels² weights.
    """

    def __init__(self, channels: int, branches: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(branches * channels, channels, 1, bias=False)
        mean = torch.eye(channels).repeat(1, branches) / branches
        with torch.no_grad():
            self.project.weight.copy_(mean[:, :, None, None])

    def forward(self, maps: Tensor, gates: Sequence[Tensor]) -> Tensor:
        """Map (N, C, H, W) and gates that broadcast to it to its shape."""
        mixed: Tensor = self.project(torch.cat([maps * g for g in gates], 1))
        return mixed


# Each entry makes what fuses so many branches of so many channels.
FUSIONS: Mapping[FusionName, Callable[[int, int], nn.Module]] = {
    "mean": Mean,
    "weights": Weighted,
    "convolution": Mixed,
}
