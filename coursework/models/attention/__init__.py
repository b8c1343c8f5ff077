"""Attention modules for feature maps: ``channels`` first, shape kept.

Here squeeze-and-excitation; in ``eca``, ``cbam``, ``coordinate``, ``triplet``
and ``large_kernel`` those of the papers that followed it.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

MakeAttention = Callable[[int], nn.Module]


class SqueezeExcite(nn.Module):
    """Scale each channel by a gate read from all channels' means.

    :cite:p:`hu2018squeeze`, eq. 2–4; both dense layers have biases.  Keeps
    the shape (N, channels, H, W).  Raises ValueError if ``ratio`` does not
    divide ``channels``.
    """

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        if not 1 <= ratio <= channels or channels % ratio:
            raise ValueError(
                f"ratio is {ratio} with {channels} channels; it must divide "
                "them and leave at least one: take a smaller ratio or a "
                "wider network"
            )
        self.gate = nn.Sequential(
            nn.Linear(channels, channels // ratio),
            nn.ReLU(),
            nn.Linear(channels // ratio, channels),
            nn.Sigmoid(),
        )

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the gates (N, channels), between 0 and 1."""
        gates: Tensor = self.gate(maps.mean((2, 3)))
        return gates

    def forward(self, maps: Tensor) -> Tensor:
        """Scale maps (N, channels, H, W) by their gates."""
        return maps * self.weights(maps)[:, :, None, None]
