"""Multi-label losses: logits and targets (N, K) in, their mean out.

Every class of every picture is one yes-or-no question, and a loss is the
mean over all N·K of them, in nats.  All raise ValueError where the shapes of
logits and targets differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from coursework.recipe import at_least


def bce(
    logits: Tensor,
    targets: Tensor,
    pos_weight: Sequence[float] | Tensor | None = None,
) -> Tensor:
    """Take the binary cross-entropy.

    ``pos_weight``, one number a class, multiplies the loss of positives.
    """
    _same_shape(logits, targets)
    if pos_weight is None:
        return functional.binary_cross_entropy_with_logits(logits, targets)
    weight = torch.as_tensor(pos_weight).to(logits)
    if weight.shape != logits.shape[1:]:
        raise ValueError(
            f"pos_weight has shape {tuple(weight.shape)}; the logits have "
            f"{logits.shape[1]} classes, and each needs one number"
        )
    return functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=weight
    )


def focal(
    logits: Tensor,
    targets: Tensor,
    gamma: float = 2.0,
    alpha: float | None = None,
) -> Tensor:
    """Weigh each cross-entropy by (1 − p)^gamma, p that of the truth.

    :cite:t:`lin2017focal`, equation 5: positives weigh ``alpha``, negatives
    1 − ``alpha``.  None leaves both at 1, equation 4.
    """
    _same_shape(logits, targets)
    at_least("gamma", gamma, 0)
    if alpha is not None and not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; accepted: None or [0, 1]")
    on, off = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
    positive = on * targets * _focused(logits, gamma)
    negative = off * (1 - targets) * _focused(-logits, gamma)
    return (positive + negative).mean()


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    gamma_positive: float = 0.0,
    gamma_negative: float = 4.0,
    margin: float = 0.05,
) -> Tensor:
    """Focus negatives more than positives; drop those below the margin.

    :cite:t:`ridnik2021asymmetric`, sections 2.2 to 2.4: a negative counts
    as if its probability were ``margin`` lower, and not at all where that
    is below 0.  The gradient goes through the focusing weights too.
    """
    _same_shape(logits, targets)
    at_least("gamma_positive", gamma_positive, 0)
    at_least("gamma_negative", gamma_negative, 0)
    if not 0 <= margin < 1:
        raise ValueError(f"margin is {margin}; accepted: [0, 1)")
    # Powers below 1 have no finite slope at 0, and 0 times that is NaN.
    floor = torch.finfo(logits.dtype).tiny
    shifted = (torch.sigmoid(logits) - margin).clamp(min=floor)
    # log(1 − p + margin): a margin of 0 adds exp(−inf), nothing.
    least = math.log(margin) if margin else -math.inf
    rest = torch.logaddexp(
        functional.logsigmoid(-logits), logits.new_tensor(least)
    ).clamp(max=0)
    positive = targets * _focused(logits, gamma_positive)
    negative = (1 - targets) * -(shifted**gamma_negative) * rest
    return (positive + negative).mean()


LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "bce": bce,
    "focal": focal,
    "asymmetric": asymmetric,
}


def balanced_weights(targets: NDArray[np.int64]) -> tuple[float, ...]:
    """Count the negatives per positive of each class of targets (N, K).

    With these as ``pos_weight`` the positives of a class weigh as much as
    its negatives.  1 where a class lacks either.
    """
    positive = targets.sum(axis=0)
    negative = len(targets) - positive
    both = (positive > 0) & (negative > 0)
    ratio = negative / np.maximum(positive, 1)
    return tuple(np.where(both, ratio, 1.0).tolist())


def _focused(logits: Tensor, gamma: float) -> Tensor:
    """Return −(1 − p)^gamma log p, elementwise, p the logits' sigmoid."""
    weight = (gamma * functional.logsigmoid(-logits)).exp()
    return -weight * functional.logsigmoid(logits)


def _same_shape(logits: Tensor, targets: Tensor) -> None:
    if logits.shape != targets.shape:
        raise ValueError(
            f"logits are {tuple(logits.shape)}, targets "
            f"{tuple(targets.shape)}; both must be (N, K)"
        )
