"""Parts of a set: which pictures stay, what their classes become."""

from __future__ import annotations

import numpy as np
import pytest

from coursework.data.parts import few, inked, only
from coursework.data.splits import Split, Splits


def whole() -> Splits:
    """Make a set whose pictures show their own number in the set."""

    def part(targets: list[int], first: int) -> Split:
        numbers = first + np.arange(len(targets))
        inputs = np.zeros((len(targets), 2, 2), np.uint8)
        inputs[:, 0, 0] = numbers
        return Split(inputs=inputs, targets=np.array(targets))

    return Splits(
        name="numbered",
        train=part([2, 0, 1, 2, 0, 1], 100),
        validation=part([1, 0, 2], 130),
        test=part([0, 2, 2], 160),
        classes=("zero", "one", "two"),
    )


def numbers(split: Split) -> list[int]:
    found: list[int] = split.inputs[:, 0, 0].tolist()
    return found


def test_only_some_classes_counted_in_the_order_asked_for() -> None:
    found = only(data=whole, classes=("two", "zero"))
    assert found.classes == ("two", "zero")
    assert numbers(found.train) == [100, 101, 103, 104]
    assert found.train.targets.tolist() == [0, 1, 0, 1]
    assert numbers(found.validation) == [131, 132]
    assert found.validation.targets.tolist() == [1, 0]
    assert numbers(found.test) == [160, 161, 162]
    assert found.test.targets.tolist() == [1, 0, 0]
    assert found.name == "numbered, classes two, zero"


def test_masks_still_name_the_classes_of_the_part() -> None:
    found = inked(data=lambda: only(data=whole, classes=("two", "zero")))
    assert found.test.masks is not None
    assert found.test.masks[:, 0, 0].tolist() == [2, 1, 1]


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(ValueError, match="no class 'ten'; it has zero, one"):
        only(data=whole, classes=("one", "ten"))


def test_few_keeps_the_first_of_every_class_and_scores_on_all() -> None:
    found = few(data=whole, each=1)
    assert numbers(found.train) == [100, 101, 102]
    assert len(found.validation) == len(found.test) == 3
    assert numbers(few(data=whole, each=None).train) == numbers(whole().train)


def test_ink_is_what_is_light() -> None:
    masks = inked(data=whole).train.masks
    assert masks is not None
    assert not masks.any()  # the lightest pixel is 105
    tests = inked(data=whole).test
    assert tests.masks is not None
    assert tests.masks.tolist() == [
        [[label + 1, 0], [0, 0]] for label in tests.targets
    ]
    assert tests.masks.dtype == np.uint8


def test_ink_of_coloured_pictures_is_refused() -> None:
    coloured = Split(
        inputs=np.zeros((1, 3, 2, 2), np.uint8), targets=np.array([0])
    )
    splits = Splits(
        name="coloured",
        train=coloured,
        validation=coloured,
        test=coloured,
        classes=("one",),
    )
    with pytest.raises(ValueError, match=r"coloured has pictures \(3, 2, 2\)"):
        inked(data=lambda: splits)
