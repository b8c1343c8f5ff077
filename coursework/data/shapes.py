"""Plain shapes, several in a picture: what needs neither file nor network.

A stand-in for the sets whose pictures show several classes, for tests and for
machines that can fetch nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from coursework.data.splits import Split, Splits
from coursework.data.voc_layout import labels
from coursework.recipe import at_least
from coursework.trial import stream

SIZES = {"train": 2_000, "validation": 500, "test": 500}

Field = NDArray[np.float64]
# Of places right and down from the middle, in shapes' radii: what is inside.
SHAPES: Mapping[str, Callable[[Field, Field], NDArray[np.bool_]]] = {
    "disc": lambda x, y: x**2 + y**2 < 1,
    "square": lambda x, y: np.maximum(abs(x), abs(y)) < 0.8,
    "triangle": lambda x, y: (y < 0.7) & (abs(x) < (y + 1) / 2),
    "ring": lambda x, y: abs(x**2 + y**2 - 0.7) < 0.3,
    "cross": lambda x, y: np.minimum(abs(x), abs(y)) < 0.25,
}


def shapes(
    *,
    train: int | None = None,
    held_out: int | None = None,
    scored: int | None = None,
    side: int = 64,
) -> Splits:
    """Draw pictures (N, 3, side, side) of up to three of five shapes.

    A later shape hides what lies under it; masks and labels follow what is
    left.  Picture ``i`` depends on its split and ``i`` alone.  ``train`` and
    ``held_out`` take the first so many of ``SIZES``, ``scored`` at most so many
    of the validation and of the test split (None: all of them).  Raises
    ValueError if there are not that many pictures.
    """
    at_least("side", side, 8)
    asked = {"train": train, "validation": held_out}
    parts = {}
    for split, most in SIZES.items():
        wish = asked.get(split)
        number = most if wish is None else wish
        if not 0 <= number <= most:
            raise ValueError(
                f"{number} {split} pictures of shapes are asked for; "
                f"accepted: 0 to {most}"
            )
        if scored is not None and split != "train":
            at_least("scored", scored, 1)
            number = min(number, scored)
        drawn = [_picture(split, index, side) for index in range(number)]
        masks = np.array([mask for _, mask in drawn], np.uint8)
        parts[split] = Split(
            inputs=np.array([picture for picture, _ in drawn], np.uint8),
            targets=np.array([labels(mask, len(SHAPES)) for mask in masks]),
            masks=masks,
        )
    return Splits(name="shapes", classes=tuple(SHAPES), stand_in=True, **parts)


def _picture(
    split: str, index: int, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(stream(index, f"shapes/{split}"))
    picture = rng.uniform(0, 255, 3)[:, None, None] + np.zeros((side, side))
    mask = np.zeros((side, side), np.uint8)
    down, right = (np.indices((side, side)) + 0.5) / side
    for _ in range(rng.integers(4)):
        label = int(rng.integers(len(SHAPES)))
        radius = rng.uniform(0.12, 0.35)
        x, y = rng.uniform(radius, 1 - radius, 2)
        across, along = (right - x) / radius, (down - y) / radius
        box = np.maximum(abs(across), abs(along)) < 1
        inside = box & list(SHAPES.values())[label](across, along)
        mask[inside] = label + 1
        picture[:, inside] = rng.uniform(0, 255, 3)[:, None]
    noise = np.random.default_rng(stream(index, f"grain/{split}"))
    picture += noise.normal(0, 20, picture.shape)
    return picture.clip(0, 255).astype(np.uint8), mask
