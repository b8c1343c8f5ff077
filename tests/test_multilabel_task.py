"""Training on pictures that show several classes, from loss to record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from coursework import training
from coursework.claims.measures import MEASURES
from coursework.claims.rules import Above
from coursework.data.augment import View
from coursework.data.jitter import R1, Augment
from coursework.data.splits import Split, Splits
from coursework.launch import pages
from coursework.recipe import Recipe
from coursework.records import Record, grouped, tuned
from coursework.tasks import MultiLabel
from coursework.trial import Epoch, Outcome
from coursework.views import multilabel as views
from tests import trials

pytestmark = pytest.mark.usefixtures("one_thread")


def split(size: int, seed: int) -> Split:
    """Make pictures whose colour channels say which classes they show."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (size, 3))
    noise = rng.integers(0, 100, (size, 3, 8, 8))
    bright = noise + 120 * targets[:, :, None, None]
    masks = rng.integers(0, 4, (size, 8, 8))
    return Split(
        inputs=bright.astype(np.uint8),
        targets=targets.astype(np.int64),
        masks=masks.astype(np.uint8),
    )


def data() -> Splits:
    return Splits(
        name="colours",
        train=split(64, 0),
        validation=split(30, 1),
        test=split(40, 2),
        classes=("red", "green", "blue"),
    )


def network() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3, 3))


RECIPE = Recipe(epochs=8, batch_size=16, learning_rate=1.0)


def fit(
    recipe: Recipe = RECIPE, task: MultiLabel = MultiLabel(), **settings: Any
) -> tuple[list[Epoch], Outcome]:
    return trials.play(
        training.fit(
            model=network,
            recipe=recipe,
            task=task,
            seed=0,
            **({"data": data} | settings),
        )
    )


def test_a_network_learns_which_classes_are_there() -> None:
    lines, outcome = fit()
    assert outcome.scores["mAP"] == 1
    assert outcome.scores["subset-accuracy"] > 0.9
    assert lines[-1].train_loss < lines[0].train_loss
    assert outcome.predictions is not None
    right = np.mean(outcome.predictions == 0)
    assert right == pytest.approx(outcome.scores["subset-accuracy"])


def test_thresholds_come_from_validation_alone() -> None:
    calls = []

    def outputs() -> np.ndarray:
        calls.append(1)
        return np.array([[2.0], [1.0], [-1.0]])

    targets = np.array([[1], [0], [0]])
    task = MultiLabel().tuned(outputs, targets)
    assert calls == [1]
    assert task.thresholds is not None
    low, high = 1 / (1 + np.exp(-1.0)), 1 / (1 + np.exp(-2.0))
    assert low < task.thresholds[0] < high
    said = task.predicted(np.array([[1.1], [1.9]]))
    assert said.tolist() == [[False], [True]]
    assert MultiLabel().predicted(np.array([[0.0], [-0.1]])).tolist() == [
        [True],
        [False],
    ]


def test_thresholds_are_tuned_once_after_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With thresholds that nothing reaches, no class is predicted."""
    seen = []

    def tuned(
        task: MultiLabel, outputs: Callable[[], Any], targets: Any
    ) -> MultiLabel:
        seen.append((outputs().shape, targets))
        return replace(task, thresholds=(2.0, 2.0, 2.0))

    monkeypatch.setattr(MultiLabel, "tuned", tuned)
    lines, outcome = fit()
    ((shape, targets),) = seen
    assert shape == (30, 3)
    assert np.array_equal(targets, data().validation.targets)
    assert outcome.scores["macro-recall"] == 0
    assert lines[-1].validation["macro-recall"] > 0.5


def test_bits_of_the_byte_are_the_wrong_classes() -> None:
    outputs = np.array([[5.0, -5.0, 5.0], [5.0, 5.0, 5.0], [-5.0, -5.0, -5.0]])
    targets = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1]])
    packed = MultiLabel().pack(outputs, targets)
    assert packed.dtype == np.uint8
    assert packed.tolist() == [0b000, 0b101, 0b111]


def test_weights_of_positives_reach_the_loss() -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.1]])
    targets = torch.tensor([[1, 0], [1, 1]])
    for weights in (None, (2.0, 0.5)):
        task = MultiLabel(positive=weights)
        expected = binary_cross_entropy_with_logits(
            logits,
            targets.float(),
            pos_weight=None if weights is None else torch.tensor(weights),
        )
        assert task.loss(logits, targets) == pytest.approx(float(expected))


def test_balanced_weights_are_those_of_the_training_targets() -> None:
    targets = np.array([[1, 0], [0, 1], [0, 1], [0, 1]])
    fitted = MultiLabel(positive="balanced").fitted(targets)
    assert fitted.positive == (3.0, pytest.approx(1 / 3))
    assert MultiLabel().fitted(targets) == MultiLabel()
    rare = replace(data(), train=data().train.take(np.arange(3)))
    weighed = fit(task=MultiLabel(positive="balanced"), data=lambda: rare)
    assert weighed[0][0].train_loss != fit(data=lambda: rare)[0][0].train_loss


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: MultiLabel(criterion="focal", positive=(1.0,)),
            "only 'bce' has",
        ),
        (
            lambda: MultiLabel(positive=(1.0, 2.0)).fitted(
                np.zeros((4, 3), int)
            ),
            "2 weights; there are 3 classes",
        ),
        (lambda: MultiLabel().fitted(np.zeros(4, int)), r"targets are \(4,\)"),
        (lambda: MultiLabel().fitted(np.zeros((4, 9), int)), "1 to 8 classes"),
        (
            lambda: MultiLabel(criterion="hinge").loss(  # type: ignore[arg-type]
                torch.zeros(1, 1), torch.zeros(1, 1)
            ),
            "unknown criterion 'hinge'",
        ),
    ],
)
def test_what_no_loss_could_mean_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_augmentation_changes_training_pictures_alone() -> None:
    plain, _ = fit()
    assert fit(augmentation=Augment())[0][-1].train_loss == plain[-1].train_loss
    once, again = (fit(augmentation=R1) for _ in range(2))
    assert once[0][-1].train_loss == again[0][-1].train_loss
    assert once[0][0].train_loss != plain[0].train_loss
    mirrored = Augment(flip=1.0)  # a mean over places stays as it was
    losses = [line.train_loss for line in fit(augmentation=mirrored)[0]]
    assert losses == pytest.approx([line.train_loss for line in plain], 1e-4)
    frozen = Recipe(epochs=1, batch_size=None, learning_rate=1e-12)
    dark = partial(fit, recipe=frozen, view=View())
    seen = [dark(augmentation=a)[0][0].validation_loss for a in (Augment(), R1)]
    assert seen[0] == pytest.approx(seen[1])


def test_masks_go_with_their_pictures_and_into_the_hash() -> None:
    whole = data()
    rows = np.array([3, 1])
    taken = whole.train.take(rows)
    assert taken.masks is not None and whole.train.masks is not None
    assert np.array_equal(taken.masks, whole.train.masks[rows])
    other = replace(whole.train, masks=whole.train.masks ^ np.uint8(1))
    assert whole.info().sha256 != replace(whole, train=other).info().sha256
    none = replace(whole.train, masks=None).take(rows)
    assert none.masks is None


def several(variant: str, level: float) -> Record:
    """Make a record whose scores are those of several classes."""
    line = {"validation": {"mAP": level}}
    return trials.planted(
        variant, 0, level, scores={"mAP": level}, history=[line]
    )


def test_the_best_rate_is_chosen_by_mean_average_precision() -> None:
    runs = [several("net, rate 0.1", 0.4), several("net, rate 0.2", 0.6)]
    assert {r.variant for r in tuned(runs, "mAP")} == {"net, rate 0.2"}
    rule = Above("planted", "net", 0.5, measure="mAP")
    assert rule.find(lambda _: runs).estimate.mean == pytest.approx(0.1)


OBEYED = {"label accuracy": 0.75}


def test_the_evidence_page_shows_the_score_that_a_run_is_judged_by() -> None:
    page = pages._results([several("net", 0.4)])
    assert "test mAP, %" in page and "40.00" in page
    assert "test accuracy, %" in pages._results([trials.planted("a", 0, 0.5)])
    drawn = trials.planted("a", 0, 0.5, scores={"frechet": 9, **OBEYED})
    assert "test label accuracy, %" in pages._results([drawn])


def test_measures_of_losses_on_hand_made_curves() -> None:
    run = several("a", 0.4)
    losses = [1.0, 0.5, 0.75, 0.25, 0.35, 0.2]
    history = [
        {
            "train_loss": loss,
            "validation_loss": loss,
            "validation": {"mAP": 1 - loss},
        }
        for loss in losses
    ]
    run = replace(run, history=history)
    assert MEASURES["loss rises"](run) == pytest.approx(0.25 + 0.1)
    assert MEASURES["late drop"](run) == pytest.approx(1 - 0.2 / 0.25)
    (row,) = views.after_lowest_loss(grouped([run])).to_dict("records")
    assert row["epoch of the lowest loss"] == 6
    assert row["mAP since, points"] == 0
    rising = replace(run, history=history[:2] + history[:1])
    (row,) = views.after_lowest_loss(grouped([rising])).to_dict("records")
    assert row["loss since, nats a class"] == pytest.approx(0.5)
    assert row["mAP since, points"] == pytest.approx(-50)
