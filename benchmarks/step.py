"""Time what our training loop costs where the network costs next to nothing.

``python -m benchmarks.step`` measures a pass over random pictures, 784-10, in
batches of 64 with the same fused SGD: ``Training.epoch``, which takes uint8;
a bare loop over the same pictures made float32 beforehand; and the Trainer of
PyTorch Lightning on those, in a ``DataLoader``, without logger, checkpoints
and progress bar.  Building a Trainer counts; a pass is long beside it.
Lightning is no part of this project: where it is missing, so is its row.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmarks import turns
from coursework import guard_torchvision
from coursework.data.augment import View
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training

PICTURES, BATCH = 64_000, 64
RATE, MOMENTUM = 0.01, 0.9


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure our loop beside the others; a row each."""
    drawn = torch.Generator().manual_seed(0)
    shape = (PICTURES, 1, 28, 28)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=drawn)
    targets = torch.randint(10, (PICTURES,), generator=drawn)
    recipe = Recipe(
        epochs=1000,
        batch_size=BATCH,
        learning_rate=RATE,
        momentum=MOMENTUM,
        precision="auto",
    )
    training = Training(linear(), recipe, View(), seed=0)
    inputs = View()(pixels)
    peers = {"a bare loop": bare(inputs, targets)}
    if find_spec("lightning"):
        peers["PyTorch Lightning"] = lightning(inputs, targets)
    else:
        print(
            "PyTorch Lightning is left out. To measure it, too: pip install "
            "--target FOLDER 'lightning!=2.6.2,!=2.6.3' (those two held "
            "malware) and add FOLDER to PYTHONPATH"
        )
    ours = partial(training.epoch, pixels, targets, SingleLabel())
    yield from turns.compare(ours, peers, rounds, batch=BATCH)


def linear() -> nn.Module:
    """Build a network whose own work is next to nothing."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def sgd(network: nn.Module) -> torch.optim.Optimizer:
    """Build the optimiser that all use."""
    return torch.optim.SGD(network.parameters(), RATE, MOMENTUM, fused=True)


def bare(inputs: Tensor, targets: Tensor) -> turns.Contestant:
    """Do what a step must, and nothing else."""
    network = linear()
    optimiser = sgd(network)

    def steps() -> None:
        order = torch.randperm(len(inputs))
        for rows in torch.split(order, BATCH):
            optimiser.zero_grad()
            loss = cross_entropy(network(inputs[rows]), targets[rows])
            torch.autograd.backward(loss)
            optimiser.step()

    return steps


def lightning(inputs: Tensor, targets: Tensor) -> turns.Contestant:
    """Leave the loop to Lightning, with all switched off that can be."""
    guard_torchvision()
    # A name that mypy need not find: it is installed for this alone.
    framework = importlib.import_module("lightning")

    class Module(framework.LightningModule):  # type: ignore[misc,name-defined]
        """The network in the form that Lightning asks for."""

        def __init__(self) -> None:
            super().__init__()
            self.network = linear()

        def training_step(self, batch: list[Tensor], number: int) -> Tensor:
            """Compute a batch's loss."""
            return cross_entropy(self.network(batch[0]), batch[1])

        def configure_optimizers(self) -> Any:
            """Return the optimiser."""
            return sgd(self)

    data = TensorDataset(inputs, targets)
    loader = DataLoader(data, BATCH, shuffle=True)
    module = Module()

    def steps() -> None:
        trainer = framework.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)

    return steps


if __name__ == "__main__":
    turns.run("step", measure, rounds=15)
