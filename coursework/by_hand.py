"""Convolution and self-attention on a map of 3 × 3, number by number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# A step from dark to bright, and a kernel that answers to such steps.
MAP = np.array([[0.0, 0, 2], [0, 0, 2], [0, 1, 2]])
KERNEL = np.array([[0.0, 0, 0], [-1, 0, 1], [0, 0, 0]])
# A token is what a place shows and where it lies: value, row, column.
QUERY = np.array([[1.0, 0], [0, 1], [0, 0]])
KEY = np.array([[1.0, 0], [0, 1], [0, 0]])
VALUE = np.array([[1.0], [0], [0]])


@dataclass(frozen=True)
class Table:
    """A step of a calculation: numbers (R, C) with a name for each line.

    Lines without names are those of a map.
    """

    title: str
    values: Numbers
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


def convolution(
    picture: NDArray[Any] = MAP,
    kernel: NDArray[Any] = KERNEL,
    place: tuple[int, int] = (0, 1),
) -> tuple[Table, ...]:
    """Convolve a map (H, W) with a kernel of odd sides, zeros around it.

    In order: the map, the kernel, the padded map, the window of one
    ``place`` (row, column), its products with the kernel, whose sum is that
    place of the last table but one, the result (H, W); and the same as one
    matrix (H W, H W) that mixes places.  As torch's conv2d, the kernel is not
    turned around.
    """
    height, width = picture.shape
    padded = np.pad(
        picture.astype(float), [(side // 2,) * 2 for side in kernel.shape]
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    window = windows[place]
    result = np.einsum("hwij,ij->hw", windows, kernel)
    where = f"row {place[0] + 1}, column {place[1] + 1}"
    return (
        Table("the map", picture.astype(float)),
        Table("the kernel", kernel.astype(float)),
        Table("the map with zeros around it", padded),
        Table(f"what the kernel lies on at {where}", window),
        Table(f"times the kernel: {result[place]:g} in all", window * kernel),
        Table("the result", result),
        Table(
            "what each place (line) takes of each place (column)",
            _mixing(kernel, height, width),
            _places(height, width),
            _places(height, width),
        ),
    )


def attention(
    picture: NDArray[Any] = MAP,
    query: NDArray[Any] = QUERY,
    key: NDArray[Any] = KEY,
    value: NDArray[Any] = VALUE,
) -> tuple[Table, ...]:
    """Let the places of a map (H, W) attend to each other, with one head.

    :cite:p:`vaswani2017attention`, eq. 1.  ``query`` and ``key`` (3, d) and
    ``value`` (3, 1) multiply tokens of value, row and column, the latter two
    counted from the middle.  In order: the map, the tokens, queries, keys and
    values, the scores QKᵀ/√d (H W, H W), their softmax along lines, and the
    result (H, W).
    """
    height, width = picture.shape
    names, wide = _places(height, width), range(1, query.shape[1] + 1)
    rows, columns = np.indices(picture.shape) - np.array(
        [[[height // 2]], [[width // 2]]]
    )
    tokens = np.stack([picture, rows, columns], -1).reshape(-1, 3)
    queries, keys, values = tokens @ query, tokens @ key, tokens @ value
    scores = queries @ keys.T / np.sqrt(query.shape[1])
    shares = np.exp(scores - scores.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    return (
        Table("the map", picture.astype(float)),
        Table("the tokens", tokens, names, ("value", "row", "column")),
        Table("the queries", queries, names, tuple(f"q{n}" for n in wide)),
        Table("the keys", keys, names, tuple(f"k{n}" for n in wide)),
        Table("the values", values, names, ("v",)),
        Table("the scores", scores, names, names),
        Table(
            "what each place (line) takes of each place (column)",
            shares,
            names,
            names,
        ),
        Table("the result", (shares @ values).reshape(picture.shape)),
    )


def _mixing(kernel: NDArray[Any], height: int, width: int) -> Numbers:
    """Write a convolution as the matrix that multiplies a flat map."""
    found = np.zeros((height, width, height, width))
    middle = np.array(kernel.shape) // 2
    for row, column, i, j in np.ndindex(height, width, *kernel.shape):
        y, x = np.array([row + i, column + j]) - middle
        if 0 <= y < height and 0 <= x < width:
            found[row, column, y, x] = kernel[i, j]
    return found.reshape(height * width, -1)


def _places(height: int, width: int) -> tuple[str, ...]:
    return tuple(
        f"{row + 1},{column + 1}" for row, column in np.ndindex(height, width)
    )
