"""Schedules, budgets and the order of batches."""

from typing import Any, get_args

import numpy as np
import pytest

from coursework.data.splits import batches
from coursework.recipe import SCHEDULES, Recipe, ScheduleName


def rates(schedule: ScheduleName, steps: int = 400) -> np.ndarray[Any, Any]:
    recipe = Recipe(epochs=1, learning_rate=0.2, schedule=schedule)
    return np.array([recipe.rate(step, steps) for step in range(steps)])


def test_report_r1s_schedule_oscillates() -> None:
    rate = rates("r1")
    peaks = [
        step
        for step in range(25, 379)
        if rate[step] == rate[step - 24 : step + 24].max()
    ]
    assert np.allclose(peaks, [90, 170, 250, 330], atol=2)
    assert rate[0] == pytest.approx(0.05 + 0.15 / 20)
    assert rate[19] == pytest.approx(0.2)
    # By the report's formula, at e = 100: the argument is 90 pi / 40.
    at_100 = 0.05 + 0.075 * (1 + np.cos(2.25 * np.pi)) * 0.98**8
    assert rate[100] == pytest.approx(at_100)
    assert rate.min() == pytest.approx(0.05)
    np.testing.assert_allclose(rate[-20:], 0.05)


def test_cosine_and_one_cycle_rise_then_fall() -> None:
    for schedule in ("cosine", "one-cycle"):
        rate = rates(schedule)
        assert rate.max() == pytest.approx(0.2)
        assert rate[0] == pytest.approx(0.2 / 80)
        assert (np.diff(rate[:80]) > 0).all()
        assert (np.diff(rate[80:]) < 0).all()
        assert 0 < rate[-1] < 0.002
    # Half way down, the cosine and the straight line meet.
    assert rates("cosine")[240] == pytest.approx(rates("one-cycle")[240])
    assert rates("cosine")[160] > rates("one-cycle")[160]


def test_constant_and_exponential() -> None:
    assert set(rates("constant")) == {0.2}
    rate = rates("exponential")
    assert rate[0] == pytest.approx(0.2)
    np.testing.assert_allclose(rate[1:] / rate[:-1], 0.01 ** (1 / 400))


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_every_schedule_is_listed_and_works_for_few_steps(
    schedule: ScheduleName,
) -> None:
    assert set(SCHEDULES) == set(get_args(ScheduleName))
    for steps in (1, 2, 3, 7):
        rate = rates(schedule, steps)
        assert ((rate > 0) & (rate <= 0.2 + 1e-12)).all()


@pytest.mark.parametrize(
    ("batch_size", "steps"), [(3, 8), (10, 2), (64, 2), (None, 2)]
)
def test_number_of_steps(batch_size: int | None, steps: int) -> None:
    assert Recipe(epochs=2, batch_size=batch_size).steps(10) == steps
    drawn = sum(1 for _ in batches(10, batch_size, 0, 1))
    assert 2 * drawn == steps


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("momentum", 1.0),
        ("weight_decay", -0.1),
        ("shift", -1),
        ("schedule", "step"),
    ],
)
def test_bad_setting_is_named(setting: str, value: object) -> None:
    settings: dict[str, Any] = {"epochs": 1, setting: value}
    with pytest.raises(ValueError, match=f"{setting} .*{value}"):
        Recipe(**settings)


def test_batches_hold_every_row_once() -> None:
    for size in (1, 7, 50, 64):
        rows = np.concatenate(list(batches(50, size, seed=3, epoch=1)))
        np.testing.assert_array_equal(np.sort(rows), np.arange(50))
    lengths = [len(rows) for rows in batches(50, 7, seed=3, epoch=1)]
    assert lengths == [7] * 7 + [1]


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> tuple[int, ...]:
        return tuple(np.concatenate(list(batches(50, 7, seed, epoch))))

    assert order(1, 1) == order(1, 1)
    assert len({order(1, 1), order(1, 2), order(2, 1), order(2, 2)}) == 4
