"""What several answers to one picture give, and how good an estimate is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coursework import figures, records, show, stats
from coursework.records import Record
from coursework.views.labelled import Labels
from coursework.views.transfer import accuracy, difference, share, with_range

Groups = Mapping[str, Sequence[Record]]
THIRDS = ("frequent", "between", "rare")


def thirds(groups: Groups, labels: Labels) -> pd.DataFrame:
    """List the mean recall of frequent and rare classes, in per cent.

    Of a set whose classes become rarer with their number, in three parts.
    """
    parts = np.array_split(np.arange(len(labels.classes)), len(THIRDS))
    rows = []
    for name, runs in groups.items():
        recalls = [_recall(run, labels) for run in runs]
        rows.append(
            {"arm": name, "training pictures": runs[0].data["sizes"]["train"]}
            | {
                f"recall, {third}": with_range(
                    share([_known(one[part]) for one in recalls])
                )
                for third, part in zip(THIRDS, parts, strict=True)
            }
            | {"n": len(runs)}
        )
    return pd.DataFrame(rows)


def ensembles(groups: Groups, single: str) -> pd.DataFrame:
    """Set what ensembles gain beside what they disagree on and cost.

    ``single`` names the arm whose members are one and the same network.
    Shares are in per cent; the correlation is that of two members' errors,
    and multiply-adds are of one answer, nothing shared between members.
    """
    rows = []
    for name, runs in groups.items():
        row = {"ensemble": name, "accuracy, %": with_range(accuracy(runs))}
        for score in ("member accuracy", "ece"):
            row[f"{score}, %"] = with_range(share(records.scores(runs, score)))
        gain = stats.t_interval(records.scores(runs, "gain"))
        row["less the best member, points"] = with_range(gain, "+")
        row["less one network, points"] = (
            "baseline"
            if name == single
            else with_range(difference(runs, groups[single]), "+")
        )
        rows.append(
            row
            | {
                "disagree, %": 100 * _mean(runs, "disagreement"),
                "correlation of errors": _mean(runs, "error correlation"),
                "members": runs[0].notes["members"],
                "multiply-adds": runs[0].multiply_adds,
                "seconds": float(np.median([run.seconds for run in runs])),
                "n": len(runs),
            }
        )
    return pd.DataFrame(rows)


def ensembles_said(groups: Groups, single: str) -> str:
    """Say which ensemble gains most on one network, and for what."""
    gains = {
        name: difference(runs, groups[single])
        for name, runs in groups.items()
        if name != single
    }
    best = max(gains, key=lambda name: gains[name].mean)
    errors = {name: _mean(runs, "ece") for name, runs in groups.items()}
    calm = min(errors, key=lambda name: errors[name])
    times = groups[best][0].multiply_adds / _one(groups[single][0])
    return (
        f"*{best}* gains most on one network, {show.points(gains[best])}, for "
        f"{times:.1f} times its multiply-adds. The smallest calibration error "
        f"is that of *{calm}*, {100 * errors[calm]:.1f} %; one network's is "
        f"{100 * errors[single]:.1f} %."
    )


def estimates(groups: Groups) -> pd.DataFrame:
    """Set estimates of accuracy beside what they estimate, in per cent.

    The bias is the mean of estimate less accuracy, the scatter its standard
    deviation over draws of examples.
    """
    rows = []
    for name, runs in groups.items():
        off = stats.t_interval(_off(runs))
        rows.append(
            {
                "way": name,
                "estimate": with_range(share(records.scores(runs, "estimate"))),
                "accuracy": with_range(accuracy(runs)),
                "bias, points": with_range(off, "+"),
                "scatter, points": 100 * off.sd,
                "trainings": runs[0].notes["fits"] - 1,  # the last is judged
                "seconds": float(np.median([run.seconds for run in runs])),
                "n": len(runs),
            }
        )
    return pd.DataFrame(rows)


def estimates_drawn(groups: Groups) -> Axes:
    """Draw how far each estimate lies from the accuracy, and their mean.

    A dot is a draw of examples; bars are 95 % t intervals of the mean.
    """
    axes = plt.subplots(figsize=(7, 1.1 + 0.5 * len(groups)))[1]
    for place, runs in enumerate(groups.values()):
        off = 100 * np.array(_off(runs))
        seen = stats.t_interval(off.tolist())
        colour = figures.PALETTE[place % len(figures.PALETTE)]
        axes.plot(off, np.full(len(off), place), "o", color=colour, alpha=0.5)
        axes.errorbar(
            seen.mean,
            place + 0.25,
            xerr=seen.high - seen.mean,
            fmt="D",
            color="black",
            markersize=4,
            capsize=4,
        )
    axes.axvline(0, color="grey", lw=1)
    axes.set_yticks(range(len(groups)), list(groups))
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.set(xlabel="estimate less test accuracy (points)")
    return axes


def estimates_said(groups: Groups) -> str:
    """Say how far off each way is, and how often it trains."""
    told = [
        f"*{name}* is {100 * _mean(runs, 'error'):.1f} points off on average, "
        f"after {runs[0].notes['fits'] - 1:,} "
        f"training{'s' * (runs[0].notes['fits'] > 2)}"
        for name, runs in groups.items()
    ]
    return f"{'; '.join(told)}."


def _recall(run: Record, labels: Labels) -> NDArray[np.float64]:
    """Score each class (K,); NaN for one that no test picture shows."""
    right = labels.predicted(run) == labels.targets
    number = len(labels.classes)
    hits = np.bincount(labels.targets, weights=right, minlength=number)
    asked = np.bincount(labels.targets, minlength=number)
    with np.errstate(invalid="ignore"):
        return np.asarray(hits / asked)


def _known(values: NDArray[np.float64]) -> float:
    """Average what is a number; NaN if none is."""
    found = values[np.isfinite(values)]
    return float(found.mean()) if len(found) else float("nan")


def _one(run: Record) -> float:
    """Count a member's multiply-adds."""
    return float(run.multiply_adds / run.notes["members"])


def _mean(runs: Sequence[Record], score: str) -> float:
    """Average a score over the runs that have it; NaN if none has."""
    found = [run.scores[score] for run in runs if score in run.scores]
    return float(np.mean(found)) if found else float("nan")


def _off(runs: Sequence[Record]) -> list[float]:
    return [run.scores["estimate"] - run.scores["accuracy"] for run in runs]
