"""Splits of pictures with masks: kept as arrays, validation held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from coursework.data.kept import Arrays, kept
from coursework.data.splits import Split, Splits
from coursework.data.voc_layout import Tree, decoded
from coursework.recipe import at_least

SPLIT_SEED = 2012  # the same validation rows for every run, whatever seed
VERSION = 1  # of what is made of pictures and masks

Open = Callable[[], AbstractContextManager[Tree]]


def with_validation(
    whole: Split,
    test: Split,
    *,
    held_out: int,
    name: str,
    classes: Iterable[str],
) -> Splits:
    """Hold validation out of the training pictures, always the same ones."""
    kept_rows, held = held_out_rows(whole.targets, held_out, SPLIT_SEED)
    return Splits(
        name=name,
        train=whole.take(kept_rows),
        validation=whole.take(held),
        test=test,
        classes=tuple(classes),
    )


def kept_split(
    stem: Path, name: str, side: int, opened: Open, most: int | None = None
) -> Split:
    """Read the first ``most`` pictures of a list, or what was kept of them."""

    def make() -> Arrays:
        with opened() as tree:
            return decoded(tree, tree.ids(name)[:most], side)

    path = stem.with_name(f"{stem.name}-{name}-{side}-v{VERSION}.npz")
    return Split(**kept(path, make))


def held_out_rows(
    targets: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows so that both parts show much the same sets of labels.

    The rows (N, K), shuffled, are put in the order of their combination of
    labels; one in so many of that order is held out, so each combination
    gives its share to within one row.  Returns (kept, held_out), both
    shuffled by ``seed``.  Raises ValueError if nothing would be kept.
    """
    number = len(targets)
    at_least("held_out", held_out, 0)
    if held_out >= number:
        raise ValueError(
            f"held_out is {held_out}; it must be below the {number} "
            "training examples"
        )
    rng = np.random.default_rng(seed)
    rows = rng.permutation(number)
    rows = rows[np.lexsort(targets[rows].T)]
    places = (2 * np.arange(held_out) + 1) * number // (2 * max(held_out, 1))
    kept = np.delete(rows, places)
    return rng.permutation(kept), rng.permutation(rows[places])
