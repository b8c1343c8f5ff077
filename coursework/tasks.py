"""A task: which scores an output gets, and how predictions are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coursework import metrics

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SingleLabel:
    """One class per example; outputs are logits or scores (N, K)."""

    label_smoothing: float = 0.0

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean cross-entropy in nats; takes logits, never probabilities."""
        from torch.nn.functional import cross_entropy  # noqa: PLC0415

        return cross_entropy(
            logits, targets, label_smoothing=self.label_smoothing
        )

    def scores(
        self, outputs: NDArray[Any], targets: NDArray[np.int64]
    ) -> dict[str, float]:
        """Score outputs (N, K) against targets (N,).

        More than ten outputs get a "top-5" as well.
        """
        found = {"accuracy": metrics.accuracy(outputs.argmax(1), targets)}
        if outputs.shape[1] > 10:
            found["top-5"] = metrics.top(outputs, targets, 5)
        return found

    def pack(
        self, outputs: NDArray[Any], targets: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Keep predictions as the class's offset to the target, 0 if right.

        With the targets this is the prediction itself; without them it still
        says which examples were right, and it compresses to little.
        """
        offset = (outputs.argmax(1) - targets) % outputs.shape[1]
        return np.asarray(offset, np.uint8)
