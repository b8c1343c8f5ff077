"""What single changes to a recipe do, and how much of it is their rate."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from torch import nn

from coursework import figures, penalties, records, show, stats
from coursework.records import Record
from coursework.views.transfer import accuracy, difference, share, with_range

Groups = Mapping[str, Sequence[Record]]
SCORES = ("macro-precision", "macro-recall", "macro-f1", "auroc", "ece")
ALPHA = 0.05


def ranked(runs: Sequence[Record], baseline: str) -> pd.DataFrame:
    """Summarise as :func:`records.table`, largest difference first."""
    table = records.table(runs, baseline=baseline)
    return table.sort_values("difference", ascending=False, kind="stable")


def effects(runs: Sequence[Record], baseline: str) -> Axes:
    """Draw the paired differences to a baseline, largest first."""
    return figures.differences(ranked(runs, baseline))


def notable(
    runs: Sequence[Record], baseline: str, most: int = 2
) -> list[Record]:
    """Keep a baseline's runs, and those of the arms farthest to each side."""
    order = [name for name in ranked(runs, baseline).index if name != baseline]
    kept = {baseline, *order[:most], *order[-most:]}
    return [run for run in runs if run.variant in kept]


def decided(
    runs: Sequence[Record], baseline: str, only: Collection[str] | None = None
) -> str:
    """Say which arms lie above and which below a baseline.

    By 95 % intervals, one comparison at a time, and after Holm's adjustment
    for all that are looked at.  ``only`` names these, where not all are.
    """
    seen = _differences(runs, baseline)
    if only is not None:
        seen = {name: one for name, one in seen.items() if name in only}
    if not seen or min(one.n for one in seen.values()) < 2:
        return "Single runs have no interval: they decide nothing."
    above = [name for name, one in seen.items() if one.low > 0]
    below = [name for name, one in seen.items() if one.high < 0]
    both = (min(one.p_above(0), one.p_below(0)) for one in seen.values())
    p_values = stats.holm([min(1.0, 2 * p) for p in both])
    firm = [n for n, p in zip(seen, p_values, strict=True) if p < ALPHA]
    return (
        f"Of {len(seen)} changes, one comparison at a time, better than "
        f"*{baseline}*: {_listed(above)}; worse: {_listed(below)}; undecided: "
        f"{len(seen) - len(above) - len(below)}. Adjusted for {len(seen)} "
        f"comparisons there remain: {_listed(firm)}."
    )


def tuning(tried: Sequence[Record], baseline: str) -> pd.DataFrame:
    """Split each validated effect into the change's and its rate's part.

    Of arms "name, rate r", each rate once: what an arm gains on the baseline
    at the baseline's best rate, and what it gains by a rate of its own.
    """
    tables = _by_rate(tried)
    best = records.rates(tried)
    common = best[baseline]
    base = tables[baseline][common]
    rows = []
    for name, table in tables.items():
        if name == baseline:
            continue
        own = table[best[name]]
        same = table.get(common)
        rows.append(
            {
                "change": name,
                "its rate": f"{best[name]:g}",
                "effect, points": 100 * (own - base),
                f"at rate {common:g}": _points(same, base),
                "by its own rate": _points(own, same),
                "n": 1,
            }
        )
    return pd.DataFrame(rows)


def tuning_said(tried: Sequence[Record], baseline: str) -> str:
    """Say how much of the validated effects was only tuning."""
    table = tuning(tried, baseline)
    own = table["by its own rate"]
    known = table[own != "–"]
    if known.empty:
        return "No change was tried at the baseline's rate."
    gains = known["by its own rate"].astype(float)
    moved = int((known["its rate"] != _common(tried, baseline)).sum())
    sizes = known["effect, points"].abs()
    one = 100 / tried[0].data["sizes"]["validation"]
    return (
        f"Of {len(known)} changes that were tried at the baseline's rate, "
        f"{moved} chose another. On average a rate of its own gave a change "
        f"{gains.mean():.1f} points of validation accuracy, and at most "
        f"{gains.max():.1f}, where the effects themselves have a mean "
        f"size of {sizes.mean():.1f}. One picture is {one:.1f} points, and "
        "each number here is of one run."
    )


def metrics(groups: Groups) -> pd.DataFrame:
    """Set the other scores of the test split beside accuracy, in per cent."""
    return pd.DataFrame(
        [
            {"arm": name, "accuracy": with_range(accuracy(runs))}
            | {
                score: with_range(share(records.scores(runs, score)))
                for score in SCORES
                if score in runs[0].scores
            }
            | {"n": len(runs)}
            for name, runs in groups.items()
        ]
    )


def chosen(runs: Sequence[Record], baseline: str) -> str:
    """Name the change that validation prefers."""
    return records.best([run for run in runs if run.variant != baseline])


def beside(runs: Sequence[Record], base: Sequence[Record]) -> str:
    """Say what an arm's accuracy is beside a baseline's."""
    return (
        f"*{runs[0].variant}*: {show.percent(accuracy(runs))}; "
        f"*{base[0].variant}*: {show.percent(accuracy(base))}. The difference "
        f"is {show.points(difference(runs, base))}."
    )


def penalised() -> pd.DataFrame:
    """Set right penalties beside report R3's, on a network of three layers.

    One row a layer: its weights, and the gradient that each form gives them.
    """
    network = nn.Sequential(*(nn.Linear(2, 1, bias=False) for _ in range(3)))
    values = torch.tensor([[1.0, -2.0], [3.0, -0.5], [-4.0, 0.25]])
    with torch.no_grad():
        for layer, row in zip(network.parameters(), values, strict=True):
            layer.copy_(row[None])
    forms = {
        "L1": penalties.penalty(network),
        "R3's L1": penalties.running_sum(network),
        "L∞": penalties.penalty(network, torch.inf),
        "R3's L∞": penalties.sum_of_maxima(network),
    }
    weights = list(network.parameters())
    columns = {
        f"{name} pulls": [
            _row(pull) for pull in torch.autograd.grad(value, weights)
        ]
        for name, value in forms.items()
    }
    sums = {name: f"{value.item():g}" for name, value in forms.items()}
    table = pd.DataFrame(
        {
            "layer": ["first", "second", "third"],
            "weights": [_row(layer) for layer in weights],
            **columns,
        }
    )
    last = {f"{name} pulls": value for name, value in sums.items()}
    whole = pd.DataFrame([{"layer": "penalty", "weights": "", **last}])
    return pd.concat([table, whole], ignore_index=True)


def _differences(
    runs: Sequence[Record], baseline: str
) -> dict[str, stats.Paired]:
    groups = records.grouped(runs)
    return {
        name: difference(some, groups[baseline])
        for name, some in groups.items()
        if name != baseline
    }


def _by_rate(tried: Sequence[Record]) -> dict[str, dict[float, float]]:
    """Average validation accuracy by arm and rate."""
    found: dict[str, dict[float, float]] = {}
    for variant, runs in records.grouped(tried).items():
        name, _, rate = variant.rpartition(", rate ")
        mean = float(np.mean([records.validation(run) for run in runs]))
        found.setdefault(name, {})[float(rate)] = mean
    return found


def _common(tried: Sequence[Record], baseline: str) -> str:
    return f"{records.rates(tried)[baseline]:g}"


def _points(value: float | None, base: float | None) -> str:
    if value is None or base is None:
        return "–"
    return f"{100 * (value - base):+.1f}"


def _row(values: torch.Tensor) -> str:
    numbers = values.flatten().tolist()
    return ", ".join(f"{number + 0.0:g}" for number in numbers)  # no −0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"*{name}*" for name in names) or "none"
