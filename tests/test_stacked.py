"""Stacks of networks: as if trained one after another, read one by one."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.stats import t
from sklearn.linear_model import LinearRegression
from torch import Tensor, nn

from coursework import records, stacked, stacks
from coursework.data.moons import moons
from coursework.data.splits import Split
from coursework.models.activations import activation
from coursework.models.stack import Stack
from coursework.recipe import Recipe
from coursework.trial import Epoch, Outcome
from tests.trials import planted, play

DATA = partial(moons, train=100, noise=0.1, generator_seed=42)
RECIPE = Recipe(
    epochs=30,
    batch_size=None,
    optimiser="adamw",
    learning_rate=0.01,
    weight_decay=0.01,
)
SIZES, SEEDS = (2, 10, 10, 1), (5, 6, 7)
PAIRS = [
    ("identity", "identity"),
    ("abs", "abs"),
    ("exp", "cos"),
    ("square", "identity"),
    ("sigmoid", "relu"),
    ("sort", "identity"),
    ("identity", "permute"),
    ("reciprocal", "tan"),
    ("sign", "straight-through-sign"),
]


class Done(NamedTuple):
    epochs: list[Epoch]
    outcome: Outcome

    @property
    def each(self) -> Mapping[str, list[float]]:
        found: Mapping[str, list[float]] = self.outcome.notes["networks"]
        return found

    def arrays(self, name: str) -> dict[str, Any]:
        with np.load(io.BytesIO(self.outcome.artefacts[name])) as file:
            return dict(file)


def drain(trial: Generator[Epoch, None, Outcome]) -> Done:
    return Done(*play(trial))


def fit(*activations: str, epochs: int = 30, **options: Any) -> Done:
    recipe = Recipe(**vars(RECIPE) | {"epochs": epochs})
    settings: dict[str, Any] = {
        "data": DATA,
        "networks": 3,
        "seed": 0,
        "reports": 4,
    }
    settings |= options
    return drain(
        stacked.fit(activations=activations, recipe=recipe, **settings)
    )


def double(split: Split) -> Split:
    wide: Any = split.inputs.astype(np.float64)
    return Split(inputs=wide, targets=split.targets)


class Alone(nn.Module):
    """One network, written without a stack."""

    def __init__(self, first: str, second: str, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.one, self.two, self.out = (
            nn.Linear(2, 10),
            nn.Linear(10, 10),
            nn.Linear(10, 1),
        )
        self.first, self.second = first, second

    def act(self, name: str, values: Tensor) -> Tensor:
        if name == "identity":
            return values
        done: Tensor = activation(name, 10)(values)
        return done

    def forward(self, points: Tensor) -> Tensor:
        below = self.act(self.first, self.one(points))
        values = self.two(below)
        if self.second == "permute":  # report R1's: by the layer below
            order = below.argsort(dim=1)
            values = torch.stack(
                [row[o] for row, o in zip(values, order, strict=True)]
            )
        else:
            values = self.act(self.second, values)
        logits: Tensor = self.out(values)[:, 0]
        return logits


def one_after_another(
    first: str, second: str, split: Split, steps: int
) -> Tensor:
    inputs, targets = map(torch.from_numpy, (split.inputs, split.targets))
    logits = []
    for seed in SEEDS:
        network = Alone(first, second, seed).double()
        optimiser = torch.optim.AdamW(network.parameters(), lr=0.01)
        for _ in range(steps):
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(inputs), targets.double()
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        logits.append(network(inputs).detach())
    return torch.stack(logits)


@pytest.mark.parametrize("pair", PAIRS, ids=" × ".join)
def test_a_stack_is_its_networks_one_after_another(
    pair: tuple[str, str],
) -> None:
    split = double(DATA().train)
    descent = stacked.Descent(Stack(SIZES, pair, SEEDS).double(), split, RECIPE)
    # poles blow the last digit up, step by step
    steps = 3 if "tan" in pair else RECIPE.epochs
    for _ in range(steps):
        descent.step()
    torch.testing.assert_close(
        descent.stack(descent.inputs).detach(),
        one_after_another(*pair, split, steps),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_network_that_breaks_does_not_touch_the_others() -> None:
    whole, broken = (Stack(SIZES, ("sin", "sin"), SEEDS) for _ in range(2))
    with torch.no_grad():
        broken.weights[0][0] = torch.nan
    for stack in (whole, broken):
        descent = stacked.Descent(stack, DATA().train, RECIPE)
        for _ in range(5):
            descent.step()
    points = descent.inputs
    assert broken(points)[0].isnan().all()
    torch.testing.assert_close(whole(points)[1:], broken(points)[1:])
    assert stacked.accuracies(broken, DATA().train)[0] == 0
    seen = stacked.beyond(broken, DATA().train, 1)
    assert np.isnan(seen[0]) and np.isfinite(seen[1:]).all()


def test_what_a_run_leaves() -> None:
    done = fit("sigmoid", "sigmoid", epochs=300, networks=4, frames=20)
    outcome, each = done.outcome, done.each
    assert outcome.parameters == 2 * 10 + 10 + 10 * 10 + 10 + 10 + 1
    assert outcome.multiply_adds == 2 * 10 + 10 * 10 + 10
    assert {len(column) for column in each.values()} == {4}
    assert outcome.scores["accuracy"] == pytest.approx(
        np.mean(each["accuracy"])
    )
    fits = [float(value == 1) for value in each["train accuracy"]]
    assert each["fits"] == fits
    assert outcome.scores["fits"] == np.mean(fits)
    assert outcome.diverged is None
    assert [epoch.epoch for epoch in done.epochs] == [75, 150, 225, 300]
    watched = done.arrays("networks.npz")
    assert watched["step"].tolist() == [75, 150, 225, 300]
    assert watched["loss"].shape == watched["accuracy"].shape == (4, 4)
    assert watched["gradient"].shape == (4, 4, 3)
    assert watched["accuracy"][-1] == pytest.approx(each["train accuracy"])
    assert watched["loss"].mean(axis=1) == pytest.approx(
        [epoch.train_loss for epoch in done.epochs]
    )
    field = done.arrays("field.npz")
    assert field["field"].shape == (20, 72, 96)
    assert field["epoch"][-1] == 300
    assert "field.npz" not in fit("sin", seed=1, frames=5).outcome.artefacts


def test_the_film_shows_the_first_network() -> None:
    stack = Stack(SIZES, ("sin", "sin"), SEEDS)
    points = DATA().test.inputs.astype(np.float32)
    scores = stacked.FirstNetwork(stack).scores(points)
    alone = Alone("sin", "sin", SEEDS[0])
    logits = alone(torch.from_numpy(points)).detach().numpy()
    np.testing.assert_allclose(scores[:, 1] - scores[:, 0], logits, atol=1e-5)


def test_arms_begin_with_the_same_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun = []

    class Seen(Stack):
        def __init__(self, *settings: Any) -> None:
            super().__init__(*settings)
            begun.append([layer.detach().clone() for layer in self.weights])

    monkeypatch.setattr(stacked, "Stack", Seen)
    for activations, number in ((("sin", "sin"), 3), (("relu", "abs"), 5)):
        fit(*activations, epochs=1, networks=number)
    fit("sin", "sin", epochs=1, seed=1)
    for one, other, second in zip(*begun, strict=True):
        assert torch.equal(one, other[:3])
        assert not torch.equal(one, second)
        assert not torch.equal(one[0], one[1])


def test_the_linear_control_is_linear_and_x2_once_is_a_quadric() -> None:
    linear = fit("identity", "identity").each
    assert max(linear["beyond linear"]) < 1e-6
    once = fit("square", "identity").each
    assert max(once["beyond quadratic"]) < 1e-6 < min(once["beyond linear"])
    stack = Stack(SIZES, ("square", "square"), SEEDS)
    points = double(DATA().test)
    assert stacked.beyond(stack.double(), points, 4).max() < 1e-6
    assert stacked.beyond(stack, points, 2).min() > 1e-6


def test_what_lies_beyond_a_line_against_scikit_learn() -> None:
    stack = Stack(SIZES, ("sin", "sin"), SEEDS)
    split = DATA().validation
    logits = stack(torch.from_numpy(split.inputs)).detach().numpy()
    expected = [
        1 - LinearRegression().fit(split.inputs, row).score(split.inputs, row)
        for row in logits
    ]
    seen = stacked.beyond(stack, split, 1)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


def test_accuracy_is_counted_by_the_sign_of_the_logit() -> None:
    stack, split = Stack(SIZES, ("abs", "abs"), SEEDS), DATA().test
    logits = stack(torch.from_numpy(split.inputs)).detach()
    expected = [
        np.mean(
            [
                (z > 0) == bool(y)
                for z, y in zip(row, split.targets, strict=True)
            ]
        )
        for row in logits.tolist()
    ]
    assert stacked.accuracies(stack, split) == pytest.approx(expected)


def test_sign_passes_no_gradient_and_straight_through_does() -> None:
    dead = fit("sign", "sign").arrays("networks.npz")["gradient"]
    name = "straight-through-sign"
    alive = fit(name, name).arrays("networks.npz")["gradient"]
    assert (dead[..., :2] == 0).all() and (dead[..., 2] > 0).all()
    assert (alive > 0).all()


def test_readout_only_leaves_the_hidden_layers_as_drawn() -> None:
    free, fixed = fit("sin", "sin"), fit("sin", "sin", readout_only=True)
    gradient = fixed.arrays("networks.npz")["gradient"]
    assert (gradient[..., :2] == 0).all() and (gradient[..., 2] > 0).all()
    assert free.epochs[-1].train_loss < fixed.epochs[-1].train_loss


def test_width_and_depth() -> None:
    outcome = fit("relu", "sin", "abs", width=4).outcome
    assert outcome.parameters == 3 * 4 + 2 * 5 * 4 + 5
    assert fit("relu", width=3).outcome.parameters == 3 * 3 + 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activations": ("swich",)}, "unknown activation 'swich'"),
        ({"activations": ("prelu",)}, "'prelu' has parameters"),
        ({"networks": 0}, "networks is 0"),
        ({"reports": 0}, "reports is 0"),
        ({"recipe": Recipe(epochs=1)}, "batch_size is 128"),
        (
            {"recipe": Recipe(epochs=1, batch_size=None, clip=1.0)},
            "clip is 1.0",
        ),
        (
            {"recipe": Recipe(epochs=1, batch_size=None, flip=True)},
            "recipe.flip True",
        ),
    ],
)
def test_what_is_refused(options: Mapping[str, Any], message: str) -> None:
    settings: dict[str, Any] = {
        "activations": ("sin",),
        "recipe": RECIPE,
        "data": DATA,
        "seed": 0,
    }
    with pytest.raises(ValueError, match=message):
        drain(stacked.fit(**settings | dict(options)))


def stack_of(variant: str, seed: int, **columns: list[Any]) -> records.Record:
    each = {name.replace("_", " "): values for name, values in columns.items()}
    return planted(variant, seed, 0.5, notes={"networks": each})


def arm(variant: str, seed: int, tests: list[float]) -> records.Record:
    return stack_of(
        variant,
        seed,
        accuracy=tests,
        train_accuracy=[1.0, 0.5],
        fits=[1.0, 0.0],
        beyond_linear=[0.25, None],
    )


def test_a_record_of_each_network() -> None:
    seen = stacks.networks([arm("a", 0, [0.9, 0.5]), arm("a", 1, [0.8, 0.4])])
    assert [run.seed for run in seen] == [0, 1, 2, 3]
    assert records.scores(seen) == [0.9, 0.5, 0.8, 0.4]
    assert records.scores(seen, "fits") == [1, 0, 1, 0]
    assert [run.diverged is not None for run in seen] == [False, True] * 2
    assert {run.variant for run in seen} == {"a"}


def test_a_summary_of_each_arm() -> None:
    runs = [arm("a", 0, [0.9, 0.5]), arm("b", 0, [0.8, 0.4])]
    first, second = stacks.summary(runs).to_dict("records")
    assert (first["activation"], second["activation"]) == ("a", "b")
    assert first["n"] == 2 and first["diverged"] == 1
    assert first["fit"] == 50 and first["fit, 95 %"] == "9 to 91"
    assert first["train"] == 75 and first["worst"] == 50
    assert first["not linear"] == 25
    half = t.ppf(0.975, 1) * 100 * 0.2 / 2**0.5 * 2**0.5
    assert first["test"] == pytest.approx(70)
    assert first["test, 95 %"] == f"{70 - half:.2f} to {70 + half:.2f}"


def test_a_network_that_diverged_survives_being_stored() -> None:
    record = arm("a", 0, [0.9, 0.5])
    stored = records.parse(record.to_json(), Path("runs/a.json"))
    whole, lost = stacks.networks([stored])
    assert whole.scores["accuracy"] == 0.9 and whole.diverged is None
    assert lost.diverged == "outputs are not finite"
