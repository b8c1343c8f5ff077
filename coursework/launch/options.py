"""What ``coursework train`` can be asked for; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional

from coursework.recipe import Optimiser, Precision, ScheduleName


@dataclass(frozen=True, kw_only=True)
class Options:
    """One training, as it is asked for by hand.

    Args:
        practical: Whose networks and data, e.g. mnist-zoo.
        model: Which network; a wrong name lists all.
        epochs: Passes over the training data.
        lr: Peak of the learning rate.
        residual: How a ResNet joins a unit's two ways; a wrong name lists all.
        batch_norm: Whether a ResNet's branches normalise.
        growth_rate: Maps that each layer of a DenseNet adds.
        ratio: How many channels share one hidden unit of an SE block.
        batch_size: Pictures a step; None for all of them.
        optimiser: Which update rule.
        schedule: How the rate changes during training.
        precision: That of products; auto is the fastest on this device.
        train: How many training pictures; None for all of them.
        side: To how many pixels pictures are resized; None: the model's own.
        seed: The run's seed.
        dataset: Which data set; a wrong name lists all.
        test: Score the test set, once, after the training.
    """

    practical: Positional[str]
    model: str
    epochs: int = 10
    lr: float = 1e-3
    residual: str = "add"
    batch_norm: bool = True
    growth_rate: int = 32
    ratio: int = 16
    batch_size: int | None = 128
    optimiser: Optimiser = "adam"
    schedule: ScheduleName = "constant"
    precision: Precision = "auto"
    train: int | None = None
    side: int | None = None
    seed: int = 0
    dataset: str = "mnist"
    test: bool = False
