"""Single-label scores against scikit-learn and counts on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as sk

from coursework import calibration
from coursework.calibration import Pair

K = 5
RNG = np.random.default_rng(0)
TARGETS = RNG.integers(K, size=300)
LOGITS = RNG.normal(size=(300, K)) + 2 * np.eye(K)[TARGETS]
CHANCES = calibration.softmax(LOGITS)
GUESSES = LOGITS.argmax(axis=1)


def test_nll_and_brier_are_scikit_learns() -> None:
    assert calibration.nll(LOGITS, TARGETS) == pytest.approx(
        sk.log_loss(TARGETS, CHANCES)
    )
    truth = np.eye(K)[TARGETS]
    each = map(sk.brier_score_loss, truth.T, CHANCES.T)
    assert calibration.brier(CHANCES, TARGETS) == pytest.approx(sum(each))


def test_nll_of_extreme_logits_is_exact() -> None:
    sure = np.array([[1000.0, 0.0]], np.float32)
    assert calibration.nll(sure, np.array([1])) == 1000


@pytest.mark.parametrize("classes", [K, K + 1])
def test_prf_is_scikit_learns(classes: int) -> None:
    """Also with a class that is never seen nor guessed: it counts as 0."""
    wanted = sk.precision_recall_fscore_support(
        TARGETS, GUESSES, labels=range(classes), zero_division=0
    )
    found = calibration.prf(GUESSES, TARGETS, classes)
    np.testing.assert_allclose(found, wanted[:3])
    logits = np.pad(LOGITS, ((0, 0), (0, classes - K)), constant_values=-9)
    scores = calibration.scores(logits, TARGETS)
    for name, each in zip(("precision", "recall", "f1"), wanted, strict=False):
        assert scores[f"macro-{name}"] == pytest.approx(each.mean())


def test_auroc_is_scikit_learns() -> None:
    found = calibration.macro_auroc(CHANCES, TARGETS)
    wanted = sk.roc_auc_score(TARGETS, CHANCES, multi_class="ovr")
    assert found == pytest.approx(wanted)
    coarse, positive = CHANCES[:, 0].round(1), TARGETS == 0  # with ties
    assert calibration.auroc(coarse, positive) == pytest.approx(
        sk.roc_auc_score(positive, coarse)
    )


def test_auroc_leaves_absent_classes_out() -> None:
    some = TARGETS != 2
    found = calibration.macro_auroc(CHANCES[some], TARGETS[some])
    present = [
        sk.roc_auc_score(TARGETS[some] == k, CHANCES[some, k])
        for k in (0, 1, 3, 4)
    ]
    assert found == pytest.approx(np.mean(present))
    one = np.zeros(3, np.int64)
    assert math.isnan(calibration.macro_auroc(CHANCES[:3], one))


def two(confidence: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([confidence, 1 - confidence], axis=1)


def test_calibration_error_on_paper() -> None:
    """Of ten bins two are used: gaps 0.95 − 3/4 and 0.75 − 2/2."""
    chances = two(np.array([0.95, 0.95, 0.95, 0.95, 0.75, 0.25]))
    targets = np.array([0, 0, 0, 1, 0, 1])
    found = calibration.expected_calibration_error(chances, targets, bins=10)
    assert found == pytest.approx((4 * 0.2 + 2 * 0.25) / 6)
    table = calibration.reliability(chances, targets, bins=10)
    assert table.cells.tolist() == [0, 0, 0, 0, 0, 0, 0, 2, 0, 4]
    assert table.share[[7, 9]].tolist() == [1, 0.75]


def test_right_chances_have_no_calibration_error() -> None:
    """Draw classes from the very probabilities: only chance is left."""
    rng = np.random.default_rng(1)
    chances = rng.dirichlet(np.ones(3), size=50_000)
    targets = (rng.random((50_000, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    assert calibration.expected_calibration_error(chances, targets) < 0.01
    sharper = calibration.softmax(3 * np.log(chances))
    assert calibration.expected_calibration_error(sharper, targets) > 0.1


def test_a_probability_rounded_above_one_is_one() -> None:
    chances = np.array([[1 + 1e-12, 0.0]])
    assert calibration.expected_calibration_error(chances, np.array([0])) == 0


def test_hardest_pairs_on_paper() -> None:
    targets = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])
    guesses = np.array([1, 1, 0, 0, 1, 0, 3, 2, 3])
    found = calibration.hardest(guesses, targets, 4)
    assert found == [Pair(0, 1, 2, 1), Pair(0, 2, 0, 1), Pair(2, 3, 1, 0)]
    assert calibration.hardest(guesses, targets, 4, most=1) == found[:1]
    assert calibration.hardest(targets, targets, 4) == []


def test_scores_are_the_single_ones() -> None:
    found = calibration.scores(LOGITS, TARGETS)
    assert found["nll"] == calibration.nll(LOGITS, TARGETS)
    assert found["brier"] == calibration.brier(CHANCES, TARGETS)
    assert found["auroc"] == calibration.macro_auroc(CHANCES, TARGETS)
    ece = calibration.expected_calibration_error(CHANCES, TARGETS)
    assert found["ece"] == ece


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_run_is_scored_all_the_same(value: float) -> None:
    broken = LOGITS.copy()
    broken[0, 0] = value
    found = calibration.scores(broken, TARGETS)
    assert found.keys() == calibration.scores(LOGITS, TARGETS).keys()
    assert all(math.isnan(found[n]) for n in ("nll", "brier", "ece", "auroc"))
