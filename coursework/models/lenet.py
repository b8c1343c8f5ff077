"""LeNet in the form that today's tutorials train, and in an older one."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from coursework.models import activations
from coursework.models.parts import relu, xavier
from coursework.recipe import at_least, named


class LeNet(nn.Sequential):
    """Two convolutions and three dense layers :cite:p:`lecun1998gradient`.

    Takes pictures (N, channels, side, side), gives logits (N, classes);
    44,426 parameters by default.  ``activation`` names an entry of the
    catalogue; one that needs maps stands after the convolutions alone, with
    ReLU after the dense layers.  ``batch_norm`` stands before each
    activation, ``dropout`` after those of the dense layers.  Deviates from
    the paper: ReLU for tanh, max pooling for trained subsampling, all maps
    connected, no padding, and a linear output in place of radial basis
    functions.
    """

    def __init__(
        self,
        classes: int = 10,
        side: int = 28,
        activation: str = "relu",
        *,
        channels: int = 1,
        batch_norm: bool = False,
        dropout: float = 0.0,
    ) -> None:
        at_least("side", side, 16)
        left = ((side - 4) // 2 - 4) // 2
        known = activations.ACTIVATIONS
        scope = named(known, activation, "activation").scope
        make = partial(activations.activation, activation)
        dense = relu if scope == "map" else make
        super().__init__()
        for inputs, maps in ((channels, 6), (6, 16)):
            self.append(nn.Conv2d(inputs, maps, 5))
            if batch_norm:
                self.append(nn.BatchNorm2d(maps))
            self.append(make(maps)).append(nn.MaxPool2d(2))
        self.append(nn.Flatten())
        for inputs, units in ((16 * left**2, 120), (120, 84)):
            self.append(nn.Linear(inputs, units))
            if batch_norm:
                self.append(nn.BatchNorm1d(units))
            self.append(dense(units))
            if dropout:
                self.append(nn.Dropout(dropout))
        self.append(nn.Linear(84, classes))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Compute logits (N, classes)."""
        for layer in self:
            pictures = layer(pictures)
        return pictures


class LeNet1998(nn.Sequential):
    """LeNet with sigmoids and average pooling, as report R2 trained it.

    Takes pictures (N, 1, side, side), gives logits (N, classes); 61,706
    parameters by default, Xavier's first weights.  Deviates from the
    paper :cite:p:`lecun1998gradient`: sigmoid for scaled tanh, pooling
    without trained weights, all maps connected, and a linear output in place
    of radial basis functions.
    """

    def __init__(self, classes: int = 10, side: int = 28) -> None:
        at_least("side", side, 12)
        left = (side // 2 - 4) // 2
        super().__init__(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.Sigmoid(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * left**2, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, classes),
        )
        self.apply(xavier)
