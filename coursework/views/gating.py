"""Tables and figures of SE gates, from the artefacts of runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from numpy.typing import NDArray

from coursework import show, stats
from coursework.claims.measures import final_accuracy, gate_range
from coursework.figures import PALETTE
from coursework.probes import SWAPS
from coursework.records import Record, by_seed

Groups = Mapping[str, Sequence[Record]]
CLOSED, OPEN = 0.1, 0.9


def gates(run: Record, what: str) -> list[NDArray[Any]]:
    """Read one quantity of a run's gates, block by block."""
    arrays = run.arrays("gates.npz")
    blocks = sum(name.startswith("mean_") for name in arrays)
    return [arrays[f"{what}_{b}"].astype(float) for b in range(blocks)]


def ranges(groups: Groups) -> Axes:
    """Draw the range of gates by block: one picture's, and the mean."""
    axes = plt.subplots()[1]
    for colour, (variant, runs) in zip(PALETTE, groups.items(), strict=False):
        for run in runs:
            axes.plot(
                [np.ptp(first) for first in gates(run, "first")],
                color=colour,
                lw=0.6,
                alpha=0.6,
            )
        means = np.array(
            [[r.mean() for r in gates(run, "range")] for run in runs]
        )
        seen = [stats.t_interval(column) for column in means.T.tolist()]
        axes.errorbar(
            range(len(seen)),
            [s.mean for s in seen],
            [s.high - s.mean for s in seen],
            color=colour,
            marker="o",
            capsize=3,
            label=variant,
        )
    axes.set(xlabel="block", ylabel="largest minus smallest gate")
    axes.legend(frameon=False, title="thick: mean over pictures; thin: one")
    return axes


def by_block(groups: Groups) -> pd.DataFrame:
    """Sum the gates of each block up, as means over seeds."""
    rows = []
    for variant, runs in groups.items():
        for block in range(len(gates(runs[0], "mean"))):
            means = [gates(run, "mean")[block] for run in runs]
            spread = stats.t_interval([float(m.std()) for m in means])
            rows.append(
                {
                    "network": variant,
                    "block": block,
                    "channels": len(means[0]),
                    "range": np.mean(
                        [gates(run, "range")[block].mean() for run in runs]
                    ),
                    "sd over channels": f"{spread.mean:.2f} ({spread.low:.2f} "
                    f"to {spread.high:.2f})",
                    "sd over pictures": np.mean(
                        [gates(run, "sd")[block].mean() for run in runs]
                    ),
                    f"below {CLOSED}, %": 100
                    * np.mean([(m < CLOSED).mean() for m in means]),
                    f"above {OPEN}, %": 100
                    * np.mean([(m > OPEN).mean() for m in means]),
                    "n": len(runs),
                }
            )
    return pd.DataFrame(rows)


def by_class(run: Record) -> Axes:
    """Draw the last block's gates, class by channel, about their mean."""
    values = gates(run, "by_class")[-1]
    values = values - values.mean(0)
    order = np.argsort(-values.std(0), kind="stable")
    return _heat(values[:, order], "channel, by spread", "class", centre=0)


def heat(run: Record) -> Axes:
    """Draw the mean gates of all blocks; a block's channels are sorted."""
    means = [np.sort(mean)[::-1] for mean in gates(run, "mean")]
    grid = np.full((len(means), max(map(len, means))), np.nan)
    for row, mean in zip(grid, means, strict=True):
        row[:] = np.interp(
            np.linspace(0, 1, len(row)), np.linspace(0, 1, len(mean)), mean
        )
    return _heat(grid, "channel, sorted (stretched to one width)", "block")


def swapped(groups: Groups) -> pd.DataFrame:
    """Say what accuracy loses with all gates replaced."""
    rows = []
    for variant, runs in groups.items():
        seen = [run.arrays("gate_swaps.npz") for run in runs]
        whole = stats.t_interval([float(s["accuracy"]) for s in seen])
        row = {"network": variant, "as it is": show.percent(whole)}
        for number, name in enumerate(SWAPS):
            lost = [float(s["all"][number] - s["accuracy"]) for s in seen]
            row[name] = show.points(stats.t_interval(lost))
        rows.append(row)
    return pd.DataFrame(rows)


def swapped_each(groups: Groups) -> Axes:
    """Draw what accuracy loses with one block's gates replaced."""
    panels = plt.subplots(
        len(groups), 1, figsize=(7, 2.4 * len(groups) + 0.8), squeeze=False
    )[1]
    for axes, (variant, runs) in zip(panels[:, 0], groups.items(), strict=True):
        seen = [run.arrays("gate_swaps.npz") for run in runs]
        for number, name in enumerate(SWAPS):
            lost = np.array(
                [100 * (s["each"][:, number] - s["accuracy"]) for s in seen]
            )
            bands = [stats.t_interval(column) for column in lost.T.tolist()]
            axes.errorbar(
                np.arange(len(bands)) + 0.15 * (number - 1),
                [b.mean for b in bands],
                [b.high - b.mean for b in bands],
                fmt="o",
                color=PALETTE[number],
                capsize=3,
                label=name,
            )
        axes.axhline(0, color="black", lw=1)
        axes.set(title=variant, ylabel="points")
    panels[-1, 0].set(xlabel="block whose gates are replaced")
    panels[0, 0].legend(frameon=False, ncols=len(SWAPS))
    first: Axes = panels[0, 0]
    return first


def range_against_gain(groups: Groups) -> pd.DataFrame:
    """Correlate, over seeds, the range of gates with what SE gains."""
    rows = []
    for name, runs in groups.items():
        if not name.startswith("SE-"):
            continue
        control = groups[name.removeprefix("SE-")]
        ours, theirs = by_seed(runs, control, final_accuracy)
        spread, _ = by_seed(runs, runs, gate_range)
        gains = [a - b for a, b in zip(ours, theirs, strict=True)]
        r, low, high = correlation(spread, gains)
        rows.append(
            {
                "network": name,
                "range of gates": np.mean(spread),
                "gain": show.points(stats.t_interval(gains)),
                "correlation over seeds": f"{r:+.2f} ({low:+.2f} to "
                f"{high:+.2f})",
                "n": len(gains),
            }
        )
    return pd.DataFrame(rows)


def correlation(
    x: Sequence[float], y: Sequence[float]
) -> tuple[float, float, float]:
    """Correlate two series; 95 % interval by Fisher's z :cite:p:`fisher1915`.

    All NaN for fewer than four pairs, or where one series does not vary.
    """
    from scipy.stats import pearsonr  # noqa: PLC0415

    if len(x) < 4 or not np.std(x) or not np.std(y):
        return math.nan, math.nan, math.nan
    found = pearsonr(x, y)
    interval = found.confidence_interval()
    return float(found.statistic), float(interval.low), float(interval.high)


def _heat(
    values: NDArray[Any], across: str, down: str, centre: float | None = None
) -> Axes:
    axes = plt.subplots(figsize=(7, 3.4))[1]
    sns.heatmap(
        values,
        ax=axes,
        center=centre,
        cmap="vlag" if centre is not None else "viridis",
        xticklabels=False,
        cbar_kws={"label": "gate" if centre is None else "gate - mean"},
        rasterized=True,
    )
    axes.set(xlabel=across, ylabel=down)
    return axes
