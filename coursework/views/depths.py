"""Tables and figures of activations in deep and in trained networks."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from coursework import meanfield, paths, stats
from coursework.figures import PALETTE
from coursework.models.activations import ELEMENTWISE
from coursework.records import Record, grouped, scores

FLOW = "layer_flow.npz"
CELL = re.compile(r"(.+), depth (\d+), width (\d+)")
FLOOR = 1e-30  # what underflows to 0 has no place on a logarithmic axis


def predicted(run: Record) -> tuple[NDArray[np.float64], ...] | None:
    """Predict a run's signals and gradients by layer before its training.

    None where theory, which knows elementwise activations alone, is silent.
    """
    model = run.spec["args"]["model"]["args"]
    if model["activation"] not in ELEMENTWISE:
        return None
    return meanfield.dense(
        model["activation"],
        model["initialisation"],
        inputs=model["inputs"],
        width=model["width"],
        hidden=model["depth"] - 1,
        signal=float(run.arrays(FLOW)["input"][0]),
    )


def start(runs: Sequence[Record]) -> Axes:
    """Draw signal and gradient by layer before training, and as predicted.

    Points are geometric means over seeds, lines predictions.
    """
    drawn, axes = plt.subplots(1, 2, figsize=(7, 4.4))
    for number, (variant, group) in enumerate(grouped(runs).items()):
        colour = PALETTE[number % len(PALETTE)]
        marker = "os^"[number // len(PALETTE) % 3]
        theory = predicted(group[0]) or (None, None)
        seen = (_mean(group, "signal"), _shares(group))
        for ax, points, line in zip(axes, seen, theory, strict=True):
            layers = np.arange(1, len(points) + 1)
            if line is not None:
                ax.plot(layers, line, color=colour, lw=1)
            ax.plot(layers, points, marker, color=colour, ms=4, label=variant)
    for ax, what in zip(
        axes, ("signal", "gradient / last layer's"), strict=True
    ):
        ax.set(yscale="log", xlabel="layer", ylabel=what)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    handles, labels = axes[0].get_legend_handles_labels()
    drawn.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize="small",
        title="points: measured; lines: predicted",
    )
    first: Axes = axes[0]
    return first


def flow(runs: Sequence[Record]) -> pd.DataFrame:
    """Tell how a gradient fares from the last to the first hidden layer.

    ``first / last`` is measured before training, the geometric mean over
    seeds, and predicted; ``after`` it is measured at the end.  Dead units in
    per cent of all, before and after.
    """
    rows = []
    for variant, group in grouped(runs).items():
        theory = predicted(group[0])
        before, after = _shares(group)[0], _shares(group, -1)[0]
        dead = np.stack([run.arrays(FLOW)["dead"][[0, -1]] for run in group])
        rows.append(
            {
                "network": variant,
                "first / last": f"{before:.1e}",
                "predicted": f"{theory[1][0]:.1e}" if theory else "–",
                "after training": f"{after:.1e}",
                "dead before, %": 100 * dead[:, 0].mean(),
                "dead after, %": 100 * dead[:, 1].mean(),
                "test accuracy, %": 100 * float(np.mean(scores(group))),
                "diverged": sum(run.diverged is not None for run in group),
            }
        )
    return pd.DataFrame(rows)


def through(runs: Sequence[Record], what: str = "dead") -> Axes:
    """Draw a quantity of ``layer_flow`` by layer, at each look a line.

    A panel a variant, means over seeds; dark is before training, light after.
    """
    groups = grouped(runs)
    shape = (-(-len(groups) // 3), min(3, len(groups)))
    grid = plt.subplots(
        *shape, figsize=(7, 0.8 + 2.1 * shape[0]), squeeze=False, sharey=True
    )[1]
    for axes, (variant, group) in zip(grid.flat, groups.items(), strict=False):
        looks = min(len(run.arrays(FLOW)[what]) for run in group)
        found = np.mean([run.arrays(FLOW)[what][:looks] for run in group], 0)
        for look, line in enumerate(found):
            shade = str(0.75 * look / looks)
            axes.plot(np.arange(1, len(line) + 1), line, color=shade)
        axes.set_title(variant, fontsize="small")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="layer", ylabel=what)
        axes.label_outer()
    for axes in grid.flat[len(groups) :]:
        axes.set_axis_off()
    first: Axes = grid[0, 0]
    return first


def fits(runs: Sequence[Record]) -> Axes:
    """Draw the share of networks that fit, by depth and width.

    A panel an activation, of arms labelled "name, depth d, width w".
    """
    tables = shares(runs)
    columns = min(3, len(tables))
    rows = -(-len(tables) // columns)
    grid = plt.subplots(
        rows, columns, figsize=(7, 0.6 + 1.9 * rows), squeeze=False
    )[1]
    for axes, (name, table) in zip(grid.flat, tables.items(), strict=False):
        axes.imshow(table, vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (row, column), share in np.ndenumerate(table.to_numpy()):
            colour = "white" if share > 0.6 else "black"
            text = f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        axes.set_title(f"{name}: % that fit", fontsize="small")
        axes.set_xticks(range(table.shape[1]), [str(w) for w in table.columns])
        axes.set_yticks(range(table.shape[0]), [str(d) for d in table.index])
        axes.set(xlabel="width", ylabel="hidden layers")
        axes.grid(visible=False)
    for axes in grid.flat[len(tables) :]:
        axes.set_axis_off()
    first: Axes = grid[0, 0]
    return first


def shares(runs: Sequence[Record]) -> Mapping[str, pd.DataFrame]:
    """Tabulate by activation the shares that fit: depths by widths."""
    tables: dict[str, pd.DataFrame] = {}
    for run in runs:
        cell = CELL.fullmatch(run.variant)
        if cell is None:
            raise ValueError(
                f"arm {run.variant!r} is not labelled 'name, depth d, width w'"
            )
        table = tables.setdefault(cell[1], pd.DataFrame())
        table.loc[int(cell[2]), int(cell[3])] = run.scores["fits"]
    return tables


def works(runs: Sequence[Record], enough: float = 0.5) -> pd.DataFrame:
    """Find the narrowest network, by depth, of which more than half fit."""
    rows = []
    for name, table in shares(runs).items():
        row = {"activation": name}
        for depth, line in table.iterrows():
            widths = [str(w) for w, share in line.items() if share > enough]
            row[f"hidden layers: {depth}"] = widths[0] if widths else "none"
        rows.append(row)
    return pd.DataFrame(rows)


def gap(runs: Sequence[Record], first: str, second: str) -> stats.Paired:
    """Compare two arms' test accuracies, seed by seed."""
    groups = grouped(runs)
    return stats.paired(scores(groups[first]), scores(groups[second]))


def costs() -> pd.DataFrame | None:
    """Read the benchmark's times in units of ReLU's; None before it ran."""
    path = paths.PROJECT / "benchmarks/results/activations.json"
    if not path.exists():
        return None
    found = pd.DataFrame(json.loads(path.read_text())["rows"])
    return found[["activation", "ratio", "low", "high"]]


def remark(costs: pd.DataFrame | None, much: float = 1.5) -> str:
    """Judge R0's remark that ReLU is much faster than two others.

    It holds if three quarters of the rounds are slower by ``much``.
    """
    if costs is None:
        return "Not measured yet."
    said = []
    for name in ("leaky-relu", "gelu"):
        row = costs[costs["activation"] == name].iloc[0]
        low, ratio, high = (float(row[c]) for c in ("low", "ratio", "high"))
        judged = "holds" if low > much else "does not hold"
        if low <= much < high:
            judged = "is not decided"
        said.append(
            f"for {name}, which takes {ratio:.2f} times as long as ReLU, the "
            f"remark {judged}"
        )
    return (
        f"Alone and with {much} times as long for *much*: {'; '.join(said)}. "
        "In a network the rest of the work hides most of it."
    )


def _mean(
    runs: Sequence[Record], what: str, look: int = 0
) -> NDArray[np.float64]:
    """Average a quantity (layers,) over seeds, geometrically."""
    found = [run.arrays(FLOW)[what][look] for run in runs]
    means: NDArray[np.float64] = np.exp(
        np.mean(np.log(np.maximum(found, FLOOR)), axis=0)
    )
    return means


def _shares(runs: Sequence[Record], look: int = 0) -> NDArray[np.float64]:
    gradient = _mean(runs, "gradient", look)
    relative: NDArray[np.float64] = gradient / gradient[-1]
    return relative
