"""A task: which scores an output gets, and how predictions are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from coursework import metrics, multilabel
from coursework.recipe import named

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SingleLabel:
    """One class per example; outputs are logits or scores (N, K).

    ``criterion`` names one of ``losses.SINGLE``.  ``thorough`` adds what is
    said of the probabilities, and macro means over classes, to the scores.
    """

    label_smoothing: float = 0.0
    criterion: str = "cross-entropy"
    thorough: bool = False

    def __post_init__(self) -> None:
        """Refuse a smoothing that the loss has no place for."""
        if self.label_smoothing and self.criterion != "cross-entropy":
            raise ValueError(
                f"label_smoothing is {self.label_smoothing}, but only the "
                f"criterion 'cross-entropy' has it, not {self.criterion!r}"
            )

    def fitted(self, targets: NDArray[np.int64]) -> SingleLabel:
        """Take nothing from the training targets."""
        return self

    def tuned(
        self, outputs: Callable[[], NDArray[Any]], targets: NDArray[np.int64]
    ) -> SingleLabel:
        """Take nothing from the validation split: the largest output wins."""
        return self

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over examples, in nats; takes logits, never probabilities.

        Targets are classes (N,) or shares (N, K) that sum to one.
        """
        from coursework import losses_single  # noqa: PLC0415

        criterion = named(losses_single.SINGLE, self.criterion, "criterion")
        if self.label_smoothing:
            criterion = partial(criterion, label_smoothing=self.label_smoothing)
        return criterion(logits, targets)

    def judged(
        self, logits: torch.Tensor, targets: torch.Tensor
    ) -> torch.Tensor:
        """Take the cross-entropy, whatever is trained on."""
        return replace(self, criterion="cross-entropy").loss(logits, targets)

    def scores(
        self, outputs: NDArray[Any], targets: NDArray[np.int64]
    ) -> dict[str, float]:
        """Score outputs (N, K) against targets (N,).

        More than ten outputs get a "top-5" as well.
        """
        found = {"accuracy": metrics.accuracy(outputs.argmax(1), targets)}
        if outputs.shape[1] > 10:
            found["top-5"] = metrics.top(outputs, targets, 5)
        if self.thorough:
            from coursework import calibration  # noqa: PLC0415

            found |= calibration.scores(outputs, targets)
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


@dataclass(frozen=True)
class MultiLabel:
    """Any of K classes per example; outputs are logits (N, K).

    ``positive`` weighs the positive examples of each class in the loss;
    "balanced" makes them as heavy as the negative ones of the training
    split.  A class is predicted where its probability is above its
    threshold: one half, or after ``tuned`` what validation chose.
    """

    criterion: Literal["bce", "focal", "asymmetric"] = "bce"
    positive: Sequence[float] | Literal["balanced"] | None = None
    thresholds: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse weights that the loss has no place for."""
        if self.positive is not None and self.criterion != "bce":
            raise ValueError(
                f"positive is {self.positive!r}, but the criterion "
                f"{self.criterion!r} has no such weights; only 'bce' has"
            )

    def fitted(self, targets: NDArray[np.int64]) -> MultiLabel:
        """Compute balanced weights from the training targets (N, K).

        Raises ValueError unless there is one weight for each of 1 to 8
        classes, whose bits ``pack`` has a place for.
        """
        if targets.ndim != 2 or not 1 <= targets.shape[1] <= 8:
            raise ValueError(
                f"targets are {targets.shape}; accepted: (examples, classes) "
                "with 1 to 8 classes"
            )
        if self.positive is None:
            return self
        if self.positive != "balanced":
            if len(self.positive) != targets.shape[1]:
                raise ValueError(
                    f"positive has {len(self.positive)} weights; there are "
                    f"{targets.shape[1]} classes"
                )
            return self
        from coursework import losses  # noqa: PLC0415

        return replace(self, positive=losses.balanced_weights(targets))

    def tuned(
        self, outputs: Callable[[], NDArray[Any]], targets: NDArray[np.int64]
    ) -> MultiLabel:
        """Choose each class's threshold by its F1 on the validation split."""
        best = multilabel.best_thresholds(expit(outputs()), targets)
        return replace(self, thresholds=tuple(best.tolist()))

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over examples and classes; takes logits, never probabilities."""
        from coursework import losses  # noqa: PLC0415

        criterion = named(losses.LOSSES, self.criterion, "criterion")
        if self.positive is not None:
            criterion = partial(criterion, pos_weight=self.positive)
        return criterion(logits, targets.to(logits.dtype))

    judged = loss

    def scores(
        self, outputs: NDArray[Any], targets: NDArray[np.int64]
    ) -> dict[str, float]:
        """Score outputs (N, K) against targets (N, K)."""
        return multilabel.scores(outputs, self.predicted(outputs), targets)

    def predicted(self, outputs: NDArray[Any]) -> NDArray[np.bool_]:
        """Decide about each class of each example: (N, K)."""
        probabilities = expit(outputs)
        return np.asarray(probabilities >= (self.thresholds or 0.5))

    def pack(
        self, outputs: NDArray[Any], targets: NDArray[np.int64]
    ) -> NDArray[np.uint8]:
        """Keep which classes are wrong as the bits of a byte, 0 if none is."""
        wrong = self.predicted(outputs) != targets
        return np.asarray(wrong @ (1 << np.arange(wrong.shape[1])), np.uint8)


Task = SingleLabel | MultiLabel
