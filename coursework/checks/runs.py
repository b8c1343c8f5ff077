"""Checks that the reader's own runs decide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from coursework import records, stats
from coursework.checks.reply import Reply, check, number, one_of, same, whole
from coursework.records import Record

SIDES = ("higher", "lower", "undecided")


@check('"higher", "lower" or "undecided"', one_of(*SIDES))
def compared(
    answer: str,
    runs: Sequence[Record],
    *,
    arm: str,
    baseline: str,
    score: str = "accuracy",
) -> Reply:
    """Decide from your runs on which side of another arm an arm lies.

    Undecided means that the 95 % interval of the paired difference holds 0.
    An arm tried at several rates is named without them.
    """
    found = [
        [run for run in runs if run.variant.partition(", rate ")[0] == name]
        for name in (arm, baseline)
    ]
    if not all(found):
        known = dict.fromkeys(run.variant for run in runs)
        return Reply(
            None,
            f"These runs lack {arm!r} or {baseline!r}, they have "
            f"{', '.join(known)}: add the arm, and run the page again.",
        )
    one, other = found
    pairs = records.by_seed(one, other, partial(_test, score))
    seen = stats.paired(*pairs)
    side = "higher" if seen.low > 0 else "lower"
    if not (seen.low > 0 or seen.high < 0):
        side = "undecided"
    return same(
        answer,
        side,
        f"The mean difference of {score} is {100 * seen.mean:+.2f} points, "
        f"95 % interval {100 * seen.low:+.2f} to {100 * seen.high:+.2f}, over "
        f"{seen.n} seeds; look where 0 lies.",
    )


@check("a number of steps", number)
def steps_to(
    answer: float, runs: Sequence[Record], *, share: float = 0.8
) -> Reply:
    """Find the median step at which your runs' validation reached a share."""
    firsts = [
        min(
            (e["epoch"] for e in run.history if _reached(e) >= share),
            default=math.inf,
        )
        for run in runs
    ]
    truth = median(firsts)
    said = ", ".join(map(str, firsts))
    if math.isinf(truth):
        return Reply(
            None,
            f"Most of these runs never reach it; their first steps: {said}.",
        )
    last = [entry["epoch"] for entry in runs[0].history]
    between = max(np.diff(last, prepend=0))  # reports are so many steps apart
    return Reply(
        bool(abs(answer - truth) <= between),
        f"A validation accuracy of {share:.0%} was first reported at these "
        f"steps, seed by seed: {said}. Take their median.",
    )


@check("a class, as a whole number from 0", whole)
def opening_class(answer: int, runs: Sequence[Record]) -> Reply:
    """Find in the first seed's last block the class that opens a gate alone.

    It is the class whose mean gate, in some channel, lies farthest above
    that of every other class.
    """
    arrays = runs[0].arrays("gates.npz")
    blocks = sum(name.startswith("by_class_") for name in arrays)
    means = np.sort(gates := arrays[f"by_class_{blocks - 1}"].astype(float), 0)
    lead = means[-1] - means[-2]
    channel = int(lead.argmax())
    return same(
        answer,
        int(gates[:, channel].argmax()),
        f"Channel {channel} has the widest lead of one class over the next, "
        f"{lead[channel]:.2f}; look which class has its largest gate there.",
    )


def _test(score: str, run: Record) -> float:
    return run.scores[score]


def _reached(entry: Mapping[str, Any]) -> float:
    return float(entry["validation"].get("accuracy", -math.inf))
