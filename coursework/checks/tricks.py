"""Checks of practical 6's training tricks, by autograd or by counting."""

# ruff: noqa: PLC0415 - a page that is given no answer need not wait for torch

from __future__ import annotations

from itertools import product

from coursework.checks.reply import Reply, check, near, number, same, whole


@check("a whole number of times", whole)
def loop_counts(answer: int) -> Reply:
    """Count how often R3's loop penalises the first layer of a ResNet-18."""
    from coursework import penalties
    from coursework.models.resnet import ResNet

    network = ResNet(18, width=4)
    first, *_ = penalties.multiplicity(network).values()
    return same(
        answer,
        first,
        "In that loop a layer counts once for itself and once for each layer "
        "behind it. Count the tensors of weights: convolutions, the three "
        "1×1 ones on shortcuts among them, and the dense layer.",
    )


@check("a number, the right logit less the others", number)
def smoothed_gap(answer: float) -> Reply:
    """Find the gap of logits where a smoothed loss of ten classes is lowest.

    The slope of the loss there must be zero, by autograd.
    """
    import torch

    from coursework.losses_single import cross_entropy

    gap = torch.tensor(answer, dtype=torch.float64, requires_grad=True)
    logits = torch.cat([gap[None], torch.zeros(9, dtype=torch.float64)])
    target = torch.zeros(1, dtype=torch.int64)
    cross_entropy(logits[None], target, label_smoothing=0.1).backward()
    assert gap.grad is not None
    slope = float(gap.grad)
    return Reply(
        abs(slope) < 1e-3,
        f"At this gap the loss has the slope {slope:+.3f}. It is lowest where "
        "the softmax gives what smoothing asks for; nine tenths and a tenth "
        "of the last tenth for the right class.",
    )


@check("a share, from 0 to 1", number)
def majority_of_five(answer: float) -> Reply:
    """Say how often most of five are right whose errors are independent.

    Each is right in six of ten cases, and there are two classes.
    """
    share = sum(
        0.6 ** sum(votes) * 0.4 ** (5 - sum(votes))
        for votes in product((0, 1), repeat=5)
        if sum(votes) >= 3
    )
    return near(
        answer,
        share,
        "Go through the ways in which three, four or five of five are right. "
        "It is more than one alone, and far less than that one of five at "
        "least is right.",
    )
