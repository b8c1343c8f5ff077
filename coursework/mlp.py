"""A fully connected network in numpy, its gradients and its trial.

From the inside out: :class:`MLP` computes scores and gradients,
:class:`Descent` trains one, :func:`fit` is the trial that records call.
"""

from __future__ import annotations

import copy
import io
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coursework.data.splits import Array, Loader, Split, Splits, batches
from coursework.recipe import Recipe, at_least, named
from coursework.tasks import SingleLabel
from coursework.trial import Epoch, Outcome, stream

Floats = NDArray[np.floating[Any]]
Labels = NDArray[np.int64]
ActivationName = Literal["sigmoid", "tanh", "relu", "identity"]
LossName = Literal["cross-entropy", "hinge", "squared-error"]
InitName = Literal["he", "xavier", "normal"]

CHUNK = 1000  # examples scored at a time, so that evaluation stays small


class Activation(NamedTuple):
    """A function, and its derivative; both write over their argument.

    The derivative is given the function's value, not its argument: every
    activation here can be differentiated from that alone.
    """

    apply: Callable[[Floats], object]
    differentiate: Callable[[Floats], object]


def _sigmoid(z: Floats) -> None:
    z *= 0.5  # through tanh, for which no argument is too large
    np.tanh(z, out=z)
    z += 1
    z *= 0.5


ACTIVATIONS: Mapping[ActivationName, Activation] = {
    "sigmoid": Activation(_sigmoid, lambda a: np.multiply(a, 1 - a, out=a)),
    "tanh": Activation(
        lambda z: np.tanh(z, out=z), lambda a: np.subtract(1, a * a, out=a)
    ),
    "relu": Activation(
        lambda z: np.maximum(z, 0, out=z), lambda a: np.greater(a, 0, out=a)
    ),
    "identity": Activation(lambda z: None, lambda a: a.fill(1)),
}


def cross_entropy(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Cross-entropy of the softmax, in nats; safe for large scores."""
    rows = np.arange(len(targets))
    logs = scores - scores.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    gradient = np.exp(logs)
    gradient[rows, targets] -= 1
    return -float(logs[rows, targets].mean()), gradient / len(targets)


def hinge(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Multiclass hinge of Weston and Watkins with margin 1.

    Per example, the sum over the wrong classes of ``max(0, 1 + their score -
    the right score)``.
    """
    rows = np.arange(len(targets))
    margins = scores - scores[rows, targets][:, None] + 1
    margins[rows, targets] = 0
    np.maximum(margins, 0, out=margins)
    gradient = (margins > 0).astype(scores.dtype)
    gradient[rows, targets] = -gradient.sum(axis=1)
    return float(margins.sum(axis=1).mean()), gradient / len(targets)


def squared_error(scores: Floats, targets: Labels) -> tuple[float, Floats]:
    """Squared distance of the scores to the one-hot target."""
    error = scores.copy()
    error[np.arange(len(targets)), targets] -= 1
    return float(np.square(error).sum(axis=1).mean()), 2 / len(targets) * error


# Each gives the mean loss per example and its gradient by the scores (N, K).
LOSSES: Mapping[LossName, Callable[[Floats, Labels], tuple[float, Floats]]] = {
    "cross-entropy": cross_entropy,
    "hinge": hinge,
    "squared-error": squared_error,
}

# Standard deviation of a weight, from a layer's number of inputs and outputs:
# He et al. (2015), eq. 10; Glorot and Bengio (2010), eq. 12; report R1's moons.
INITS: Mapping[InitName, Callable[[int, int], float]] = {
    "he": lambda inputs, outputs: math.sqrt(2 / inputs),
    "xavier": lambda inputs, outputs: math.sqrt(2 / (inputs + outputs)),
    "normal": lambda inputs, outputs: 1.0,
}


def as_rows(inputs: Array, dtype: DTypeLike = np.float32) -> Floats:
    """Flatten examples to rows (N, D + 1) whose last column is 1.

    Pictures (uint8) are scaled to [0, 1]; tables are taken as they are.
    """
    flat = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    rows = np.ones((len(flat), flat.shape[1] + 1), dtype)
    np.multiply(flat, _scale(inputs, dtype), out=rows[:, :-1])
    return rows


def _scale(inputs: Array, dtype: DTypeLike) -> Floats:
    return np.array(1 / 255 if inputs.dtype == np.uint8 else 1, dtype)


class MLP:
    """A fully connected network whose layers are one matrix product each.

    ``weights[l]`` is (inputs + 1, outputs).  Its last row is the bias: what a
    layer sees ends with a column of ones.  Layers write into buffers that are
    kept, so what ``forward`` returns holds until its next call.  Weights and
    buffers lie in memory column by column: their products are faster so.
    """

    def __init__(
        self,
        sizes: tuple[int, ...],
        *,
        activation: ActivationName = "relu",
        loss: LossName = "cross-entropy",
        init: InitName = "he",
        output_activation: ActivationName = "identity",
        dtype: DTypeLike = np.float32,
        seed: int = 0,
    ) -> None:
        for width in sizes:
            at_least("a layer's width", width, 1)
        inner = named(ACTIVATIONS, activation, "activation")
        outer = named(ACTIVATIONS, output_activation, "output activation")
        self.activations = [inner] * (len(sizes) - 2) + [outer]
        self.loss = named(LOSSES, loss, "loss")
        spread = named(INITS, init, "init")
        rng = np.random.default_rng(seed)
        self.weights: list[Floats] = []
        for inputs, outputs in pairwise(sizes):
            weight = rng.normal(0, spread(inputs, outputs), (inputs, outputs))
            bias = np.zeros((1, outputs))
            self.weights.append(
                np.concatenate([weight, bias]).astype(dtype, "F")
            )
        self._outputs: list[Floats] = []

    def forward(self, rows: Floats) -> Floats:
        """Compute the scores (N, K) of ``as_rows`` examples (N, D + 1).

        Raises ValueError for examples of another size.
        """
        if rows.shape[1] != len(self.weights[0]):
            raise ValueError(
                f"rows have {rows.shape[1]} columns; this network takes "
                f"{len(self.weights[0]) - 1} inputs and the ones of as_rows"
            )
        self._reserve(len(rows))
        self.seen = [rows]  # what each layer sees; the last is the scores
        for weight, activation, output in zip(
            self.weights, self.activations, self._outputs, strict=True
        ):
            z = output[: len(rows), :-1]
            np.matmul(self.seen[-1], weight, out=z)
            activation.apply(z)
            self.seen.append(output[: len(rows)])
        return self.seen[-1][:, :-1]

    def loss_and_gradients(
        self, rows: Floats, targets: Labels
    ) -> tuple[float, list[Floats]]:
        """Compute the mean loss and its gradient by each weight matrix.

        Back-propagation: ``delta`` is the gradient by a layer's output, and
        after the activation's derivative that by its matrix product.
        """
        loss, delta = self.loss(self.forward(rows), targets)
        for layer in reversed(range(len(self.weights))):
            output = self.seen[layer + 1][:, :-1]
            self.activations[layer].differentiate(output)
            delta *= output
            np.matmul(self.seen[layer].T, delta, out=self._gradients[layer])
            if layer > 0:
                before = self._deltas[layer - 1][: len(rows)]
                np.matmul(delta, self.weights[layer][:-1].T, out=before)
                delta = before
        return loss, self._gradients

    def _reserve(self, examples: int) -> None:
        """Make room for a batch, unless there is enough from an earlier one."""
        if self._outputs and examples <= len(self._outputs[0]):
            return
        dtype = self.weights[0].dtype
        widths = [weight.shape[1] for weight in self.weights]
        self._outputs = [np.ones((examples, w + 1), dtype, "F") for w in widths]
        self._deltas = [
            np.empty((examples, w), dtype, "F") for w in widths[:-1]
        ]
        self._gradients = [np.empty_like(weight) for weight in self.weights]

    def scores(self, inputs: Array) -> Floats:
        """Compute the scores (N, K) of pictures or a table, in chunks."""
        dtype = self.weights[0].dtype
        scores = np.empty((len(inputs), self.weights[-1].shape[1]), dtype)
        for at in range(0, len(inputs), CHUNK):
            chunk = slice(at, at + CHUNK)
            scores[chunk] = self.forward(as_rows(inputs[chunk], dtype))
        return scores

    def with_weights(self, weights: list[Floats]) -> MLP:
        """Make the same network with other weights, sharing no buffer."""
        twin = copy.copy(self)
        twin.weights = [np.asfortranarray(weight) for weight in weights]
        twin._outputs = []
        return twin

    @property
    def parameters(self) -> int:
        """Number of weights and biases."""
        return sum(weight.size for weight in self.weights)

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one example's forward pass, biases apart."""
        return sum(weight[:-1].size for weight in self.weights)


def gradient_check(mlp: MLP, inputs: Array, targets: Labels) -> float:
    """Compare the gradients with central differences, in float64.

    Up to 100 weights a layer are moved, evenly spaced.  Returns the largest
    deviation, relative to the largest gradient of its layer.
    """
    exact = mlp.with_weights([w.astype(np.float64) for w in mlp.weights])
    rows, step, worst = as_rows(inputs, np.float64), 1e-6, 0.0
    _, gradients = exact.loss_and_gradients(rows, targets)
    for weight, gradient in zip(exact.weights, gradients, strict=True):
        places = np.linspace(0, weight.size - 1, min(weight.size, 100))
        for place in places.astype(int):
            kept, losses = weight.flat[place], []
            for moved in (kept + step, kept - step):
                weight.flat[place] = moved
                losses.append(exact.loss(exact.forward(rows), targets)[0])
            weight.flat[place] = kept
            slope = (losses[0] - losses[1]) / (2 * step)
            deviation = abs(slope - gradient.flat[place])
            worst = max(worst, deviation / max(np.abs(gradient).max(), 1e-12))
    return float(worst)


class Feed:
    """Training examples, batch by batch, as the network takes them.

    ``columns`` numbers those columns of ``as_rows`` that are not zero in
    every example, however it is shifted; only these are handed out.
    """

    def __init__(self, split: Split, shift: int, dtype: DTypeLike) -> None:
        inputs = split.inputs
        if shift and inputs.ndim < 3:
            raise ValueError(
                f"recipe.shift is {shift}, but the examples are rows of a "
                f"table, not pictures: {inputs.shape}; set shift=0"
            )
        pictures = inputs.reshape(len(inputs), -1, *_height_width(inputs))
        edge = (shift, shift)
        padded = np.pad(pictures, ((0, 0), (0, 0), edge, edge))
        # Where in a padded picture the top left window's pixels lie, and how
        # far each other window is from it.
        places = np.arange(padded[0].size).reshape(padded.shape[1:])
        height, width = pictures.shape[2:]
        window = places[:, :height, :width].ravel()
        self.moves = places[0, : 2 * shift + 1, : 2 * shift + 1].ravel()
        lit = padded.any(axis=0).ravel()
        live = np.flatnonzero(lit[window[:, None] + self.moves].any(axis=1))
        self.columns = np.append(live, window.size)
        self.window = window[live]
        self.table = padded.reshape(len(padded), -1)
        if not shift:
            self.table = np.take(self.table, self.window, axis=1)
        self.targets = split.targets
        self.scale = _scale(inputs, dtype)
        self._rows = np.ones((0, len(self.columns)), dtype)

    def epoch(
        self, batch_size: int | None, seed: int, epoch: int
    ) -> Iterator[tuple[Floats, Labels]]:
        """Yield one epoch's batches; each overwrites the one before."""
        rng = np.random.default_rng((stream(seed, "shift"), epoch))
        size = len(self.targets)
        for rows in batches(size, batch_size, stream(seed, "order"), epoch):
            moves = rng.choice(self.moves, len(rows))
            yield self._batch(rows, moves), self.targets[rows]

    def _batch(self, rows: NDArray[np.intp], moves: NDArray[np.intp]) -> Floats:
        if len(self._rows) < len(rows):
            self._rows = np.ones(
                (len(rows), len(self.columns)), self.scale.dtype
            )
        if len(self.moves) > 1:
            corners = rows * self.table.shape[1] + moves
            pixels = np.take(self.table, corners[:, None] + self.window)
        else:
            pixels = np.take(self.table, rows, axis=0)
        batch = self._rows[: len(rows)]
        np.multiply(pixels, self.scale, out=batch[:, :-1])
        return batch


def _height_width(inputs: Array) -> tuple[int, int]:
    return inputs.shape[-2:] if inputs.ndim > 2 else (1, inputs.shape[-1])


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


class Film:
    """Frames of the field that a network paints on the plane, as one file.

    The frames lie close together early in training and far apart late.
    Raises ValueError if the inputs are not points of the plane.
    """

    def __init__(self, train: Split, frames: int, epochs: int) -> None:
        if frames and train.inputs.shape[1:] != (2,):
            raise ValueError(
                f"frames is {frames}, but an input has shape "
                f"{train.inputs.shape[1:]}; only points of the plane, (2,), "
                "can be drawn: set frames=0"
            )
        if frames > 60:
            raise ValueError(
                f"frames is {frames}; at most 60 fit into an artefact"
            )
        self.train = train
        number = np.arange(1, min(frames, epochs) + 1)
        spaced = np.geomspace(1, epochs, len(number)).round().astype(int)
        self.epochs = np.maximum(number, spaced)
        self.frames: list[NDArray[np.uint8]] = []

    def shoot(self, mlp: MLP) -> None:
        """Keep the probability of class 1 on a grid, 255 for certainty.

        It is kept in 52 levels, which the eye can't tell from 256: the file
        is half as large.
        """
        low_x, high_x, low_y, high_y = self.extent()
        x, y = np.meshgrid(
            np.linspace(low_x, high_x, 96, dtype=np.float32),
            np.linspace(low_y, high_y, 72, dtype=np.float32),
        )
        scores = mlp.scores(np.stack([x.ravel(), y.ravel()], axis=1))
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        share = powers[:, 1] / powers.sum(axis=1)
        self.frames.append(5 * (share * 51).round().astype(np.uint8))

    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper edge: half a unit round the points."""
        low = self.train.inputs.min(axis=0) - 0.5
        high = self.train.inputs.max(axis=0) + 0.5
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    def artefacts(self) -> dict[str, bytes]:
        """Pack what was shot; a row of the field is a row of the plane."""
        if not self.frames:
            return {}
        file = io.BytesIO()
        np.savez_compressed(
            file,
            field=np.stack(self.frames).reshape(-1, 72, 96),
            epoch=self.epochs[: len(self.frames)],
            extent=np.array(self.extent()),
            inputs=self.train.inputs,
            targets=self.train.targets,
        )
        return {"field.npz": file.getvalue()}


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
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Train a network and score it on the test split: the numpy trial.

    An :class:`Epoch` comes every ``report_every`` epochs and at the last; its
    training loss and seconds are those since the one before.  ``frames`` are
    kept for seed 0 only, in ``field.npz``.  Raises ValueError for an optimiser
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
    diverged = None
    for epoch in range(1, recipe.epochs + 1):
        try:
            descent.train(epoch)
        except FloatingPointError as error:
            diverged = str(error)
        last = diverged is not None or epoch == recipe.epochs
        if last or epoch % report_every == 0:
            yield descent.report(epoch, splits.validation)
        if diverged is not None:
            break
        if seed == 0 and epoch in film.epochs:
            film.shoot(descent.network())
    outcome = _score(descent.network(), splits, diverged)
    return replace(outcome, artefacts=film.artefacts())


def _check(recipe: Recipe, report_every: int, frames: int) -> None:
    if recipe.optimiser != "sgd":
        raise ValueError(
            f"recipe.optimiser is {recipe.optimiser!r}; the numpy network is "
            "trained with 'sgd' only"
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
