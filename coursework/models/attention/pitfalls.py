"""A mistake of report R0, on purpose: a control to measure what it does."""

from __future__ import annotations

from torch import nn

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
