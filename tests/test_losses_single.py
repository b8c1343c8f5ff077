"""Single-label losses against torch, formulas on paper and their limits."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import cross_entropy, one_hot, softmax

from coursework.losses_single import (
    SINGLE,
    arcface,
    capped,
    contrastive,
    cosface,
    dice,
    focal,
    huber,
    mse,
    supervised_contrastive,
)
from coursework.models.heads import ContrastiveHead

RANDOM = torch.Generator().manual_seed(3)
LOGITS = 3 * torch.randn(8, 4, dtype=torch.float64, generator=RANDOM)
COSINES = 32 * torch.rand(8, 4, dtype=torch.float64, generator=RANDOM) - 16
CLASSES = torch.tensor([0, 1, 2, 3, 0, 1, 2, 0])
ROWS = torch.rand(8, 4, dtype=torch.float64, generator=RANDOM).softmax(1)
PLAIN = {k: v for k, v in SINGLE.items() if k != "supervised-contrastive"}
SETTINGS: dict[str, Callable[..., Tensor]] = {
    **PLAIN,
    "flat focal": partial(focal, gamma=0.5),
    "narrow huber": partial(huber, delta=0.1),
    "tight cap": partial(capped, cap=0.3),
}


def given(name: str) -> Tensor:
    return COSINES if name in ("arcface", "cosface") else LOGITS


def by_hand(
    loss: Callable[[list[float], int], float], logits: Tensor = LOGITS
) -> float:
    """Average a loss of (probabilities, class) over the examples."""
    each = []
    for row, label in zip(logits.tolist(), CLASSES.tolist(), strict=True):
        total = math.fsum(map(math.exp, row))
        each.append(loss([math.exp(value) / total for value in row], label))
    return math.fsum(each) / len(each)


def errors(p: list[float], y: int) -> list[float]:
    return [value - (place == y) for place, value in enumerate(p)]


def huber_hand(p: list[float], y: int) -> float:
    def rho(e: float) -> float:
        return e * e / 2 if e <= 0.5 else 0.5 * (e - 0.25)

    return sum(rho(abs(e)) for e in errors(p, y))


def dice_hand(p: list[float], y: int) -> float:
    return 1 - 2 * p[y] / (sum(v * v for v in p) + 1)


def smoothed_hand(p: list[float], y: int) -> float:
    mean = sum(map(math.log, p)) / len(p)
    return -0.9 * math.log(p[y]) - 0.1 * mean


HANDS: dict[str, Callable[[list[float], int], float]] = {
    "cross-entropy": lambda p, y: -math.log(p[y]),
    "label-smoothing": smoothed_hand,
    "focal": lambda p, y: -((1 - p[y]) ** 2) * math.log(p[y]),
    "mse": lambda p, y: sum(e * e for e in errors(p, y)),
    "huber": huber_hand,
    "dice": dice_hand,
    "capped": lambda p, y: max(math.log(0.9) - math.log(p[y]), 0),
}


@pytest.mark.parametrize("name", HANDS)
def test_by_hand(name: str) -> None:
    found = float(SINGLE[name](LOGITS, CLASSES))
    assert found == pytest.approx(by_hand(HANDS[name]))


@pytest.mark.parametrize("name", PLAIN)
def test_classes_are_their_one_hot_rows(name: str) -> None:
    logits = given(name)
    torch.testing.assert_close(
        SINGLE[name](logits, one_hot(CLASSES, 4).double()),
        SINGLE[name](logits, CLASSES),
    )


@pytest.mark.parametrize("name", ["cross-entropy", "label-smoothing"])
def test_cross_entropy_is_linear_in_soft_rows(name: str) -> None:
    """So mixing targets is mixing losses, as mixup's authors put it."""
    other = CLASSES.flip(0)
    rows = 0.7 * one_hot(CLASSES, 4) + 0.3 * one_hot(other, 4)
    loss = SINGLE[name]
    apart = 0.7 * loss(LOGITS, CLASSES) + 0.3 * loss(LOGITS, other)
    torch.testing.assert_close(loss(LOGITS, rows.float()), apart)


def test_soft_rows_in_formulas_of_tensors() -> None:
    p = softmax(LOGITS, 1)
    wanted = -(ROWS * (1 - p) ** 2 * p.log()).sum(1).mean()
    torch.testing.assert_close(focal(LOGITS, ROWS), wanted)
    wanted = ((p - ROWS) ** 2).sum(1).mean()
    torch.testing.assert_close(mse(LOGITS, ROWS), wanted)
    size = (p**2).sum(1) + (ROWS**2).sum(1)
    wanted = (1 - 2 * (p * ROWS).sum(1) / size).mean()
    torch.testing.assert_close(dice(LOGITS, ROWS), wanted)


def test_limits_are_the_cross_entropy() -> None:
    wanted = cross_entropy(LOGITS, CLASSES)
    for loss in (focal(LOGITS, CLASSES, 0.0), capped(LOGITS, CLASSES, 1.0)):
        torch.testing.assert_close(loss, wanted)
    wanted = cross_entropy(COSINES, CLASSES)
    for margin in (arcface, cosface):
        torch.testing.assert_close(margin(COSINES, CLASSES, 0.0), wanted)


def test_huber_from_one_on_is_half_the_squared_error() -> None:
    half = mse(LOGITS, CLASSES) / 2
    torch.testing.assert_close(huber(LOGITS, CLASSES, 1.0), half)
    assert huber(LOGITS, CLASSES) < half


def test_capped_lets_go_of_the_confident_and_only_of_them() -> None:
    logits = torch.tensor([[3.0, 0.0], [1.0, 0.0]], requires_grad=True)
    labels = torch.tensor([0, 0])
    capped(logits, labels, cap=0.9).backward()
    plain = logits.detach().clone().requires_grad_()
    cross_entropy(plain, labels).backward()
    assert logits.grad is not None
    assert plain.grad is not None
    assert not logits.grad[0].any()
    torch.testing.assert_close(logits.grad[1], plain.grad[1])


def test_capped_asks_nothing_more_of_the_right_soft_rows() -> None:
    assert capped(ROWS.log(), ROWS, cap=1.0) == pytest.approx(0, abs=1e-12)
    assert capped(LOGITS, ROWS, cap=1.0) > 0


def test_margins_by_hand() -> None:
    """Angles 60° and 120° to two classes, scale 2, margin 30° or 0.25."""
    logits = torch.tensor([[2 * 0.5, 2 * -0.5]], dtype=torch.float64)
    right, wrong = torch.tensor([0]), torch.tensor([1])

    def loss(own: float, other: float) -> float:
        return math.log(1 + math.exp(2 * (other - own)))

    turn = math.pi / 6
    found = arcface(logits, right, turn, 2.0)  # 90°
    assert float(found) == pytest.approx(loss(0.0, -0.5))
    found = arcface(logits, wrong, turn, 2.0)  # 150°
    assert float(found) == pytest.approx(loss(-math.sqrt(0.75), 0.5))
    found = cosface(logits, right, 0.25, 2.0)
    assert float(found) == pytest.approx(loss(0.25, -0.5))
    soft = torch.tensor([[0.5, 0.5]])
    found = cosface(logits, soft, 0.25, 2.0)
    expected = (loss(0.375, -0.625) + loss(-0.625, 0.375)) / 2
    assert float(found) == pytest.approx(expected)


def test_arcface_never_rewards_a_larger_angle() -> None:
    turns = torch.linspace(0, math.pi, 400, dtype=torch.float64)
    losses = [
        float(arcface(torch.stack([t, t * 0])[None], torch.tensor([0])))
        for t in 16 * turns.cos()
    ]
    assert losses == sorted(losses)


@pytest.mark.parametrize("targets", [CLASSES, ROWS], ids=["hard", "soft"])
@pytest.mark.parametrize("name", SETTINGS)
def test_gradients_are_those_of_small_differences(
    name: str, targets: Tensor
) -> None:
    logits = given(name).clone().requires_grad_()
    assert torch.autograd.gradcheck(SETTINGS[name], (logits, targets))


@pytest.mark.parametrize("name", SETTINGS)
def test_extreme_logits_stay_finite(name: str) -> None:
    largest = 16.0 if name in ("arcface", "cosface") else 1e4
    logits = torch.tensor([[largest, -largest, 0.0]] * 3, requires_grad=True)
    loss = SETTINGS[name](logits, torch.tensor([0, 1, 2]))
    loss.backward()
    assert math.isfinite(loss.item())
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("name", PLAIN)
def test_bfloat16_is_computed_in_float32(name: str) -> None:
    logits = given(name).bfloat16()
    found = SINGLE[name](logits, CLASSES)
    assert torch.equal(found, SINGLE[name](logits.float(), CLASSES))


def unit(rows: Tensor) -> Tensor:
    return functional.normalize(rows)


def test_contrastive_by_equation_2() -> None:
    z = unit(torch.randn(9, 5, dtype=torch.float64, generator=RANDOM))
    labels = [0, 0, 0, 1, 1, 2, 3, 3, 0]  # 2 is alone
    each = []
    for i, own in enumerate(labels):
        near = [math.exp(float(z[i] @ z[a]) / 0.2) for a in range(9)]
        total = sum(near) - near[i]
        friends = [p for p in range(9) if p != i and labels[p] == own]
        if friends:
            logs = [math.log(near[p] / total) for p in friends]
            each.append(-sum(logs) / len(friends))
    found = contrastive(z, torch.tensor(labels), temperature=0.2)
    assert float(found) == pytest.approx(sum(each) / len(each))
    assert len(each) == 8


def test_contrastive_has_nothing_to_say_without_pairs() -> None:
    for labels in ([0, 1, 2], [0]):
        z = unit(torch.randn(len(labels), 5)).requires_grad_()
        loss = contrastive(z, torch.tensor(labels))
        loss.backward()
        assert loss == 0
        assert z.grad is not None
        assert not z.grad.any()


def test_contrastive_gradient() -> None:
    z = unit(torch.randn(6, 3, dtype=torch.float64, generator=RANDOM))
    labels = torch.tensor([0, 0, 1, 1, 1, 2])
    assert torch.autograd.gradcheck(
        lambda each: contrastive(each, labels), (z.requires_grad_(),)
    )


def test_supervised_contrastive_is_the_sum_of_both() -> None:
    z = unit(torch.randn(8, 128, dtype=torch.float64, generator=RANDOM))
    found = supervised_contrastive(torch.cat([LOGITS, z], dim=1), CLASSES)
    wanted = cross_entropy(LOGITS, CLASSES) + contrastive(z, CLASSES)
    torch.testing.assert_close(found, wanted)


def test_head_and_loss_agree_on_the_embeddings_size() -> None:
    head = inspect.signature(ContrastiveHead).parameters["dimensions"]
    loss = inspect.signature(supervised_contrastive).parameters["dimensions"]
    assert head.default == loss.default


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (partial(focal, gamma=-1), "gamma is -1"),
        (partial(capped, cap=0), "cap is 0"),
        (partial(arcface, margin=-1, scale=64), "margin is -1"),
        (partial(cosface, margin=-1, scale=64), "margin is -1"),
        (partial(cosface, scale=1.0), r"times the scale 1\.0"),
        (partial(arcface, scale=1.0), r"times the scale 1\.0"),
        (supervised_contrastive, r"\(8, 4\).*training mode"),
    ],
)
def test_settings_without_a_meaning_are_refused(
    loss: Callable[..., Tensor], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loss(LOGITS, CLASSES)


def test_logits_of_an_evaluation_are_no_embeddings() -> None:
    with pytest.raises(ValueError, match="embeddings of length 1"):
        supervised_contrastive(torch.randn(8, 200), CLASSES)
    with pytest.raises(ValueError, match="soft rows"):
        supervised_contrastive(torch.randn(8, 200), ROWS)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("targets", [CLASSES[:1], ROWS[:, :1]])
def test_shapes_that_would_broadcast_are_refused(
    name: str, targets: Tensor
) -> None:
    with pytest.raises(ValueError, match=r"logits are \(8, 4\), targets"):
        SINGLE[name](given(name), targets)


@pytest.mark.parametrize("name", PLAIN)
def test_what_is_not_finite_is_handed_on(name: str) -> None:
    """A diverged training is seen by its loss, not by an error of another."""
    logits = given(name).clone()
    logits[0, 0] = math.nan
    assert SINGLE[name](logits, CLASSES).isnan()
