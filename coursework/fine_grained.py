"""What the pages of practical 6 share: pictures, budgets, and one arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from coursework import training
from coursework.data.augment import View
from coursework.data.sets import CLASSES, loader
from coursework.data.splits import Loader
from coursework.experiment import Profile
from coursework.models.pretrained import backbone, lite0
from coursework.models.transfer import transfer
from coursework.recipe import Recipe

DRAWN, BIRDS = "animals", "cub200"  # `full` takes the latter for the former
TRAIN: Mapping[Profile, int] = {"smoke": 60, "quick": 236}
SCORED: Mapping[Profile, int] = {"smoke": 10, "quick": 118}
SIDE: Mapping[Profile, int] = {
    "smoke": 32,
    "quick": 64,
    "standard": 128,
    "full": 224,
}
EPOCHS: Mapping[Profile, int] = {
    "smoke": 1,
    "quick": 2,
    "standard": 10,
    "full": 30,
}
LADDER = (0.0003, 0.001, 0.003)
RATES: Mapping[Profile, Sequence[float]] = {
    "smoke": LADDER[1:2],
    "quick": LADDER[1:2],
    "standard": LADDER,
    "full": LADDER,
}


def shown(dataset: str, profile: Profile) -> str:
    """Name the set that a profile shows where a page has another one."""
    return BIRDS if (profile, dataset) == ("full", DRAWN) else dataset


def classes(dataset: str, profile: Profile) -> int:
    """Count the classes of the set that a profile shows."""
    return CLASSES[shown(dataset, profile)]


def pictures(
    dataset: str, profile: Profile, side: int | None = None, **settings: Any
) -> Loader:
    """Bind the set of a page at a size; digits come in theirs."""
    settings = {
        "train": TRAIN.get(profile),
        "scored": SCORED.get(profile),
    } | settings
    if dataset != "digits":
        settings["side"] = side or SIDE[profile]
    return loader(shown(dataset, profile), **settings)


def body(profile: Profile, pretrained: bool = True) -> Callable[..., nn.Module]:
    """Bind EfficientNet-Lite0, in `full` ResNet-50; `smoke` has no weights."""
    if profile == "full":
        return partial(backbone, "resnet50", pretrained=pretrained)
    return partial(lite0, pretrained=pretrained and profile != "smoke")


def recipe(profile: Profile, rate: float, **changes: Any) -> Recipe:
    """Return the recipe of all arms, but for what an arm is about."""
    settings: dict[str, Any] = {
        "epochs": EPOCHS[profile],
        "batch_size": 32,
        "optimiser": "adamw",
        "learning_rate": rate,
        "weight_decay": 0.01,
        "schedule": "one-cycle",
        "precision": "auto",
    }
    return Recipe(**settings | changes)


def arm(
    dataset: str,
    profile: Profile,
    trained: Recipe,
    *,
    side: int | None = None,
    pretrained: bool = True,
    **strategy: Any,
) -> partial[Any]:
    """Bind the training of a network of which some part is tuned.

    ``strategy`` are the settings of :func:`transfer.transfer`.
    """
    side = side or SIDE[profile]
    return partial(
        training.fit,
        model=partial(
            transfer,
            backbone=body(profile, pretrained),
            classes=classes(dataset, profile),
            **strategy,
        ),
        data=pictures(dataset, profile, side),
        view=View(side=side, channels=3),
        recipe=trained,
    )
