"""Multi-label scores against scikit-learn, brute force and counts on paper."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as oracle

from coursework import multilabel

SEEDS = range(12)


def drawn(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw probabilities (N, 5) with ties; class 3 is empty, class 4 full."""
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 60))
    probabilities = rng.integers(0, 12, (rows, 5)) / 11
    targets = rng.integers(0, 2, (rows, 5))
    targets[:, 3], targets[:, 4] = 0, 1
    return probabilities, targets


@pytest.mark.parametrize("seed", SEEDS)
def test_precision_recall_is_scikit_learns(seed: int) -> None:
    probabilities, targets = drawn(seed)
    for scores, truth in zip(probabilities.T, targets.T, strict=True):
        ours = multilabel.precision_recall(scores, truth)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the class without a positive
            theirs = oracle.precision_recall_curve(truth, scores)
        np.testing.assert_allclose(ours[0][::-1], theirs[0][:-1])
        np.testing.assert_array_equal(ours[2][::-1], theirs[2])
        if truth.any():
            np.testing.assert_allclose(ours[1][::-1], theirs[1][:-1])
        else:
            assert np.isnan(ours[1]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision_is_scikit_learns(seed: int) -> None:
    probabilities, targets = drawn(seed)
    there = targets.any(axis=0)
    theirs = [
        oracle.average_precision_score(targets[:, k], probabilities[:, k])
        for k in np.flatnonzero(there)
    ]
    ours = multilabel.average_precisions(probabilities, targets)
    np.testing.assert_allclose(ours[there], theirs)
    assert np.isnan(ours[~there]).all()
    mean = multilabel.mean_average_precision(probabilities, targets)
    assert mean == pytest.approx(np.mean(theirs))


def test_without_a_positive_there_is_no_mean_average_precision() -> None:
    nothing = np.zeros((3, 2), int)
    assert math.isnan(multilabel.mean_average_precision(nothing, nothing))


def test_scores_that_are_not_numbers_rank_lowest_together() -> None:
    scores = np.array([math.nan, 0.2, math.nan, -5.0])
    found = multilabel.average_precision(scores, np.array([1, 1, 0, 0]))
    assert found == pytest.approx((1 + 2 / 4) / 2)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [np.bool_, np.int64])
def test_precision_recall_and_f1_are_scikit_learns(
    seed: int, kind: type[np.generic]
) -> None:
    probabilities, targets = drawn(seed)
    predicted: NDArray[Any] = (probabilities > 0.7).astype(kind)
    found: list[tuple[multilabel.PRF[Any], str | None]] = [
        (multilabel.prf(predicted, targets), None),
        (multilabel.macro(predicted, targets), "macro"),
        (multilabel.micro(predicted, targets), "micro"),
    ]
    for ours, average in found:
        theirs = oracle.precision_recall_fscore_support(
            targets, predicted, average=average, zero_division=0
        )
        for one, other in zip(ours, theirs, strict=False):
            np.testing.assert_allclose(one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_accuracies_are_scikit_learns(seed: int) -> None:
    probabilities, targets = drawn(seed)
    # Half the rows wholly right: few are so by chance.
    predicted = np.where(probabilities[:, :1] > 0.5, targets, 1 - targets)
    subset = multilabel.subset_accuracy(predicted, targets)
    hamming = multilabel.hamming_accuracy(predicted, targets)
    assert subset == pytest.approx(oracle.accuracy_score(targets, predicted))
    loss = oracle.hamming_loss(targets, predicted)
    assert hamming == pytest.approx(1 - loss)


def test_one_class_only_scores_too() -> None:
    probabilities, targets = np.array([[0.9], [0.1]]), np.array([[1], [0]])
    found = multilabel.scores(probabilities, probabilities > 0.5, targets)
    assert set(found.values()) == {1.0}


def test_the_collected_scores_are_named_after_what_they_are() -> None:
    outputs = np.array([[2.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    targets = np.array([[0, 1], [1, 1], [0, 0]])
    found = multilabel.scores(outputs, outputs > 1.5, targets)
    assert found == pytest.approx(
        {
            "mAP": (1 / 2 + (1 / 2 + 2 / 3) / 2) / 2,
            "ap-0": 1 / 2,
            "ap-1": (1 / 2 + 2 / 3) / 2,
            "subset-accuracy": 0.0,
            "hamming-accuracy": 2 / 6,
            "macro-precision": 1 / 4,
            "macro-recall": 1 / 4,
            "macro-f1": 1 / 4,
            "micro-precision": 1 / 3,
            "micro-recall": 1 / 3,
            "micro-f1": 1 / 3,
        }
    )


def best_by_trying(
    chances: NDArray[np.float64], truth: NDArray[np.int64]
) -> float:
    """Try every midpoint with scikit-learn's F1; nearest to 0.5 of the best."""
    if not truth.any():
        return 0.5
    levels = np.unique(np.append(chances, 0.0))
    middles = [(a + b) / 2 for a, b in itertools.pairwise(levels)]
    if chances.min() == 0:
        middles.append(0.0)
    found = {m: oracle.f1_score(truth, chances >= m) for m in middles}
    top = max(found.values())
    good = [m for m, f1 in found.items() if f1 > top - 1e-12]
    return float(min(good, key=lambda m: abs(m - 0.5)))


@pytest.mark.parametrize("seed", SEEDS)
def test_thresholds_are_the_best_of_all_that_can_be_tried(seed: int) -> None:
    probabilities, targets = drawn(seed)
    ours = multilabel.best_thresholds(probabilities, targets)
    for k, threshold in enumerate(ours):
        tried = best_by_trying(probabilities[:, k], targets[:, k])
        assert abs(threshold - 0.5) == pytest.approx(abs(tried - 0.5))
        if targets[:, k].any():
            f1 = [
                oracle.f1_score(targets[:, k], probabilities[:, k] >= level)
                for level in (threshold, tried)
            ]
            assert f1[0] == pytest.approx(f1[1])


def test_thresholds_lie_halfway_and_ties_near_a_half() -> None:
    chances = np.array([[1.0], [0.9], [0.6], [0.3]])
    targets = np.array([[1], [0], [1], [0]])
    found = multilabel.best_thresholds(chances, targets)
    assert found == pytest.approx([0.45])  # F1 is 4/5, elsewhere less
    tied = np.array([[1], [0], [0], [1]])  # 2/3 at 0.95 and at 0.15
    found = multilabel.best_thresholds(chances, tied)
    assert found == pytest.approx([0.15])
    empty = multilabel.best_thresholds(chances, 0 * targets)
    assert empty == pytest.approx([0.5])


def test_thresholds_of_a_network_that_diverged_are_numbers() -> None:
    chances = np.full((4, 1), math.nan)
    found = multilabel.best_thresholds(chances, np.array([[1], [0], [1], [0]]))
    assert found == pytest.approx([0.0])


def test_calibration_by_hand() -> None:
    chances = np.array([[0.0, 0.25], [0.5, 0.75], [0.9, 1.0]])
    targets = np.array([[0, 1], [1, 0], [1, 1]])
    table = multilabel.calibration(chances, targets, bins=4)
    np.testing.assert_array_equal(table.cells, [1, 1, 1, 3])
    np.testing.assert_allclose(table.probability, [0, 0.25, 0.5, 2.65 / 3])
    np.testing.assert_allclose(table.share, [0, 1, 1, 2 / 3])
    error = multilabel.expected_calibration_error(chances, targets, bins=4)
    assert error == pytest.approx((0 + 0.75 + 0.5 + 0.65) / 6)


def test_empty_bins_have_no_share_and_do_not_count() -> None:
    chances, targets = np.array([[0.05, 0.95]]), np.array([[0, 1]])
    table = multilabel.calibration(chances, targets)
    assert np.isnan(table.share[1:9]).all()
    error = multilabel.expected_calibration_error(chances, targets)
    assert error == pytest.approx(0.05)


def test_logits_are_refused_where_probabilities_are_meant() -> None:
    logits, targets = np.array([[-2.0, 3.0]]), np.array([[0, 1]])
    for score in (multilabel.best_thresholds, multilabel.calibration):
        with pytest.raises(ValueError, match=r"-2\.0.*sigmoid"):
            score(logits, targets)


def test_shapes_that_would_broadcast_are_refused() -> None:
    scores: list[Any] = [
        multilabel.average_precisions,
        multilabel.prf,
        multilabel.micro,
        multilabel.subset_accuracy,
        multilabel.hamming_accuracy,
        multilabel.best_thresholds,
        multilabel.calibration,
    ]
    for score in scores:
        with pytest.raises(ValueError, match=r"\(4, 1\) and \(4, 3\)"):
            score(np.zeros((4, 1)), np.zeros((4, 3), int))


def test_the_majority_guess_and_how_often_it_is_right() -> None:
    targets = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0]], np.uint8)
    guess = multilabel.majority(targets)
    np.testing.assert_array_equal(guess, [1, 0, 0])
    everywhere = np.broadcast_to(guess, targets.shape)
    assert multilabel.hamming_accuracy(everywhere, targets) == 9 / 12


def test_cooccurrence_counts_more_pictures_than_a_byte_holds() -> None:
    targets = np.array([[1, 1, 0], [0, 1, 0]], np.uint8).repeat(300, axis=0)
    found = multilabel.cooccurrence(targets)
    wanted = [[300, 300, 0], [300, 600, 0], [0, 0, 0]]
    np.testing.assert_array_equal(found, wanted)


def test_the_bootstrap_repeats_itself_and_knows_its_seed() -> None:
    probabilities, targets = drawn(3)
    statistic = multilabel.mean_average_precision
    first = multilabel.bootstrap(statistic, probabilities, targets, 50)
    again = multilabel.bootstrap(statistic, probabilities, targets, 50)
    other = multilabel.bootstrap(statistic, probabilities, targets, 50, seed=1)
    assert first == again != other
    wider = multilabel.bootstrap(
        statistic, probabilities, targets, 50, level=0.99
    )
    assert wider[0] <= first[0] < first[1] <= wider[1]


def test_the_bootstrap_covers_as_often_as_it_says() -> None:
    rng, truth, held = np.random.default_rng(0), 0.7, 0
    for _ in range(200):
        right = rng.random((80, 1)) < truth
        low, high = multilabel.bootstrap(
            multilabel.hamming_accuracy,
            right,
            np.ones((80, 1), int),
            200,
            level=0.9,
        )
        held += low <= truth <= high
    # Four standard deviations of the count around 90 %.
    assert abs(held / 200 - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 200)


@pytest.mark.parametrize(("level", "z"), [(0.68, 0.9945), (0.9, 1.6449)])
def test_the_bootstrap_is_as_wide_as_the_normal_one(
    level: float, z: float
) -> None:
    right = (np.arange(400) % 4 > 0)[:, None]
    low, high = multilabel.bootstrap(
        multilabel.hamming_accuracy, right, right | True, 2000, level=level
    )
    half = z * math.sqrt(0.75 * 0.25 / 400)
    assert (low, high) == pytest.approx((0.75 - half, 0.75 + half), abs=0.005)


def test_the_bootstrap_leaves_out_draws_without_a_positive() -> None:
    targets = np.array([[1], [0], [0]])
    outputs = np.array([[0.9], [0.2], [0.1]])
    statistic = multilabel.mean_average_precision
    assert multilabel.bootstrap(statistic, outputs, targets, 60) == (1, 1)
    nothing = multilabel.bootstrap(statistic, outputs, 0 * targets, 9)
    assert np.isnan(nothing).all()
