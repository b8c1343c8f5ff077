"""The plain way to train on MNIST, which the others are measured against.

torchvision's data set and transforms picture by picture, a ``DataLoader``
without workers, float32, and the loop of PyTorch's own MNIST example.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Subset

from benchmarks.turns import Contestant
from coursework import guard_torchvision
from coursework.data.augment import View
from coursework.data.download import fetch
from coursework.data.mnist import ARCHIVE

BATCH = 64


def dataset(steps: Sequence[Any], *, train: bool = True) -> Any:
    """Open the package's own MNIST files as torchvision's data set."""
    guard_torchvision()
    from torchvision import datasets, transforms  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as root:
        raw = Path(root) / "MNIST" / "raw"
        raw.parent.mkdir()
        raw.symlink_to(fetch(ARCHIVE), target_is_directory=True)
        return datasets.MNIST(root, train, transforms.Compose(steps))


def transform(view: View) -> list[Any]:
    """List the transforms that make of a picture what a view makes of it."""
    guard_torchvision()
    from torchvision import transforms  # noqa: PLC0415

    steps: list[Any] = []
    if view.side:
        steps.append(transforms.Resize((view.side, view.side)))
    if view.channels:
        steps.append(transforms.Grayscale(view.channels))
    return [*steps, transforms.ToTensor(), transforms.Normalize(0.5, 0.5)]


def epoch(
    pictures: Any,
    number: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    shuffle: bool = True,
) -> Contestant:
    """Prepare a pass over the first ``number`` of a data set's pictures."""
    part = Subset(pictures, range(number))
    loader: DataLoader[Any] = DataLoader(part, BATCH, shuffle=shuffle)

    def steps() -> None:
        network.train()
        for batch, targets in loader:
            optimiser.zero_grad()
            loss = cross_entropy(network(batch), targets)
            torch.autograd.backward(loss)
            optimiser.step()

    return steps
