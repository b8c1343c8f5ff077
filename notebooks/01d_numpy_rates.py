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
# # Rates, schedules and batches
#
# Three more questions that report R1 answers with a run each: what a learning
# rate that is too large or too small looks like, whether it must decay, and
# what the full batch costs.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from functools import partial

from coursework import experiment, figures, mlp, records, show
from coursework.data.sets import loader
from coursework.recipe import Recipe

figures.style()

# %% [markdown]
# ## Question
#
# 1. In R1's setting, what happens at rates from far too small to far too
#    large?  Does a small rate show a sudden late rise, its "emergence"?
# 2. With mini-batches, does it matter whether the rate decays?
# 3. At an equal number of pictures seen, what does the batch size do?
#
# ## Prediction
#
# R1: too large does not converge, too small is slow and then suddenly drops
# its loss, decay hardly matters.  The report trained on the full batch alone.
#
# ## Method
#
# Study 1 keeps R1's setting but for its size: the full batch, the multiclass
# hinge loss {cite:p}`weston1998multiclass` on scores that went through a
# ReLU, weight decay 0.01, a constant rate; 256 hidden units and 5,000
# pictures make it small.  Studies 2 and 3 use the base of the page before.
# A step of descent, with momentum and weight decay:

# %%
show.source(mlp.descend)

# %% [markdown]
# ## Experiment: rates


# %%
def declare_rates(profile: experiment.Profile) -> experiment.Grid:
    """R1's setting made small, at constant rates; the label is the rate."""
    small = profile in ("smoke", "quick")
    rates = ("0.002", "0.2", "5")
    every = ("0.002", "0.01", "0.05", "0.2", "1", "5")
    steps = {"smoke": 40, "quick": 100, "standard": 400, "full": 400}
    return {
        rate: partial(
            mlp.fit,
            data=loader(dataset, train=400 if small else 5_000),
            recipe=Recipe(
                epochs=steps[profile],
                batch_size=None,
                learning_rate=float(rate),
                weight_decay=0.01,
            ),
            hidden=(256,),
            loss="hinge",
            output_activation="relu",
            report_every=20,
            watch=1000,
        )
        for rate in (rates if small else every)
    }


rate_runs = experiment.run("numpy-rate", declare_rates, profile=profile)

# %% [markdown]
# ## Experiment: schedules and batches
#
# Every schedule, and every batch size, at three rates: the best on validation
# is kept.

# %%
SIZES = {"smoke": 400, "quick": 5_000, "standard": None, "full": None}
EPOCHS = {"smoke": 1, "quick": 1, "standard": 3, "full": 10}


def declare_schedules(profile: experiment.Profile) -> experiment.Grid:
    """Three schedules at three rates."""
    small = profile in ("smoke", "quick")
    return {
        f"{schedule}, rate {rate}": partial(
            mlp.fit,
            data=loader(dataset, train=SIZES[profile]),
            recipe=Recipe(
                epochs=EPOCHS[profile],
                learning_rate=rate,
                momentum=0.9,
                schedule=schedule,
            ),
        )
        for schedule in ("constant", "exponential", "cosine")
        for rate in ((0.1,) if small else (0.02, 0.1, 0.5))
    }


schedule_runs = experiment.run(
    "numpy-schedule", declare_schedules, profile=profile
)


# %%
def declare_batches(profile: experiment.Profile) -> experiment.Grid:
    """Batch sizes up to the full batch, at three rates."""
    small = profile in ("smoke", "quick")
    sizes = (32, None) if small else (32, 128, 512, 2048, None)
    return {
        f"{size or 'full batch'}, rate {rate}": partial(
            mlp.fit,
            data=loader(dataset, train=SIZES[profile]),
            recipe=Recipe(
                epochs=EPOCHS[profile],
                batch_size=size,
                learning_rate=rate,
                momentum=0.9,
                schedule="cosine",
            ),
            hidden=(256,),
        )
        for size in sizes
        for rate in ((0.1,) if small else (0.02, 0.1, 0.5))
    }


batch_runs = experiment.run("numpy-batch", declare_batches, profile=profile)
show.banner(profile, rate_runs, schedule_runs, batch_runs)

# %%
show.left_out(
    rates=(declare_rates, rate_runs),
    schedules=(declare_schedules, schedule_runs),
    batches=(declare_batches, batch_runs),
)

# %% [markdown]
# ## Results
#
# ### Rates

# %%
show.results(rate_runs, baseline="0.2")

# %%
show.figure(
    figures.learning_curves(rate_runs, "accuracy", unit="validation, share"),
    alt="Validation accuracy over steps in R1's setting, a curve a rate",
)

# %% [markdown]
# Behind a ReLU an output can be dead: zero for every picture, with no gradient
# to revive it.  For each run, the largest rise of accuracy within 20 steps,
# and the outputs that came alive:

# %%
rises = records.rises(rate_runs)
show.frame(rises)

# %% [markdown]
# ### Schedules

# %%
best_schedules = records.tuned(schedule_runs)
constant = next(
    run.variant for run in best_schedules if run.variant.startswith("constant")
)
show.results(best_schedules, baseline=constant)

# %%
show.figure(
    figures.seeds(best_schedules),
    alt="Test accuracy of each run by schedule, with means and intervals",
)

# %% [markdown]
# ### Batch sizes
#
# All see the same number of pictures; a larger batch makes fewer steps.

# %%
best_batches = records.tuned(batch_runs)
show.results(best_batches, baseline=best_batches[0].variant)

# %%
show.figure(
    figures.cost(best_batches),
    alt="Test error against seconds of training for each batch size",
)

# %% [markdown]
# ## Reading

# %%
ends = rises.groupby("variant", sort=False)["dead at the end"]
dead = [str(rate) for rate, number in ends if (number == 10).all()]
show.markdown(
    f"""
    Rates at which every run ends with all ten outputs dead:
    {", ".join(dead) or "none"}. Such a run predicts the same class for every
    picture, and no further step can change it: that is what "does not
    converge" means here, not a loss that oscillates.
    """
)

# %% [markdown]
# The claims of the report that these grids decide:

# %%
show.claims("01_numpy_mlp", only=(3, 4))

# %% [markdown]
# ## Limits
#
# - Study 1 is R1's setting on a subset and with fewer units; the exact one is
#   on the next page.
# - Equal pictures seen is one fair budget; equal steps and equal seconds are
#   two others, and the full batch looks better under the first of these.
#
# ## Exercises
#
# 1. Give the full batch as many *steps* as the batch of 128 makes: how many
#    epochs are that here? (Checked.) Set them, `epochs=EPOCHS[profile] if size
#    else ...`, and run again. What does it cost in seconds, and what does it
#    gain?
#
#    <details><summary>Solution</summary>
#
#    One epoch of the full batch is one step, so it needs as many epochs as
#    there are batches of 128 in all. Each of these steps looks at all
#    pictures: the seconds grow by nearly the same factor, and what it gains is
#    only that its steps are less noisy.
#
#    </details>
#
# 2. Take `output_activation="relu"` out of study 1, one line. Do the sudden
#    rises go away?
#
#    <details><summary>Solution</summary>
#
#    Those that come with an output that comes alive do: without a ReLU on the
#    scores no output can be dead. What remains is the recovery from dips at
#    high rates.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.equal_steps(None, batch_runs)
