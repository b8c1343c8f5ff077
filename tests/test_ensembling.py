"""Ensembles as trials, and ways to estimate an accuracy."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from coursework import (
    crossvalidation,
    ensembling,
    experiment,
    features,
    probes_labels,
    training,
)
from coursework.data.augment import View
from coursework.recipe import Recipe
from coursework.trial import stream
from tests import trials
from tests.trials import play

MEMBER = partial(
    training.fit,
    model=trials.mates,
    data=trials.pictures,
    recipe=Recipe(epochs=2, batch_size=16),
)


def test_an_ensemble_says_what_its_members_say_on_average() -> None:
    history, outcome = play(
        ensembling.ensemble(members=(MEMBER, MEMBER, MEMBER), seed=1)
    )
    chances = []
    for number in range(3):
        member = partial(MEMBER, probes=(ensembling.answers,))
        _, own = play(member(seed=stream(1, f"member {number}")))
        logits = ensembling._arrays(own, ensembling.answers)["outputs"].astype(
            float
        )
        powers = np.exp(logits - logits.max(1, keepdims=True))
        chances.append(powers / powers.sum(1, keepdims=True))
    targets = trials.pictures().test.targets
    right = np.mean(chances, axis=0).argmax(1) == targets
    alone = [(one.argmax(1) == targets).mean() for one in chances]
    assert outcome.scores["accuracy"] == pytest.approx(right.mean())
    gain = right.mean() - max(alone)
    assert outcome.scores["gain"] == pytest.approx(gain)
    assert outcome.scores["member accuracy"] == pytest.approx(np.mean(alone))
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    assert outcome.parameters == 3 * own.parameters


def test_copies_agree_and_gain_nothing() -> None:
    trial = ensembling.ensemble(members=(MEMBER,) * 2, copies=True, seed=1)
    _, outcome = play(trial)
    assert outcome.scores["disagreement"] == outcome.scores["gain"] == 0


def test_one_member_is_no_ensemble() -> None:
    with pytest.raises(ValueError, match="1 members; an ensemble needs 2"):
        next(ensembling.ensemble(members=(MEMBER,), seed=0))


def test_members_are_part_of_a_run() -> None:
    """Another member is another run; the same in a list, the same."""

    def key(*members: Any) -> str:
        trial = partial(ensembling.ensemble, members=members)
        return experiment.Run.of("g", "v", "smoke", 0, trial).key

    other = partial(MEMBER, recipe=Recipe(epochs=3))
    assert key(MEMBER, MEMBER) == key(MEMBER, MEMBER)
    assert key(MEMBER, MEMBER) != key(MEMBER, other)


def flat() -> nn.Module:
    """Give the pixels; what has no parameters is on no device."""
    network = nn.Flatten()
    network.register_parameter("nothing", nn.Parameter(torch.zeros(0)))
    return network


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("COURSEWORK_DATA", str(tmp_path))


def test_leaving_one_out_is_scikit_learns() -> None:
    splits = trials.pictures()
    whole = partial(
        crossvalidation.estimate,
        backbone=flat,
        data=trials.pictures,
        examples=64,
        seed=0,
    )
    _, found = play(whole(folds=64))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
    pixels = splits.train.inputs.reshape(64, -1) / 127.5 - 1
    expected = cross_val_score(
        model, pixels, splits.train.targets, cv=LeaveOneOut()
    ).mean()
    assert found.scores["estimate"] == pytest.approx(expected)
    model.fit(pixels, splits.train.targets)
    tested = splits.test.inputs.reshape(32, -1) / 127.5 - 1
    reached = model.score(tested, splits.test.targets)
    assert found.scores["accuracy"] == pytest.approx(reached)
    assert found.notes["fits"] == 65


def test_the_seed_draws_the_examples_and_the_split() -> None:
    """The pictures are too easy for scores to differ; rows tell."""
    targets = trials.pictures().train.targets
    drawn = [crossvalidation._drawn(targets, 20, s) for s in (0, 0, 1)]
    held = [crossvalidation._held_out(targets, None, s)[0] for s in (0, 0, 1)]
    for number, rows in ((20, drawn), (12, held)):
        first, again, other = (sorted(some.tolist()) for some in rows)
        assert first == again != other
        assert len(set(first)) == number


def test_more_examples_than_there_are() -> None:
    with pytest.raises(ValueError, match="examples is 99; the set has 64"):
        next(
            crossvalidation.estimate(
                backbone=flat,
                data=trials.pictures,
                examples=99,
                folds=5,
                seed=0,
            )
        )


HEAD: dict[str, Any] = {
    "backbone": flat,
    "data": trials.pictures,
    "recipe": Recipe(
        epochs=7, batch_size=16, learning_rate=0.1, schedule="warm-restarts"
    ),
}


def softmax(logits: Any) -> Any:
    powers = np.exp(logits.astype(float))
    return powers / powers.sum(-1, keepdims=True)


def test_snapshots_are_the_ends_of_the_cycles() -> None:
    """A head made by hand is trained by the same steps, and looked at."""
    _, outcome = play(ensembling.snapshots(**HEAD, seed=3))
    table = features.featured(features.frozen(flat, trials.pictures(), seed=3))
    size, classes = table.train.inputs.shape[1], len(table.classes)
    by_hand = training.fit(
        model=lambda: nn.Linear(size, classes),
        data=lambda: table,
        recipe=HEAD["recipe"],
        view=features.Untouched(),
        watches=(ensembling.answers,),
        seed=3,
    )
    _, seen = play(by_hand)
    outputs = ensembling._arrays(seen, ensembling.answers)["outputs"]
    rates = [HEAD["recipe"].rate(step, 28) for step in range(28)]  # 4 an epoch
    tops = [step for step in range(28) if rates[step] == max(rates)]
    assert tops == [0, 4, 12]  # a cycle ends where the next one begins
    chances = softmax(outputs[[1, 3, 7]])
    targets = table.test.targets
    right = chances.mean(0).argmax(1) == targets
    rows = np.arange(len(targets))
    nll = -np.log(chances.mean(0)[rows, targets]).mean()
    alone = (chances.argmax(2) == targets).mean(1)
    assert outcome.scores["accuracy"] == right.mean()
    assert outcome.scores["nll"] == pytest.approx(nll, rel=1e-5)
    assert outcome.scores["gain"] == pytest.approx(right.mean() - alone.max())
    assert outcome.parameters == 3 * (size + 1) * classes
    assert outcome.multiply_adds == 3 * size * classes
    assert outcome.notes == {"members": 3}
    assert outcome.data == trials.pictures().info()


@pytest.mark.parametrize(
    "changes", [{"epochs": 8}, {"schedule": "cosine"}], ids=str
)
def test_cycles_that_do_not_end_with_an_epoch(changes: Any) -> None:
    recipe = dataclasses.replace(HEAD["recipe"], **changes)
    with pytest.raises(ValueError, match="'warm-restarts' over a multiple"):
        next(ensembling.snapshots(**HEAD | {"recipe": recipe}, seed=0))


def test_looks_are_one_network_s() -> None:
    """The oracle turns and cuts the pictures themselves."""
    member = partial(features.fit_head, **HEAD, view=View(side=8))
    history, outcome = play(ensembling.looks(member=member, seed=2))
    assert len(history) == 7
    _, own = play(member(probes=(kept_head,), seed=2))
    weights = ensembling._arrays(own, kept_head)
    test = trials.pictures().test
    pictures = torch.from_numpy(test.inputs)[:, None].float() / 127.5 - 1
    middle = pictures[..., :7, :7]  # 85 % of 8 pixels are 7, half of 1 is 0
    large = nn.functional.interpolate(middle, (8, 8), mode="bilinear")
    chances = [
        softmax(seen.flatten(1).numpy() @ weights["weight"].T + weights["bias"])
        for seen in (pictures, pictures.flip(-1), large, large.flip(-1))
    ]
    mean = np.mean(chances, axis=0)
    rows = np.arange(len(test))
    nll = -np.log(mean[rows, test.targets]).mean()
    alone = [(one.argmax(1) == test.targets).mean() for one in chances]
    assert outcome.scores["nll"] == pytest.approx(nll, rel=1e-5)
    assert outcome.scores["member accuracy"] == pytest.approx(np.mean(alone))
    assert outcome.multiply_adds == 4 * own.multiply_adds
    assert outcome.parameters == own.parameters
    assert outcome.notes == {"members": 4} and not outcome.artefacts


def kept_head(trained: training.Trained) -> dict[str, Any]:
    layer = trained.network.get_submodule("head")
    return {
        name: tensor.detach().numpy()
        for name, tensor in layer.named_parameters()
    }


def test_labels_are_the_test_split_s() -> None:
    member = partial(MEMBER, probes=(probes_labels.test_labels,))
    _, outcome = play(member(seed=0))
    kept = ensembling._arrays(outcome, probes_labels.test_labels)
    splits = trials.pictures()
    assert kept["targets"].tolist() == splits.test.targets.tolist()
    assert kept["classes"].tolist() == [*splits.classes]
