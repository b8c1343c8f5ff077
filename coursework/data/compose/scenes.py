"""Scenes: pictures of one to four things, with the masks of what is seen.

A stand-in for PASCAL VOC's segmentation set.  Training and validation show
different icons of the same drawing styles, the test split those of styles
never trained on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import maximum_filter, minimum_filter

from coursework.data.compose import styles
from coursework.data.compose.backgrounds import Generator, Picture
from coursework.data.compose.icons import Cutout, cutouts, shuffled
from coursework.data.compose.layers import Place
from coursework.data.compose.places import SETTINGS, Setting, backdrop
from coursework.data.compose.things import Thing, put
from coursework.trial import stream

# PASCAL VOC's classes: a class's number is its colour in the palette.
VOC = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus"),
    *("car", "cat", "chair", "cow", "diningtable", "dog", "horse"),
    *("motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
VOID = 255
TONE = re.compile("-(medium-)?(light|medium|dark)-skin-tone$")
RASTER = 192  # height of a kept cut-out
HELD_OUT = 5  # one in so many drawings of the training styles validates
NUMBERS = (0.38, 0.32, 0.2, 0.1)  # how often there are 1, 2, 3, 4 things
MEDIAN = 0.44  # size of a thing, a share of the picture's side
SPREAD = 0.5  # of its logarithm
LARGE: Mapping[str, float] = {"bird": 0.85, "bus": 1.2, "train": 1.3}
FLYING: Mapping[str, float] = {"aeroplane": 0.9, "bird": 0.35}
LEANING: Mapping[str, float] = {"aeroplane": 0.35, "bird": 0.2, "cat": 0.15}

Choices = Mapping[str, Sequence[Sequence[Cutout]]]  # by class, by style


@dataclass(frozen=True)
class Scene:
    """A picture (side, side, 3), its classes and its things (side, side).

    Classes are numbers in ``VOC``, things count from 1 in the back to the
    front; 0 is the background, ``VOID`` the contours.
    """

    picture: NDArray[np.uint8]
    classes: NDArray[np.uint8]
    objects: NDArray[np.uint8]


def drawings() -> dict[str, Choices]:
    """Collect the cut-outs of each split by class and by drawing style.

    Raises DataUnavailable if the icon sets can't be had or are damaged.
    """
    found: dict[styles.Use, list[dict[str, list[Cutout]]]]
    found = {"train": [], "test": []}
    for name, style in styles.STYLES.items():
        found[style.use].append(cutouts(name, RASTER))
    parts: dict[str, dict[str, list[list[Cutout]]]]
    parts = {"train": {}, "validation": {}, "test": {}}
    for label in VOC[1:]:
        known = [sets.get(label, []) for sets in found["train"]]
        held = _held_out([cutout for style in known for cutout in style])
        chosen = {
            "train": [[c for c in s if _shown(c) not in held] for s in known],
            "validation": [[c for c in s if _shown(c) in held] for s in known],
            "test": [sets.get(label, []) for sets in found["test"]],
        }
        for split, by_style in chosen.items():
            if any(by_style):
                parts[split][label] = [some for some in by_style if some]
    return dict(parts)


def scene(choices: Choices, split: str, index: int, side: int) -> Scene:
    """Compose picture ``index`` of a split.

    Everything but the grain of its pixels is the same at every size.
    """
    rng = np.random.default_rng(stream(index, f"scenes/{split}"))
    setting, horizon, things = layout(choices, rng)
    picture = backdrop(rng, setting, horizon, split, side)
    far = picture.mean(axis=(0, 1))
    objects = np.zeros((side, side), np.uint8)
    for number, thing in enumerate(things, 1):
        put(thing, number, far, picture, objects)
    numbers = [0, *(VOC.index(thing.label) for thing in things)]
    classes = np.array(numbers, np.uint8)[objects]
    contour = _contour(objects)
    objects[contour] = classes[contour] = VOID
    return Scene(_photographed(rng, picture), classes, objects)


def layout(
    choices: Choices, rng: Generator
) -> tuple[Setting, float, list[Thing]]:
    """Choose the place, its horizon, and the things from back to front."""
    known = list(SETTINGS.values())
    setting = known[_draw(rng, [each.share for each in known])]
    horizon = float(rng.uniform(*setting.horizon))
    number = 1 + _draw(rng, NUMBERS)
    things = [_thing(rng, choices, setting, horizon) for _ in range(number)]
    return setting, horizon, sorted(things, key=lambda t: t.place.size)


def _shown(cutout: Cutout) -> tuple[str, str]:
    """Name a drawing: a person in six tones of skin is one."""
    return cutout.style, TONE.sub("", cutout.name)


def _held_out(known: Sequence[Cutout]) -> set[tuple[str, str]]:
    """Set some drawings apart, of all styles in turn."""
    order = sorted(
        {_shown(cutout) for cutout in known},
        key=lambda shown: (shown[0], shuffled(*shown)),
    )
    return set(order[::HELD_OUT])


def _draw(rng: Generator, weights: Sequence[float]) -> int:
    share = np.asarray(weights) / sum(weights)
    return int(rng.choice(len(share), p=share))


def _thing(
    rng: Generator, choices: Choices, setting: Setting, horizon: float
) -> Thing:
    """Choose a thing; the larger, the nearer and so the lower it stands."""
    known = [label for label in setting.weights if label in choices]
    label = known[_draw(rng, [setting.weights[name] for name in known])]
    style = choices[label][int(rng.integers(len(choices[label])))]
    cutout = style[int(rng.integers(len(style)))]
    median = np.log(MEDIAN * LARGE.get(label, 1.0))
    size = float(np.exp(rng.normal(median, SPREAD)).clip(0.13, 0.95))
    flies = rng.random() < FLYING.get(label, 0.0)
    height, width = cutout.pixels.shape[:2]
    foot = horizon + (1.02 - horizon) * min(1.0, 1.3 * size)
    foot += rng.uniform(-0.04, 0.06)
    standing = foot - size * height / max(height, width) / 2
    free = rng.uniform(0.1, max(0.3, horizon - 0.1))
    lean = LEANING.get(label, 0.06)
    return Thing(
        label=label,
        cutout=cutout,
        place=Place(
            x=rng.uniform(0.1, 0.9),
            y=free if flies else standing,
            size=size,
            angle=rng.uniform(-lean, lean),
            mirrored=rng.random() < 0.5,
        ),
        light=rng.uniform(0.55, 1.15, (2, 2)),
        hue=rng.uniform(-0.3, 0.3),
        saturation=rng.uniform(0.5, 1.1),
        haze=setting.haze * rng.uniform(0, 1) * (1 - size) ** 2,
        stands=not flies,
    )


def _contour(objects: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark both sides of every border: 2 pixels in 256, 4 in 500."""
    width = 2 * max(1, round(len(objects) / 200)) + 1
    high = maximum_filter(objects, width)
    return np.asarray(high != minimum_filter(objects, width))


def _photographed(rng: Generator, picture: Picture) -> NDArray[np.uint8]:
    """Give the picture a cast, blur it slightly, and add grain."""
    cast = rng.uniform(0.8, 1.1) * rng.uniform(0.93, 1.07, 3)
    blur, grain = rng.uniform(0.3, 1.0), rng.uniform(2, 9)
    whole = (255 * picture * cast).clip(0, 255).astype(np.uint8)
    radius = blur * len(picture) / 256
    soft = Image.fromarray(whole).filter(ImageFilter.GaussianBlur(radius))
    noise = rng.standard_normal(picture.shape, np.float32)
    rough = np.asarray(soft, np.float32) + np.float32(grain) * noise
    return rough.round().clip(0, 255).astype(np.uint8)
