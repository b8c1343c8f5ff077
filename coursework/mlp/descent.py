"""Gradient descent with momentum on a network, in place."""

from __future__ import annotations

import math
import time

import numpy as np

from coursework.data.splits import Split
from coursework.mlp.feed import Feed
from coursework.mlp.layers import Floats, Labels
from coursework.mlp.network import MLP
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.trial import Epoch


def descend(
    weight: Floats,
    gradient: Floats,
    velocity: Floats,
    recipe: Recipe,
    rate: float,
) -> None:
    """Make one step of SGD with momentum, in place; ``gradient`` is used up.

    ``v = momentum * v + gradient + lambda * weight``, ``weight -= rate * v``.
    Weight decay leaves the bias, the last row, alone.
    """
    velocity *= recipe.momentum
    velocity += gradient
    if recipe.weight_decay:
        pull = np.multiply(weight, recipe.weight_decay, out=gradient)
        pull[-1] = 0
        velocity += pull
    weight -= np.multiply(velocity, rate, out=gradient)


class Descent:
    """Gradient descent on a network, without the pixels that are never lit.

    A weight from a pixel that is zero in every training picture has gradient
    zero: weight decay alone moves it, and all such weights by the same
    factor.  So they are left out of the products; the factor is followed on
    one weight that starts at 1, and ``network`` has all weights again.
    """

    def __init__(
        self, mlp: MLP, train: Split, recipe: Recipe, seed: int
    ) -> None:
        self.recipe, self.seed = recipe, seed
        self.step, self.steps = 0, recipe.steps(len(train))
        self.feed = Feed(train, recipe.shift, mlp.weights[0].dtype)
        self._whole, self._initial = mlp, mlp.weights[0]
        self._part = mlp.with_weights(
            [self._initial[self.feed.columns], *map(np.copy, mlp.weights[1:])]
        )
        self._unlit = np.array([[1.0], [0.0]])  # the one weight, and a bias
        self._moving = [*self._part.weights, self._unlit]
        self._velocities = [np.zeros_like(w) for w in self._moving]
        self._start_report()

    def _start_report(self) -> None:
        self._loss, self._examples, self._seconds = 0.0, 0, 0.0

    @np.errstate(over="ignore", invalid="ignore")
    def train(self, epoch: int) -> None:
        """Pass once over the training data.

        Raises FloatingPointError as soon as a loss is not finite.
        """
        started = time.perf_counter()
        feed = self.feed.epoch(self.recipe.batch_size, self.seed, epoch)
        for number, (rows, targets) in enumerate(feed, 1):
            loss = self._update(rows, targets)
            self._loss += loss * len(targets)
            self._examples += len(targets)
            if not math.isfinite(loss):
                raise FloatingPointError(
                    f"loss became {loss} at step {number} of epoch {epoch}"
                )
        self._seconds += time.perf_counter() - started

    def _update(self, rows: Floats, targets: Labels) -> float:
        """Make one step; return the loss before it."""
        self.rate = self.recipe.rate(self.step, self.steps)
        self.step += 1
        loss, gradients = self._part.loss_and_gradients(rows, targets)
        for weight, gradient, velocity in zip(
            self._moving,
            [*gradients, np.zeros_like(self._unlit)],
            self._velocities,
            strict=True,
        ):
            descend(weight, gradient, velocity, self.recipe, self.rate)
        return loss

    def network(self) -> MLP:
        """Return the whole network; it is valid until training goes on."""
        factor = self._initial.dtype.type(self._unlit[0, 0])
        first, *others = self._part.weights
        whole = self._initial * factor
        whole[self.feed.columns] = first
        self._whole.weights = [whole, *others]
        return self._whole

    @np.errstate(over="ignore", invalid="ignore")
    def report(self, epoch: int, validation: Split) -> Epoch:
        """Sum up the training since the last report, and validate."""
        loss, scores = math.nan, {}
        if len(validation):
            mlp = self.network()
            outputs = mlp.scores(validation.inputs)
            loss, _ = mlp.loss(outputs, validation.targets)
            scores = SingleLabel().scores(outputs, validation.targets)
        line = Epoch(
            epoch=epoch,
            learning_rate=self.rate,
            train_loss=self._loss / self._examples,
            validation_loss=loss,
            validation=scores,
            seconds=self._seconds,
        )
        self._start_report()
        return line
