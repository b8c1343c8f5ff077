"""What several networks predict together: logits (M, N, K) in, scores out.

The members may be seeds, architectures, snapshots of one training, or one
network's views of changed pictures (test-time augmentation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework import calibration, metrics
from coursework.multilabel import Floats

SCORES = ("accuracy", "nll", "ece")


@dataclass(frozen=True)
class Ensemble:
    """M members and their mean probability, each with its ``SCORES``.

    ``disagreement`` (M, M) is the share of examples on which two members
    predict different classes; ``correlation`` (M, M) that of their errors,
    NaN for a member that makes none or only errors.
    """

    members: dict[str, Floats]
    together: dict[str, float]
    disagreement: Floats
    correlation: Floats

    @property
    def gain(self) -> dict[str, float]:
        """What is better than the members are on average, above 0.

        That of "nll" can't be below, for −log is convex.
        """
        found = {}
        for name, alone in self.members.items():
            more = self.together[name] - float(alone.mean())
            found[name] = more if name == "accuracy" else -more
        return found


def together(logits: NDArray[Any]) -> Floats:
    """Average the members' probabilities: (M, N, K) to (N, K).

    :cite:t:`lakshminarayanan2017ensembles`, section 2.4.
    """
    return np.asarray(calibration.softmax(logits).mean(axis=0))


def judge(logits: NDArray[Any], targets: NDArray[np.int64]) -> Ensemble:
    """Score the members of logits (M, N, K), and what they say together.

    Raises ValueError if the shapes don't fit.
    """
    if logits.ndim != 3 or logits.shape[1:2] != targets.shape:
        raise ValueError(
            f"logits are {logits.shape}, targets {targets.shape}; accepted: "
            "(members, examples, classes) with (examples,)"
        )
    each = [_scores(one, targets) for one in logits]
    predicted = logits.argmax(axis=2)
    differ = predicted[:, None] != predicted
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = np.corrcoef(predicted != targets)
    with np.errstate(divide="ignore"):  # −log 0 is ∞, and says so
        pooled = _scores(np.log(together(logits)), targets)
    return Ensemble(
        members={
            name: np.array([one[name] for one in each]) for name in SCORES
        },
        together=pooled,
        disagreement=differ.mean(axis=2),
        correlation=np.atleast_2d(correlation),
    )


def _scores(
    logits: NDArray[Any], targets: NDArray[np.int64]
) -> dict[str, float]:
    values = (
        metrics.accuracy(logits.argmax(axis=1), targets),
        calibration.nll(logits, targets),
        calibration.expected_calibration_error(
            calibration.softmax(logits), targets
        ),
    )
    return dict(zip(SCORES, values, strict=True))
