"""What several networks are made of: convolutions, stems, first weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from torch import nn

MakeActivation = Callable[[int], nn.Module]  # of so many channels
Stem = Literal["imagenet", "cifar", "r2"]


def he(module: nn.Module) -> None:
    """Draw a convolution's weights from N(0, 2 / fan-out), bias zero.

    :cite:p:`he2015delving`, eq. 14; leaves other modules alone.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(
            module.weight, mode="fan_out", nonlinearity="relu"
        )
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def xavier(module: nn.Module) -> None:
    """Draw a convolution's or dense layer's weights uniformly, bias zero.

    :cite:p:`glorot2010understanding`, eq. 16; leaves other modules alone.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def convolution(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    *,
    norm: bool = True,
    bias: bool = False,
) -> list[nn.Module]:
    """Make a padded convolution and, after it, batch normalisation.

    The norm's shift stands for a bias; without norm there is always a bias.
    """
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride, kernel // 2, bias=bias or not norm
    )
    return [layer, nn.BatchNorm2d(outputs)] if norm else [layer]


def relu(channels: int) -> nn.Module:
    """Make what stands after a norm unless another activation is asked for."""
    return nn.ReLU()


def imagenet(
    channels: int, width: int, act: MakeActivation = relu
) -> nn.Sequential:
    """Quarter a map's side: 7×7 convolution and max pooling."""
    return nn.Sequential(
        *convolution(channels, width, 7, 2), act(width), nn.MaxPool2d(3, 2, 1)
    )


def cifar(
    channels: int, width: int, act: MakeActivation = relu
) -> nn.Sequential:
    """Keep a map's side: 3×3 convolution, no pooling."""
    return nn.Sequential(*convolution(channels, width, 3), act(width))


def r2(channels: int, width: int, act: MakeActivation = relu) -> nn.Sequential:
    """Do as report R2: bias before the norm, pooling without padding."""
    return nn.Sequential(
        *convolution(channels, width, 7, 2, bias=True),
        act(width),
        nn.MaxPool2d(3, 2),
    )


STEMS: Mapping[Stem, Callable[..., nn.Sequential]] = {
    "imagenet": imagenet,
    "cifar": cifar,
    "r2": r2,
}
