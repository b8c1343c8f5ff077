"""What theory says of signal and gradient in a random network at its start.

:func:`linear_gain` is exact for one linear residual unit.  :func:`chain`
follows a residual network of wide random layers unit by unit, and
:func:`dense` one without shortcuts layer by layer, in the mean-field manner
of :cite:p:`schoenholz2017deep`: all that counts of a map is how its values
are distributed, and branches are independent of shortcuts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from coursework.models.activations import ELEMENTWISE
from coursework.models.deep import VARIANCES, Initialisation
from coursework.models.residual import Skip
from coursework.recipe import named

Values = NDArray[np.float64]
SAMPLES = 200_000
POINTS = 20_000

# Mean square gain of a gradient through one unit with the linear branch
# h = W s, where W has no trace and mean square gain b, and s mean square m:
# the squared Frobenius norm of the unit's Jacobian over its size.  ``f`` is
# the factor of a scaled branch.
GAINS: Mapping[Skip, Callable[[float, float, float], float]] = {
    "add": lambda b, m, f: 1 + b,
    "subtract": lambda b, m, f: 1 + b,
    "reverse-subtract": lambda b, m, f: 1 + b,
    "multiply": lambda b, m, f: 2 * b * m,
    "rezero": lambda b, m, f: 1 + f**2 * b,
    "layer-scale": lambda b, m, f: 1 + f**2 * b,
    "none": lambda b, m, f: b,
    "plain": lambda b, m, f: b,
}


def linear_gain(
    skip: Skip, branch: float, signal: float = 1.0, factor: float = 1.0
) -> float:
    """Return the mean square gain of a gradient through a linear unit."""
    return named(GAINS, skip, "skip")(branch, signal, factor)


@dataclass(frozen=True)
class Joined:
    """Samples of what a join puts out, and its squared derivatives."""

    values: Values
    by_shortcut: Values | float
    by_branch: Values | float


def scaled(factor: float) -> Callable[[Values, Values], Joined]:
    """Make the join shortcut + factor × branch."""
    return lambda s, h: Joined(s + factor * h, 1.0, factor**2)


def concatenated(shortcut: Values, branch: Values) -> Joined:
    """Mix both by random weights of variance 2 / channels."""
    power = 2 * (np.mean(shortcut**2) + np.mean(branch**2))
    noise = np.random.default_rng(1).standard_normal(len(shortcut))
    return Joined(np.sqrt(power) * noise, 2.0, 2.0)


JOINS: Mapping[Skip, Callable[[Values, Values], Joined]] = {
    "add": scaled(1.0),
    "subtract": scaled(-1.0),
    "reverse-subtract": lambda s, h: Joined(h - s, 1.0, 1.0),
    "multiply": lambda s, h: Joined(s * h, h**2, s**2),
    "concatenate": concatenated,
    "rezero": scaled(0.0),
    "layer-scale": scaled(0.1),
    "none": lambda s, h: Joined(h, 0.0, 1.0),
    "plain": lambda s, h: Joined(h, 0.0, 1.0),
}


def chain(
    skip: Skip,
    batch_norm: bool,
    units: Sequence[int],
    *,
    stem: float = 1.0,
    side: int = 16,
) -> tuple[Values, Values]:
    """Predict root mean squares along a ResNet of basic units at its start.

    ``units`` is how many units each stage has; ``stem`` the root mean square
    of what the stem puts out, at ``side`` × ``side`` places.  Returns the
    signals (units,) that units put out, and the gradients (units,) there, in
    shares of the last unit's.  First weights are He's by fan-out; the first
    unit of each stage but the first doubles the maps and halves their side.
    """
    rng = np.random.default_rng(0)
    signal = np.maximum(rng.standard_normal(SAMPLES), 0)
    signal *= stem / np.sqrt(np.mean(signal**2))
    signals, gains = [], []
    for stage, number in enumerate(units):
        for place in range(number):
            halves = bool(stage and not place)
            side //= 1 + halves
            branch = _normed if batch_norm else _plain
            power, through = branch(signal, side, halves)
            shortcut, back = signal, 1.0
            if halves:  # a strided 1×1 convolution, normalised
                shortcut = rng.standard_normal(SAMPLES)
                back = 0.5 / float(np.var(signal))
            noise = np.sqrt(power) * rng.standard_normal(SAMPLES)
            joined = named(JOINS, skip, "skip")(shortcut, noise)
            kept = joined.values > 0
            signal = np.maximum(joined.values, 0)
            signals.append(np.sqrt(np.mean(signal**2)))
            gains.append(
                np.mean(kept * joined.by_shortcut) * back
                + np.mean(kept * joined.by_branch) * through
            )
    # What reaches a unit's output has passed through all units behind it.
    behind = np.cumprod([1.0, *reversed(gains[1:])])[::-1]
    return np.array(signals), np.sqrt(behind)


def _normed(signal: Values, side: int, halves: bool) -> tuple[float, float]:
    """Return a normalised branch's mean square, and its mean square gain back.

    Two convolutions, each followed by batch norm, a ReLU between.  A norm
    divides by the variance, of which the mean over the data is no part; that
    of a ReLU's output is 1/2 - 1/2π, and half of its derivatives are one.  A
    strided convolution hands gradients back to half as many maps as it has,
    of four times their places: half of the gain.
    """
    between = 0.5 / (0.5 - 0.5 / np.pi)
    return 1.0, (0.5 if halves else 1.0) * between / float(np.var(signal))


def _plain(signal: Values, side: int, halves: bool) -> tuple[float, float]:
    """Do the same for a branch without norms.

    He's weights double the mean square and a ReLU halves it, both ways, but
    for the kernels' taps that lie outside of the map.
    """
    inside = ((3 * side - 2) / (3 * side)) ** 2
    first = 0.5 * ((3 * side - 1) / (3 * side)) ** 2 if halves else inside
    gain = 2 * first * inside
    return gain * float(np.mean(signal**2)), gain


def dense(
    activation: str,
    initialisation: Initialisation,
    *,
    inputs: int,
    width: int,
    hidden: int,
    signal: float = 1.0,
) -> tuple[Values, Values]:
    """Predict root mean squares along a dense network at its start.

    ``signal`` is the root mean square of the inputs.  Returns the signals
    (hidden,) that the activations put out, and the gradients (hidden,) there,
    in shares of the last layer's: equations 3 and 10 of
    :cite:p:`schoenholz2017deep`, without biases.  Raises ValueError for an
    activation that is not elementwise.
    """
    module = named(ELEMENTWISE, activation, "elementwise activation").make(1)
    variance = named(VARIANCES, initialisation, "initialisation")
    # As many equally likely values of a normal distribution.
    normal = torch.from_numpy(ndtri((np.arange(POINTS) + 0.5) / POINTS))
    power, before = signal**2, inputs
    signals, gains = [], []
    for _ in range(hidden):
        scale = (variance(before, width) * before * power) ** 0.5
        given = (scale * normal).requires_grad_()
        output = module.double()(given[:, None])[:, 0]
        (slope,) = torch.autograd.grad(output.sum(), given)
        power, before = float(output.detach().square().mean()), width
        gain = variance(width, width) * width * slope.square().mean()
        signals.append(power**0.5)
        gains.append(float(gain))
    behind = np.cumprod([1.0, *reversed(gains[1:])])[::-1]
    return np.array(signals), np.sqrt(behind)
