"""The field that a network paints on the plane, filmed in training."""

from __future__ import annotations

import io

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
