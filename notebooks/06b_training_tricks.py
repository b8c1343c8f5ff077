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
# # Training tricks, one at a time
#
# Report R3 lists losses, optimisers, schedules, regularisers and augmentations,
# says of some what they are good for, and measured none: its chapter is "to be
# completed".  Here each is one change to one baseline, with a learning rate of
# its own and the same seeds.
#
# **What stands in here.**  Not R3's photographs of birds but drawings of
# animals, few of a class and tested on drawing styles that nobody trained on,
# seen by a narrow network from scratch.  What wins here is what helps there.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from coursework import experiment, features, figures, fine_grained
from coursework import losses_single, penalties, probes_labels
from coursework import records, show, training
from coursework.views import tricks as views
from coursework.views.labelled import Labels, by_class, hardest

figures.style()

# %% tags=["hide-input"]
from coursework.data.augment import View
from coursework.data.jitter import Augment
from coursework.data.mixing import Mix
from coursework.data.randaugment import RandAugment
from coursework.models.heads import ContrastiveHead, CosineHead, reheaded
from coursework.models.pretrained import lite0
from coursework.models.regularised import dropping_attention
from coursework.models.resnet import ResNet
from coursework.models.vit import ViT
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel

# %% [markdown]
# ## Question
#
# 1. Which single change to a plain recipe helps on few pictures, and which
#    hurts?
# 2. How much of such an effect is only that its learning rate was tuned?
# 3. Does a change that moves accuracy move the other scores as well, and which
#    classes does it help?
#
# ## Prediction
#
# Each change gets a rate of its own from three.  Before you go on: will the
# largest effect come from a loss, an optimiser, a regulariser or from what is
# done to the pictures?  And how many of fifteen changes will be worse than
# doing nothing?
#
# ## Method
#
# ### One factor at a time
#
# The baseline is a narrow ResNet-18 from scratch {cite:p}`he2016deep`: plain
# cross-entropy, AdamW with a weight decay of 0.05, one cycle of the rate,
# batches of 32, pictures flipped and cropped at random.
# Each arm differs from it in one thing and has the same seeds, so differences
# are paired.  Its peak rate is the best of three on the validation pictures, by
# one run each: the same small budget for all, the baseline included.  SGD and
# Lion get three of their own scale.
#
# ### A loss of our own
#
# Label smoothing keeps logits from growing for ever, but it asks that all wrong
# classes be equally likely; between animals that look alike they are not.
# "Capped" lets an example go once it is confident enough, and says nothing
# about the wrong classes:

# %%
show.source(losses_single.capped)

# %% [markdown]
# ### R3's penalties, wrong and right
#
# R3 sums |w| over the layers, but adds the *running* sum inside the loop: what
# came before is counted again with each layer.

# %%
show.source(penalties.running_sum)

# %%
show.source(penalties.penalty)

# %% [markdown]
# Three layers of two weights, and what each form makes of them.  The gradient
# of L1 has size 1 for every weight; R3's is as many times larger as there are
# layers from here on.  L∞ is the largest weight of all, so it pulls one weight;
# R3's sum of each layer's largest pulls one in every layer, however small.

# %%
show.frame(views.penalised())

# %% [markdown]
# ## Experiment: one factor at a time
#
# `full` has all that R3 names; `standard` trains sixteen arms at 64 pixels.
# "Dropout" and "attention dropout" of a ViT are to be compared with the arm
# "ViT", not with the baseline.

# %%
SIDE = {"smoke": 32, "full": 224}
WIDTH = {"smoke": 4, "full": 64}
EPOCHS = {"smoke": 1, "quick": 2, "standard": 30, "full": 100}
BASE = Augment(flip=0.5, crop=0.5)
ADAPTIVE, SGD, LION = (
    tuple(factor * rate for rate in (0.001, 0.003, 0.01))
    for factor in (1, 30, 0.1)
)
LOWER = (0.0003, 0.001, 0.003)
LADDERS = {"SGD": SGD, "Lion": LION, "longer, lower rate": LOWER}
losses = partial(SingleLabel, thorough=True)

# Of each arm: settings of the network, the recipe, the training, its rates.
NETWORKS: dict[str, dict[str, Any]] = {
    "dropout": {"dropout": 0.5},
    "no batch norm": {"batch_norm": False},
    "no batch norm, dropout": {"batch_norm": False, "dropout": 0.5},
    "CosFace": {"last": CosineHead},
    "ArcFace": {"last": CosineHead},
    "supervised contrast": {"last": ContrastiveHead},
    "twice the width": {"wider": 2},
    "stochastic depth": {"drop": "stochastic-depth"},
}
VITS: dict[str, dict[str, float]] = {
    "ViT": {},
    "ViT, dropout": {"dropout": 0.1},
    "ViT, attention dropout": {"attention": 0.1},
}
RECIPES: dict[str, dict[str, Any]] = {
    "SGD": {"optimiser": "sgd", "momentum": 0.9, "weight_decay": 5e-4},
    "Adam": {"optimiser": "adam", "weight_decay": 0.0},
    "Lion": {"optimiser": "lion", "weight_decay": 0.5},
    "constant rate": {"schedule": "constant"},
    "cosine": {"schedule": "cosine"},
    "warm restarts": {"schedule": "warm-restarts"},
    "multistep": {"schedule": "multistep"},
    "plateau": {"schedule": "plateau", "patience": 5},
    "no weight decay": {"weight_decay": 0.0},
    "early stopping": {"early_stop": 5},
    "batches of 8": {"batch_size": 8},
    "batches of 128": {"batch_size": 128},
    "longer, lower rate": {"longer": 3},
    "moving average": {"average": "ema"},
    "averaged epochs": {"average": "swa"},
    "RandAugment for crops": {"flip": True},
}
TRAININGS: dict[str, dict[str, Any]] = {
    "label smoothing": {"task": losses(0.1)},
    "focal loss": {"task": losses(criterion="focal")},
    "squared error": {"task": losses(criterion="mse")},
    "Huber": {"task": losses(criterion="huber")},
    "Dice": {"task": losses(criterion="dice")},
    "capped cross-entropy": {"task": losses(criterion="capped")},
    "CosFace": {"task": losses(criterion="cosface")},
    "ArcFace": {"task": losses(criterion="arcface")},
    "supervised contrast": {"task": losses(criterion="supervised-contrastive")},
    "L1": {"penalty": partial(penalties.scaled, factor=1e-5)},
    "Lp, p = 0.5": {"penalty": partial(penalties.scaled, factor=1e-5, p=0.5)},
    "Lp, p = 4": {"penalty": partial(penalties.scaled, factor=1e-2, p=4.0)},
    "no augmentation": {"augmentation": Augment()},
    "flips alone": {"augmentation": Augment(flip=0.5)},
    "crops alone": {"augmentation": Augment(crop=0.5)},
    "RandAugment for crops": {"augmentation": RandAugment()},
    "rotation": {"augmentation": Augment(flip=0.5, crop=0.5, rotate=30)},
    "colour": {"augmentation": Augment(flip=0.5, crop=0.5, colour=0.3)},
    "noise": {"augmentation": Augment(flip=0.5, crop=0.5, noise=0.1)},
    "random erasing": {"augmentation": Augment(flip=0.5, crop=0.5, erase=0.3)},
    "mixup": {"mix": Mix(kind="mixup", alpha=0.2)},
    "CutMix": {"mix": Mix(kind="cutmix")},
}
FULL = tuple(
    dict.fromkeys(["baseline", *NETWORKS, *VITS, *RECIPES, *TRAININGS])
)
STANDARD = (
    *("baseline", "label smoothing", "focal loss", "capped cross-entropy"),
    *("CosFace", "supervised contrast", "SGD", "Adam", "dropout"),
    *("no batch norm", "no batch norm, dropout", "no augmentation", "colour"),
    *("random erasing", "mixup", "moving average"),
)
ARMS = {
    "smoke": ("baseline", "supervised contrast"),
    "quick": ("baseline", "mixup"),
    "standard": STANDARD,
}


def network(
    profile: experiment.Profile,
    last: Any = nn.Linear,
    dropout: float = 0.0,
    wider: int = 1,
    **options: Any,
) -> Callable[[], nn.Module]:
    """Bind a narrow ResNet-18, from scratch, with a head of its own."""
    return partial(
        reheaded,
        build=partial(
            ResNet,
            18,
            classes=fine_grained.classes(dataset, profile),
            width=wider * WIDTH.get(profile, 16),
            **options,
        ),
        last=last,
        dropout=dropout,
    )


def transformer(
    profile: experiment.Profile, dropout: float = 0.0, attention: float = 0.0
) -> Callable[[], nn.Module]:
    """Bind a small ViT, from scratch, and what it drops."""
    build = partial(
        ViT,
        image_size=SIDE.get(profile, 64),
        classes=fine_grained.classes(dataset, profile),
        dim=192,
        depth=6,
        heads=3,
        mlp_dim=384,
        dropout=dropout,
    )
    if not attention:
        return build
    return partial(dropping_attention, build=build, rate=attention)


def recipe(
    profile: experiment.Profile, rate: float, longer: int = 1, **changes: Any
) -> Recipe:
    """Return the baseline's recipe with changes."""
    common = {"epochs": longer * EPOCHS[profile], "weight_decay": 0.05}
    return fine_grained.recipe(profile, rate, **common | changes)


def arm(profile: experiment.Profile, name: str, rate: float) -> partial[Any]:
    """Bind the baseline with one change."""
    side = SIDE.get(profile, 64)
    settings: dict[str, Any] = {"task": losses(), "augmentation": BASE}
    model = network(profile, **NETWORKS.get(name, {}))
    if name in VITS:
        model = transformer(profile, **VITS[name])
    return partial(
        training.fit,
        model=model,
        data=fine_grained.pictures(dataset, profile, side),
        view=View(side=side, channels=3),
        recipe=recipe(profile, rate, **RECIPES.get(name, {})),
        **settings | TRAININGS.get(name, {}),
    )


def ladder(profile: experiment.Profile, name: str) -> tuple[float, ...]:
    """Return the rates that an arm chooses from: three, fit for its steps."""
    found = LADDERS.get(name, ADAPTIVE)
    return found if profile in ("standard", "full") else found[1:2]


def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at each of its rates."""
    return {
        f"{name}, rate {rate:g}": arm(profile, name, rate)
        for name in ARMS.get(profile, FULL)
        for rate in ladder(profile, name)
    }


ONCE = dict.fromkeys(experiment.PROFILES, 1)
tried = experiment.run(
    "tricks-rates", declare_rates, profile=profile, seeds=ONCE
)
rates = records.rates(tried)


def declare_tricks(profile: experiment.Profile) -> experiment.Grid:
    """Each arm at the rate that validated best."""
    return {
        name: arm(profile, name, rates.get(name, ladder(profile, name)[0]))
        for name in ARMS.get(profile, FULL)
    }


tricks = experiment.run("tricks", declare_tricks, profile=profile)

# %% [markdown]
# ## Experiment: what the same pictures allow
#
# A linear layer on features of EfficientNet-Lite0 {cite:p}`tan2019efficientnet`
# from ImageNet, of the same pictures at the same size: for scale, and to read
# the predictions that the records keep.


# %%
def declare_features(profile: experiment.Profile) -> experiment.Grid:
    """One head on frozen features."""
    side = SIDE.get(profile, 64)
    head = partial(
        features.fit_head,
        backbone=partial(lite0, 0, pretrained=profile != "smoke"),
        data=fine_grained.pictures(dataset, profile, side),
        view=View(side=side, channels=3),
        task=losses(),
        recipe=fine_grained.recipe(profile, 0.003, precision="float32"),
        probes=(probes_labels.test_labels,),
    )
    return {"a head on ImageNet's features": head}


heads = experiment.run("tricks-features", declare_features, profile=profile)
show.banner(profile, tricks, heads)

# %%
show.left_out(tricks=(declare_tricks, tricks))

# %%
arms = records.grouped(tricks)
labels = Labels.of(heads[0])
best = views.chosen(tricks, "baseline")

# %% [markdown]
# ## Results

# %%
show.markdown(f"Data of this page: **{tricks[0].data['name']}**.")

# %% [markdown]
# ### One change each
#
# Paired differences in test accuracy, largest first, with 95 % intervals over
# seeds:

# %%
show.figure(
    views.effects(tricks, "baseline"),
    alt="Paired difference in test accuracy of each change to the baseline, "
    "largest first, with intervals",
)

# %%
show.markdown(views.decided(tricks, "baseline"))

# %%
show.results(tricks, baseline="baseline")

# %% [markdown]
# ### How much of it is tuning
#
# On validation pictures, by the runs that chose the rates.  The effect of a
# change is split: what it gains at the *baseline's* best rate, and what a rate
# of its own adds.  The second part can't be negative, for it is a choice of the
# best of three, and some of it is luck:

# %%
show.frame(views.tuning(tried, "baseline"))

# %%
show.markdown(views.tuning_said(tried, "baseline"))

# %%
show.made_of(tried)

# %% [markdown]
# ### How they train
#
# The baseline, and the two changes that lie farthest to each side of it:

# %%
show.figure(
    figures.learning_curves(
        views.notable(tricks, "baseline"), "accuracy", unit="validation, share"
    ),
    alt="Validation accuracy over epochs of the baseline, the two best and the "
    "two worst changes",
)

# %%
show.made_of(tricks)

# %% [markdown]
# ### Other scores
#
# All of the test split, in per cent: means over classes of precision, recall
# and F1; the area under each class's ROC curve against the rest; and the
# expected calibration error {cite:p}`guo2017calibration`, of which less is
# better.

# %%
show.frame(views.metrics(arms))

# %%
show.made_of(tricks)

# %% [markdown]
# ### What is done to the pictures

# %%
PICTURES = (
    *("no augmentation", "flips alone", "crops alone", "rotation", "colour"),
    *("noise", "random erasing", "mixup", "CutMix", "RandAugment for crops"),
)
show.markdown(views.decided(tricks, "baseline", PICTURES))

# %% [markdown]
# ### Which animals
#
# The baseline's most frequent confusions, over all its runs:

# %%
show.frame(hardest(arms["baseline"], labels))

# %%
show.markdown(
    f"Of the changes, validation prefers *{best}*.  These are the classes that "
    "it helps most, and those that it hurts most, in per cent; a class has few "
    "test pictures, so its interval is wide."
)

# %%
show.frame(by_class(arms, labels, "baseline", best))

# %%
show.made_of([*tricks, *heads])

# %% [markdown]
# ### For scale

# %%
show.markdown(views.beside(heads, arms["baseline"]))

# %%
show.made_of([*tricks, *heads])

# %% [markdown]
# ## Reading
#
# What R3 and R4 say of these changes; what they say of unequal classes, of
# ensembles and of validation is on the page
# [Ensembles and estimates](06g_ensembles_and_estimates).

# %%
show.claims("06b_training_tricks")

# %% [markdown]
# A change that wins here won on few drawings, with its rate chosen from three
# by one run.  Beside its interval, look at the column "by its own rate": where
# both are of one size, nothing was found but a rate.
#
# ## Limits
#
# - One network, from scratch, at a small size.  What helps it need not help one
#   that learnt on photographs; how far the two lie apart is said above.
# - Single changes.  Two that help alone may be of no help together, and a
#   change that cures what another one causes looks useless here.
# - Each change has one strength: one margin, one share of dropout.  What hurts
#   at this strength may help at another.
# - Three rates and one run choose a rate by a few pictures, so the best of
#   three is partly luck, for the baseline as for the others.
# - A fixed number of epochs on few pictures favours what learns fast.
#
# ## Exercises
#
# 1. The table of penalties has three layers.  In R3's loop over a ResNet-18,
#    how many times does its first convolution count?  (Checked.)
#
#    <details><summary>Solution</summary>
#
#    As many times as the network has tensors of weights, for it is in every
#    running sum: `penalties.multiplicity(ResNet(18))` counts them. The last
#    layer counts once.
#
#    </details>
#
# 2. By how much should the right logit lead, among ten classes, where labels
#    are smoothed by 0.1?  (Checked.)
#
#    <details><summary>Solution</summary>
#
#    The loss is lowest where the softmax gives the smoothed target: 0.91 for
#    the right class and 0.01 for each other. The logits' difference is the
#    logarithm of the ratio, log 91. Without smoothing there is no such place.
#
#    </details>
#
# 3. Does mixup help in your own runs?  (Checked.)
#
#    <details><summary>Solution</summary>
#
#    Look where zero lies in the interval of the paired difference. With few
#    seeds and few epochs, "undecided" is the likely answer, and an honest one.
#
#    </details>
#
# 4. Put two changes that help together: one more line in `TRAININGS` or
#    `RECIPES`, and its name in `ARMS`.  Do their gains add up?
#
#    <details><summary>Solution</summary>
#
#    Compare the arm's row with the sum of the two rows; the interval of a sum
#    of two differences is wider than either. Gains seldom add up where both
#    cure the same thing.
#
#    </details>

# %%
from coursework import checks

checks.loop_counts(None)

# %%
checks.smoothed_gap(None)

# %%
checks.compared(None, tricks, arm="mixup", baseline="baseline")
