"""Predictions that records keep, read with the labels of the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from coursework import calibration, records, stats
from coursework.records import Record
from coursework.views.transfer import with_range

Groups = Mapping[str, Sequence[Record]]


@dataclass(frozen=True)
class Labels:
    """What the test pictures show: ``targets`` (N,), names of ``classes``."""

    targets: NDArray[np.int64]
    classes: tuple[str, ...]

    @staticmethod
    def of(run: Record) -> Labels:
        """Read what a run with the probe ``test_labels`` kept."""
        kept = run.arrays("test_labels.npz")
        return Labels(kept["targets"], tuple(map(str, kept["classes"])))

    def predicted(self, run: Record) -> NDArray[np.int64]:
        """Return the classes (N,) that a run named.

        Raises ValueError for a run on other pictures, or that kept none.
        """
        if run.predictions is None:
            raise ValueError(f"run {run.name} kept no predictions")
        offsets = records.unpack(run.predictions)
        if len(offsets) != len(self.targets):
            raise ValueError(
                f"run {run.name} kept {len(offsets)} predictions; there are "
                f"labels of {len(self.targets)} test pictures: take those of "
                "a run on the same set"
            )
        found = (self.targets + offsets) % len(self.classes)
        return np.asarray(found, np.int64)


def hardest(
    runs: Sequence[Record], labels: Labels, most: int = 8
) -> pd.DataFrame:
    """List the classes that are most often taken for each other.

    Counts answers, those of all runs together.
    """
    targets = np.tile(labels.targets, len(runs))
    predicted = np.concatenate([labels.predicted(run) for run in runs])
    number = len(labels.classes)
    found = calibration.hardest(predicted, targets, number, most)
    asked = np.bincount(targets, minlength=number)
    return pd.DataFrame(
        [
            {
                "shown": labels.classes[shown],
                "said": labels.classes[said],
                "answers": count,
                "of": int(asked[shown]),
                "the other way": back,
                "of them": int(asked[said]),
                "n": len(runs),
            }
            for shown, said, count, back in map(_wider, found)
        ]
    )


def by_class(
    groups: Groups, labels: Labels, baseline: str, other: str, most: int = 5
) -> pd.DataFrame:
    """Show the classes whose F1 a change raises and lowers most.

    In per cent, with precision and recall; differences are paired over seeds.
    """
    number = len(labels.classes)
    tables = {
        name: np.array(
            [
                calibration.prf(labels.predicted(run), labels.targets, number)
                for run in sorted(groups[name], key=lambda run: run.seed)
            ]
        )
        for name in (baseline, other)
    }
    change = (tables[other] - tables[baseline])[:, 2]
    order = np.argsort(-change.mean(axis=0), kind="stable")
    picked = dict.fromkeys([*order[:most], *order[-most:]])
    pictures = np.bincount(labels.targets, minlength=number)
    return pd.DataFrame(
        [
            {"class": labels.classes[label], "pictures": int(pictures[label])}
            | {
                f"{kind}, {name}": 100 * table[:, place, label].mean()
                for place, kind in enumerate(("precision", "recall", "F1"))
                for name, table in tables.items()
            }
            | {
                "F1, difference": with_range(
                    stats.t_interval(change[:, label].tolist()), "+"
                ),
                "n": len(change),
            }
            for label in picked
        ]
    )


def _wider(pair: calibration.Pair) -> tuple[int, int, int, int]:
    """Order a pair by the way it is confused more often."""
    one, other, there, back = pair
    if there >= back:
        return pair
    return other, one, back, there
