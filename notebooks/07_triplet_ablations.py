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
# # Triplet attention, piece by piece
#
# Report R0 put triplet attention into a ResNet-50, chose its parts one after
# another by one run each on CIFAR-100, and found that it gains twelve points.
# Here are the same parts and the same chain of choices, with several seeds, a
# validation split that chooses, one stem for all, and controls.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = ""

# %% tags=["hide-input"]
from functools import partial
from typing import Any

from coursework import chain, experiment, figures, records, show, training
from coursework.data.augment import View
from coursework.data.sets import loader
from coursework.models.attention import SqueezeExcite
from coursework.models.attention.branch import BETWEEN, BranchGate
from coursework.models.attention.cbam import CBAM
from coursework.models.attention.coordinate import CoordinateAttention
from coursework.models.attention.eca import ECA
from coursework.models.attention.large_kernel import LargeKernelAttention
from coursework.models.attention.pitfalls import ConstantGates, batch_softmax
from coursework.models.attention.triplet import TripletAttention
from coursework.models.attention.triplet import triplet_ca, triplet_lka
from coursework.models.attention.triplet import triplet_ca_everywhere
from coursework.models.resnet import ResNet
from coursework.models.van import VAN
from coursework.recipe import Recipe
from coursework.views import ablations, flows

figures.style()

# %%
DATASET = {
    "smoke": "objects",
    "quick": "objects",
    "standard": "cifar10-jpeg",
    "full": "cifar100",
}
ablations.data_note(dataset or DATASET[chain.shown(profile)])

# %% [markdown]
# ## Question
#
# 1. Does attention after each unit's branch raise accuracy, and is it the
#    attention or merely that the branch is scaled?
# 2. Which activation, gate, pools, kernel and fusion should triplet attention
#    have, and do choices one after another find the best combination?
# 3. How much of R0's twelve points is the stem?
#
# ## Prediction
#
# R0's accuracies on 10,000 test pictures, one run each, lie between 63 and
# 66 % but for the ResNet without attention, at 42 %, and the softmax gate, at
# 45 %.  Before you go on: how wide is the interval that sampling 10,000
# pictures gives an accuracy near 64 %, and which of R0's differences is wider?
#
# ## Method
#
# ### The module
#
# Triplet attention {cite:p}`misra2021triplet` scales the maps by three gates
# and averages.  Each gate pools one axis away, so it sees two of channels,
# height and width together:
#
# $$y = \frac{x}{3} \sum_{d \in \{H, W, C\}}
# \sigma\Big(\mathrm{BN}\big(k * [\max_d x;\ \mathrm{mean}_d\, x]\big)\Big).$$

# %%
show.source(BranchGate)

# %% [markdown]
# R0 has an activation between norm and gate; the paper has none.  Whatever
# stands there bounds what the gate can do: with R0's default, a sigmoid of a
# sigmoid, no gate can close.

# %%
show.frame(ablations.gate_ranges())

# %% [markdown]
# CELU with torch's default is ELU, exactly (our table's has another scale): the
# difference between R0's 64.86 % and 65.72 % for them is one of two runs of
# one and the same network.
#
# ### What it costs
#
# At R0's size, 32 px and 100 classes, on CIFAR's stem.  R0's cost columns
# print "4.17 G, 22.52 M" for ResNet-50 with triplet attention; these are the
# multiply-adds at 224 px and the *top-1 error* of the authors' ImageNet table.

# %%
show.frame(ablations.overheads())

# %% [markdown]
# ### The chain
#
# R0's procedure: vary the activation, keep the best; with it vary the gate,
# keep the best; then the pools.  Here the kernel and hybrids follow.  Best is
# the mean over seeds of the last epoch's *validation* accuracy; a later stage
# is declared only when the one before it is done.

# %%
show.source(chain.winner)

# %% [markdown]
# Beside it, one factor at a time: each value beside the paper's module, all
# else as in the paper.  This says what a factor does; the chain, if it finds
# something that this does not, was worth its rounds.
#
# ### Controls
#
# No attention; gates that are all 1/2, as sigmoid gates are on average before
# training (gates of 1 would be no attention, to the last bit); and R0's own
# baseline, a ResNet with ImageNet's stem, which quarters a picture of 32 px
# before the first unit.

# %%
show.source(ConstantGates)

# %% [markdown]
# ## Experiment
#
# One budget and recipe for all arms: SGD with momentum, one-cycle schedule,
# batches of 128.  Except in `full` (R0's ResNet-18 and -50 and number of
# epochs, with flips and shifts) it is a ResNet with one unit a stage, at most
# 16 maps in the first, and a small part of the pictures.  The rate is not
# tuned.

# %%
TRAIN = {"smoke": 64, "quick": 500, "standard": 3_000, "full": None}
HELD_OUT = {"smoke": 64, "quick": 200, "standard": 1_000, "full": 2_000}
WIDTH = {"smoke": 8, "quick": 8, "standard": 16}
EPOCHS = {"smoke": 2, "quick": 1, "standard": 3, "full": 50}
BLOCKS = {
    "none": None,
    "SE": SqueezeExcite,
    "ECA": ECA,
    "CBAM": CBAM,
    "CA": partial(CoordinateAttention, reduction=16),
    "Triplet": TripletAttention,
    "TripletCA": triplet_ca,
    "TripletLKA": triplet_lka,
    "TripletCA everywhere": triplet_ca_everywhere,
    "gates of 1/2": ConstantGates,
}
SMALL = ("none", "CA", "Triplet")
IN_FULL = ("TripletCA everywhere",)


def arm(
    profile: experiment.Profile, attention: Any = None, **network: Any
) -> partial[Any]:
    """One network with attention, trained like all others."""
    name, full = dataset or DATASET[profile], profile == "full"
    # scikit-learn's digits are too few to choose how many validate
    held = {} if name == "digits" else {"held_out": HELD_OUT[profile]}
    network = {"stem": "cifar", **network}
    if not full:
        network |= {"width": WIDTH[profile], "units": (1, 1, 1, 1)}
    model: Any = partial(ResNet, attention=attention, **network)
    if attention is VAN:
        model = VAN
    return partial(
        training.fit,
        model=partial(model, classes=chain.OUTPUTS[name]),
        data=loader(name, train=TRAIN[profile], **held),
        view=View(side=32, channels=3),
        recipe=Recipe(
            epochs=EPOCHS[profile],
            learning_rate=0.1,
            momentum=0.9,
            weight_decay=5e-4,
            schedule="one-cycle",
            precision="auto",
            shift=4 if full else 0,
            flip=full,
        ),
    )


def declare_attention(profile: experiment.Profile) -> experiment.Grid:
    """No attention, each kind of it, and controls."""
    if profile in ("smoke", "quick"):
        return {name: arm(profile, BLOCKS[name]) for name in SMALL}
    grid = {
        name: arm(profile, block)
        for name, block in BLOCKS.items()
        if profile == "full" or name not in IN_FULL
    }
    grid["none, ImageNet stem"] = arm(profile, stem="imagenet")
    if profile == "full":
        grid["VAN-B0"] = arm(profile, VAN)
        for name, block in BLOCKS.items():
            grid[f"{name}, depth 50"] = arm(profile, block, depth=50)
    return grid


attention = experiment.run(
    "triplet-attention", declare_attention, profile=profile
)

# %% [markdown]
# One factor at a time, beside "Triplet", which has the paper's choice of all:
# maximum and mean, kernel 7, no activation, sigmoid, mean of the branches.

# %%
FACTORS: dict[str, dict[str, Any]] = {
    "activation": {f"activation {a}": a for a in BETWEEN if a != "none"},
    "gate": {"gate tanh": "tanh", "gate softmax": "softmax"},
    "pools": {
        f"pools {', '.join(pools)}": pools
        for pools in (
            *list(chain.POOL_SETS.values())[1:],
            ("l1-mean", "max"),
            ("l2-mean", "max"),
        )
    },
    "kernel": {"kernel 3": 3, "kernel 5": 5},
    "fusion": {f"fusion {f}": f for f in ("weights", "convolution")},
}
OTHERS = {
    "gate softmax over the batch": batch_softmax,
    "bias": partial(TripletAttention, bias=True),
    "without hw": partial(TripletAttention, branches=("cw", "hc")),
    "without cw and hc": partial(TripletAttention, branches=("hw",)),
    "CA, reduction 8": partial(CoordinateAttention, reduction=8),
    "CA, reduction 32": CoordinateAttention,
    "CA, avg and max": partial(
        CoordinateAttention, reduction=16, pools=("avg", "max")
    ),
    "CA, avg, max, median": partial(
        CoordinateAttention, reduction=16, pools=("avg", "max", "median")
    ),
}
QUICK = ("Triplet", "activation elu", "gate tanh")
STANDARD = (
    *QUICK,
    *(f"activation {a}" for a in ("relu", "sigmoid", "gelu", "leaky-relu")),
    "gate softmax",
    "gate softmax over the batch",
    "pools l2, max",
    "pools max, avg, median",
    "kernel 3",
    "fusion weights",
    "fusion convolution",
)


def declare_factors(profile: experiment.Profile) -> experiment.Grid:
    """Each value of each factor beside the paper's module."""
    blocks: dict[str, Any] = {"Triplet": TripletAttention}
    for argument, values in FACTORS.items():
        for name, value in values.items():
            blocks[name] = partial(TripletAttention, **{argument: value})
    blocks |= OTHERS
    kept = STANDARD if profile == "standard" else QUICK
    return {
        name: arm(profile, block)
        for name, block in blocks.items()
        if profile == "full" or name in kept
    }


factors = experiment.run("triplet-factors", declare_factors, profile=profile)

# %% [markdown]
# ### The chain's stages
#
# The paper's choice comes first in each stage, so it wins ties.

# %%
ACTIVATIONS: dict[str, tuple[str, ...]] = {
    "smoke": ("none", "elu"),
    "quick": ("none", "elu"),
    "standard": ("none", "relu", "sigmoid", "gelu", "leaky-relu", "elu"),
    "full": (*BETWEEN,),
}


def declare_activation(profile: experiment.Profile) -> experiment.Grid:
    """Stage 1: what stands between norm and gate."""
    return {
        name: arm(profile, partial(TripletAttention, activation=name))
        for name in ACTIVATIONS[profile]
    }


activation_runs = experiment.run(
    "triplet-activation", declare_activation, profile=profile
)
activation = chain.winner({a: a for a in BETWEEN}, activation_runs)

# %%
GATES: dict[str, tuple[Any, ...]] = {
    "smoke": ("sigmoid", "tanh"),
    "quick": ("sigmoid", "tanh"),
    "standard": ("sigmoid", "tanh"),
    "full": ("sigmoid", "tanh", "softmax"),
}


def declare_gate(profile: experiment.Profile) -> experiment.Grid:
    """Stage 2: the gate, with stage 1's activation."""
    chosen = partial(TripletAttention, activation=activation)
    return {
        name: arm(profile, partial(chosen, gate=name))
        for name in GATES[profile]
    }


gate_runs = experiment.run("triplet-gate", declare_gate, profile=profile)
gate = chain.winner({name: name for name in GATES["full"]}, gate_runs)

# %%
POOLS: dict[str, Any] = {
    ", ".join(pools): pools for pools in chain.POOL_SETS.values()
}


def declare_pool(profile: experiment.Profile) -> experiment.Grid:
    """Stage 3: the pools, with the winners so far."""
    chosen = partial(TripletAttention, activation=activation, gate=gate)
    sets = POOLS | {"R0's set 4": chain.pool_set_4(factors)}
    if profile != "full":
        few = ["max, avg", "l2, max"][: 2 if profile == "standard" else 1]
        sets = {name: sets[name] for name in few}
    return {
        name: arm(profile, partial(chosen, pools=pools))
        for name, pools in sets.items()
    }


pool_runs = experiment.run("triplet-pool", declare_pool, profile=profile)
pools = chain.winner(
    POOLS | {"R0's set 4": chain.pool_set_4(factors)}, pool_runs
)


# %%
def declare_kernel(profile: experiment.Profile) -> experiment.Grid:
    """Stage 4: the kernel; only `full` has a choice."""
    chosen = partial(
        TripletAttention, activation=activation, gate=gate, pools=pools
    )
    return {
        f"kernel {size}": arm(profile, partial(chosen, kernel=size))
        for size in ((7, 5, 3) if profile == "full" else (7,))
    }


kernel_runs = experiment.run("triplet-kernel", declare_kernel, profile=profile)
kernel = chain.winner({f"kernel {k}": k for k in (7, 5, 3)}, kernel_runs)

# %%
HYBRIDS: dict[str, dict[str, Any]] = {
    "Triplet": {},
    "TripletCA": {"hw": partial(CoordinateAttention, reduction=16)},
    "TripletLKA": {"hw": LargeKernelAttention},
}
CHOSEN = {
    "activation": activation,
    "gate": gate,
    "pools": pools,
    "kernel": kernel,
}


def declare_hybrid(profile: experiment.Profile) -> experiment.Grid:
    """Stage 5: another spatial branch; only `full` has a choice."""
    chosen = partial(TripletAttention, **CHOSEN)
    return {
        name: arm(profile, partial(chosen, **branch))
        for name, branch in HYBRIDS.items()
        if profile == "full" or name == "Triplet"
    }


hybrid_runs = experiment.run("triplet-hybrid", declare_hybrid, profile=profile)
hybrid = chain.winner({name: name for name in HYBRIDS}, hybrid_runs)

# %% [markdown]
# Was the chain worth it?  Its choice of activation, gate, pools and kernel,
# beside the paper's, and beside the values that are each best alone:

# %%
joined = chain.one_by_one(
    "Triplet", {k: v for k, v in FACTORS.items() if k in CHOSEN}, factors
)


def declare_chain(profile: experiment.Profile) -> experiment.Grid:
    """The chain's choice beside the paper's and the factors' own winners."""
    return {
        "paper's": arm(profile, TripletAttention),
        "chain's": arm(profile, partial(TripletAttention, **CHOSEN)),
        "each factor's": arm(profile, partial(TripletAttention, **joined)),
    }


worth = experiment.run("triplet-chain", declare_chain, profile=profile)
show.banner(profile, attention, factors, activation_runs, worth)

# %%
show.left_out(
    attention=(declare_attention, attention),
    factors=(declare_factors, factors),
    activations=(declare_activation, activation_runs),
    gates=(declare_gate, gate_runs),
    pools=(declare_pool, pool_runs),
    kernels=(declare_kernel, kernel_runs),
    hybrids=(declare_hybrid, hybrid_runs),
)

# %% [markdown]
# ## Results
#
# ### Kinds of attention
#
# Test accuracy, its interval over seeds, and the difference to no attention,
# paired over seeds.

# %%
show.results(attention, baseline="none")

# %%
differences = records.table(attention, baseline="none")
show.figure(
    figures.differences(differences),
    alt="Paired difference of test accuracy to no attention, by kind",
)

# %% [markdown]
# What each costs.  Pictures a second are those of training, medians over seeds
# on a machine that may have done other work; memory is the most that the run's
# process held, the data included.

# %%
show.frame(ablations.costs(attention, baseline="none"))

# %%
ablations.top5(attention, baseline="none")

# %% [markdown]
# ### One factor at a time

# %%
show.results(factors, baseline="Triplet")

# %%
show.figure(
    figures.differences(records.table(factors, baseline="Triplet")),
    alt="Paired difference of test accuracy to the paper's triplet attention, "
    "with one factor changed",
)

# %%
show.frame(ablations.costs(factors, baseline="Triplet"))

# %% [markdown]
# ### The chain, stage by stage
#
# Mean validation accuracy, by which each stage chose; "carried on" is the
# winner.

# %%
STAGES = {
    "activation": activation_runs,
    "gate": gate_runs,
    "pools": pool_runs,
    "kernel": kernel_runs,
    "hybrid": hybrid_runs,
}
show.frame(ablations.stages(STAGES))

# %%
show.made_of([run for runs in STAGES.values() for run in runs])

# %%
show.results(worth, baseline="paper's")

# %% [markdown]
# ### All curves
#
# R0's two figures: all accuracies in one, all losses in one.

# %%
every = ablations.once(attention, factors)
show.figure(
    figures.learning_curves(every, "accuracy", unit="validation, share"),
    alt="Validation accuracy over epochs, every arm of both comparisons",
)

# %%
show.figure(
    figures.learning_curves(every, "validation loss", unit="nats"),
    alt="Validation loss over epochs, every arm of both comparisons",
)

# %%
show.made_of(every)

# %% [markdown]
# ### After one and two epochs
#
# R0 showed five networks after two epochs of CIFAR-100 at a constant rate.  Its
# numbers beside ours, of another set, size and schedule: only what comes before
# what can be compared.

# %%
show.frame(ablations.demo(every))

# %%
show.made_of(every)

# %% [markdown]
# ## Reading

# %%
show.markdown(ablations.reading(attention, factors, worth))

# %%
show.markdown(flows.told(attention))

# %% [markdown]
# The arm whose gates are all 1/2 has no attention, only its scaling.  Where
# arms that learn their gates lie no higher than it, their attention adds
# nothing that a constant would not.  TripletLKA's large kernel is a factor
# without bounds, not a gate, and has to live with the rate that all share.

# %%
show.markdown(ablations.batch_mates())

# %%
show.claims("07_triplet_ablations")

# %% [markdown]
# ## Limits
#
# - `standard` is a small network, a part of a ten-class set and few epochs: it
#   says which differences a short training shows, not what fifty epochs of
#   CIFAR-100 end at.  Everything with ResNet-50 or VAN-B0 is in `full`.
# - To fit into its time, `standard` has 3,000 training pictures, and leaves
#   out the arms listed above: in the one-by-one comparison L1 and the
#   normalised pools, kernel 5, four activations, biases, branches and CA's own
#   variants; in the chain softmax, L1, the median, kernels and hybrids.
# - One learning rate for all; a gate that scales branches by a half may want
#   another one.
# - The softmax over the batch is scored in batches of another size than it was
#   trained with, as anything that looks at its batch mates eventually is.
# - The chain's winners are the best of several noisy means, so their validation
#   accuracy is too high; the test split has no part in the choice.
#
# ## Exercises
#
# 1. Train one arm yourself: `coursework train triplet --model resnet18
#    --att-type triplet --activation elu --epochs 1`, then `--pool l2,max`.
#
#    <details><summary>Solution</summary>
#
#    Each prints its validation accuracy after every epoch. One run each:
#    whether they differ, the tables above can tell and these two can't.
#
#    </details>
#
# 2. Run the chain's first two stages: `coursework train triplet --task gate`.
#
#    <details><summary>Solution</summary>
#
#    The second stage begins when the first has a winner. Give another `--seed`
#    and see whether the winner is the same.
#
#    </details>
#
# 3. Make the chain go backwards: kernel first, activation last. Does it end at
#    the same combination?
#
#    <details><summary>Solution</summary>
#
#    Only if factors do not interact and noise is small. As winners are the
#    best of noisy means, two orders may end apart with nothing to be found:
#    compare both ends, paired.
#
#    </details>
#
# 4. `gate softmax` gates add up to 1 over a map. What is their mean at 32 ×
#    32? (Checked.) By which factor does the branch shrink beside a gate of one
#    half, and which learned factor could undo it?
#
#    <details><summary>Solution</summary>
#
#    The mean is one over the number of places, so the branch shrinks by half
#    that number. A factor behind the gate would undo it, such as a learned
#    weight of the branch in the fusion; the norm before the gate can't, for a
#    softmax adds up to 1 whatever it is given.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.shared_gate(None)
