"""Efficient channel attention."""

from __future__ import annotations

import math

from torch import Tensor, nn

from coursework.models.attention.gating import Gating
from coursework.recipe import at_least


class ECA(Gating):
    """Scale each channel by a gate read from its neighbours' means.

    :cite:p:`wang2020eca`: one convolution along the channels, without bias.
    It is as long as the odd number nearest to
    (log2(channels) + ``b``) / ``gamma`` (eq. 12), so that it has 5 weights
    for 256 channels.  Raises ValueError for fewer channels than one.
    """

    def __init__(self, channels: int, *, gamma: float = 2, b: float = 1):
        super().__init__()
        at_least("channels", channels, 1)
        # Between two odd numbers lies an even one: the odd one next to it.
        kernel = int(abs((math.log2(channels) + b) / gamma)) | 1
        self.gate = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the gates (N, channels, 1, 1), between 0 and 1."""
        logits: Tensor = self.gate(maps.mean((2, 3))[:, None])
        return logits.sigmoid().mT[..., None]
