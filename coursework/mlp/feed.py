"""Training examples, batch by batch, shifted and without dead pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from coursework.data.splits import Array, Split, batches
from coursework.mlp.layers import Floats, Labels
from coursework.mlp.network import pixel_scale
from coursework.trial import stream


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
        self.scale = pixel_scale(inputs, dtype)
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
