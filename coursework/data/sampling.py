"""Loaders around loaders: as many of each class, or ever fewer of them.

Each takes a loader and is one itself once its settings are bound, say by
``partial(oversampled, data=loader)``.  Only the training split changes.  All
raise ValueError for a set of several labels a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coursework.data.splits import Loader, Splits
from coursework.recipe import at_least

Counts = NDArray[np.int64]


def oversampled(*, data: Loader, seed: int = 0) -> Splits:
    """Repeat examples until every class has as many as the largest.

    Every example of a class comes equally often, give or take once.
    """
    return _resampled(
        data(), lambda counts: np.full_like(counts, counts.max()), seed
    )


def undersampled(*, data: Loader, seed: int = 0) -> Splits:
    """Drop examples until every class has as few as the smallest.

    A class without any doesn't count.
    """
    return _resampled(
        data(),
        lambda counts: np.full_like(counts, counts[counts > 0].min()),
        seed,
    )


def imbalanced(*, data: Loader, ratio: float, seed: int = 0) -> Splits:
    """Keep ever fewer of each class, 1 in ``ratio`` of the last.

    The share falls geometrically with the class's number, as for the
    long-tailed sets of :cite:t:`cui2019effective`, section 5.1; one example
    of a class is always kept.
    """
    at_least("ratio", ratio, 1)

    def tail(counts: Counts) -> Counts:
        places = np.arange(len(counts)) / max(len(counts) - 1, 1)
        kept = np.rint(counts * np.power(ratio, -places)).astype(np.int64)
        return np.maximum(kept, 1)

    return _resampled(data(), tail, seed)


def _resampled(
    splits: Splits, wanted: Callable[[Counts], Counts], seed: int
) -> Splits:
    """Give each class of the training split the number that is wanted."""
    targets = splits.train.targets
    if targets.ndim != 1:
        raise ValueError(
            f"{splits.name} has targets {targets.shape}; accepted is one "
            "class an example, (N,)"
        )
    rng = np.random.default_rng(seed)
    counts = np.bincount(targets, minlength=len(splits.classes))
    rows = [
        np.resize(rng.permutation(np.flatnonzero(targets == label)), number)
        for label, number in enumerate(wanted(counts))
        if counts[label]
    ]
    order = rng.permutation(np.concatenate(rows))
    return replace(splits, train=splits.train.take(order))
