"""What a residual network is made of: branches, joins, units."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.models.attention import MakeAttention
from coursework.models.parts import MakeActivation, convolution, he, xavier
from coursework.recipe import named

Skip = Literal[
    "add",
    "subtract",
    "reverse-subtract",
    "multiply",
    "concatenate",
    "rezero",
    "layer-scale",
    "none",
    "plain",
]
Drop = Literal["nothing", "stochastic-depth", "drop-block"]
FormName = Literal["standard", "r2"]
Join = Callable[[Tensor, Tensor], Tensor]
Layers = list[nn.Module]
Convolution = Callable[..., Layers]
Branch = Callable[[int, int, int, Convolution, MakeActivation], Layers]


def reverse_subtract(shortcut: Tensor, branch: Tensor) -> Tensor:
    """Compute branch minus shortcut."""
    return branch - shortcut


def branch_only(shortcut: Tensor, branch: Tensor) -> Tensor:
    """Leave the shortcut idle: a plain network with the same parameters."""
    return branch


class Concatenate(nn.Module):
    """Put branch behind shortcut and map both back by a 1×1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(2 * channels, channels, 1)
        he(self.project)

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Map two (N, C, H, W) to one."""
        joined: Tensor = self.project(torch.cat([shortcut, branch], 1))
        return joined


class Scaled(nn.Module):
    """Add the branch times learned factors, (C, 1, 1) or one for all."""

    def __init__(self, channels: int, start: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, shortcut: Tensor, branch: Tensor) -> Tensor:
        """Compute shortcut + factor × branch."""
        return shortcut + self.factor * branch


# Each entry makes, for so many channels, what joins a shortcut with its
# branch; a module of its own may so have weights.
SKIPS: Mapping[Skip, Callable[[int], Join]] = {
    "add": lambda channels: operator.add,
    "subtract": lambda channels: operator.sub,
    "reverse-subtract": lambda channels: reverse_subtract,
    "multiply": lambda channels: operator.mul,
    "concatenate": Concatenate,
    # One factor a unit, zero at first: bachlechner2021rezero, eq. 2.
    "rezero": lambda channels: Scaled(1, start=0.0),
    # A factor a channel, 0.1 at first up to 18 layers: touvron2021going, eq. 5.
    "layer-scale": lambda channels: Scaled(channels, start=0.1),
    "none": lambda channels: branch_only,
    "plain": lambda channels: branch_only,  # nor is there a shortcut's 1×1
}


def stochastic_depth(rate: float) -> nn.Module:
    """Drop a picture's whole branch :cite:p:`huang2016deep`, section 3."""
    guard_torchvision()
    from torchvision.ops import StochasticDepth  # noqa: PLC0415

    layer: nn.Module = StochasticDepth(rate, "row")
    return layer


class DropBlock(nn.Module):
    """Drop squares of 3 × 3 places :cite:p:`ghiasi2018dropblock`.

    Where a map is smaller than such a square, it drops single places.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, maps: Tensor) -> Tensor:
        """Drop in training; keep the shape (N, C, H, W)."""
        guard_torchvision()
        from torchvision.ops import drop_block2d  # noqa: PLC0415

        size = 3 if min(maps.shape[-2:]) >= 3 else 1
        dropped: Tensor = drop_block2d(
            maps, self.rate, size, training=self.training
        )
        return dropped


# Each entry makes what drops a branch, or parts of it, at a rate in training.
DROPS: Mapping[Drop, Callable[[float], nn.Module]] = {
    "nothing": lambda rate: nn.Identity(),
    "stochastic-depth": stochastic_depth,
    "drop-block": DropBlock,
}


def basic(
    inputs: int,
    outputs: int,
    stride: int,
    conv: Convolution,
    act: MakeActivation,
) -> Layers:
    """Make two 3×3 convolutions."""
    return [
        *conv(inputs, outputs, 3, stride),
        act(outputs),
        *conv(outputs, outputs, 3),
    ]


def bottleneck(
    inputs: int,
    outputs: int,
    stride: int,
    conv: Convolution,
    act: MakeActivation,
) -> Layers:
    """Make 1×1, 3×3, 1×1; the middle has a quarter of the outputs."""
    middle = outputs // 4
    return [
        *conv(inputs, middle, 1),
        act(middle),
        *conv(middle, middle, 3, stride),
        act(middle),
        *conv(middle, outputs, 1),
    ]


def r2_bottleneck(
    inputs: int,
    outputs: int,
    stride: int,
    conv: Convolution,
    act: MakeActivation,
) -> Layers:
    """Make 1×1, 3×3, 1×1; the middle has half of the inputs."""
    middle = inputs // 2
    return [
        *conv(inputs, middle, 1, stride),
        act(middle),
        *conv(middle, middle, 3),
        act(middle),
        *conv(middle, outputs, 1),
    ]


@dataclass(frozen=True)
class Form:
    """What units are made of: convolutions, norms, first weights."""

    bottleneck: Branch
    bias: bool
    shortcut_norm: bool
    initialise: Callable[[nn.Module], None]


FORMS: Mapping[FormName, Form] = {
    "standard": Form(bottleneck, False, True, he),
    "r2": Form(r2_bottleneck, True, False, xavier),
}


class Unit(nn.Module):
    """Compute act(join(s, h)) of a shortcut s and a branch h of x.

    :cite:p:`he2016deep`, eq. 1 and 2, where the join adds and ``act`` makes
    the ReLU.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        *,
        form: Form,
        branch: Branch,
        batch_norm: bool,
        attention: MakeAttention | None,
        skip: Skip,
        drop: nn.Module,
        act: MakeActivation,
    ) -> None:
        super().__init__()
        conv = partial(convolution, bias=form.bias)
        inside = partial(conv, norm=batch_norm)
        self.branch = nn.Sequential(
            *branch(inputs, outputs, stride, inside, act)
        )
        self.shortcut = nn.Sequential()
        if skip != "plain" and (stride != 1 or inputs != outputs):
            norm = form.shortcut_norm
            self.shortcut.extend(conv(inputs, outputs, 1, stride, norm=norm))
        self.branch.apply(form.initialise)
        self.shortcut.apply(form.initialise)
        self.attention = attention(outputs) if attention else nn.Identity()
        self.drop = drop
        self.join = named(SKIPS, skip, "skip")(outputs)
        self.act = act(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Map (N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        branch = self.drop(self.attention(self.branch(maps)))
        result: Tensor = self.act(self.join(self.shortcut(maps), branch))
        return result
