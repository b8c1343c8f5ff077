"""What is kept of a network while it trains: its field, its outputs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework.data.splits import Split
from coursework.mlp.network import MLP


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
        return {
            "field.npz": _pack(
                field=np.stack(self.frames).reshape(-1, 72, 96),
                epoch=self.epochs[: len(self.frames)],
                extent=np.array(self.extent()),
                inputs=self.train.inputs,
                targets=self.train.targets,
            )
        }


class Watch:
    """How right, and how alive, each output is on some training examples.

    An output is alive for an example if its score is above zero; behind a
    ReLU, an output that is alive for none gets no gradient.
    """

    def __init__(self, train: Split, examples: int) -> None:
        self.split = train.take(np.arange(min(examples, len(train))))
        self.epochs: list[int] = []
        self.alive: list[NDArray[np.floating[Any]]] = []
        self.recall: list[NDArray[np.floating[Any]]] = []
        self.accuracy: list[float] = []

    def look(self, mlp: MLP, epoch: int) -> None:
        """Take the state after an epoch down."""
        if not len(self.split):
            return
        scores = mlp.scores(self.split.inputs)
        targets = self.split.targets
        right = scores.argmax(axis=1) == targets
        count = np.bincount(targets, minlength=scores.shape[1])
        hits = np.bincount(targets[right], minlength=scores.shape[1])
        self.epochs.append(epoch)
        self.alive.append((scores > 0).mean(axis=0))
        self.recall.append(hits / np.maximum(count, 1))
        self.accuracy.append(float(right.mean()))

    def artefacts(self) -> dict[str, bytes]:
        """Pack epochs (T,), accuracy (T,), alive and recall (T, K) shares."""
        if not self.epochs:
            return {}
        return {
            "watch.npz": _pack(
                epoch=np.array(self.epochs),
                accuracy=np.array(self.accuracy, np.float32),
                alive=np.stack(self.alive).astype(np.float32),
                recall=np.stack(self.recall).astype(np.float32),
            )
        }


def _pack(**arrays: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
