"""ResNet: the standard form with its variants, and the one of report R2."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from coursework.models import activations
from coursework.models.attention import MakeAttention, SqueezeExcite
from coursework.models.parts import STEMS, Stem, xavier
from coursework.models.residual import (
    DROPS,
    FORMS,
    Drop,
    FormName,
    Skip,
    Unit,
    basic,
)
from coursework.recipe import named


@dataclass(frozen=True)
class Depth:
    """How many units each stage has, and how many times wider they end."""

    units: tuple[int, int, int, int]
    expansion: int


# Table 1 of he2016deep.
DEPTHS: Mapping[int, Depth] = {
    18: Depth((2, 2, 2, 2), expansion=1),
    34: Depth((3, 4, 6, 3), expansion=1),
    50: Depth((3, 4, 6, 3), expansion=4),
    101: Depth((3, 4, 23, 3), expansion=4),
}


class ResNet(nn.Sequential):
    """Residual network :cite:p:`he2016deep`, table 1.

    Takes pictures (N, channels, H, W), gives logits (N, classes); with the
    defaults, depths 18, 34, 50 and 101 have 11,689,512, 21,797,672,
    25,557,032 and 44,549,160 parameters.  ``width`` is the stem's maps and
    scales all others.  ``stem`` is "imagenet" (a quarter of the side) or
    "cifar" (the whole side).  ``attention`` makes a module for so many maps;
    it stands after the branch's last norm, as in SE-ResNet
    :cite:p:`hu2018squeeze`.  ``batch_norm`` is about the branches only.
    ``units`` are those of each stage, in place of the depth's number.
    ``skip`` names what joins shortcut s and branch h ("subtract" is s - h);
    with "none" the 1×1 shortcuts stay, idle, with "plain" there are none.
    ``drop`` names what drops branches in training, at a rate that rises
    linearly with depth to ``drop_rate`` in the last unit.  ``activation``
    names an entry of the catalogue for all of them.  Deviates from the
    paper: a bottleneck strides in its 3×3 convolution, not in the first 1×1.
    Raises ValueError for an unknown name or depth.  Its children ``stem``,
    ``stages`` and ``head`` run in turn.
    """

    def __init__(
        self,
        depth: int = 18,
        *,
        channels: int = 3,
        classes: int = 1000,
        width: int = 64,
        stem: Stem = "imagenet",
        attention: MakeAttention | None = None,
        batch_norm: bool = True,
        skip: Skip = "add",
        form: FormName = "standard",
        drop: Drop = "nothing",
        drop_rate: float = 0.2,
        activation: str = "relu",
        units: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth is {depth}; accepted: {[*DEPTHS]}")
        plan, parts = DEPTHS[depth], named(FORMS, form, "form")
        numbers = plan.units if units is None else units
        act = partial(activations.activation, activation)
        unit = partial(
            Unit,
            act=act,
            form=parts,
            branch=basic if plan.expansion == 1 else parts.bottleneck,
            batch_norm=batch_norm,
            attention=attention,
            skip=skip,
        )
        self.stem = named(STEMS, stem, "stem")(channels, width, act)
        self.stages = nn.Sequential()
        make_drop, total = named(DROPS, drop, "drop"), sum(numbers)
        drops = (make_drop(drop_rate * n / total) for n in range(1, total + 1))
        inputs = width
        for number, size in enumerate(numbers):
            outputs = width * plan.expansion * 2**number
            stage = nn.Sequential()
            for place in range(size):
                stride = 2 if number and not place else 1
                stage.append(unit(inputs, outputs, stride, drop=next(drops)))
                inputs = outputs
            self.stages.append(stage)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
        )
        self.stem.apply(parts.initialise)
        self.head.apply(parts.initialise)


resnet18 = partial(ResNet, 18)
resnet34 = partial(ResNet, 34)
resnet50 = partial(ResNet, 50)
resnet101 = partial(ResNet, 101)


def r2_resnet(
    depth: int = 18,
    *,
    channels: int = 3,
    classes: int = 10,
    batch_norm: bool = True,
    skip: Skip = "add",
    se_ratio: int | None = None,
) -> ResNet:
    """Make report R2's ResNet, or with ``se_ratio`` its SE-ResNet.

    Convolutions have biases before their norm, shortcuts no norm, middles of
    bottlenecks half of the inputs; the stem pools without padding, and a
    layer more maps 1000 classes to ``classes``.  Depths 18, 34, 50 and 101
    have 11,702,530, 21,814,402, 57,390,658 and 115,428,930 parameters.  The
    SE-ResNets that the report trained have the ratio 2.
    """
    network = ResNet(
        depth,
        channels=channels,
        stem="r2",
        attention=partial(SqueezeExcite, ratio=se_ratio)
        if se_ratio is not None
        else None,
        batch_norm=batch_norm,
        skip=skip,
        form="r2",
    )
    last = nn.Linear(1000, classes)
    xavier(last)
    network.head.append(last)
    return network
