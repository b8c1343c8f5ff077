"""Scores of arrays: predictions and targets in, numbers out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def accuracy(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    """Share of right predictions."""
    return float(np.mean(predicted == targets))


def top(outputs: NDArray[Any], targets: NDArray[np.int64], k: int) -> float:
    """Share of targets among the k largest outputs (N, K) of their row.

    Of equal outputs the first counts as larger, as ``argmax`` has it.
    """
    order = np.argsort(-outputs, axis=1, kind="stable")[:, :k]
    return float(np.mean((order == targets[:, None]).any(axis=1)))


def confusion(
    predicted: NDArray[np.int64], targets: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Count how often each class (row) was taken for each class (column)."""
    cells = targets * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)
