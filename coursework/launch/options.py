"""What ``coursework train`` can be asked for; imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from coursework.recipe import Optimiser, Precision, ScheduleName

Profile = Literal["smoke", "quick", "standard", "full"]
Log = Literal["none", "tensorboard", "wandb"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """One training, as it is asked for by hand.

    Args:
        practical: Whose networks and data: mnist-zoo or triplet.
        model: Which network; a wrong name, or none, lists all.
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
        dataset: Which data set; a wrong name lists all. None: the first.
        test: Score the test set, once, after the training.
        resume: Go on from the checkpoint of a killed run, if there is one.
        depth: Of the model "resnet": 18, 34, 50 or 101.
        att_type: Attention in a ResNet's units; a wrong name lists all.
        activation: Of triplet attention, before its gate.
        gate: Of triplet attention; a wrong name lists all.
        pool: Of triplet attention: names with commas, or R0's sets 0 to 4.
        kernel_size: Of triplet attention and CBAM.
        reduction: Of SE, CBAM and coordinate attention.
        log: Where each epoch is also written to.
        task: A whole ablation in place of a model; a wrong name lists all.
        profile: How large a task is.
    """

    practical: Positional[str]
    model: Annotated[str, arg(aliases=["--arch"])] = ""
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
    dataset: str | None = None
    test: Annotated[bool, arg(aliases=["--evaluate"])] = False
    resume: bool = True
    depth: int = 18
    att_type: str = "none"
    activation: str = "none"
    gate: Annotated[str, arg(aliases=["--sigmoid"])] = "sigmoid"
    pool: str = "0"
    kernel_size: int = 7
    reduction: int = 16
    log: Log = "none"
    task: str | None = None
    profile: Profile = "quick"
