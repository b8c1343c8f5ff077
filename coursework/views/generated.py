"""What drawn pictures are worth, and what a classifier gets of them.

From records of :mod:`coursework.generative`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from coursework import stats
from coursework.claims.measures import final_accuracy
from coursework.figures import PALETTE
from coursework.records import Record, by_seed, grouped, scores
from coursework.views.resources import bar

Groups = Mapping[str, Sequence[Record]]
SCORES = {  # of drawn pictures, and what a table calls them
    "frechet": "Fréchet distance",
    "precision": "precision",
    "recall": "recall",
    "label accuracy": "as asked for",
    "classes": "classes",
    "nearest": "nearest",
}
SOURCES = ("real", "real, generated", "real, augmented")


def table(groups: Groups) -> pd.DataFrame:
    """Score drawn pictures: means with 95 % t intervals over runs, and n.

    Before the arms of a set stands what its training pictures score.
    """
    rows: list[dict[str, Any]] = []
    named = set()
    for arm, runs in groups.items():
        name = runs[0].data["name"]
        if name not in named:
            rows.append(_row(name, "training pictures", _real(runs)))
            named.add(name)
        found = {score: scores(runs, score) for score in SCORES}
        rows.append(_row(name, arm, found) | {"n": f"{len(runs)}"})
    return pd.DataFrame(rows)


def labels_mean_nothing(run: Record) -> str:
    """Say how often a network without labels drew what was asked for."""
    found = run.scores["label accuracy"]
    classes = len({*run.arrays("grid.npz")["labels"].tolist()})
    return (
        f"Asked for a class, this generator drew it {100 * found:.0f} % of the "
        f"time; a guess among {classes} would be right {100 / classes:.0f} % "
        "of the time."
    )


def compared(
    gan: Sequence[Record], diffusion: Sequence[Record]
) -> pd.DataFrame:
    """Set a DCGAN beside a diffusion model: goal, loss, cost, coverage."""
    goals = (
        "draw what the discriminator takes for real",
        "name the noise in a picture; drawing takes it away bit by bit",
    )
    losses = (
        "of two networks against each other: neither has to fall",
        "mean squared error: it falls",
    )
    passes = ("1", str(_method(diffusion[0])["leaps"]))
    rows = [("goal", *goals), ("loss", *losses), ("passes a picture", *passes)]
    first, second = (_costs(runs) for runs in (gan, diffusion))
    rows += [(name, first[name], second[name]) for name in first]
    return pd.DataFrame(rows, columns=["", "DCGAN", "diffusion"])


def _costs(runs: Sequence[Record]) -> dict[str, str]:
    """Write what a network costs and covers."""
    first = runs[0]
    return {
        "multiply-adds a picture": f"{first.multiply_adds:,}",
        "parameters that draw": f"{first.parameters:,}",
        "trained parameters": f"{first.notes['trained parameters']:,}",
        "seconds of training": _interval([r.seconds for r in runs], "{:.0f}"),
        "recall": _interval(scores(runs, "recall")),
        "classes covered": _interval(scores(runs, "classes")),
        "n": f"{len(runs)}",
    }


def helped(runs: Sequence[Record]) -> pd.DataFrame:
    """List accuracy by the number of real pictures and what was added.

    Differences are paired over seeds, with 95 % t intervals, in points: to
    the real pictures alone, and of generated to changed real ones.
    """
    rows = []
    groups = grouped(runs)
    for k in _numbers(runs):
        alone, drawn, changed = (groups[f"{k} {name}"] for name in SOURCES)
        for name, arm in (
            ("nothing", alone),
            ("generated", drawn),
            ("augmented", changed),
        ):
            rows.append(
                {
                    "real a class": k,
                    "added": name,
                    "accuracy, %": _interval(
                        [100 * value for value in scores(arm)], "{:.1f}"
                    ),
                    "to the real alone": "–"
                    if arm is alone
                    else _apart(arm, alone),
                    "to augmented": _apart(arm, changed)
                    if arm is drawn
                    else "–",
                    "n": len(arm),
                }
            )
    return pd.DataFrame(rows)


def help_figure(runs: Sequence[Record]) -> Axes:
    """Draw accuracy over the real pictures a class, with 95 % intervals."""
    axes = plt.subplots()[1]
    groups, numbers = grouped(runs), _numbers(runs)
    for place, name in enumerate(SOURCES):
        means, below, above = zip(
            *(bar(groups[f"{k} {name}"]) for k in numbers), strict=True
        )
        axes.errorbar(
            # side by side, so that no interval hides another
            [k * 1.06 ** (place - 1) for k in numbers],
            means,
            yerr=[below, above],
            fmt="os^"[place] + "-",
            capsize=3,
            color=PALETTE[place],
            label=("real alone", "+ generated", "+ augmented real")[place],
        )
    axes.set(
        xscale="log", xlabel="real pictures a class", ylabel="test accuracy (%)"
    )
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.legend(frameon=False)
    return axes


def help_said(runs: Sequence[Record]) -> str:
    """Say for each number of real pictures what generated ones did."""
    groups = grouped(runs)
    lines = []
    for k in _numbers(runs):
        alone, drawn, changed = (groups[f"{k} {name}"] for name in SOURCES)
        lines.append(
            f"- **{k} real pictures a class**: adding generated ones "
            f"{_verb(drawn, alone)}; against as many augmented real ones that "
            f"{_verb(drawn, changed)}."
        )
    return "\n".join(lines)


def _verb(runs: Sequence[Record], base: Sequence[Record]) -> str:
    """Say in which direction an interval lies, or that it holds 0."""
    seen = stats.paired(*by_seed(runs, base, final_accuracy))
    apart = _apart(runs, base)
    if seen.low > 0:
        return f"gains {apart} points"
    if seen.high < 0:
        return f"loses {apart} points"
    return f"makes a difference of {apart} points, which may be none"


def _apart(runs: Sequence[Record], base: Sequence[Record]) -> str:
    values, others = by_seed(runs, base, final_accuracy)
    gaps = [100 * (a - b) for a, b in zip(values, others, strict=True)]
    return _interval(gaps, "{:+.1f}")


def _interval(values: Sequence[float], form: str = "{:.2f}") -> str:
    """Write a mean with its 95 % t interval, if there are several values."""
    seen = stats.t_interval(values)
    if seen.n < 2:
        return form.format(seen.mean)
    low, mean, high = map(form.format, (seen.low, seen.mean, seen.high))
    return f"{mean} ({low} to {high})"


def _row(
    name: str, arm: str, found: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    row: dict[str, Any] = {"data": name, "arm": arm}
    for score, title in SCORES.items():
        row[title] = _interval(found[score]) if score in found else "–"
    return row | {"n": "–"}


def _real(runs: Sequence[Record]) -> dict[str, list[float]]:
    """Read what training pictures score, the same for all runs of a set."""
    return {name: [value] for name, value in runs[0].notes["real"].items()}


def _numbers(runs: Sequence[Record]) -> list[int]:
    return [
        int(name.removesuffix(" real"))
        for name in grouped(runs)
        if name.endswith(" real")
    ]


def _method(run: Record) -> Mapping[str, Any]:
    found: Mapping[str, Any] = run.spec["args"]["method"]["args"]
    return found
