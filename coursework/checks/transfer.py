"""Checks of the pages on transfer: what trains, and what may be lost."""

# ruff: noqa: PLC0415 - a page that is given no answer need not wait for torch

from __future__ import annotations

import math
from contextlib import suppress

from coursework.checks.reply import Reply, check, near, number, same, whole
from coursework.data.folds import stratified_folds
from coursework.data.splits import Loader


@check("the largest number of folds, a whole number", whole)
def most_folds(answer: int, data: Loader) -> Reply:
    """Find into how many stratified folds training pictures can be split."""
    targets, most = data().train.targets, 1
    with suppress(ValueError):  # one fold more than there can be
        while stratified_folds(targets, most + 1, seed=0):
            most += 1
    return same(
        answer,
        most,
        "Each fold has to hold a picture of each class, so count the training "
        "pictures of the class that has the fewest.",
    )


@check("a whole number of weights", whole)
def lora_weights(answer: int) -> Reply:
    """Count what a LoRA of rank 32 trains beside 80 to 480 channels."""
    from torch import nn

    from coursework import outline
    from coursework.models.lora import LoRAConv2d

    layer = LoRAConv2d(nn.Conv2d(80, 480, 1), rank=32, alpha=8)
    return same(
        answer,
        outline.count(layer.down) + outline.count(layer.up),
        "One matrix leads from 80 channels to the rank and one from the rank "
        "to 480, both without biases. The convolution itself stays frozen.",
    )


@check("a share of the parameters, a number from 0 to 1", number)
def tuned_share(answer: float) -> Reply:
    """Count which share of the ViT its last two blocks and its head are."""
    from coursework import outline
    from coursework.models.transfer import transfer
    from coursework.models.vit import vit_mnist

    network = transfer(
        backbone=vit_mnist, classes=5, strategy="last-stage", last=2
    )
    moving = sum(p.numel() for p in network.parameters() if p.requires_grad)
    return near(
        answer,
        moving / outline.count(network),
        "The four blocks are alike and hold nearly all there is; embedding, "
        "positions and head are small.",
        tolerance=0.05,
    )


@check("a whole number, the power of two", whole)
def largest_scale(answer: int) -> Reply:
    """Find the largest power of two that float16's gradient survives.

    It is the gradient of ``floats.gradient``, computed at rising scales.
    """
    import torch

    from coursework import floats

    power = 0
    while math.isfinite(floats.gradient(torch.float16, 2.0 ** (power + 1))):
        power += 1
    return same(
        answer,
        power,
        "What overflows is the largest number on the way back: the scaled "
        f"gradient of the output, {floats.SMALL:g} times the scale, which the "
        "backward pass turns into float16. Find float16's largest number in "
        "the table of formats.",
    )
