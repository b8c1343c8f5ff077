"""Loaders of a part of another set: some classes, few pictures, the ink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from coursework.data.splits import Loader, Split, Splits


def only(*, data: Loader, classes: Sequence[str]) -> Splits:
    """Keep the pictures of some classes, which count from 0 in that order.

    Raises ValueError for a class that the set does not have.
    """
    whole = data()
    unknown = [name for name in classes if name not in whole.classes]
    if unknown:
        raise ValueError(
            f"{whole.name} has no class {unknown[0]!r}; it has "
            f"{', '.join(whole.classes)}"
        )
    places = [whole.classes.index(name) for name in classes]
    numbers = np.full(len(whole.classes), -1)
    numbers[places] = np.arange(len(places))

    def part(split: Split) -> Split:
        kept = split.take(np.flatnonzero(numbers[split.targets] >= 0))
        return replace(kept, targets=numbers[kept.targets])

    return replace(
        whole,
        name=f"{whole.name}, classes {', '.join(classes)}",
        train=part(whole.train),
        validation=part(whole.validation),
        test=part(whole.test),
        classes=tuple(classes),
    )


def common(*, data: Loader, least: int) -> Splits:
    """Keep the classes with at least so many training pictures.

    Raises ValueError if there is none.
    """
    whole = data()
    counts = np.bincount(whole.train.targets, minlength=len(whole.classes))
    names = [
        name
        for name, count in zip(whole.classes, counts, strict=True)
        if count >= least
    ]
    if not names:
        raise ValueError(
            f"least is {least}, but the most frequent class of {whole.name} "
            f"has {counts.max()} training pictures"
        )
    kept = only(data=lambda: whole, classes=names)
    return replace(kept, name=f"{whole.name}, classes with {least} pictures")


def few(*, data: Loader, each: int | None) -> Splits:
    """Keep the first ``each`` training pictures of every class; None: all."""
    whole = data()
    return whole if each is None else whole.per_class(each)


def inked(*, data: Loader) -> Splits:
    """Add masks of the ink: the pixels of a grey picture that are light.

    Raises ValueError for pictures of several channels.
    """
    whole = data()
    if whole.train.inputs.ndim != 3:
        raise ValueError(
            f"{whole.name} has pictures {whole.train.inputs.shape[1:]}; ink "
            "is looked for in grey ones, (height, width)"
        )

    def masked(split: Split) -> Split:
        label = (split.targets + 1).astype(np.uint8)[:, None, None]
        return replace(split, masks=(split.inputs > 127) * label)

    return replace(
        whole,
        train=masked(whole.train),
        validation=masked(whole.validation),
        test=masked(whole.test),
    )
