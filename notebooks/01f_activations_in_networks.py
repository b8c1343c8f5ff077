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
# # Activations in networks
#
# On two moons nearly anything between two layers will do.  Here the same
# catalogue goes where activations earn their keep: into LeNet and ResNet-18,
# into twenty layers on top of each other, and into deeper and wider versions of
# the network for moons.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

from coursework import (
    experiment,
    figures,
    probes,
    records,
    show,
    stacked,
    training,
)
from coursework.data.augment import View
from coursework.data.moons import moons
from coursework.data.sets import loader
from coursework.models.activations import ACTIVATIONS
from coursework.models.deep import DeepMLP, Initialisation
from coursework.models.lenet import LeNet
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.views import depths

figures.style()

# %% [markdown]
# ## Question
#
# 1. Does the choice matter for accuracy in networks that people train, and
#    what does it cost?
# 2. Why do some activations need other first weights than others in a deep
#    network, and is it what theory predicts?
# 3. Which of report R1's odd activations work if the network is deeper or
#    wider?
#
# ## Prediction
#
# Batch norm hands every activation inputs of the same scale.  So will sine,
# $x^2$ or the sign be nearer to ReLU in LeNet, which has no norm, or in
# ResNet-18?
#
# In a wide random network without biases, weights of variance $\sigma^2 / n$
# turn a mean square $q$ of what a layer is given into
#
# $$q' = \sigma^2\, E f(\sqrt{q}\, z)^2,$$
#
# and a layer multiplies the mean square of a gradient on its way back by
#
# $$\chi = \sigma^2\, E f'(\sqrt{q}\, z)^2,$$
#
# with $z$ normally distributed {cite:p}`schoenholz2017deep`.  He's $\sigma^2$
# is 2 and keeps both for ReLU, as half of its inputs and of its derivatives are
# zero.  Glorot's is 1 for as many inputs as outputs, and keeps both for a tanh
# near zero, where it is the identity.  A sigmoid's derivative is at most a
# quarter: what is $\chi^{18}$ from the last of 19 hidden layers to the first?
# And does SiLU, which looks like ReLU, keep what ReLU keeps?
#
# ## Method
#
# The deep network has layers of one width; its first weights come from a table
# of variances.

# %%
show.source(DeepMLP)

# %% [markdown]
# "lecun" is Glorot's rule but for the first and last layer and is not run on
# its own; "torch" is what torch gives a dense layer that nobody
# initialises, and "normal" the standard normal distribution.  Before training
# and after each epoch the network is looked at, layer by layer.

# %%
show.source(probes.layer_flow)

# %% [markdown]
# ## Experiment: swaps
#
# Every activation of the catalogue, after each convolution and dense layer of
# LeNet and after each norm and each sum of a narrow ResNet-18.  FReLU needs
# maps, so LeNet's dense layers keep ReLU with it.  All share one recipe, which
# was not tuned for any of them.

# %%
NETWORKS: dict[str, partial[Any]] = {
    "LeNet": partial(LeNet),
    "ResNet-18": partial(ResNet, 18, channels=1, classes=10, stem="cifar"),
}
SCORED = {"quick": 1_000}  # validation and test pictures each; else all
PICTURES = {
    "LeNet": {"smoke": 64, "quick": 1_000, "standard": 5_000, "full": None},
    "ResNet-18": {"smoke": 64, "quick": 500, "standard": 1_500, "full": None},
}
WIDTH = {"smoke": 4, "quick": 8, "standard": 8, "full": 64}
SIDE = {"smoke": 14, "quick": 14, "standard": 14, "full": 28}
FEW = ("relu", "frelu")  # where time is short


def swap(
    profile: experiment.Profile, network: str, name: str
) -> Callable[..., Any]:
    """A network with one activation all through."""
    residual = network == "ResNet-18"
    width = {"width": WIDTH[profile]} if residual else {}
    return partial(
        training.fit,
        model=partial(NETWORKS[network], activation=name, **width),
        data=loader(
            dataset,
            train=PICTURES[network][profile],
            scored=SCORED.get(profile),
        ),
        view=View(side=SIDE[profile]) if residual else View(),
        recipe=Recipe(
            epochs={"standard": 2, "full": 20}.get(profile, 1),
            batch_size=64,
            optimiser="adamw",
            learning_rate=0.002,
            schedule="one-cycle",
        ),
        watches=(probes.weights,),
    )


def declare_swaps(profile: experiment.Profile) -> experiment.Grid:
    """Every activation in both networks."""
    names = FEW if profile in ("smoke", "quick") else tuple(ACTIVATIONS)
    return {
        f"{network}, {name}": swap(profile, network, name)
        for network, name in product(NETWORKS, names)
    }


swaps = experiment.run("activations-swapped", declare_swaps, profile=profile)

# %% [markdown]
# ## Experiment: twenty layers
#
# All that fit a dense layer, with Glorot's and with He's first weights where
# the activation is one that people use.  Plain gradient descent with momentum:
# an optimiser that divides by the gradient's own scale would hide how
# small it is.

# %%
USED = (
    *("sigmoid", "tanh", "relu", "leaky-relu", "prelu", "elu", "gelu", "silu"),
    *("hard-swish", "softplus", "softsign", "maxout", "abs", "sin"),
)
SUITED: tuple[Initialisation, ...] = ("glorot", "he")
CARELESS: tuple[Initialisation, ...] = ("torch", "normal")
WRONG = ("sigmoid", "tanh", "relu")  # these with careless first weights too


def deep(
    profile: experiment.Profile,
    name: str,
    first: Initialisation,
    rate: float = 0.003,
) -> Callable[..., Any]:
    """Twenty layers with an activation and an initialisation."""
    pictures = {"smoke": 64, "quick": 1_000, "standard": 3_000, "full": None}
    return partial(
        training.fit,
        model=partial(DeepMLP, activation=name, initialisation=first),
        data=loader(
            dataset, train=pictures[profile], scored=SCORED.get(profile)
        ),
        recipe=Recipe(
            epochs={"standard": 3, "full": 20}.get(profile, 1),
            batch_size=64,
            learning_rate=rate,
            momentum=0.9,
        ),
        watches=(probes.layer_flow,),
    )


def declare_deep(profile: experiment.Profile) -> experiment.Grid:
    """Activations with first weights that suit them and others."""
    small = profile in ("smoke", "quick")
    pairs: list[tuple[str, Initialisation]] = [
        *product(("relu", "tanh") if small else USED, SUITED)
    ]
    if not small:
        pairs += product(WRONG, CARELESS)
        others = [n for n in ACTIVATIONS if n not in (*USED, "frelu")]
        pairs += product(others, SUITED[:1])
    arms = {
        f"{name}, {first}": deep(profile, name, first) for name, first in pairs
    }
    fast = () if small else ("relu", "leaky-relu")
    return arms | {
        f"{name}, he, ten times the rate": deep(profile, name, "he", 0.03)
        for name in fast
    }


layers = experiment.run("activations-deep", declare_deep, profile=profile)

# %% [markdown]
# ## Experiment: depth and width on two moons
#
# The moons, the recipe and the stacks of the page on what counts as an
# activation, with one activation after every hidden layer, in networks of
# several depths and widths.

# %%
ODD = ("square", "exp", "sort", "reciprocal", "tan", "sign")


def declare_sizes(profile: experiment.Profile) -> experiment.Grid:
    """Depth by width for odd activations, a stack of networks each."""
    small = profile in ("smoke", "quick")
    trial = partial(
        stacked.fit,
        data=partial(moons, train=100, noise=0.1, generator_seed=42),
        recipe=Recipe(
            epochs=20 if profile == "smoke" else 1_000,
            batch_size=None,
            optimiser="adamw",
            learning_rate=0.01,
            weight_decay=0.01,
        ),
        networks=3 if profile == "smoke" else 20,
    )
    names = ("sort",) if small else ODD
    layers = (1, 2) if small else (1, 2, 4)
    widths = (5, 10) if small else (2, 5, 10, 20)
    return {
        f"{name}, depth {depth}, width {width}": partial(
            trial, activations=(name,) * depth, width=width
        )
        for name, depth, width in product(names, layers, widths)
    }


sizes = experiment.run(
    "moons-depth-width",
    declare_sizes,
    profile=profile,
    seeds={"smoke": 1, "quick": 1, "standard": 1, "full": 1},
)
show.banner(profile, swaps, layers, sizes)

# %%
show.left_out(
    swaps=(declare_swaps, swaps),
    layers=(declare_deep, layers),
    sizes=(declare_sizes, sizes),
)

# %% [markdown]
# ## Results
#
# ### Swapped into LeNet

# %%
lenets = [run for run in swaps if run.variant.startswith("LeNet")]
show.results(lenets, baseline="LeNet, relu")

# %%
show.figure(
    figures.differences(
        records.table(lenets, baseline="LeNet, relu"), log=True
    ),
    alt="Paired difference of each activation's accuracy to ReLU's in LeNet",
)

# %% [markdown]
# ### Swapped into ResNet-18

# %%
resnets = [run for run in swaps if run.variant.startswith("ResNet")]
show.results(resnets, baseline="ResNet-18, relu")

# %%
show.figure(
    figures.differences(
        records.table(resnets, baseline="ResNet-18, relu"), log=True
    ),
    alt="Paired difference of each activation's accuracy to ReLU's in "
    "ResNet-18",
)

# %% [markdown]
# ### What they cost
#
# Seconds of whole runs, above, hold all the rest of a network's work and what
# else the machine did.  The [benchmark](../benchmarks.md) takes an
# activation alone, forward and backward, in turns with ReLU: its CPU time in
# units of ReLU's, the median of rounds and their middle half.

# %%
costs = depths.costs()
show.markdown("Not measured yet.") if costs is None else show.frame(costs)

# %% [markdown]
# R0 remarks that ReLU "feels much faster" than leaky ReLU and GELU.

# %%
show.markdown(depths.remark(costs))

# %% [markdown]
# ### Twenty layers, before training
#
# Root mean square of what each layer puts out, and of the loss's gradient there
# in shares of the last hidden layer's.

# %%
suited = ("relu, he", "tanh, glorot", "sigmoid, glorot", "silu, he", "elu, he")
show.figure(
    depths.start([run for run in layers if run.variant in suited]),
    alt="Signal and gradient by layer before training, measured and "
    "predicted, with usual first weights",
)

# %%
careless = ("relu, glorot", "tanh, he", "relu, torch", "relu, normal")
show.figure(
    depths.start([run for run in layers if run.variant in careless]),
    alt="Signal and gradient by layer before training, measured and "
    "predicted, with first weights that do not suit",
)

# %%
show.made_of([run for run in layers if run.variant in (*suited, *careless)])

# %% [markdown]
# ### What becomes of the gradient, and of units
#
# First hidden layer's gradient over the last's.  A unit is *dead* where its
# activation passes no gradient for any of the pictures looked at; a
# sigmoid or tanh so far out that its derivative rounds to zero is dead, too.

# %%
show.frame(depths.flow(layers))

# %%
dying = ("relu, he", "relu, he, ten times the rate", "tanh, glorot")
show.figure(
    depths.through([run for run in layers if run.variant in dying]),
    alt="Share of dead units by layer, before training and after each epoch",
)

# %%
show.made_of(layers)

# %% [markdown]
# ### Depth and width on two moons
#
# Per cent of networks that get all training points right, and the narrowest
# width at each depth with which more than half do.

# %%
show.figure(
    depths.fits(sizes),
    alt="Share of networks that fit two moons by depth and width, for each "
    "odd activation",
)

# %%
show.frame(depths.works(sizes))

# %%
show.made_of(sizes)

# %% [markdown]
# ## Reading

# %%
PAIRS = (
    ("hard-swish", "silu"),
    ("relu", "leaky-relu"),
    ("relu", "gelu"),
    ("frelu", "relu"),
)
arms = records.grouped(swaps)
lines = [
    f"- {one} against {other.partition(', ')[2]}: "
    f"{show.points(depths.gap(swaps, one, other))}"
    for network, (first, second) in product(NETWORKS, PAIRS)
    for one, other in [(f"{network}, {first}", f"{network}, {second}")]
    if one in arms and other in arms
]
show.markdown("\n".join(lines))

# %% [markdown]
# Where a gradient vanishes or explodes, it does so by a factor a layer, and the
# factor follows from the activation and the variance of the first weights
# alone; points leave the lines where a hundred units are too few for an
# average.  What suits an activation is not a matter of its looks: SiLU is near
# ReLU for large inputs and near $x / 2$ for small ones, and small is what its
# inputs become.
#
# ### What the reports claim

# %%
show.claims("01f_activations_in_networks")

# %% [markdown]
# ## Limits
#
# - In `standard` the networks see a few thousand digits, two or three times,
#   and ResNet-18 an eighth of its width and digits at half their side: what
#   separates activations after long training is not decided here.
# - One rate and one recipe for all.  An activation that fails in LeNet may
#   want another rate or other first weights, as the twenty layers show.
# - FReLU's convolution is a larger share of a narrow network's work than of a
#   wide one's.
# - Prediction is for the start, and for wide layers.
# - A stack's networks share one draw of the moons.
#
# ## Exercises
#
# 1. Which $\sigma^2$ would suit SiLU where its inputs are small? (Checked.)
#    Add an entry to `VARIANCES` and its name to `Initialisation`, take it in
#    place of He's, and draw its prediction before you run it.
#
#    <details><summary>Solution</summary>
#
#    At zero SiLU's derivative is one half, so $\chi = \sigma^2 / 4$ there.
#    Where signals are large it is like ReLU, and the same $\sigma^2$ doubles
#    them: it holds only while they stay small.
#
#    </details>
#
# 2. Predict what a sigmoid needs so that $\chi$ is one. Why is that not
#    enough?
#
#    <details><summary>Solution</summary>
#
#    A derivative of a quarter asks for $\sigma^2 = 16$ with inputs near zero.
#    But the sigmoid of zero is one half: what a layer puts out is far from
#    zero, such weights make large sums of it, and there the derivative is far
#    below a quarter.
#
#    </details>
#
# 3. Put a batch norm before each activation of the deep network. Which of the
#    arms differ then?
#
#    <details><summary>Solution</summary>
#
#    Those with other activations. A norm undoes the scale of the weights
#    before it, so arms that differ in their first weights alone become alike
#    at the start; their steps still differ, for large weights turn more
#    slowly.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.silu_variance(None)
