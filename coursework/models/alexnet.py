"""AlexNet: the standard form, and the one that report R2 trained."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from coursework.models.attention import MakeAttention, SqueezeExcite
from coursework.models.parts import xavier


def convolutions(
    maps: Sequence[int],
    padding: int,
    attention: MakeAttention | None,
    after: Collection[int],
) -> nn.Sequential:
    """Make five convolutions in three stages, each closed by pooling.

    ``maps`` begins with the pictures' channels.  ``padding`` is the first
    layer's.  ``attention`` stands between a convolution and its ReLU, in the
    layers ``after``, counted from 1.
    """
    shapes = {1: (11, 4, padding), 2: (5, 1, 2)}
    stages = [nn.Sequential() for _ in range(3)]
    for number, (inputs, outputs) in enumerate(pairwise(maps), 1):
        stage = stages[min(number, 3) - 1]
        shape = shapes.get(number, (3, 1, 1))
        stage.append(nn.Conv2d(inputs, outputs, *shape))
        if attention and number in after:
            stage.append(attention(outputs))
        stage.append(nn.ReLU())
    for stage in stages:
        stage.append(nn.MaxPool2d(3, 2))
    return nn.Sequential(*stages)


class AlexNet(nn.Sequential):
    """Five convolutions and three dense layers.

    :cite:p:`krizhevsky2012imagenet`, in the one-tower form of
    :cite:p:`krizhevsky2014weird`.  Takes pictures (N, channels, H, W) of at
    least 63 px, gives logits (N, classes); 61,100,840 parameters by default.
    ``width`` scales every layer.  ``attention`` stands before the ReLU of
    the last three convolutions.  Deviates from the paper: no local response
    normalisation, one tower, average pooling to 6 × 6 places before the
    dense layers, torch's first weights.  Its children ``stages`` and ``head``
    run in turn.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 1000,
        width: int = 64,
        dropout: float = 0.5,
        attention: MakeAttention | None = None,
    ) -> None:
        super().__init__()
        maps = [channels, *(units * width for units in (1, 3, 6, 4, 4))]
        hidden = 64 * width
        self.stages = convolutions(maps, 2, attention, (3, 4, 5))
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(6),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(4 * width * 6**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, classes),
        )


class R2AlexNet(nn.Sequential):
    """Report R2's AlexNet: other widths, and 1000 classes mapped to its own.

    Takes pictures (N, channels, 224, 224), gives logits (N, classes);
    50,854,018 parameters by default.  ``width`` scales the layers before
    the last two.  ``se_ratio`` makes it SE-AlexNet, with gates in the
    convolutions ``se_after``: the report's first version has one in (5,),
    its last one in all of (3, 4, 5).  The report's ratio is 2.  Deviates
    from the report: no softmax after the last layer, as the loss takes
    logits.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 10,
        width: int = 32,
        dropout: float = 0.5,
        se_ratio: int | None = None,
        se_after: Sequence[int] = (3, 4, 5),
    ) -> None:
        super().__init__()
        maps = [channels, *(units * width for units in (3, 8, 12, 12, 8))]
        hidden = 128 * width
        gates = (
            partial(SqueezeExcite, ratio=se_ratio)
            if se_ratio is not None
            else None
        )
        self.stages = convolutions(maps, 0, gates, se_after)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(8 * width * 5**2, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, 1000),
            nn.Linear(1000, classes),
        )
        self.head.apply(xavier)
        for module in self.stages.modules():
            if isinstance(module, nn.Conv2d):  # gates keep torch's, as in R2
                xavier(module)
