"""Report R2's zoo: what it called by a standard name, and what that was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import nn

from coursework.models.alexnet import AlexNet, R2AlexNet
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import DenseNet, R2DenseNet
from coursework.models.lenet import LeNet, LeNet1998
from coursework.models.resnet import ResNet, r2_resnet

Build = Callable[[], nn.Module]


@dataclass(frozen=True)
class Twin:
    """A network as the report trained it, beside the standard one.

    Both take 224 px and three channels, LeNet 28 px and one.
    """

    trained: Build
    standard: Build
    differs: str


RESNET = (
    "convolutions have biases before their norm, 1×1 shortcuts no norm; the "
    "stem pools without padding; another dense layer maps 1000 classes to 10"
)
MIDDLE = RESNET + "; a bottleneck's middle has half of its inputs' maps"
SE = RESNET + "; SE with ratio 2, whatever --ratio said"

ZOO: Mapping[str, Twin] = {
    "LeNet": Twin(
        LeNet1998,
        LeNet,
        "sigmoids, average pooling, first convolution padded",
    ),
    "AlexNet": Twin(
        R2AlexNet,
        partial(AlexNet, classes=10),
        "unpadded stem, other widths (96, 256, 384, 384, 256), another dense "
        "layer from 1000 classes to 10, and a softmax before the loss",
    ),
    **{
        f"ResNet-{depth}": Twin(
            partial(r2_resnet, depth),
            partial(ResNet, depth, classes=10),
            RESNET if depth < 50 else MIDDLE,
        )
        for depth in (18, 34, 50, 101)
    },
    "DenseNet": Twin(
        R2DenseNet,
        partial(DenseNet, classes=10),
        "four blocks of two layers (DenseNet-121 has 6, 12, 24, 16), no 1×1 "
        "bottlenecks, transitions without norm and ReLU",
    ),
    **{
        f"SE-ResNet-{depth}": Twin(
            partial(r2_resnet, depth, se_ratio=2),
            partial(ResNet, depth, classes=10, attention=SqueezeExcite),
            SE,
        )
        for depth in (18, 34)
    },
}
