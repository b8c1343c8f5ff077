"""The trial of a way to estimate accuracy: one split, folds, leave one out."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework import features, metrics
from coursework.data.augment import View
from coursework.data.folds import stratified_folds
from coursework.data.splits import Loader, Split, stratified
from coursework.recipe import at_least
from coursework.trial import Epoch, Outcome, stream


def estimate(
    *,
    backbone: Callable[[], Any],
    data: Loader,
    view: View = View(),
    examples: int,
    folds: int | None,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Estimate a classifier's accuracy from few examples, and look it up.

    A logistic regression (scikit-learn's) learns from the features of a
    frozen backbone, of ``examples`` training pictures that the seed draws,
    stratified.  ``folds`` says how its accuracy is estimated from these:
    that many folds, as many as there are examples (leave one out), or None:
    one held-out fifth.  "accuracy" is that of the classifier trained on all
    examples, on the test split; "estimate" what was expected of it, and
    "error" by how much that was wrong.  The one epoch is the estimating.

    Raises ValueError for more folds than the smallest class has examples,
    other than one each.
    """
    at_least("examples", examples, 5)
    splits = data()
    rows = _drawn(splits.train.targets, examples, seed)
    frozen = features.frozen(backbone, splits, view=view, seed=seed)
    table = features.featured(frozen)
    some = table.train.take(rows)
    started = time.perf_counter()
    parts = _held_out(some.targets, folds, seed)
    guessed = np.mean([_accuracy(*_apart(some, held)) for held in parts])
    seconds = time.perf_counter() - started
    yield Epoch(
        epoch=1,
        learning_rate=0.0,
        train_loss=0.0,
        validation_loss=0.0,
        validation={"accuracy": float(guessed)},
        seconds=seconds,
    )
    reached = _accuracy(some, table.test)
    return Outcome(
        data=splits.info(),
        scores={
            "accuracy": reached,
            "estimate": float(guessed),
            "error": abs(float(guessed) - reached),
        },
        parameters=(some.inputs.shape[1] + 1) * len(table.classes),
        multiply_adds=some.inputs.shape[1] * len(table.classes),
        notes={"fits": len(parts) + 1},
    )


def _drawn(
    targets: NDArray[np.int64], examples: int, seed: int
) -> NDArray[np.intp]:
    if examples > len(targets):
        raise ValueError(
            f"examples is {examples}; the set has {len(targets)} for training"
        )
    if examples == len(targets):
        return np.arange(examples)
    return stratified(targets, examples, stream(seed, "examples"))[1]


def _held_out(
    targets: NDArray[np.int64], folds: int | None, seed: int
) -> list[NDArray[np.intp]]:
    if folds is None:
        held = stratified(targets, len(targets) // 5, stream(seed, "split"))[1]
        return [held]
    if folds == len(targets):
        return list(np.arange(folds)[:, None])
    return stratified_folds(targets, folds, seed)


def _apart(some: Split, held: NDArray[np.intp]) -> tuple[Split, Split]:
    kept = np.delete(np.arange(len(some)), held)
    return some.take(kept), some.take(held)


def _accuracy(learnt: Split, scored: Split) -> float:
    # It takes seconds to import, which no other trial needs.
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    model.fit(learnt.inputs, learnt.targets)
    return metrics.accuracy(model.predict(scored.inputs), scored.targets)
