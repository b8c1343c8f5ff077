"""Places for scenes: how they look and what is to be seen there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from coursework.data.compose.backgrounds import Generator, Picture, photo

PHOTOS = 0.15  # share of the pictures on a photo

Colours = tuple[tuple[float, float, float], tuple[float, float, float]]
Knots = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A kind of place: how often it is chosen, how it looks, what is there.

    ``horizon`` and ``relief``, how high hills or houses rise above it, are
    shares of the picture's height from its top; ``colours`` are the darkest
    and lightest, ``grain`` is how finely the ground is patterned.
    """

    share: float
    horizon: tuple[float, float]
    relief: float = 0.0
    blocks: bool = False
    above: Colours = ((0.3, 0.45, 0.6), (0.75, 0.88, 1.0))
    below: Colours
    grain: Knots
    haze: float = 0.6
    weights: Mapping[str, float]


SETTINGS: Mapping[str, Setting] = {
    "street": Setting(
        share=0.23,
        horizon=(0.35, 0.6),
        relief=0.4,
        blocks=True,
        below=((0.25, 0.25, 0.25), (0.6, 0.58, 0.55)),
        grain=(60, 60),
        weights={"car": 9, "person": 5}
        | dict.fromkeys(("bicycle", "bus", "motorbike", "train"), 0.8)
        | dict.fromkeys(("dog", "cat", "bird", "pottedplant"), 0.5),
    ),
    "sky": Setting(
        share=0.22,
        horizon=(0.8, 1.0),
        relief=0.1,
        below=((0.2, 0.25, 0.15), (0.5, 0.5, 0.35)),
        grain=(30, 30),
        weights={"aeroplane": 6, "bird": 6},
    ),
    "indoor": Setting(
        share=0.22,
        horizon=(0.55, 0.8),
        above=((0.45, 0.4, 0.35), (0.95, 0.92, 0.85)),
        below=((0.25, 0.15, 0.1), (0.7, 0.55, 0.45)),
        grain=(4, 24),
        haze=0.1,
        weights={"cat": 7, "person": 6}
        | dict.fromkeys(("chair", "sofa", "tvmonitor", "pottedplant"), 0.8)
        | dict.fromkeys(("bottle", "dog"), 0.8),
    ),
    "field": Setting(
        share=0.2,
        horizon=(0.3, 0.6),
        relief=0.2,
        below=((0.2, 0.3, 0.05), (0.6, 0.6, 0.3)),
        grain=(80, 50),
        weights={"bird": 7, "person": 3, "cat": 1.5, "car": 1}
        | dict.fromkeys(("cow", "dog", "horse", "sheep", "train"), 0.8),
    ),
    "water": Setting(
        share=0.13,
        horizon=(0.3, 0.55),
        relief=0.06,
        below=((0.05, 0.2, 0.3), (0.3, 0.5, 0.6)),
        grain=(50, 7),
        weights={"boat": 3, "bird": 6, "person": 3, "aeroplane": 0.5},
    ),
}


def backdrop(
    rng: Generator, setting: Setting, horizon: float, split: str, side: int
) -> Picture:
    """Draw what lies behind: above, far, and below; or cut a photo."""
    if rng.random() < PHOTOS:
        return photo(rng, side, split)
    sky, ground = _between(rng, setting.above), _between(rng, setting.below)
    far = 0.6 * _between(rng, setting.below) + 0.4 * sky
    rows = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    knots = rng.random(13) * setting.relief
    across = np.linspace(0, 12, side, endpoint=False)
    rise = (
        knots[across.astype(int)]
        if setting.blocks
        else np.interp(across, np.arange(13), knots)
    )
    skyline = (horizon - rise).astype(np.float32)[None, :, None]
    clouds = 0.7 * _rough(rng, (4, 3), side) + 0.3 * _rough(rng, (14, 9), side)
    light = 0.75 + 0.5 * clouds
    pattern = 0.5 * _rough(rng, setting.grain, side)
    pattern += 0.5 * _rough(rng, (8, 8), side)
    sky = sky + (1 - sky) * (0.5 * rows / max(horizon, 0.1)).clip(0, 0.6)
    picture = np.where(rows < skyline, sky * light, far * (0.7 + 0.6 * pattern))
    near = ground * (0.55 + 0.5 * pattern + 0.35 * rows)
    picture = np.where(rows < horizon, picture, near)
    return picture.clip(0, 1).astype(np.float32)


def _between(rng: Generator, colours: Colours) -> NDArray[np.float64]:
    low, high = np.array(colours)
    mixed = low + rng.random() * (high - low)
    return np.asarray(mixed + rng.normal(0, 0.04, 3))


def _rough(rng: Generator, knots: Knots, side: int) -> Picture:
    """Interpolate random values at knots: (side, side, 1), 0 to 1."""
    field = Image.fromarray(rng.random(knots, np.float32))
    smooth = field.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(smooth, np.float32)[..., None].clip(0, 1)
