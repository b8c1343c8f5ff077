"""Scores of single-label probabilities: how right, how sure, where wrong."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import rankdata

from coursework import metrics, multilabel
from coursework.multilabel import PRF, Calibration, Floats

BINS = 15


class Pair(NamedTuple):
    """Two classes and how often each was taken for the other."""

    first: int
    second: int
    first_as_second: int
    second_as_first: int


def softmax(logits: NDArray[Any]) -> Floats:
    """Turn logits (..., K) into probabilities, in float64."""
    return np.asarray(np.exp(log_softmax(logits.astype(np.float64), axis=-1)))


def nll(logits: NDArray[Any], targets: NDArray[np.int64]) -> float:
    """Average the targets' −log p, in nats; takes logits (N, K)."""
    chances = log_softmax(logits.astype(np.float64), axis=-1)
    return -float(chances[np.arange(len(targets)), targets].mean())


def brier(probabilities: NDArray[Any], targets: NDArray[np.int64]) -> float:
    """Average the squared error, summed over the classes: 0 to 2.

    :cite:p:`brier1950`, in the original's form for several classes.
    """
    wanted = _one_hot(targets, probabilities.shape[1])
    return float(np.square(probabilities - wanted).sum(axis=1).mean())


def reliability(
    probabilities: NDArray[Any], targets: NDArray[np.int64], bins: int = BINS
) -> Calibration:
    """Compare confidence and accuracy, by bins of equal width.

    Confidence is the probability (N, K) of the class that is predicted.
    """
    return multilabel.calibration(*_judged(probabilities, targets), bins)


def expected_calibration_error(
    probabilities: NDArray[Any], targets: NDArray[np.int64], bins: int = BINS
) -> float:
    """Average the gap between confidence and accuracy over the examples.

    :cite:t:`guo2017calibration`, equation 3, after
    :cite:t:`naeini2015`; many examples a bin are needed, for it is never
    below 0 and so too large on few.
    """
    return multilabel.expected_calibration_error(
        *_judged(probabilities, targets), bins
    )


def prf(
    predicted: NDArray[np.int64], targets: NDArray[np.int64], classes: int
) -> PRF[Floats]:
    """Score each class (K,) against all others; what divides by 0 is 0."""
    return multilabel.prf(
        _one_hot(predicted, classes), _one_hot(targets, classes)
    )


def auroc(scores: NDArray[Any], targets: NDArray[Any]) -> float:
    """Find how likely a positive of (N,) scores above a negative.

    A tie counts half :cite:p:`hanley1982`.  NaN without either kind.
    """
    positive = targets.astype(bool)
    many, few = int(positive.sum()), int((~positive).sum())
    if not many * few:
        return math.nan
    above = rankdata(scores)[positive].sum() - many * (many + 1) / 2
    return float(above / (many * few))


def macro_auroc(
    probabilities: NDArray[Any], targets: NDArray[np.int64]
) -> float:
    """Average each class's AUROC against the rest; absent ones don't count.

    NaN if no class has both positives and negatives.
    """
    wanted = _one_hot(targets, probabilities.shape[1])
    pairs = zip(probabilities.T, wanted.T, strict=True)
    each = np.array([auroc(*pair) for pair in pairs])
    found = each[~np.isnan(each)]
    return float(found.mean()) if len(found) else math.nan


def hardest(
    predicted: NDArray[np.int64],
    targets: NDArray[np.int64],
    classes: int,
    most: int = 10,
) -> list[Pair]:
    """List the pairs of classes confused most often, either way.

    At most ``most``, none that was never confused; of equal ones the first.
    """
    table = metrics.confusion(predicted, targets, classes)
    rows, columns = np.triu_indices(classes, k=1)
    ways = np.stack([table[rows, columns], table[columns, rows]])
    order = np.argsort(-ways.sum(axis=0), kind="stable")[:most]
    lines = np.stack([rows, columns, *ways])[:, order].T
    return [Pair(*line) for line in lines.tolist() if line[2] + line[3]]


def scores(
    logits: NDArray[Any], targets: NDArray[np.int64]
) -> dict[str, float]:
    """Collect what a record keeps beside the accuracy, of logits (N, K).

    NaN where the logits are not finite and a score has no meaning then.
    """
    classes = logits.shape[1]
    each = prf(logits.argmax(axis=1), targets, classes)._asdict()
    found = {f"macro-{kind}": float(of.mean()) for kind, of in each.items()}
    names = ("nll", "brier", "ece", "auroc")
    if not np.isfinite(logits).all():
        return found | dict.fromkeys(names, math.nan)
    chances = softmax(logits)
    values = (
        nll(logits, targets),
        brier(chances, targets),
        expected_calibration_error(chances, targets),
        macro_auroc(chances, targets),
    )
    return found | dict(zip(names, values, strict=True))


def _judged(
    probabilities: NDArray[Any], targets: NDArray[np.int64]
) -> tuple[Floats, NDArray[np.int64]]:
    """Return confidence (N,) and whether it was right (N,)."""
    right = probabilities.argmax(axis=1) == targets
    confidence = np.minimum(probabilities.max(axis=1), 1.0)  # rounding's 1 + ε
    return confidence.astype(np.float64), right.astype(np.int64)


def _one_hot(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    return np.asarray(labels[:, None] == np.arange(classes), np.int64)
