"""Drawn pictures, what they are worth, and what a classifier gets of them.

From records of :mod:`coursework.generative`; pictures are artefacts of seed 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from PIL import Image

from coursework import stats
from coursework.claims.measures import final_accuracy
from coursework.figures import PALETTE
from coursework.records import Record, by_seed, grouped, scores
from coursework.thumbnails import unstacked

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
SHADE = 255  # of the gap between pictures


def films(run: Record, scale: int = 2) -> list[Image.Image]:
    """Lay out a run's frames: a column a class, the same noise in each."""
    seen = run.arrays("frames.npz")
    labels = seen["labels"]
    pictures = unstacked(seen["code"], int(seen["number"]))
    columns = len(np.unique(labels))
    frames = pictures.reshape(-1, len(labels), *pictures.shape[1:])
    return [_sheet(frame, columns, scale) for frame in frames]


def grid(run: Record, columns: int = 10) -> Axes:
    """Draw a run's pictures; each column is asked for one class."""
    seen = run.arrays("grid.npz")
    order = np.argsort(seen["labels"], kind="stable")
    pictures = unstacked(seen["code"], int(seen["number"]))[order]
    labels = seen["labels"][order]
    names, counts = np.unique(labels, return_counts=True)
    rows = int(counts.min())
    chosen = [np.flatnonzero(labels == name)[:rows] for name in names]
    sheet = _sheet(pictures[np.stack(chosen, 1).ravel()], len(names))
    side = sheet.width / len(names)
    axes = plt.subplots(figsize=(7, 0.5 + 7 * sheet.height / sheet.width))[1]
    axes.imshow(sheet, interpolation="none")
    axes.set(xlabel="class asked for", yticks=[])
    axes.set_xticks((np.arange(len(names)) + 0.5) * side, names)
    axes.grid(visible=False)
    return axes


def neighbours(run: Record) -> Axes:
    """Draw some pictures, and below each the nearest training picture.

    Below stands their distance: root mean square, in grey levels of 0..255.
    """
    seen = run.arrays("neighbours.npz")
    apart = seen["distances"]
    pictures = unstacked(seen["code"], int(seen["number"]))
    panels = plt.subplots(2, len(apart), figsize=(7, 2))[1]
    for axes, picture in zip(panels.flat, pictures, strict=True):
        axes.imshow(picture, interpolation="none")
        axes.set(xticks=[], yticks=[])
    for axes, distance in zip(panels[1], apart, strict=True):
        axes.set_xlabel(f"{distance:.0f}")
    panels[0, 0].set_ylabel("drawn")
    panels[1, 0].set_ylabel("nearest")
    first: Axes = panels[0, 0]
    return first


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
    classes = len(np.unique(run.arrays("grid.npz")["labels"]))
    return (
        f"Asked for a class, this generator drew it {100 * found:.0f} % of the "
        f"time; a guess among {classes} would be right {100 / classes:.0f} % "
        "of the time."
    )


def losses(gan: Sequence[Record], diffusion: Sequence[Record]) -> Axes:
    """Draw how both kinds learn, with 95 % t intervals over runs.

    Of a DCGAN its discriminator's mean verdict on real and on drawn
    pictures, of a diffusion model the loss on validation pictures.
    """
    left, right = plt.subplots(1, 2, figsize=(7, 3.2))[1]
    for place, name in enumerate(("real", "drawn")):
        values = [
            [epoch["validation"][name] for epoch in run.history] for run in gan
        ]
        _band(left, _steps(gan[0]), values, PALETTE[place], name)
    left.set(ylabel="verdict (0 drawn, 1 real)", ylim=(0, 1))
    left.set_title(f"{gan[0].variant}, n = {len(gan)}", fontsize="medium")
    left.legend(frameon=False)
    falls = [
        [epoch["validation_loss"] for epoch in run.history] for run in diffusion
    ]
    _band(right, _steps(diffusion[0]), falls, PALETTE[2], "loss")
    right.set(ylabel="mean squared error of the noise", ylim=(0, None))
    right.set_title(
        f"{diffusion[0].variant}, n = {len(diffusion)}", fontsize="medium"
    )
    for axes in (left, right):
        axes.set_xlabel("step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    shown: Axes = left
    return shown


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
        seen = [
            stats.t_interval([100 * v for v in scores(groups[f"{k} {name}"])])
            for k in numbers
        ]
        reach = [0.0 if one.n < 2 else one.high - one.mean for one in seen]
        axes.errorbar(
            # side by side, so that no interval hides another
            [k * 1.06 ** (place - 1) for k in numbers],
            [one.mean for one in seen],
            yerr=reach,
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


def _steps(run: Record) -> NDArray[np.floating[Any]]:
    reports = np.array([epoch["epoch"] for epoch in run.history])
    settings = _method(run)
    return reports * int(settings["steps"]) / int(settings["reports"])


def _band(
    axes: Axes,
    steps: NDArray[np.floating[Any]],
    values: Sequence[Sequence[float]],
    colour: str,
    label: str,
) -> None:
    """Draw a mean over runs, and its interval if there are several."""
    seen = [stats.t_interval(column) for column in zip(*values, strict=True)]
    axes.plot(steps, [one.mean for one in seen], color=colour, label=label)
    if len(values) > 1:
        low, high = [one.low for one in seen], [one.high for one in seen]
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, lw=0)


def _sheet(
    pictures: NDArray[np.uint8], columns: int, scale: int = 1
) -> Image.Image:
    """Lay pictures (n, H, W, 3) out row by row, with a gap between them."""
    framed = np.pad(
        pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=SHADE
    )
    high, wide = framed.shape[1:3]
    rows = framed.reshape(-1, columns, high, wide, 3).swapaxes(1, 2)
    sheet = Image.fromarray(rows.reshape(-1, columns * wide, 3))
    size = (sheet.width * scale, sheet.height * scale)
    return sheet.resize(size, Image.Resampling.NEAREST)
