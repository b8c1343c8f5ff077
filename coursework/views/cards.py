"""What a page shows of single networks, from their records alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML
from torch import nn

from coursework import identity, outline, show
from coursework.records import Record, grouped
from coursework.views import drawings


def models(runs: Sequence[Record]) -> dict[str, Callable[[], nn.Module]]:
    """Return what builds each variant's network, by the record's spec."""
    return {
        variant: identity.build(group[0].spec["args"]["model"])
        for variant, group in grouped(runs).items()
    }


def pace(runs: Sequence[Record]) -> pd.DataFrame:
    """Set pictures a second beside multiply-adds: medians over seeds.

    Of GPUs whose peak is known, with the share of it that training used.
    """
    rows = []
    for variant, group in grouped(runs).items():
        speed = float(np.median([run.examples_per_second for run in group]))
        work = group[0].multiply_adds
        row = {
            "network": variant,
            "multiply-adds a picture": f"{work:,}",
            "pictures a second": f"{speed:,.0f}",
            "picoseconds a multiply-add": f"{1e12 / (speed * work):,.0f}",
        }
        shares = [s for run in group if (s := run.share_of_peak) is not None]
        if shares:
            row["of the peak, %"] = f"{100 * np.median(shares):.1f}"
        rows.append(row)
    return pd.DataFrame(rows)


def networks(runs: Sequence[Record], shape: tuple[int, ...]) -> HTML:
    """Show each network behind a click: layers, confusion, errors.

    Reads the artefact ``errors.npz``; ``shape`` is that of a picture.
    """
    built = models(runs)
    cards = (
        _card(variant, group, built[variant], shape)
        for variant, group in grouped(runs).items()
    )
    return HTML("".join(cards))


def _card(
    variant: str,
    runs: Sequence[Record],
    build: Callable[[], nn.Module],
    shape: tuple[int, ...],
) -> str:
    seen = [run.arrays("errors.npz") for run in runs]
    mean = np.mean([arrays["confusion"] for arrays in seen], axis=0)
    classes = [str(label) for label in range(len(mean))]
    parts = (
        f"<pre>{escape(outline.summary(build, shape))}</pre>",
        f"<p>Test digits (rows) and what they were taken for (columns), mean "
        f"over {len(runs)} seeds; the diagonal is not coloured.</p>",
        _picture(drawings.confusion(mean, classes), f"{variant}: confusion"),
        *_errors(variant, seen[0]),
    )
    return (
        f'<details class="card"><summary>{escape(variant)}</summary>'
        f"{''.join(parts)}</details>"
    )


def _errors(variant: str, seen: Mapping[str, Any]) -> list[str]:
    number = min(24, len(seen["targets"]))
    if not number:
        return ["<p>Seed 0 got every test digit right.</p>"]
    axes = drawings.digits(
        *(
            seen[name][:number]
            for name in ("pictures", "targets", "predicted", "probability")
        )
    )
    alt = f"{variant}: {number} test digits it got wrong, most certain first"
    return [
        "<p>Test digits that seed 0 got wrong, most certain first: true class, "
        "what it said, and its probability.</p>",
        _picture(axes, alt),
    ]


def _picture(axes: Any, alt: str) -> str:
    return str(show.figure(axes, alt).data)
