"""Scores of arrays: predictions and targets in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """Share of right predictions."""
    return float(np.mean(predicted == targets))


def confusion(
    predicted: NDArray[np.int64], targets: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count how often each class (row) was taken for each class (column)."""
    cells = targets * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def largest_rise(curve: NDArray[np.floating[Any]]) -> tuple[int, float]:
    """Find where a curve (T,) rises most in one step: index after, rise."""
    rises = np.diff(curve)
    place = int(rises.argmax())
    return place + 1, float(rises[place])


def awakenings(alive: NDArray[np.floating[Any]]) -> list[tuple[int, int]]:
    """List (index, output) where an output comes alive for good.

    ``alive`` (T, K) is the share of examples with a score above zero; an
    output that is zero for all, and never again after, woke up there.
    """
    found = []
    for output, shares in enumerate(alive.T):
        dead = np.flatnonzero(shares == 0)
        if len(dead) and dead[-1] + 1 < len(shares):
            found.append((int(dead[-1]) + 1, output))
    return sorted(found)
