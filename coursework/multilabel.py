"""Scores of multi-label predictions: arrays in, numbers out.

``targets`` (N, K) are 0 and 1, ``outputs`` (N, K) any scores that rank,
``probabilities`` (N, K) lie in [0, 1], ``predicted`` (N, K) are bools or 0
and 1.  A class is predicted where its probability is at least its threshold.
A score that is not a number ranks lowest.  Arrays whose shapes differ raise
ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
T = TypeVar("T")


class PRF(NamedTuple, Generic[T]):
    """Precision, recall and F1: of each class (K,), or one number each."""

    precision: T
    recall: T
    f1: T


class Calibration(NamedTuple):
    """A reliability table, one entry a bin; NaN where a bin is empty."""

    probability: Floats  # mean of what was predicted
    share: Floats  # of positives
    cells: NDArray[np.int64]  # how many fell into it


def precision_recall(
    scores: NDArray[Any], targets: NDArray[Any]
) -> tuple[Floats, Floats, Floats]:
    """Return precision, recall and threshold at each distinct score (N,).

    From the highest score to the lowest, so that recall rises.  Recall is
    NaN where no target is positive.
    """
    thresholds, hits, taken = _cuts(scores, targets)
    positives = hits[-1] or math.nan
    return hits / taken, hits / positives, thresholds


def average_precision(scores: NDArray[Any], targets: NDArray[Any]) -> float:
    """Sum precision over the steps of recall; NaN without a positive.

    Scores and targets are (N,); equal scores are one step.  Nothing is
    interpolated, as in scikit-learn and unlike VOC's own 11 points.
    """
    precision, recall, _ = precision_recall(scores, targets)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def average_precisions(outputs: NDArray[Any], targets: NDArray[Any]) -> Floats:
    """Return each class's average precision (K,), NaN without a positive."""
    _same_shape(outputs, targets)
    pairs = zip(outputs.T, targets.T, strict=True)
    return np.array([average_precision(*pair) for pair in pairs])


def mean_average_precision(
    outputs: NDArray[Any], targets: NDArray[Any]
) -> float:
    """Average over the classes with a positive; NaN if there is none."""
    each = average_precisions(outputs, targets)
    present = each[~np.isnan(each)]
    return float(present.mean()) if len(present) else math.nan


def prf(predicted: NDArray[Any], targets: NDArray[Any]) -> PRF[Floats]:
    """Score each class (K,); what would divide by 0 is 0."""
    _same_shape(predicted, targets)
    guess, truth = predicted.astype(bool), targets.astype(bool)
    hits = (guess & truth).sum(axis=0)
    taken, positives = guess.sum(axis=0), truth.sum(axis=0)
    return PRF(
        hits / np.maximum(taken, 1),
        hits / np.maximum(positives, 1),
        2 * hits / np.maximum(taken + positives, 1),
    )


def macro(predicted: NDArray[Any], targets: NDArray[Any]) -> PRF[float]:
    """Average :func:`prf` over the classes; F1 is the mean of the F1s."""
    return PRF(*(float(each.mean()) for each in prf(predicted, targets)))


def micro(predicted: NDArray[Any], targets: NDArray[Any]) -> PRF[float]:
    """Score the cells of all classes as if they were one class."""
    _same_shape(predicted, targets)
    pooled = prf(predicted.reshape(-1, 1), targets.reshape(-1, 1))
    return PRF(*(float(each[0]) for each in pooled))


def subset_accuracy(predicted: NDArray[Any], targets: NDArray[Any]) -> float:
    """Share of pictures with every class right."""
    _same_shape(predicted, targets)
    return float((predicted == targets).all(axis=1).mean())


def hamming_accuracy(predicted: NDArray[Any], targets: NDArray[Any]) -> float:
    """Share of right cells: 1 minus the Hamming loss."""
    _same_shape(predicted, targets)
    return float((predicted == targets).mean())


def scores(
    outputs: NDArray[Any], predicted: NDArray[Any], targets: NDArray[Any]
) -> dict[str, float]:
    """Collect what a record keeps; "ap-k" is that of class k, from 0."""
    found = {
        "mAP": mean_average_precision(outputs, targets),
        "subset-accuracy": subset_accuracy(predicted, targets),
        "hamming-accuracy": hamming_accuracy(predicted, targets),
    }
    for name, average in (("macro", macro), ("micro", micro)):
        each = average(predicted, targets)._asdict()
        found |= {f"{name}-{kind}": value for kind, value in each.items()}
    classes = enumerate(average_precisions(outputs, targets).tolist())
    return found | {f"ap-{place}": value for place, value in classes}


def majority(targets: NDArray[Any]) -> NDArray[np.int64]:
    """Return the guess (K,) right most often for each class; 0 at half.

    ``np.broadcast_to`` makes of it what the scores above take.
    """
    return np.asarray(2 * targets.sum(axis=0) > len(targets), np.int64)


def cooccurrence(targets: NDArray[Any]) -> NDArray[np.int64]:
    """Count the pictures with both classes (K, K); the diagonal, with one."""
    counts: NDArray[np.int64] = targets.astype(np.int64)
    return np.asarray(counts.T @ counts)


def best_thresholds(
    probabilities: NDArray[Any], targets: NDArray[Any]
) -> Floats:
    """Find the threshold of each class (K,) with the highest F1.

    Halfway between neighbouring probabilities, the lowest one's neighbour
    being 0; of equally good ones the nearest to 0.5, and 0.5 for a class
    without a positive.  Choose on the validation split, never on the test's.
    """
    _same_shape(probabilities, targets)
    _probable(probabilities)
    pairs = zip(np.nan_to_num(probabilities).T, targets.T, strict=True)
    return np.array([_best_threshold(*pair) for pair in pairs])


def calibration(
    probabilities: NDArray[Any], targets: NDArray[Any], bins: int = 10
) -> Calibration:
    """Pool the classes, and compare probability and outcome by bins.

    The bins are equally wide; one holds its lower end, the last one also 1.
    """
    _same_shape(probabilities, targets)
    _probable(probabilities)
    values = probabilities.astype(np.float64).ravel()
    places = np.minimum(np.nan_to_num(values) * bins, bins - 1).astype(int)
    count, chances, positives = (
        np.bincount(places, weights, bins)
        for weights in (None, values, targets.ravel())
    )
    filled = np.where(count > 0, count, np.nan)
    return Calibration(chances / filled, positives / filled, count)


def expected_calibration_error(
    probabilities: NDArray[Any], targets: NDArray[Any], bins: int = 10
) -> float:
    """Average the bins' gaps, each weighed by its share of the cells.

    :cite:t:`guo2017calibration`, equation 3, with the probability of the
    class in the place of the confidence.
    """
    table = calibration(probabilities, targets, bins)
    used = table.cells > 0
    gaps = np.abs(table.probability - table.share)[used]
    return float(np.average(gaps, weights=table.cells[used]))


def bootstrap(
    statistic: Callable[[NDArray[Any], NDArray[Any]], float],
    outputs: NDArray[Any],
    targets: NDArray[Any],
    draws: int = 1000,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Take the percentile interval over test pictures.

    Draws as many rows as there are, with replacement :cite:p:`efron1979`.
    It tells of the pictures only, not of training with another seed.  Draws
    for which the statistic is NaN are left out; NaN if they all are.
    """
    _same_shape(outputs, targets)
    picks = np.random.default_rng(seed).integers(
        len(targets), size=(draws, len(targets))
    )
    values = np.array([statistic(outputs[i], targets[i]) for i in picks])
    values = values[~np.isnan(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cuts(
    scores: NDArray[Any], targets: NDArray[Any]
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Count hits and pictures at or above each distinct score, falling."""
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores)
    falling = scores[order]
    ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
    hits = np.cumsum(targets[order], dtype=np.int64)[ends]
    return falling[ends].astype(np.float64), hits, ends + 1


def _best_threshold(chances: NDArray[Any], targets: NDArray[Any]) -> float:
    cuts, hits, taken = _cuts(chances, targets)
    if not hits[-1]:
        return 0.5
    f1 = 2 * hits / (taken + hits[-1])
    halfway = (cuts + np.append(cuts[1:], 0.0)) / 2
    best = halfway[f1 == f1.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _probable(values: NDArray[Any]) -> None:
    outside = values[(values < 0) | (values > 1)]
    if outside.size:
        raise ValueError(
            f"a probability is {outside[0]}; it must lie in [0, 1]: pass "
            "logits through the sigmoid first"
        )


def _same_shape(first: NDArray[Any], targets: NDArray[Any]) -> None:
    if first.shape != targets.shape:
        raise ValueError(
            f"the arrays are {first.shape} and {targets.shape}; both must "
            "be (N, K)"
        )
