"""The numpy network against torch, scipy and counts on paper."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import shift as shifted
from sklearn.datasets import load_digits

from coursework.data.moons import moons
from coursework.data.splits import Split, Splits, batches
from coursework.mlp import (
    MLP,
    ActivationName,
    Descent,
    Feed,
    LossName,
    as_rows,
    fit,
    gradient_check,
    hinge,
)
from coursework.recipe import Recipe
from coursework.trial import Epoch, Outcome, stream
from tests.trials import play

F = torch.nn.functional
TORCH_ACTIVATIONS: dict[ActivationName, Callable[[Any], Any]] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda z: z,
}
TORCH_LOSSES: dict[LossName, Callable[[Any, Any], Any]] = {
    "cross-entropy": F.cross_entropy,
    # torch divides by the number of classes.
    "hinge": lambda s, t: s.shape[1] * F.multi_margin_loss(s, t),
    "squared-error": lambda s, t: (
        F.mse_loss(s, F.one_hot(t, s.shape[1]).double(), reduction="sum")
        / len(t)
    ),
}


def digits() -> Splits:
    """Digits of 8 x 8 pixels, two of whose columns are nearly all zero."""
    table, targets = load_digits(return_X_y=True)
    pictures = (table.reshape(-1, 8, 8) * 15).astype(np.uint8)
    labels = targets.astype(np.int64)

    def part(at: slice) -> Split:
        return Split(inputs=pictures[at], targets=labels[at])

    return Splits(
        name="digits",
        train=part(slice(0, 500)),
        validation=part(slice(500, 800)),
        test=part(slice(800, 1797)),
        classes=tuple("0123456789"),
    )


def run(**settings: Any) -> tuple[list[Epoch], Outcome]:
    return play(fit(**{"data": digits, "seed": 0, **settings}))


def timeless(history: list[Epoch]) -> list[Epoch]:
    return [replace(line, seconds=0) for line in history]


def problem(
    features: int = 4,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(5)
    inputs = rng.standard_normal((7, features)).astype(np.float32)
    return inputs, rng.integers(0, 3, 7)


def torch_scores(
    inputs: Any,
    weights: list[Any],
    inner: ActivationName,
    outer: ActivationName,
) -> Any:
    *first, last = weights
    x = torch.as_tensor(inputs, dtype=torch.double)
    for weight in first:
        x = TORCH_ACTIVATIONS[inner](x @ weight[:-1] + weight[-1])
    return TORCH_ACTIVATIONS[outer](x @ last[:-1] + last[-1])


@pytest.mark.parametrize("outer", ["identity", "relu"])
@pytest.mark.parametrize("loss", get_args(LossName))
@pytest.mark.parametrize("inner", get_args(ActivationName))
def test_gradients_equal_autograd(
    inner: ActivationName, loss: LossName, outer: ActivationName
) -> None:
    inputs, targets = problem()
    mlp = MLP(
        (4, 6, 5, 3),
        activation=inner,
        loss=loss,
        output_activation=outer,
        init="normal",
        dtype=np.float64,
    )
    rng = np.random.default_rng(1)
    for weight in mlp.weights:
        weight[-1] = rng.standard_normal(weight.shape[1])
    weights = [torch.tensor(w, requires_grad=True) for w in mlp.weights]
    expected = TORCH_LOSSES[loss](
        torch_scores(inputs, weights, inner, outer), torch.tensor(targets)
    )
    slopes = torch.autograd.grad(expected, weights)
    # A larger batch first: its leftovers in the buffers must not matter.
    mlp.scores(np.ones((20, 4), np.float32))
    rows = as_rows(inputs, np.float64)
    for _ in range(2):
        value, gradients = mlp.loss_and_gradients(rows, targets)
        assert value == pytest.approx(expected.item(), abs=1e-10)
        for gradient, slope in zip(gradients, slopes, strict=True):
            np.testing.assert_allclose(gradient, slope.numpy(), atol=1e-10)
    assert gradient_check(mlp, inputs, targets) < 1e-6


def test_gradient_check_sees_a_wrong_gradient() -> None:
    inputs, targets = problem()
    mlp = MLP((4, 6, 3))
    right = mlp.loss
    mlp.loss = lambda s, t: (right(s, t)[0], right(s, t)[1] * 1.01)
    assert gradient_check(mlp, inputs, targets) > 0.005


def test_hinge_by_hand() -> None:
    # Row 1: 1 + 0 - 2 < 0 and 1 + 1.5 - 2 = 0.5.
    # Row 2: 1 + 1 - 0 = 2 and 1 - 0.5 - 0 = 0.5.
    scores = np.array([[2.0, 0.0, 1.5], [1.0, 0.0, -0.5]])
    value, gradient = hinge(scores, np.array([0, 1]))
    assert value == (0.5 + 2.5) / 2
    expected = [[-0.5, 0, 0.5], [0.5, -1, 0.5]]
    np.testing.assert_array_equal(gradient, expected)


def test_scores_too_large_for_exp() -> None:
    mlp = MLP((1, 2), dtype=np.float64)
    mlp.weights[0][:] = [[1000, -1000], [0, 0]]
    rows = as_rows(np.array([[1], [-1]], np.float32), np.float64)
    loss, _ = mlp.loss_and_gradients(rows, np.array([0, 0]))
    assert loss == 1000


def test_sizes_on_paper() -> None:
    assert MLP((2, 10, 2)).parameters == 52
    mnist = MLP((784, 1024, 10))
    assert mnist.parameters == 814_090
    assert mnist.multiply_adds == 784 * 1024 + 1024 * 10
    assert mnist.weights[0].dtype == np.float32
    assert mnist.weights[0][:-1].std() == pytest.approx((2 / 784) ** 0.5, 0.01)
    assert not mnist.weights[0][-1].any()
    xavier = MLP((784, 1024, 10), init="xavier").weights[0][:-1]
    assert xavier.std() == pytest.approx((2 / 1808) ** 0.5, 0.01)


def test_chunks_of_evaluation_change_nothing() -> None:
    mlp = MLP((3, 5, 2))
    inputs = np.random.default_rng(0).random((2345, 3), dtype=np.float32)
    np.testing.assert_allclose(
        mlp.scores(inputs), mlp.forward(as_rows(inputs)), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_equals_torch_on_all_pixels(
    dtype: type[np.floating[Any]], decay: float, momentum: float
) -> None:
    """Dropped pixels, momentum, decay and batches, against torch's SGD."""
    recipe = Recipe(
        epochs=3,
        batch_size=96,
        learning_rate=0.05,
        momentum=momentum,
        weight_decay=decay,
        schedule="one-cycle",
    )
    train = digits().train
    train.inputs[:, :, 0] = 0
    mlp = MLP((64, 12, 10), dtype=dtype, seed=3)
    weights = [
        torch.tensor(part, dtype=torch.double, requires_grad=True)
        for weight in mlp.weights
        for part in (weight[:-1], weight[-1:])
    ]
    groups: list[dict[str, Any]] = [
        {"params": weights[0::2], "weight_decay": decay},
        {"params": weights[1::2]},
    ]
    sgd = torch.optim.SGD(groups, momentum=momentum)
    descent = Descent(mlp, train, recipe, seed=1)
    assert len(descent.feed.columns) <= 57
    pixels = torch.tensor(train.inputs).flatten(1).double() / 255
    labels = torch.tensor(train.targets)
    step = 0
    for epoch in (1, 2, 3):
        descent.train(epoch)
        for rows in batches(500, 96, stream(1, "order"), epoch):
            for group in sgd.param_groups:
                group["lr"] = recipe.rate(step, recipe.steps(500))
            sgd.zero_grad()
            hidden = torch.relu(pixels[rows] @ weights[0] + weights[1])
            scores = hidden @ weights[2] + weights[3]
            torch.autograd.backward(F.cross_entropy(scores, labels[rows]))
            sgd.step()
            step += 1
    close = 1e-6 if dtype is np.float32 else 1e-12
    for layer, weight in enumerate(descent.network().weights):
        expected = torch.cat(weights[2 * layer : 2 * layer + 2])
        assert weight.dtype == dtype
        np.testing.assert_allclose(
            weight, expected.detach().numpy(), atol=close, rtol=close
        )


def test_shift_moves_each_picture_and_fills_with_zero() -> None:
    rng = np.random.default_rng(2)
    pictures = rng.integers(1, 256, (40, 5, 6), dtype=np.uint8)
    split = Split(inputs=pictures, targets=np.arange(40))
    feed = Feed(split, shift=2, dtype=np.float64)
    moves = set()
    for rows, targets in feed.epoch(16, seed=0, epoch=1):
        for row, number in zip(rows, targets, strict=True):
            assert row[-1] == 1
            got = np.round(row[:-1] * 255).reshape(5, 6)
            fits = [
                (dy, dx)
                for dy in range(-2, 3)
                for dx in range(-2, 3)
                if (got == shifted(pictures[number], (dy, dx), order=0)).all()
            ]
            assert len(fits) == 1
            moves.update(fits)
    assert len(moves) > 12


def test_shift_keeps_the_pixels_it_can_light() -> None:
    pictures = np.zeros((3, 5, 5), np.uint8)
    pictures[:, 1, 1] = 9
    split = Split(inputs=pictures, targets=np.zeros(3, np.int64))
    lit = [0, 1, 2, 5, 6, 7, 10, 11, 12, 25]  # the last is the column of ones
    assert Feed(split, 1, np.float32).columns.tolist() == lit
    assert Feed(split, 0, np.float32).columns.tolist() == [6, 25]


def test_learns_one_batch() -> None:
    def few() -> Splits:
        return replace(digits().first(32), test=digits().first(32).train)

    recipe = Recipe(epochs=150, batch_size=None, momentum=0.9)
    history, outcome = run(data=few, recipe=recipe, hidden=(64,))
    assert history[-1].train_loss < 0.01
    assert outcome.scores["accuracy"] == 1
    assert outcome.predictions is not None
    assert not outcome.predictions.any()


def test_history_repeats_by_seed() -> None:
    recipe = Recipe(epochs=3, batch_size=64, momentum=0.9, shift=1)
    one, same, other = (
        run(recipe=recipe, hidden=(16,), seed=seed) for seed in (1, 1, 2)
    )
    assert timeless(one[0]) == timeless(same[0])
    assert one[1].scores == same[1].scores
    losses = [line.train_loss for line in one[0]]
    assert losses != [line.train_loss for line in other[0]]


def test_history_against_a_count_of_all_losses() -> None:
    """The training loss is a mean over examples, before their update."""
    recipe = Recipe(epochs=5, batch_size=300, learning_rate=1e-9)
    history, outcome = run(recipe=recipe, hidden=(16,), report_every=2)
    assert [line.epoch for line in history] == [2, 4, 5]
    mlp = MLP((64, 16, 10), seed=stream(0, "init"))
    data = digits()
    for line in history:
        for split, loss in (
            (data.train, line.train_loss),
            (data.validation, line.validation_loss),
        ):
            expected, _ = mlp.loss(mlp.scores(split.inputs), split.targets)
            assert loss == pytest.approx(expected, rel=1e-5)
        assert line.learning_rate == 1e-9
        assert line.seconds > 0
    right = mlp.scores(data.test.inputs).argmax(1) == data.test.targets
    assert outcome.scores == {"accuracy": pytest.approx(right.mean())}
    assert outcome.parameters == 65 * 16 + 17 * 10
    assert outcome.multiply_adds == 64 * 16 + 16 * 10
    assert outcome.data == data.info()
    assert outcome.diverged is None


def test_linear_network_and_no_validation() -> None:
    data = replace(digits(), validation=digits().validation.take(np.arange(0)))
    history, outcome = run(
        data=lambda: data, recipe=Recipe(epochs=20), hidden=()
    )
    assert np.isnan(history[-1].validation_loss)
    assert history[-1].validation == {}
    assert outcome.parameters == 650
    assert outcome.scores["accuracy"] > 0.5


def test_divergence_is_recorded() -> None:
    recipe = Recipe(epochs=50, batch_size=250, learning_rate=1e9)
    history, outcome = run(recipe=recipe, loss="squared-error")
    assert outcome.diverged is not None
    assert "at step" in outcome.diverged
    assert len(history) < 50
    assert not np.isfinite(history[-1].train_loss)
    one = Recipe(epochs=1, batch_size=None, learning_rate=1e38)
    assert run(recipe=one)[1].diverged is not None


def test_dead_outputs_are_counted() -> None:
    recipe = Recipe(epochs=1, learning_rate=1e-9)  # as good as untrained
    relu: dict[str, Any] = {"output_activation": "relu", "loss": "hinge"}
    _, outcome = run(recipe=recipe, hidden=(3,), **relu)
    mlp = MLP((64, 3, 10), seed=stream(0, "init"), **relu)
    scores = mlp.scores(digits().test.inputs)
    dead = sum(not column.any() for column in scores.T)
    assert outcome.notes == {"dead_outputs": dead}
    assert 0 < dead < 10
    assert run(recipe=recipe)[1].notes == {}


def test_film_of_the_field() -> None:
    recipe = Recipe(epochs=300, batch_size=None, weight_decay=0.001)
    settings: dict[str, Any] = {
        "data": moons,
        "recipe": recipe,
        "hidden": (10,),
        "activation": "tanh",
        "init": "normal",
        "report_every": 100,
        "frames": 60,
    }
    _, outcome = run(**settings)
    assert outcome.parameters == 52
    content = outcome.artefacts["field.npz"]
    assert len(content) < 100_000
    film = np.load(io.BytesIO(content))
    train = moons().train
    assert film["field"].shape == (60, 72, 96)
    assert film["field"].dtype == np.uint8
    assert (np.diff(film["epoch"]) > 0).all()
    assert (film["epoch"][0], film["epoch"][-1]) == (1, 300)
    np.testing.assert_array_equal(film["inputs"], train.inputs)
    np.testing.assert_array_equal(film["targets"], train.targets)
    # The field's pixel next to a point says the class of most points.
    left, right, low, high = film["extent"]
    columns = (train.inputs[:, 0] - left) / (right - left) * 95
    rows = (train.inputs[:, 1] - low) / (high - low) * 71
    near = film["field"][-1][
        rows.round().astype(int), columns.round().astype(int)
    ]
    assert ((near > 127) == train.targets).mean() > 0.8
    assert run(**settings, seed=1)[1].artefacts == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"recipe": Recipe(epochs=1, optimiser="adam")}, "optimiser is 'adam'"),
        ({"hidden": (4, 0)}, "width is 0"),
        ({"hidden": (-3,)}, "width is -3"),
        ({"activation": "gelu"}, "activation 'gelu'.*'tanh'"),
        ({"output_activation": "gelu"}, "output activation 'gelu'"),
        ({"loss": "mse"}, "loss 'mse'.*'squared-error'"),
        ({"init": "zeros"}, "init 'zeros'.*'xavier'"),
        ({"report_every": 0}, "report_every is 0"),
        ({"frames": -1}, "frames is -1"),
        ({"frames": 61, "data": moons}, "frames is 61; at most 60"),
        ({"frames": 3}, r"frames is 3.*\(8, 8\)"),
        ({"data": moons, "recipe": Recipe(epochs=1, shift=2)}, "shift is 2"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(**{"recipe": Recipe(epochs=1), **settings})


def test_examples_of_another_size_are_named() -> None:
    with pytest.raises(ValueError, match=r"2 columns.* 2 inputs"):
        MLP((2, 4, 2)).forward(np.ones((5, 2), np.float32))
