"""Checks that reason or numpy decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework import multilabel, records
from coursework.checks.reply import (
    Reply,
    check,
    function,
    near,
    number,
    one_of,
    same,
    some_of,
    whole,
)
from coursework.data.moons import moons
from coursework.data.splits import Split, batches
from coursework.records import Record

FUNCTIONS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "leaky relu": lambda x: np.maximum(x, x / 100),
    "elu": lambda x: np.where(x > 0, x, np.expm1(x)),
    "softplus": lambda x: np.log1p(np.exp(x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "sine": np.sin,
    "absolute value": np.abs,
}


@check("the factor, a number", number)
def mean_of_five(answer: float) -> Reply:
    """Say what means of five seeds make of the lead of the best of thirteen.

    Simulated with normally distributed runs.
    """
    draws = np.random.default_rng(0).normal(size=(20_000, 14, 5))
    single, mean = (
        float((d[:, 1:].max(1) - d[:, 0]).mean())
        for d in (draws[..., 0], draws.mean(2))
    )
    return near(
        answer,
        mean / single,
        "The lead is in proportion to the standard deviation of what is "
        "compared, and a mean of n runs has that of one run over √n: the lead "
        "shrinks, but does not go.",
        tolerance=0.02,
    )


@check("the mean lead in points", number)
def best_of_five(answer: float, runs: Sequence[Record]) -> Reply:
    """Compute the mean lead of the best of five of your own runs.

    Exactly: over all choices of five, the i-th smallest of n runs is the
    largest in as many as there are fours among the i - 1 below.
    """
    values = np.sort(records.scores(runs))
    n = len(values)
    if n <= 5:
        return Reply(None, f"{n} runs are too few; six are needed.")
    shares = [math.comb(below, 4) / math.comb(n, 5) for below in range(n)]
    lead = 100 * (float(values @ shares) - float(values.mean()))
    return near(
        answer,
        lead,
        "It is the mean over all choices of five runs of their highest, less "
        "the mean of all, in points (hundredths, not shares). Fewer tries "
        "gain less, and slowly: five gain well over half of what thirteen do.",
        tolerance=0.05,
    )


@check(f"one of {', '.join(FUNCTIONS)}", one_of(*FUNCTIONS))
def underivable(answer: str) -> Reply:
    """Say whether an activation's value leaves its derivative open.

    It does where two inputs have one value and two derivatives.
    """
    f, x = FUNCTIONS[answer], np.linspace(-6, 6, 24_000)  # 0, a kink, is none
    slope = (f(x + 1e-6) - f(x - 1e-6)) / 2e-6
    order = np.argsort(value := f(x), kind="stable")
    value, slope, x = value[order], slope[order], x[order]
    apart = np.where(np.diff(value) < 1e-5, abs(np.diff(slope)), 0)
    place = int(apart.argmax())
    if apart[place] < 0.1:
        return Reply(
            False,
            f"Each value of {answer} has one derivative: inputs that share a "
            "value share the slope there.",
        )
    return Reply(
        True,
        f"{answer} is {value[place]:.2f} at both {x[place]:.2f} and "
        f"{x[place + 1]:.2f}, with the derivatives {slope[place]:.2f} and "
        f"{slope[place + 1]:.2f}.",
    )


@check("the smallest degree, a whole number", whole)
def degree(answer: int) -> Reply:
    """Say from which degree on a polynomial fits the moons better than a line.

    Fits polynomials of both coordinates by least squares.
    """
    splits = moons(train=100, noise=0.1, generator_seed=42)
    line, *others = (_fitted(d, splits.train, splits.test) for d in range(1, 6))
    better = next(d for d, share in enumerate(others, 2) if share > line + 0.03)
    return same(
        answer,
        better,
        "Turned by half a turn the moons change places, so what separates "
        "them is odd about their centre. Even powers are no help with that: "
        "which is the first odd one after the line?",
    )


@check("a function of scores (N, K) and targets (N,)", function)
def squared_hinge(answer: Callable[..., Any]) -> Reply:
    """Compare a loss and its gradient with the definition.

    The loss of an example is the sum over the wrong classes of
    ``max(0, 1 + their score - the right score) ** 2``; the gradient is
    compared with differences of it.
    """
    rng = np.random.default_rng(0)
    scores, targets = rng.normal(size=(6, 4)), rng.integers(4, size=6)
    try:
        loss, gradient = answer(scores.copy(), targets)
        loss, gradient = float(loss), np.asarray(gradient, float)
    except Exception as error:
        return Reply(False, f"It raised {type(error).__name__}: {error}")
    truth = _hinge_squared(scores, targets)
    if not math.isclose(loss, truth, rel_tol=1e-6):
        return Reply(
            False,
            f"The loss is {loss:.4f} where it should be {truth:.4f}: square "
            "each margin, sum over wrong classes, average over examples.",
        )
    slopes = np.zeros_like(scores)
    for place in np.ndindex(*scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-5
        rise = _hinge_squared(scores + step, targets)
        slopes[place] = (rise - _hinge_squared(scores - step, targets)) / 2e-5
    if gradient.shape != slopes.shape:
        return Reply(
            False, f"The gradient has shape {gradient.shape}, not (N, K)."
        )
    if not np.allclose(gradient, slopes, atol=1e-6):
        row, column = np.unravel_index(
            abs(gradient - slopes).argmax(), slopes.shape
        )
        return Reply(
            False,
            f"The loss is right; its gradient at example {row}, class "
            f"{column} is {gradient[row, column]:.4f} where differences say "
            f"{slopes[row, column]:.4f}.",
        )
    return Reply(True, "Loss and gradient agree with the definition.")


@check("a whole number of epochs", whole)
def equal_steps(answer: int, runs: Sequence[Record]) -> Reply:
    """Count the epochs in which the full batch steps as often as one of 128.

    Pictures and epochs are those of your own runs.
    """
    pictures, epochs = (
        runs[0].data["sizes"]["train"],
        runs[0].history[-1]["epoch"],
    )
    a_pass = sum(1 for _ in batches(pictures, 128, seed=0, epoch=0))
    return same(
        answer,
        epochs * a_pass,
        f"The full batch steps once an epoch. {pictures:,} pictures make "
        f"{pictures / 128:.2f} batches of 128, and the last may be smaller; "
        f"these runs have {epochs} epochs.",
    )


MULTI_LABEL = ("mAP", "macro-f1", "subset-accuracy", "hamming-accuracy")


@check(f"a set of some of {', '.join(MULTI_LABEL)}", some_of(*MULTI_LABEL))
def unmoved_scores(answer: frozenset[str]) -> Reply:
    """Find the scores of one set of outputs that thresholds can't move."""
    rng = np.random.default_rng(0)
    targets = (rng.random((200, 5)) < 0.2).astype(int)
    chances = np.clip(0.4 * targets + 0.6 * rng.random((200, 5)), 0, 1)
    low, high = (
        multilabel.scores(chances, chances >= threshold, targets)
        for threshold in (0.3, 0.5)
    )
    still = frozenset(name for name in MULTI_LABEL if low[name] == high[name])
    return same(
        answer,
        still,
        "A threshold turns probabilities into yes and no. A score that looks "
        "at the order of probabilities alone never asks for it.",
    )


def _fitted(degree: int, train: Split, test: Split) -> float:
    powers = [(a, b) for a in range(degree + 1) for b in range(degree + 1 - a)]

    def features(split: Split) -> NDArray[np.float64]:
        x, y = split.inputs.T.astype(float)
        return np.stack([x**a * y**b for a, b in powers], axis=1)

    signs = 2 * train.targets - 1
    weights = np.linalg.lstsq(features(train), signs)[0]
    right = (features(test) @ weights > 0) == test.targets
    return float(right.mean())


def _hinge_squared(scores: NDArray[Any], targets: NDArray[Any]) -> float:
    margins = (
        max(0.0, 1 + float(wrong - row[target]))
        for row, target in zip(scores, targets, strict=True)
        for label, wrong in enumerate(row)
        if label != target
    )
    return sum(margin**2 for margin in margins) / len(targets)
