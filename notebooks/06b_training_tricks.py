# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Training tricks, one at a time
#
# Report R3 lists losses, optimisers, schedules, regularisers and augmentations,
# says of some what they are good for, and measured none.  Here each is one
# change to one baseline, with a learning rate of its own and the same seeds.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from coursework import crossvalidation, ensembling, experiment, features
from coursework import figures, fine_grained, penalties, records, show, training
from coursework.data.augment import View
from coursework.data.jitter import Augment
from coursework.data.mixing import Mix
from coursework.data.parts import common
from coursework.data.sampling import imbalanced, oversampled, undersampled
from coursework.models.heads import ContrastiveHead, CosineHead, reheaded
from coursework.models.pretrained import lite0
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel

figures.style()

# %% [markdown]
# ## Question
#
# 1. Which single change to a plain recipe helps on few pictures, and which
#    hurts?
# 2. Does a loss or a way to sample help where classes are unequally frequent?
# 3. When do several networks know more than the best of them?
# 4. How far off is an estimate of accuracy, made from few examples?
#
# ## Prediction
#
# Each change gets a rate of its own from three.  Before you go on: will the
# largest effect come from a loss, an optimiser, a regulariser or from what is
# done to the pictures?
#
# ## Method
#
# A narrow ResNet-18 from scratch, on drawings of animals of which each class
# has a few; flipped and cropped at random.  Arms differ from it in one thing.
#
# ## Experiment: one factor at a time

# %%
SIDE = {"smoke": 32, "full": 224}
WIDTH = {"smoke": 4, "full": 64}
EPOCHS = {"smoke": 1, "quick": 2, "standard": 30, "full": 100}
BASE = Augment(flip=0.5, crop=0.5)
ADAPTIVE, SGD, LION = (
    tuple(factor * rate for rate in (0.001, 0.003, 0.01))
    for factor in (1, 30, 0.1)
)
losses = partial(SingleLabel, thorough=True)

# Of each arm: settings of the network, the recipe, the training, its rates.
NETWORKS: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": 0.5},
    "no batch norm": {"batch_norm": False},
    "no batch norm, dropout": {"batch_norm": False, "dropout": 0.5},
    "CosFace": {"last": CosineHead},
    "ArcFace": {"last": CosineHead},
    "supervised contrast": {"last": ContrastiveHead},
    "twice the width": {"wider": 2},
}
RECIPES: dict[str, dict[str, Any]] = {
    "SGD": {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4},
    "Adam": {"optimiser": "adam", "weight_decay": 0.0},
    "Lion": {"optimiser": "lion", "weight_decay": 0.5},
    "constant rate": {"schedule": "constant"},
    "cosine": {"schedule": "cosine"},
    "warm restarts": {"schedule": "warm-restarts"},
    "multistep": {"schedule": "multistep"},
    "plateau": {"schedule": "plateau", "patience": 5},
    "no weight decay": {"weight_decay": 0.0},
    "early stopping": {"early_stop": 5},
    "batches of 8": {"batch_size": 8},
    "moving average": {"average": "ema"},
    "averaged epochs": {"average": "swa"},
}
TRAININGS: dict[str, dict[str, Any]] = {
    "label smoothing": {"task": losses(0.1)},
    "focal loss": {"task": losses(criterion="focal")},
    "squared error": {"task": losses(criterion="mse")},
    "Huber": {"task": losses(criterion="huber")},
    "Dice": {"task": losses(criterion="dice")},
    "capped cross-entropy": {"task": losses(criterion="capped")},
    "CosFace": {"task": losses(criterion="cosface")},
    "ArcFace": {"task": losses(criterion="arcface")},
    "supervised contrast": {"task": losses(criterion="supervised-contrastive")},
    "L1": {"penalty": partial(penalties.scaled, factor=1e-5)},
    "no augmentation": {"augmentation": Augment()},
    "rotation": {"augmentation": Augment(flip=0.5, crop=0.5, rotate=30)},
    "colour": {"augmentation": Augment(flip=0.5, crop=0.5, colour=0.3)},
    "noise": {"augmentation": Augment(flip=0.5, crop=0.5, noise=0.1)},
    "random erasing": {"augmentation": Augment(flip=0.5, crop=0.5, erase=0.3)},
    "mixup": {"mix": Mix(kind="mixup", alpha=0.2)},
    "CutMix": {"mix": Mix(kind="cutmix")},
}
FULL = ("baseline", *dict.fromkeys([*NETWORKS, *RECIPES, *TRAININGS]))
STANDARD = (
    *("baseline", "label smoothing", "focal loss", "capped cross-entropy"),
    *("CosFace", "supervised contrast", "SGD", "Adam", "dropout"),
    *("no batch norm", "no batch norm, dropout", "no augmentation", "colour"),
    *("random erasing", "mixup", "moving average"),
)
ARMS = {
    "smoke": ("baseline", "supervised contrast"),
    "quick": ("baseline", "mixup"),
    "standard": STANDARD,
}


def network(
    profile: experiment.Profile,
    last: Any = nn.Linear,
    dropout: float = 0.0,
    wider: int = 1,
    **options: Any,
) -> Callable[[], nn.Module]:
    """Bind a narrow ResNet-18, from scratch, with a head of its own."""
    return partial(
        reheaded,
        build=partial(
            ResNet,
            18,
            classes=fine_grained.classes(dataset, profile),
            width=wider * WIDTH.get(profile, 16),
            **options,
        ),
        last=last,
        dropout=dropout,
    )


def recipe(profile: experiment.Profile, rate: float, **changes: Any) -> Recipe:
    """Return the baseline's recipe with changes."""
    common = {"epochs": EPOCHS[profile], "weight_decay": 0.05}
    return fine_grained.recipe(profile, rate, **common | changes)


def arm(profile: experiment.Profile, name: str, rate: float) -> partial[Any]:
    """Bind the baseline with one change."""
    side = SIDE.get(profile, 64)
    settings: dict[str, Any] = {"task": losses(), "augmentation": BASE}
    return partial(
        training.fit,
        model=network(profile, **NETWORKS.get(name, {})),
        data=fine_grained.pictures(dataset, profile, side),
        view=View(side=side, channels=3),
        recipe=recipe(profile, rate, **RECIPES.get(name, {})),
        **settings | TRAININGS.get(name, {}),
    )


def ladder(profile: experiment.Profile, name: str) -> tuple[float, ...]:
    """Return the rates that an arm chooses from: three, fit for its steps."""
    found = {"SGD": SGD, "Lion": LION}.get(name, ADAPTIVE)
    return found if profile in ("standard", "full") else found[1:2]


def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at each of its rates."""
    return {
        f"{name}, rate {rate:g}": arm(profile, name, rate)
        for name in ARMS.get(profile, FULL)
        for rate in ladder(profile, name)
    }


ONCE = dict.fromkeys(experiment.PROFILES, 1)
tried = experiment.run(
    "tricks-rates", declare_rates, profile=profile, seeds=ONCE
)
rates = records.rates(tried)


def declare_tricks(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at the rate that validated best."""
    return {
        name: arm(profile, name, rates.get(name, ladder(profile, name)[0]))
        for name in ARMS.get(profile, FULL)
    }


tricks = experiment.run("tricks", declare_tricks, profile=profile)

# %% [markdown]
# ## Experiment: classes of unequal frequency
#
# Each class keeps fewer pictures than the one before, the last a tenth of the
# first.  Heads on frozen features of EfficientNet-Lite0.

# %%
SAMPLED = {"oversampled": oversampled, "undersampled": undersampled}


def head(
    profile: experiment.Profile,
    *,
    side: int | None = None,
    learnt: bool = True,
    wrap: Any = None,
    task: SingleLabel = losses(),
) -> partial[Any]:
    """Bind a linear layer on features of pictures of a size."""
    side = side or fine_grained.SIDE[profile]
    data = fine_grained.pictures(dataset, profile, side)
    return partial(
        features.fit_head,
        backbone=partial(lite0, 0, pretrained=learnt and profile != "smoke"),
        data=partial(wrap, data=data) if wrap else data,
        view=View(side=side, channels=3),
        task=task,
        recipe=fine_grained.recipe(profile, 0.003, precision="float32"),
    )


def declare_imbalanced(profile: experiment.Profile) -> experiment.Grid:
    """Two losses and two ways to sample."""
    tail = partial(imbalanced, ratio=10)
    grid = {
        "cross-entropy": head(profile, wrap=tail),
        "focal loss": head(profile, wrap=tail, task=losses(criterion="focal")),
    }
    data = fine_grained.pictures(dataset, profile, fine_grained.SIDE[profile])
    for name, sample in SAMPLED.items():
        rare = partial(sample, data=partial(tail, data=data))
        grid[name] = partial(head(profile), data=rare)
    return grid


unequal = experiment.run(
    "tricks-imbalanced", declare_imbalanced, profile=profile
)

# %% [markdown]
# ## Experiment: ensembles, and how to estimate an accuracy

# %%
SIZES = {"smoke": (32, 32), "quick": (64, 96)}


def declare_ensembles(profile: experiment.Profile) -> experiment.Grid:
    """Heads that differ in nothing, in their seed, in what they see."""
    good, bad = head(profile), head(profile, learnt=False)
    sizes = SIZES.get(profile, (64, 96, 128, 160, 224))
    several = tuple(head(profile, side=side) for side in sizes)
    same = (good,) * len(sizes)
    kinds: dict[str, dict[str, Any]] = {
        "five copies": {"members": same, "copies": True},
        "five seeds": {"members": same},
        "five sizes": {"members": several},
        "one good, four bad": {"members": (good, *(bad,) * (len(sizes) - 1))},
    }
    return {
        name: partial(ensembling.ensemble, **settings)
        for name, settings in kinds.items()
    }


def declare_estimates(profile: experiment.Profile) -> experiment.Grid:
    """Estimate accuracy from few examples, by one split, folds, one by one."""
    side = fine_grained.SIDE[profile]
    data = fine_grained.pictures(dataset, profile, side)
    least, examples = (4, 30) if profile == "smoke" else (5, 236)
    folds = 2 if profile == "smoke" else 4  # pictures of a class that is drawn
    ways = {"one split": None, "four folds": folds, "leave one out": examples}
    if profile == "quick":
        del ways["leave one out"]  # as many trainings as there are examples
    return {
        name: partial(
            crossvalidation.estimate,
            backbone=partial(lite0, 0, pretrained=profile != "smoke"),
            data=partial(common, data=data, least=least),
            view=View(side=side, channels=3),
            examples=examples,
            folds=number,
        )
        for name, number in ways.items()
    }


MANY = dict.fromkeys(experiment.PROFILES, 10) | {"smoke": 2}
together = experiment.run(
    "tricks-ensembles", declare_ensembles, profile=profile
)
estimates = experiment.run(
    "tricks-folds", declare_estimates, profile=profile, seeds=MANY
)
show.banner(profile, tricks, unequal, together, estimates)

# %%
show.left_out(
    tricks=(declare_tricks, tricks), estimates=(declare_estimates, estimates)
)

# %% [markdown]
# ## Results
#
# ### One change each

# %%
show.results(tricks, baseline="baseline")

# %%
show.figure(
    figures.differences(records.table(tricks, baseline="baseline")),
    alt="Paired difference in test accuracy of each change to the baseline",
)

# %%
show.figure(
    figures.learning_curves(tricks, "accuracy", unit="validation, share"),
    alt="Validation accuracy of each arm over epochs",
)

# %% [markdown]
# ### Unequal frequency

# %%
show.results(unequal, score="macro-recall", baseline="cross-entropy")

# %% [markdown]
# ### Ensembles
#
# What several heads say together, less what the best of them says:

# %%
show.results(together, score="gain", baseline="five copies")

# %% [markdown]
# ### Estimates
#
# How far they lie from the accuracy on the test split:

# %%
show.results(estimates, score="error", baseline="one split")

# %% [markdown]
# ## Reading

# %%
show.claims("06b_training_tricks")

# %% [markdown]
# A change that wins here won on few drawings, with its rate chosen from three
# by one run; the intervals are for one comparison at a time.
#
# ## Limits
#
# - One network, from scratch, at 64 pixels.  What helps it need not help a
#   network that learnt on photographs.
# - Effects of a change are also effects of its rate: three rates and one run
#   do not tell them apart.
#
# ## Exercises
#
# 1. Put two changes that help together, one more line in `TRAININGS`.  Do their
#    gains add up?
# 2. Give the baseline twice the epochs.  Which arms does it still lose to?
