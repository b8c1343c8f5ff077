"""Ensembles as trials, and ways to estimate an accuracy."""

from __future__ import annotations

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

from coursework import crossvalidation, ensembling, experiment, training
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
        logits = ensembling._arrays(own)["outputs"].astype(float)
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
