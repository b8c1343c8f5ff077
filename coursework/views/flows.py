"""Tables and figures of signal and gradient through residual networks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from coursework import meanfield
from coursework.figures import PALETTE
from coursework.models.resnet import DEPTHS
from coursework.records import Record, grouped

NEAR = 0.02  # nats about ln(classes) that count as a constant prediction


def failure(run: Record) -> str:
    """Say how a run failed: "not finite", "constant", or "" if it did not.

    A constant prediction of K equal classes costs ln K; training that ends
    within ``NEAR`` of that has learnt nothing.
    """
    if run.diverged:
        return "not finite"
    classes = run.spec["args"]["model"]["args"]["classes"]
    last = float(run.history[-1]["train_loss"])
    return "constant" if last > math.log(classes) - NEAR else ""


def failures(runs: Sequence[Record]) -> pd.DataFrame:
    """Count each variant's runs by how they failed."""
    rows = []
    for variant, group in grouped(runs).items():
        count = Counter(failure(run) for run in group)
        where = next((run.diverged for run in group if run.diverged), None)
        rows.append(
            {
                "variant": variant,
                "learnt": count[""],
                "constant": count["constant"],
                "not finite": count["not finite"],
                "n": len(group),
                "first of them": where or "–",
            }
        )
    return pd.DataFrame(rows)


def told(runs: Sequence[Record]) -> str:
    """Say with which variants all runs learnt, with which some, none."""
    table = failures(runs).set_index("variant")
    share = table["learnt"] / table["n"]
    groups = {
        "All runs learnt with": share == 1,
        "some, but not all, with": (share > 0) & (share < 1),
        "none with": share == 0,
    }
    return (
        "; ".join(
            f"{words} {', '.join(f'*{v}*' for v in table.index[rows]) or '–'}"
            for words, rows in groups.items()
        )
        + "."
    )


def start(runs: Sequence[Record]) -> Axes:
    """Draw signal and gradient by unit before training, and as predicted.

    Reads the artefact ``flow.npz``; lines are predictions, points geometric
    means over seeds.
    """
    groups = grouped(runs)
    drawn, axes = plt.subplots(1, 2, figsize=(7, 4.2))
    for number, (variant, group) in enumerate(groups.items()):
        flows = [run.arrays("flow.npz") for run in group]
        signals, gradients = _means(flows)
        model = group[0].spec["args"]["model"]["args"]
        predicted = meanfield.chain(
            model["skip"],
            model["batch_norm"],
            DEPTHS[model["depth"]].units,
            stem=float(np.mean([flow["stem"][0] for flow in flows])),
            side=int(flows[0]["side"][0]),
        )
        colour = PALETTE[number % len(PALETTE)]
        marker = "os^"[number // len(PALETTE)]
        for ax, seen, theory in zip(
            axes, (signals, gradients), predicted, strict=True
        ):
            units = np.arange(1, len(seen) + 1)
            ax.plot(units, theory, color=colour, lw=1)
            ax.plot(units, seen, marker, color=colour, label=variant)
    for ax, what in zip(axes, ("signal", "gradient / last"), strict=True):
        ax.set(yscale="log", xlabel="unit", ylabel=what)
    _legend(
        drawn,
        axes[0],
        "points: measured before training; lines: predicted",
    )
    first: Axes = axes[0]
    return first


def through(runs: Sequence[Record]) -> Axes:
    """Draw the first unit's gradient over the last's, through training."""
    drawn, axes = plt.subplots(figsize=(7, 5))
    for number, (variant, group) in enumerate(grouped(runs).items()):
        shortest = min(len(r.arrays("flow.npz")["gradient"]) for r in group)
        ratios = np.exp(
            np.mean(
                [
                    np.log(_ratio(run.arrays("flow.npz")["gradient"]))[
                        :shortest
                    ]
                    for run in group
                ],
                axis=0,
            )
        )
        axes.plot(
            ratios,
            color=PALETTE[number % len(PALETTE)],
            linestyle=("-", "--", ":")[number // len(PALETTE)],
            label=variant,
        )
    axes.set(
        yscale="log",
        xlabel="epochs of training",
        ylabel="gradient, first unit / last unit",
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(drawn, axes, "geometric mean over seeds")
    return axes


def _ratio(gradient: NDArray[Any]) -> NDArray[Any]:
    ratio: NDArray[Any] = gradient[:, 0] / gradient[:, -1]
    return ratio


def _means(
    flows: Sequence[Mapping[str, NDArray[Any]]],
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Average over seeds before the first step, on a logarithmic scale."""
    signals = [np.log(flow["signal"][0]) for flow in flows]
    shares = [
        np.log(flow["gradient"][0] / flow["gradient"][0][-1]) for flow in flows
    ]
    return np.exp(np.mean(signals, axis=0)), np.exp(np.mean(shares, axis=0))


def _legend(drawn: Figure, axes: Axes, title: str) -> None:
    handles, labels = axes.get_legend_handles_labels()
    drawn.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=min(3, len(labels)),
        frameon=False,
        fontsize="small",
        title=title,
    )
