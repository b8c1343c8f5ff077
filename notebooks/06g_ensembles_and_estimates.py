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
# # Ensembles and estimates
#
# Report R3 says of focal loss that it helps rare classes, of ensembles that
# their members must be good and err differently, and of leave-one-out
# validation that it costs much and varies much.  It measured none of the three.
#
# **What stands in here.**  Not R3's photographs of birds but drawings of
# animals, tested on drawing styles that nobody trained on.  All that is trained
# here are heads on frozen features of EfficientNet-Lite0 from ImageNet
# {cite:p}`tan2019efficientnet`, so many of them can be.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "animals"

# %% tags=["hide-input"]
from functools import partial
from typing import Any

from coursework import crossvalidation, ensembling, experiment, features
from coursework import figures, fine_grained, probes_labels, records, show
from coursework.data.augment import View
from coursework.data.parts import common
from coursework.data.sampling import imbalanced, oversampled, undersampled
from coursework.ensembles import together as mean_probability
from coursework.models.heads import ContrastiveHead, CosineHead
from coursework.models.pretrained import backbone, lite0
from coursework.models.regularised import mlp_head
from coursework.tasks import SingleLabel
from coursework.views import ensembled as views
from coursework.views.labelled import Labels

figures.style()

# %% [markdown]
# ## Question
#
# 1. Does a loss or a way to sample help where classes are unequally frequent,
#    and which classes?
# 2. When do several networks know more than the best of them, and can one
#    training give as much?
# 3. How far off is an estimate of accuracy that is made from few examples?
#
# ## Prediction
#
# Five heads that differ only in their seed, five that see pictures of other
# sizes, five of other kinds.  Before you go on: which five disagree most, which
# gain most, and is it the same five?
#
# ## Method
#
# An ensemble answers with the mean of its members' *probabilities*, each a
# softmax of its own; the mean of logits would be another thing.

# %%
show.source(mean_probability)

# %% [markdown]
# What its members say beside each other decides what there is to gain.  If all
# err on the same pictures, the correlation of their errors is one and the mean
# can only repeat them; the gain is what the mean has beyond the *best* member.
#
# ## Experiment: classes of unequal frequency
#
# Each class keeps fewer pictures than the one before, the last a tenth of the
# first {cite:p}`cui2019effective`.  Four remedies are trained on these, and a
# control on all pictures.

# %%
losses = partial(SingleLabel, thorough=True)
SAMPLED = {"oversampled": oversampled, "undersampled": undersampled}


def head(
    profile: experiment.Profile,
    *,
    side: int | None = None,
    learnt: bool = True,
    wrap: Any = None,
    task: SingleLabel = losses(),
    **settings: Any,
) -> partial[Any]:
    """Bind a layer on features of pictures of a size, linear unless told."""
    side = side or fine_grained.SIDE[profile]
    data = fine_grained.pictures(dataset, profile, side)
    return partial(
        features.fit_head,
        backbone=partial(lite0, 0, pretrained=learnt and profile != "smoke"),
        data=partial(wrap, data=data) if wrap else data,
        view=View(side=side, channels=3),
        task=task,
        recipe=fine_grained.recipe(profile, 0.003, precision="float32"),
        **settings,
    )


def declare_imbalanced(profile: experiment.Profile) -> experiment.Grid:
    """Two losses and two ways to sample."""
    tail = partial(imbalanced, ratio=10)
    grid = {
        "cross-entropy": head(profile, wrap=tail),
        "focal loss": head(profile, wrap=tail, task=losses(criterion="focal")),
    }
    data = fine_grained.pictures(dataset, profile, fine_grained.SIDE[profile])
    for name, sample in SAMPLED.items():
        rare = partial(sample, data=partial(tail, data=data))
        grid[name] = partial(head(profile), data=rare)
    grid["all pictures"] = head(profile, probes=(probes_labels.test_labels,))
    return grid


unequal = experiment.run(
    "tricks-imbalanced", declare_imbalanced, profile=profile
)

# %% [markdown]
# ## Experiment: ensembles
#
# Members are heads on frozen features; an ensemble's answer is the mean of
# their probabilities {cite:p}`lakshminarayanan2017ensembles`.  They differ in
# nothing ("copies", the control: one network), in their seed, in the size of
# the pictures they see, in the kind of head; one good head has four on random
# features beside it.  The last two need one training only: the head at the end
# of each of three cycles of its rate, and one head that looks at a picture
# four times, cut and mirrored (test-time augmentation).  Mirrored pictures keep
# the animal; so do the middle parts, mostly.  (`quick` shows the committed
# `standard` runs from here on.)

# %%
SIZES = {"smoke": (32, 32), "quick": (64, 96)}
CYCLES = {"smoke": 7, "quick": 7, "standard": 14, "full": 35}
HEADS: tuple[dict[str, Any], ...] = (
    {},
    {"head": CosineHead},
    {"head": CosineHead, "task": losses(criterion="cosface")},
    {"head": mlp_head},
    {
        "head": ContrastiveHead,
        "task": losses(criterion="supervised-contrastive"),
    },
)
NETWORKS = ("resnet50", "densenet121", "convnext_tiny", "vit_base_patch16_224")


def declare_ensembles(profile: experiment.Profile) -> experiment.Grid:
    """Heads that differ in nothing, in their seed, in what they see."""
    good, bad = head(profile), head(profile, learnt=False)
    sizes = SIZES.get(profile, (64, 96, 128, 160, 224))
    several = tuple(head(profile, side=side) for side in sizes)
    same = (good,) * len(sizes)
    kinds: dict[str, dict[str, Any]] = {
        "five copies": {"members": same, "copies": True},
        "five seeds": {"members": same},
        "five sizes": {"members": several},
        "one good, four bad": {"members": (good, *(bad,) * (len(sizes) - 1))},
    }
    kinds["five heads"] = {
        "members": tuple(head(profile, **kind) for kind in HEADS[: len(sizes)])
    }
    if profile == "full":  # the others' weights come from timm's hub
        more = (
            partial(good, backbone=partial(backbone, n, 0)) for n in NETWORKS
        )
        kinds["five architectures"] = {"members": (good, *more)}
    grid: dict[str, Any] = {
        name: partial(ensembling.ensemble, **settings)
        for name, settings in kinds.items()
    }
    cycles = fine_grained.recipe(
        profile,
        0.003,
        epochs=CYCLES[profile],
        schedule="warm-restarts",
        precision="float32",
    )
    settings = dict(good.keywords) | {"recipe": cycles}
    grid["three snapshots"] = partial(ensembling.snapshots, **settings)
    return grid | {"four looks": partial(ensembling.looks, member=good)}


rest = "evidence" if (profile, dataset) == ("quick", "animals") else profile
together = experiment.run("tricks-ensembles", declare_ensembles, profile=rest)

# %% [markdown]
# ## Experiment: how to estimate an accuracy
#
# As many pictures as `quick` has for training are drawn anew by each seed.  A
# logistic regression on their features is trained on all of them, and its
# accuracy on the test split is what one wants to know.  It is estimated from
# the same few pictures alone: by holding out a fifth, by stratified folds, or
# by leaving out one at a time.


# %%
def declare_estimates(profile: experiment.Profile) -> experiment.Grid:
    """Estimate accuracy from few examples, by one split, folds, one by one."""
    side = fine_grained.SIDE[profile]
    data = fine_grained.pictures(dataset, profile, side)
    least, examples = (4, 30) if profile == "smoke" else (5, 236)
    folds = 2 if profile == "smoke" else 4  # pictures of a class that is drawn
    ways = {"one split": None, "four folds": folds, "leave one out": examples}
    if profile == "quick":
        del ways["leave one out"]  # as many trainings as there are examples
    return {
        name: partial(
            crossvalidation.estimate,
            backbone=partial(lite0, 0, pretrained=profile != "smoke"),
            data=partial(common, data=data, least=least),
            view=View(side=side, channels=3),
            examples=examples,
            folds=number,
        )
        for name, number in ways.items()
    }


MANY = dict.fromkeys(experiment.PROFILES, 10) | {"smoke": 2}
estimates = experiment.run(
    "tricks-folds", declare_estimates, profile=rest, seeds=MANY
)
show.banner(profile, unequal, together, estimates)

# %%
show.left_out(
    ensembles=(declare_ensembles, together),
    estimates=(declare_estimates, estimates),
)

# %%
labels = Labels.of(records.grouped(unequal)["all pictures"][0])
ensembles = records.grouped(together)
ways = records.grouped(estimates)

# %% [markdown]
# ## Results

# %%
show.markdown(f"Data of this page: **{unequal[0].data['name']}**.")

# %% [markdown]
# ### Unequal frequency
#
# The mean recall of all classes, whatever their frequency:

# %%
show.results(unequal, score="macro-recall", baseline="cross-entropy")

# %% [markdown]
# And that of the most frequent third of the classes, of the next, and of the
# rarest, in per cent:

# %%
show.frame(views.thirds(records.grouped(unequal), labels))

# %%
show.made_of(unequal)

# %% [markdown]
# ### Ensembles
#
# The control is one network, five times:

# %%
show.results(together, baseline="five copies")

# %% [markdown]
# What they say together less what the best of them says, beside what they
# disagree on and what they cost.  Multiply-adds are those of one answer, as if
# members shared nothing:

# %%
show.frame(views.ensembles(ensembles, "five copies"))

# %%
show.markdown(views.ensembles_said(ensembles, "five copies"))

# %% [markdown]
# The best member is chosen after the fact, on the test pictures: nobody could
# have known it.  So "less the best member" is unkind to an ensemble, and "less
# one network" says what it is worth to somebody who would have trained one.

# %%
show.made_of(together)

# %% [markdown]
# ### Estimates
#
# A dot is one draw of examples; an estimate is good if it lies near zero:

# %%
show.figure(
    views.estimates_drawn(ways),
    alt="Estimate less test accuracy for each way to estimate, each draw of "
    "examples and the mean with its interval",
)

# %%
show.frame(views.estimates(ways))

# %%
show.markdown(views.estimates_said(ways))

# %% [markdown]
# Three things pull an estimate away from what it estimates.  A classifier that
# is trained on a part knows less than one trained on all.  One that is left out
# makes its own class rarer than the others, and a classifier leans to what it
# saw more often: leaving out one of few examples is the worst case.  And the
# test pictures are drawn in styles that are not among the examples, of which no
# way of splitting them can know.
#
# The size of the error, whatever its sign:

# %%
show.results(estimates, score="error", baseline="one split")

# %% [markdown]
# ## Reading

# %%
show.claims("06g_ensembles_and_estimates")

# %% [markdown]
# ## Limits
#
# - Heads on one frozen network: members share most of what they know.  Whole
#   networks trained apart may differ more, and cost far more.
# - Three snapshots and four looks are fewer members than five; their cost is in
#   the table, and a gain should be read beside it.
# - One ratio of frequencies, ten to one.  What remedies the rare may only show
#   where they are rarer.
# - Draws of examples overlap, so ten of them vary less than ten new sets would.
# - The calibration error of few test pictures is never zero, even of a network
#   that is perfectly calibrated.
#
# ## Exercises
#
# 1. Two classes, five networks, each right in six of ten cases, independently
#    of each other.  How often is the majority right?  (Checked.)
#
#    <details><summary>Solution</summary>
#
#    Three, four or all five are right: the three last terms of the binomial
#    distribution, 10 · 0.6³ · 0.4² + 5 · 0.6⁴ · 0.4 + 0.6⁵. Compare the
#    column of correlations: errors of real members are not independent.
#
#    </details>
#
# 2. Give "one good, four bad" only two members: one number in `sizes` there.
#    Does the one bad one still hurt?
#
#    <details><summary>Solution</summary>
#
#    A mean of two gives each half of the say; the surer one wins. A head on
#    random features is seldom sure, so it hurts less than four do together.
#
#    </details>
#
# 3. Make classes equally frequent: `ratio=1` in `declare_imbalanced`.  Which of
#    the four arms are then the same?
#
#    <details><summary>Solution</summary>
#
#    Nothing is dropped, but the full set's own frequencies remain, so
#    resampling still does a little; the first arm is the control's equal.
#
#    </details>

# %%
from coursework import checks

checks.majority_of_five(None)
