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
# # Memory, time and precision
#
# Report R3 asks what mixed precision, batch size and freezing do to memory,
# time and accuracy, and answers from memory.  One network, one change at a
# time, measured.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
import math
from functools import partial
from typing import Any

from coursework import experiment, figures, fine_grained, probes_cost, show

figures.style()

# %% [markdown]
# ## Question
#
# INTRO
#
# ## Experiment

# %%
SIDE = {"smoke": 32, "full": 224}
EPOCHS = {"smoke": 1, "quick": 1, "full": 30}
RATE, BATCH = 0.001, 32  # a batch of another size has the root's share of it
ARMS: dict[str, dict[str, Any]] = {
    "bfloat16": {"precision": "bfloat16"},
    "float32": {"precision": "float32"},
    "batch of 8": {"precision": "bfloat16", "batch_size": 8},
    "batch of 128": {"precision": "bfloat16", "batch_size": 128},
    "the whole set": {"precision": "bfloat16", "batch_size": None},
    "last stage": {"precision": "bfloat16"},
    "head": {"precision": "bfloat16"},
}
FROZEN = {"last stage": "last-stage", "head": "head"}


def declare(profile: experiment.Profile) -> experiment.Grid:
    """One network, one change at a time."""
    grid = {}
    for name, changes in ARMS.items():
        size = changes.get("batch_size", BATCH)
        pictures = 451 if size is None else size
        recipe = fine_grained.recipe(
            profile,
            RATE * math.sqrt(pictures / BATCH),
            **{"epochs": EPOCHS.get(profile, 5)} | changes,
        )
        grid[name] = partial(
            fine_grained.arm(
                dataset,
                profile,
                recipe,
                side=SIDE.get(profile, 64),
                strategy=FROZEN.get(name, "all"),
            ),
            probes=(probes_cost.step_memory,),
        )
    return grid


rest = "evidence" if (profile, dataset) == ("quick", "animals") else profile
runs = experiment.run("fine-resources", declare, profile=rest)
show.banner(profile, runs)
