"""Animals across drawing styles: fine-grained classes, few drawings of each.

A stand-in for photographs of bird species where none can be had.  A class
has at most one drawing a style, so no two pictures of a split's class show
the same style unless they show the same drawing.  Training, validation and
test styles are disjoint: a score says how well a class is known again when
somebody else draws it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework.data.compose import styles
from coursework.data.compose.animal_names import CLASSES, meanings
from coursework.data.compose.backgrounds import background
from coursework.data.compose.icons import Cutout, draw, shuffled, svg, trimmed
from coursework.data.compose.layers import anywhere, layer, over
from coursework.data.compose.store import stored
from coursework.data.download import read
from coursework.data.kept import Arrays
from coursework.data.splits import Split, Splits
from coursework.recipe import at_least
from coursework.trial import stream

# A training style with all classes and no other style by the same authors.
VALIDATES = "fluent-emoji-flat"
VIEWS = {"train": 1, "validation": 2, "test": 2}  # pictures of a drawing
FEWEST = {"train": 2, "validation": 1, "test": 1}  # drawings of a class
RASTER = 2  # a cut-out is drawn so many times larger than the picture


def animals(
    *,
    side: int = 128,
    train: int | None = None,
    scored: int | None = None,
    per_class: int | None = None,
) -> Splits:
    """Load the composed pictures, (N, 3, side, side); compose them once.

    Each drawing gives ``VIEWS`` pictures, in other places and before other
    backgrounds; colours stay, for they tell animals apart.  Two views are not
    two drawings: an interval over the test split counts drawings.  Masks say
    where the animal is.  Training pictures come in rounds, one of each class
    that has any left; ``per_class`` keeps at most the first so many of each,
    ``train`` the first so many of these, ``scored`` at most so many of the
    validation and of the test split (None: all of them).  Raises
    DataUnavailable if the icon sets can't be had or are damaged, ValueError
    if there are not that many pictures.
    """
    at_least("side", side, 8)
    tables = {style: meanings(style) for style in styles.STYLES}
    settings = (side, VALIDATES, VIEWS, FEWEST, RASTER, tables)
    made = stored("animals", settings, partial(_compose, side))
    parts = {
        split: Split(
            inputs=made[split],
            targets=made[f"{split} targets"],
            masks=made[f"{split} masks"],
        )
        for split in VIEWS
    }
    splits = Splits(
        name="animals across styles (composed)",
        classes=tuple(map(str, made["classes"])),
        stand_in=True,
        **parts,
    )
    return splits.per_class(per_class).first(train, scored)


def drawings(side: int) -> dict[str, dict[str, list[Cutout]]]:
    """Collect the cut-outs for pictures of a size, by split and class.

    Those of a class are in an order that has nothing to do with their style.
    """
    found: dict[str, dict[str, list[Cutout]]] = {
        split: {name: [] for name in CLASSES} for split in VIEWS
    }
    for style, known in styles.STYLES.items():
        split = "validation" if style == VALIDATES else known.use
        for name, cutout in _of_style(style, RASTER * side).items():
            found[split][name].append(cutout)
    for by_class in found.values():
        for cutouts in by_class.values():
            cutouts.sort(key=lambda cutout: shuffled(cutout.style, cutout.name))
    enough = [
        name
        for name in CLASSES
        if all(len(found[split][name]) >= FEWEST[split] for split in FEWEST)
    ]
    return {
        split: {name: by_class[name] for name in enough}
        for split, by_class in found.items()
    }


def picture(
    cutout: Cutout, split: str, view: int, side: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Compose a view of a drawing, (3, side, side), and where it covers it."""
    rng = np.random.default_rng(stream(view, f"animals/{split}/{cutout.key}"))
    thing = layer(cutout.pixels, anywhere(rng), side)
    whole = over(thing, background(rng, side, split))
    pixels = (255 * whole.clip(0, 1)).round().astype(np.uint8)
    return pixels.transpose(2, 0, 1), thing[..., 3] > 0.5


def _of_style(style: str, side: int) -> dict[str, Cutout]:
    """Draw the icon of each class that a set has one of."""
    icons = json.loads(read(styles.ARCHIVE, f"{style}.json"))
    return {
        name: Cutout(style, icon, trimmed(draw(svg(icons, icon), side)))
        for icon, name in meanings(style).items()
        if icon in icons["icons"]
    }


def _compose(side: int) -> Arrays:
    choices = drawings(side)
    classes = tuple(choices["train"])
    made: dict[str, NDArray[Any]] = {"classes": np.array(classes)}
    for split, by_class in choices.items():
        rows = _rounds(tuple(by_class.values()))
        views = [
            (label, *picture(cutout, split, view, side))
            for label, cutout in rows
            for view in range(VIEWS[split])
        ]
        targets, inputs, covers = map(np.stack, zip(*views, strict=True))
        made[split] = inputs
        made[f"{split} targets"] = targets.astype(np.int64)
        shown = np.where(covers, targets[:, None, None] + 1, 0)
        made[f"{split} masks"] = shown.astype(np.uint8)
    return made


def _rounds(
    by_class: Sequence[Sequence[Cutout]],
) -> list[tuple[int, Cutout]]:
    """List the first drawing of each class, then each second one, and on."""
    return [
        (label, cutouts[number])
        for number in range(max(map(len, by_class)))
        for label, cutouts in enumerate(by_class)
        if number < len(cutouts)
    ]
