"""The network: scores and gradients, written to be read and to be fast."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
from numpy.typing import DTypeLike

from coursework.data.splits import Array
from coursework.mlp.layers import (
    ACTIVATIONS,
    INITS,
    LOSSES,
    ActivationName,
    Floats,
    InitName,
    Labels,
    LossName,
)
from coursework.recipe import at_least, named

CHUNK = 1000  # examples scored at a time, so that evaluation stays small


def as_rows(inputs: Array, dtype: DTypeLike = np.float32) -> Floats:
    """Flatten examples to rows (N, D + 1) whose last column is 1.

    Pictures (uint8) are scaled to [0, 1]; tables are taken as they are.
    """
    flat = inputs.reshape(len(inputs), math.prod(inputs.shape[1:]))
    rows = np.ones((len(flat), flat.shape[1] + 1), dtype)
    np.multiply(flat, pixel_scale(inputs, dtype), out=rows[:, :-1])
    return rows


def pixel_scale(inputs: Array, dtype: DTypeLike) -> Floats:
    """Return what inputs are multiplied by: 1/255 for pictures, else 1."""
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
