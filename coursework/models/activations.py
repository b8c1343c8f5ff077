"""Activations by name: how to make each, its formula, derivative and paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from coursework.recipe import named

Scope = Literal["element", "channels", "map"]


@dataclass(frozen=True)
class Activation:
    """One entry of the catalogue.

    ``make(channels)`` builds a module that takes (N, channels, ...) and keeps
    the shape.  ``formula`` and ``derivative`` are LaTeX, where sigma is the
    sigmoid, Phi and phi are the normal distribution and its density, and
    [condition] is 1 where it holds and 0 elsewhere; at a kink the derivative
    is the one torch takes.  ``range`` is that of the outputs as real numbers;
    rounding may reach an open end.  ``paper`` is a key of the bibliography,
    None where nobody claims it.  ``scope`` is what one output looks at: its
    own input, all channels of its place, or its channel's neighbours.
    """

    make: Callable[[int], nn.Module]
    formula: str
    range: str
    derivative: str
    paper: str | None
    scope: Scope = "element"


def activation(name: str, channels: int) -> nn.Module:
    """Make an activation for (N, channels, ...) by its name.

    What it draws for itself leaves the global generator as it was, so that
    the layers behind it begin alike whatever stands here.
    Raises ValueError for an unknown name, with those that are accepted.
    """
    make = named(ACTIVATIONS, name, "activation").make
    with torch.random.fork_rng(devices=[]):
        # Not the very numbers that the next layer draws.
        own = int(torch.randint(2**62, (), device="cpu"))
        torch.default_generator.manual_seed(own)
        return make(channels)


class Elementwise(nn.Module):
    """Apply a function of tensors that torch has no module for."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, features: Tensor) -> Tensor:
        """Map features of any shape to the same shape."""
        return self.function(features)

    def extra_repr(self) -> str:
        """Name the function."""
        return self.function.__name__


class Sort(nn.Module):
    """Sort the channels of each place, smallest first.

    GroupSort with one group :cite:p:`anil2019sorting`.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return features.sort(dim=1).values


class Permute(nn.Module):
    """Reorder the channels by the ranks of their neighbours.

    Report R1 reorders what layer 2 puts out by the argsort of what layer 1
    put out, ``reorder(second, first)``.  To fit where any activation fits,
    a shift by one channel stands here in place of layer 2.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        return reorder(features.roll(1, dims=1), features)


class Maxout(nn.Module):
    """Take the largest of several affine maps :cite:p:`goodfellow2013maxout`.

    The maps go from all channels to as many, so that the shape is kept:
    ``pieces * channels * (channels + 1)`` parameters.
    """

    def __init__(self, channels: int, pieces: int = 2) -> None:
        super().__init__()
        self.pieces = pieces
        self.affine = nn.Linear(channels, pieces * channels)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, ...) to the same shape."""
        candidates: Tensor = self.affine(features.movedim(1, -1))
        candidates = candidates.unflatten(-1, (self.pieces, -1))
        return candidates.max(dim=-2).values.movedim(-1, 1)


class FReLU(nn.Module):
    """Take the larger of a value and its funnel condition.

    :cite:p:`ma2020funnel`: the condition is a 3x3 depthwise convolution
    with batch normalisation.  Deviates from the authors' code:
    no bias, because the normalisation would take it out again.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.condition = nn.Sequential(
            nn.Conv2d(
                channels, channels, 3, padding=1, groups=channels, bias=False
            ),
            nn.BatchNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; ValueError for another one."""
        if features.ndim != 4:
            raise ValueError(
                f"frelu got features of shape {tuple(features.shape)}; it "
                "needs maps (N, C, H, W): use it after a convolution"
            )
        return torch.maximum(features, self.condition(features))


def reorder(values: Tensor, keys: Tensor) -> Tensor:
    """Put the channels of (N, C, ...) in the order that sorts the keys."""
    return values.gather(1, keys.argsort(dim=1))


def straight_through_sign(features: Tensor) -> Tensor:
    """Take the sign, with the gradient of clamping to -1…1 in place of 0.

    As in binarized networks :cite:p:`hubara2016binarized`.
    """
    clamped = features.clamp(-1, 1)
    return features.sign().detach() + (clamped - clamped.detach())


def _same(
    module: Callable[..., nn.Module], *arguments: Any
) -> Callable[[int], nn.Module]:
    return lambda channels: module(*arguments)


ACTIVATIONS: Mapping[str, Activation] = {
    "sigmoid": Activation(
        _same(nn.Sigmoid),
        r"\sigma(x) = \frac{1}{1 + e^{-x}}",
        "(0, 1)",
        r"\sigma(x) (1 - \sigma(x))",
        "rumelhart1986",
    ),
    "tanh": Activation(
        _same(nn.Tanh),
        r"\tanh x",
        "(-1, 1)",
        r"1 - \tanh^2 x",
        "lecun1998efficient",
    ),
    "softmax": Activation(
        _same(nn.Softmax, 1),
        r"y_i = \frac{e^{x_i}}{\sum_j e^{x_j}}",
        "(0, 1), adding up to 1",
        r"\partial y_i / \partial x_j = y_i (\delta_{ij} - y_j)",
        "bridle1990",
        "channels",
    ),
    "relu": Activation(
        _same(nn.ReLU), r"\max(0, x)", "[0, ∞)", r"[x > 0]", "nair2010"
    ),
    "leaky-relu": Activation(
        _same(nn.LeakyReLU, 0.01),
        r"\max(0.01 x, x)",
        "(-∞, ∞)",
        r"[x > 0] + 0.01 \, [x \le 0]",
        "maas2013",
    ),
    "prelu": Activation(
        nn.PReLU,
        r"\max(0, x) + a_c \min(0, x), \; a_c \text{ trained per channel}",
        "(-∞, ∞)",
        r"[x > 0] + a_c \, [x \le 0]",
        "he2015delving",
    ),
    "elu": Activation(
        _same(nn.ELU),
        r"\max(0, x) + \min(0, e^x - 1)",
        "(-1, ∞)",
        r"\min(1, e^x)",
        "clevert2016",
    ),
    # With torch's default, 1, CELU is ELU to the last digit.
    "celu": Activation(
        _same(nn.CELU, 2.0),
        r"\max(0, x) + \min(0, 2 (e^{x / 2} - 1))",
        "(-2, ∞)",
        r"\min(1, e^{x / 2})",
        "barron2017",
    ),
    "gelu": Activation(
        _same(nn.GELU),
        r"x \, \Phi(x)",
        "[-0.170, ∞)",
        r"\Phi(x) + x \, \phi(x)",
        "hendrycks2016gelu",
    ),
    "silu": Activation(
        _same(nn.SiLU),
        r"x \, \sigma(x)",
        "[-0.278, ∞)",
        r"\sigma(x) (1 + x (1 - \sigma(x)))",
        "elfwing2018",
    ),
    "hard-swish": Activation(
        _same(nn.Hardswish),
        r"x \min(\max(x + 3, 0), 6) / 6",
        "[-0.375, ∞)",
        r"[x > 3] + \frac{2 x + 3}{6} \, [|x| \le 3]",
        "howard2019",
    ),
    "softplus": Activation(
        _same(nn.Softplus),
        r"\ln(1 + e^x)",
        "(0, ∞)",
        r"\sigma(x)",
        "dugas2001",
    ),
    "softsign": Activation(
        _same(nn.Softsign),
        r"\frac{x}{1 + |x|}",
        "(-1, 1)",
        r"\frac{1}{(1 + |x|)^2}",
        "bergstra2009",
    ),
    "maxout": Activation(
        Maxout,
        r"y_i = \max_{k \in \{1, 2\}} (w_{ki}^\top x + b_{ki})",
        "(-∞, ∞)",
        r"\partial y_i / \partial x = w_{k^* i}, \; k^* \text{ the largest}",
        "goodfellow2013maxout",
        "channels",
    ),
    "frelu": Activation(
        FReLU,
        r"y = \max(x, T(x)), \; T = \text{BN} \circ \text{depthwise } 3"
        r" \times 3",
        "(-∞, ∞)",
        r"\partial y_i / \partial x_j = [x_i > T_i] \, \delta_{ij} + "
        r"[x_i < T_i] \, \partial T_i / \partial x_j",
        "ma2020funnel",
        "map",
    ),
    "abs": Activation(
        _same(Elementwise, torch.abs), r"|x|", "[0, ∞)", r"\text{sgn } x", None
    ),
    "exp": Activation(
        _same(Elementwise, torch.exp), r"e^x", "(0, ∞)", r"e^x", None
    ),
    "cos": Activation(
        _same(Elementwise, torch.cos), r"\cos x", "[-1, 1]", r"-\sin x", None
    ),
    "sin": Activation(
        _same(Elementwise, torch.sin),
        r"\sin x",
        "[-1, 1]",
        r"\cos x",
        "sitzmann2020",
    ),
    "square": Activation(
        _same(Elementwise, torch.square), r"x^2", "[0, ∞)", r"2 x", None
    ),
    "sort": Activation(
        _same(Sort),
        r"y_i = x_{\pi(i)}, \; \pi = \text{argsort } x",
        "(-∞, ∞)",
        r"\partial y_i / \partial x_j = \delta_{\pi(i) j}",
        "anil2019sorting",
        "channels",
    ),
    "permute": Activation(
        _same(Permute),
        r"y_i = x_{\pi(i) - 1}, \; \pi = \text{argsort } x",
        "(-∞, ∞)",
        r"\partial y_i / \partial x_j = \delta_{(\pi(i) - 1) j}",
        None,
        "channels",
    ),
    "reciprocal": Activation(
        _same(Elementwise, torch.reciprocal),
        r"\frac{1}{x}",
        "(-∞, ∞) without 0",
        r"-\frac{1}{x^2}",
        None,
    ),
    "tan": Activation(
        _same(Elementwise, torch.tan),
        r"\tan x",
        "(-∞, ∞)",
        r"1 + \tan^2 x",
        None,
    ),
    "sign": Activation(
        _same(Elementwise, torch.sign),
        r"\text{sgn } x",
        "{-1, 0, 1}",
        r"0",
        "rosenblatt1958",
    ),
    "straight-through-sign": Activation(
        _same(Elementwise, straight_through_sign),
        r"\text{sgn } x",
        "{-1, 0, 1}",
        r"0, \text{ replaced by } [|x| \le 1]",
        "hubara2016binarized",
    ),
}

ELEMENTWISE: Mapping[str, Activation] = {
    name: entry
    for name, entry in ACTIVATIONS.items()
    if entry.scope == "element"
}
