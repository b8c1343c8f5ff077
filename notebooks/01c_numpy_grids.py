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
# # What the numpy network is made of
#
# Report R1 asks of its numpy network which loss, which activation, how many
# hidden units and how much weight decay, and answers each with one run.  Here
# each question is a grid with several seeds.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from dataclasses import replace
from functools import partial
from itertools import product
from typing import get_args

from coursework import experiment, figures, mlp, records, show
from coursework.data.sets import loader
from coursework.recipe import Recipe

figures.style()

# %% [markdown]
# ## Question
#
# 1. Which loss and which activation does the network on MNIST do best with?
# 2. From how many hidden units on does another doubling only cost time?
# 3. How much weight decay is too much?
#
# ## Prediction
#
# R1 found the multiclass hinge loss best, ReLU far faster than sigmoid, more
# than a few hundred hidden units useless, and strong weight decay harmful.
# Which of the four would you bet on, with five seeds and a held-out test set?
#
# ## Method
#
# All arms share one base: 784-1024-10, mini-batches of 128, momentum 0.9, a
# warm-up with cosine decay, the same budget and the same seeds.  An arm
# differs from the base in what its label says.  The three losses of a batch
# of scores:

# %%
show.source(mlp.hinge)

# %%
show.source(mlp.cross_entropy)

# %%
show.source(mlp.squared_error)

# %% [markdown]
# ## Experiment: loss and activation
#
# A loss sets the scale of its gradients, so one rate for all would favour one
# of them: every combination runs at three rates and keeps the one that is
# best on the validation pictures.

# %%
SIZES = {"smoke": 400, "quick": 5_000, "standard": None, "full": None}
EPOCHS = {"smoke": 1, "quick": 1, "standard": 3, "full": 10}


def base(profile: experiment.Profile, rate: float) -> Recipe:
    """The recipe that all arms of this page share."""
    return Recipe(
        epochs=EPOCHS[profile],
        batch_size=128,
        learning_rate=rate,
        momentum=0.9,
        schedule="cosine",
    )


def declare_losses(profile: experiment.Profile) -> experiment.Grid:
    """Three losses, three activations, three rates."""
    small = profile in ("smoke", "quick")
    activations: list[mlp.ActivationName] = ["relu", "sigmoid", "tanh"]
    return {
        f"{loss}, {activation}, rate {rate}": partial(
            mlp.fit,
            data=loader(dataset, train=SIZES[profile]),
            recipe=base(profile, rate),
            activation=activation,
            loss=loss,
        )
        for loss, activation in product(
            get_args(mlp.LossName), activations[: 2 if small else 3]
        )
        for rate in ((0.1,) if small else (0.02, 0.1, 0.5))
    }


loss_runs = experiment.run(
    "numpy-loss-activation", declare_losses, profile=profile
)

# %% [markdown]
# ## Experiment: width


# %%
def declare_widths(profile: experiment.Profile) -> experiment.Grid:
    """Hidden units from 16 up; the label is their number."""
    small = profile in ("smoke", "quick")
    widths = (16, 128) if small else (16, 64, 256, 1024, 2048)
    return {
        str(width): partial(
            mlp.fit,
            data=loader(dataset, train=SIZES[profile]),
            recipe=base(profile, rate=0.1),
            hidden=(width,),
        )
        for width in widths
    }


width_runs = experiment.run("numpy-width", declare_widths, profile=profile)

# %% [markdown]
# ## Experiment: weight decay


# %%
def declare_decays(profile: experiment.Profile) -> experiment.Grid:
    """Weight decay from none up; the label is its factor."""
    small = profile in ("smoke", "quick")
    decays = (0, 0.1) if small else (0, 0.0001, 0.001, 0.01, 0.1)
    recipe = base(profile, rate=0.1)
    return {
        str(decay): partial(
            mlp.fit,
            data=loader(dataset, train=SIZES[profile]),
            recipe=replace(recipe, weight_decay=decay),
        )
        for decay in decays
    }


decay_runs = experiment.run(
    "numpy-weight-decay", declare_decays, profile=profile
)
show.banner(profile, loss_runs, width_runs, decay_runs)

# %%
show.left_out(
    losses=(declare_losses, loss_runs),
    widths=(declare_widths, width_runs),
    decays=(declare_decays, decay_runs),
)

# %% [markdown]
# ## Results
#
# ### Loss and activation
#
# Each combination at the rate that validation chose; differences are to
# cross-entropy with ReLU.

# %%
best_losses = records.tuned(loss_runs)
baseline = next(
    run.variant
    for run in best_losses
    if run.variant.startswith("cross-entropy, relu")
)
show.results(best_losses, baseline=baseline)

# %%
show.figure(
    figures.differences(records.table(best_losses, baseline=baseline)),
    alt="Paired difference of each loss and activation to cross-entropy "
    "with ReLU, with intervals",
)

# %%
show.figure(
    figures.learning_curves(best_losses, "accuracy", unit="validation, share"),
    alt="Validation accuracy over epochs by loss and activation",
)

# %% [markdown]
# ### Width

# %%
show.results(width_runs, baseline=width_runs[0].variant)

# %%
show.figure(
    figures.cost(width_runs),
    alt="Test error against seconds of training for each hidden width, "
    "with intervals",
)

# %% [markdown]
# ### Weight decay

# %%
show.results(decay_runs, baseline="0")

# %%
show.figure(
    figures.seeds(decay_runs),
    alt="Test accuracy of each run by weight decay, with means and intervals",
)

# %% [markdown]
# ## Reading
#
# The claims of the report that these grids decide, by rules that were
# committed before the runs:

# %%
show.claims("01_numpy_mlp", only=(1, 2, 5, 6))

# %% [markdown]
# A verdict is about this network and budget.  Where it is *undecided*, the
# difference is smaller than the seeds let us see, and the text says how many
# more would do.
#
# ## Limits
#
# - Three rates a decade or less apart: a loss could gain from a finer search,
#   each by a little.
# - Seconds are those of one thread beside another run on the same machine;
#   they compare arms of one grid, not machines.
# - The budget is three epochs in `standard`; what regularises may pay later.
#
# ## Exercises
#
# 1. Write a fourth loss, the squared hinge: a function of scores (N, K) and
#    targets (N,) that returns the mean loss and its gradient, like those
#    above. (Checked.) Put it into `mlp/layers.py` with one entry in `LOSSES`
#    and one name in `LossName`, and the grid finds it.
#
#    <details><summary>Solution</summary>
#
#    The margins are those of `hinge`. Return
#    `np.square(margins).sum(axis=1).mean()`; the gradient is `2 * margins`,
#    with minus its row's sum at the right class, over the number of examples.
#
#    </details>
#
# 2. The hinge loss has a gradient of zero for examples that are right by a
#    margin. After which epoch is that most of them, and what does this do to
#    the effective batch size?
#
#    <details><summary>Solution</summary>
#
#    Count in `mlp/layers.py` how many rows of the gradient are zero. Once most
#    of them are, a batch of 128 acts like the few that are left in it: steps
#    get smaller on average and noisier in direction.
#
#    </details>
#
# 3. Give the widths their own rate each (three rates, as for the losses). Does
#    the verdict on 2048 against 1024 change?
#
#    <details><summary>Solution</summary>
#
#    Add a second `for` over the rates and pass the runs through
#    `records.tuned`. A wider layer has larger sums behind it and prefers a
#    smaller rate; one rate for all favours the widths that it suits.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.squared_hinge(None)
