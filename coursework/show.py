"""What a page displays besides figures: tables, code, banners, provenance.

Everything a run or a person named is escaped before it becomes HTML.
"""

from __future__ import annotations

import base64
import inspect
import io
import math
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import HTML, Code, Markdown
from matplotlib.axes import Axes

from coursework import (
    experiment,
    figures,
    identity,
    provenance,
    records,
    stats,
    verdicts,
)
from coursework.experiment import Declare
from coursework.records import Record

claims = verdicts.claims
verdict_table = verdicts.verdict_table


def markdown(text: str) -> Markdown:
    """Show a sentence whose numbers were computed."""
    return Markdown(inspect.cleandoc(text))


def source(target: Any) -> Code:
    """Show the code of a class or function of the package."""
    return Code(inspect.getsource(target), language="python")


def percent(interval: stats.Interval) -> str:
    """Write a mean accuracy with its interval and n, in per cent."""
    if interval.n < 2:
        return f"{100 * interval.mean:.2f} % (n = 1, so no interval)"
    return (
        f"{100 * interval.mean:.2f} % (95 % interval "
        f"{100 * interval.low:.2f} to {100 * interval.high:.2f}, "
        f"n = {interval.n})"
    )


def points(interval: stats.Interval) -> str:
    """Write a difference of accuracies with its interval, in points."""
    if interval.n < 2:
        return f"{100 * interval.mean:+.2f} points (n = 1, so no interval)"
    return (
        f"{100 * interval.mean:+.2f} points (95 % interval "
        f"{100 * interval.low:+.2f} to {100 * interval.high:+.2f}, "
        f"n = {interval.n})"
    )


def results(
    runs: Sequence[Record],
    *,
    score: str = "accuracy",
    baseline: str | None = None,
    link: bool = True,
) -> HTML:
    """Show a grid's table, and behind a click the records it was made of.

    ``link`` leads from there to the evidence page.
    """
    frame = records.table(runs, score, baseline)
    shown = pd.DataFrame(index=frame.index)
    shown[f"test {score}, %"] = _with_range(frame, "mean", "low", "high")
    shown["sd"] = frame["sd"].map(_per_cent)
    shown["n"] = frame["n"]
    if "test ±" in frame:
        shown["± test set"] = frame["test ±"].map(_per_cent)
    if baseline is not None:
        shown["difference, points"] = _with_range(
            frame, "difference", "difference low", "difference high", "+"
        )
        shown.loc[baseline, "difference, points"] = "baseline"
        shown["r"] = frame["correlation"].map(
            lambda r: "–" if math.isnan(r) else f"{r:.2f}"
        )
    if frame["diverged"].any():
        shown["diverged"] = frame["diverged"]
    shown["parameters"] = frame["parameters"].map("{:,}".format)
    shown["multiply-adds"] = frame["multiply-adds"].map("{:,}".format)
    shown["seconds"] = frame["seconds"].map("{:.1f}".format)
    table = shown.reset_index().to_html(
        index=False, escape=True, border=0, classes="results"
    )
    return HTML(f'<div class="scroll">{table}</div>{_behind(runs, link)}')


def frame(table: pd.DataFrame) -> HTML:
    """Show any table of text and numbers, two digits after the point.

    Whole numbers get separators between their thousands.
    """
    whole = table.select_dtypes("integer").columns
    table = table.assign(
        **{name: table[name].map("{:,}".format) for name in whole}
    )
    html = table.to_html(
        index=False,
        escape=True,
        border=0,
        classes="results",
        float_format="{:.2f}".format,
    )
    return HTML(f'<div class="scroll">{html}</div>')


def left_out(**grids: tuple[Declare, Sequence[Record]]) -> Markdown:
    """Say which arms of ``full`` are not among a grid's runs."""
    texts = [
        f"{name}: {'; '.join(arms)}"
        for name, (declare, runs) in grids.items()
        if (arms := experiment.left_out(declare, runs[0].profile))
    ]
    said = ". ".join(texts) or "none"
    return Markdown(f"Arms of `full` left out here: {said}.")


def made_of(runs: Sequence[Record]) -> HTML:
    """Show which records a figure or a sentence was made of."""
    return HTML(_behind(runs))


def banner(profile: str, *grids: Sequence[Record]) -> HTML:
    """Say at the top of a page what its numbers are, and what they are not."""
    runs = [run for grid in grids for run in grid]
    boxes = []
    if profile not in ("evidence", "full", "standard"):
        boxes.append(
            f"<strong>Quick look, not evidence.</strong> Profile "
            f"<code>{escape(profile)}</code>: small budgets, trained on this "
            "machine but for runs that the evidence already holds. "
            '<a href="../evidence.html">What the evidence says</a>.'
        )
    names = dict.fromkeys(r.data["name"] for r in runs if r.data["stand_in"])
    boxes += [
        f"<strong>Stand-in data.</strong> These numbers come from "
        f"<em>{escape(name)}</em>, which takes the place of the set that this "
        "practical is about; they say nothing about that set."
        for name in names
    ]
    return HTML("".join(f'<div class="banner">{box}</div>' for box in boxes))


def figure(axes: Axes, alt: str) -> HTML:
    """Show a figure as SVG with its alternative text, and close it."""
    drawn, file = axes.get_figure(root=True), io.StringIO()
    assert drawn is not None  # axes that were drawn belong to a figure
    drawn.savefig(file, format="svg", metadata={"Date": None})
    plt.close(drawn)
    code = base64.b64encode(file.getvalue().encode()).decode()
    return HTML(
        f'<img class="figure" src="data:image/svg+xml;base64,{code}" '
        f'alt="{escape(alt)}">'
    )


def animation(moving: bytes, still: bytes, alt: str) -> HTML:
    """Show an animated WebP; readers who want no motion get the still."""
    urls = [
        "data:image/webp;base64," + base64.b64encode(content).decode()
        for content in (still, moving)
    ]
    return HTML(
        '<picture><source media="(prefers-reduced-motion: reduce)" '
        f'srcset="{urls[0]}"><img loading="lazy" src="{urls[1]}" '
        f'alt="{escape(alt)}"></picture>'
    )


def field(record: Record, alt: str) -> HTML:
    """Show a run's decision field through training, with its points."""
    frames = figures.field_frames(record.arrays("field.npz"))
    return animation(figures.animate(frames), figures.still(frames[-1]), alt)


def _behind(runs: Sequence[Record], link: bool = True) -> str:
    frame = pd.DataFrame(
        [
            {
                "variant": r.variant,
                "seed": r.seed,
                "run": r.name,
                "data": r.data["name"],
                "trained": r.created[:10],
                "commit": (r.environment["commit"] or "–")[:7]
                + ("+" if r.environment["modified"] else ""),
                "device": r.environment["device"],
                "threads": r.environment["threads"],
                "code": "earlier" if _outdated(r) else "today's",
            }
            for r in runs
        ]
    )
    profiles = "/".join(dict.fromkeys(r.profile for r in runs))
    devices = "; ".join(frame["device"].unique())
    dates = sorted(frame["trained"].unique())
    known = records.grids() if link else {}
    grids = "".join(
        f' · <a href="../evidence.html#{records.slug(grid)}">'
        f"evidence of {escape(grid)}</a>"
        for grid in dict.fromkeys(r.grid for r in runs if r.grid in known)
    )
    if link:
        grids += (
            ' · <a href="00_seed_noise.html">how far runs of one and the same '
            "network lie apart</a>"
        )
    table = frame.to_html(index=False, escape=True, border=0)
    return (
        '<details class="provenance"><summary>'
        f"{len(runs)} runs, profile {escape(profiles)}, {escape(devices)}, "
        f"{escape(' to '.join(dict.fromkeys((dates[0], dates[-1]))))}"
        f"{', by an earlier version of the code' * any(map(_outdated, runs))}"
        f"</summary><p>A + after the commit: with changes not committed.{grids}"
        f'</p><div class="scroll">{table}</div></details>'
    )


def _outdated(record: Record) -> bool:
    today = provenance.source_digest(identity.modules(record.spec))
    return record.source != today


def _per_cent(value: float, sign: str = "") -> str:
    return "–" if math.isnan(value) else f"{100 * value:{sign}.2f}"


def _with_range(
    frame: pd.DataFrame, middle: str, low: str, high: str, sign: str = ""
) -> list[str]:
    """Write means with their 95 % intervals, where there are any."""
    return [
        _per_cent(mean, sign)
        + (
            ""
            if math.isnan(a)
            else f" ({100 * a:{sign}.2f} to {100 * b:{sign}.2f})"
        )
        for mean, a, b in zip(
            frame[middle], frame[low], frame[high], strict=True
        )
    ]
