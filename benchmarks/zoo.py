"""Time the training of whole networks beside the plain way to train them.

``python -m benchmarks.zoo`` measures one pass over the same MNIST pictures, by
the same network with the same optimiser, SGD with momentum.  The plain way is
that of ``benchmarks.plain``, with batches of 64.  Ours is
``Training.epoch``: uint8 tensors in memory, precision "auto", and the batch
size that the table gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from benchmarks import plain, turns
from coursework.data.augment import View
from coursework.models.lenet import LeNet
from coursework.models.resnet import resnet18
from coursework.models.vgg import r1_vgg
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training

PEER = "torchvision, DataLoader, batch 64, float32"
RATE, MOMENTUM = 0.01, 0.9


class Setting(NamedTuple):
    """A network, how it sees pictures, our batch size, pictures a round."""

    build: Callable[[], nn.Module]
    view: View
    batch: int
    pictures: int


SETTINGS = {
    "LeNet": Setting(LeNet, View(), 256, 2048),
    "R1's VGG": Setting(r1_vgg, View(), 256, 512),
    "ResNet-18": Setting(
        partial(resnet18, classes=10), View(side=224, channels=3), 64, 64
    ),
}


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure every setting; a row each."""
    for name, setting in SETTINGS.items():
        yield from compare(name, setting, rounds)


def compare(name: str, setting: Setting, rounds: int) -> list[turns.Row]:
    """Measure one network both ways."""
    pictures = plain.dataset(plain.transform(setting.view))
    number = setting.pictures
    inputs, targets = pictures.data[:number, None], pictures.targets[:number]
    recipe = Recipe(
        epochs=1000,
        batch_size=setting.batch,
        learning_rate=RATE,
        momentum=MOMENTUM,
        precision="auto",
    )
    training = Training(setting.build(), recipe, setting.view, seed=0)
    network = setting.build()
    optimiser = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
    return turns.compare(
        partial(training.epoch, inputs, targets, SingleLabel()),
        {PEER: plain.epoch(pictures, number, network, optimiser)},
        rounds,
        network=name,
        pixels=setting.view.side or inputs.shape[-1],
        batch=setting.batch,
        precision=training.precision,
    )


if __name__ == "__main__":
    turns.run("zoo", measure, rounds=9)
