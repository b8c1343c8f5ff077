"""The torch trial against numpy, counts on paper and itself."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import (
    experiment,
    identity,
    optimisation,
    paths,
    precision,
    records,
    training,
)
from coursework.data import augment
from coursework.data.augment import View
from coursework.data.digits import digits
from coursework.data.splits import Loader, Split, Splits, batches
from coursework.experiment import Run
from coursework.models.lenet import LeNet
from coursework.models.pitfalls import softmax_last
from coursework.probes import errors
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.trial import Epoch, Outcome
from tests.trials import mates, pictures, play

pytestmark = pytest.mark.usefixtures("one_thread")

FEW = partial(digits, train=64)


def fit(
    seed: int = 0,
    *,
    model: Callable[[], nn.Module] = LeNet,
    data: Loader = FEW,
    **choices: Any,
) -> tuple[list[Epoch], Outcome]:
    recipe = Recipe(**{"epochs": 2, "batch_size": 16, **choices})
    return play(training.fit(model=model, data=data, recipe=recipe, seed=seed))


def cross_entropy(logits: NDArray[Any], targets: NDArray[Any]) -> float:
    """Mean of log-sum-exp minus the target's logit, in float64."""
    z = logits.astype(float)
    z -= z.max(axis=1, keepdims=True)
    right = z[np.arange(len(z)), targets]
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - right))


def test_lenet_has_the_parameters_counted_on_paper() -> None:
    maps = 6 * (25 + 1) + 16 * (6 * 25 + 1)
    dense = 120 * (256 + 1) + 84 * (120 + 1) + 10 * (84 + 1)
    assert maps + dense == 44_426
    assert sum(p.numel() for p in LeNet().parameters()) == 44_426
    assert LeNet()(torch.zeros(3, 1, 28, 28)).shape == (3, 10)
    assert LeNet(classes=4)(torch.zeros(3, 1, 28, 28)).shape == (3, 4)


def test_multiply_adds_are_those_counted_on_paper() -> None:
    example = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    first = 24 * 24 * 6 * (1 * 25)  # places × maps × weights a place
    second = 8 * 8 * 16 * (6 * 25)
    dense = 256 * 120 + 120 * 84 + 84 * 10
    count = training.multiply_adds(LeNet(), example)
    assert count == first + second + dense == 281_640
    _, outcome = fit(epochs=1)
    assert outcome.multiply_adds == 281_640
    assert outcome.parameters == 44_426


def trained_mates() -> nn.Module:
    """Give the network batch statistics that are not its first ones."""
    torch.manual_seed(1)
    network = mates()
    inputs, _ = training.to_tensors(pictures().train, torch.device("cpu"))
    network.train()
    network(View()(inputs))
    return network


@pytest.mark.parametrize("batch", [1, 7, 32])
def test_predictions_do_not_depend_on_the_batch_size(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, split = trained_mates(), pictures().test
    expected = training.predict(network, split)
    monkeypatch.setattr(training, "EVALUATION_BATCH", batch)
    np.testing.assert_allclose(
        training.predict(network, split), expected, atol=1e-6
    )


def test_predictions_do_not_depend_on_the_others_in_the_batch() -> None:
    network, split = trained_mates(), pictures().test
    order = np.random.default_rng(0).permutation(len(split))
    expected = training.predict(network, split)
    moved = training.predict(network, split.take(order))
    np.testing.assert_allclose(moved, expected[order], atol=1e-6)
    alone = training.predict(network, split.take(order[:1]))
    np.testing.assert_allclose(alone, expected[order[:1]], atol=1e-6)
    network.train()
    inputs, _ = training.to_tensors(split, torch.device("cpu"))
    wrong = network(View()(inputs)).detach().numpy()
    assert abs(wrong - expected).max() > 0.01  # the network can tell


def test_evaluation_moves_no_weight_and_no_statistic() -> None:
    network = trained_mates()
    network.train()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    training.predict(network, pictures().test)
    example = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    training.multiply_adds(network, example)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_every_epoch_trains_in_training_mode() -> None:
    """Batch statistics move in each epoch, also after an evaluation."""
    seen: list[int] = []
    real = training.predict

    def spy(network: nn.Module, split: Split, *how: Any) -> NDArray[np.float32]:
        seen.append(int(network.state_dict()["1.num_batches_tracked"]))
        return real(network, split, *how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "predict", spy)
        fit(model=mates, data=pictures, epochs=3, batch_size=32)
    assert seen == [2, 4, 6, 6]


def test_the_loss_takes_logits() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (6, 5)).astype(np.float32)
    targets = rng.integers(0, 5, 6)
    given = torch.from_numpy(logits), torch.from_numpy(targets)
    loss = float(SingleLabel().loss(*given))
    assert loss == pytest.approx(cross_entropy(logits, targets), rel=1e-6)
    twice = SingleLabel().loss(given[0].softmax(1), given[1])
    assert abs(loss - float(twice)) > 0.1


def test_label_smoothing_mixes_in_the_uniform_distribution() -> None:
    logits, target = np.array([[2.0, 0.5, -1.0]], np.float32), np.array([1])
    each = [cross_entropy(logits, np.array([k])) for k in range(3)]
    expected = 0.9 * each[1] + 0.1 * np.mean(each)
    task = SingleLabel(label_smoothing=0.1)
    loss = task.loss(torch.from_numpy(logits), torch.from_numpy(target))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_training_and_validation_loss_are_means_in_nats() -> None:
    """With a rate of nearly 0 the network stays as it was initialised."""
    built: list[nn.Module] = []

    def build() -> nn.Module:
        built.append(LeNet())
        return built[-1]

    history, _ = fit(model=build, learning_rate=1e-12, batch_size=24, epochs=1)
    splits = FEW()
    for split, loss in (
        (splits.train, history[0].train_loss),
        (splits.validation, history[0].validation_loss),
    ):
        logits = training.predict(built[0], split)
        expected = cross_entropy(logits, split.targets)
        assert loss == pytest.approx(expected, rel=1e-4)


def test_scores_and_packed_predictions() -> None:
    outputs = np.array([[0, 3, 1], [5, 1, 0], [0, 1, 2]], np.float32)
    targets = np.array([1, 2, 0])
    task = SingleLabel()
    assert task.scores(outputs, targets) == {"accuracy": 1 / 3}
    offsets = task.pack(outputs, targets)
    assert ((offsets + targets) % 3).tolist() == [1, 0, 2]
    assert offsets.dtype == np.uint8


def test_the_test_split_is_scored_once_after_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []
    real = training.predict

    def spy(network: nn.Module, split: Split, *how: Any) -> NDArray[np.float32]:
        sizes.append(len(split))
        return real(network, split, *how)

    monkeypatch.setattr(training, "predict", spy)
    _, outcome = fit(epochs=3)
    splits = FEW()
    assert sizes == [len(splits.validation)] * 3 + [len(splits.test)]
    assert outcome.predictions is not None
    right = float(np.mean(outcome.predictions == 0))
    assert outcome.scores == {"accuracy": pytest.approx(right)}
    assert outcome.data == splits.info()


def timeless(history: list[Epoch]) -> list[dict[str, Any]]:
    return [asdict(replace(epoch, seconds=0.0)) for epoch in history]


@pytest.mark.parametrize(("model", "data"), [(LeNet, FEW), (mates, pictures)])
def test_the_same_seed_gives_the_same_run_to_the_bit(
    model: Callable[[], nn.Module], data: Loader
) -> None:
    first, outcome = fit(7, model=model, data=data, shift=1)
    torch.rand(5)  # what happened before must not matter
    again, repeated = fit(7, model=model, data=data, shift=1)
    assert timeless(first) == timeless(again)
    assert asdict(outcome) | {"predictions": None} == asdict(repeated) | {
        "predictions": None
    }
    np.testing.assert_array_equal(outcome.predictions, repeated.predictions)
    other, _ = fit(8, model=model, data=data, shift=1)
    assert timeless(other) != timeless(first)


def test_another_seed_gives_other_weights_and_another_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights: list[torch.Tensor] = []
    orders: list[list[int]] = []

    def build() -> nn.Module:
        network = LeNet()
        weights.append(next(network.parameters()).detach().clone())
        return network

    def spy(*arguments: Any) -> Iterator[NDArray[np.intp]]:
        every = list(batches(*arguments))
        orders.append(np.concatenate(every).tolist())
        yield from every

    monkeypatch.setattr(training, "batches", spy)
    for seed in (0, 0, 1):
        fit(seed, model=build)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    first, second = orders[0], orders[1]  # the two epochs of seed 0
    assert first != second and sorted(first) == list(range(64))
    assert orders[2:4] == [first, second]
    assert orders[4] != first and orders[4] != second


def test_the_rate_follows_the_schedule_step_by_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rates: list[float] = []
    real = torch.optim.SGD.step

    def spy(self: torch.optim.SGD, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    history, _ = fit(schedule="cosine", learning_rate=0.2, epochs=3)
    recipe = Recipe(epochs=3, schedule="cosine", learning_rate=0.2)
    assert rates == [recipe.rate(step, 12) for step in range(12)]
    assert [e.learning_rate for e in history] == rates[3::4]


def test_one_step_of_sgd_against_paper() -> None:
    """Weight decay adds lambda w to the gradient, momentum keeps a share."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.constant_(layer.weight, 2.0)
    recipe = Recipe(
        epochs=1, learning_rate=0.1, momentum=0.5, weight_decay=0.25
    )
    optimiser = optimisation.make_optimiser(layer, recipe)
    weight, velocity = 2.0, 0.0
    for _ in range(2):
        optimiser.zero_grad()
        layer(torch.ones(1, 1)).sum().backward()
        optimiser.step()
        velocity = 0.5 * velocity + (1 + 0.25 * weight)
        weight -= 0.1 * velocity
    assert layer.weight.item() == pytest.approx(weight)


def test_an_unknown_optimiser_is_named() -> None:
    recipe = Recipe(epochs=1, optimiser="sdg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"'sdg'; accepted: 'sgd', 'adam'"):
        optimisation.make_optimiser(LeNet(), recipe)


def test_a_diverged_run_is_a_record_like_any_other() -> None:
    recipe = Recipe(epochs=3, batch_size=16, learning_rate=1e6)
    trial = partial(training.fit, model=LeNet, data=FEW, recipe=recipe)
    cell = Run.of("grid", "too fast", "smoke", 0, trial)
    record = experiment.execute(cell)
    assert record.diverged and "at step" in record.diverged
    assert len(record.history) < 3
    stored = records.find(trial, 0)
    assert stored is not None and stored.diverged == record.diverged
    assert math.isnan(stored.history[-1]["train_loss"])
    assert 0 <= stored.scores["accuracy"] <= 1
    assert records.table([stored])["diverged"].tolist() == [1]


def test_lenet_learns_one_batch() -> None:
    history, _ = fit(
        data=partial(digits, train=32),
        batch_size=None,
        epochs=60,
        optimiser="adam",
        learning_rate=3e-3,
    )
    assert history[0].train_loss > 2
    assert history[-1].train_loss < 0.05


def zero_filled(picture: NDArray[Any], down: int, right: int) -> NDArray[Any]:
    """Roll a picture (C, H, W) and empty what came in from the other side."""
    moved = np.roll(picture, (down, right), axis=(1, 2))
    for axis, offset in ((1, down), (2, right)):
        view = np.moveaxis(moved, axis, 0)
        if offset:
            view[slice(offset) if offset > 0 else slice(offset, None)] = 0
    return moved


@pytest.mark.parametrize("pixels", [1, 2])
def test_shift_against_numpy(pixels: int) -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(1, 256, (2, 6, 5), dtype=np.uint8)
    generator = torch.Generator().manual_seed(0)
    many = torch.from_numpy(np.stack([one] * 500))
    moved = augment.shift(many, pixels, generator).numpy()
    offsets = range(-pixels, pixels + 1)
    expected = {
        zero_filled(one, *by).tobytes(): by
        for by in itertools.product(offsets, offsets)
    }
    seen = [expected[picture.tobytes()] for picture in moved]
    assert len(expected) == (2 * pixels + 1) ** 2
    for by in expected.values():
        share = seen.count(by) / len(seen) * len(expected)
        assert 0.4 < share < 1.7, by  # every offset, about equally often
    np.testing.assert_array_equal(many[0].numpy(), one)


def test_shift_by_nothing_is_the_identity() -> None:
    inputs = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    moved = augment.shift(inputs, 0, torch.Generator())
    assert torch.equal(moved, inputs)


def test_pictures_are_mapped_to_minus_one_to_one() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8)
    assert View()(pixels).tolist() == [-1.0, 1.0]
    assert pixels.tolist() == [0, 255]


class Stopped(Exception):
    """Stands for a kill between two epochs."""


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(
    optimiser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dropout, batch statistics, momentum and shifts all go on exactly."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = Recipe(
        epochs=5,
        batch_size=16,
        optimiser=optimiser,
        learning_rate=0.01,
        momentum=0.9,
        schedule="cosine",
        shift=1,
    )
    trial = partial(training.fit, model=mates, data=pictures, recipe=recipe)
    cell = Run.of("grid", "resumed", "smoke", 3, trial)

    def stop(_: Run, epoch: Epoch) -> None:
        if epoch.epoch == 3:
            raise Stopped

    with pytest.raises(Stopped):
        experiment.execute(cell, on_epoch=stop)
    left = list(paths.runs().glob(".checkpoints/*.pt"))
    assert len(left) == 1 and not records.find(trial, 3)
    steps: list[int] = []
    real = training.Training.epoch

    def spy(self: training.Training, *arguments: Any) -> Epoch:
        steps.append(self.step)
        return real(self, *arguments)

    monkeypatch.setattr(training.Training, "epoch", spy)
    resumed = experiment.execute(cell)
    assert len(steps) == 2 and steps[0] > 0  # only what was left
    assert not left[0].exists()
    history, outcome = play(trial(seed=3))
    assert [e["train_loss"] for e in resumed.history] == [
        e.train_loss for e in history
    ]
    assert outcome.predictions is not None and resumed.predictions is not None
    np.testing.assert_array_equal(
        records.unpack(resumed.predictions), outcome.predictions
    )


def spread(seen: training.Trained) -> dict[str, NDArray[Any]]:
    """Watch by a random number and by the size of the first weights."""
    first = next(seen.network.parameters()).detach()
    return {
        "drawn": np.array(torch.rand(1).item()),
        "weights": first.norm().numpy()[None],
    }


def test_watches_go_on_after_a_stop_and_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    recipe = Recipe(epochs=4, batch_size=16, learning_rate=0.05)
    plain = partial(training.fit, model=mates, data=pictures, recipe=recipe)
    trial = partial(plain, watches=(spread,))
    cell = Run.of("grid", "watched", "smoke", 3, trial)

    def stop(_: Run, epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Stopped

    with pytest.raises(Stopped):
        experiment.execute(cell, on_epoch=stop)
    resumed = experiment.execute(cell).arrays("spread.npz")
    history, outcome = play(trial(seed=3))
    whole = np.load(io.BytesIO(outcome.artefacts["spread.npz"]))
    assert resumed["weights"].shape == (recipe.epochs + 1, 1)
    assert len(np.unique(resumed["weights"])) == recipe.epochs + 1
    for name in whole.files:
        np.testing.assert_array_equal(resumed[name], whole[name])
    unwatched, _ = play(plain(seed=3))
    assert timeless(history) == timeless(unwatched)


def test_the_test_split_is_put_through_once_for_score_and_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = pictures().test.inputs
    seen: list[bool] = []
    real = training.predict

    def spy(network: nn.Module, split: Split, *rest: Any) -> Any:
        seen.append(np.array_equal(split.inputs, test))
        return real(network, split, *rest)

    monkeypatch.setattr(training, "predict", spy)
    recipe = Recipe(epochs=2, batch_size=16)
    _, outcome = play(
        training.fit(
            model=mates,
            data=pictures,
            recipe=recipe,
            probes=(errors,),
            seed=0,
        )
    )
    assert seen.count(True) == 1
    table = np.load(io.BytesIO(outcome.artefacts["errors.npz"]))["confusion"]
    right = np.trace(table) / table.sum()
    assert right == pytest.approx(outcome.scores["accuracy"])


def test_a_softmax_before_the_loss_can_not_get_below_its_floor() -> None:
    certain = nn.Linear(1, 10, bias=False)
    with torch.no_grad():
        certain.weight.fill_(-100.0)[3] = 100.0
    inputs, targets = torch.ones(5, 1), torch.full((5,), 3)
    logits = SingleLabel().loss(certain(inputs), targets)
    closed = softmax_last(lambda: certain)
    floor = SingleLabel().loss(closed(inputs), targets)
    assert float(logits) == pytest.approx(0, abs=1e-6)
    assert float(floor) == pytest.approx(math.log(1 + 9 / math.e))


def test_a_damaged_checkpoint_is_named_and_nothing_is_trained(
    tmp_path: Path,
) -> None:
    file = tmp_path / "run.pt"
    file.write_bytes(b"PK not a checkpoint")
    epochs = training.fit(
        model=LeNet,
        data=FEW,
        recipe=Recipe(epochs=1),
        seed=0,
        checkpoint=file,
    )
    with pytest.raises(ValueError, match=r"run\.pt can't be read.*delete it"):
        next(epochs)
    assert file.read_bytes() == b"PK not a checkpoint"


def test_a_view_resizes_and_repeats_without_copying() -> None:
    grey = torch.randint(0, 256, (2, 1, 4, 6), dtype=torch.uint8)
    seen = View(channels=3)(grey)
    assert seen.shape == (2, 3, 4, 6) and seen.stride(1) == 0
    assert torch.equal(seen[:, 2:], View()(grey))
    assert View()(torch.tensor([[[[0, 255]]]])).tolist() == [[[[-1.0, 1.0]]]]
    flat = torch.full((1, 1, 5, 5), 77, dtype=torch.uint8)
    large = View(side=9)(flat)
    assert large.shape == (1, 1, 9, 9)
    torch.testing.assert_close(large, torch.full_like(large, 77 / 127.5 - 1))
    with pytest.raises(ValueError, match=r"channels is 3, but.* have 2"):
        View(channels=3)(torch.zeros(1, 2, 4, 4))


def test_clipping_bounds_the_step() -> None:
    """A step of plain SGD is no longer than rate times the bound."""
    before: list[torch.Tensor] = []

    def build() -> nn.Module:
        network = LeNet()
        weights = nn.utils.parameters_to_vector(network.parameters())
        before.append(weights.detach().clone())
        networks.append(network)
        return network

    networks: list[nn.Module] = []
    for clip in (None, 0.01):
        fit(model=build, epochs=1, batch_size=None, clip=clip)
    moved = [
        (nn.utils.parameters_to_vector(n.parameters()) - b).norm().item()
        for n, b in zip(networks, before, strict=True)
    ]
    assert moved[1] == pytest.approx(0.1 * 0.01, rel=1e-3)
    assert moved[0] > 2 * moved[1]


def test_bfloat16_trains_nearly_as_float32() -> None:
    one, two = (
        fit(epochs=1, precision=precision)[0][0].train_loss
        for precision in ("float32", "bfloat16")
    )
    assert one != two
    assert two == pytest.approx(one, rel=0.02)
    with pytest.raises(ValueError, match=r"'half'; accepted: 'float32'"):
        Recipe(epochs=1, precision="half")  # type: ignore[arg-type]


def wide() -> nn.Module:
    """Build a network of convolutions."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, 3),
        nn.ReLU(),
        nn.Conv2d(16, 4, 3),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 10),
    )


def narrow() -> nn.Module:
    """Build a network with one convolution, as a vision transformer has."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 28),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


@pytest.mark.parametrize("model", [narrow, wide])
@pytest.mark.parametrize("fast", [True, False])
def test_automatic_precision_is_noted_and_used(
    model: Callable[[], nn.Module], fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fast_in_bfloat16", lambda device: fast)
    expected = "bfloat16" if fast and model is wide else "float32"
    for asked, given in (
        ("auto", expected),
        ("float32", "float32"),
        ("bfloat16", "bfloat16"),
    ):
        history, outcome = fit(model=model, precision=asked, epochs=1)
        assert outcome.notes == {"precision": given}
        told, _ = fit(model=model, precision=given, epochs=1)
        assert timeless(history) == timeless(told)


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_tile", None])
def test_the_instructions_of_a_processor_decide(
    instructions: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("avx512_bf16", "amx_tile"):
        has = name == instructions
        monkeypatch.setattr(
            torch.cpu, f"_is_{name}_supported", lambda has=has: has
        )
    found = precision.fast_in_bfloat16(torch.device("cpu"))
    assert found == (instructions is not None)


def factors(losses: list[float], patience: int) -> list[float]:
    """Let torch's scheduler say what each epoch's rate is multiplied by."""
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    judge = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.1, patience=patience, eps=0
    )
    found = []
    for loss in losses:
        found.append(optimiser.param_groups[0]["lr"])
        judge.step(loss)
    return found


def test_a_plateau_divides_the_rates_of_a_fit_also_after_a_kill(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)
    rates: list[float] = []
    real = torch.optim.SGD.step

    def spy(self: torch.optim.SGD, *arguments: Any) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return real(self, *arguments)

    monkeypatch.setattr(torch.optim.SGD, "step", spy)
    recipe = Recipe(
        epochs=8,
        batch_size=16,
        learning_rate=2.0,  # too large: the loss jumps about
        schedule="plateau",
        patience=0,
    )
    trial = partial(training.fit, model=mates, data=pictures, recipe=recipe)
    history, _ = play(trial(seed=0))
    steps = 64 // 16
    expected = [
        2.0 * factor
        for factor in factors([e.validation_loss for e in history], 0)
    ]
    assert expected[0] == 2.0 and expected[5] < 2.0
    assert rates == pytest.approx(np.repeat(expected, steps).tolist())
    assert [e.learning_rate for e in history] == pytest.approx(expected)

    def stop(_: Run, epoch: Epoch) -> None:
        if epoch.epoch == 6:
            raise Stopped

    cell = Run.of("grid", "plateau", "smoke", 0, trial)
    whole = rates.copy()
    rates.clear()
    with pytest.raises(Stopped):
        experiment.execute(cell, on_epoch=stop)
    assert rates == whole[: 6 * steps]
    rates.clear()
    resumed = experiment.execute(cell)
    assert rates == whole[6 * steps :] and rates[0] < 2.0
    assert [e["train_loss"] for e in resumed.history] == [
        e.train_loss for e in history
    ]


def sealed() -> Splits:
    """Load digits whose test pictures no network here can take."""
    splits = FEW()
    small = np.zeros((len(splits.test), 2, 2), np.uint8)
    return replace(splits, test=replace(splits.test, inputs=small))


def test_a_test_split_can_be_left_alone() -> None:
    def end(**options: Any) -> Outcome:
        recipe = Recipe(epochs=1, batch_size=16)
        trial = partial(training.fit, model=LeNet, recipe=recipe, **options)
        return play(trial(seed=0))[1]

    left = end(data=sealed, test=False)
    assert left.scores == {} and left.predictions is None
    with pytest.raises(RuntimeError):
        end(data=sealed)
    alone, scored = end(data=FEW, test=False), end(data=FEW)
    assert alone.scores == {} and alone.predictions is None
    assert scored.scores and scored.predictions is not None
    bare = replace(scored, scores={}, predictions=None)
    assert bare == alone


def test_what_probes_see_is_stored_beside_the_record() -> None:
    trial = partial(
        training.fit,
        model=LeNet,
        data=FEW,
        recipe=Recipe(epochs=1, batch_size=16),
        probes=(sizes, first_bias),
    )
    record = experiment.execute(Run.of("grid", "a", "smoke", 5, trial))
    assert set(record.artefacts) == {"sizes.npz", "first_bias.npz"}
    seen = record.arrays("sizes.npz")
    assert seen["test"] == 400 and seen["seed"] == 5
    bias = record.arrays("first_bias.npz")["bias"]
    assert bias.shape == (6,) and bias.any()
    plain = partial(trial, probes=())
    assert identity.key(plain) == record.key
    again = play(plain(seed=5))[1]
    assert record.scores == again.scores  # looking changed nothing


def sizes(trained: training.Trained) -> dict[str, NDArray[Any]]:
    assert not trained.network.training
    found = {"test": len(trained.splits.test), "seed": trained.seed}
    return {name: np.array(value) for name, value in found.items()}


def first_bias(trained: training.Trained) -> dict[str, NDArray[Any]]:
    return {"bias": trained.network.get_parameter("0.bias").detach().numpy()}
