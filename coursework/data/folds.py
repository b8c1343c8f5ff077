"""Folds for cross-validation, and what a fold can tell at best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coursework.data.splits import Loader, Splits
from coursework.recipe import at_least
from coursework.trial import stream

Folds = list[NDArray[np.intp]]  # the rows that validate, fold by fold


def stratified_folds(
    targets: NDArray[np.int64], folds: int, seed: int
) -> Folds:
    """Split rows so that each fold has each class's share.

    Raises ValueError if some class has fewer examples than there are folds.
    """
    # It takes longer to import than all other sets' loaders together.
    from sklearn.model_selection import StratifiedKFold  # noqa: PLC0415

    _check(targets, folds)
    fewest = np.bincount(targets)[np.unique(targets)].min()
    if folds > fewest:
        raise ValueError(
            f"folds is {folds}; the smallest class has {fewest} examples, of "
            "which each fold needs one"
        )
    split = StratifiedKFold(
        folds, shuffle=True, random_state=stream(seed, "folds") % 2**32
    )
    return [held for _, held in split.split(targets, targets)]


def contiguous_folds(targets: NDArray[np.int64], folds: int) -> Folds:
    """Cut rows into blocks as they lie: a trap where classes lie together."""
    _check(targets, folds)
    return np.array_split(np.arange(len(targets)), folds)


def reachable(targets: NDArray[np.int64], folds: Folds) -> float:
    """Say what accuracy no classifier can pass, the mean over folds.

    One that never saw a class of the fold it is scored on can't name it: at
    best it is right on all others.
    """
    seen = [
        np.isin(targets[held], np.delete(targets, held)).mean()
        for held in folds
    ]
    return float(np.mean(seen))


def fold(
    *,
    data: Loader,
    number: int,
    folds: int,
    contiguous: bool = False,
    seed: int = 0,
) -> Splits:
    """Load a set with fold ``number``, counted from 0, as its validation.

    Its training examples are split into stratified folds, or sorted by class
    and cut into ``contiguous`` ones; what validated before is left out, and
    the test split stays.  Raises ValueError for a
    fold that is not there, for fewer than two, and for more than the smallest
    class has examples.
    """
    splits = data()
    if not 0 <= number < folds:
        raise ValueError(
            f"number is {number}; accepted: 0 to {folds - 1} of {folds} folds"
        )
    whole = splits.train
    if contiguous:
        whole = whole.take(np.argsort(whole.targets, kind="stable"))
        held = contiguous_folds(whole.targets, folds)[number]
    else:
        held = stratified_folds(whole.targets, folds, seed)[number]
    kept = np.delete(np.arange(len(whole)), held)
    return replace(splits, train=whole.take(kept), validation=whole.take(held))


def _check(targets: NDArray[np.int64], folds: int) -> None:
    at_least("folds", folds, 2)
    if targets.ndim != 1:
        raise ValueError(
            f"targets have the shape {targets.shape}; folds are made of one "
            "class an example (N,), not of several classes"
        )
