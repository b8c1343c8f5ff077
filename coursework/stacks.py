"""Runs that hold many networks each, read network by network; no torch.

``stacked.fit`` trains tiny networks side by side and leaves one record of
all.  Statistics about them are over networks: :func:`networks` takes such
records apart, and what is made for records then works for networks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from coursework import stats
from coursework.records import Record, grouped, scores


def networks(records: Iterable[Record]) -> list[Record]:
    """Make a record of each network, with its own scores.

    Its ``seed`` is its number over all runs of the arm: equal numbers began
    with equal weights, so differences between arms are paired.  What is of
    the whole run alone stays as it is: history, seconds, artefacts.
    """
    return [
        replace(
            record,
            seed=record.seed * len(each["fits"]) + number,
            scores=values,
            diverged="outputs are not finite"
            if math.isnan(values["beyond linear"])
            else None,
        )
        for record in records
        for each in [record.notes["networks"]]
        for number, values in enumerate(
            {
                name: math.nan if column[i] is None else column[i]
                for name, column in each.items()
            }
            for i in range(len(each["fits"]))
        )
    ]


def summary(records: Sequence[Record]) -> pd.DataFrame:
    """Tell of each arm how many networks fit, and how right they are.

    A network fits if it gets every training point right.  Shares in per cent;
    intervals are Wilson's for the share that fits and Student's over networks
    for the mean test accuracy.
    """
    rows = []
    for arm, runs in grouped(networks(records)).items():
        low, high = stats.wilson(sum(scores(runs, "fits")), len(runs))
        test = stats.t_interval(scores(runs))
        train = scores(runs, "train accuracy")
        curved = np.array(scores(runs, "beyond linear"))
        rows.append(
            {
                "activation": arm,
                "n": len(runs),
                "fit": 100 * stats.t_interval(scores(runs, "fits")).mean,
                "fit, 95 %": f"{100 * low:.0f} to {100 * high:.0f}",
                "train": 100 * sum(train) / len(train),
                "worst": 100 * min(train),
                "test": 100 * test.mean,
                "test, 95 %": f"{100 * test.low:.2f} to {100 * test.high:.2f}",
                "not linear": 100 * float(np.nanmedian(curved)),
                "diverged": sum(run.diverged is not None for run in runs),
            }
        )
    return pd.DataFrame(rows)
