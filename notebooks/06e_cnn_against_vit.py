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
# # Convnet against vision transformer: what transfers
#
# Report R3 compared a ResNet-50 of which 15.4 million parameters were trained
# with a ViT-B/16 of which 2.5 million were, and concluded that too little of
# the ViT was unfrozen.  Here both networks have the same number of parameters,
# learn the same digits, and are tuned to other digits by the same strategies.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from coursework import experiment, figures, finetuning
from coursework import probes_cost, probes_looks, probes_transfer
from coursework import records, show, training
from coursework.data.parts import few, inked, only
from coursework.data.sets import loader
from coursework.data.splits import Loader
from coursework.models.convnet import ConvNet
from coursework.models.vit import vit_mnist, vit_with_attention
from coursework.recipe import Recipe

figures.style()

# %% [markdown]
# ## Question
#
# INTRO
#
# ## Experiment: tuned to other digits

# %%
OLD, NEW = tuple("01234"), tuple("56789")
TRAIN = {"smoke": 60, "quick": 2_000, "standard": 10_000}
SCORED = {"smoke": 20, "quick": 250, "standard": 500}
EACH = {"smoke": 4, "quick": 16, "standard": 32, "full": 32}
EPOCHS = {"smoke": 1, "quick": 5, "standard": 20, "full": 20}
SOURCE_EPOCHS = {"smoke": 1, "quick": 1, "standard": 5, "full": 20}
LADDER = (0.0003, 0.001, 0.003)
RATES = {"smoke": LADDER[1:2], "quick": LADDER[1:2]}

CONVNET = partial(ConvNet, width=39)
VIT = vit_mnist


def digits(profile: experiment.Profile, train: int | None) -> Loader:
    """Load all ten digits, with masks of their ink."""
    found = loader(dataset, train=train, scored=SCORED.get(profile))
    return partial(inked, data=found)


def recipe(rate: float, epochs: int, batch: int = 32) -> Recipe:
    """Return the recipe of all arms but for rate and budget."""
    return Recipe(
        epochs=epochs,
        batch_size=batch,
        optimiser="adamw",
        learning_rate=rate,
        weight_decay=0.01,
        schedule="one-cycle",
    )


STRATEGIES: dict[str, tuple[Callable[..., nn.Module], dict[str, Any]]] = {
    "convnet, head": (CONVNET, {"strategy": "head"}),
    "convnet, first stage": (CONVNET, {"strategy": "first-stage"}),
    "convnet, last stage": (CONVNET, {"strategy": "last-stage"}),
    "convnet, all": (CONVNET, {}),
    "ViT, head": (VIT, {"strategy": "head"}),
    "ViT, attention": (VIT, {"strategy": "attention"}),
    "ViT, one block": (VIT, {"strategy": "last-stage"}),
    "ViT, three blocks": (VIT, {"strategy": "last-stage", "last": 3}),
    "ViT, added attention": (vit_with_attention, {"strategy": "last-stage"}),
    "ViT, all": (VIT, {}),
    "ViT, LoRA": (VIT, {"adapter": "lora"}),
    "ViT, LoHa": (VIT, {"adapter": "loha"}),
    "ViT, IA3": (VIT, {"adapter": "ia3"}),
}
FEW = ("convnet, head", "convnet, all", "ViT, attention", "ViT, all")


def names(profile: experiment.Profile) -> tuple[str, ...]:
    """Name the strategies that a profile trains."""
    return FEW if profile in ("smoke", "quick") else tuple(STRATEGIES)


def tune(
    profile: experiment.Profile, name: str, rate: float, **settings: Any
) -> partial[Any]:
    """Bind a network that learnt the old digits, to be tuned to the new."""
    network, strategy = STRATEGIES[name]
    source = VIT if network is vit_with_attention else network
    whole = digits(profile, TRAIN.get(profile))
    return partial(
        finetuning.fine_tune,
        backbone=network,
        classes=len(NEW),
        source_backbone=source,
        source=partial(only, data=whole, classes=OLD),
        source_classes=len(OLD),
        source_recipe=recipe(0.003, SOURCE_EPOCHS[profile], 64),
        data=partial(
            few, data=partial(only, data=whole, classes=NEW), each=EACH[profile]
        ),
        recipe=recipe(rate, EPOCHS[profile], 16),
        **strategy,
        **settings,
    )


def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each strategy at each rate."""
    return {
        f"{name}, rate {rate}": tune(profile, name, rate)
        for name in names(profile)
        for rate in RATES.get(profile, LADDER)
    }


ONCE = dict.fromkeys(experiment.PROFILES, 1)
tried = experiment.run(
    "digits-rates", declare_rates, profile=profile, seeds=ONCE
)
rates = records.rates(tried)


def declare_strategies(profile: experiment.Profile) -> experiment.Grid:
    """Each strategy at its rate."""
    return {
        name: tune(
            profile,
            name,
            rates.get(name, 0.001),
            probes=(probes_cost.step_memory,),
        )
        for name in names(profile)
    }


strategies = experiment.run(
    "digits-strategies", declare_strategies, profile=profile
)

# %% [markdown]
# ## Experiment: how much data each needs

# %%
DATA = {"smoke": (4,), "quick": (16, 64)}
STEPS = {"smoke": 2, "quick": 60}
NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "convnet": CONVNET,
    "ViT": VIT,
    "ViT without positions": partial(VIT, positions=False),
}
LOOKS = (
    probes_transfer.resolutions,
    probes_transfer.shift_equivariance,
    probes_looks.looks,
)


def scratch(
    profile: experiment.Profile, name: str, each: int, rate: float
) -> partial[Any]:
    """Bind a network to be trained on so many of each digit."""
    whole = digits(profile, None)
    steps = STEPS.get(profile, 600)
    epochs = min(60, max(1, round(steps * 32 / (10 * each))))
    looks = [*LOOKS, probes_transfer.attention_distances]
    return partial(
        training.fit,
        model=NETWORKS[name],
        data=partial(few, data=whole, each=each),
        recipe=recipe(rate, epochs),
        probes=looks if name != "convnet" else looks[:-1],
    )


def most(profile: experiment.Profile) -> int:
    """Say how many pictures a class there are at most."""
    return DATA.get(profile, (1024,))[-1]


def declare_scratch_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each network at each rate, on most of the data."""
    return {
        f"{name}, rate {rate}": scratch(profile, name, most(profile), rate)
        for name in NETWORKS
        for rate in RATES.get(profile, LADDER)
    }


tried_scratch = experiment.run(
    "digits-scratch-rates", declare_scratch_rates, profile=profile, seeds=ONCE
)
found = records.rates(tried_scratch)


def declare_data(profile: experiment.Profile) -> experiment.Grid:
    """Both networks from scratch, on few and on many pictures."""
    return {
        f"{name}, {each} a class": scratch(
            profile, name, each, found.get(name, 0.001)
        )
        for name in ("convnet", "ViT")
        for each in DATA.get(profile, (4, 16, 64, 256, 1024))
    }


def declare_sizes(profile: experiment.Profile) -> experiment.Grid:
    """All three networks on most of the data, looked at from all sides."""
    return {
        name: scratch(profile, name, most(profile), found.get(name, 0.001))
        for name in NETWORKS
    }


data = experiment.run("digits-data", declare_data, profile=profile)
sizes = experiment.run("digits-sizes", declare_sizes, profile=profile)
show.banner(profile, strategies, data, sizes)
