"""Scores of arrays: predictions and targets in, numbers out."""

from __future__ import annotations

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
