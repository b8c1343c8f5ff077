"""Drawings of a network's parts, and of what networks see and mistake.

Shapes and counts in a drawing are read from modules that were built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from torch import nn

from coursework import outline
from coursework.data.augment import View
from coursework.figures import PALETTE
from coursework.models.attention import SqueezeExcite
from coursework.models.densenet import (
    DenseLayer,
    bottleneck,
    dense_stages,
    transition,
)
from coursework.outline import Step
from coursework.outline.shapes import Shape

WIDTH = 7  # inches: a figure's in a page
TEXT = 8.5  # points
MOST_LAYERS, MOST_PICTURES = 6, 8  # that fit side by side
SIDES = (7, 5)  # a map's in drawings, which call them H and W
PALE = "#e6e6e6"
ERRORS = LinearSegmentedColormap.from_list(
    "errors", ["white", PALETTE[1]]
).with_extremes(bad=PALE)


def dense_block(
    layers: int,
    growth: int,
    channels: int,
    layer: Callable[[int, int], DenseLayer] = bottleneck,
) -> Axes:
    """Draw how maps pile up in a dense block, each layer's in its colour.

    ``layer`` makes one, as in ``DenseNet`` or as in report R2
    (``densenet.r2_layer``).  Raises ValueError for more layers than fit.
    """
    _fits("layers", layers, MOST_LAYERS)

    def build() -> nn.Module:
        return dense_stages(channels, growth, (layers,), layer, transition)[0]

    steps = outline.steps(build, (channels, *SIDES))
    units = [step for step in steps if isinstance(step.module, DenseLayer)]
    new = [_made(step)[0] for step in steps if step.name.endswith(".new")]
    totals = [unit.given[0] for unit in units] + [_made(units[-1])[0]]
    axes = _canvas((-0.5, 2 * layers + 0.5), (-1.5, layers + 1.5), row=0.36)
    for column, total in enumerate(totals):
        for row, maps in enumerate([totals[0], *new][: column + 1]):
            colour = PALETTE[row % len(PALETTE)]
            _box(axes, (2 * column, row), str(maps), colour, (0.8, 0.9))
            if row < column:  # handed on as it came
                _line(axes, [2 * column - 1.6, 2 * column - 0.4], [row] * 2)
        _write(axes, (2 * column, column + 1), str(total))
    for row in range(1, layers + 1):
        _arrow(axes, (2 * row - 1.62, row), (2 * row - 1.4, row))
        _box(axes, (2 * row - 1, row), f"$H_{row}$", PALE, (0.8, 0.9))
        _arrow(axes, (2 * row - 0.6, row), (2 * row - 0.4, row))
    _write(
        axes, (layers, -1), f"numbers of maps;  H: {_parts(units[0].module)}"
    )
    return axes


def se_block(channels: int, ratio: int) -> Axes:
    """Draw squeeze, excitation and scale, with their shapes and counts.

    Raises ValueError for a ratio that does not divide the channels.
    """
    steps = outline.steps(
        lambda: SqueezeExcite(channels, ratio), (channels, *SIDES)
    )
    gate, block = [step for step in steps if step.leaf], steps[-1]
    axes = _canvas((-0.45, len(gate) + 3.45), (-1.35, 1.4), row=0.6)
    names = [type(step.module).__name__ for step in gate]
    for place, name in enumerate(["maps", "mean", *names, "×", "maps"]):
        colour = PALETTE[5] if name == "maps" else PALE
        _box(axes, (place, 0), name, colour, (0.74, 0.6))
    shapes = [step.given for step in (block, *gate)]
    for place, shape in enumerate([*shapes, _made(gate[-1]), _made(block)]):
        _arrow(axes, (place + 0.38, 0), (place + 0.62, 0))
        _write(axes, (place + 0.5, 0.5), _called(shape))
    for place, step in enumerate(gate, 2):
        if step.parameters:
            _write(axes, (place, -0.6), f"{step.parameters:,}\nparameters")
    scale = len(gate) + 2
    _line(axes, [-0.25, -0.25, scale - 0.12], [0.3, 0.9, 0.9])
    _arrow(axes, (scale - 0.12, 0.9), (scale - 0.12, 0.3))
    _write(axes, (scale / 2, 1.15), _called(block.given))
    for middle, word in ((1, "squeeze"), (scale, "scale")):
        _write(axes, (middle, -1.1), word, style="italic")
    _write(axes, ((scale + 1) / 2, -1.1), "excitation", style="italic")
    return axes


def resized(pictures: NDArray[np.uint8], side: int) -> Axes:
    """Draw pictures (n, H, W) as they are, and as a network gets them.

    ``View(side=...)`` resizes them.  Raises ValueError for more or fewer
    pictures than fit.
    """
    _fits("the number of pictures", len(pictures), MOST_PICTURES)
    given = torch.from_numpy(pictures)[:, None]
    rows = [view(given).numpy() for view in (View(), View(side=side))]
    grid = _grid(2, len(pictures))
    for row, axes in zip(rows, grid, strict=True):
        height, width = row.shape[2:]
        label = f"{height} × {width} px"
        axes[0].set_ylabel(label, fontsize=TEXT)
        for place, picture in zip(axes, row[:, 0], strict=True):
            _show(place, picture, -1, 1)
    return _first(grid)


def digits(
    pictures: NDArray[np.uint8],
    targets: NDArray[np.integer],
    predicted: NDArray[np.integer],
    probability: NDArray[np.floating] | None = None,
    columns: int = MOST_PICTURES,
) -> Axes:
    """Draw pictures (n, H, W) with what they are and were taken for.

    "4 → 9, 98 %" is a 4 that was taken for a 9, with that ``probability``.
    """
    _fits("columns", columns, MOST_PICTURES)
    if not len(pictures):
        raise ValueError("there are no pictures to draw; give at least one")
    lines = -(-len(pictures) // columns)
    # One frame for all: a frame each takes ten times as long to draw.
    line = 1 + 0.22 * columns / WIDTH  # of a picture and what it is called
    axes = _canvas((0, columns), (-line * lines, 0), WIDTH / columns)
    for number, picture in enumerate(pictures):
        down, right = divmod(number, columns)
        top = -line * down - (line - 1)
        text = f"{targets[number]} → {predicted[number]}"
        if probability is not None:
            text += f", {100 * probability[number]:.0f} %"
        _show(axes, picture, 0, 255, (right, right + 0.94, top - 0.94, top))
        _write(axes, (right + 0.47, top + (line - 1) / 2), text)
    return axes


def confusion(matrix: NDArray[Any], classes: Sequence[str]) -> Axes:
    """Draw how many of each class (row) were taken for which (column).

    ``matrix`` is (K, K), counts or means of counts over seeds.  Colour is for
    the errors alone, as they would drown beside what was right.
    """
    wrong = np.ma.masked_where(np.eye(len(classes), dtype=bool), matrix)
    axes = plt.subplots(figsize=(WIDTH, 1 + 0.42 * len(classes)))[1]
    axes.imshow(wrong, cmap=ERRORS, vmin=0, aspect="auto", interpolation="none")
    whole = np.array_equal(matrix, np.round(matrix))
    for (row, column), number in np.ndenumerate(matrix):
        text = f"{number:.0f}" if whole else f"{number:.1f}"
        right = row == column
        _write(axes, (column, row), text, weight="bold" if right else "normal")
    places = range(len(classes))
    slant = 30 if max(map(len, classes)) > 5 else 0
    axes.set_xticks(places, classes, fontsize=TEXT, rotation=slant)
    axes.set_yticks(places, classes, fontsize=TEXT)
    axes.set_xlabel("predicted class", fontsize=TEXT)
    axes.set_ylabel("true class", fontsize=TEXT)
    axes.grid(False)
    return axes


def _fits(what: str, number: int, most: int) -> None:
    if not 1 <= number <= most:
        raise ValueError(f"{what} is {number}; accepted: 1 to {most}")


def _made(step: Step) -> Shape:
    assert step.made is not None  # only a step that failed made nothing
    return step.made


def _called(shape: Shape) -> str:
    """Write a shape, a map's sides as H and W."""
    return " × ".join([str(shape[0]), *("H", "W")[: len(shape) - 1]])


def _parts(module: nn.Module) -> str:
    """Write the layers of a module in a row, convolutions with kernels."""
    texts = []
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            texts.append("×".join(map(str, part.kernel_size)) + " convolution")
        elif not any(True for _ in part.children()):
            texts.append(type(part).__name__)
    return ", ".join(texts)


def _canvas(
    across: tuple[float, float], up: tuple[float, float], row: float
) -> Axes:
    """Make axes without a frame, ``row`` inches a unit of height."""
    height = row * (up[1] - up[0])
    axes = plt.subplots(figsize=(WIDTH, height))[1]
    axes.set(xlim=across, ylim=up)
    axes.axis("off")
    return axes


def _grid(rows: int, columns: int) -> NDArray[Any]:
    """Make places for pictures, (rows, columns)."""
    size = (WIDTH, rows * WIDTH / columns)
    grid: NDArray[Any] = plt.subplots(
        rows, columns, figsize=size, squeeze=False
    )[1]
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
    return grid


def _show(
    axes: Axes,
    picture: Any,
    black: float,
    white: float,
    extent: tuple[float, float, float, float] | None = None,
) -> None:
    """Draw a picture; "none" lets each reader's screen enlarge its pixels."""
    limits = axes.axis()
    axes.imshow(
        picture,
        cmap="gray",
        vmin=black,
        vmax=white,
        interpolation="none",
        extent=extent,
        aspect="auto" if extent else None,
    )
    if extent:  # one of several pictures: the axes keep their limits
        axes.axis(limits)


def _first(grid: NDArray[Any]) -> Axes:
    first = grid[0, 0]
    assert isinstance(first, Axes)
    return first


def _box(
    axes: Axes,
    middle: tuple[float, float],
    text: str,
    colour: str,
    size: tuple[float, float],
) -> None:
    corner = (middle[0] - size[0] / 2, middle[1] - size[1] / 2)
    axes.add_patch(Rectangle(corner, *size, facecolor=colour))
    dark = np.dot(to_rgb(colour), (0.299, 0.587, 0.114)) < 0.5
    _write(axes, middle, text, color="white" if dark else "black")


def _write(
    axes: Axes, middle: tuple[float, float], text: str, **looks: Any
) -> None:
    axes.text(*middle, text, ha="center", va="center", fontsize=TEXT, **looks)


def _line(axes: Axes, x: Sequence[float], y: Sequence[float]) -> None:
    axes.plot(x, y, color="grey", lw=1, zorder=0)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float]
) -> None:
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "->",
            "color": "black",
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )
