"""How networks learn to draw, and what they draw, beside real pictures.

Pictures are artefacts of seed 0, see :mod:`coursework.generative.trial`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from coursework import stats
from coursework.figures import PALETTE
from coursework.records import Record
from coursework.thumbnails import unstacked

SHADE = 255  # of the gap between pictures


def films(run: Record, scale: int = 2) -> list[Image.Image]:
    """Lay out a run's frames: a column a class, the same noise in each."""
    seen = run.arrays("frames.npz")
    labels = seen["labels"]
    pictures = unstacked(seen["code"], int(seen["number"]))
    columns = len(np.unique(labels))
    frames = pictures.reshape(-1, len(labels), *pictures.shape[1:])
    return [sheet(frame, columns, scale) for frame in frames]


def grid(run: Record, columns: int = 10) -> Axes:
    """Draw a run's pictures; each column is asked for one class."""
    seen = run.arrays("grid.npz")
    order = np.argsort(seen["labels"], kind="stable")
    pictures = unstacked(seen["code"], int(seen["number"]))[order]
    labels = seen["labels"][order]
    names, counts = np.unique(labels, return_counts=True)
    rows = int(counts.min())
    chosen = [np.flatnonzero(labels == name)[:rows] for name in names]
    laid = sheet(pictures[np.stack(chosen, 1).ravel()], len(names))
    side = laid.width / len(names)
    axes = plt.subplots(figsize=(7, 0.5 + 7 * laid.height / laid.width))[1]
    axes.imshow(laid, interpolation="none")
    axes.set(xlabel="class asked for", yticks=[])
    axes.set_xticks((np.arange(len(names)) + 0.5) * side, names)
    axes.grid(visible=False)
    return axes


def neighbours(run: Record) -> Axes:
    """Draw some pictures, and below each the nearest training picture.

    Below stands their distance: root mean square, in grey levels of 0..255.
    """
    seen = run.arrays("neighbours.npz")
    apart = seen["distances"]
    pictures = unstacked(seen["code"], int(seen["number"]))
    panels = plt.subplots(2, len(apart), figsize=(7, 2))[1]
    for axes, picture in zip(panels.flat, pictures, strict=True):
        axes.imshow(picture, interpolation="none")
        axes.set(xticks=[], yticks=[])
    for axes, distance in zip(panels[1], apart, strict=True):
        axes.set_xlabel(f"{distance:.0f}")
    panels[0, 0].set_ylabel("drawn")
    panels[1, 0].set_ylabel("nearest")
    first: Axes = panels[0, 0]
    return first


def sheet(
    pictures: NDArray[np.uint8], columns: int, scale: int = 1
) -> Image.Image:
    """Lay pictures (n, H, W, 3) out row by row, with gaps between them.

    Places left over in the last row are blank.
    """
    lacking = -len(pictures) % columns
    gaps = ((0, lacking), (0, 0), (0, 0), (0, 0))
    framed = np.pad(
        np.pad(pictures, gaps, constant_values=SHADE),
        ((0, 0), (1, 1), (1, 1), (0, 0)),
        constant_values=SHADE,
    )
    high, wide = framed.shape[1:3]
    rows = framed.reshape(-1, columns, high, wide, 3).swapaxes(1, 2)
    drawn = Image.fromarray(rows.reshape(-1, columns * wide, 3))
    size = (drawn.width * scale, drawn.height * scale)
    return drawn.resize(size, Image.Resampling.NEAREST)


def losses(gan: Sequence[Record], diffusion: Sequence[Record]) -> Axes:
    """Draw how both kinds learn, with 95 % t intervals over runs.

    Of a DCGAN its discriminator's mean verdict on real and on drawn
    pictures, of a diffusion model the loss on validation pictures.
    """
    left, right = plt.subplots(1, 2, figsize=(7, 3.2))[1]
    for place, name in enumerate(("real", "drawn")):
        values = [
            [epoch["validation"][name] for epoch in run.history] for run in gan
        ]
        _band(left, _steps(gan[0]), values, PALETTE[place], name)
    left.set(ylabel="verdict (0 drawn, 1 real)", ylim=(0, 1))
    left.set_title(f"{gan[0].variant}, n = {len(gan)}", fontsize="medium")
    left.legend(frameon=False)
    falls = [
        [epoch["validation_loss"] for epoch in run.history] for run in diffusion
    ]
    _band(right, _steps(diffusion[0]), falls, PALETTE[2], "loss")
    right.set(ylabel="validation loss (mean square)", ylim=(0, None))
    right.set_title(
        f"{diffusion[0].variant}, n = {len(diffusion)}", fontsize="medium"
    )
    for axes in (left, right):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    shown: Axes = left
    return shown


def _steps(run: Record) -> NDArray[np.floating[Any]]:
    reports = np.array([epoch["epoch"] for epoch in run.history])
    settings = run.spec["args"]["method"]["args"]
    return reports * int(settings["steps"]) / int(settings["reports"])


def _band(
    axes: Axes,
    steps: NDArray[np.floating[Any]],
    values: Sequence[Sequence[float]],
    colour: str,
    label: str,
) -> None:
    """Draw a mean over runs, and its interval if there are several."""
    # a run that diverged has fewer reports
    seen = [stats.t_interval(column) for column in zip(*values, strict=False)]
    steps = steps[: len(seen)]
    axes.plot(steps, [one.mean for one in seen], color=colour, label=label)
    if len(values) > 1:
        low, high = [one.low for one in seen], [one.high for one in seen]
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)
