"""Where networks look, how far, and what moving or resizing does to them.

From the artefacts of :mod:`coursework.probes_transfer` and ``looks.npz`` of
:mod:`coursework.probes_looks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from coursework import stats
from coursework.figures import PALETTE
from coursework.records import Record
from coursework.thumbnails import unstacked

Groups = Mapping[str, Sequence[Record]]
WIDTH, TITLE, TEXT = 7.0, 0.32, 7.5  # inches, inches, points


def overlays(run: Record) -> Axes:
    """Draw pictures with the object's outline, and each method's map below.

    Above stands the class, for which Grad-CAM speaks, below what was said.
    """
    seen = run.arrays("looks.npz")
    classes, number = seen["classes"], len(seen["labels"])
    pictures = unstacked(seen["pictures"], number)
    objects = unpacked(seen, pictures.shape[:3])
    lines = ["", *seen["methods"].tolist()]
    size = (WIDTH, len(lines) * (WIDTH / number + TITLE))
    grid = plt.subplots(len(lines), number, figsize=size, squeeze=False)[1]
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    for column, picture in enumerate(pictures):
        for axes in grid[:, column]:
            axes.imshow(picture, interpolation="none")
            outline(axes, objects[column])
        for axes, maps in zip(grid[1:, column], seen["maps"], strict=True):
            overlay(axes, maps[column])
        said = classes[seen["predicted"][column]]
        grid[0, column].set_title(
            classes[seen["labels"][column]], fontsize=TEXT
        )
        grid[-1, column].set_xlabel(f"said: {said}", fontsize=TEXT)
    for axes, method in zip(grid[:, 0], lines, strict=True):
        axes.set_ylabel(method, fontsize=TEXT)
    first: Axes = grid[0, 0]
    return first


def pointed(groups: Groups) -> pd.DataFrame:
    """List how often a map's maximum hits the object, and two controls.

    In per cent, with 95 % t intervals over seeds (``low`` and ``high``).
    ``mass`` is the share of the map on the object, to be held against
    ``area``, which an even map has and a random point hits.
    """
    rows = []
    for name, runs in groups.items():
        seen = [run.arrays("looks.npz") for run in runs]
        for place, method in enumerate(seen[0]["methods"].tolist()):
            hits = _interval([100 * one["hit"][place].mean() for one in seen])
            rows.append(
                {
                    "variant": name,
                    "method": method,
                    "hits": hits.mean,
                    "low": hits.low,
                    "high": hits.high,
                    "mass": _percent([one["mass"][place] for one in seen]),
                    "centre": _percent([one["centre"] for one in seen]),
                    "area": _percent([one["area"] for one in seen]),
                    "n": hits.n,
                }
            )
    return pd.DataFrame(rows)


def attention_distances(groups: Groups) -> Axes:
    """Draw how far each head looks, by block; the mean with its interval.

    A dot is a head of a run, a line the mean over heads with the 95 % t
    interval over seeds; the dashed line is even attention.
    """
    axes = plt.subplots()[1]
    for place, (colour, (name, runs)) in enumerate(
        zip(PALETTE, groups.items(), strict=False)
    ):
        seen = [run.arrays("attention_distances.npz") for run in runs]
        heads = np.stack([one["distance"] for one in seen])  # runs first
        blocks = np.arange(1, heads.shape[1] + 1)
        spread = np.moveaxis(heads, 1, 0).reshape(len(blocks), -1)
        beside = 0.15 * (place + 1)
        axes.plot(blocks + beside, spread, ".", color=colour, alpha=0.3, ms=5)
        _curve(axes, blocks, heads.mean(2), colour, name)
        axes.axhline(float(seen[0]["even"]), color=colour, ls="--", lw=1)
    axes.set(xlabel="block", ylabel="attention distance (pixels)", ylim=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small")
    return axes


PANELS = {
    "moved": "features less\nshifted features",
    "still": "features less\nthose before",
    "outputs": "outputs less\nthose before",
}


def shift_equivariance(groups: Groups) -> Axes:
    """Draw how far a shifted picture's features are from shifted features.

    Beside it, how far features and outputs are from those of the picture
    before.  1 is the distance of another picture; bands are 95 % t intervals
    over seeds.
    """
    panels = plt.subplots(1, 3, figsize=(WIDTH, 3.4), sharey=True)[1]
    for colour, (name, runs) in zip(PALETTE, groups.items(), strict=False):
        seen = [run.arrays("shift_equivariance.npz") for run in runs]
        for axes, key in zip(panels, PANELS, strict=True):
            values = np.stack([one[key] for one in seen])
            _curve(axes, seen[0]["pixels"], values, colour, name)
    for axes, title in zip(panels, PANELS.values(), strict=True):
        axes.set_title(title, fontsize="small")
        axes.set(xlabel="shift (pixels)", ylim=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    first: Axes = panels[0]
    first.set_ylabel("share of another\npicture's distance")
    first.legend(frameon=False, fontsize="small")
    return first


def resolutions(groups: Groups) -> Axes:
    """Draw test accuracy over the size of the pictures.

    Networks were trained on the middle size; bands are 95 % t intervals over
    seeds.
    """
    axes = plt.subplots()[1]
    for colour, (name, runs) in zip(PALETTE, groups.items(), strict=False):
        seen = [run.arrays("resolutions.npz") for run in runs]
        sides = seen[0]["sides"]
        values = 100 * np.stack([one["accuracy"] for one in seen])
        _curve(axes, sides, values, colour, name)
        axes.axvline(sides[len(sides) // 2], color="grey", ls=":", lw=1)
    axes.set(xlabel="side of the pictures (pixels)", ylabel="test accuracy (%)")
    axes.legend(frameon=False, fontsize="small")
    return axes


def _curve(
    axes: Axes, x: NDArray[Any], values: NDArray[Any], colour: str, name: str
) -> None:
    """Draw means of values (runs, x) and their 95 % t intervals."""
    bands = [_interval(column) for column in values.T]
    means = [band.mean for band in bands]
    axes.plot(x, means, marker="o", ms=4, color=colour, label=name)
    low, high = [band.low for band in bands], [band.high for band in bands]
    axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)


def _interval(values: Any) -> stats.Interval:
    return stats.t_interval([float(value) for value in values])


def _percent(values: list[NDArray[Any]]) -> float:
    return 100 * float(np.mean([value.mean() for value in values]))


def unpacked(
    seen: Mapping[str, NDArray[Any]], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Read where the objects are, (N, H, W); nowhere if nobody noted it."""
    count = int(np.prod(shape))
    bits = seen.get("objects", np.zeros(-(-count // 8), np.uint8))
    return np.unpackbits(bits, count=count).reshape(shape).astype(bool)


def outline(axes: Axes, mask: NDArray[np.bool_], colour: str = "white") -> None:
    """Draw the edge of a mask over its picture, if there is one."""
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2)


def overlay(axes: Axes, heat: NDArray[np.uint8]) -> None:
    """Lay a map, of whatever size, over a picture that is drawn already."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    axes.imshow(
        heat,
        cmap="inferno",
        vmin=0,
        vmax=255,
        alpha=0.6,
        extent=(left, right, bottom, top),
        interpolation="bilinear",
    )
