"""The half-moons against scikit-learn's."""

import numpy as np
import pytest
from sklearn.datasets import make_moons

from coursework.data.moons import moons


def test_training_split_is_the_reports_set() -> None:
    inputs, targets = make_moons(200, noise=0.2, random_state=0)
    train = moons().train
    assert train.inputs.dtype == np.float32
    np.testing.assert_array_equal(train.inputs, inputs.astype(np.float32))
    np.testing.assert_array_equal(train.targets, targets)


def test_splits_are_disjoint_and_repeat() -> None:
    one, same, other = moons(), moons(), moons(generator_seed=1)
    assert one.info() == same.info() != other.info()
    points = [
        tuple(point)
        for split in (one.train, one.validation, one.test)
        for point in split.inputs.tolist()
    ]
    assert len(set(points)) == len(points) == 2200


def test_sizes_and_names() -> None:
    splits = moons(train=7, validation=0, test=9)
    assert splits.info().sizes == {"train": 7, "validation": 0, "test": 9}
    assert splits.validation.inputs.shape == (0, 2)
    assert splits.name == "moons"
    assert len(splits.classes) == 2


@pytest.mark.parametrize("bad", ["train", "test", "validation"])
def test_bad_size_is_named(bad: str) -> None:
    sizes = {bad: -1}
    with pytest.raises(ValueError, match=f"{bad} is -1"):
        moons(**sizes)
