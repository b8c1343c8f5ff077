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
# time and accuracy, and answers from memory.  Here is one network, one change
# at a time, measured.  The profile `full` is for a GPU; the others fit a
# laptop, and what they say about seconds is about a laptop's processor.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
import math
from functools import partial
from typing import Any

from coursework import experiment, figures, fine_grained, floats
from coursework import probes_cost, records, show
from coursework.views import resources

figures.style()

# %% [markdown]
# ## Question
#
# 1. What does mixed precision save, and what does it cost?
# 2. What do larger batches do to memory, to steps and to accuracy?
# 3. What does freezing save?
#
# ## Prediction
#
# R3 writes that mixed precision halves memory, that larger batches lower it,
# and that a small batch generalises worse.  Before you go on: which of these
# can be settled with paper and pencil, and which need runs?
#
# ## Method
#
# ### Three formats
#
# "Smallest" is the least number at full precision, "least" the least above
# zero.

# %%
show.frame(floats.formats())

# %% [markdown]
# float16 has the digits, bfloat16 has the range.  Weights stay in float32 with
# both {cite:p}`micikevicius2018mixed`: next to 1, bfloat16 loses a step of a
# thousandth, as the last column shows.
#
# ### What autocast lowers
#
# Mixed precision chooses by operation.  Here each runs under the CPU's
# autocast, once on float32 and once on bfloat16, and its output's type is
# looked at.  Autocast goes around the forward pass and the loss only; the
# backward pass takes each operation's type from there.

# %%
show.frame(floats.lowered())

# %% [markdown]
# ### A gradient that underflows
#
# The true gradient of this loss is 1e-8, below the least float16:

# %%
show.source(floats.gradient)

# %%
show.frame(floats.underflow())

# %% [markdown]
# A scale helps as long as nothing overflows.  `GradScaler` finds it while
# training: an infinite gradient skips the step and halves the scale, and some
# steps taken in a row double it (three here, 2,000 unless told otherwise).

# %%
show.frame(floats.scaled_steps())

# %% [markdown]
# bfloat16 has float32's range and needs no scale: the runs below use it.
#
# ### What a step keeps
#
# The backward pass needs what the forward pass computed.  These bytes are
# counted where autograd saves them, not read off a process, so they hold on
# any machine:

# %%
show.source(probes_cost.step_memory)

# %% [markdown]
# ## Experiment
#
# All arms tune the same network for the same number of epochs.  A batch of
# another size has its rate multiplied by the root of the ratio.  (`quick` shows
# the committed `standard` runs.)

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

# %%
show.left_out(arms=(declare, runs))

# %%
arms = records.grouped(runs)
SIZES = ("batch of 8", "bfloat16", "batch of 128", "the whole set")
batches = {name: arms[name] for name in SIZES}

# %% [markdown]
# ## Results

# %%
show.markdown(f"Data of this page: **{runs[0].data['name']}**.")

# %% [markdown]
# ### Memory and time
#
# Kept bytes and gradients are counted.  Seconds are a median, and depend on the
# machine; "times as long" is the paired ratio to the arm "bfloat16", with its
# 95 % interval over seeds.

# %%
show.frame(resources.costs(arms, "bfloat16"))

# %%
show.made_of(runs)

# %% [markdown]
# ### Accuracy
#
# Differences are paired with the arm "bfloat16", batches of 32.

# %%
show.results(runs, baseline="bfloat16")

# %% [markdown]
# ### Batches

# %%
show.figure(
    resources.over_batches(batches),
    alt="What a step keeps, the number of steps, and test accuracy with "
    "intervals, over the pictures of a step",
)

# %%
show.made_of(runs)

# %% [markdown]
# ## Reading

# %%
show.claims("06f_resources")

# %%
show.markdown(resources.precision_saves(arms, "float32", "bfloat16"))

# %%
show.markdown(resources.memory_of_batches(batches))

# %% [markdown]
# Only what is kept grows with the batch.  Weights, gradients and the
# optimiser's means do not, which is why a larger batch never lowers memory.
#
# R3 also saw many zeros in its training accuracy, batch by batch:

# %%
CLASSES, PICTURES = 200, 16
show.markdown(
    f"A guess among {CLASSES} classes gets none of {PICTURES} pictures right "
    f"with probability {(1 - 1 / CLASSES) ** PICTURES:.2f}: zeros are what "
    "batches of this size show before anything is learnt."
)

# %% [markdown]
# ## Limits
#
# - Seconds are one machine's.  Whether bfloat16 pays in time depends on the
#   processor's instructions; bytes do not.
# - Autocast lowers products and convolutions, not all that is kept.  On a CPU
#   some convolutions by channel stay in float32, for they are slower in
#   bfloat16; on a GPU they do not, and less is kept.
# - In bfloat16 the short copies of the weights are counted with what a batch of
#   16 keeps.  Larger batches share them, so theirs is a little less.
# - Kept bytes are not the peak: convolutions take work space, and on a GPU
#   the allocator keeps what it once had.
# - The set is small, so "the whole set" is a batch of a few hundred.
# - The rate follows the root of the batch and was not tuned for each size: a
#   size that does worse might do better at a rate of its own.
# - Equal epochs are not equal steps.  A large batch takes fewer, and that alone
#   may be what it lacks.
#
# ## Exercises
#
# 1. Multiply the rate with the batch itself, not with its root: drop
#    `math.sqrt`, and ask for `profile=profile` in `run`. Which sizes fail?
#
#    <details><summary>Solution</summary>
#
#    The largest is the one to watch: its rate is several times that of the
#    root, and the smallest batch's is half. The rule with the batch itself
#    was made for plain gradient descent, where the gradient's size is part of
#    a step. AdamW divides by that size, so its steps are as long as the rate
#    says, however large the batch.
#
#    </details>
#
# 2. Take `floats.underflow(2.0**30)`. What happens, and why only in float16?
#    Which is the largest power of two that still helps? (Checked.)
#
#    <details><summary>Solution</summary>
#
#    The gradient becomes infinite. The backward pass reaches float16 with the
#    scaled gradient of the output, and that is larger than float16's largest
#    number; float32 and bfloat16 have eight bits for the exponent, float16
#    five. `GradScaler` would skip this step and halve the scale.
#
#    </details>
#
# 3. Train the arm "head" in float32. Why does precision save less there?
#
#    <details><summary>Solution</summary>
#
#    What bfloat16 halves is what a step keeps, and a frozen body keeps
#    nothing: of the whole network only what the head was given is left to be
#    halved. Time is another matter: the forward pass goes through the body
#    all the same.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.largest_scale(None)
