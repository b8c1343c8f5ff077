"""Heads: cosines on paper, and what a classifier's gradient may reach."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from coursework.losses_single import arcface, cosface, supervised_contrastive
from coursework.models.heads import ContrastiveHead, CosineHead

FEATURES = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 0, 1, 1, 2, 2])


def test_cosines_on_paper() -> None:
    head = CosineHead(2, 3, scale=10)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[7.0, 0.0], [0.0, 0.1], [-3.0, -3.0]]))
    found = head(torch.tensor([[5.0, 0.0], [0.2, 0.2]]))
    half = math.sqrt(0.5)
    wanted = torch.tensor([[1, 0, -half], [half, half, -1]])
    torch.testing.assert_close(found, 10 * wanted)
    assert [name for name, _ in head.named_parameters()] == ["weight"]


def test_lengths_do_not_count() -> None:
    head = CosineHead(5, 3)
    torch.testing.assert_close(head(FEATURES), head(100 * FEATURES))
    assert head(FEATURES).abs().max() <= 16
    assert torch.equal(head(FEATURES), head.eval()(FEATURES))


def test_the_margin_losses_take_what_the_head_gives() -> None:
    head = CosineHead(5, 3)
    for loss in (arcface, cosface):
        plain = cross_entropy(head(FEATURES), TARGETS)
        assert loss(head(FEATURES), TARGETS) > plain


def test_embeddings_stand_behind_the_logits_in_training_alone() -> None:
    head = ContrastiveHead(5, 3)
    both = head(FEATURES)
    assert both.shape == (6, 3 + 128)
    torch.testing.assert_close(both[:, 3:].norm(dim=1), torch.ones(6))
    torch.testing.assert_close(head.eval()(FEATURES), both[:, :3])


@pytest.mark.parametrize("detached", [True, False])
def test_the_classifier_reaches_the_features_unless_detached(
    detached: bool,
) -> None:
    head = ContrastiveHead(5, 3, detached=detached)
    features = FEATURES.clone().requires_grad_()
    (classifies,) = torch.autograd.grad(
        cross_entropy(head(features)[:, :3], TARGETS),
        features,
        allow_unused=True,
        materialize_grads=True,
    )
    assert bool(classifies.any()) is not detached
    supervised_contrastive(head(features), TARGETS).backward()
    assert features.grad is not None
    assert features.grad.any(dim=1).all()
    assert all(p.grad is not None for p in head.parameters())
