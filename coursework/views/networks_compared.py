"""A convnet beside a ViT: what of them trains, and on how many pictures.

Tables and figures from records; where networks look is in
:mod:`coursework.views.looking`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from coursework import stats
from coursework.by_hand import Table
from coursework.claims.measures import (
    final_accuracy,
    further_fall,
    one_step_away,
)
from coursework.figures import FIELD, PALETTE
from coursework.models import counts, sources
from coursework.models.transfer import Strategy, transfer
from coursework.records import Record, by_seed, grouped, scores
from coursework.views.resources import KIB, bar, gradients, kept

Groups = Mapping[str, Sequence[Record]]
Measure = Callable[[Record], float]
WIDEST = 22  # numbers side by side that a page has room for
SHIFTS = (1, 2, 4, 7)  # pixels; 7 are one patch of the page's ViT

# Of each choice its network, strategy, stages, and what the report counted.
R3: Mapping[str, tuple[str, Strategy, int, str]] = {
    "ResNet-50: last stage, head": ("resnet50", "last-stage", 1, "5,400,552"),
    "ViT-B/16: last attention, head": (
        "vit_b_16",
        "last-attention",
        1,
        "3,131,368",
    ),
    "ViT-B/16: last two blocks, head": ("vit_b_16", "last-stage", 2, "–"),
    "ViT-B/16: attention of six blocks, head": (
        "vit_b_16",
        "last-attention",
        6,
        "–",
    ),
}


def reported() -> pd.DataFrame:
    """Count what report R3 trained, and two of its ViT's equals to that.

    On the meta device: no weights are needed.
    """
    rows = []
    for name, (network, strategy, last, said) in R3.items():
        whole, trained = counts.parameters(
            partial(
                transfer,
                backbone=partial(
                    sources.torchvision, network, pretrained=False
                ),
                classes=200,
                strategy=strategy,
                last=last,
            )
        )
        rows.append(
            {"trained": name, "R3": said, "true": trained, "of all": whole}
        )
    return pd.DataFrame(rows)


def trained(run: Record) -> int:
    """Count the parameters that a run trained, from their gradients' bytes."""
    return int(gradients(run)) // 4


def costs(groups: Groups) -> pd.DataFrame:
    """List what each strategy trains and keeps, and what comes of it.

    Variants are named "network, strategy"; differences are paired, to the
    same network's "all".  Ranges are 95 % t intervals over seeds.
    """
    rows = []
    for name, runs in groups.items():
        own = trained(runs[0])
        base = groups[f"{name.partition(',')[0]}, all"]
        rows.append(
            {
                "strategy": name,
                "parameters": runs[0].parameters,
                "trained": own,
                "trained, %": 100 * own / runs[0].parameters,
                "kept a picture, KiB": kept(runs[0]) / KIB,
                "accuracy, %": _share(scores(runs)),
                "against all, points": _against(runs, base, final_accuracy),
                "n": len(runs),
            }
        )
    return pd.DataFrame(rows)


def accuracy_by_trained(groups: Groups) -> Axes:
    """Draw accuracy over the number of trained parameters, with intervals.

    A panel a network; each strategy's name stands above its point.
    """
    networks = list(dict.fromkeys(name.partition(", ")[0] for name in groups))
    size = (7, 2.9 * len(networks))
    panels = plt.subplots(
        len(networks), 1, figsize=size, sharex=True, sharey=True, squeeze=False
    )[1][:, 0]
    for name, runs in groups.items():
        network, _, strategy = name.partition(", ")
        place = networks.index(network)
        mean, below, above = bar(runs)
        panels[place].errorbar(
            trained(runs[0]),
            mean,
            yerr=[[below], [above]],
            fmt="o",
            color=PALETTE[place],
            capsize=3,
        )
        panels[place].text(
            trained(runs[0]),
            1.02,
            strategy,
            transform=panels[place].get_xaxis_transform(),
            rotation=45,
            fontsize=8,
        )
    for axes, network in zip(panels, networks, strict=True):
        axes.set(xscale="log", ylabel=f"{network}:\ntest accuracy (%)")
    panels[-1].set_xlabel("trained parameters")
    first: Axes = panels[0]
    return first


def over_data(runs: Sequence[Record]) -> Axes:
    """Draw accuracy over the pictures a class, with 95 % t intervals.

    Variants are named "network, 16 a class".
    """
    axes = plt.subplots()[1]
    numbers: list[int] = []
    for colour, (name, curve) in zip(
        PALETTE, _by_data(runs).items(), strict=False
    ):
        numbers = list(curve)
        means, below, above = zip(*map(bar, curve.values()), strict=True)
        axes.errorbar(
            numbers,
            means,
            yerr=[below, above],
            fmt="o-",
            ms=4,
            capsize=3,
            color=colour,
            label=name,
        )
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(numbers))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="training pictures a class", ylabel="test accuracy (%)")
    axes.legend(frameon=False, fontsize="small")
    return axes


def lead(runs: Sequence[Record]) -> pd.DataFrame:
    """List by how much the first network leads the second, seed by seed."""
    (first, ahead), (second, behind), *_ = _by_data(runs).items()
    return pd.DataFrame(
        {
            "pictures a class": number,
            f"{first}, %": _share(scores(group)),
            f"{second}, %": _share(scores(behind[number])),
            "lead, points": _against(group, behind[number], final_accuracy),
            "n": len(group),
        }
        for number, group in ahead.items()
    )


def falls(groups: Groups) -> pd.DataFrame:
    """List what other sizes cost, in points, with 95 % t intervals.

    A step is a quarter of the side trained on, up or down; falls are means
    of both.
    """
    return pd.DataFrame(
        {
            "network": name,
            "as trained, %": _share(scores(runs)),
            "falls one step away": _each(runs, one_step_away),
            "falls further, two away": _each(runs, further_fall),
            "n": len(runs),
        }
        for name, runs in groups.items()
    )


def stays(groups: Groups) -> pd.DataFrame:
    """List how many test pictures keep their class when shifted, in %."""
    rows = []
    for name, runs in groups.items():
        seen = [run.arrays("shift_equivariance.npz") for run in runs]
        row: dict[str, Any] = {"network": name}
        for shift in SHIFTS:
            shares = [
                float(one["same"][one["pixels"].tolist().index(shift)])
                for one in seen
            ]
            row[f"by {shift} px"] = _share(shares)
        rows.append(row | {"n": len(runs)})
    return pd.DataFrame(rows)


def calculation(tables: Sequence[Table]) -> Axes:
    """Draw the steps of a calculation by hand, as numbers in their places."""
    lines = _lines(tables)
    tall = [max(len(table.values) for table in line) + 2.5 for line in lines]
    whole = plt.figure(figsize=(7, 0.27 * sum(tall)))
    parts = whole.subfigures(len(lines), height_ratios=tall, squeeze=False)
    panels = []
    for part, line in zip(parts[:, 0], lines, strict=True):
        wide = [table.values.shape[1] + 1 for table in line]
        row = part.subplots(1, len(line), width_ratios=wide, squeeze=False)[0]
        for axes, table in zip(row, line, strict=True):
            _matrix(axes, table)
            panels.append(axes)
    first: Axes = panels[0]
    return first


def told(groups: Groups, first: str, second: str) -> str:
    """Say how two strategies differ in what trains, and in accuracy."""
    runs, base = groups[first], groups[second]
    seen = stats.paired(*by_seed(runs, base, final_accuracy))
    share = trained(runs[0]) / trained(base[0])
    return (
        f"“{first}” trains {100 * share:.0f} % of the parameters that "
        f"“{second}” trains; its accuracy less that of “{second}” is "
        f"{_range(seen, '+')} points (95 % interval over n = {seen.n}, paired)."
    )


def _lines(tables: Sequence[Table]) -> list[list[Table]]:
    """Break tables into lines that a page has room for."""
    lines: list[list[Table]] = [[]]
    for table in tables:
        there = sum(one.values.shape[1] for one in lines[-1])
        if lines[-1] and there + table.values.shape[1] > WIDEST:
            lines.append([])
        lines[-1].append(table)
    return lines


def _matrix(axes: Axes, table: Table) -> None:
    values = table.values
    top = np.abs(values).max()
    axes.imshow(values, cmap=FIELD, vmin=-top, vmax=top, alpha=0.55)
    axes.grid(False)
    for row, column in np.ndindex(values.shape):
        axes.text(
            column,
            row,
            f"{values[row, column].round(2) + 0.0:g}",  # no -0
            ha="center",
            va="center",
            fontsize=6,
        )
    axes.set_xticks(range(len(table.columns)), table.columns, fontsize=5.5)
    axes.set_yticks(range(len(table.rows)), table.rows, fontsize=5.5)
    axes.tick_params(length=0, pad=1)
    room = 5 * values.shape[1]
    title = textwrap.fill(table.title, max(8, room), break_long_words=False)
    axes.set_title(title, fontsize=7)


def _by_data(runs: Sequence[Record]) -> dict[str, dict[int, list[Record]]]:
    found: dict[str, dict[int, list[Record]]] = {}
    for variant, group in grouped(runs).items():
        name, _, number = variant.partition(", ")
        found.setdefault(name, {})[int(number.split()[0])] = group
    return found


def _share(values: Sequence[float]) -> str:
    """Write a mean share in per cent, its interval cut at 0 and 1."""
    seen = stats.t_interval(values)
    low, high = max(seen.low, 0.0), min(seen.high, 1.0)
    return _range(replace(seen, low=low, high=high), "")


def _each(runs: Sequence[Record], measure: Measure) -> str:
    return _range(stats.t_interval([measure(run) for run in runs]), "+")


def _against(
    runs: Sequence[Record], base: Sequence[Record], measure: Measure
) -> str:
    if runs[0].variant == base[0].variant:
        return "–"
    return _range(stats.paired(*by_seed(runs, base, measure)), "+")


def _range(seen: stats.Interval, sign: str) -> str:
    """Write shares in per cent or points, with their interval if it is one."""
    mean = f"{100 * seen.mean:{sign}.2f}"
    if seen.n < 2:
        return mean
    return f"{mean} ({100 * seen.low:{sign}.2f} to {100 * seen.high:{sign}.2f})"
