"""Activations, losses and initial weights, each a named table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
ActivationName = Literal["sigmoid", "tanh", "relu", "identity"]
LossName = Literal["cross-entropy", "hinge", "squared-error"]
InitName = Literal["he", "xavier", "normal"]


class Activation(NamedTuple):
    """A function, and its derivative; both write over their argument.

    The derivative is given the function's value, not its argument: every
    activation here can be differentiated from that alone.
    """

    apply: Callable[[Floats], object]
    differentiate: Callable[[Floats], object]


def _sigmoid(z: Floats) -> None:
    z *= 0.5  # through tanh, for which no argument is too large
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


def _relu(z: Floats) -> None:
    # Against a column of zeros: numpy takes twice as long against a number.
    np.maximum(z, np.zeros((len(z), 1), z.dtype), out=z)


ACTIVATIONS: Mapping[ActivationName, Activation] = {
    "sigmoid": Activation(_sigmoid, lambda a: np.multiply(a, 1 - a, out=a)),
    "tanh": Activation(
        lambda z: np.tanh(z, out=z), lambda a: np.subtract(1, a * a, out=a)
    ),
    "relu": Activation(_relu, lambda a: np.greater(a, 0, out=a)),
    "identity": Activation(lambda z: None, lambda a: a.fill(1)),
}


def cross_entropy(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Cross-entropy of the softmax, in nats; safe for large scores."""
    rows = np.arange(len(targets))
    logs = scores - scores.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    gradient = np.exp(logs)
    gradient[rows, targets] -= 1
    return -float(logs[rows, targets].mean()), gradient / len(targets)


def hinge(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Multiclass hinge of Weston and Watkins with margin 1.

    Per example, the sum over the wrong classes of ``max(0, 1 + their score -
    the right score)``.
    """
    rows = np.arange(len(targets))
    margins = scores - scores[rows, targets][:, None] + 1
    margins[rows, targets] = 0
    np.maximum(margins, 0, out=margins)
    gradient = (margins > 0).astype(scores.dtype)
    gradient[rows, targets] = -gradient.sum(axis=1)
    return float(margins.sum(axis=1).mean()), gradient / len(targets)


def squared_error(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Squared distance of the scores to the one-hot target."""
    error = scores.copy()
    error[np.arange(len(targets)), targets] -= 1
    return float(np.square(error).sum(axis=1).mean()), 2 / len(targets) * error


# Each gives the mean loss per example and its gradient by the scores (N, K).
LOSSES: Mapping[LossName, Callable[[Floats, Labels], tuple[float, Floats]]] = {
    "cross-entropy": cross_entropy,
    "hinge": hinge,
    "squared-error": squared_error,
}

# Standard deviation of a weight, from a layer's number of inputs and outputs:
# He et al. (2015), eq. 10; Glorot and Bengio (2010), eq. 12; report R1's moons.
INITS: Mapping[InitName, Callable[[int, int], float]] = {
    "he": lambda inputs, outputs: math.sqrt(2 / inputs),
    "xavier": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "normal": lambda inputs, outputs: 1.0,
}
