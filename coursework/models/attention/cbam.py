"""Convolutional block attention."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from coursework.models.attention.banded import MapConvolution
from coursework.models.attention.gating import Gating


class ChannelGate(Gating):
    """Scale each channel by a gate read from all means and maxima.

    :cite:p:`woo2018cbam`, eq. 2.
    """

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        if not 1 <= ratio <= channels or channels % ratio:
            raise ValueError(
                f"ratio is {ratio} with {channels} channels; it must divide "
                "them and leave at least one: take a smaller ratio or a "
                "wider network"
            )
        self.shared = nn.Sequential(
            nn.Linear(channels, channels // ratio, bias=False),
            nn.ReLU(),
            nn.Linear(channels // ratio, channels, bias=False),
        )

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the gates (N, channels, 1, 1), between 0 and 1."""
        logits: Tensor = self.shared(maps.mean((2, 3)))
        logits = logits + self.shared(maps.flatten(2).max(2).values)
        return logits.sigmoid()[:, :, None, None]


class SpatialGate(Gating):
    """Scale each place by a gate read from its channels' mean and maximum.

    :cite:p:`woo2018cbam`, eq. 3.
    """

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.convolution = MapConvolution(2, kernel, bias=False)

    def weights(self, maps: Tensor) -> Tensor:
        """Compute the gates (N, 1, H, W), between 0 and 1."""
        pooled = torch.stack([maps.mean(1), maps.max(1).values], 1)
        logits: Tensor = self.convolution(pooled)
        return logits.sigmoid()


class CBAM(nn.Sequential):
    """Scale the channels, then the places :cite:p:`woo2018cbam`, eq. 1.

    Keeps the shape (N, channels, H, W).  As in the paper's formulas and
    unlike in its authors' code, the dense layers have no biases and no norm
    follows the convolution.  Raises ValueError if ``ratio`` does not divide
    ``channels`` or ``kernel`` is even.
    """

    def __init__(
        self, channels: int, *, ratio: int = 16, kernel: int = 7
    ) -> None:
        gates = {
            "channel": ChannelGate(channels, ratio),
            "spatial": SpatialGate(kernel),
        }
        super().__init__(OrderedDict[str, nn.Module](gates))
