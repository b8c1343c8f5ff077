"""Dropout where a network has none: in attention, and in a deeper head."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from coursework.models.vit import Attention


def dropping_attention(
    *, build: Callable[[], nn.Module], rate: float
) -> nn.Module:
    """Build a network whose attention weights are dropped in training.

    Those of each :class:`Attention`, at the given rate.  What is left of a
    row is scaled up and so adds up to 1 on average only, as in torch's own
    layers.  Raises ValueError for a network without attention.
    """
    network = build()
    found = [p for p in network.modules() if isinstance(p, Attention)]
    if not found:
        raise ValueError(
            f"{type(network).__name__} has no attention to drop weights of; "
            "accepted: networks made of models.vit.Attention"
        )
    for part in found:
        both = nn.Sequential(part.rows, nn.Dropout(rate))
        part.set_submodule("rows", both)
    return network


def mlp_head(size: int, classes: int, hidden: int = 256) -> nn.Module:
    """Build a head of two layers, features (N, size) to (N, classes)."""
    return nn.Sequential(
        nn.Linear(size, hidden),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(hidden, classes),
    )
