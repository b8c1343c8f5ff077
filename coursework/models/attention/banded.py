"""The convolution of a pooled map, fast where training runs on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Up to here the band's zeros cost less than a convolution of few channels on
# a long thin map, which is slow on a CPU.
LONGEST = 32
# So few channels in bfloat16 are faster with the channels last; in float32
# that would gain nothing and keep more for the backward pass.
FEW = 4


class MapConvolution(nn.Conv2d):
    """Convolve (N, pools, A, B) to one map (N, 1, A, B) of the same sides.

    In training on a CPU, and if a side is at most ``LONGEST``, it computes
    the same sums as a one-dimensional convolution whose channels are the
    places along that side.  Elsewhere it does without the zeros that this
    multiplies by, so that counters see what the formula says.  Raises
    ValueError for an even kernel, which would not keep the sides.
    """

    def __init__(self, pools: int, kernel: int, *, bias: bool) -> None:
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(
                f"kernel is {kernel}; it must be odd and positive to keep "
                "the map's sides: take 3, 5 or 7"
            )
        super().__init__(pools, 1, kernel, padding=kernel // 2, bias=bias)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, pools, A, B) to (N, 1, A, B)."""
        rows, columns = maps.shape[2:]
        slow = maps.device.type == "cpu" and min(rows, columns) <= LONGEST
        if not (slow and self.training):
            return super().forward(maps)
        kernel = self.weight[0]
        if rows <= columns:
            summed = along_columns(maps, kernel)
        else:
            summed = along_columns(maps.mT, kernel.mT).mT
        return summed if self.bias is None else summed + self.bias


def along_columns(maps: Tensor, kernel: Tensor) -> Tensor:
    """Convolve (N, P, A, B) with a kernel (P, k, k) along B to (N, 1, A, B)."""
    weight, inputs = banded(kernel, maps.shape[2]), maps.flatten(1, 2)
    padding = kernel.shape[-1] // 2
    if maps.shape[2] > FEW or maps.itemsize > 2:
        return F.conv1d(inputs, weight, padding=padding)[:, None]
    last = inputs[:, :, None].contiguous(memory_format=torch.channels_last)
    summed = F.conv2d(last, weight[:, :, None], padding=(0, padding))
    return summed.transpose(1, 2)


def banded(kernel: Tensor, rows: int) -> Tensor:
    """Lay a kernel (P, k, k) out for maps of so many rows as channels.

    Returns (rows, P * rows, k): from row r of map p to row s the weights are
    kernel[p, r - s + k // 2], or zero where there is no such row.
    """
    beside = rows - 1 - kernel.shape[-1] // 2
    padded = F.pad(kernel, (0, 0, beside, beside))
    windows = padded.unfold(1, rows, 1).flip(1)  # (P, to, k, from)
    return windows.permute(1, 0, 3, 2).flatten(1, 2)
