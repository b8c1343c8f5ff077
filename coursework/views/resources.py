"""What precision, batch and freezing do to memory, time and accuracy.

From records with the artefact ``step_memory.npz`` of
:mod:`coursework.probes_cost`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import (
    EngFormatter,
    FixedLocator,
    LogLocator,
    NullLocator,
)

from coursework import stats
from coursework.claims.measures import log_seconds
from coursework.figures import PALETTE
from coursework.records import Record, by_seed, scores

Groups = Mapping[str, Sequence[Record]]
KIB, MIB = 2**10, 2**20


def batch(run: Record) -> int:
    """Count the pictures of a step."""
    recipe: Any = run.spec["args"]["recipe"]["args"]
    pictures: int = run.data["sizes"]["train"]
    return min(int(recipe["batch_size"] or pictures), pictures)


def steps(run: Record) -> int:
    """Count the steps of a training."""
    pictures: int = run.data["sizes"]["train"]
    return len(run.history) * -(-pictures // batch(run))


def kept(run: Record) -> float:
    """Read the bytes that a picture of a step keeps for the backward pass."""
    return float(run.arrays("step_memory.npz")["kept"])


def gradients(run: Record) -> float:
    """Read the bytes of all gradients."""
    return float(run.arrays("step_memory.npz")["gradients"])


def bar(runs: Sequence[Record]) -> tuple[float, float, float]:
    """Return mean accuracy in per cent, and how far its interval reaches."""
    seen = stats.t_interval(scores(runs))
    if seen.n < 2:
        return 100 * seen.mean, 0.0, 0.0
    low, high = max(seen.low, 0.0), min(seen.high, 1.0)
    return 100 * seen.mean, 100 * (seen.mean - low), 100 * (high - seen.mean)


def costs(groups: Groups, baseline: str) -> pd.DataFrame:
    """List what a step of each arm keeps, and how long all steps take.

    Bytes are counted (see :func:`probes_cost.step_memory`).  Seconds are the
    median over runs, of training alone; "times as long" is the ratio to
    ``baseline`` seed by seed, with the 95 % t interval of its logarithm.
    """
    return pd.DataFrame(
        {
            "arm": name,
            "batch": batch(runs[0]),
            "steps": steps(runs[0]),
            "kept a picture, KiB": kept(runs[0]) / KIB,
            "kept a step, MiB": kept(runs[0]) * batch(runs[0]) / MIB,
            "gradients, MiB": gradients(runs[0]) / MIB,
            "seconds": median(run.seconds for run in runs),
            "times as long": "baseline"
            if name == baseline
            else _times(runs, groups[baseline]),
            "n": len(runs),
        }
        for name, runs in groups.items()
    )


def over_batches(groups: Groups) -> Axes:
    """Draw what a step keeps, the steps, and accuracy, over the batch."""
    panels = plt.subplots(1, 3, figsize=(7, 3.2))[1]
    first = [runs[0] for runs in groups.values()]
    sizes = [batch(run) for run in first]
    held = [kept(run) * batch(run) / MIB for run in first]
    panels[0].plot(sizes, held, "o-", color=PALETTE[0])
    panels[0].set(ylabel="kept a step (MiB)", yscale="log")
    panels[1].plot(sizes, [steps(run) for run in first], "o-", color=PALETTE[0])
    panels[1].set(ylabel="steps of the training", yscale="log")
    bars = [bar(runs) for runs in groups.values()]
    means, below, above = zip(*bars, strict=True)
    panels[2].errorbar(
        sizes, means, yerr=[below, above], fmt="o-", capsize=3, color=PALETTE[0]
    )
    panels[2].set(ylabel="test accuracy (%)")
    for axes in panels:
        _sizes(axes, sizes)
    shown: Axes = panels[0]
    return shown


def memory_of_batches(groups: Groups) -> str:
    """Say what the largest batch keeps beside the smallest, and the rest."""
    ordered = sorted(groups.values(), key=lambda runs: batch(runs[0]))
    small, large = ordered[0][0], ordered[-1][0]
    least, most = (kept(run) * batch(run) / MIB for run in (small, large))
    rest = gradients(large) / MIB
    return (
        f"A step on {batch(large)} pictures keeps {most:,.1f} MiB for its "
        f"backward pass, one on {batch(small)} pictures {least:,.1f} MiB: "
        f"{most / least:.1f} times as much.  Gradients take {rest:,.1f} MiB in "
        f"both, and AdamW's two means {2 * rest:,.1f} MiB."
    )


def precision_saves(groups: Groups, long: str, short: str) -> str:
    """Say how many times the bytes one precision keeps of another's."""
    runs, base = groups[long], groups[short]
    return (
        f"In {long} a picture keeps {kept(runs[0]) / kept(base[0]):.2f} times "
        f"the bytes that it keeps in {short}, and training takes "
        f"{_times(runs, base)} times as long (95 % interval over "
        f"n = {len(runs)})."
    )


def _sizes(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(sizes))))
    axes.xaxis.set_major_formatter("{x:g}")
    if axes.get_yscale() == "log":
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("pictures a step")


def _times(runs: Sequence[Record], base: Sequence[Record]) -> str:
    """Write how many times as long runs took, from paired logarithms."""
    seen = stats.paired(*by_seed(runs, base, log_seconds))
    mean, low, high = np.exp([seen.mean, seen.low, seen.high])
    return f"{mean:.2f}" + f" ({low:.2f} to {high:.2f})" * (seen.n > 1)
