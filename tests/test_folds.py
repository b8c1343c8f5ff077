"""Folds, few examples of each class, and what can be reached at best."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from coursework import identity
from coursework.data.folds import (
    Folds,
    contiguous_folds,
    fold,
    reachable,
    stratified_folds,
)
from coursework.data.shapes import shapes
from coursework.data.splits import Split, Splits

SIZES = [7, 5, 9, 6]  # of the classes
TARGETS = np.repeat(np.arange(4), SIZES)
SHUFFLED = np.random.default_rng(0).permutation(TARGETS)
# 5,994 pictures of 200 classes: 30 of each, of the last six 29.
CUB = np.repeat(np.arange(200), [30] * 194 + [29] * 6)


def few() -> Splits:
    """Make a table whose rows are known by their numbers."""

    def part(first: int, targets: np.ndarray) -> Split:
        numbers = first + np.arange(len(targets), dtype=np.float32)
        return Split(inputs=numbers[:, None], targets=targets)

    return Splits(
        name="few",
        train=part(0, SHUFFLED),
        validation=part(100, np.array([0, 1])),
        test=part(200, np.array([2, 3])),
        classes=("a", "b", "c", "d"),
    )


def numbers(split: Split) -> list[int]:
    return [int(number) for number in split.inputs.ravel()]


def test_stratified_folds_have_each_class_s_share() -> None:
    folds = stratified_folds(SHUFFLED, 4, 1)
    assert sorted(np.concatenate(folds)) == [*range(len(SHUFFLED))]
    counts = np.stack([np.bincount(SHUFFLED[rows]) for rows in folds])
    assert counts.sum(axis=0).tolist() == SIZES
    assert np.ptp(counts, axis=0).max() == 1
    again, other = (stratified_folds(SHUFFLED, 4, seed) for seed in (1, 2))
    assert all(map(np.array_equal, folds, again))
    assert not all(map(np.array_equal, folds, other))


def test_contiguous_folds_are_blocks() -> None:
    folds = contiguous_folds(TARGETS, 5)
    assert np.concatenate(folds).tolist() == [*range(len(TARGETS))]
    assert sorted(map(len, folds)) == [5, 5, 5, 6, 6]


def of_a_lookup(targets: np.ndarray, folds: Folds) -> float:
    """Score a classifier that is told the class, if it has seen it."""
    told = np.eye(targets.max() + 1)[targets]
    scores = []
    for held in folds:
        kept = np.delete(np.arange(len(targets)), held)
        known = KNeighborsClassifier(1).fit(told[kept], targets[kept])
        scores.append(known.score(told[held], targets[held]))
    return float(np.mean(scores))


def test_no_more_is_reachable_than_by_one_who_is_told() -> None:
    assert reachable(np.array([0, 0, 1, 1]), [np.arange(2)]) == 0
    assert reachable(np.array([0, 0, 1, 1]), [np.array([0, 1, 2])]) == (
        pytest.approx(1 / 3)
    )
    for targets in (TARGETS, SHUFFLED):
        for folds in (
            contiguous_folds(targets, 5),
            stratified_folds(targets, 5, 0),
        ):
            told = of_a_lookup(targets, folds)
            assert reachable(targets, folds) == pytest.approx(told)


def test_contiguous_folds_of_a_sorted_list_are_a_trap() -> None:
    """Five blocks of CUB's list, four of 1,199 and one of 1,198 rows.

    40 classes of 30 are 1,200 rows: the first block lacks the last row of its
    40th class and has 29 of it.  The next has that row and 28 of the 80th,
    then come 2 and 27, then 3 and 26; the last has 4 of the 160th.
    """
    folds = contiguous_folds(CUB, 5)
    each = [reachable(CUB, [held]) for held in folds]
    assert each == pytest.approx([29 / 1199] * 4 + [4 / 1198])
    assert reachable(CUB, folds) == pytest.approx(np.mean(each))
    assert 0.003 < min(each) < max(each) < 0.026
    assert reachable(CUB, stratified_folds(CUB, 5, 0)) == 1


def test_a_fold_of_the_training_examples_validates() -> None:
    parts = [fold(data=few, number=k, folds=5) for k in range(5)]
    whole = [*range(len(SHUFFLED))]
    held = [number for p in parts for number in numbers(p.validation)]
    assert sorted(held) == whole
    for part in parts:
        assert sorted(numbers(part.train) + numbers(part.validation)) == whole
        for split in (part.train, part.validation):
            assert split.targets.tolist() == [
                SHUFFLED[number] for number in numbers(split)
            ]
        assert numbers(part.test) == [200, 201]
    assert fold(data=few, number=0, folds=5).info() == parts[0].info()
    other = fold(data=few, number=0, folds=5, seed=1)
    assert other.info() != parts[0].info()


def test_a_fold_can_be_part_of_a_run() -> None:
    data = partial(fold, data=few, number=0, folds=2)
    assert identity.build(identity.describe(data))().info() == data().info()


@pytest.mark.parametrize(
    ("number", "folds", "message"),
    [
        (5, 5, "number is 5; accepted: 0 to 4 of 5 folds"),
        (-1, 5, "number is -1"),
        (0, 1, "folds is 1; it must be at least 2"),
        (0, 6, "folds is 6; the smallest class has 5 examples"),
    ],
)
def test_folds_that_are_not_there(
    number: int, folds: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fold(data=few, number=number, folds=folds)


def test_folds_are_of_single_classes() -> None:
    with pytest.raises(ValueError, match="several classes"):
        fold(data=partial(shapes, train=20), number=0, folds=2)


def test_so_many_of_each_class_are_the_first_ones() -> None:
    data = few()
    rows: dict[int, list[int]] = {}
    for number in range(1, 10):
        part = data.per_class(number)
        counts = np.bincount(part.train.targets).tolist()
        assert counts == [min(number, size) for size in SIZES]
        for label in range(4):
            mine = [n for n, of in enumerate(SHUFFLED) if of == label]
            mine = mine[:number]
            assert [
                n for n in numbers(part.train) if SHUFFLED[n] == label
            ] == mine
            assert mine[: len(rows.get(label, []))] == rows.get(label, [])
            rows[label] = mine
        assert numbers(part.train) == sorted(numbers(part.train))
        assert part.validation is data.validation
        assert part.test is data.test
    assert data.per_class(None) is data


def test_masks_stay_with_their_pictures() -> None:
    data = few()
    masks = np.arange(len(SHUFFLED), dtype=np.uint8)[:, None, None]
    masked = replace(data, train=replace(data.train, masks=masks))
    found = masked.per_class(2).train
    assert found.masks is not None
    assert found.masks.ravel().tolist() == numbers(found)


def test_so_many_of_each_class_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="per_class is 0"):
        few().per_class(0)
    with pytest.raises(ValueError, match=r"per_class is 10; .* than 9"):
        few().per_class(10)
    with pytest.raises(ValueError, match=r"per_class is 1; .* several classes"):
        shapes(train=20).per_class(1)
