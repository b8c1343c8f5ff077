"""Deep multilayer perceptrons, and the first weights that they begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Literal

from torch import nn

from coursework.models.activations import activation as make_activation
from coursework.recipe import at_least, named

Initialisation = Literal["glorot", "he", "lecun", "torch", "normal"]

# The variance of weights between so many inputs and so many outputs.
VARIANCES: Mapping[Initialisation, Callable[[int, int], float]] = {
    # glorot2010understanding, eq. 12
    "glorot": lambda inputs, outputs: 2 / (inputs + outputs),
    # he2015delving, eq. 10
    "he": lambda inputs, outputs: 2 / inputs,
    # lecun1998efficient, eq. 16; Glorot's where inputs are as many as outputs
    "lecun": lambda inputs, outputs: 1 / inputs,
    # torch's own for a dense layer: uniform up to one over the root of inputs
    "torch": lambda inputs, outputs: 1 / (3 * inputs),
    # what comes of not thinking about it
    "normal": lambda inputs, outputs: 1.0,
}


class Layer(nn.Sequential):
    """A dense layer and the activation after it."""

    def __init__(self, inputs: int, outputs: int, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.act = make_activation(activation, outputs)


class DeepMLP(nn.Sequential):
    """Hidden layers of one width and a linear output, ``depth`` in all.

    Takes pictures (N, C, H, W) of ``inputs`` numbers, gives logits
    (N, classes); without parameters in the activation (inputs + 1) * width +
    (depth - 2) * (width + 1) * width + (width + 1) * classes parameters.
    Weights are drawn from a normal distribution with the variance of
    ``initialisation``, whatever the activation; biases begin at zero.
    Raises ValueError for an unknown activation or initialisation.
    """

    def __init__(
        self,
        activation: str = "relu",
        initialisation: Initialisation = "he",
        *,
        inputs: int = 784,
        width: int = 100,
        depth: int = 20,
        classes: int = 10,
    ) -> None:
        super().__init__()
        at_least("depth", depth, 2)
        variance = named(VARIANCES, initialisation, "initialisation")
        self.flatten = nn.Flatten()
        sizes = [inputs, *[width] * (depth - 1)]
        layers = [Layer(*pair, activation) for pair in pairwise(sizes)]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(width, classes)
        for linear in (*(layer.linear for layer in layers), self.output):
            outputs, inputs = linear.weight.shape
            nn.init.normal_(linear.weight, std=variance(inputs, outputs) ** 0.5)
            nn.init.zeros_(linear.bias)
