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
# # Fine-grained transfer: what to train
#
# Report R3 set out to tell 200 species of birds apart
# {cite:p}`wah2011caltech`, with a ResNet-50 and a ViT from ImageNet of which it
# trained the last parts.  It gives no accuracy; every experiment was "to be
# completed", and five of its parameter counts are wrong.  Here are the
# experiments, on pictures that can be had everywhere, and the counts.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from functools import partial
from typing import Any

from coursework import experiment, features, figures, fine_grained
from coursework import probes_cost, probes_looks, records, show
from coursework.data.augment import View
from coursework.data.folds import fold
from coursework.data.parts import few

figures.style()

# %% [markdown]
# ## Question
#
# 1. How much of a network from ImageNet has to be trained for classes it never
#    saw, and what does each choice cost?
# 2. Are features that are computed once as good as the frozen network in the
#    loop?
# 3. How many pictures a class does it take?
# 4. What did R3's folds do to its accuracy, and what its sizes and rates?
#
# ## Prediction
#
# The data are drawings of animals, few a class, and the test drawings are of
# styles that nobody trained on.  Before you go on: which wins, a linear layer
# on frozen features, or all weights tuned?  And where in between?
#
# ## Method
#
# METHOD
#
# ## Experiment: strategies
#
# All arms but the first start from the same weights, and each new head from
# the same numbers.  Each arm's peak rate is chosen from three, on validation
# pictures, by one seed and half of the epochs.

# %%
STRATEGIES: dict[str, dict[str, Any]] = {
    "from scratch": {"pretrained": False},
    "head": {"strategy": "head"},
    "last stage": {"strategy": "last-stage"},
    "gradual": {"strategy": "gradual"},
    "all": {},
    "all, decayed rates": {"layer_decay": 0.7},
    "batch norm": {"strategy": "batch-norm"},
}
SMALL = ("head", "last stage")  # all that `smoke` and `quick` train


def names(profile: experiment.Profile) -> tuple[str, ...]:
    """Name the strategies that a profile trains."""
    return SMALL if profile in ("smoke", "quick") else tuple(STRATEGIES)


def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each strategy at each rate, for half of the epochs."""
    half = max(1, fine_grained.EPOCHS[profile] // 2)
    return {
        f"{name}, rate {rate}": fine_grained.arm(
            dataset,
            profile,
            fine_grained.recipe(profile, rate, epochs=half),
            **STRATEGIES[name],
        )
        for name in names(profile)
        for rate in fine_grained.RATES[profile]
    }


ONCE = dict.fromkeys(experiment.PROFILES, 1)
tried = experiment.run("fine-rates", declare_rates, profile=profile, seeds=ONCE)
rates = records.rates(tried)


# %% [markdown]
# The head is trained twice, both times in float32: with the frozen network in
# the loop, and on features that were computed once.


# %%
def declare_strategies(profile: experiment.Profile) -> experiment.Grid:
    """Each strategy at its rate, and the head on kept features."""
    grid = {}
    for name in names(profile):
        exact = {"precision": "float32"} if name == "head" else {}
        rate = rates.get(name, 0.001)
        grid[name] = partial(
            fine_grained.arm(
                dataset,
                profile,
                fine_grained.recipe(profile, rate, **exact),
                **STRATEGIES[name],
            ),
            probes=(probes_cost.step_memory, probes_looks.looks),
            watches=(probes_cost.empty_batches,) if name == "head" else (),
        )
    grid["features once"] = head(profile, rates.get("head", 0.001))
    return grid


def head(
    profile: experiment.Profile,
    rate: float,
    *,
    learnt: bool = True,
    side: int | None = None,
    wrap: Any = None,
    **changes: Any,
) -> partial[Any]:
    """Bind a linear layer on features that were computed once."""
    side = side or fine_grained.SIDE[profile]
    data = fine_grained.pictures(dataset, profile, side)
    return partial(
        features.fit_head,
        backbone=partial(fine_grained.body(profile, learnt), classes=0),
        data=partial(wrap, data=data) if wrap else data,
        view=View(side=side, channels=3),
        recipe=fine_grained.recipe(
            profile, rate, **{"precision": "float32"} | changes
        ),
    )


strategies = experiment.run(
    "fine-strategies", declare_strategies, profile=profile
)

# %% [markdown]
# ## Experiment: how many pictures a class?
#
# Heads on kept features, each at three rates; the control's features are those
# of the same network with random weights.  (`quick` shows the committed
# `standard` runs from here on.)

# %%
EACH = {"smoke": (2,), "standard": (1, 2, 3, 4, None)}


def declare_few(profile: experiment.Profile) -> experiment.Grid:
    """Heads on the features of few pictures a class, learnt and random."""
    return {
        f"{weights}, {each or 'all'} a class, rate {rate}": head(
            profile,
            rate,
            learnt=weights == "ImageNet",
            wrap=partial(few, each=each),
        )
        for weights in ("ImageNet", "random")
        for each in EACH.get(profile, (2, 5, 10, 20, None))
        for rate in fine_grained.RATES[profile]
    }


rest = "evidence" if (profile, dataset) == ("quick", "animals") else profile
curve = experiment.run("fine-few", declare_few, profile=rest)

# %% [markdown]
# ## Experiment: R3's folds, sizes and rates
#
# R3's family of projects cut a list that was sorted by class into contiguous
# folds: most classes of a validation fold are then never trained on.  And R3
# began at 448 pixels with a rate of 5e-5.


# %%
def declare_folds(profile: experiment.Profile) -> experiment.Grid:
    """Validate on one of two folds, each class shared out or not."""
    rate = rates.get("head", 0.001)
    kinds = {"contiguous": True, "stratified": False}
    return {
        f"{kind} fold {number + 1}": head(
            profile,
            rate,
            wrap=partial(fold, number=number, folds=2, contiguous=contiguous),
        )
        for kind, contiguous in kinds.items()
        for number in range(2)
    }


def declare_sizes(profile: experiment.Profile) -> experiment.Grid:
    """Features of pictures of three sizes, heads at three rates."""
    sides = (32,) if profile == "smoke" else (224, 256, 448)
    return {
        f"{side} px, rate {rate}": head(
            profile, rate, side=side, precision="auto"
        )
        for side in sides
        for rate in fine_grained.RATES[profile]
    }


def declare_r3(profile: experiment.Profile) -> experiment.Grid:
    """R3's two rates and two optimisers, and the rate chosen here."""
    chosen = {"AdamW, our rate": ("adamw", rates.get("head", 0.001))}
    theirs = {
        f"{label}, {rate}": (optimiser, rate)
        for label, optimiser in (("SGD", "sgd"), ("AdamW", "adamw"))
        for rate in (0.00005, 0.0001)
    }
    return {
        name: head(profile, rate, optimiser=optimiser)
        for name, (optimiser, rate) in (theirs | chosen).items()
    }


folded = experiment.run("fine-folds", declare_folds, profile=rest)
sizes = experiment.run("fine-sizes", declare_sizes, profile=rest)
by_r3 = experiment.run("fine-r3", declare_r3, profile=rest)
show.banner(profile, strategies, curve, folded, sizes, by_r3)
