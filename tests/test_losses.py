"""Multi-label losses against torch, torchvision and formulas on paper."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from coursework import guard_torchvision
from coursework.losses import (
    LOSSES,
    asymmetric,
    balanced_weights,
    bce,
    focal,
)

LOGITS = torch.linspace(-6, 6, 24, dtype=torch.float64).reshape(8, 3)
TARGETS = (torch.arange(24).reshape(8, 3) % 5 < 2).double()
SETTINGS: dict[str, Callable[..., Tensor]] = {
    **LOSSES,
    "weighted": partial(bce, pos_weight=(3.0, 1.0, 0.5)),
    "balanced focal": partial(focal, alpha=0.25),
    "flat focal": partial(focal, gamma=0.5),
    "blunt": partial(asymmetric, gamma_negative=0.5, margin=0.2),
    "no margin": partial(asymmetric, gamma_positive=1, margin=0.0),
    "flat": partial(asymmetric, gamma_negative=0.5, margin=0.0),
    "no focus": partial(asymmetric, gamma_negative=0.0),
}


def by_hand(loss: Callable[[float, float, int], float]) -> float:
    """Average a loss of (probability, target, class) over all cells."""
    rows, classes = LOGITS.shape
    cells = [
        loss(1 / (1 + math.exp(-float(LOGITS[i, k]))), float(TARGETS[i, k]), k)
        for i, k in itertools.product(range(rows), range(classes))
    ]
    return math.fsum(cells) / len(cells)


def test_bce_by_hand_weighs_positives_only() -> None:
    weights = (3.0, 1.0, 0.5)

    def loss(p: float, y: float, k: int) -> float:
        return -weights[k] * math.log(p) if y else -math.log(1 - p)

    wanted = by_hand(loss)
    for given in (weights, torch.tensor(weights)):
        found = float(bce(LOGITS, TARGETS, pos_weight=given))
        assert found == pytest.approx(wanted)


def test_focal_by_hand() -> None:
    def loss(p: float, y: float, _: int) -> float:
        right, weight = (p, 0.25) if y else (1 - p, 0.75)
        return -weight * (1 - right) ** 3 * math.log(right)

    found = float(focal(LOGITS, TARGETS, gamma=3.0, alpha=0.25))
    assert found == pytest.approx(by_hand(loss))


@pytest.mark.parametrize("alpha", [None, 0.25])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_torchvisions(gamma: float, alpha: float | None) -> None:
    guard_torchvision()
    from torchvision.ops import sigmoid_focal_loss  # noqa: PLC0415

    theirs = sigmoid_focal_loss(
        LOGITS,
        TARGETS,
        alpha=-1 if alpha is None else alpha,
        gamma=gamma,
        reduction="mean",
    )
    torch.testing.assert_close(focal(LOGITS, TARGETS, gamma, alpha), theirs)


@pytest.mark.parametrize(
    "settings", [(0.0, 4.0, 0.05), (1.0, 2.0, 0.0), (0.0, 0.0, 0.2)]
)
def test_asymmetric_by_hand(settings: tuple[float, float, float]) -> None:
    on, off, margin = settings

    def loss(p: float, y: float, _: int) -> float:
        if y:
            return -math.pow(1 - p, on) * math.log(p)
        lowered = max(p - margin, 0)
        return -math.pow(lowered, off) * math.log(1 - lowered)

    found = float(asymmetric(LOGITS, TARGETS, on, off, margin))
    assert found == pytest.approx(by_hand(loss))


def test_without_focus_or_margin_all_are_the_cross_entropy() -> None:
    wanted = binary_cross_entropy_with_logits(LOGITS, TARGETS)
    for loss in (
        bce(LOGITS, TARGETS),
        bce(LOGITS, TARGETS, pos_weight=(1.0, 1.0, 1.0)),
        focal(LOGITS, TARGETS, gamma=0.0),
        asymmetric(LOGITS, TARGETS, 0.0, 0.0, 0.0),
    ):
        torch.testing.assert_close(loss, wanted)


def test_equal_focus_without_a_margin_is_focal() -> None:
    torch.testing.assert_close(
        asymmetric(LOGITS, TARGETS, 2.0, 2.0, 0.0), focal(LOGITS, TARGETS)
    )


@pytest.mark.parametrize("name", SETTINGS)
def test_gradients_are_those_of_small_differences(name: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    assert torch.autograd.gradcheck(SETTINGS[name], (logits, TARGETS))


@pytest.mark.parametrize("extreme", [1e4, 100.0])
@pytest.mark.parametrize("name", SETTINGS)
def test_extreme_logits_stay_finite(name: str, extreme: float) -> None:
    logits = torch.tensor([[extreme, -extreme, 0.0]] * 2, requires_grad=True)
    targets = torch.tensor([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
    loss = SETTINGS[name](logits, targets)
    loss.backward()
    assert math.isfinite(loss.item())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_a_confident_mistake_still_pulls() -> None:
    for name in ("bce", "focal"):
        logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
        LOSSES[name](logits, torch.tensor([[0.0, 1.0]])).backward()
        assert logits.grad is not None
        torch.testing.assert_close(logits.grad, torch.tensor([[0.5, -0.5]]))


def test_negatives_below_the_margin_count_nothing() -> None:
    logits = torch.tensor([[-4.0, 1.0]], requires_grad=True)
    asymmetric(logits, torch.zeros(1, 2)).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] == 0 < logits.grad[0, 1]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (partial(focal, gamma=-1), "gamma is -1"),
        (partial(focal, alpha=2), "alpha is 2"),
        (partial(asymmetric, gamma_positive=-1), "gamma_positive is -1"),
        (partial(asymmetric, gamma_negative=-1), "gamma_negative is -1"),
        (partial(asymmetric, margin=1), "margin is 1"),
        (partial(bce, pos_weight=(2.0,)), "3 classes"),
    ],
)
def test_settings_without_a_meaning_are_refused(
    loss: Callable[..., Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loss(LOGITS, TARGETS)


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_that_would_broadcast_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"\(8, 3\).*\(8, 1\)"):
        LOSSES[name](LOGITS, TARGETS[:, :1])


def test_balanced_weights_by_hand() -> None:
    targets = np.array([[1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1]])
    assert balanced_weights(targets) == (3.0, 1.0, 1.0, 1.0)


def test_balanced_weights_make_both_kinds_weigh_the_same() -> None:
    weights = balanced_weights(TARGETS.long().numpy())
    even = torch.zeros(8, 3, requires_grad=True)  # every probability a half
    bce(even, TARGETS.float(), weights).backward()
    assert even.grad is not None
    torch.testing.assert_close(even.grad.sum(dim=0), torch.zeros(3))
