"""Pictures of a multi-label set, and what a network makes of them.

From artefacts of seed 0, see :mod:`coursework.probes_multilabel`.
"""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from coursework.figures import PALETTE
from coursework.records import Record
from coursework.thumbnails import unstacked
from coursework.views.looking import (
    TEXT,
    TITLE,
    WIDTH,
    outline,
    overlay,
    unpacked,
)

SPLITS = ("training", "validation", "test")


def samples(run: Record, columns: int = 5) -> Axes:
    """Draw pictures of the data, their objects outlined by class.

    Pictures without an outline show none of the classes.
    """
    seen = run.arrays("samples.npz")
    classes, masks = seen["classes"].tolist(), seen["masks"]
    grid = _grid(len(masks), columns)
    pictures = unstacked(seen["pictures"], len(masks))
    for axes, picture, mask, split in zip(
        grid, pictures, masks, seen["split"], strict=False
    ):
        axes.imshow(picture, interpolation="none")
        for number in range(len(classes)):
            outline(axes, mask == number + 1, PALETTE[number % len(PALETTE)])
        axes.set_title(SPLITS[split], fontsize=TEXT)
    patches = [
        Patch(facecolor="none", edgecolor=colour, label=name)
        for colour, name in zip(PALETTE, classes, strict=False)
    ]
    _figure(grid[0]).legend(
        handles=patches,
        loc="outside lower center",
        ncols=len(classes),
        frameon=False,
        fontsize="small",
    )
    return grid[0]


def worst(run: Record, columns: int = 4) -> Axes:
    """Draw the worst mistakes: what was missed or seen wrongly, how surely.

    Below stands what the picture shows.  Raises ValueError where a network
    made no mistake.
    """
    seen = run.arrays("worst.npz")
    classes, labels = seen["classes"], seen["labels"]
    grid = _grid(len(labels), columns)
    pictures = unstacked(seen["pictures"], len(labels))
    for place, (axes, label) in enumerate(zip(grid, labels, strict=False)):
        present = seen["targets"][place] == 1
        kind = "misses" if present[label] else "sees"
        chance = 100 * float(seen["probabilities"][place, label])
        axes.imshow(pictures[place], interpolation="none")
        axes.set_title(
            f"{kind} {classes[label]} ({chance:.0f} %)", fontsize=TEXT
        )
        axes.set_xlabel(
            ", ".join(classes[present]) or "none of them", fontsize=TEXT
        )
    return grid[0]


def gradcam(run: Record, columns: int = 4) -> Axes:
    """Draw pictures with the true outline, and Grad-CAM of the class below.

    The cross is where it points.  Raises ValueError where no test picture
    shows any class.
    """
    seen = run.arrays("pointing_game.npz")
    labels, number = seen["labels"], len(seen["labels"])
    pictures = unstacked(seen["pictures"], number)
    objects = unpacked(seen, pictures.shape[:3])
    lines = -(-number // columns)
    grid = np.array(_grid(2 * lines * columns, columns), object)
    for place, axes in enumerate(
        grid.reshape(-1, 2, columns).transpose(0, 2, 1).reshape(-1, 2)
    ):
        if place >= number:
            for panel in axes:
                panel.axis("off")
            continue
        for panel in axes:
            panel.imshow(pictures[place], interpolation="none")
            outline(panel, objects[place])
        hit = "on it" if seen["hit"][place] else "beside it"
        axes[0].set_title(str(seen["classes"][labels[place]]), fontsize=TEXT)
        axes[1].set_title(hit, fontsize=TEXT)
        overlay(axes[1], seen["maps"][place])
        _cross(axes[1], seen["peak"][place])
    first: Axes = grid[0]
    return first


def _cross(axes: Axes, peak: NDArray[np.floating[Any]]) -> None:
    """Mark a place, row and column as shares of the picture's sides."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x, y = left + peak[1] * (right - left), top + peak[0] * (bottom - top)
    axes.plot([x], [y], marker="x", color="cyan", mew=2)


def _grid(number: int, columns: int) -> list[Axes]:
    """Make places for so many pictures; the last line's spare ones are off."""
    if not number:
        raise ValueError("there are no pictures to draw; give at least one")
    lines = -(-number // columns)
    size = (WIDTH, lines * (WIDTH / columns + TITLE) + TITLE)
    grid = plt.subplots(lines, columns, figsize=size, squeeze=False)[1]
    every: list[Axes] = list(grid.flat)
    for place, axes in enumerate(every):
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        if place >= number:
            axes.axis("off")
    return every


def _figure(axes: Axes) -> Any:
    return axes.get_figure(root=True)
