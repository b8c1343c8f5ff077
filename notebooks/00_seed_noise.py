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
# # The same network twenty times
#
# Before anything is compared, one thing is measured: how much does *nothing*
# change a result?  One network, one data set, one recipe, and twenty seeds.
# Every later table of this book is read with the spread found here in mind.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from functools import partial

import pandas as pd

from coursework import experiment, figures, records, show, stats, training
from coursework.data.sets import loader
from coursework.models.lenet import LeNet
from coursework.recipe import Recipe

figures.style()

# %% [markdown]
# ## Question
#
# Train the same LeNet twenty times, with nothing different but the seed.
# How far apart are two single runs?  If thirteen variants that are all the
# same were each trained once, how much would the best of them seem to gain?
#
# ## Prediction
#
# Write your guess down before you read on: the standard deviation of the test
# accuracy in points, and the odds that the best of thirteen identical
# variants beats a baseline that is identical too.
#
# ## Method
#
# The seed decides the initial weights and the order of the pictures, each
# through a generator of its own.  The network is LeNet in its modern form
# {cite:p}`lecun1998gradient`:

# %%
show.source(LeNet)

# %% [markdown]
# All intervals in this book are Student's *t* over seeds
# {cite:p}`student1908`.  Why not the bootstrap, or a rank test, is measured
# below.
#
# ## Experiment
#
# The grid has one row.  The profile decides how many pictures and epochs;
# `full` is the budget of report R1: all pictures, ten epochs, Adam.


# %%
def declare(profile: experiment.Profile) -> experiment.Grid:
    """One variant; its seeds are the experiment."""
    sizes = {"smoke": 200, "quick": 4_000, "standard": 12_000, "full": None}
    epochs = {"smoke": 1, "quick": 1, "standard": 2, "full": 10}
    recipe = Recipe(
        optimiser="adam",
        learning_rate=1e-3,
        batch_size=64,
        epochs=epochs[profile],
    )
    data = loader(dataset, train=sizes[profile])
    return {
        "LeNet": partial(training.fit, model=LeNet, data=data, recipe=recipe)
    }


runs = experiment.run(
    "seed-noise",
    declare,
    profile=profile,
    seeds={"smoke": 14, "quick": 20, "standard": 20, "full": 20},
)
show.banner(profile, runs)

# %% [markdown]
# ## Results

# %%
show.results(runs)

# %%
show.figure(
    figures.seeds(runs),
    alt="Test accuracy of each run, their mean and its 95 % interval",
)

# %%
show.figure(
    figures.learning_curves(runs, "train loss", unit="nats per example"),
    alt="Training loss over epochs: mean and 95 % interval over seeds",
)

# %% [markdown]
# ### The best of thirteen
#
# Report R0 compares about thirteen variants with one run each.  Deal our runs
# out in the same way: one to a baseline and one each to thirteen variants,
# which are all the same network.

# %%
values = records.scores(runs)
share, lead = stats.best_of(values, variants=13)
spread = stats.t_interval(values)
show.markdown(
    f"The best of thirteen identical variants beats the baseline in "
    f"**{100 * share:.0f} %** of the deals, on average by "
    f"**{100 * lead:.2f} points**: {lead / spread.sd:.1f} standard "
    f"deviations of a single run. There is nothing to be found here, and it "
    f"would be found nearly every time."
)

# %% [markdown]
# ### Which interval at five seeds?
#
# Take the runs as the whole population, draw five of them again and again,
# and count how often an interval that claims 95 % holds the population's
# mean.

# %%
sizes = (3, 5, 10)
pd.DataFrame(
    [stats.coverage(values, n) for n in sizes],
    columns=["Student's t", "percentile bootstrap"],
    index=pd.Index(sizes, name="seeds"),
).map("{:.1%}".format)

# %%
show.made_of(runs)

# %% [markdown]
# The bootstrap resamples what little it has, and its interval comes out too
# short.  Rank tests have another limit: the smallest two-sided *p* that
# Wilcoxon's signed-rank test or a sign test can give on $n$ pairs is
# $2/2^n$, whatever the effect.

# %%
pd.DataFrame(
    {"smallest possible p": [2 / 2**n for n in (3, 5, 6, 10)]},
    index=pd.Index((3, 5, 6, 10), name="pairs"),
).map("{:.4f}".format)

# %% [markdown]
# With five pairs no rank test can ever reach 0.05.
#
# ## Reading

# %%
five = stats.t_interval(values[:5])
tested = runs[0].data["sizes"]["test"]
show.markdown(
    f"""
    {spread.n} runs of one network give {show.percent(spread)}; a single run
    scatters around that with a standard deviation of
    {100 * spread.sd:.2f} points, and the highest and lowest of the
    {spread.n} lie {100 * (max(values) - min(values)):.2f} points apart.
    Had we stopped after five seeds, we would have reported
    {show.percent(five)}. Sampling the test set adds its own uncertainty:
    ±{100 * stats.wilson_half_width(spread.mean, tested):.2f} points for
    {tested:,} pictures at this accuracy, however many seeds are run.
    """
)

# %% [markdown]
# So a table of single runs can't rank variants whose differences are of this
# size.  Every table from here on gives the mean over at least five seeds, its
# interval and *n*, and, where rows are compared, the *paired* difference: the
# same seeds run in every row, and the part of the scatter that a seed brings
# to both rows alike cancels.  How much cancels is the correlation *r* that
# stands beside each difference.
#
# ## Limits
#
# - The spread belongs to this network, data and budget.  Smaller training
#   sets and shorter budgets scatter more.
# - A seed changes the initial weights and the order of the pictures; the
#   split into training and validation pictures is the same in all runs, so
#   the scatter that another split would bring is not in it.
# - The coverage table treats some dozen runs as a population; it shows the
#   bootstrap's fault, not its exact size.
#
# ## Exercises
#
# 1. Change `batch_size=64` to `512` and run again with `--profile quick`. Does
#    the standard deviation grow or shrink? How many seeds would you need to be
#    sure of it?
#
#    <details><summary>Solution</summary>
#
#    Compare both standard deviations by the ratio of their squares: with $n$
#    runs each it scatters by a factor of about $1 \pm 2/\sqrt{n}$ if nothing
#    has changed. So twenty seeds see a standard deviation that doubles, and
#    miss one that changes by a fifth, for which hundreds are needed. Larger
#    batches also make fewer steps here, so the runs are less far trained: two
#    things have changed, not one.
#
#    </details>
#
# 2. Replace `variants=13` by `5`. By how much does the apparent gain shrink?
#    (Checked.)
#
#    <details><summary>Solution</summary>
#
#    Few tries gain most of it. The expected largest of $k$ values grows like
#    $\sqrt{2 \ln k}$ standard deviations, so the first five variants bring
#    more than the next eight.
#
#    </details>
#
# 3. The best-of-thirteen lead is in standard deviations of a single run. By
#    which factor does it change if each variant is the mean of five seeds?
#    Derive the factor before you try. (Checked.)
#
#    <details><summary>Solution</summary>
#
#    A mean of five has $1/\sqrt{5}$ of the standard deviation of one run, and
#    everything in the comparison scales with it. The lead is less than half as
#    large, and still not zero: more seeds make the winner's curse smaller,
#    only a second look at fresh seeds removes it.
#
#    </details>
#
# Checks take your answer in place of `None` and say what is right about it, or
# not.

# %%
from coursework import checks

checks.best_of_five(None, runs)

# %%
checks.mean_of_five(None)
