"""The run explorer's page: all committed records as data, and its script.

The page is whole in itself: a browser lets no page opened from a file fetch
another file, and a script below ``book/_static`` would load on every page.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coursework import records
from coursework.records import Record

EPOCHS = 60  # points of a learning curve that are kept
DIGITS = 4  # significant ones of a measured number
OF_A_CLASS = re.compile(r"-\d+$")  # as "ap-7"
HERE = Path(__file__).parent
SCRIPTS = ("charts.js", "explorer.js")


def data_name(run: Record) -> str:
    """Name the data of a run, and say so if they are a stand-in."""
    return f"{run.data['name']}{' (stand-in)' * run.data['stand_in']}"


def commit(run: Record) -> str:
    """Name the commit of a run; a + says that there were changes to it."""
    where = run.environment
    return f"{(where['commit'] or '–')[:7]}{'+' * where['modified']}"


# What repeats from run to run is stored once, with an index a run.
REPEATED: Mapping[str, Callable[[Record], Any]] = {
    "grid": lambda run: run.grid,
    "anchor": lambda run: records.slug(run.grid),
    "variant": lambda run: run.variant,
    "profile": lambda run: run.profile,
    "data": data_name,
    "date": lambda run: run.created[:10],
    "commit": commit,
    "device": lambda run: run.environment["device"],
    "spec": lambda run: run.spec,
    "key": lambda run: run.key,
    "epochs": lambda run: _points(run, lambda epoch: epoch["epoch"]),
    "diverged": lambda run: run.diverged,
}
OWN: Mapping[str, Callable[[Record], Any]] = {
    "seed": lambda run: run.seed,
    "scores": lambda run: run.scores,
    "parameters": lambda run: run.parameters,
    "multiply-adds": lambda run: run.multiply_adds,
    "seconds": lambda run: run.seconds,
}


def page() -> str:
    """Write the page, its data packed: they are a tenth of their size then."""
    runs = [
        run
        for grid, profiles in records.grids().items()
        for profile in profiles
        for run in records.evidence(grid, profile)
    ]
    text = json.dumps(columns(runs), separators=(",", ":"))
    data = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return (
        "# Run explorer\n\n"
        f"Every committed run, {len(runs)} in all: filter and sort them, open "
        "one to see its whole specification, choose a grid or tick rows to "
        "see learning curves. The address in the browser's bar keeps what is "
        "chosen. Numbers are rounded to "
        f"{DIGITS} digits; the records themselves are under "
        f"[Evidence](evidence.md).\n\n"
        f"{(HERE / 'explorer.html').read_text()}\n"
        f'<script type="application/gzip" id="explorer-data">{data}</script>\n'
        + "".join(
            f"\n<script>\n{(HERE / name).read_text()}</script>\n"
            for name in SCRIPTS
        )
    )


def columns(runs: Sequence[Record]) -> dict[str, Any]:
    """Lay runs out by column, and their curves by what they measure.

    A repeated column is ``{"values": distinct ones, "at": index a run}``; a
    curve without an epoch's value has None there.
    """
    measures = dict.fromkeys(name for run in runs for name in _measures(run))
    return {
        "repeated": {
            name: _distinct(map(value, runs))
            for name, value in REPEATED.items()
        },
        "own": {
            name: [rounded(value(run)) for run in runs]
            for name, value in OWN.items()
        },
        "curves": {
            name: [_curve(run, name) for run in runs] for name in measures
        },
    }


def rounded(value: Any) -> Any:
    """Round floats to ``DIGITS`` significant digits; not finite is None."""
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, float):
        finite = math.isfinite(value)
        return float(f"{value:.{DIGITS}g}") if finite else None
    return value


def _measures(run: Record) -> list[str]:
    """Name what a run's curves measure; scores of single classes are not."""
    scores = dict.fromkeys(n for e in run.history for n in e["validation"])
    return [
        "train loss",
        "validation loss",
        *(f"validation {n}" for n in scores if not OF_A_CLASS.search(n)),
    ]


def _curve(run: Record, measure: str) -> list[float | None]:
    """Follow a measure over a run's kept epochs; [] if it has none."""
    losses = {"train loss": "train_loss", "validation loss": "validation_loss"}
    name = measure.removeprefix("validation ")
    if measure in losses:
        return _points(run, lambda epoch: epoch[losses[measure]])
    if not any(name in epoch["validation"] for epoch in run.history):
        return []
    return _points(run, lambda epoch: epoch["validation"].get(name))


def _points(
    run: Record, value: Callable[[Mapping[str, Any]], Any]
) -> list[Any]:
    """Read a value at ``EPOCHS`` epochs at most, first and last among them."""
    last = len(run.history) - 1
    count = min(EPOCHS, last + 1)
    kept = [round(i * last / max(count - 1, 1)) for i in range(count)]
    return [rounded(value(run.history[i])) for i in kept]


def _distinct(values: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, int] = {}
    at = [found.setdefault(json.dumps(v), len(found)) for v in values]
    return {"values": [json.loads(text) for text in found], "at": at}
