"""A data set in memory: three disjoint splits and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coursework.recipe import at_least
from coursework.trial import DataInfo

Array = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Inputs (N, ...) and their targets, row by row.

    Targets are classes (N,), or 0 and 1 (N, K) where a picture may show
    several.  ``masks`` uint8 (N, H, W), where there are any, say of each
    pixel what it shows: 0 none of the classes, k + 1 class k, 255 unknown.
    """

    inputs: Array
    targets: NDArray[np.int64]
    masks: NDArray[np.uint8] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: NDArray[np.intp]) -> Split:
        """Return the split of the given rows, in their order."""
        return Split(
            inputs=self.inputs[rows],
            targets=self.targets[rows],
            masks=None if self.masks is None else self.masks[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Train, validation and test split of one named data set.

    Pictures are uint8 of shape (N, H, W) or (N, C, H, W); tables are float32
    of shape (N, features).  ``stand_in`` marks a set that takes the place of
    another; whatever shows its numbers says so.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    stand_in: bool = False

    def info(self) -> DataInfo:
        """Name, sizes and a hash of all contents, for the record."""
        digest = hashlib.sha256()
        for split in (self.train, self.validation, self.test):
            for array in (split.inputs, split.targets, split.masks):
                if array is None:
                    continue
                digest.update(f"{array.dtype}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        return DataInfo(
            name=self.name,
            sha256=digest.hexdigest(),
            stand_in=self.stand_in,
            sizes={
                "train": len(self.train),
                "validation": len(self.validation),
                "test": len(self.test),
            },
        )

    def first(self, train: int | None, scored: int | None = None) -> Splits:
        """Keep the first ``train`` training examples (None: all of them).

        Of the validation and of the test split at most ``scored`` are kept
        each, one in so many, for a set may be sorted by how hard it is.
        Raises ValueError if there are not that many for training.
        """
        kept = self
        if train is not None:
            at_least("train", train, 1)
            if train > len(self.train):
                raise ValueError(
                    f"train is {train}; {self.name} has only "
                    f"{len(self.train)} training examples"
                )
            kept = replace(kept, train=self.train.take(np.arange(train)))
        if scored is not None:
            at_least("scored", scored, 1)
            kept = replace(
                kept,
                validation=_thinned(self.validation, scored),
                test=_thinned(self.test, scored),
            )
        return kept

    def per_class(self, number: int | None) -> Splits:
        """Keep each class's first ``number`` training examples, in order.

        All of a class that has fewer, and all of each class for None; what
        a smaller number keeps, a larger one keeps, too.  Raises ValueError if
        no class has that many, or where an example has several classes.
        """
        if number is None:
            return self
        at_least("per_class", number, 1)
        if self.train.targets.ndim != 1:
            raise ValueError(
                f"per_class is {number}; {self.name} has examples of several "
                "classes: leave it out and use train"
            )
        ranks = _ranks(self.train.targets)
        if number > ranks.max() + 1:
            raise ValueError(
                f"per_class is {number}; no class of {self.name} has more "
                f"than {ranks.max() + 1} training examples"
            )
        rows = np.flatnonzero(ranks < number)
        return replace(self, train=self.train.take(rows))


def _ranks(targets: NDArray[np.int64]) -> NDArray[np.intp]:
    """Count for each row the earlier rows of its class, (N,)."""
    ranks = np.empty(len(targets), np.intp)
    for label in np.unique(targets):
        rows = np.flatnonzero(targets == label)
        ranks[rows] = np.arange(len(rows))
    return ranks


def _thinned(split: Split, most: int) -> Split:
    number = min(most, len(split))
    return split.take(np.arange(number) * len(split) // max(number, 1))


Loader = Callable[[], Splits]


def stratified(
    targets: NDArray[np.int64], held_out: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split row numbers so that both parts have each class's share.

    Returns (kept, held_out), each shuffled by ``seed``.  A class's share of
    the held-out rows is rounded by largest remainder, so the sizes are exact.
    Raises ValueError if nothing would be kept.
    """
    at_least("held_out", held_out, 0)
    if held_out >= len(targets):
        raise ValueError(
            f"held_out is {held_out}; it must be below the {len(targets)} "
            "training examples"
        )
    rng = np.random.default_rng(seed)
    counts = np.bincount(targets)
    quota = counts * held_out / len(targets)
    take = np.floor(quota).astype(int)
    rest = np.argsort(take - quota, kind="stable")[: held_out - take.sum()]
    take[rest] += 1
    held, kept = [], []
    for label, number in enumerate(take):
        rows = rng.permutation(np.flatnonzero(targets == label))
        held.append(rows[:number])
        kept.append(rows[number:])
    return (
        rng.permutation(np.concatenate(kept)),
        rng.permutation(np.concatenate(held)),
    )


def batches(
    examples: int, batch_size: int | None, seed: int, epoch: int
) -> Iterator[NDArray[np.intp]]:
    """Yield the rows of each mini-batch of one epoch, in a new order.

    The order is a function of (seed, epoch) alone, so a resumed run meets
    the batches it would have met.  The last batch may be smaller; the full
    batch keeps the given order.
    """
    if batch_size is None or batch_size >= examples:
        yield np.arange(examples)
        return
    order = np.random.default_rng((seed, epoch)).permutation(examples)
    for start in range(0, examples, batch_size):
        yield order[start : start + batch_size]
