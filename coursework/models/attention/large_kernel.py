"""Large kernel attention."""

from __future__ import annotations

from torch import Tensor, nn

from coursework.models.attention.gating import Gating


class LargeKernelAttention(Gating):
    """Scale each value by what a large window around it comes to.

    :cite:p:`guo2023visual`, eq. 1 and 2: the window, 23 × 23, is a 5×5 and a
    dilated 7×7 convolution of each channel alone and a 1×1 of all, with no
    gate's function after them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.kernel = nn.Sequential(
            nn.Conv2d(channels, channels, 5, padding=2, groups=channels),
            nn.Conv2d(
                channels, channels, 7, padding=9, dilation=3, groups=channels
            ),
            nn.Conv2d(channels, channels, 1),
        )

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the factors (N, channels, H, W), of any size and sign."""
        factors: Tensor = self.kernel(maps)
        return factors


class VANAttention(nn.Module):
    """Add large kernel attention between 1×1 convolutions to its inputs.

    The attention part of a block of :cite:p:`guo2023visual`, section 3.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(channels, channels, 1),
            nn.GELU(),
            LargeKernelAttention(channels),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape."""
        branch: Tensor = self.branch(maps)
        return maps + branch
