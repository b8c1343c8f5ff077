"""Dropout in attention and in a head: in training alone, and where said."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from coursework.models.regularised import dropping_attention, mlp_head
from coursework.models.vit import Attention, ViT

SMALL = partial(
    ViT,
    image_size=8,
    patch_size=4,
    channels=1,
    classes=3,
    dim=8,
    depth=2,
    heads=2,
    mlp_dim=16,
)
TOKENS = torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(0))


def attention(network: nn.Module) -> list[Attention]:
    return [part for part in network.modules() if isinstance(part, Attention)]


def test_weights_of_attention_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    plain = attention(SMALL())
    torch.manual_seed(0)
    dropping = attention(dropping_attention(build=SMALL, rate=0.5))
    assert len(dropping) == 2
    for one, other in zip(plain, dropping, strict=True):
        whole = one.weights(TOKENS)
        torch.testing.assert_close(other.eval().weights(TOKENS), whole)
        torch.manual_seed(1)
        rows = other.train().weights(TOKENS)
        gone = rows == 0
        assert 0.2 < gone.float().mean() < 0.8
        torch.testing.assert_close(rows[~gone], 2 * whole[~gone])


def test_only_attention_drops() -> None:
    network = dropping_attention(build=SMALL, rate=0.5).train()
    rates = [p.p for p in network.modules() if isinstance(p, nn.Dropout)]
    assert sorted(rates) == [0.0] * (1 + 3 * 2) + [0.5] * 2


def test_what_has_no_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="Flatten has no attention"):
        dropping_attention(build=nn.Flatten, rate=0.5)


def test_a_head_of_two_layers() -> None:
    made = mlp_head(6, 3, hidden=4)
    count = sum(tensor.numel() for tensor in made.parameters())
    assert count == (6 + 1) * 4 + (4 + 1) * 3
    features = torch.randn(5, 6)
    first, second = (made.train()(features) for _ in range(2))
    assert first.shape == (5, 3) and not torch.equal(first, second)
    first, second = (made.eval()(features) for _ in range(2))
    assert torch.equal(first, second)
