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
        practical: Whose networks and data: mnist-zoo, triplet, fine-grained.
        model: Which network; a wrong name, or none, lists all.
        epochs: Passes over the training data.
        lr: Peak of the learning rate.
        residual: How a ResNet joins a unit's two ways; a wrong name lists all.
        batch_norm: Whether a ResNet's branches normalise.
        growth_rate: Maps that each layer of a DenseNet adds.
        ratio: How many channels share one hidden unit of an SE block.
        batch_size: Pictures a step; None for all of them.
        optimiser: Which update rule.
        momentum: Of the optimiser sgd.
        weight_decay: Share of a weight that its gradient gets.
        early_stop: Epochs without a better validation loss before the end.
        schedule: How the rate changes during training.
        precision: That of products; auto is the fastest on this device.
        train: How many training pictures; None for all of them.
        side: To how many pixels pictures are resized; None: the model's own.
        fold: Which of --folds validates, from 0; None: the set's own split.
        folds: Into how many parts the training pictures are split, if at all.
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
        strategy: What of a backbone trains; a wrong name lists all.
        source: Where a backbone comes from: own, torchvision, timm, hub.
        pretrained: Whether a backbone starts from its source's weights.
        layer_decay: Rate of each stage of a backbone, in that of the next one.
        last: How many stages the strategy last-stage trains.
        log: Where each epoch is also written to.
        task: A whole ablation in place of a model; a wrong name lists all.
        profile: How large a task is.
    """

    practical: Positional[str]
    model: Annotated[str, arg(aliases=["--arch", "--backbone"])] = ""
    epochs: int = 10
    lr: float = 1e-3
    residual: str = "add"
    batch_norm: bool = True
    growth_rate: int = 32
    ratio: int = 16
    batch_size: int | None = 128
    optimiser: Optimiser = "adam"
    momentum: float = 0.0
    weight_decay: float = 0.0
    early_stop: int | None = None
    schedule: ScheduleName = "constant"
    precision: Precision = "auto"
    train: int | None = None
    side: int | None = None
    fold: int | None = None
    folds: int = 5
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
    strategy: str = "all"
    source: str = "timm"
    pretrained: bool = False
    layer_decay: float = 1.0
    last: int = 1
    log: Log = "none"
    task: str | None = None
    profile: Profile = "quick"
