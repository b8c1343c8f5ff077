"""VGG: 3×3 convolutions in stages, each closed by max pooling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import nn

from coursework.models.parts import convolution, he


class VGG(nn.Sequential):
    """Plain convolutions and three dense layers :cite:p:`simonyan2015vgg`.

    Takes pictures (N, channels, H, W), gives logits (N, classes).  The
    defaults are VGG-11, the paper's configuration A: 132,863,336 parameters.
    ``stages`` lists the maps of each convolution, in units of ``width``;
    every stage halves the side.  The last maps are averaged down to
    ``pooled`` × ``pooled`` places; the hidden dense layers have ``hidden``
    units, by default two of 64 ``width``.  ``batch_norm`` follows each
    convolution.  Deviates from the paper: He's first weights.  Its children
    ``stages`` and ``head`` run in turn.
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
        hidden: Sequence[int] | None = None,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.stages = nn.Sequential()
        for stage in stages:
            layers = nn.Sequential()
            for units in stage:
                maps = units * width
                layers.extend(convolution(channels, maps, 3, norm=batch_norm))
                layers.append(nn.ReLU())
                channels = maps
            self.stages.append(layers.append(nn.MaxPool2d(2)))
        self.stages.apply(he)
        self.head = nn.Sequential(nn.AdaptiveAvgPool2d(pooled), nn.Flatten())
        inputs = channels * pooled**2
        for units in (64 * width,) * 2 if hidden is None else hidden:
            self.head.append(nn.Linear(inputs, units)).append(nn.ReLU())
            self.head.append(nn.Dropout(dropout))
            inputs = units
        self.head.append(nn.Linear(inputs, classes))


# Report R1's "VGG-11" has 6 convolutions: 23,423,242 parameters at 28 px.
r1_vgg = partial(
    VGG,
    channels=1,
    classes=10,
    stages=((1,), (2,), (4, 4), (8, 8)),
    pooled=1,
)
