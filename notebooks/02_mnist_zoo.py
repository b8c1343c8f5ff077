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
# # A zoo of networks on MNIST
#
# Report R2 trained nine convolutional networks on MNIST and ranked them by one
# run each; report R1 trained four.  Here are all of them, counted exactly,
# built twice where a report's network is not what its name says, and compared
# with several seeds at one budget.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from functools import partial

import pandas as pd

from coursework import experiment, figures, outline
from coursework import probes, records, show, training
from coursework.data.augment import View
from coursework.data.sets import loader
from coursework.models.alexnet import AlexNet, R2AlexNet
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import R2DenseNet
from coursework.models.lenet import LeNet, LeNet1998
from coursework.models.r2 import ZOO, Build
from coursework.models.residual import Unit
from coursework.models.resnet import ResNet
from coursework.models.vgg import VGG, r1_vgg
from coursework.models.vit import R1ViT, ViT, vit_mnist
from coursework.recipe import Recipe
from coursework.views import cards, drawings

figures.style()

# %% [markdown]
# ## Question
#
# 1. What does each network cost, and what does it reach at an equal budget?
# 2. Is SE-ResNet-18 really the best of them, as R2 found?
# 3. Do R1's four networks come in R1's order?
#
# ## Prediction
#
# R2's SE-ResNet-18 led with 99.13 % against ResNet-18's 98.75 %, one run each,
# on 10,000 test digits.  Before you go on: how far do two runs of one and the
# same network lie apart (see [seed noise](00_seed_noise)), and which rank do
# you expect for the oldest network, and for the one with most weights?
#
# ## Method
#
# ### What the networks are
#
# All are written in the package in the field's standard form and give, with
# the weights copied over, the outputs of torchvision's.  The heart of half of
# them is one unit: a branch of convolutions, a shortcut, and what joins them.

# %%
show.source(Unit)

# %% [markdown]
# What R2 trained under a standard name was often something else.  The counts
# below are the report's own, to the last digit, which says that the networks
# built here are the report's; the last column says how they differ from what
# the name means.  (Standard networks here end in ten classes.)

# %%
trained = {name: twin.trained for name, twin in ZOO.items()}
standard = {name: twin.standard for name, twin in ZOO.items()}
shapes = {name: (3, 224, 224) for name in ZOO} | {"LeNet": (1, 28, 28)}
ours, theirs = (outline.costs(zoo, shapes) for zoo in (trained, standard))
show.frame(
    pd.DataFrame(
        {
            "R2's name": list(ZOO),
            "parameters as trained": ours["parameters"].map("{:,}".format),
            "of the standard network": theirs["parameters"].map("{:,}".format),
            "difference": [twin.differs for twin in ZOO.values()],
        }
    )
)

# %% [markdown]
# ### What they cost
#
# Parameters and memory are two columns, for they are two things (R1 called
# the size of its weight files parameters).  Multiply-adds are per picture and
# count the products of convolutions, matrix products and attention, by
# torch's own counter; R2's column was for a batch of four, with biases and
# norms.  R2's forms, at 224 px, also those too large to train here:

# %%
show.frame(ours)

# %% [markdown]
# ### Shapes, expected and found
#
# A network is debugged by its shapes.  Each layer's output shape follows from
# a formula: $\lfloor (n + 2p - k) / s \rfloor + 1$ places for a kernel $k$,
# padding $p$ and stride $s$.  Expected by the formula beside what came out,
# for LeNet:

# %%
show.frame(outline.layers(LeNet, (1, 28, 28)))

# %% [markdown]
# The same network fed with 64 px: the table ends where the mistake shows.

# %%
show.frame(outline.layers(LeNet, (1, 64, 64)).tail(3))

# %% [markdown]
# Two of the zoo's building blocks, drawn from the modules themselves: a dense
# block hands on all maps it was given, an SE block scales each map by a gate.

# %%
show.figure(
    drawings.dense_block(layers=2, growth=32, channels=64),
    alt="A dense block: each layer adds 32 maps behind those it was given",
)

# %%
show.figure(
    drawings.se_block(channels=64, ratio=16),
    alt="An SE block: means of the maps, two dense layers, gates, scaled maps",
)

# %% [markdown]
# ## Experiment: one budget for all
#
# AlexNet's and VGG-11's stems and poolings leave nothing of 28 px, so all arms
# see the digits at one larger size.  One recipe for all: AdamW with one-cycle
# schedule and batches of 128.  Its peak rate is the best on average, on
# validation digits, of three tried once each with a VGG, an AlexNet, a narrow
# ResNet-18 and a ViT; so no network is tuned, and some would gain.  In
# `standard` AlexNet and the ResNets have half their width and VGG-11 a quarter.
# `full` is R2's size and number of epochs.

# %%
SIDE = {"smoke": 64, "quick": 64, "standard": 64, "full": 224}
TRAIN = {"smoke": 100, "quick": 500, "standard": 12_000, "full": None}
SCORED = {"quick": 500}  # validation and test pictures each; else all
EPOCHS = {"smoke": 1, "quick": 1, "standard": 2, "full": 10}
WIDTH = {"smoke": 16, "quick": 16, "standard": 32, "full": 64}
QUICK = (
    "LeNet (1998)",
    "LeNet",
    "ResNet-18",
    "SE-ResNet-18",
    "DenseNet (R2)",
)
LARGE = ("ResNet-50", "ResNet-101", "AlexNet (R2)")


def declare_zoo(profile: experiment.Profile) -> experiment.Grid:
    """All networks at one size and budget."""
    side, width = SIDE[profile], WIDTH[profile]
    resnet = partial(ResNet, channels=1, classes=10, width=width)
    alexnet = partial(AlexNet, channels=1, classes=10, width=width)
    vgg = partial(VGG, channels=1, classes=10)
    vit = partial(ViT, image_size=side, patch_size=side // 4, channels=1)
    networks: dict[str, Build] = {
        "LeNet (1998)": partial(LeNet1998, side=side),
        "LeNet": partial(LeNet, side=side),
        "AlexNet": alexnet,
        "SE-AlexNet": partial(alexnet, attention=SqueezeExcite),
        "VGG-11": partial(
            vgg, width=width if profile == "full" else width // 2
        ),
        "ResNet-18": partial(resnet, 18),
        "ResNet-34": partial(resnet, 34),
        "ResNet-50": partial(resnet, 50),
        "ResNet-101": partial(resnet, 101),
        "SE-ResNet-18": partial(resnet, 18, attention=SqueezeExcite),
        "SE-ResNet-34": partial(resnet, 34, attention=SqueezeExcite),
        "DenseNet (R2)": partial(R2DenseNet, channels=1),
        "AlexNet (R2)": partial(R2AlexNet, channels=1),
        "ViT (R1)": partial(R1ViT, image_size=side, patch_size=side // 4),
        "ViT": partial(
            vit,
            classes=10,
            dim=128,
            depth=1,
            heads=8,
            mlp_dim=512,
            dropout=0.2,
        ),
        "ViT, small": partial(vit_mnist, image_size=side),
    }
    small = profile in ("smoke", "quick")
    return {
        name: partial(
            training.fit,
            model=network,
            data=loader(
                dataset, train=TRAIN[profile], scored=SCORED.get(profile)
            ),
            view=View(side=side),
            recipe=Recipe(
                epochs=EPOCHS[profile],
                optimiser="adamw",
                learning_rate=0.002,
                schedule="one-cycle",
                precision="auto",
            ),
            probes=(probes.errors, probes.gates)
            if name.startswith("SE-")
            else (probes.errors,),
        )
        for name, network in networks.items()
        if (name in QUICK if small else profile == "full" or name not in LARGE)
    }


zoo = experiment.run("zoo", declare_zoo, profile=profile)

# %% [markdown]
# ## Experiment: R1's four networks
#
# R1 trained at 28 px with Adam and a constant rate: the convnets for ten
# epochs, its ViT for fifty, at a smaller rate.  Here in the same proportions,
# on fewer digits.  (`quick` shows the committed `standard` runs.)

# %%
R1_TRAIN = {"smoke": 100, "quick": 500, "standard": 3_000, "full": None}


def declare_r1(profile: experiment.Profile) -> experiment.Grid:
    """R1's networks at R1's settings, with fewer digits and epochs."""
    epochs = EPOCHS[profile]
    recipe = partial(Recipe, batch_size=64, optimiser="adam", precision="auto")
    convnets: dict[str, Build] = {
        "LeNet": LeNet,
        "VGG (R1)": r1_vgg,
        "ResNet-18": partial(ResNet, 18, channels=1, classes=10),
    }
    if profile == "smoke":
        del convnets["VGG (R1)"]
    arms = {
        name: (network, recipe(epochs=epochs, learning_rate=0.001))
        for name, network in convnets.items()
    }
    arms["ViT (R1)"] = R1ViT, recipe(epochs=5 * epochs, learning_rate=5e-5)
    return {
        name: partial(
            training.fit,
            model=network,
            data=loader(dataset, train=R1_TRAIN[profile]),
            recipe=chosen,
        )
        for name, (network, chosen) in arms.items()
    }


rest = "evidence" if (profile, dataset) == ("quick", "mnist") else profile
r1 = experiment.run("zoo-r1", declare_r1, profile=rest)
show.banner(profile, zoo, r1)

# %%
show.left_out(zoo=(declare_zoo, zoo), r1=(declare_r1, r1))

# %% [markdown]
# ## Results
#
# ### Accuracy and cost
#
# Test accuracy with its interval over seeds, and what sampling the test set
# adds.  Seconds are those of the training alone.

# %%
show.results(zoo)

# %%
show.figure(
    figures.cost(zoo, "multiply_adds", unit="multiply-adds a picture"),
    alt="Test error against multiply-adds per picture for each network",
)

# %%
show.figure(
    figures.cost(zoo, "parameters", unit="parameters"),
    alt="Test error against the number of parameters for each network",
)

# %% [markdown]
# Does time follow multiply-adds?  If it did, all networks would cost the same
# time per multiply-add:

# %%
show.frame(cards.pace(zoo))

# %% [markdown]
# ### Learning curves

# %%
show.figure(
    figures.learning_curves(zoo, "train loss", unit="nats", log=True),
    alt="Training loss over epochs for each network",
)

# %%
show.figure(
    figures.learning_curves(zoo, "accuracy", unit="validation, share"),
    alt="Validation accuracy over epochs for each network",
)

# %%
show.made_of(zoo)

# %% [markdown]
# ### The digits, before and after resizing
#
# What the networks get: one channel, resized bilinearly in batches on the
# device.  (These are digits that the first network got wrong.)

# %%
first = records.grouped(zoo)[zoo[0].variant][0].arrays("errors.npz")
show.figure(
    drawings.resized(first["pictures"][:6], side=SIDE[zoo[0].profile]),
    alt="Six test digits at 28 pixels and as resized for the networks",
)

# %%
show.made_of(zoo[:1])

# %% [markdown]
# ### Each network: summary, confusion, errors
#
# Click a network for its layers (by torchinfo), the mean over seeds of its
# confusion on the test digits, and the digits that its first seed got most
# wrong.

# %%
side = SIDE[zoo[0].profile]
cards.networks(zoo, (1, side, side))

# %%
show.made_of(zoo)

# %% [markdown]
# ### Traits
#
# R1 described networks by adjectives: simple, deep, heavy.  The same in
# numbers:

# %%
show.frame(outline.traits(cards.models(zoo), (1, side, side)))

# %%
show.made_of(zoo)

# %% [markdown]
# ### Is SE-ResNet-18 the best?
#
# Every network's difference to it, paired over seeds:

# %%
leader = "SE-ResNet-18"
show.figure(
    figures.differences(records.table(zoo, baseline=leader), log=True),
    alt="Paired difference of each network's test accuracy to SE-ResNet-18's",
)

# %%
show.results(zoo, baseline=leader)

# %% [markdown]
# ### R1's four networks in R1's setting

# %%
show.results(r1, baseline="LeNet")

# %%
show.figure(
    figures.seeds(r1),
    alt="Test accuracy of each run of R1's four networks",
)

# %% [markdown]
# ## Reading

# %%
table = records.table(zoo, baseline=leader)
above = list(table.index[table["difference low"] > 0])
below = list(table.index[table["difference high"] < 0])
show.markdown(
    f"""
    Of the other {len(table) - 1} networks here, {len(above)} are above
    {leader} with the whole interval of their difference
    ({", ".join(above) or "none"}), {len(below)} below it
    ({", ".join(below) or "none"}), and the rest can't be told from it with
    {table["n"].iloc[0]} seeds.
    """
)

# %% [markdown]
# What the reports claim, by rules that were committed before the runs:

# %%
show.claims("02_mnist_zoo", only=(8, 9, 25, 26, 41, 42))

# %% [markdown]
# A ranking of networks is a ranking at a budget, and a gap between two single
# runs says little unless it is far larger than what one network's runs differ
# by:

# %%
spans = []
for runs in (zoo, r1):
    reached = pd.Series(records.scores(records.grouped(runs)["ResNet-18"]))
    spans.append(f"{100 * (reached.max() - reached.min()):.2f}")
show.markdown(
    f"""
    ResNet-18's runs alone span {spans[0]} points in the first experiment and
    {spans[1]} in R1's setting.  R2's SE-ResNet-18 led its ResNet-18 by 0.38
    points, one run each, and in training mode at that: it never called
    `eval()` ([pitfalls](02d_zoo_pitfalls.html)).
    """
)

# %% [markdown]
# ## Limits
#
# - One recipe for all is not the best for each: a ViT without a longer
#   training, or LeNet's sigmoids with this few steps, are at a disadvantage
#   that a page about their best would not show.
# - `standard` is two epochs of a part of MNIST, with pictures of a twelfth of
#   R2's area and networks of half the width; ResNet-50, -101 and R2's AlexNet
#   have costs only.
# - Seconds are of one thread beside another run; they compare arms.
#
# ## Exercises
#
# 1. Train one network at R2's command line's settings: `coursework train
#    mnist-zoo --model resnet18 --epochs 1`, then with `--residual multiply`.
#    Which of its options change the parameters?
#
#    <details><summary>Solution</summary>
#
#    Those that say what the network is made of, such as the model, its depth,
#    norms, growth rate and SE ratio. How a shortcut is joined has no
#    parameters for a product or a sum, and what belongs to training has none
#    at all.
#
#    </details>
#
# 2. Give ResNet-18 `stem="cifar"` in this page's grid, one word in one line,
#    which keeps the whole side. How many times the multiply-adds are that at
#    64 px and 16 maps? (Checked.) Does accuracy follow?
#
#    <details><summary>Solution</summary>
#
#    About sixteen times: four times the side of all later maps. Compare the
#    gain with the row's interval: digits are large and simple, and what a
#    quarter of the side shows may be enough.
#
#    </details>
#
# 3. From the confusion matrices: which two digits are confused most by all
#    networks, and are the shown ones readable to you?
#
#    <details><summary>Solution</summary>
#
#    Add the matrices and their transposes and take the largest cell off the
#    diagonal. Look whether it is the same for networks that never shared a
#    seed: pictures that all get wrong are a matter of the digits.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.cifar_stem(None)
