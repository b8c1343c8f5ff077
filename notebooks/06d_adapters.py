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
# # Adapters: tuning a network by a few weights beside it
#
# Report R3 names "PEFT" and means a library; the letters stand for
# parameter-efficient fine-tuning, and its best-known form, LoRA
# {cite:p}`hu2022lora`, takes forty lines.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from functools import partial
from typing import Any

from coursework import experiment, figures, fine_grained, probes_cost
from coursework import records, show
from coursework.models.adapters import POINTWISE, adapted

figures.style()

# %% [markdown]
# ## Question
#
# INTRO
#
# ## Experiment

# %%
ADAPTERS = {"LoRA": "lora", "LoHa": "loha", "IA3": "ia3"}
WHOLE: dict[str, dict[str, Any]] = {"head": {"strategy": "head"}, "all": {}}
SMALL = ("head", "LoRA")  # all that `smoke` trains


def arm(profile: experiment.Profile, name: str, **recipe: Any) -> partial[Any]:
    """Bind an adapter in every 1 x 1 convolution, or one of two controls."""
    chosen = fine_grained.recipe(profile, **recipe)
    whole = fine_grained.arm(dataset, profile, chosen, **WHOLE.get(name, {}))
    if name in WHOLE:
        return whole
    return partial(
        whole,
        model=partial(
            adapted,
            build=partial(
                fine_grained.body(profile),
                classes=fine_grained.classes(dataset, profile),
            ),
            kind=ADAPTERS[name],
            targets=("conv2",) if profile == "full" else POINTWISE,
            head="fc" if profile == "full" else "classifier",
        ),
    )


def names(profile: experiment.Profile) -> tuple[str, ...]:
    """Name the arms that a profile trains."""
    return SMALL if profile == "smoke" else (*WHOLE, *ADAPTERS)


def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at each rate, for half of the epochs."""
    half = max(1, fine_grained.EPOCHS[profile] // 2)
    return {
        f"{name}, rate {rate}": arm(profile, name, rate=rate, epochs=half)
        for name in names(profile)
        for rate in fine_grained.RATES[profile]
    }


rest = "evidence" if (profile, dataset) == ("quick", "animals") else profile
once = dict.fromkeys(experiment.PROFILES, 1)
tried = experiment.run(
    "fine-adapter-rates", declare_rates, profile=rest, seeds=once
)
rates = records.rates(tried)


def declare(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at its rate."""
    grid = {}
    for name in names(profile):
        exact = {"precision": "float32"} if name == "head" else {}
        bound = arm(profile, name, rate=rates.get(name, 0.001), **exact)
        grid[name] = partial(bound, probes=(probes_cost.step_memory,))
    return grid


runs = experiment.run("fine-adapters", declare, profile=rest)
show.banner(profile, runs)
