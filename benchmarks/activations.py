"""Time every activation of the catalogue beside ReLU.

``python -m benchmarks.activations`` measures forward and backward through an
activation alone, on random maps of 64 pictures with 16 channels and 28 × 28
places: CPU time in units of ReLU's.  What a network spends elsewhere, in
products and convolutions, is the same for all of them, so a network's ratio
is nearer to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks import turns
from coursework.models.activations import ACTIVATIONS, activation

SHAPE, PASSES = (64, 16, 28, 28), 5
PEER = "in units of ReLU"


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure every activation but ReLU itself; a row each."""
    relu = passes("relu", SHAPE)
    for name in ACTIVATIONS:
        if name != "relu":
            peers = {PEER: passes(name, SHAPE)}
            yield from turns.compare(relu, peers, rounds, activation=name)


def passes(name: str, shape: tuple[int, ...]) -> turns.Contestant:
    """Prepare passes forward and backward; each starts without gradients."""
    drawn = torch.Generator().manual_seed(0)
    maps = torch.randn(shape, generator=drawn).requires_grad_()
    gradient = torch.randn(shape, generator=drawn)
    return partial(go, activation(name, shape[1]), maps, gradient)


def go(module: nn.Module, maps: Tensor, gradient: Tensor) -> None:
    """Make the passes."""
    inputs = [maps, *module.parameters()]
    for _ in range(PASSES):
        torch.autograd.grad(module(maps), inputs, gradient)


if __name__ == "__main__":
    turns.run("activations", measure, rounds=15)
