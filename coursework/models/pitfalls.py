"""Mistakes of the reports, on purpose: controls to measure what they do."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def softmax_last(model: Callable[[], nn.Module]) -> nn.Sequential:
    """Close a network with a softmax, as report R2 did before its loss.

    Cross-entropy takes logits.  Of probabilities, at most 1, it can't fall
    below ln(1 + 9/e) = 1.46 nats for ten classes, however right they are.
    """
    return nn.Sequential(model(), nn.Softmax(dim=1))
