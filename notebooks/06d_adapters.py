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
# {cite:p}`hu2022lora`, takes forty lines.  The pictures are those of the page
# before: drawings of animals that stand in for R3's birds.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from functools import partial
from typing import Any

from coursework import experiment, figures, fine_grained, probes_cost
from coursework import records, show
from coursework.models.adapters import POINTWISE, adapted
from coursework.models.lora import LowRank
from coursework.views import transfer

figures.style()

# %% [markdown]
# ## Question
#
# 1. How near do adapters, in a network that stays as it is, come to tuning it
#    all; and how far do they get beyond its head alone?
# 2. They train few weights.  Do they save memory and time as well?
#
# ## Prediction
#
# A LoRA of rank 8 trains a fraction of the weights.  Before you go on: will a
# step keep that fraction of the bytes for its backward pass, or will it take
# that fraction of the time?
#
# ## Method
#
# A change of a weight matrix by tuning, says the paper, has a small rank: it
# can be written as a product of a thin matrix up and a thin matrix down. So the
# matrix stays, and the two thin ones beside it are what trains.  Up starts at
# zero: the adapted network starts as the one it adapts.

# %%
show.source(LowRank)

# %% [markdown]
# A 1 x 1 convolution from *a* to *b* channels has *a b* weights, its LoRA of
# rank *r* only *r (a + b)*. Afterwards the product is added to the weights, and
# the network is as large and as fast as before: that the merged one computes
# the same is tested, as is that these lines and the `peft` library's give the
# same numbers.  The runs use the library, for it has more:
#
# - *LoHa* {cite:p}`hyeonwoo2022fedpara` multiplies two such products element by
#   element, and so reaches the square of their rank;
# - *IA3* {cite:p}`liu2022ia3` has no matrix at all, but a factor for each
#   output channel, which starts at one.
#
# Adapters sit in every 1 x 1 convolution of an EfficientNet-Lite0 with ImageNet
# weights, where most of its weights are; batch norms are frozen, statistics
# included (`full` has a ResNet-50, and adapters in its 3 x 3 convolutions). The
# head trains with them, in full.  Controls are the *head* alone, and
# *all*.  Data, recipe and seeds are those of [the page on
# strategies](06_fine_grained_transfer), and each arm's rate is chosen from
# three in the same way.  (`quick` takes the rates that the committed runs
# chose.)
#
# ## Experiment

# %%
ADAPTERS = {"LoRA": "lora", "LoHa": "loha", "IA3": "ia3"}
WHOLE: dict[str, dict[str, Any]] = {"head": {"strategy": "head"}, "all": {}}
SMALL = ("head", "LoRA")  # all that `smoke` and `quick` train


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
    if profile == "full":
        return (*WHOLE, *ADAPTERS)
    return (*WHOLE, "LoRA", "IA3") if profile == "standard" else SMALL


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


runs = experiment.run("fine-adapters", declare, profile=profile)
show.banner(profile, runs)

# %%
show.left_out(adapters=(declare, runs))

# %%
groups = records.grouped(runs)

# %% [markdown]
# ## Results

# %%
show.markdown(f"Data of this page: **{runs[0].data['name']}**.")

# %% [markdown]
# Rates were chosen by validation accuracy, in per cent, one run each:

# %%
show.frame(transfer.rates(tried))

# %%
show.markdown(transfer.at_the_edge(tried))

# %% [markdown]
# *Trained* counts adapters and head, *of all* both and the body; *kept* is what
# autograd keeps of one picture for the backward pass; *gap* is the last
# validation loss less the last training loss.  Differences are paired over
# seeds, with 95 % intervals; seconds are those of training alone, on a machine
# that did other work, too.

# %%
show.frame(transfer.costs(groups, "head", "all"))

# %%
show.figure(
    figures.differences(records.table(runs, baseline="head")),
    alt="Paired difference in test accuracy of each arm to the head alone",
)

# %%
show.figure(
    figures.learning_curves(runs, "accuracy", unit="validation, share"),
    alt="Validation accuracy of each arm over epochs",
)

# %%
show.made_of([*tried, *runs])

# %% [markdown]
# ## Reading

# %%
show.markdown(transfer.against(groups, "head"))

# %%
show.markdown(transfer.trained_and_kept(groups))

# %% [markdown]
# - The gradient has to reach the first adapter, so a step goes back through the
#   whole network and keeps what each adapter was given.  What adapters save is
#   the optimiser's memory and the file of a tuned network, which matters where
#   a network has billions of weights, and hardly here.
# - Each adapter is one more product beside a layer that is there already: no
#   step gets shorter by it.
# - A head of as many classes as here has more weights than some adapters: look
#   at what *trained* is of the head alone.
#
# ## Limits
#
# - One network, small, and made of convolutions.  What the adapters of a ViT's
#   attention do is on [the page on ViTs](06e_cnn_against_vit).
# - One rank.  The paper finds that it hardly matters; nobody tried here.
# - Batch norms stay frozen beside the adapters, and are tuned in *all*: part of
#   the difference to *all* may be theirs.
# - The rates were chosen by one run each, with half of the epochs.
# - IA3 was made for keys, values and the MLPs of transformers, not for this.
#
# ## Exercises
#
# 1. Give `adapted` a `rank=32`, one line in `arm`. How many weights of the LoRA
#    train then beside a 1 × 1 convolution from 80 to 480 channels? (Checked.)
#    Is it better?
#
#    <details><summary>Solution</summary>
#
#    $r (a + b)$ of them, four times as many as at rank 8 and still fewer than
#    the convolution's $a b$. The scale is alpha / rank: `alpha` stays, so a
#    larger rank also has a smaller scale, and its best rate may be another.
#
#    </details>
#
# 2. Put `"own-lora"` in the place of `"lora"`. Which digits of the table
#    change?
#
#    <details><summary>Solution</summary>
#
#    Not those that are counted: as many weights train, and a step keeps as
#    much. Accuracy moves as it does from seed to seed, for the library draws
#    its first *A* from other random numbers than these forty lines do. From
#    the same weights both compute the same, which is tested.
#
#    </details>
#
# 3. Adapt `("conv_pw",)` alone, or `("conv_pwl",)`. Which of them matters?
#
#    <details><summary>Solution</summary>
#
#    They lead from few channels to many and back, so about as many weights
#    train in either, and your runs say which half is missed more. Little memory
#    is saved by leaving one out: a step still goes back to the first adapter,
#    which lies near the input in both cases.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.lora_weights(None)
