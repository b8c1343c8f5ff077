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
# # Pitfalls: what mistakes do to the numbers
#
# Report R2 never called `eval()`, so its networks were scored with dropout on
# and with batch statistics of the test set; and its AlexNets had a softmax
# before a loss that takes logits.  Here both are made on purpose and measured.
# The last study puts two sayings to the test: that resizing is augmentation,
# and that ResNet-18 overfits small data sets.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from coursework import experiment, figures, probes, records, show, stats
from coursework import training
from coursework.data.augment import View
from coursework.data.sets import loader
from coursework.models.alexnet import AlexNet
from coursework.models.lenet import LeNet
from coursework.models.pitfalls import softmax_last
from coursework.models.r2 import Build
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe

figures.style()

# %% [markdown]
# ## Question
#
# 1. By how much does scoring in training mode change an accuracy?
# 2. What does a softmax before the loss do to training?
# 3. Does resizing act like augmentation, and does ResNet-18 overfit few digits
#    more than LeNet?
#
# ## Prediction
#
# In training mode a batch norm takes its mean and variance from the very batch
# it scores.  Would a batch sorted by class be scored better or worse than a
# mixed one?  And which network suffers more from a wrong softmax: one that has
# batch norm, or one that has none?
#
# ## Method
#
# The same trained network is scored three times on validation digits:

# %%
show.source(probes.train_mode)

# %% [markdown]
# The second mistake is one line, and nothing crashes:

# %%
show.source(softmax_last)

# %%
floor = math.log(1 + 9 / math.e)
show.markdown(
    f"""
    With the right class at probability one, the loss of ten classes is
    $\\ln(1 + 9/e) = {floor:.2f}$ nats: a training curve that levels out
    there is the sign by which this mistake is recognised.
    """
)

# %% [markdown]
# ## Experiment: two mistakes
#
# A narrow ResNet-18 (batch norm, no dropout) and a narrow AlexNet (dropout, no
# batch norm), with logits and with a softmax before the loss.

# %%
TRAIN = {"smoke": 100, "quick": 1_000, "standard": 6_000, "full": None}
SCORED = {"quick": 1_000}  # validation and test pictures each; else all
EPOCHS = {"smoke": 1, "quick": 1, "standard": 2, "full": 10}


def declare_mistakes(profile: experiment.Profile) -> experiment.Grid:
    """Two networks, with and without a softmax before the loss."""
    networks: dict[str, Build] = {
        "ResNet-18": partial(ResNet, 18, channels=1, classes=10, width=16),
        "AlexNet": partial(AlexNet, channels=1, classes=10, width=16),
    }
    networks |= {
        f"{name}, softmax": partial(softmax_last, network)
        for name, network in networks.items()
    }
    return {
        name: partial(
            training.fit,
            model=network,
            data=loader(
                dataset, train=TRAIN[profile], scored=SCORED.get(profile)
            ),
            view=View(side=64),
            recipe=Recipe(
                epochs=EPOCHS[profile],
                optimiser="adamw",
                learning_rate=0.002,
                schedule="one-cycle",
                precision="auto",
            ),
            probes=(probes.train_mode,),
        )
        for name, network in networks.items()
    }


mistakes = experiment.run("zoo-mistakes", declare_mistakes, profile=profile)

# %% [markdown]
# ## Experiment: few digits, many epochs
#
# A few hundred digits, trained on until they are known by heart; with shifted
# digits as an augmentation that is one, and with resized ones.  ResNet-18 has
# half its width in `standard`.


# %%
def declare_small(profile: experiment.Profile) -> experiment.Grid:
    """LeNet and ResNet-18 on few digits, resized and shifted."""
    few = {"smoke": 60, "quick": 200, "standard": 500, "full": 500}
    epochs = {"smoke": 2, "quick": 5, "standard": 15, "full": 50}
    width = {"smoke": 8, "quick": 16, "standard": 32, "full": 64}
    recipe = Recipe(
        epochs=epochs[profile],
        batch_size=50,
        optimiser="adamw",
        learning_rate=0.001,
        schedule="one-cycle",
        precision="auto",
    )
    moved = replace(recipe, shift=2)
    resnet = partial(ResNet, 18, channels=1, classes=10, width=width[profile])
    arms: dict[str, tuple[Build, Recipe, View]] = {
        "LeNet": (LeNet, recipe, View()),
        "LeNet, shifted": (LeNet, moved, View()),
        "ResNet-18": (resnet, recipe, View()),
        "ResNet-18, shifted": (resnet, moved, View()),
        "ResNet-18, resized": (resnet, recipe, View(side=56)),
    }
    return {
        name: partial(
            training.fit,
            model=network,
            data=loader(
                dataset, train=few[profile], scored=SCORED.get(profile)
            ),
            view=view,
            recipe=chosen,
        )
        for name, (network, chosen, view) in arms.items()
    }


rest = "evidence" if (profile, dataset) == ("quick", "mnist") else profile
small = experiment.run("small-data", declare_small, profile=rest)
show.banner(profile, mistakes, small)

# %%
show.left_out(
    mistakes=(declare_mistakes, mistakes), small=(declare_small, small)
)

# %% [markdown]
# ## Results
#
# ### Scored in training mode
#
# Accuracy on the validation digits, in points of difference to evaluation
# mode, on mixed batches of 128 and on batches sorted by class:

# %%
rows = []
for name, runs in records.grouped(mistakes).items():
    found = np.array([r.arrays("train_mode.npz")["accuracy"] for r in runs])
    right = stats.t_interval(list(found[:, 0]))
    mixed, in_order = (
        stats.t_interval(list(found[:, i] - found[:, 0])) for i in (1, 2)
    )
    rows.append(
        {
            "network": name,
            "evaluation mode": show.percent(right),
            "training mode, mixed": show.points(mixed),
            "training mode, sorted": show.points(in_order),
        }
    )
show.frame(pd.DataFrame(rows))

# %%
show.made_of(mistakes)

# %% [markdown]
# ### A softmax before the loss

# %%
show.results(mistakes)

# %%
show.figure(
    figures.learning_curves(mistakes, "train loss", unit="nats", log=True),
    alt="Training loss over epochs with logits and with a softmax before the "
    "loss",
)

# %% [markdown]
# ### Few digits

# %%
show.results(small, baseline="ResNet-18")

# %%
show.figure(
    figures.learning_curves(small, "train loss", unit="nats", log=True),
    alt="Training loss over epochs on few digits",
)

# %%
show.figure(
    figures.learning_curves(small, "validation loss", unit="nats", log=True),
    alt="Validation loss over epochs on few digits",
)

# %% [markdown]
# ## Reading

# %%
show.claims("02_mnist_zoo", only=(13, 40))

# %% [markdown]
# On resizing: the rule asks what it *does*, and the gap between both losses is
# what augmentation is made for.  As to the *reason*, a resized digit is the
# same in every epoch, so nothing is added to what the network sees.  What
# changes is the network: of small pictures its last maps are mostly padding,
# of resized ones less so.  Which of the two it is, a network that keeps the
# whole side of small pictures could tell (the third exercise).
#
# Scoring in training mode is not one error but several: dropout makes an
# accuracy too low, and batch statistics make it depend on which pictures happen
# to share a batch.  On mixed batches this hardly shows, which is how R2 could
# miss it; on batches sorted by class it destroys the network.
#
# ## Limits
#
# - In training mode, batches of 128 were scored; with smaller ones batch
#   statistics are noisier.
# - AlexNet and ResNet-18 are narrow here, and their rate was not tuned to a
#   wrong softmax; a larger one may hide part of its harm.
# - Few digits means one draw of them, the same for all seeds.
#
# ## Exercises
#
# 1. Score batches of four in training mode: `BATCH = 4` in `probes.py`. What
#    becomes of ResNet-18?
#
#    <details><summary>Solution</summary>
#
#    Its last maps have few places, so a mean over four pictures is one over
#    few numbers and what a picture gets depends on its three neighbours.
#    Expect accuracy to fall on mixed batches as well, which it hardly did at
#    128.
#
#    </details>
#
# 2. Replace the softmax in `softmax_last` by a log-softmax, one word, and run
#    again. Why does nothing change? Which of these could stand before a
#    cross-entropy without harm? (Checked.)
#
#    <details><summary>Solution</summary>
#
#    Cross-entropy takes a log-softmax itself, and a log-softmax of a
#    log-softmax is the same: the first subtracts one number from all logits of
#    a picture, which the second ignores. Subtracting their mean is as
#    harmless; a softmax or sigmoid bends them.
#
#    </details>
#
# 3. Give ResNet-18 the stem "cifar", which keeps the side, at 28 px. Does it
#    gain what resizing gained?
#
#    <details><summary>Solution</summary>
#
#    Add `"ResNet-18, whole side": (partial(resnet, stem="cifar"), recipe,
#    View())` to `arms`, one line, and compare it with the resized one. If it
#    gains as much, it was the size of the last maps; resizing would then be no
#    augmentation but a way to keep places.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.harmless_layers(None)
