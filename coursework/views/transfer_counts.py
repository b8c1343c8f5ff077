"""Report R3's counts, its memory estimate and its many zeros."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from coursework import show
from coursework.data.sets import CLASSES
from coursework.figures import PALETTE
from coursework.models.counts import PASSES_MIB, Count, Layer
from coursework.probes_cost import PICTURES
from coursework.records import Record
from coursework.views.transfer import share

MIB = 2**20
SHORTENED = {"M": 10**6}  # what the report rounds its counts to


def empty_batches(runs: Sequence[Record], classes: int) -> Axes:
    """Draw the share of batches of 16 without a right answer, over epochs.

    The dashed line is what a batch would hold if right answers fell at
    random, at the accuracy of all; the dotted one is chance.
    """
    axes = plt.subplots()[1]
    seen = [run.arrays("empty_batches.npz") for run in runs]
    empty = 1 - np.stack([one["hit"] for one in seen])
    random = (1 - np.stack([one["accuracy"] for one in seen])) ** PICTURES
    bands = [share(column) for column in empty.T.tolist()]
    epochs = np.arange(len(bands))
    axes.plot(epochs, [100 * b.mean for b in bands], "o-", ms=4, label="seen")
    low, high = ([100 * getattr(b, k) for b in bands] for k in ("low", "high"))
    axes.fill_between(epochs, low, high, color=PALETTE[0], alpha=0.2, lw=0)
    axes.plot(
        epochs,
        100 * random.mean(0),
        color=PALETTE[1],
        ls="--",
        label="right answers at random",
    )
    axes.axhline(100 * _chance(classes), color="grey", ls=":", label="chance")
    axes.set(xlabel="epochs done", ylabel="batches without a hit (%)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False, fontsize="small")
    return axes


def zeros(runs: Sequence[Record], classes: int) -> str:
    """Say how many batches hold no right answer before any training."""
    birds = CLASSES["cub200"]
    seen = [run.arrays("empty_batches.npz")["hit"] for run in runs]
    first, last = (
        show.percent(share([1 - float(hit[at]) for hit in seen]))
        for at in (0, -1)
    )
    return (
        f"Batches of {PICTURES} without one right answer: before training "
        f"{first}, at the end {last}. Chance gives "
        f"{100 * _chance(classes):.1f} % with {classes} classes and "
        f"{100 * _chance(birds):.1f} % with R3's {birds}."
    )


def counted(counts: Sequence[Count]) -> pd.DataFrame:
    """Set the report's counts of parameters beside those made by code.

    A count that it gives in millions is right if it rounds to that.
    """
    return pd.DataFrame(
        [
            {
                "what": count.what,
                "R3": count.reported or "rounded",
                "in truth": count.ours,
                "R3 is": _judged(count),
            }
            for count in counts
        ]
    )


def wrong(counts: Sequence[Count]) -> int:
    """Count the report's counts that are wrong."""
    return sum(_judged(count) not in ("right", "–") for count in counts)


def memory(layers: Sequence[Layer], own: int = 11) -> pd.DataFrame:
    """List MiB estimated and kept: the largest layers, the rest by kind."""
    order = sorted(layers, key=lambda layer: -layer.estimated)
    rows = [(one.name, one.kind, [one]) for one in order[:own]]
    for kind in dict.fromkeys(one.kind for one in order[own:]):
        alike = [one for one in order[own:] if one.kind == kind]
        rows.append((f"{len(alike)} more", kind, alike))
    return pd.DataFrame(
        [
            {
                "layer": name,
                "kind": kind,
                "estimated, MiB": sum(one.estimated for one in some) / MIB,
                "kept, MiB": sum(one.kept for one in some) / MIB,
            }
            for name, kind, some in [*rows, ("all", "–", list(layers))]
        ]
    )


def estimate(layers: Sequence[Layer]) -> str:
    """Say how the report's estimate is made, and what is really kept."""
    made = sum(layer.estimated for layer in layers) / MIB
    kept = sum(layer.kept for layer in layers) / MIB
    return (
        f"R3's estimate is {PASSES_MIB} MiB, ours, made the same way, "
        f"{made:.2f} MiB; kept are {kept:.2f} MiB, "
        f"{100 * kept / made:.0f} % of it."
    )


def _chance(classes: int) -> float:
    """Return the chance that a batch holds no right answer of a guesser."""
    return float((1 - 1 / classes) ** PICTURES)


def _judged(count: Count) -> str:
    if count.reported is None:
        return "–"
    said = count.reported.replace(",", "")
    unit = SHORTENED.get(said[-1], 1)
    number = int(said.rstrip("M")) * unit
    if abs(number - count.ours) <= unit / 2:
        return "right"
    return f"{number / count.ours:.2f} times it"
