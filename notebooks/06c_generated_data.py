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
# # Generated data
#
# Report R3 trains a DCGAN on all birds together, asks where the labels of its
# pictures should come from, and hopes that generated pictures make more
# training data.  It leaves that "to be completed".  Here it is completed and
# measured.
#
# **What stands in here.**  A DCGAN of R3's size wants a GPU, so the profiles
# below `full` draw handwritten digits of 28 × 28 pixels.  What follows is about
# small networks and digits, not about birds.

# %% tags=["parameters", "remove-input"]
profile = "quick"
dataset = "mnist"

# %% tags=["hide-input"]
from dataclasses import replace
from functools import partial
from typing import Any

from coursework import experiment, figures, records, show
from coursework.data.sets import loader
from coursework.data.splits import Loader
from coursework.generative import trial
from coursework.generative.augmented import FEW_SHOT, Source, augmented
from coursework.generative.denoising import Diffusion
from coursework.generative.gan import Gan
from coursework.models.convnet import ConvNet
from coursework.models.dcgan import adversarial
from coursework.models.diffusion import ddim_step, noised
from coursework.recipe import Recipe
from coursework.views import generated, generated_pictures

figures.style()

# %% [markdown]
# ## Question
#
# 1. Do generated pictures, with their labels, help a classifier that has few
#    real ones?
# 2. Where do the labels of generated pictures come from, and does the generator
#    obey them?
# 3. What do a DCGAN and a diffusion model aim at, what do they cost, and how
#    much of the variety of the data do they cover?
# 4. Are the drawn pictures copies?
#
# ## Prediction
#
# A generator knows only what its training pictures told it.  If it has seen
# the same five digits a class as the classifier, what can it add?  Before you
# go on: compare it with turning and cropping those five a little.  Which of the
# two knows something that the five pictures do not say?
#
# ## Method
#
# ### Two networks against each other
#
# A generator turns noise into pictures; a discriminator tells them from real
# ones; each is trained against the other {cite:p}`radford2016dcgan`.
#
# ### Where labels come from
#
# R3 trained on all classes together.  Then nothing says what a drawn picture
# shows, and someone would have to look.  A *conditional* generator is told what
# to draw, so the label is there before the picture is.  Why should it obey?
#
# - **label**: the discriminator is told the class as well, and a good 3 that
#   was asked for as a 7 is a forgery {cite:p}`mirza2014conditional`.  The class
#   enters by a projection {cite:p}`miyato2018projection`.
# - **auxiliary**: the discriminator has to name the class, too, and both
#   networks are trained to make that easy {cite:p}`odena2017acgan`.

# %%
show.source(adversarial)

# %% [markdown]
# ### Diffusion
#
# R3 describes it backwards.  *Forward*, pictures drown in noise, step by step;
# nothing is learnt there, and any step can be jumped to in one line:

# %%
show.source(noised)

# %% [markdown]
# A network learns to name the noise in such a picture
# {cite:p}`ho2020denoising`.  *Backward*, drawing starts from noise alone, and
# the named noise is taken away in steps {cite:p}`song2021ddim`:

# %%
show.source(ddim_step)

# %% [markdown]
# ### Scores
#
# All but the last are taken of features of a small network **trained here**, on
# real training pictures, and mean nothing beside those of other pages.
#
# - **Fréchet distance on features of a network trained here**: how far apart
#   are the clouds of real and of drawn pictures?  With Inception's features it
#   would be the FID {cite:p}`heusel2017gans`; it is not.
# - **precision**: which share of the drawn pictures lies among real ones
#   {cite:p}`kynkaanniemi2019improved`?
# - **recall**: which share of the real pictures lies among drawn ones?
# - **as asked for**: how often does that network see the class asked for?
# - **classes**: how many classes appear, at a tenth of their share or more?
# - **nearest**: how near is the nearest training picture, pixel by pixel,
#   relative to how near one is to a test picture?  Far below 1: copies.
#
# ## Experiment: no labels
#
# A small DCGAN that is told no class, as R3's was.  (`full` adds R3's own
# settings: birds at 256 pixels, noise of 100 numbers, batches of 128, ten
# epochs.)

# %%
TRAIN = {"smoke": 200, "quick": 2_000}
SCORED = {"smoke": 40, "quick": 500, "standard": 2_000}
DRAWN = {"smoke": 50, "quick": 500}
BIRDS = "cub200"
RATE = 0.001  # in few steps; the paper's is a fifth of it
ONCE = dict.fromkeys(experiment.PROFILES, 1)


def pictures(profile: experiment.Profile, name: str, **settings: int) -> Loader:
    """Load a set, or as much of it as a profile takes."""
    return loader(
        name, train=TRAIN.get(profile), scored=SCORED.get(profile), **settings
    )


def drawing(
    profile: experiment.Profile, method: Gan | Diffusion, data: Loader
) -> partial[Any]:
    """Bind the training of a network that draws, and its scores."""
    drawn = DRAWN.get(profile, 1_000)
    return partial(trial.fit, method=method, data=data, drawn=drawn)


R3 = Gan(
    steps=10 * 43,  # ten epochs
    batch_size=128,
    latent=100,
    width=64,
    conditioning="none",
    real=0.9,
    drawn=0.1,
    every=2,
)


def declare_unlabelled(profile: experiment.Profile) -> experiment.Grid:
    """A small DCGAN that knows no classes; in `full` R3's own."""
    small = Gan(steps=400, width=16, conditioning="none", learning_rate=RATE)
    if profile == "smoke":
        small = replace(small, steps=4, reports=2)
    data = pictures(profile, dataset)
    grid = {"no labels": drawing(profile, small, data)}
    if (profile, dataset) == ("full", "mnist"):
        birds = pictures(profile, BIRDS, side=256)
        grid["R3's, birds at 256 px"] = drawing(profile, R3, birds)
    return grid


unlabelled = experiment.run(
    "generated-unlabelled", declare_unlabelled, profile=profile, seeds=ONCE
)

# %%
show.markdown(generated.labels_mean_nothing(unlabelled[0]))

# %% [markdown]
# ## Experiment: networks that draw
#
# Both kinds of DCGAN, several times each, and one diffusion model, which is
# shown without a claim.  (`full` adds birds at 64 pixels.  `quick` shows the
# committed `standard` runs from here on.)

# %%
LARGE: dict[str, Any] = {"steps": 20_000, "width": 64}  # for birds


def declare_gans(profile: experiment.Profile) -> experiment.Grid:
    """Both ways to make a generator obey; in `full` on birds, too."""
    label = Gan(steps=2_000)
    if profile == "smoke":
        label = Gan(steps=4, width=8, reports=2)
    auxiliary = replace(label, conditioning="auxiliary")
    digits = pictures(profile, dataset)
    grid = {
        "DCGAN, label": drawing(profile, label, digits),
        "DCGAN, auxiliary": drawing(profile, auxiliary, digits),
    }
    if (profile, dataset) == ("full", "mnist"):
        birds = pictures(profile, BIRDS, side=64)
        large = Gan(latent=100, **LARGE)
        grid |= {
            "DCGAN, label, birds": drawing(profile, large, birds),
            "DCGAN, auxiliary, birds": drawing(
                profile, replace(large, conditioning="auxiliary"), birds
            ),
        }
    return grid


def declare_diffusion(profile: experiment.Profile) -> experiment.Grid:
    """One small diffusion model; in `full` on birds, too."""
    method = Diffusion(steps=1_600)
    if profile == "smoke":
        method = Diffusion(steps=4, width=8, reports=2, times=20, leaps=4)
    grid = {"diffusion": drawing(profile, method, pictures(profile, dataset))}
    if (profile, dataset) == ("full", "mnist"):
        grid["diffusion, birds"] = drawing(
            profile,
            replace(method, levels=2, **LARGE),
            pictures(profile, BIRDS, side=64),
        )
    return grid


rest = "evidence" if (profile, dataset) == ("quick", "mnist") else profile
gans = experiment.run("generated-gans", declare_gans, profile=rest)
diffusion = experiment.run(
    "generated-diffusion", declare_diffusion, profile=rest, seeds=ONCE
)

# %% [markdown]
# ## Experiment: do generated pictures help a classifier?
#
# A classifier sees few real pictures a class and, in every arm, the same number
# of others, so all arms make the same number of updates:
#
# - **real**: the same real ones again, unchanged;
# - **real, generated**: drawn by a DCGAN that has seen those real ones only,
#   and was trained anew for each seed: n counts generators;
# - **real, augmented**, the control: the same real ones, each turned and
#   cropped at random.
#
# A generator's discriminator learns few pictures by heart, so here it sees all
# pictures, real and drawn, shifted at random {cite:p}`zhao2020differentiable`.
# The seed chooses the real pictures, too, and all arms share them.

# %%
REAL = {"smoke": (2, 3), "full": (5, 10, 50, 500, 4_900)}
EXTRA = {"smoke": 3}
FEW = {"smoke": replace(FEW_SHOT, steps=4, reports=2, width=8)}
SOURCES: dict[str, Source] = {
    "real": "none",
    "real, generated": "generated",
    "real, augmented": "augmented",
}
CLASSIFIER = Recipe(
    epochs=8,
    batch_size=64,
    optimiser="adam",
    learning_rate=0.003,
    schedule="cosine",
)


def declare_few(profile: experiment.Profile) -> experiment.Grid:
    """Few real pictures a class, and as many others from three sources."""
    epochs = 1 if profile == "smoke" else CLASSIFIER.epochs
    return {
        f"{k} {name}": partial(
            augmented,
            data=loader(dataset, scored=SCORED.get(profile)),
            k=k,
            extra=EXTRA.get(profile, 500),
            source=source,
            model=ConvNet,
            recipe=replace(CLASSIFIER, epochs=epochs),
            method=FEW.get(profile, FEW_SHOT),
        )
        for k in REAL.get(profile, (5, 10, 50, 500))
        for name, source in SOURCES.items()
    }


few = experiment.run("generated-few", declare_few, profile=rest)
show.banner(profile, gans, diffusion, few)

# %%
show.left_out(
    unlabelled=(declare_unlabelled, unlabelled),
    gans=(declare_gans, gans),
    diffusion=(declare_diffusion, diffusion),
    few=(declare_few, few),
)

# %%
arms = records.grouped([*gans, *diffusion])
gan, denoiser = arms["DCGAN, label"], arms["diffusion"]

# %% [markdown]
# ## Results

# %%
show.markdown(f"Data of this page: **{few[0].data['name']}**.")

# %% [markdown]
# ### Learning to draw
#
# The same noise at each report of the training; a column is asked for one
# class.  First the DCGAN, then the diffusion model.

# %%
film = generated_pictures.films(gan[0])
show.animation(
    figures.animate(film, 500),
    figures.still(film[-1]),
    alt="Pictures that a DCGAN draws of the same noise, through its training",
)

# %%
film = generated_pictures.films(denoiser[0])
show.animation(
    figures.animate(film, 500),
    figures.still(film[-1]),
    alt="Pictures that a diffusion model draws, through its training",
)

# %% [markdown]
# What a loss says of progress differs.  A DCGAN's two networks hold each other
# in check: verdicts that meet mean that the discriminator can't tell, not that
# the pictures are good.  A diffusion model's loss falls as any other.

# %%
show.figure(
    generated_pictures.losses(gan, denoiser),
    alt="Left the discriminator's mean verdict on real and on drawn pictures "
    "over steps, right the diffusion model's loss",
)

# %%
show.made_of([*gan, *denoiser])

# %% [markdown]
# ### Class by class

# %%
show.figure(
    generated_pictures.grid(gan[0]),
    alt="Pictures drawn by the DCGAN, a column for each class asked for",
)

# %%
show.figure(
    generated_pictures.grid(denoiser[0]),
    alt="Pictures drawn by the diffusion model, a column for each class "
    "asked for",
)

# %%
show.made_of([*gan, *denoiser])

# %% [markdown]
# ### Copies?
#
# Drawn pictures, below each the training picture nearest to it, and how far
# apart they are, in grey levels.

# %%
show.figure(
    generated_pictures.neighbours(gan[0]),
    alt="Pictures drawn by the DCGAN above the nearest training pictures",
)

# %%
show.figure(
    generated_pictures.neighbours(denoiser[0]),
    alt="Pictures drawn by the diffusion model above the nearest training "
    "pictures",
)

# %%
show.made_of([*gan, *denoiser])

# %% [markdown]
# ### Scores
#
# Means over runs with 95 % intervals.  The first row of a set says what can be
# reached: what its training pictures score as if they were drawn.  The "Fréchet
# distance" is the one on features of a network trained here.

# %%
show.frame(generated.table(arms))

# %%
show.made_of([*gans, *diffusion])

# %% [markdown]
# ### DCGAN against diffusion

# %%
show.frame(generated.compared(gan, denoiser))

# %%
show.made_of([*gan, *denoiser])

# %% [markdown]
# Seconds are one machine's, and the two were not given the same time to train.
# A diffusion model runs its network once for each of its leaps, a DCGAN once a
# picture.
#
# ### With few real pictures
#
# Test accuracy and paired differences in points, with 95 % intervals over
# generators.

# %%
show.frame(generated.helped(few))

# %%
show.figure(
    generated.help_figure(few),
    alt="Test accuracy over the real pictures a class, with nothing, with "
    "generated and with augmented pictures added, with intervals",
)

# %%
show.made_of(few)

# %% [markdown]
# ## Reading

# %%
show.claims("06c_generated_data")

# %%
show.markdown(generated.help_said(few))

# %% [markdown]
# A generated picture costs the training of a generator and may carry a wrong
# label.  What it knows, it knows from the same real pictures.  Turning and
# cropping brings something in that those do not say: that a turned 3 is a 3.
# This is why the fair question is not whether generated pictures beat nothing.
#
# ## Limits
#
# - Digits of one channel and small networks.  A generator that was trained on
#   millions of other pictures brings knowledge from there; none of that is
#   tested here.
# - One diffusion model was trained: its row has no interval, and the comparison
#   is a description, no claim.
# - The judge of all scores is a small network.  On birds, in `full`, it learns
#   little, and so its scores say little there.
# - The generator of few pictures has the same settings for all numbers of real
#   ones; its rate was tried on ten a class, with a seed that is not among
#   these.  Another GAN, or a diffusion model, may do better.
# - The control's changes were chosen to leave a digit a digit.  That choice is
#   knowledge, too, which a generator is not given.
#
# ## Exercises
#
# 1. In `Gan` the discriminator is to answer 0.9 for real pictures and 0 for
#    drawn ones.  If it can't tell them apart at all, what does it answer?
#    (Checked.)
#
#    <details><summary>Solution</summary>
#
#    It gives all pictures one answer $p$ and pays
#    $-0.9 \ln p - 0.1 \ln (1 - p) - \ln (1 - p)$, which is lowest at
#    $p = 0.9 / 2 = 0.45$. In the figure both verdicts would meet there.
#
#    </details>
#
# 2. Draw half, then twice as many pictures: 250 and 1000 in the place of 500 in
#    `declare_few` (and `profile=profile` in its `run`). Does the gap to
#    augmentation close?
#
#    <details><summary>Solution</summary>
#
#    More pictures of the same generator repeat what it knows. Compare the
#    paired differences of both runs, and look whether their intervals overlap.
#
#    </details>
#
# 3. Let a diffusion model make the additional pictures: `Diffusion(steps=600)`
#    as the `method` in `declare_few`. What changes, and what does it cost?
#
#    <details><summary>Solution</summary>
#
#    Any method that knows classes fits in. Each generated picture then takes
#    `leaps` passes of its network. With few real pictures it can learn them by
#    heart, for nothing shifts what it sees: look at the nearest neighbours.
#
#    </details>
#
# A check takes your answer in place of `None` and says what is right about it,
# or not.

# %%
from coursework import checks

checks.unsure_verdict(None)
