"""VGG: 3×3 convolutions in stages, each closed by max pooling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from coursework.models.parts import he


class VGG(nn.Sequential):
    """Plain convolutions and three dense layers :cite:p:`simonyan2015vgg`.

    Takes pictures (N, channels, H, W), gives logits (N, classes).  The
    defaults are VGG-11, the paper's configuration A: 132,863,336 parameters.
    ``stages`` lists the maps of each convolution, in units of ``width``;
    every stage halves the side.  The last maps are averaged down to
    ``pooled`` × ``pooled`` places; the two hidden dense layers have
    64 ``width`` units.  Deviates from the paper: He's first weights.  Its
    children ``stages`` and ``head`` run in turn.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 1000,
        width: int = 64,
        stages: Sequence[Sequence[int]] = ((1,), (2,), (4, 4), (8, 8), (8, 8)),
        pooled: int = 7,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        for stage in stages:
            layers = nn.Sequential()
            for units in stage:
                layers.append(nn.Conv2d(channels, units * width, 3, padding=1))
                layers.append(nn.ReLU())
                channels = units * width
            self.stages.append(layers.append(nn.MaxPool2d(2)))
        self.stages.apply(he)
        hidden = 64 * width
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(pooled),
            nn.Flatten(),
            nn.Linear(channels * pooled**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )


# Report R1's "VGG-11" has 6 convolutions: 23,423,242 parameters at 28 px.
r1_vgg = partial(
    VGG,
    channels=1,
    classes=10,
    stages=((1,), (2,), (4, 4), (8, 8)),
    pooled=1,
)
