"""Single-label losses: logits (N, K) and targets in, their mean out.

Targets are classes (N,), or rows (N, K) that sum to one, as mixup makes them.
All are means over the N examples and raise ValueError where the shapes don't
fit; those of probabilities take the softmax themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from coursework.recipe import at_least


def cross_entropy(
    logits: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Take the cross-entropy in nats.

    Smoothing shares out that much of the target among all K classes:
    :cite:t:`szegedy2016rethinking`, section 7.
    """
    _check(logits, targets)
    logits = _wide(logits)
    if targets.ndim == 2:
        targets = targets.to(logits.dtype)
    return functional.cross_entropy(
        logits, targets, label_smoothing=label_smoothing
    )


def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0) -> Tensor:
    """Weigh each class's cross-entropy by (1 − p)^gamma.

    :cite:t:`lin2017focal`, equation 4, with the softmax for the sigmoid.
    """
    at_least("gamma", gamma, 0)
    logits, rows = _rows(logits, targets)
    chances = logits.log_softmax(1)
    # A power below 1 has no finite slope at 0.
    rest = -chances.expm1().clamp(max=-torch.finfo(logits.dtype).tiny)
    return -(rows * rest**gamma * chances).sum(1).mean()


def mse(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum the probabilities' squared errors over the classes: Brier's score.

    :cite:p:`brier1950`; a mean over the classes would shrink with K.
    """
    logits, rows = _rows(logits, targets)
    return (logits.softmax(1) - rows).square().sum(1).mean()


def huber(logits: Tensor, targets: Tensor, delta: float = 0.5) -> Tensor:
    """Sum Huber's function of the probabilities' errors over the classes.

    :cite:p:`huber1964`; squared up to ``delta``, linear beyond.  No error
    exceeds 1, so from there on this is half of :func:`mse`.
    """
    logits, rows = _rows(logits, targets)
    total = functional.huber_loss(
        logits.softmax(1), rows, reduction="sum", delta=delta
    )
    return total / len(rows)


def dice(logits: Tensor, targets: Tensor) -> Tensor:
    """Take 1 − Dice's overlap of probabilities and target, of each example.

    :cite:t:`milletari2016vnet`, section 3, with classes in the place of
    voxels and squares in the denominator, as there.
    """
    logits, rows = _rows(logits, targets)
    chances = logits.softmax(1)
    size = (chances.square() + rows.square()).sum(1)
    return (1 - 2 * (chances * rows).sum(1) / size).mean()


def capped(logits: Tensor, targets: Tensor, cap: float = 0.9) -> Tensor:
    """Take the cross-entropy only until the target's probability is ``cap``.

    Our own.  Smoothing stops logits from growing for ever, yet it asks that
    all wrong classes be equally likely; between birds that look alike they
    are not.  Here an example is let go once it is confident enough, and
    nothing is said about the wrong classes.  For soft rows it is the
    divergence KL(target ‖ p), which can reach 0.  Kin to flooding
    :cite:p:`ishida2020flooding`, which holds the batch's mean loss up.
    """
    if not 0 < cap <= 1:
        raise ValueError(f"cap is {cap}; accepted: (0, 1]")
    logits, rows = _rows(logits, targets)
    chances = logits.log_softmax(1)
    excess = (torch.xlogy(rows, rows) - rows * chances).sum(1)
    return (excess + math.log(cap)).relu().mean()


def arcface(
    logits: Tensor, targets: Tensor, margin: float = 0.5, scale: float = 16.0
) -> Tensor:
    """Add ``margin`` (radians) to the angle to the target's weights.

    :cite:t:`deng2019arcface`, equation 3.  ``logits`` are ``scale`` times
    cosines, as ``models.heads.CosineHead`` gives them.  Past π − margin,
    where the cosine would rise again, margin · sin(margin) is taken off it
    instead, as in the authors' code.  Soft rows get their share of the margin.
    """
    at_least("margin", margin, 0)
    logits, rows = _rows(logits, targets)
    cosine = _cosines(logits, scale)
    # The sine has no finite slope where the cosine is 1.
    sine = (1 - cosine.square()).clamp(min=1e-6).sqrt()
    turn = margin * rows
    moved = cosine * turn.cos() - sine * turn.sin()
    past = cosine < -turn.cos()
    moved = torch.where(past, cosine - turn * turn.sin(), moved)
    return functional.cross_entropy(scale * moved, rows)


def cosface(
    logits: Tensor, targets: Tensor, margin: float = 0.35, scale: float = 16.0
) -> Tensor:
    """Take ``margin`` off the cosine of the target.

    :cite:t:`wang2018cosface`, equation 4.  ``logits`` are ``scale`` times
    cosines, as ``models.heads.CosineHead`` gives them.
    """
    at_least("margin", margin, 0)
    logits, rows = _rows(logits, targets)
    cosine = _cosines(logits, scale)
    return functional.cross_entropy(scale * (cosine - margin * rows), rows)


def contrastive(
    embeddings: Tensor, targets: Tensor, temperature: float = 0.1
) -> Tensor:
    """Draw embeddings (N, d) of length 1 to those of their class.

    :cite:t:`khosla2020supervised`, equation 2, the mean over the examples
    that share their class with another of the batch; 0 if none does.
    """
    alike = targets[:, None] == targets
    itself = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    alike = alike & ~itself
    near = embeddings @ embeddings.T / temperature
    # Not −inf: where nothing else is in the batch, that would become NaN.
    near = near.masked_fill(itself, torch.finfo(near.dtype).min)
    friends = alike.sum(1)
    drawn = (alike * near.log_softmax(1)).sum(1) / friends.clamp(min=1)
    return -drawn.sum() / (friends > 0).sum().clamp(min=1)


def supervised_contrastive(
    outputs: Tensor,
    targets: Tensor,
    dimensions: int = 128,
    temperature: float = 0.1,
) -> Tensor:
    """Add up the logits' cross-entropy and the embeddings' contrast.

    ``outputs`` (N, K + dimensions) are those of a network in training that
    ends in ``models.heads.ContrastiveHead``; targets are classes (N,).
    Raises ValueError for outputs without embeddings of length 1, such as
    those in evaluation mode: score these with :func:`cross_entropy`.
    """
    if targets.ndim != 1:
        raise ValueError(
            f"targets are {tuple(targets.shape)}; the contrast takes classes "
            "(N,), not soft rows: train it without mixing"
        )
    logits, embeddings = outputs[:, :-dimensions], outputs[:, -dimensions:]
    embeddings = _wide(embeddings)
    if logits.shape[1] == 0 or _beyond(embeddings.norm(dim=1) - 1, 0.05):
        raise ValueError(
            f"outputs are {tuple(outputs.shape)}; their last {dimensions} "
            "columns must be embeddings of length 1, as ContrastiveHead gives "
            "them in training mode"
        )
    contrast = contrastive(embeddings, targets, temperature)
    return cross_entropy(logits, targets) + contrast


SINGLE: Mapping[str, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "label-smoothing": partial(cross_entropy, label_smoothing=0.1),
    "focal": focal,
    "mse": mse,
    "huber": huber,
    "dice": dice,
    "capped": capped,
    "arcface": arcface,
    "cosface": cosface,
    "supervised-contrastive": supervised_contrastive,
}


def _wide(values: Tensor) -> Tensor:
    """Leave bfloat16, in which 1 − p has two digits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def _rows(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits and soft targets, both (N, K) of one type."""
    _check(logits, targets)
    logits = _wide(logits)
    if targets.ndim == 1:
        targets = functional.one_hot(targets, logits.shape[1])
    return logits, targets.to(logits.dtype)


def _cosines(logits: Tensor, scale: float) -> Tensor:
    cosine = logits / scale
    if _beyond(cosine, 1.02):  # bfloat16 rounds by up to 0.4 %
        raise ValueError(
            f"a logit is {float(logits.detach().abs().max())}; they must be "
            f"cosines times the scale {scale}: end the network in "
            f"CosineHead(scale={scale})"
        )
    return cosine.clamp(-1, 1)


def _beyond(values: Tensor, bound: float) -> bool:
    """Tell whether a value is further than ``bound`` from 0; NaN is not."""
    return bool((values.detach().abs() > bound).any())


def _check(logits: Tensor, targets: Tensor) -> None:
    wanted = logits.shape[: targets.ndim]
    if (
        logits.ndim != 2
        or targets.ndim not in (1, 2)
        or targets.shape != wanted
    ):
        raise ValueError(
            f"logits are {tuple(logits.shape)}, targets "
            f"{tuple(targets.shape)}; accepted: (N, K) with (N,) or (N, K)"
        )
