"""Resampled training splits: counts on paper, the rest untouched."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from coursework import identity
from coursework.data.moons import moons
from coursework.data.sampling import imbalanced, oversampled, undersampled
from coursework.data.splits import Loader, Split, Splits


def split(counts: list[int]) -> Split:
    """Make examples that say which they are, of so many a class."""
    targets = np.repeat(np.arange(len(counts)), counts)
    rows = np.arange(len(targets), dtype=np.float32)
    return Split(inputs=rows[:, None], targets=targets)


def made(counts: list[int], classes: int | None = None) -> Splits:
    return Splits(
        name="made",
        train=split(counts),
        validation=split([3, 3]),
        test=split([4, 4]),
        classes=tuple("abcdef"[: classes or len(counts)]),
    )


def uneven() -> Splits:
    return made([10, 4, 7])


def even() -> Splits:
    return made([100, 100, 100])


def counts(splits: Splits) -> list[int]:
    return list(np.bincount(splits.train.targets))


def times(splits: Splits, examples: int) -> list[int]:
    """Count how often each example comes; each must keep its target."""
    rows = splits.train.inputs[:, 0].astype(int)
    original = uneven() if examples == 21 else even()
    assert (original.train.targets[rows] == splits.train.targets).all()
    return list(np.bincount(rows, minlength=examples))


def test_oversampling_repeats_evenly_and_loses_none() -> None:
    found = oversampled(data=uneven)
    assert counts(found) == [10, 10, 10]
    often = times(found, 21)
    assert often[:10] == [1] * 10
    assert sorted(often[10:14]) == [2, 2, 3, 3]
    assert sorted(often[14:]) == [1, 1, 1, 1, 2, 2, 2]


def test_undersampling_takes_none_twice() -> None:
    found = undersampled(data=uneven)
    assert counts(found) == [4, 4, 4]
    assert max(times(found, 21)) == 1


def test_a_long_tail_falls_geometrically() -> None:
    found = imbalanced(data=even, ratio=100)
    assert counts(found) == [100, 10, 1]
    assert max(times(found, 300)) == 1
    assert counts(imbalanced(data=even, ratio=1)) == [100, 100, 100]
    assert counts(imbalanced(data=even, ratio=1e9)) == [100, 1, 1]
    assert counts(imbalanced(data=lambda: made([5]), ratio=7)) == [5]


def test_a_longer_tail_keeps_some_of_the_shorter_ones_examples() -> None:
    """Sets of one seed differ in how many there are, not in which."""
    some, few = (
        {
            float(row)
            for row in imbalanced(data=even, ratio=r).train.inputs[:, 0]
        }
        for r in (4, 16)
    )
    assert few < some


@pytest.mark.parametrize("change", [oversampled, undersampled])
def test_which_are_repeated_or_dropped_is_the_seeds(
    change: Callable[..., Splits],
) -> None:
    first, other = (times(change(data=uneven, seed=s), 21) for s in (0, 1))
    assert first != other


@pytest.mark.parametrize("change", [oversampled, undersampled])
def test_a_class_without_examples_stays_without(
    change: Callable[..., Splits],
) -> None:
    found = change(data=lambda: made([2, 0, 3], classes=4))
    assert counts(found) in ([3, 0, 3], [2, 0, 2])


def tails(data: Loader, seed: int = 0) -> Splits:
    return imbalanced(data=data, ratio=5, seed=seed)


@pytest.mark.parametrize("change", [oversampled, undersampled, tails])
def test_only_the_training_split_changes_and_by_the_seed(
    change: Callable[..., Splits],
) -> None:
    before = uneven().info()
    first, again, other = (change(data=uneven, seed=seed) for seed in (0, 0, 1))
    assert first.info() == again.info()
    assert first.info().sha256 not in (other.info().sha256, before.sha256)
    for name in ("validation", "test"):
        kept, given = getattr(first, name), getattr(uneven(), name)
        assert np.array_equal(kept.inputs, given.inputs)
        assert np.array_equal(kept.targets, given.targets)


def test_a_bound_loader_can_be_part_of_a_runs_identity() -> None:
    bound = partial(imbalanced, data=moons, ratio=10)
    stored = identity.describe(bound)
    assert identity.matches(stored, bound)
    other = partial(imbalanced, data=moons, ratio=20)
    assert identity.key(bound) != identity.key(other)


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratio is 0\.5"):
        imbalanced(data=uneven, ratio=0.5)
    several = Split(
        inputs=np.zeros((2, 1), np.float32), targets=np.eye(2, dtype=int)
    )
    many = Splits(
        name="many", train=several, validation=several, test=several, classes=()
    )
    with pytest.raises(ValueError, match=r"many has targets \(2, 2\)"):
        oversampled(data=lambda: many)
