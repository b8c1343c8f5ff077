"""Backgrounds for composed pictures: drawn at random, or cut from photos.

Each is float32 of shape (side, side, 3) with values from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.float32]
Generator = np.random.Generator

PHOTOS = ("china.jpg", "flower.jpg")  # scikit-learn brings them
# Columns of the photos, as shares of their width: no pixel serves two splits.
STRIPS: Mapping[str, tuple[float, float]] = {
    "train": (0.0, 0.6),
    "validation": (0.6, 0.75),
    "test": (0.75, 1.0),
}
CROP = (48, 97)  # sides of what is cut from a photo, in its pixels


def gradient(rng: Generator, side: int, split: str) -> Picture:
    """Blend one colour into another along a line."""
    across = _across(rng, side)
    low, high = across.min(), across.max()
    return _blend(rng, (across - low) / (high - low))


def stripes(rng: Generator, side: int, split: str) -> Picture:
    """Draw soft stripes of two colours, 2 to 6 in the picture."""
    turns = 2 * np.pi * rng.uniform(2, 6)
    wave = np.sin(turns * _across(rng, side) + rng.uniform(0, 2 * np.pi))
    return _blend(rng, 0.5 + 0.5 * np.clip(2 * wave, -1, 1))


def clouds(rng: Generator, side: int, split: str) -> Picture:
    """Mix two colours by noise of several scales."""
    return _blend(rng, _noise(rng, side))


def horizon(rng: Generator, side: int, split: str) -> Picture:
    """Draw a sky that is lighter below, and rough ground under it."""
    line = rng.uniform(0.35, 0.75) * side
    height = np.arange(side, dtype=np.float32)[:, None, None]
    sky = rng.uniform((0.2, 0.4, 0.6), (0.6, 0.8, 1.0))
    sky = sky + (1 - sky) * 0.6 * height / line
    ground = _colour(rng) * (0.6 + 0.6 * _noise(rng, side)[..., None])
    return np.where(height < line, sky, ground).clip(0, 1).astype(np.float32)


def photo(rng: Generator, side: int, split: str) -> Picture:
    """Cut a square from the part of a photo that belongs to the split."""
    whole = _photos()[rng.integers(len(PHOTOS))]
    left, right = (round(share * whole.width) for share in STRIPS[split])
    size = rng.integers(*CROP)
    x = rng.integers(left, right - size + 1)
    y = rng.integers(whole.height - size + 1)
    crop = whole.crop((int(x), int(y), int(x + size), int(y + size)))
    small = crop.resize((side, side), Image.Resampling.BILINEAR)
    return np.asarray(small, np.float32) / np.float32(255)


KINDS: Mapping[str, Callable[[Generator, int, str], Picture]] = {
    "gradient": gradient,
    "stripes": stripes,
    "clouds": clouds,
    "horizon": horizon,
    "photo": photo,
}


def background(rng: Generator, side: int, split: str) -> Picture:
    """Draw a background of any kind; only photos look at the split."""
    kind = list(KINDS.values())[rng.integers(len(KINDS))]
    return kind(rng, side, split)


@cache
def _photos() -> list[Image.Image]:
    # It takes longer to import than to compose a hundred pictures.
    from sklearn.datasets import load_sample_image  # noqa: PLC0415

    return [Image.fromarray(load_sample_image(name)) for name in PHOTOS]


def _colour(rng: Generator) -> Picture:
    """Choose a colour (3,), rather grey than glaring."""
    grey = rng.uniform(0.15, 0.9)
    tint = rng.uniform(-0.25, 0.25, 3)
    return (grey + tint).clip(0, 1).astype(np.float32)


def _blend(rng: Generator, share: NDArray[Any]) -> Picture:
    """Mix two colours, the second by its share (side, side)."""
    one, other = _colour(rng), _colour(rng)
    mixed: Picture = one + (other - one) * share[..., None]
    return mixed.astype(np.float32)


def _across(rng: Generator, side: int) -> NDArray[np.float64]:
    """Measure the way along a random direction, 1 for the picture's side."""
    angle = rng.uniform(0, 2 * np.pi)
    down, right = np.indices((side, side)) / side
    return np.asarray(np.cos(angle) * right + np.sin(angle) * down)


def _noise(rng: Generator, side: int) -> Picture:
    """Add random fields of 3, 6 and 12 knots; values from 0 to 1."""
    total = np.zeros((side, side), np.float32)
    for knots, weight in ((3, 0.55), (6, 0.3), (12, 0.15)):
        field = Image.fromarray(rng.random((knots, knots), np.float32))
        smooth = field.resize((side, side), Image.Resampling.BICUBIC)
        total += weight * np.asarray(smooth)
    return np.asarray(total.clip(0, 1))
