"""Controls: a mistake of report R0 on purpose, and gates that never learn."""

from __future__ import annotations

from torch import Tensor, nn

from coursework.models.attention import MakeAttention
from coursework.models.attention.branch import BranchGate
from coursework.models.attention.triplet import TripletAttention


def batch_softmax(
    channels: int, attention: MakeAttention = TripletAttention
) -> nn.Module:
    """Make triplet attention gate by a softmax over the batch, as report R0.

    A place's gates add up to 1 over the pictures, so that they are near
    1 / N, and what comes of a picture depends on which others are there.
    """
    module = attention(channels)
    for branch in module.modules():
        if isinstance(branch, BranchGate):
            branch.gate = nn.Softmax(dim=0)
    return module


class ConstantGates(nn.Module):
    """Halve the maps: triplet attention with its gates held at the start.

    A sigmoid of normalised values lies about 1/2 before training.  Gates of
    1 would be no attention at all, to the last bit.  No parameters; keeps
    the shape (N, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, channels, H, W) to half of it."""
        return maps / 2
