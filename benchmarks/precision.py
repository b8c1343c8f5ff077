"""Time the same training in float32 and in bfloat16 with channels last.

``python -m benchmarks.precision`` measures ``Training.epoch`` on random
pictures with the recipe's two precisions: the time in float32 in units of that
in bfloat16.  Above 1 bfloat16 is faster.  The column "auto" is what the rule
of ``coursework.precision`` chooses on this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import nn

from benchmarks import turns
from coursework.data.augment import View
from coursework.models.convnet import ConvNet
from coursework.models.densenet import R2DenseNet
from coursework.models.lenet import LeNet
from coursework.models.pretrained import lite0
from coursework.models.resnet import resnet18
from coursework.models.vgg import r1_vgg
from coursework.models.vit import vit_mnist
from coursework.precision import choose_precision
from coursework.recipe import Precision, Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training


class Setting(NamedTuple):
    """A network, how it sees pictures, batch size, pictures a round."""

    build: Callable[[], nn.Module]
    view: View
    batch: int
    pictures: int


small = partial(resnet18, channels=1, classes=10, stem="cifar")

SETTINGS = {
    "LeNet": Setting(LeNet, View(), 128, 2048),
    "ConvNet": Setting(ConvNet, View(), 128, 2048),
    "R1's VGG": Setting(r1_vgg, View(), 128, 256),
    "ViT for MNIST": Setting(vit_mnist, View(), 128, 512),
    "ResNet-18, width 16": Setting(partial(small, width=16), View(), 128, 256),
    "ResNet-18, small stem": Setting(small, View(), 64, 64),
    "ResNet-18": Setting(
        partial(resnet18, classes=10), View(side=224, channels=3), 32, 32
    ),
    "EfficientNet-Lite0": Setting(
        partial(lite0, 10, pretrained=False), View(128, channels=3), 32, 32
    ),
    "R2's DenseNet": Setting(R2DenseNet, View(side=224, channels=3), 32, 32),
}


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure every network; a row each."""
    for name, setting in SETTINGS.items():
        rule = choose_precision("auto", setting.build(), torch.device("cpu"))
        yield from turns.compare(
            epoch(setting, "bfloat16"),
            {"float32": epoch(setting, "float32")},
            rounds,
            network=name,
            pixels=setting.view.side or 28,
            batch=setting.batch,
            auto=rule,
        )


def epoch(setting: Setting, precision: Precision) -> turns.Contestant:
    """Prepare a pass over random pictures in one precision."""
    drawn = torch.Generator().manual_seed(0)
    shape = (setting.pictures, 1, 28, 28)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=drawn)
    targets = torch.randint(10, (setting.pictures,), generator=drawn)
    recipe = Recipe(
        epochs=1000,
        batch_size=setting.batch,
        learning_rate=0.01,
        precision=precision,
    )
    training = Training(setting.build(), recipe, setting.view, seed=0)
    return partial(training.epoch, pixels, targets, SingleLabel())


if __name__ == "__main__":
    turns.run("precision", measure, rounds=9)
