"""What pictures there are to learn from: samples, few of them, folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from coursework import fine_grained, records, show
from coursework.data.folds import contiguous_folds, reachable
from coursework.experiment import Profile
from coursework.figures import PALETTE
from coursework.records import Record
from coursework.thumbnails import unstacked
from coursework.views.transfer import accuracy, share, with_range

SPLITS = ("train", "validation", "test")
TEXT = 7.5  # points


def classes(dataset: str, run: Record) -> int:
    """Count the classes of the set that a run of a page saw."""
    return fine_grained.classes(dataset, cast(Profile, run.profile))


def sizes(run: Record, classes: int) -> pd.DataFrame:
    """List how many pictures a split has, and how many a class on average."""
    return pd.DataFrame(
        [
            {
                "split": split,
                "pictures": run.data["sizes"][split],
                "a class, on average": run.data["sizes"][split] / classes,
            }
            for split in SPLITS
        ]
    )


def samples(run: Record) -> Axes:
    """Draw the test pictures that ``looks.npz`` keeps, with their classes."""
    seen = run.arrays("looks.npz")
    number = len(seen["labels"])
    row = plt.subplots(1, number, figsize=(7, 7 / number + 0.3), squeeze=False)
    for axes, picture, label in zip(
        row[1][0],
        unstacked(seen["pictures"], number),
        seen["labels"],
        strict=True,
    ):
        axes.imshow(picture)
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.set_title(seen["classes"][label], fontsize=TEXT)
    first: Axes = row[1][0, 0]
    return first


def few(curve: Sequence[Record], classes: int) -> Axes:
    """Draw accuracy over training pictures a class, by kind of features.

    Of arms "kind, number a class, rate r", each at its best validated rate;
    bars are 95 % t intervals over seeds, the dotted line is chance.
    """
    axes = plt.subplots()[1]
    for colour, (kind, found) in zip(PALETTE, _kinds(curve), strict=False):
        x = [runs[0].data["sizes"]["train"] / classes for runs in found]
        seen = [accuracy(runs) for runs in found]
        axes.errorbar(
            x,
            [100 * one.mean for one in seen],
            [
                [100 * (one.mean - one.low) for one in seen],
                [100 * (one.high - one.mean) for one in seen],
            ],
            fmt="o-",
            ms=4,
            capsize=3,
            color=colour,
            label=f"{kind} features",
        )
    axes.axhline(100 / classes, color="grey", ls=":", label="chance")
    axes.set(xscale="log", ylim=0, ylabel="test accuracy (%)")
    axes.set_xlabel("training pictures a class, on average")
    axes.set_xticks(x, [f"{each:.1f}" for each in x])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False, fontsize="small")
    return axes


def few_said(curve: Sequence[Record], classes: int) -> str:
    """Say what the fewest and all pictures a class give, by kind."""
    told = []
    for kind, found in _kinds(curve):
        for runs in dict.fromkeys((0, len(found) - 1)):
            mean = found[runs][0].data["sizes"]["train"] / classes
            seen = show.percent(accuracy(found[runs]))
            told.append(f"{kind} features, {mean:.1f} a class: {seen}")
    return f"{'; '.join(told)}. Chance is {100 / classes:.2f} %."


def folds(runs: Sequence[Record]) -> pd.DataFrame:
    """Set each fold's validation accuracy beside its test accuracy."""
    return pd.DataFrame(
        [
            {
                "fold": name,
                "validation accuracy, %": with_range(
                    share([records.validation(r) for r in found])
                ),
                "test accuracy, %": with_range(accuracy(found)),
                "n": len(found),
            }
            for name, found in records.grouped(runs).items()
        ]
    )


def sorted_folds(pictures: int, classes: int, number: int) -> str:
    """Say what contiguous folds of a set that is sorted by class allow.

    Classes are as even as the count of ``pictures`` allows.
    """
    targets = np.sort(np.arange(pictures) % classes)
    most = reachable(targets, contiguous_folds(targets, number))
    return (
        f"Of {pictures:,} pictures in {classes} classes, sorted and cut into "
        f"{number} contiguous folds, no classifier names more than "
        f"{100 * most:.2f} % of a fold's pictures, on average."
    )


def _kinds(
    curve: Sequence[Record],
) -> list[tuple[str, list[Sequence[Record]]]]:
    """Gather tuned arms by what their labels begin with, fewest first."""
    found: dict[str, list[Sequence[Record]]] = {}
    for variant, runs in records.grouped(records.tuned(curve)).items():
        found.setdefault(variant.partition(",")[0], []).append(runs)
    return [(kind, sorted(arms, key=_size)) for kind, arms in found.items()]


def _size(runs: Sequence[Record]) -> int:
    size: int = runs[0].data["sizes"]["train"]
    return size
