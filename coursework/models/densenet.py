"""DenseNet: the standard form, and the one that report R2 trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from coursework.models.parts import STEMS, Stem, he
from coursework.recipe import named


class DenseLayer(nn.Module):
    """Compute new maps and put them behind the ones that came in."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.new = nn.Sequential(*layers)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C + growth, H, W)."""
        return torch.cat([maps, self.new(maps)], 1)


def bottleneck(channels: int, growth: int) -> DenseLayer:
    """Make the layer of DenseNet-B: 1×1 to 4 times the growth, then 3×3."""
    return DenseLayer(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, 4 * growth, 1, bias=False),
        nn.BatchNorm2d(4 * growth),
        nn.ReLU(),
        nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
    )


def transition(channels: int) -> nn.Sequential:
    """Halve the maps' number and side."""
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels // 2, 1, bias=False),
        nn.AvgPool2d(2),
    )


def r2_layer(channels: int, growth: int) -> DenseLayer:
    """Make report R2's layer: one 3×3 convolution with a bias."""
    return DenseLayer(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, growth, 3, padding=1),
    )


def r2_plain_layer(channels: int, growth: int) -> nn.Sequential:
    """Compute all maps anew, as many as the dense layer would hand on."""
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels + growth, 3, padding=1),
    )


def r2_transition(channels: int) -> nn.Sequential:
    """Halve the maps' number and side, without norm and ReLU."""
    return nn.Sequential(nn.Conv2d(channels, channels // 2, 1), nn.AvgPool2d(2))


def dense_stages(
    channels: int,
    growth: int,
    blocks: Sequence[int],
    layer: Callable[[int, int], nn.Module],
    halve: Callable[[int], nn.Module],
) -> tuple[nn.Sequential, int]:
    """Make stages of so many layers each, and count the maps they end with.

    All but the first begin with a transition.
    """
    stages = nn.Sequential()
    for number, layers in enumerate(blocks):
        stage = nn.Sequential()
        if number:
            stage.append(halve(channels))
            channels //= 2
        for _ in range(layers):
            stage.append(layer(channels, growth))
            channels += growth
        stages.append(stage)
    return stages, channels


class DenseNet(nn.Sequential):
    """DenseNet-BC :cite:p:`huang2017densely`, section 3.

    Takes pictures (N, channels, H, W), gives logits (N, classes).  The
    defaults are DenseNet-121: 7,978,856 parameters.  ``growth`` is the maps
    that each layer adds; the stem gives twice as many.  ``stem`` is
    "imagenet" (a quarter of the side) or "cifar" (the whole side).  Its
    children ``stem``, ``stages`` and ``head`` run in turn.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 1000,
        growth: int = 32,
        blocks: Sequence[int] = (6, 12, 24, 16),
        stem: Stem = "imagenet",
    ) -> None:
        super().__init__()
        width = 2 * growth
        self.stem = named(STEMS, stem, "stem")(channels, width)
        self.stages, width = dense_stages(
            width, growth, blocks, bottleneck, transition
        )
        self.apply(he)
        self.head = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, classes),
        )


class R2DenseNet(nn.Sequential):
    """Report R2's DenseNet: four blocks of two layers, biases everywhere.

    Takes pictures (N, channels, H, W), gives logits (N, classes); 359,490
    parameters by default.  Its stem gives 64 maps at any growth.  The report
    has no ``skips=False``: a control that hands on as many maps, but computes
    each layer's anew, from more weights, so that nothing skips a layer.
    """

    def __init__(
        self,
        *,
        channels: int = 3,
        classes: int = 10,
        growth: int = 32,
        skips: bool = True,
    ) -> None:
        super().__init__()
        self.stem = STEMS["r2"](channels, 64)
        self.stages, width = dense_stages(
            64,
            growth,
            (2, 2, 2, 2),
            r2_layer if skips else r2_plain_layer,
            r2_transition,
        )
        self.head = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(width, 1000),
            nn.Linear(1000, classes),
        )
