"""Schedules, budgets and the order of batches."""

from typing import Any, get_args

import numpy as np
import pytest
import torch

from coursework.data.splits import batches
from coursework.recipe import (
    SCHEDULES,
    WARMED,
    Recipe,
    ScheduleName,
    plateau,
)


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


def by_torch(losses: list[float], patience: int) -> list[float]:
    """Let torch's scheduler say the factor before each epoch and after all."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    judge = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.1, patience=patience, eps=0
    )
    factors = [1.0]
    for loss in losses:
        judge.step(loss)
        factors.append(optimiser.param_groups[0]["lr"])
    return factors


@pytest.mark.parametrize("patience", range(4))
def test_plateau_is_torchs(patience: int) -> None:
    rng = np.random.default_rng(patience)
    falling = np.linspace(2, 1, 25)
    for noise in (0.0, 1e-5, 0.05, 0.5, 3.0):
        losses = (falling + rng.normal(0, noise, 25)).tolist()
        mine = [plateau(losses[:end], patience) for end in range(26)]
        assert mine == pytest.approx(by_torch(losses, patience))
    tiny_steps = [1.0, 1 - 1e-4, 1 - 1.1e-4, 1 - 3e-4, 1 - 3.5e-4]
    mine = [plateau(tiny_steps[:end], patience) for end in range(6)]
    assert mine == pytest.approx(by_torch(tiny_steps, patience))


def test_plateau_on_paper() -> None:
    # Best at 1.0; three epochs in vain, then one more for the next tenth.
    losses = [1.5, 1.0, 1.0, 1.2, 1.1, 1.0, 0.9, 0.95, 0.95, 0.95]
    factors = [plateau(losses[:end], 2) for end in range(11)]
    assert factors == pytest.approx([1.0] * 5 + [0.1] * 5 + [0.01])
    assert plateau([1.0] + [float("nan")] * 3, 2) == pytest.approx(0.1)


def test_shares_of_warm_up_on_paper() -> None:
    def factors(
        schedule: ScheduleName, share: float, steps: int
    ) -> list[float]:
        recipe = Recipe(
            epochs=1, learning_rate=1.0, schedule=schedule, warm_up=share
        )
        return [recipe.rate(step, steps) for step in range(steps)]

    assert factors("one-cycle", 0.5, 10) == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1, 1, 0.8, 0.6, 0.4, 0.2]
    )
    assert factors("one-cycle", 0, 4) == pytest.approx([1, 1, 2 / 3, 1 / 3])
    down = [(1 + np.cos(np.pi * k / 3)) / 2 for k in range(3)]
    assert factors("cosine", 0, 4) == pytest.approx([1, *down])
    assert factors("cosine", 0.25, 4) == pytest.approx([1, *down])
    assert factors("cosine", 0.4, 5) == pytest.approx([0.5, 1, *down])
    assert factors("cosine", 0.99, 4) == pytest.approx([0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_only_some_schedules_warm_up(schedule: ScheduleName) -> None:
    one, other = (
        Recipe(epochs=1, schedule=schedule, warm_up=share) for share in (0, 0.6)
    )
    differ = any(one.rate(s, 100) != other.rate(s, 100) for s in range(100))
    assert differ == (schedule in WARMED)


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
        ("warm_up", 1.0),
        ("warm_up", -0.1),
        ("warm_up", float("nan")),
        ("patience", -1),
        ("precision", "half"),
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
