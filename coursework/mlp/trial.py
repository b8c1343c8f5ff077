"""The numpy trial: train, report, score the test split once."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace

import numpy as np

from coursework.data.splits import Loader, Splits
from coursework.mlp.descent import Descent
from coursework.mlp.film import Film, Watch
from coursework.mlp.layers import (
    ACTIVATIONS,
    ActivationName,
    InitName,
    LossName,
)
from coursework.mlp.network import MLP
from coursework.recipe import Recipe, at_least
from coursework.tasks import SingleLabel
from coursework.trial import Epoch, Outcome, stream


def fit(
    *,
    data: Loader,
    recipe: Recipe,
    hidden: tuple[int, ...] = (1024,),
    activation: ActivationName = "relu",
    loss: LossName = "cross-entropy",
    init: InitName = "he",
    output_activation: ActivationName = "identity",
    report_every: int = 1,
    frames: int = 0,
    watch: int = 0,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Train a network and score it on the test split: the numpy trial.

    An :class:`Epoch` comes every ``report_every`` epochs and at the last; its
    training loss and seconds are those since the one before.  ``frames`` are
    kept for seed 0 only, in ``field.npz``; ``watch`` training examples are
    scored at each report, in ``watch.npz``.  Raises ValueError for an optimiser
    other than "sgd", and for data that ``recipe.shift`` or ``frames`` don't
    suit.
    """
    _check(recipe, report_every, frames)
    splits = data()
    mlp = MLP(
        (
            math.prod(splits.train.inputs.shape[1:]),
            *hidden,
            len(splits.classes),
        ),
        activation=activation,
        loss=loss,
        init=init,
        output_activation=output_activation,
        seed=stream(seed, "init"),
    )
    descent = Descent(mlp, splits.train, recipe, seed)
    film = Film(splits.train, frames, recipe.epochs)
    watched = Watch(splits.train, watch)
    diverged = None
    for epoch in range(1, recipe.epochs + 1):
        try:
            descent.train(epoch)
        except FloatingPointError as error:
            diverged = str(error)
        last = diverged is not None or epoch == recipe.epochs
        if last or epoch % report_every == 0:
            watched.look(descent.network(), epoch)
            yield descent.report(epoch, splits.validation)
        if diverged is not None:
            break
        if seed == 0 and epoch in film.epochs:
            film.shoot(descent.network())
    outcome = _score(descent.network(), splits, diverged)
    kept = film.artefacts() | watched.artefacts()
    return replace(outcome, artefacts=kept)


def _check(recipe: Recipe, report_every: int, frames: int) -> None:
    if recipe.optimiser != "sgd":
        raise ValueError(
            f"recipe.optimiser is {recipe.optimiser!r}; the numpy network is "
            "trained with 'sgd' only"
        )
    for name in ("flip", "clip", "precision", "early_stop", "average"):
        given, only = getattr(recipe, name), getattr(Recipe, name)
        if given != only:
            raise ValueError(
                f"recipe.{name} is {given!r}; the numpy network has only "
                f"{only!r}"
            )
    if recipe.schedule == "plateau":
        raise ValueError(
            "recipe.schedule is 'plateau'; the numpy network takes any other"
        )
    at_least("report_every", report_every, 1)
    at_least("frames", frames, 0)


@np.errstate(over="ignore", invalid="ignore")
def _score(mlp: MLP, splits: Splits, diverged: str | None) -> Outcome:
    """Score the trained network on the test split."""
    outputs = mlp.scores(splits.test.inputs)
    if diverged is None and not np.isfinite(outputs).all():
        diverged = "scores are not finite after the last step"
    notes = {}
    if mlp.activations[-1] is ACTIVATIONS["relu"]:
        notes["dead_outputs"] = int((outputs == 0).all(axis=0).sum())
    task, targets = SingleLabel(), splits.test.targets
    return Outcome(
        data=splits.info(),
        scores=task.scores(outputs, targets),
        parameters=mlp.parameters,
        multiply_adds=mlp.multiply_adds,
        predictions=task.pack(outputs, targets),
        diverged=diverged,
        notes=notes,
    )
