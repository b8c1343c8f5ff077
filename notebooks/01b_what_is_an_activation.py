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
# # What counts as an activation?
#
# Report R1 puts odd things between the layers of a tiny network: $|x|$, $e^x$,
# a sine, a sort, a permutation.  Most of them work.  Here the experiment is
# made again with many networks an arm, points held out, and the control that
# the report had not: a network with nothing between its layers.

# %% tags=["parameters", "remove-input"]
profile = "quick"

# %% tags=["hide-input"]
from functools import partial

import numpy as np

from coursework import (
    experiment,
    figures,
    records,
    show,
    stacked,
    stacks,
    stats,
)
from coursework.data.moons import moons
from coursework.models.stack import Stack
from coursework.recipe import Recipe
from coursework.views import activations

figures.style()

# %% [markdown]
# ## Question
#
# 1. What must a function between two layers have, so that a 2-10-10-1 network
#    learns to tell two half-moons apart?
# 2. Where it does not learn, is it because the network could not say what is
#    asked, or because descent does not get there?
# 3. Do activations that all fit the training points differ on new ones?
#
# ## Prediction
#
# Before you read on, sort these into "will fit" and "will not": $|x|$, $e^x$,
# $\sin x$, $x^2$ after both layers, $x^2$ after the first layer only,
# $\tan x$, $1/x$, the sign, sorting the ten values of a layer, and putting
# the ten values of the second layer into the order of the first layer's.
# And what share of the points does a straight line get right?
#
# ## Method
#
# ### The catalogue
#
# Activations are entries of one table: a name, a module, its formula and
# derivative.  Scope says what one output looks at: its own input, all
# channels, or a neighbourhood of the map.  ($\sigma$ is the sigmoid, $\Phi$
# and $\phi$ the normal distribution and its density.)

# %%
activations.formulas()

# %% [markdown]
# Each with its derivative as torch computes it, dashed.  Where an output looks
# at several channels, one of three moves and the others stay at −1 and 1;
# FReLU and maxout have weights, here random ones.

# %%
show.figure(
    activations.catalogue(),
    alt="Every activation of the catalogue with its derivative, from -4 to 4",
)

# %% [markdown]
# Two sentences of report R4 can be checked right here.  It says that the
# sigmoid saturates at 1 and −1, and that the derivative of SiLU is always
# positive.

# %%
x = np.linspace(-20, 20, 40_001)
value, slope = activations.response("sigmoid", x)
_, silu_slope = activations.response("silu", x)
lowest, inside = silu_slope.argmin(), np.abs(x) <= 3
show.markdown(
    f"""
    Between {x[0]:.0f} and {x[-1]:.0f} the sigmoid runs from {value[0]:.1g} to
    {value[-1]:.6f}: it saturates at 0 and 1. (The tanh is what saturates at
    −1 and 1.) SiLU's derivative is negative for every $x$ below
    {x[silu_slope < 0].max():.2f} that was computed, and lowest at
    {x[lowest]:.2f}, where it is {silu_slope[lowest]:.3f}.
    R4 also says that the sigmoid works well for inputs from −3 to 3: at ±3
    its derivative is down to {100 * slope[inside][0] / slope.max():.0f} % of
    that at 0.
    """
)

# %% [markdown]
# ### The network and its training
#
# R1's setting: 100 points of two half-moons with noise 0.1, a 2-10-10-1
# network, AdamW at 0.01, 1,000 full-batch
# steps.  "$f$ × $g$" is $f$ after the first and $g$ after the second layer; a
# name alone stands after both.  *Sort* stands after the first layer only.
# *Permute* puts what the second layer puts out into the order of what the
# first layer put out, and does nothing else.
#
# Networks this small spend their time on overhead, so all of an arm train at
# once: their weights lie in tensors with one more axis, and a layer is one
# batched product.

# %%
show.source(Stack.forward)

# %% [markdown]
# **What n is.**  One run is one *stack* of networks, one record.  The networks
# of a stack share the 100 training points and differ in their initial weights;
# network $i$ starts from the same weights in every arm, so differences between
# arms are paired.  All statistics below are over networks: they say how sure
# we are of the *activation* on this set of points, not on all sets of points.
#
# A network **fits** if it gets all 100 training points right.  Test accuracy
# is on 1,000 points that no training saw.  **Not linear** is the share of the
# variance of a network's logit, over 1,000 other points, that the best linear
# function of the two coordinates leaves unexplained (median over networks).
#
# ## Experiment
#
# Besides R1's arms there are controls: nothing between the layers; $x^2$
# after one layer only; the sign with a gradient that pretends it were a clamp
# (straight-through {cite:p}`hubara2016binarized`); and two networks whose
# hidden layers stay as drawn, so that only the last layer learns.

# %%
ARMS: dict[str, tuple[str, str]] = {
    "linear": ("identity", "identity"),
    "abs": ("abs", "abs"),
    "exp": ("exp", "exp"),
    "exp × cos": ("exp", "cos"),
    "sin": ("sin", "sin"),
    "x²": ("square", "square"),
    "x², layer 1 only": ("square", "identity"),
    "ReLU": ("relu", "relu"),
    "sigmoid": ("sigmoid", "sigmoid"),
    "sort": ("sort", "identity"),
    "permute": ("identity", "permute"),
    "1/x": ("reciprocal", "reciprocal"),
    "tan": ("tan", "tan"),
    "sign": ("sign", "sign"),
    "straight-through": ("straight-through-sign", "straight-through-sign"),
}
READOUT = ("exp", "sigmoid")


def declare(profile: experiment.Profile) -> experiment.Grid:
    """R1's arms and their controls, one stack of networks each."""
    networks = {"smoke": 3, "quick": 20, "standard": 100, "full": 100}
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
        networks=networks[profile],
    )
    arms = {
        arm: partial(trial, activations=pair, frames=16)
        for arm, pair in ARMS.items()
    }
    return arms | {
        f"{arm}, readout only": partial(
            trial, activations=ARMS[arm], readout_only=True
        )
        for arm in READOUT
    }


runs = experiment.run(
    "moons-activations",
    declare,
    profile=profile,
    seeds={"smoke": 1, "quick": 1, "standard": 1, "full": 1},
)
show.banner(profile, runs)

# %%
show.left_out(arms=(declare, runs))

# %% [markdown]
# ## Results
#
# Shares in per cent; *worst* is the training accuracy of the worst network.

# %%
show.frame(stacks.summary(runs))

# %%
show.made_of(runs)

# %% [markdown]
# A mean hides that most arms have two kinds of networks.  Every network:

# %%
show.figure(
    activations.accuracies(runs),
    alt="Test accuracy of every network by activation, filled where the "
    "network fits all training points",
)

# %% [markdown]
# ### The fields
#
# The first network of each arm, whatever became of it, from the first step to
# the last; white is where it is undecided.

# %%
by_arm = records.grouped(runs)
activations.films([run for arm in ARMS for run in by_arm[arm]])

# %%
show.made_of([run for arm in ARMS for run in by_arm[arm]])

# %% [markdown]
# ### Why some do not fit
#
# Three different reasons, and the gradient of the first layer tells two of
# them apart.

# %%
show.figure(
    activations.gradients(
        runs, ("sigmoid", "1/x", "tan", "sign", "straight-through")
    ),
    alt="Gradient norm of the first layer over the steps for sigmoid, 1/x, "
    "tan, sign and straight-through sign",
)

# %%
show.made_of(runs)

# %%
each = records.grouped(stacks.networks(runs))
watched = {arm: by_arm[arm][0].arrays("networks.npz") for arm in ARMS}
first = {arm: watch["gradient"][..., 0] for arm, watch in watched.items()}
ratio = {
    arm: np.nanmax(first[arm]) / np.nanmedian(first[arm])
    for arm in ("1/x", "tan")
}
control, once, sign = (
    stats.t_interval(records.scores(each[arm]))
    for arm in ("linear", "x², layer 1 only", "sign")
)
show.markdown(
    f"""
    - **The sign gives no gradient.** Its first layer's largest gradient in all
      of training is {first["sign"].max():.0f}, so only the last layer learns,
      from random half-planes. That is {show.percent(sign)} on new points,
      beside {show.percent(control)} for the line: no descent, not no
      non-linearity. The straight-through sign computes the very same function
      with a made-up gradient, and
      {sum(records.scores(each["straight-through"], "fits")):.0f} of its
      {len(each["straight-through"])} networks fit.
    - **1/x and tan have poles** inside the data. Their largest gradient is
      {ratio["1/x"]:,.0f} and {ratio["tan"]:,.0f} times the median one: a point
      that comes near a pole throws the weights anywhere. It must also inflate
      AdamW's running mean of squares, which would keep the next steps short.
    - **x² after one layer only cannot say it.** The logit is then a quadratic
      of the two coordinates: of its variance the best quadratic leaves
      {max(records.scores(each["x², layer 1 only"], "beyond quadratic")):.6f}.
      Turned by half a turn round their common centre, the moons change places,
      so what separates them is odd about that centre, and of a quadratic the
      odd part is a straight line: {show.percent(once)}. After both layers it
      is a polynomial of degree four, which has cubic terms, and that is
      enough.
    """
)

# %% [markdown]
# ## Reading

# %%
means = {
    arm: float(np.mean(records.scores(each[arm])))
    for arm in ARMS
    if np.mean(records.scores(each[arm], "fits")) > 0.5
}
fitting = sorted(means, key=means.__getitem__) or ["linear"]
worst, best = fitting[0], fitting[-1]
gap = stats.paired(records.scores(each[best]), records.scores(each[worst]))
show.markdown(
    f"""
    In {len(means)} of {len(ARMS)} arms more than half of the networks fit:
    {", ".join(fitting)}, from the worst on new points to the best. {best}
    and {worst} are {show.points(gap)} apart, network by network. The line
    gets {show.percent(control)}, {worst} {100 * means.get(worst, 0):.2f} %:
    among those that fit, which one it is matters less than that it fits.
    """
)

# %% [markdown]
# So an activation needs little: it must bend the map in a way that the target
# needs (not any bend: see $x^2$ once), be finite where the data are, and pass
# a gradient.  Sorting and permuting have no curve at all, and are enough:
# within one order of the values they are linear, and the order changes from
# place to place.
#
# ### What the report claims

# %%
show.claims("01b_what_is_an_activation")

# %% [markdown]
# ## Limits
#
# - All networks see the same 100 points.  Another draw of the moons, or
#   another noise, is not covered by the intervals.
# - One rate, 0.01, and R1's budget for every activation: an arm that does not
#   fit here could with another.  Only for the sign and for $x^2$ once is there
#   a reason why it could not.
# - "Fits" is about 100 points of an easy set.  Which activations serve in a
#   deep network is another question, with other answers.
# - Which arm is named best above was chosen by looking at the same test points
#   that its lead is given for, so the lead is a little flattered.
#
# ## Exercises
#
# 1. Replace $1/x$ by a function of the same shape without a pole: $x / (x^2 +
#    0.1)$ needs one entry in the catalogue. Predict the field.
#
#    <details><summary>Solution</summary>
#
#    Its largest value is bounded, and so is its slope, so no point can throw
#    the weights anywhere. It is odd and not linear, which is what the moons
#    ask for. Far out it fades to zero, so the field is flat there.
#
#    </details>
#
# 2. Rotate the moons or move their centre: does $x^2$ after one layer stay at
#    the line's accuracy? (Which data would it fit, that a line does not?)
#
#    <details><summary>Solution</summary>
#
#    It does: turned or moved, a quadratic stays a quadratic, for the first
#    layer has a bias and weights for each direction. It fits what is the same
#    on opposite sides of a centre, such as a disc inside a ring.
#
#    </details>
#
# 3. Which is the smallest degree of a polynomial of both coordinates that
#    separates the moons better than a line? (Checked.) Then give all arms
#    three units a layer, `width=3` in `trial`, one line, and run again: does
#    $x^2$ after both layers still fit?
#
#    <details><summary>Solution</summary>
#
#    Three: what separates the moons is odd about their centre, and the first
#    odd power after the line is the cube. $x^2$ after both layers has the
#    degree four, which has cubic terms. With few units there are fewer ways to
#    get them, and fewer starts from which descent finds one.
#
#    </details>
#
# 4. Give the straight-through sign ten times the steps: `epochs=10_000`.
#
#    <details><summary>Solution</summary>
#
#    Expect more of its networks to fit. Its gradient is made up and does not
#    vanish at a solution, so the weights go on wandering; a rate that falls
#    would help more than steps do.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.degree(None)
