"""Figures: records and tables in, axes out; one colour-blind-safe style."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import (
    EngFormatter,
    LogLocator,
    MaxNLocator,
    NullLocator,
)
from numpy.typing import NDArray
from PIL import Image

from coursework import stats
from coursework.recipe import Schedule
from coursework.records import Record, curves, grouped, scores

# Okabe and Ito's palette: told apart by all common kinds of colour vision
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
FIELD = LinearSegmentedColormap.from_list(
    "field", [PALETTE[0], "#f7f7f7", PALETTE[1]]
)


def style() -> None:
    """Set the portfolio's style for all figures of this process.

    Figures are opaque white, so that they read in dark mode too, and SVG
    with fixed ids, so that the same records give the same file.
    """
    sns.set_theme(
        context="notebook",
        style="whitegrid",
        palette=PALETTE,
        rc={
            "figure.figsize": (7, 3.6),
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "coursework",
            "lines.linewidth": 1.6,
        },
    )


def learning_curves(
    records: Sequence[Record], value: str, *, unit: str, log: bool = False
) -> Axes:
    """Draw a quantity over epochs: mean and 95 % t interval over seeds."""
    axes = plt.subplots()[1]
    frame = curves(records)
    number = frame["variant"].nunique()
    for place, (colour, (variant, part)) in enumerate(
        zip(
            _colours(number),
            frame.groupby("variant", sort=False),
            strict=True,
        )
    ):
        wide = part.pivot_table(index="epoch", columns="seed", values=value)
        bands = [stats.t_interval(row) for row in wide.to_numpy().tolist()]
        epochs = wide.index.to_numpy()
        axes.plot(
            epochs,
            [b.mean for b in bands],
            color=colour,
            # the palette begins again after its last colour
            linestyle=("-", "--", ":")[place // len(PALETTE) % 3],
            label=str(variant),
        )
        low, high = [b.low for b in bands], [b.high for b in bands]
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, lw=0)
    axes.set(xlabel="epoch", ylabel=f"{value} ({unit})")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if log:
        axes.set_yscale("log")
    _legend_below(axes, number)
    return axes


def seeds(records: Sequence[Record], score: str = "accuracy") -> Axes:
    """Draw every single run, the mean and its 95 % t interval."""
    groups = grouped(records)
    axes = plt.subplots(figsize=(7, 1.1 + 0.5 * len(groups)))[1]
    frame = pd.DataFrame(
        [
            {"variant": record.variant, score: 100 * record.scores[score]}
            for record in records
        ]
    )
    sns.stripplot(
        frame,
        x=score,
        y="variant",
        hue="variant",
        legend=False,
        alpha=0.55,
        jitter=0.15,
        palette=_colours(len(groups)),
        ax=axes,
    )
    for row, runs in enumerate(groups.values()):
        interval = stats.t_interval([100 * v for v in scores(runs, score)])
        axes.errorbar(
            interval.mean,
            row,
            xerr=interval.high - interval.mean,
            fmt="D",
            color="black",
            markersize=5,
            capsize=4,
        )
    axes.set(xlabel=f"test {score} (%)", ylabel="")
    return axes


def differences(
    table: pd.DataFrame, *, unit: str = "points", log: bool = False
) -> Axes:
    """Draw a table's paired differences to its baseline, with intervals.

    With ``log`` the axis is linear within one point, logarithmic beyond.
    """
    rows = table[table["difference low"].notna()]
    axes = plt.subplots(figsize=(7, 1.2 + 0.45 * len(rows)))[1]
    places = np.arange(len(rows))
    low, mean, high = (
        100 * rows[name].to_numpy(float)
        for name in ("difference low", "difference", "difference high")
    )
    axes.errorbar(
        mean,
        places,
        xerr=np.stack([mean - low, high - mean]),
        fmt="o",
        color=PALETTE[0],
        capsize=4,
    )
    axes.axvline(0, color="black", lw=1)
    axes.set_yticks(places, list(rows.index))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    if log:
        axes.set_xscale("symlog", linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        unit += ", logarithmic beyond ±1"
    axes.set(xlabel=f"paired difference to the baseline ({unit})")
    return axes


def cost(
    records: Sequence[Record],
    measure: str = "seconds",
    *,
    unit: str = "seconds of training, median over seeds",
    score: str = "accuracy",
) -> Axes:
    """Draw what a test score lacks to 100 % against a cost, with intervals.

    ``measure`` is a record's ``seconds``, ``parameters`` or ``multiply_adds``.
    Both axes are logarithmic, so that good variants lie apart, too; a bar
    that reaches below a tenth of its mean ends there.
    """
    groups = grouped(records)
    axes = plt.subplots()[1]
    for place, (variant, runs) in enumerate(groups.items()):
        lack = [100 * (1 - value) for value in scores(runs, score)]
        interval = stats.t_interval(lack)
        low = max(interval.low, interval.mean / 10)  # there is no log of 0
        axes.errorbar(
            float(np.median([getattr(run, measure) for run in runs])),
            interval.mean,
            [[interval.mean - low], [interval.high - interval.mean]],
            fmt="oDs"[place // len(PALETTE) % 3],
            color=PALETTE[place % len(PALETTE)],
            label=variant,
        )
    axes.set(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(EngFormatter(sep=""))
        axis.set_minor_locator(NullLocator())
    missing = "error" if score == "accuracy" else f"100 − {score}"
    axes.set(xlabel=unit, ylabel=f"test {missing} (%)")
    _legend_below(axes, len(groups))
    return axes


def watched(records: Sequence[Record]) -> Axes:
    """Draw accuracy and the number of dead outputs over steps, by seed."""
    above, below = plt.subplots(
        2, 1, sharex=True, figsize=(7, 5), height_ratios=(2, 1)
    )[1]
    for colour, record in zip(_colours(len(records)), records, strict=True):
        watch = record.arrays("watch.npz")
        above.plot(
            watch["epoch"],
            100 * watch["accuracy"],
            color=colour,
            label=f"seed {record.seed}",
        )
        dead = (watch["alive"] == 0).sum(axis=1)
        below.step(watch["epoch"], dead, color=colour, where="post")
    above.set(ylabel="training accuracy (%)")
    above.legend(frameon=False, ncols=2, fontsize="small")
    below.set(xlabel="step", ylabel="dead outputs")
    below.yaxis.set_major_locator(MaxNLocator(integer=True))
    assert isinstance(above, Axes)
    return above


def schedules(table: Mapping[str, Schedule], steps: int) -> Axes:
    """Draw each schedule's factor over the steps of a training."""
    axes = plt.subplots()[1]
    for colour, (name, schedule) in zip(
        _colours(len(table)), table.items(), strict=True
    ):
        factors = [schedule(step, steps) for step in range(steps)]
        axes.plot(factors, label=name, color=colour)
    axes.set(xlabel="step", ylabel="rate (share of the peak)")
    axes.legend(frameon=False)
    return axes


def field_frames(
    arrays: dict[str, NDArray[Any]], scale: int = 4
) -> list[Image.Image]:
    """Turn a decision field through training into pictures with its points.

    ``arrays`` has ``field`` uint8 (frames, H, W), probability of class 1
    times 255 with row 0 at the lowest y; ``extent``; and the training points
    ``inputs`` (N, 2) with ``targets`` (N,).
    """
    left, right, bottom, top = arrays["extent"].tolist()
    height, width = arrays["field"].shape[1:]
    x = (arrays["inputs"][:, 0] - left) / (right - left) * width * scale
    y = (top - arrays["inputs"][:, 1]) / (top - bottom) * height * scale
    frames = []
    for field in arrays["field"]:
        colours = (FIELD(field[::-1] / 255)[..., :3] * 255).astype(np.uint8)
        picture = Image.fromarray(colours).resize(
            (width * scale, height * scale), Image.Resampling.BICUBIC
        )
        _dots(picture, x, y, arrays["targets"])
        frames.append(picture)
    return frames


def animate(frames: Sequence[Image.Image], milliseconds: int = 120) -> bytes:
    """Pack frames into an animated WebP that lingers on the last one."""
    file = io.BytesIO()
    durations = [milliseconds] * (len(frames) - 1) + [2500]
    frames[0].save(
        file,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=durations,
        loop=0,
        quality=60,
    )
    return file.getvalue()


def still(frame: Image.Image) -> bytes:
    """Pack one frame, for readers who want no motion."""
    file = io.BytesIO()
    frame.save(file, "WEBP", quality=70)
    return file.getvalue()


def _dots(
    picture: Image.Image,
    x: NDArray[Any],
    y: NDArray[Any],
    labels: NDArray[Any],
) -> None:
    from PIL import ImageDraw  # noqa: PLC0415

    draw = ImageDraw.Draw(picture)
    for px, py, label in zip(x, y, labels, strict=True):
        box = (px - 3, py - 3, px + 3, py + 3)
        colour = PALETTE[1] if label else PALETTE[0]
        draw.ellipse(box, fill=colour, outline="white")


def _legend_below(axes: Axes, number: int) -> None:
    """Name the lines below a figure that grows with their number."""
    drawn = axes.get_figure(root=True)
    assert drawn is not None  # axes that were drawn belong to a figure
    drawn.set_size_inches(7, 3.6 + 0.25 * -(-number // 3))
    drawn.legend(
        loc="outside lower center",
        ncols=min(3, number),
        frameon=False,
        fontsize="small",
        title="mean and 95 % interval over seeds",
    )


def _colours(number: int) -> list[str]:
    return [PALETTE[i % len(PALETTE)] for i in range(number)]
