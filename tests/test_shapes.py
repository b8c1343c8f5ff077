"""Plain shapes: labels, masks and pictures say the same."""

from __future__ import annotations

import numpy as np
import pytest

from coursework.data.sets import SETS, loader, small_stand_in
from coursework.data.shapes import SHAPES, SIZES, shapes


def test_labels_follow_what_is_left_to_see() -> None:
    data = shapes(train=200, held_out=5, scored=7, side=32)
    assert [len(s) for s in (data.train, data.validation, data.test)] == [
        *(200, 5, 7)
    ]
    assert data.train.masks is not None
    for mask, row in zip(data.train.masks, data.train.targets, strict=True):
        shares = [np.mean(mask == k + 1) for k in range(len(SHAPES))]
        assert row.tolist() == [int(share > 0.01) for share in shares]
    several = data.train.targets.sum(1)
    assert {0, 1, 2, 3} == set(several.tolist())
    assert data.train.targets.mean(0).min() > 0.1
    # A shape has one colour, but for the grain; without noise they differ.
    picture, mask = data.train.inputs[3], data.train.masks[3]
    for label in set(mask.ravel().tolist()):
        assert picture[:, mask == label].std(1).max() < 30


def test_a_picture_depends_on_its_split_and_number_alone() -> None:
    few, more = shapes(train=3, scored=2), shapes(train=6, scored=4)
    assert np.array_equal(few.train.inputs, more.train.inputs[:3])
    assert np.array_equal(few.test.inputs, more.test.inputs[:2])
    assert not np.array_equal(few.train.inputs[:2], few.test.inputs)
    assert few.info() == shapes(train=3, scored=2).info()
    large = shapes(train=3, scored=2, side=128)
    assert np.array_equal(large.train.targets, few.train.targets)


def test_of_five_shapes_each_is_what_it_is_called() -> None:
    down, right = (np.indices((200, 200)) + 0.5) / 100 - 1
    areas = {name: 4 * np.mean(f(right, down)) for name, f in SHAPES.items()}
    box = np.maximum(abs(right), abs(down)) < 1
    cross = 4 * np.mean(box & SHAPES["cross"](right, down))
    assert areas["disc"] == pytest.approx(np.pi, rel=0.01)
    assert areas["square"] == pytest.approx(1.6**2, rel=0.02)
    assert areas["triangle"] == pytest.approx(1.7**2 / 2, rel=0.02)
    assert areas["ring"] == pytest.approx(np.pi * 0.6, rel=0.01)
    assert cross == pytest.approx(2 * 1 - 0.25, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": 2001}, "2001 train pictures"),
        ({"held_out": -1}, "-1 validation pictures"),
        ({"scored": 0}, "scored is 0"),
        ({"side": 7}, "side is 7"),
    ],
)
def test_what_can_not_be_drawn_is_refused(
    settings: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        shapes(**settings)


def test_it_stands_in_for_sets_of_several_classes() -> None:
    assert small_stand_in("tinyvoc-composed") == "shapes"
    assert small_stand_in("voc2012") == "shapes"
    assert small_stand_in("mnist") == small_stand_in("") == "digits"
    assert loader("shapes", train=1, scored=1)().stand_in
    assert not SETS["shapes"].archives
    assert SIZES["train"] >= 1200  # as many as the composed set has
