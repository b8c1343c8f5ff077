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
# # What the gates of squeeze-and-excitation really do
#
# Report R2 drew, for one training picture, how far the largest and the smallest
# gate of each SE block lie apart, saw that SE-ResNet-18's last block ranges
# widest, and took this for the reason why SE-ResNet-18 was its best network.
# One picture, one run.  Here are many of both, and the question behind: what
# happens if the gates are replaced?

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from functools import partial


from coursework import experiment, figures, probes, records, show
from coursework import stats, training
from coursework.data.augment import View
from coursework.data.sets import loader
from coursework.models.attention import SqueezeExcite
from coursework.models.resnet import ResNet
from coursework.recipe import Recipe
from coursework.views import gating

figures.style()

# %% [markdown]
# ## Question
#
# 1. How different are the gates of one block, over channels, pictures, classes
#    and seeds?
# 2. Does the network need them: what is lost if they are replaced by their
#    mean, by ones, or dealt out to other channels?
# 3. Do networks whose gates range wider gain more from them?
#
# ## Prediction
#
# A gate that is the same for all pictures is a factor that the next
# convolution's weights could absorb; only what differs from picture to picture
# is attention.  Before you go on: if every gate is replaced by its mean over
# the data, how many points of accuracy will SE-ResNet-18 lose?  And if all are
# set to one?
#
# ## Method
#
# The gates (N, C) of a block come from `SqueezeExcite.weights`, and a hook on
# its last layer sees them, or puts others in their place:

# %%
show.source(SqueezeExcite)

# %%
show.source(probes.gate_swaps)

# %% [markdown]
# ## Experiment
#
# ResNets of depth 18 and 34 with and without SE, a quarter of the usual width,
# ratio 16, at 64 px.  Each run stores a summary of its gates on validation
# digits, and what accuracy becomes with other gates.

# %%
TRAIN = {"smoke": 64, "quick": 500, "standard": 10_000, "full": None}
SCORED = {"quick": 500}  # validation and test pictures each; else all
EPOCHS = {"smoke": 1, "quick": 1, "standard": 2, "full": 10}
SIDE = {"smoke": 64, "quick": 64, "standard": 64, "full": 224}
WIDTH = {"smoke": 16, "quick": 16, "standard": 16, "full": 64}


def declare(profile: experiment.Profile) -> experiment.Grid:
    """Two depths, with and without SE."""
    depths = (18,) if profile in ("smoke", "quick") else (18, 34)
    network = partial(ResNet, channels=1, classes=10, width=WIDTH[profile])
    gated = partial(network, attention=SqueezeExcite)
    arms = {
        f"{name}-{depth}": (partial(build, depth), looks)
        for depth in depths
        for name, build, looks in (
            ("ResNet", network, ()),
            ("SE-ResNet", gated, (probes.gates, probes.gate_swaps)),
        )
    }
    return {
        name: partial(
            training.fit,
            model=build,
            data=loader(
                dataset, train=TRAIN[profile], scored=SCORED.get(profile)
            ),
            view=View(side=SIDE[profile]),
            recipe=Recipe(
                epochs=EPOCHS[profile],
                optimiser="adamw",
                learning_rate=0.002,
                schedule="one-cycle",
                precision="auto",
            ),
            probes=looks,
        )
        for name, (build, looks) in arms.items()
    }


runs = experiment.run("se-depth", declare, profile=profile)
show.banner(profile, runs)

# %%
show.left_out(se=(declare, runs))

# %%
groups = records.grouped(runs)
gated = {name: group for name, group in groups.items() if "SE" in name}

# %% [markdown]
# ## Results

# %%
show.results(runs, baseline="ResNet-18")

# %% [markdown]
# ### How different the gates are
#
# R2's figure, for its one picture, is the line of one seed; beside it stands
# the mean over pictures, with its interval over seeds.

# %%
show.figure(
    gating.ranges(gated),
    alt="Range of the gates by block: for one picture of each seed, and mean "
    "over pictures with interval",
)

# %%
show.made_of([run for group in gated.values() for run in group])

# %% [markdown]
# By block: the mean range within a picture; the standard deviation over
# channels of the mean gate, and over pictures of one channel's gate (this is
# what depends on the picture); and how many channels are open or closed.

# %%
show.frame(gating.by_block(gated))

# %% [markdown]
# Class by class, the mean gate of each channel in the last block, as its
# difference from the mean over classes (seed 0; channels sorted by their
# spread):

# %%
show.figure(
    gating.by_class(next(iter(gated.values()))[0]),
    alt="Heat map, class by channel, of the last block's gates",
)

# %% [markdown]
# All blocks and channels at once, the mean gates of seed 0:

# %%
show.figure(
    gating.heat(next(iter(gated.values()))[0]),
    alt="Heat map, block by channel, of the mean gates of one network",
)

# %% [markdown]
# ### What is lost without them
#
# Accuracy on validation digits with all gates replaced, as a difference to the
# network as it is:

# %%
show.frame(gating.swapped(gated))

# %%
show.figure(
    gating.swapped_each(gated),
    alt="Loss of accuracy with one block's gates replaced, by block and kind "
    "of replacement",
)

# %%
show.made_of([run for group in gated.values() for run in group])

# %% [markdown]
# ### Range and gain, seed by seed
#
# R2's explanation says that where gates range wider, SE gains more.  Over the
# seeds of each depth, gain against the ResNet of the same seed, and the
# correlation with its interval (by Fisher's transformation):

# %%
show.frame(gating.range_against_gain(groups))

# %%
show.made_of(runs)

# %% [markdown]
# ## Reading

# %%
swaps = [run.arrays("gate_swaps.npz") for run in gated["SE-ResNet-18"]]
lost = [float(s["all"][0] - s["accuracy"]) for s in swaps]
seen = stats.t_interval(lost)
meaning = "Some of it is due to gates that look at the picture."
if seen.low > -0.005:
    meaning = (
        "That is within half a point: here squeeze-and-excitation does "
        "nothing that constant factors would not do, however much its gates "
        "differ between channels, pictures and classes."
    )
elif seen.high > 0:
    meaning = "Whether they need to look at the picture is not decided."
show.markdown(
    f"""
    With every gate of SE-ResNet-18 replaced by its mean over the data,
    accuracy changes by {show.points(seen)}.  {meaning}
    """
)

# %%
show.claims("03_residual_operations", only=(36, 37))

# %% [markdown]
# ## Limits
#
# - Replacing gates in a trained network measures what *this* network has come
#   to rely on; a network trained without gates may do as well, which is what
#   the first table compares.
# - Ones are outside of what the later layers have seen: a loss there says that
#   the scale matters, not that the choice of channels does.
# - A correlation over five seeds has a wide interval, and it is no cause.
#
# ## Exercises
#
# 1. Replace the gates of only those pictures that the network gets wrong.
#
#    <details><summary>Solution</summary>
#
#    Accuracy can only rise, for no picture that was right is touched. Any
#    change would do that, so compare with gates that are dealt out at random:
#    only what goes beyond it says something of gates.
#
#    </details>
#
# 2. Train with gates frozen at their means. Does accuracy come back?
#
#    <details><summary>Solution</summary>
#
#    A constant factor a channel is a factor in the next convolution's weights:
#    what is trained is a ResNet without SE. The first table says how far that
#    gets.
#
#    </details>
#
# 3. Which class opens a channel of the last block farthest beyond any other
#    class? (Checked, for seed 0.) Then give the blocks a ratio of 4,
#    `attention=partial(SqueezeExcite, ratio=4)`, one line, and run again: is
#    it the same?
#
#    <details><summary>Solution</summary>
#
#    Take for each channel the largest minus the second largest of the classes'
#    means, and the channel where this is largest. Channels have no names: with
#    other first weights other classes win, so one network's answer says
#    nothing of digits.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.opening_class(None, gated["SE-ResNet-18"])
