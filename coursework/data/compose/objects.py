"""Icon objects: small colour pictures of one object each, composed here.

A stand-in for sets of small photographs where none can be had.  The drawings
are disjoint: training and validation show different icons of the same
drawing styles, the test split those of styles never trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework.data.compose import styles
from coursework.data.compose.backgrounds import background
from coursework.data.compose.icons import Cutout, cutouts, shuffled
from coursework.data.compose.layers import anywhere, layer, over, recoloured
from coursework.data.compose.names import NAMES
from coursework.data.compose.store import stored
from coursework.data.kept import Arrays
from coursework.data.splits import Split, Splits
from coursework.recipe import at_least
from coursework.trial import stream

SIZES = {"train": 10_000, "validation": 2_000, "test": 2_000}
FEWEST: Mapping[styles.Use, int] = {"train": 11, "test": 4}
HELD_OUT = 5  # one in so many drawings of the training styles validates
RASTER = 2  # a cut-out is kept so many times larger than the picture

Choice = Sequence[Sequence[Cutout]]  # of one class: by style, by drawing


def objects(
    *,
    train: int | None = None,
    held_out: int | None = None,
    scored: int | None = None,
    side: int = 32,
) -> Splits:
    """Load the composed pictures, (N, 3, side, side); compose them once.

    Picture ``i`` shows class ``i`` modulo their number and depends on its
    split and ``i`` alone; its drawing style is chosen before the drawing.
    The classes are those with at least ``FEWEST`` drawings.  ``train`` and
    ``held_out`` keep only the first so many training and validation pictures,
    ``scored`` at most so many of the validation and of the test split (None:
    all of them).  Raises DataUnavailable if the icon sets can't be
    had or are damaged, ValueError if there are not that many pictures.
    """
    at_least("side", side, 8)
    most = SIZES["validation"]
    if held_out is not None and not 0 <= held_out <= most:
        raise ValueError(
            f"held_out is {held_out}; there are {most} validation pictures, "
            "of which 0 to all may be kept"
        )
    settings = (side, SIZES, FEWEST, HELD_OUT, RASTER)
    made = stored("objects", settings, partial(_compose, side))
    parts = {
        split: Split(inputs=made[split], targets=made[f"{split} targets"])
        for split in SIZES
    }
    splits = Splits(
        name="icon objects (composed)",
        train=parts["train"],
        validation=parts["validation"].take(np.arange(most)[:held_out]),
        test=parts["test"],
        classes=tuple(map(str, made["classes"])),
        stand_in=True,
    )
    return splits.first(train, scored)


def drawings(side: int) -> dict[str, dict[str, Choice]]:
    """Collect the cut-outs for pictures of a size, by split and class."""
    by_use: dict[styles.Use, list[dict[str, list[Cutout]]]]
    by_use = {"train": [], "test": []}
    for name, style in styles.STYLES.items():
        by_use[style.use].append(cutouts(name, RASTER * side))
    choices: dict[str, dict[str, Choice]] = {split: {} for split in SIZES}
    for label in NAMES:
        known = {
            use: [found[label] for found in sets if found[label]]
            for use, sets in by_use.items()
        }
        if any(sum(map(len, known[use])) < FEWEST[use] for use in FEWEST):
            continue
        kept, held = _held_out(known["train"])
        choices["train"][label], choices["validation"][label] = kept, held
        choices["test"][label] = known["test"]
    return choices


def picture(
    choice: Choice, split: str, index: int, side: int
) -> NDArray[np.uint8]:
    """Compose picture ``index`` of a split: (3, side, side)."""
    rng = np.random.default_rng(stream(index, f"objects/{split}"))
    style = choice[int(rng.integers(len(choice)))]
    cutout = style[int(rng.integers(len(style)))]
    thing = recoloured(
        layer(cutout.pixels, anywhere(rng), side),
        hue=rng.uniform(-0.35, 0.35),
        saturation=rng.uniform(0.6, 1.3),
    )
    light = rng.uniform(0.6, 1.15, (2, 2))  # at the corners
    ramp = np.linspace((1, 0), (0, 1), side)
    thing[..., :3] *= (ramp @ light @ ramp.T)[..., None]
    whole = over(thing, background(rng, side, split))
    whole += rng.normal(0, 0.03, whole.shape).astype(np.float32)
    return (255 * whole.clip(0, 1)).round().astype(np.uint8).transpose(2, 0, 1)


def _held_out(choice: Choice) -> tuple[Choice, Choice]:
    """Set some drawings of a class apart, whatever their style."""
    order = sorted(
        (cutout for style in choice for cutout in style),
        key=lambda cutout: shuffled(cutout.style, cutout.name),
    )
    held = {cutout.key for cutout in order[: len(order) // HELD_OUT]}

    def part(inside: bool) -> Choice:
        of_style = (
            [cutout for cutout in style if (cutout.key in held) is inside]
            for style in choice
        )
        return [some for some in of_style if some]

    return part(False), part(True)


def _compose(side: int) -> Arrays:
    choices = drawings(side)
    classes = tuple(choices["train"])
    made: dict[str, NDArray[Any]] = {"classes": np.array(classes)}
    for split, size in SIZES.items():
        targets = np.arange(size) % len(classes)
        made[f"{split} targets"] = targets.astype(np.int64)
        made[split] = np.stack(
            [
                picture(choices[split][classes[label]], split, index, side)
                for index, label in enumerate(targets)
            ]
        )
    return made
