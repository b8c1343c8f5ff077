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
# # Residual operations: what joins a shortcut with its branch
#
# Report R2 asked what happens when the plus in a residual unit becomes a minus,
# a product, or nothing, and answered with one run each.  It explained the
# collapse of multiplication by gradients that explode or vanish.  Here the
# gradient through each operation is derived first and measured then, and every
# run that fails is told apart by how it failed.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pandas as pd

from coursework import experiment, meanfield, probes, records, show
from coursework import figures, training
from coursework.data.augment import View
from coursework.data.sets import loader
from coursework.models.residual import SKIPS, Unit
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.views import flows

figures.style()

# %% [markdown]
# ## Question
#
# 1. Which operations train, with and without batch norm, and how do the others
#    fail?
# 2. Is that what the gradient through a unit predicts?
# 3. Does accuracy fall with depth where there are no shortcuts, and is it over-
#    fitting?
#
# ## Prediction
#
# A unit computes $y = \mathrm{relu}(s \circ h)$ of its input $s$ and a branch
# $h$ of it.  If the branch were linear, $h = W s$, with a mean square gain $b$
# and no trace, a gradient $g$ would leave the unit with the mean square gain
# $\|J\|_F^2 / n$ of the Jacobian:
#
# $$\begin{aligned}
# J_{s + h} &= I + W, \quad J_{s - h} = I - W: && 1 + b \\
# J_{h} &= W: && b \\
# J_{s \odot h} &= \mathrm{diag}(h) + \mathrm{diag}(s)\,W: && 2 b\, m
# \end{aligned}$$
#
# with $m$ the mean square of $s$.  So addition and subtraction are alike;
# without a shortcut depth multiplies $b$; and a product does worse than
# multiply gains: its own signal has the mean square $b\,m^2$, so a unit
# *squares* it.  Below one it vanishes, above one it explodes, doubly
# exponentially in depth.  Batch norm sets $b\,m$ to one.  Before you go on:
# will a product with batch norm train?
#
# ## Method
#
# The unit, and the table of operations.  "none" is R2's plain network, whose
# 1×1 shortcuts are still computed but unused; "plain" has none.  R2's
# concatenation did not run; here a 1×1 convolution maps both halves back, and
# its weights decide its gain.
# ReZero {cite:p}`bachlechner2021rezero` and layer scale
# {cite:p}`touvron2021going` are additions that begin with a small branch.

# %%
show.source(Unit)

# %%
show.frame(
    pd.DataFrame(
        [
            {
                "operation": name,
                "gain at b = m = 1": meanfield.linear_gain(name, 1.0),
                "at b = m = 0.5": meanfield.linear_gain(name, 0.5, 0.5),
                "at b = m = 2": meanfield.linear_gain(name, 2.0, 2.0),
            }
            for name in meanfield.GAINS
        ]
    )
)

# %% [markdown]
# The same reasoning with convolutions, batch norm and ReLU, unit by unit, is
# `meanfield.chain`: it follows how the values of a wide random network are
# distributed, and assumes branch and shortcut independent.
#
# ## Experiment: operations
#
# A ResNet-18 of a quarter of the usual width, pictures at 64 px, one recipe for
# all.  Each run looks at signal and gradient at every unit before training and
# after each epoch.

# %%
TRAIN = {"smoke": 64, "quick": 500, "standard": 10_000, "full": None}
SCORED = {"quick": 1_000}  # validation and test pictures each; else all
EPOCHS = {"smoke": 1, "quick": 1, "standard": 2, "full": 20}
SIDE = {"smoke": 64, "quick": 64, "standard": 64, "full": 224}
WIDTH = {"smoke": 8, "quick": 16, "standard": 16, "full": 64}


def arm(
    profile: experiment.Profile,
    network: partial[ResNet],
    width: int | None = None,
) -> Callable[..., Any]:
    """One arm of this page: a network with the recipe that all share."""
    width = width or WIDTH[profile]
    return partial(
        training.fit,
        model=partial(network, channels=1, classes=10, width=width),
        data=loader(dataset, train=TRAIN[profile], scored=SCORED.get(profile)),
        view=View(side=SIDE[profile]),
        recipe=Recipe(
            epochs=EPOCHS[profile],
            optimiser="adamw",
            learning_rate=0.002,
            schedule="one-cycle",
            precision="auto",
        ),
        watches=(probes.flow,),
    )


def declare_operations(profile: experiment.Profile) -> experiment.Grid:
    """Every operation with and without batch norm in the branch."""
    small = profile in ("smoke", "quick")
    chosen = ("add", "multiply") if small else tuple(SKIPS)
    return {
        f"{skip}, {'norm' if norm else 'no norm'}": arm(
            profile, partial(ResNet, 18, skip=skip, batch_norm=norm)
        )
        for norm, skip in product((True, False), chosen)
    }


operations = experiment.run(
    "residual-operations", declare_operations, profile=profile
)

# %% [markdown]
# ## Experiment: depth
#
# With and without shortcuts, from 18 to 101 layers.  If deep plain networks
# were merely overfitting, their *training* loss would fall with depth.
# (`quick` trains operations alone; the rest are the committed runs.)


# %%
def declare_depths(profile: experiment.Profile) -> experiment.Grid:
    """Depths 18 to 101, with addition and without shortcuts."""
    depths = (18,) if profile in ("smoke", "quick") else (18, 34, 50, 101)
    joined, plain = partial(ResNet), partial(ResNet, skip="none")
    return {
        f"{name}, depth {depth}": arm(profile, partial(network, depth))
        for (name, network), depth in product(
            {"add": joined, "plain": plain}.items(), depths
        )
    }


rest = "evidence" if (profile, dataset) == ("quick", "mnist") else profile
depths = experiment.run("residual-depth", declare_depths, profile=rest)

# %% [markdown]
# ## Experiment: deeper but light
#
# Report R4 wants a network deeper without more work, by 1×1 convolutions and by
# dropping parts of it in training.  The widths are chosen so that the deeper
# networks have about the multiply-adds of ResNet-18, or about its parameters;
# as both grow with the square of the width, one width nearly serves both.


# %%
FEW = ("depth 18", "depth 34, DropBlock")  # where time is short


def declare_light(profile: experiment.Profile) -> experiment.Grid:
    """Deeper and narrower networks beside ResNet-18."""
    wide = WIDTH[profile]
    work, weights = (round(share * wide) for share in (0.696, 0.725))
    deep = partial(ResNet, 34)
    arms = {
        "depth 18": (partial(ResNet, 18), wide),
        "depth 34": (deep, work),
        "depth 34, as many weights": (deep, weights),
        "depth 34, stochastic depth": (
            partial(deep, drop="stochastic-depth"),
            work,
        ),
        "depth 34, DropBlock": (partial(deep, drop="drop-block"), work),
        "depth 50, 1×1 bottlenecks": (
            partial(ResNet, 50),
            round(0.655 * wide),
        ),
    }
    return {
        name: arm(profile, network, width)
        for name, (network, width) in arms.items()
        if profile not in ("smoke", "quick") or name in FEW
    }


light = experiment.run("residual-light", declare_light, profile=rest)
show.banner(profile, operations, depths, light)

# %%
show.left_out(
    operations=(declare_operations, operations),
    depth=(declare_depths, depths),
    light=(declare_light, light),
)

# %% [markdown]
# ## Results
#
# ### Operations

# %%
show.results(operations, baseline="add, norm")

# %% [markdown]
# How runs failed, counted over seeds.  *Constant*: the training loss stays at
# $\ln 10$, what a constant prediction of ten equal classes costs.  *Not
# finite*: the loss became NaN or infinite, and training stopped there.  A run
# that is out of memory ends its process, leaves no record and is named, so a
# table that is shown at all has none.

# %%
show.frame(flows.failures(operations))

# %%
table = records.table(operations, baseline="add, norm")
show.figure(
    figures.differences(table, log=True),
    alt="Paired difference of each operation's accuracy to addition's with "
    "batch norm",
)

# %% [markdown]
# ### Prediction and measurement at the start
#
# Root mean square of what each unit puts out, and of the loss's gradient there
# in shares of the last unit's: measured in the runs before their first step
# (mean over seeds, on a logarithmic scale) and as `meanfield.chain` predicts.

# %%
products = [r for r in operations if r.variant.startswith("multiply")]
others = [r for r in operations if not r.variant.startswith("multiply")]
show.figure(
    flows.start([r for r in others if r.variant.endswith(", norm")]),
    alt="Signal and gradient by unit at the start, with batch norm: measured "
    "and predicted for each operation but the product",
)

# %%
show.figure(
    flows.start([r for r in others if r.variant.endswith(", no norm")]),
    alt="Signal and gradient by unit at the start, without batch norm: "
    "measured and predicted for each operation but the product",
)

# %% [markdown]
# Look where hardly anything but shortcuts carries the gradient (ReZero, layer
# scale): does it shrink as predicted?  Products are drawn apart, for their
# numbers are of another size:

# %%
show.figure(
    flows.start(products),
    alt="Signal and gradient by unit at the start for products, with and "
    "without batch norm, measured and predicted",
)

# %%
show.made_of(operations)

# %% [markdown]
# The prediction takes shortcut and branch as independent.  They are not: a
# convolution puts out much where its input is large, so both factors are large
# at the *same* places, the strokes of a digit first of all, and their product
# is larger than one of independent factors.  A product of large values is a
# larger one still, so that this grows from unit to unit.
#
# ### Through training

# %%
show.figure(
    flows.through(operations),
    alt="Ratio of the first to the last unit's gradient over epochs for each "
    "operation",
)

# %%
show.made_of(operations)

# %% [markdown]
# ### Depth

# %%
show.results(depths, baseline="add, depth 18")

# %%
show.figure(
    figures.learning_curves(depths, "train loss", unit="nats", log=True),
    alt="Training loss over epochs by depth, with and without shortcuts",
)

# %% [markdown]
# ### Deeper but light

# %%
show.results(light, baseline="depth 18")

# %%
show.figure(
    figures.differences(records.table(light, baseline="depth 18")),
    alt="Paired difference of each deeper network's accuracy to ResNet-18's",
)

# %% [markdown]
# ## Reading

# %%
show.claims("03_residual_operations", only=(27, 28, 29, 30, 31, 32, 33, 34, 81))

# %%
show.markdown(flows.told(operations))

# %% [markdown]
# R2's reason for what products do is that gradients explode or vanish.  Without
# batch norm the start of training agrees with it: a product's gradients lie far
# apart there.  But batch norm mends most of that, so if products with it fail
# all the same, the reason is not the whole of it; and a gradient that explodes
# would end in a loss that is not finite, which is counted below.
#
# R2 wrote $h - s$ and ran $s - h$.  They are not alike: behind a ReLU, $s - h$
# hands on what the shortcut carries, $h - s$ only what the branch puts above
# it.

# %%
failed = flows.failures(products)
show.markdown(
    f"""
    Of the {failed["n"].sum()} runs with products here
    {failed["constant"].sum()} end at a constant prediction and
    {failed["not finite"].sum()} at a loss that is not finite.
    """
)

# %% [markdown]
# ## Limits
#
# - Two epochs on a part of MNIST in `standard`, at a quarter of the width and
#   one rate for all: an operation that needs a smaller rate is not given one.
# - ResNet-50 and -101 are made of other units than -18 and -34, so depth is not
#   the only thing that changes from 34 to 50.
# - The prediction is for the start alone, where weights are random.
#
# ## Exercises
#
# 1. Start ReZero's factor at one, one number in `SKIPS`. Which operation is it
#    then? (Checked.) Add `"rezero"` to `chosen` and run again: what does the
#    figure of the gradients look like?
#
#    <details><summary>Solution</summary>
#
#    Addition, at the first step: shortcut + 1 × branch. Its curves at the
#    start fall on those of *add*; later they may part, for the factor learns.
#
#    </details>
#
# 2. Give the products a smaller rate. Does any of them learn? Then feed the
#    networks white noise: which points come nearer to their line, and why not
#    all of them?
#
#    <details><summary>Solution</summary>
#
#    The first units' points come nearer, for white noise has no strokes at
#    which branch and shortcut are both large. Later ones do not: a branch is
#    computed from the shortcut, and a ReLU makes places with large values
#    again. A smaller rate helps where steps were too large, and not where the
#    signal is gone before the first step.
#
#    </details>
#
# 3. Add an operation: the larger of the two, `torch.maximum`. Write its
#    prediction first.
#
#    <details><summary>Solution</summary>
#
#    One entry in `SKIPS`. Each place passes its gradient either to the
#    shortcut or to the branch; if half of the places go to each, the gain is
#    $(1 + b)/2$: one at $b = 1$, so that it should train like an addition.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.rezero_at_one(None)
