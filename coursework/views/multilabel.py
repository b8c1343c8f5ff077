"""Figures and tables of multi-label runs, from their stored outputs.

They read the artefacts ``curves.npz``, ``pointing_game.npz`` and
``samples.npz`` (see :mod:`coursework.probes_multilabel`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray
from scipy.special import expit

from coursework import multilabel, stats
from coursework.figures import PALETTE
from coursework.records import Record

Groups = Mapping[str, Sequence[Record]]
Arrays = Mapping[str, NDArray[Any]]
RECALLS = np.linspace(0, 1, 101)
ISO_F1 = (0.2, 0.4, 0.6, 0.8)
OVER_SEEDS = "95 % over seeds (t)"
OVER_PICTURES = "95 % over test pictures (bootstrap)"
SPLITS = ("training", "validation", "test")


def precision_recall(groups: Groups) -> Axes:
    """Draw each class's curve: thin a seed, thick the mean over seeds.

    The mean is that of the precision at each recall; the legend has the mean
    average precision in per cent.  Grey lines are points of equal F1.
    """
    seen = {name: _read(runs) for name, runs in groups.items()}
    classes = _classes(seen)
    panels, spare = _panels(len(classes), 2.6 + 0.17 * len(groups))
    for number, (axes, label) in enumerate(zip(panels, classes, strict=False)):
        _iso_f1(axes)
        for colour, (name, runs) in zip(PALETTE, seen.items(), strict=False):
            _curve(axes, name, [_of_class(run, number) for run in runs], colour)
        axes.set(title=label, xlim=(0, 1), ylim=(0, 1.02))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(
                fontsize=8,
                frameon=False,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.15),
            )
    for axes in spare:
        axes.axis("off")
    panels[0].figure.supxlabel("recall", fontsize=10)
    panels[0].figure.supylabel("precision", fontsize=10)
    return panels[0]


def reliability(groups: Groups, bins: int = 10) -> Axes:
    """Draw how often what is said with a probability is so.

    Test pictures, all classes and seeds together; below, how many cells a bin
    has.  The legend has the expected calibration error, a mean over seeds.
    """
    above, below = plt.subplots(
        2, 1, figsize=(7, 5), sharex=True, height_ratios=(3, 1)
    )[1]
    above.plot([0, 1], [0, 1], color="grey", lw=1, ls="--")
    for colour, (name, runs) in zip(PALETTE, groups.items(), strict=False):
        said = [(expit(r["outputs"]), r["targets"]) for r in _read(runs)]
        error = np.mean(
            [
                multilabel.expected_calibration_error(*pair, bins)
                for pair in said
            ]
        )
        chances, targets = (np.concatenate(p) for p in zip(*said, strict=True))
        table = multilabel.calibration(chances, targets, bins)
        above.plot(
            table.probability,
            table.share,
            color=colour,
            marker="o",
            ms=4,
            label=f"{name}: error {100 * error:.1f} points",
        )
        middles = (np.arange(bins) + 0.5) / bins
        below.plot(middles, table.cells, color=colour, drawstyle="steps-mid")
    above.set(ylabel="share that is so", xlim=(0, 1), ylim=(0, 1))
    above.legend(frameon=False, fontsize="small")
    below.set(xlabel="probability", ylabel="cells", yscale="log")
    below.yaxis.set_minor_formatter(NullFormatter())  # they would overlap
    assert isinstance(above, Axes)
    return above


def cooccurrence(run: Record) -> Axes:
    """Draw how many training pictures show two classes, and one (diagonal).

    The colour is the share of the row's pictures that the column is in too.
    """
    seen = run.arrays("samples.npz")
    counts, classes = seen["cooccurrence"], seen["classes"].tolist()
    axes = plt.subplots(figsize=(6, 4))[1]
    sns.heatmap(
        counts / np.maximum(np.diag(counts), 1)[:, None],
        ax=axes,
        annot=counts,
        fmt="d",
        cmap="Blues",
        vmin=0,
        vmax=1,
        xticklabels=classes,
        yticklabels=classes,
        cbar_kws={"label": "share of the row's pictures"},
    )
    axes.set(xlabel="also shows", ylabel="pictures that show")
    return axes


def class_counts(run: Record) -> pd.DataFrame:
    """Count each split's pictures by class; one may count several times."""
    seen = run.arrays("samples.npz")
    table = pd.DataFrame(
        seen["counts"], columns=[*seen["classes"].tolist(), "none of them"]
    )
    table.insert(0, "pictures", seen["sizes"])
    table.insert(0, "split", SPLITS)
    return table


def by_class(groups: Groups, draws: int = 300) -> pd.DataFrame:
    """List average precision by class, and their mean, with two intervals.

    Over seeds: other first weights and orders, these test pictures.  Over
    test pictures: other pictures, these networks (of all seeds, averaged).
    """
    rows = []
    for name, runs in groups.items():
        seen = _read(runs)
        classes = seen[0]["classes"].tolist()
        for number, label in enumerate(classes):
            parts = [_of_class(run, number) for run in seen]
            rows.append({"network": name, "class": label} | _ap(parts, draws))
        whole = [(run["outputs"], run["targets"]) for run in seen]
        rows.append({"network": name, "class": "mean"} | _ap(whole, draws))
    return pd.DataFrame(rows)


def beside_majority(groups: Groups) -> pd.DataFrame:
    """Set test scores, in per cent, beside a guess that sees no picture.

    It says of each class what most validation pictures say.  Networks have
    means with their 95 % intervals over seeds.
    """
    first = _read(next(iter(groups.values())))[0]
    targets = first["targets"]
    guess = multilabel.majority(first["validation_targets"])
    guesses = np.broadcast_to(guess, targets.shape)
    found = multilabel.scores(guesses, guesses, targets)
    blind = {k: v for k, v in found.items() if not k.startswith("ap-")}
    rows = [
        {"network": "each class's majority"}
        | {score: _percent(value) for score, value in blind.items()}
        | {"n": "–"}
    ]
    rows += [
        {"network": name}
        | {score: _mean([run.scores[score] for run in runs]) for score in blind}
        | {"n": str(len(runs))}
        for name, runs in groups.items()
    ]
    return pd.DataFrame(rows)


def guessed(groups: Groups, score: str = "hamming-accuracy") -> str:
    """Say how many networks' means exceed the guess that sees nothing."""
    table = beside_majority(groups).set_index("network")[score]
    blind = float(table.iloc[0])
    better = [
        name
        for name, runs in groups.items()
        if 100 * np.mean([run.scores[score] for run in runs]) > blind
    ]
    return (
        f"By {score} the guess reaches {table.iloc[0]} %; of {len(groups)} "
        f"networks {len(better)} exceed it "
        f"({', '.join(better) or 'none'})."
    )


def after_lowest_loss(groups: Groups) -> pd.DataFrame:
    """List what changed on validation pictures after the lowest loss.

    Means over seeds of the epoch with the lowest loss, and of what loss and
    mean average precision gained from there to the last epoch.
    """
    rows = []
    for name, runs in groups.items():
        found = []
        for run in runs:
            losses = [line["validation_loss"] for line in run.history]
            ranks = [line["validation"]["mAP"] for line in run.history]
            low = int(np.argmin(losses))
            rise = losses[-1] - losses[low]
            found.append((low + 1, rise, 100 * (ranks[-1] - ranks[low])))
        epoch, loss, points = np.mean(found, axis=0)
        rows.append(
            {
                "network": name,
                "epoch of the lowest loss": float(epoch),
                "of": len(runs[0].history),
                "loss since, nats a class": float(loss),
                "mAP since, points": float(points),
                "n": len(runs),
            }
        )
    return pd.DataFrame(rows)


def pointing(groups: Groups) -> pd.DataFrame:
    """List how often Grad-CAM's maximum is on the object, in per cent.

    Of the pairs of a test picture and a class in it, beside a finger on the
    centre of the picture, and one on a pixel drawn at random.
    """
    rows = []
    for name, runs in groups.items():
        seen = [run.arrays("pointing_game.npz") for run in runs]
        classes = seen[0]["classes"].tolist()
        parts = {label: slice(k, k + 1) for k, label in enumerate(classes)}
        for label, part in (parts | {"all": slice(None)}).items():
            pairs = int(seen[0]["pairs"][part].sum())
            shares = {
                what: [_share(run[what][part].sum(), pairs) for run in seen]
                for what in ("hits", "centre", "chance")
            }
            rows.append(
                {
                    "network": name,
                    "class": label,
                    "on the object, %": _mean(shares["hits"]),
                    "centre, %": _mean(shares["centre"][:1]),
                    "chance, %": _mean(shares["chance"][:1]),
                    "pairs": pairs,
                    "n": len(runs),
                }
            )
    return pd.DataFrame(rows)


def _read(runs: Iterable[Record]) -> list[Arrays]:
    return [run.arrays("curves.npz") for run in runs]


def _classes(seen: Mapping[str, Sequence[Arrays]]) -> list[str]:
    first = next(iter(seen.values()))[0]
    return [str(name) for name in first["classes"]]


Scored = tuple[NDArray[Any], NDArray[Any]]  # outputs, targets: (N, K)


def _of_class(run: Arrays, number: int) -> Scored:
    part = slice(number, number + 1)
    return run["outputs"][:, part], run["targets"][:, part]


def _ap(runs: Sequence[Scored], draws: int) -> dict[str, Any]:
    """Average precision over the classes given, for one network's seeds."""
    values = [multilabel.mean_average_precision(*run) for run in runs]
    seeds = stats.t_interval(values)
    # side by side, each draw takes the same pictures for all seeds
    outputs, targets = (np.hstack(part) for part in zip(*runs, strict=True))
    pictures = multilabel.bootstrap(
        multilabel.mean_average_precision, outputs, targets, draws
    )
    return {
        "AP, %": _percent(seeds.mean),
        OVER_SEEDS: _range(seeds.low, seeds.high),
        OVER_PICTURES: _range(*pictures),
        "with it, %": f"{100 * np.mean(targets):.1f}",
        "test pictures": len(targets),
        "n": seeds.n,
    }


def _share(count: float, pairs: int) -> float:
    return float(count / pairs) if pairs else math.nan


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.1f}"


def _range(low: float, high: float) -> str:
    if math.isnan(low):
        return "–"
    return f"{_percent(low)} to {_percent(high)}"


def _mean(values: Sequence[float]) -> str:
    seen = stats.t_interval(values)
    if math.isnan(seen.low):
        return _percent(seen.mean)
    return f"{_percent(seen.mean)} ({_range(seen.low, seen.high)})"


def _panels(number: int, height: float) -> tuple[list[Axes], list[Axes]]:
    """Make so many panels, three in a row, and return the spare ones too."""
    lines = -(-number // 3)
    grid = plt.subplots(
        lines,
        min(3, number),
        figsize=(8, height * lines),
        sharey=True,
        squeeze=False,
    )[1]
    every: list[Axes] = list(grid.flat)
    return every[:number], every[number:]


def _iso_f1(axes: Axes) -> None:
    for f1 in ISO_F1:
        recall = np.linspace(f1 / (2 - f1), 1, 50)
        precision = f1 * recall / (2 * recall - f1)
        axes.plot(recall, precision, color="lightgrey", lw=0.8, zorder=0)
        axes.annotate(
            f"F1 {f1:.1f}",
            (1, precision[-1]),
            fontsize=6,
            color="grey",
            ha="right",
        )


def _curve(axes: Axes, name: str, runs: Sequence[Scored], colour: str) -> None:
    lines, found = [], []
    for outputs, targets in runs:
        if not targets.any():
            continue
        precision, recall, _ = multilabel.precision_recall(
            outputs[:, 0], targets[:, 0]
        )
        lines.append(precision[np.searchsorted(recall, RECALLS)])
        found.append(multilabel.average_precision(outputs[:, 0], targets[:, 0]))
    if not lines:
        return
    if len(lines) > 1:
        for line in lines:
            axes.plot(RECALLS, line, color=colour, lw=0.4, alpha=0.5)
    label = f"{name}: AP {100 * np.mean(found):.0f} %"
    axes.plot(RECALLS, np.mean(lines, axis=0), color=colour, label=label)
