"""Ensembles on paper, and what must hold for all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from coursework import calibration, ensembles


def logits(rows: list[list[float]]) -> NDArray[np.float64]:
    """Turn probabilities of class 0 (M, N) into logits (M, N, 2)."""
    p = np.array(rows)
    return np.asarray(np.log(np.stack([p, 1 - p], axis=-1)))


# Three members, four examples of class 0: each member errs once or twice.
GIVEN = logits(
    [[0.9, 0.2, 0.8, 0.8], [0.8, 0.9, 0.3, 0.8], [0.7, 0.8, 0.8, 0.4]]
)
TARGETS = np.zeros(4, np.int64)


def test_members_and_mean_on_paper() -> None:
    found = ensembles.judge(GIVEN, TARGETS)
    mean = np.array([2.4, 1.9, 1.9, 2.0]) / 3
    np.testing.assert_allclose(ensembles.together(GIVEN)[:, 0], mean)
    assert found.members["accuracy"].tolist() == [0.75, 0.75, 0.75]
    assert found.together["accuracy"] == 1
    assert found.gain["accuracy"] == 0.25
    assert found.together["nll"] == pytest.approx(-np.log(mean).mean())
    first = -sum(map(math.log, (0.9, 0.2, 0.8, 0.8))) / 4
    assert found.members["nll"][0] == pytest.approx(first)
    assert found.together["ece"] == pytest.approx(1 - mean.mean())


def test_members_that_err_elsewhere_differ_and_correlate_below_zero() -> None:
    found = ensembles.judge(GIVEN, TARGETS)
    off = ~np.eye(3, dtype=bool)
    assert not found.disagreement.diagonal().any()
    assert (found.disagreement[off] == 0.5).all()
    np.testing.assert_allclose(found.correlation[off], -1 / 3)


def test_renaming_classes_changes_nothing() -> None:
    swapped = GIVEN.copy()
    swapped[:, 1::2] = swapped[:, 1::2, ::-1]
    found = ensembles.judge(swapped, np.array([0, 1, 0, 1]))
    wanted = ensembles.judge(GIVEN, TARGETS)
    assert found.together == pytest.approx(wanted.together)
    np.testing.assert_allclose(found.correlation, wanted.correlation)
    np.testing.assert_allclose(found.disagreement, wanted.disagreement)


def test_disagreement_counts_two_different_errors() -> None:
    """Both wrong, yet not alike: errors correlate, predictions differ."""
    both = np.zeros((2, 2, 3))
    both[0, 0, 1] = both[1, 0, 2] = 9
    both[:, 1, 0] = 9
    found = ensembles.judge(both, np.array([0, 0]))
    assert found.disagreement[0, 1] == 0.5
    assert found.correlation[0, 1] == pytest.approx(1)


def test_a_network_gains_nothing_from_itself() -> None:
    twice = np.stack([GIVEN[0], GIVEN[0]])
    found = ensembles.judge(twice, TARGETS)
    assert found.gain == pytest.approx(dict.fromkeys(ensembles.SCORES, 0))
    assert found.correlation == pytest.approx(np.ones((2, 2)))


def test_the_likelihood_never_loses() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(4, size=50)
    for _ in range(20):
        some = 3 * rng.normal(size=(5, 50, 4))
        found = ensembles.judge(some, targets)
        assert found.gain["nll"] > 0
        alone = [calibration.nll(one, targets) for one in some]
        assert found.members["nll"].tolist() == alone


def test_members_without_errors_have_no_correlation() -> None:
    right = np.tile([5.0, 0.0], (2, 3, 1))
    found = ensembles.judge(right, np.zeros(3, np.int64))
    assert np.isnan(found.correlation).all()
    one = ensembles.judge(GIVEN[:1], TARGETS)
    assert one.correlation.shape == one.disagreement.shape == (1, 1)


def test_certain_mistakes_cost_without_end() -> None:
    sure = np.array([[[0.0, 2000.0]] * 2] * 2)
    found = ensembles.judge(sure, np.array([0, 0]))
    assert found.together["nll"] == math.inf
    assert found.members["nll"].tolist() == [2000, 2000]


def test_wrong_shapes_are_named() -> None:
    for given in (GIVEN[0], GIVEN[:, :3]):
        with pytest.raises(ValueError, match="members, examples, classes"):
            ensembles.judge(given, TARGETS)
