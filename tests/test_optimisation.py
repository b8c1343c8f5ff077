"""A step, its parts, who trains, and which weights are evaluated."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from coursework import optimisation, precision, training
from coursework.data.augment import View
from coursework.data.mixing import Mix
from coursework.models.transfer import Transfer
from coursework.optimisation import Stepper
from coursework.penalties import penalty
from coursework.recipe import Recipe, warm_restarts
from coursework.tasks import SingleLabel
from coursework.training import Training
from tests import trials
from tests.trials import play

BATCH = torch.randn(8, 6, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(8) % 3


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(6, 3)


def test_lion_steps_by_signs() -> None:
    """Algorithm 2 of the paper, on paper: the first step is rate × sign."""
    network = layer()
    before = network.weight.detach().clone()
    recipe = Recipe(
        epochs=1, optimiser="lion", learning_rate=0.01, weight_decay=0.5
    )
    Stepper(network, recipe, "float32")(BATCH, TARGETS, SingleLabel(), 0.01)
    loss = cross_entropy(layer()(BATCH), TARGETS)
    fresh = layer()
    cross_entropy(fresh(BATCH), TARGETS).backward()
    assert loss > 0 and fresh.weight.grad is not None
    expected = before * (1 - 0.01 * 0.5) - 0.01 * fresh.weight.grad.sign()
    torch.testing.assert_close(network.weight.detach(), expected)


class Tight(nn.Linear):
    """A layer on a device that has memory for three pictures."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        if len(pictures) > 3:
            raise torch.OutOfMemoryError("planted")
        return super().forward(pictures)


def test_out_of_memory_means_parts_of_the_same_batch() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1)
    network = layer()
    tight = Tight(6, 3)
    tight.load_state_dict(network.state_dict())
    whole = Stepper(network, recipe, "float32")
    parted = Stepper(tight, recipe, "float32")
    expected = whole(BATCH, TARGETS, SingleLabel(), 0.1)
    with pytest.warns(UserWarning, match="over 4 parts"):
        found = parted(BATCH, TARGETS, SingleLabel(), 0.1)
    assert parted.parts == 4
    assert found == pytest.approx(expected, abs=1e-5)
    torch.testing.assert_close(tight.weight, network.weight, atol=1e-6, rtol=0)


def test_one_picture_too_many_is_said() -> None:
    class Full(nn.Linear):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("planted")

    step = Stepper(Full(6, 3), Recipe(epochs=1), "float32")
    with (
        pytest.warns(UserWarning, match="out of memory"),
        pytest.raises(MemoryError, match="not even one picture"),
    ):
        step(BATCH, TARGETS, SingleLabel(), 0.1)


def test_a_penalty_adds_its_gradient_and_not_to_the_loss() -> None:
    recipe = Recipe(epochs=1, learning_rate=0.1)
    bare, held = layer(), layer()
    loss = Stepper(bare, recipe, "float32")(
        BATCH, TARGETS, SingleLabel(), recipe.learning_rate
    )
    shrink = partial(_half_square, factor=0.2)
    same = Stepper(held, recipe, "float32", shrink)(
        BATCH, TARGETS, SingleLabel(), recipe.learning_rate
    )
    assert loss == same
    expected = bare.weight - 0.1 * 0.2 * layer().weight
    torch.testing.assert_close(held.weight, expected)


def _half_square(network: nn.Module, factor: float) -> torch.Tensor:
    weights: Any = network.weight
    result: torch.Tensor = factor * weights.square().sum() / 2
    return result


def test_stages_learn_at_their_own_rates() -> None:
    """With SGD a stage's step is its rate times its gradient."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    network = Transfer(body, "all", layer_decay=0.5)
    before = {n: p.detach().clone() for n, p in body.named_parameters()}
    step = Stepper(network, Recipe(epochs=1), "float32")
    step(BATCH, TARGETS, SingleLabel(), 0.1)
    for name, parameter in body.named_parameters():
        assert parameter.grad is not None
        rate = 0.1 if name.startswith("2") else 0.05
        moved = before[name] - rate * parameter.grad
        torch.testing.assert_close(parameter.detach(), moved)


def test_warm_restarts_fall_to_zero_three_times() -> None:
    """SGDR's equation 5 with cycles of 1, 2 and 4 sevenths, on paper."""
    rates = [warm_restarts(step, 700) for step in range(700)]
    assert [i for i, r in enumerate(rates) if r == 1] == [0, 100, 300]
    middle = (warm_restarts(i, 700) for i in (50, 200, 500))
    assert list(middle) == pytest.approx([0.5] * 3)
    assert max(rates[99], rates[299], rates[699]) < 0.001


def fit(network: Any = trials.mates, **settings: Any) -> Any:
    recipe = settings.pop("recipe", Recipe(epochs=3, batch_size=16))
    return training.fit(
        model=network, data=trials.pictures, recipe=recipe, **settings
    )


def test_training_stops_early_with_the_weights_of_the_best_epoch() -> None:
    recipe = Recipe(epochs=30, batch_size=16, learning_rate=3.0, early_stop=2)
    history, outcome = play(fit(recipe=recipe, seed=0))
    losses = [epoch.validation_loss for epoch in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 3 < 30
    shorter = Recipe(epochs=best + 1, batch_size=16, learning_rate=3.0)
    _, expected = play(fit(recipe=shorter, seed=0))
    assert outcome.scores == expected.scores


@pytest.mark.parametrize("average", ["ema", "swa"])
def test_an_average_is_what_is_evaluated(average: Any) -> None:
    plain = Recipe(epochs=4, batch_size=16, learning_rate=1.0)
    recipe = Recipe(epochs=4, batch_size=16, learning_rate=1.0, average=average)
    last, _ = play(fit(recipe=plain, seed=0))
    mean, _ = play(fit(recipe=recipe, seed=0))
    trained = [epoch.train_loss for epoch in mean]
    assert trained == [epoch.train_loss for epoch in last]
    assert mean[-1].validation_loss != last[-1].validation_loss


@pytest.mark.parametrize(
    "changes", [{"average": "ema"}, {"average": "swa"}, {"early_stop": 9}]
)
def test_what_is_kept_beside_the_weights_survives_a_kill(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(epochs=8, batch_size=16, learning_rate=1.0, **changes)
    whole, outcome = play(fit(recipe=recipe, seed=0))
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    checkpoint = tmp_path / "checkpoint.pt"
    killed = fit(recipe=recipe, seed=0, checkpoint=checkpoint)
    for _ in range(7):
        next(killed)
    killed.close()
    again, resumed = play(fit(recipe=recipe, seed=0, checkpoint=checkpoint))
    assert [e.validation_loss for e in again] == [
        e.validation_loss for e in whole
    ]
    assert resumed.scores == outcome.scores


def test_a_frozen_network_is_counted_as_such() -> None:
    def frozen() -> Transfer:
        return Transfer(trials.mates(), "head")

    _, outcome = play(fit(frozen, seed=0))
    head = 4 * 6 * 6 * 4 + 4
    assert outcome.notes["trained parameters"] == head < outcome.parameters


def test_gradual_unfreezing_moves_the_body_later() -> None:
    seen = []

    def watch(trained: training.Trained) -> dict[str, Any]:
        first: Any = trained.network
        weight = first.network[0].weight
        seen.append(weight.detach().clone())
        return {}

    play(
        fit(
            lambda: Transfer(trials.mates(), "gradual"),
            watches=(watch,),
            recipe=Recipe(epochs=4, batch_size=16),
            seed=0,
        )
    )
    moved = [not torch.equal(seen[0], weight) for weight in seen]
    assert moved[1] is False and moved[-1] is True


def test_mixing_changes_training_and_needs_no_other_data() -> None:
    plain, _ = play(fit(seed=0))
    mixed, outcome = play(fit(mix=Mix(kind="mixup"), seed=0))
    assert mixed[0].train_loss != plain[0].train_loss
    assert math.isfinite(outcome.scores["accuracy"])


def test_l1_makes_weights_small() -> None:
    def norm(trained: training.Trained) -> dict[str, Any]:
        return {"l1": penalty(trained.network).detach().numpy()}

    shrink = partial(_l1, factor=0.01)
    _, free = play(fit(probes=(norm,), seed=0))
    _, held = play(fit(penalty=shrink, probes=(norm,), seed=0))
    assert held.artefacts["norm.npz"] != free.artefacts["norm.npz"]


def _l1(network: nn.Module, factor: float) -> torch.Tensor:
    return factor * penalty(network)


def test_some_convolutions_stay_in_float32() -> None:
    """Those by channel that reach far; all others follow the precision."""
    network = nn.Sequential(
        nn.Conv2d(4, 4, 5, padding=2, groups=4), nn.Conv2d(4, 4, 1)
    )
    seen: dict[int, torch.dtype] = {}
    precision.prepare(network, "bfloat16")
    for place, part in enumerate(network):
        part.register_forward_hook(
            lambda _, __, out, place=place: seen.update({place: out.dtype})
        )
    with precision.autocast("bfloat16", torch.device("cpu")):
        network(torch.randn(1, 4, 8, 8))
        assert torch.is_autocast_enabled("cpu")
    assert seen == {0: torch.float32, 1: torch.bfloat16}


def test_a_failure_inside_leaves_autocast_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(4, 4, 5, groups=4))
    precision.prepare(network, "bfloat16")
    with precision.autocast("bfloat16", torch.device("cpu")):
        with pytest.raises(RuntimeError):
            network(torch.randn(1, 3, 8, 8))
        assert torch.is_autocast_enabled("cpu")


def test_unknown_names_list_what_is_accepted() -> None:
    with pytest.raises(ValueError, match=r"average 'mean'.*'swa'"):
        Recipe(epochs=1, average="mean")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="early_stop is 0"):
        Recipe(epochs=1, early_stop=0)
    task = SingleLabel(criterion="hinge")
    with pytest.raises(ValueError, match=r"criterion 'hinge'.*'focal'"):
        task.loss(BATCH[:, :3], TARGETS)
    with pytest.raises(ValueError, match=r"label_smoothing is 0\.1"):
        SingleLabel(0.1, criterion="focal")


def test_frozen_parameters_stay_out_of_the_optimiser() -> None:
    network = nn.Sequential(layer(), nn.Linear(3, 3))
    network[0].requires_grad_(False)
    step = Training(network, Recipe(epochs=1), View(), 0).stepper
    assert step.trained == 12
    assert set(optimisation.OPTIMISERS) == {"sgd", "adam", "adamw", "lion"}
