"""What tuning a part of a network gives, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from coursework import records, show, stats
from coursework.records import Record

Groups = Mapping[str, Sequence[Record]]
MIB = 2**20


def costs(groups: Groups, *baselines: str) -> pd.DataFrame:
    """Set what each arm trains, keeps and takes beside what it reaches.

    Bytes are those that a step keeps for its backward pass, where
    ``step_memory.npz`` counted them; seconds are medians; the gap is the last
    validation loss less the last training loss, in nats.  Differences are
    paired over seeds; a baseline that did not run has no column.
    """
    rows = []
    for name, runs in groups.items():
        row = {
            "arm": name,
            "trained": _trained(runs[0]),
            "of all": runs[0].parameters,
            "kept, MiB a picture": _kept(runs[0]),
            "seconds": float(np.median([run.seconds for run in runs])),
            "gap, nats": float(np.mean([_gap(run) for run in runs])),
            "test accuracy, %": with_range(accuracy(runs)),
        }
        for base in baselines:
            if base in groups:
                other = difference(runs, groups[base])
                row[f"less {base}, points"] = (
                    "baseline" if name == base else with_range(other, "+")
                )
        rows.append(row | {"n": len(runs)})
    return pd.DataFrame(rows)


def difference(runs: Sequence[Record], base: Sequence[Record]) -> stats.Paired:
    """Compare test accuracies of two arms, seed by seed."""
    return stats.paired(*records.by_seed(runs, base, _scored))


def accuracy(runs: Sequence[Record]) -> stats.Interval:
    """Sum up the test accuracy of an arm's runs."""
    return share(records.scores(runs))


def share(values: Sequence[float]) -> stats.Interval:
    """Sum up shares; Student's interval does not know that they are."""
    seen = stats.t_interval(values)
    low, high = max(seen.low, 0.0), min(seen.high, 1.0)
    return seen if seen.n < 2 else replace(seen, low=low, high=high)


def with_range(seen: stats.Interval, sign: str = "") -> str:
    """Write a share in per cent with its interval, where there is one."""
    mean, low, high = (
        f"{100 * value:{sign}.1f}" for value in (seen.mean, seen.low, seen.high)
    )
    return mean if seen.n < 2 else f"{mean} ({low} to {high})"


def against(groups: Groups, baseline: str) -> str:
    """Say how far each arm's accuracy lies from a baseline's."""
    told = [
        f"*{name}* {show.points(difference(runs, groups[baseline]))}"
        for name, runs in groups.items()
        if name != baseline
    ]
    return (
        f"*{baseline}* reaches {show.percent(accuracy(groups[baseline]))}. "
        f"Differences to it: {'; '.join(told)}."
    )


def trained_and_kept(groups: Groups) -> str:
    """Say which share of its weights an arm trains, and what a step keeps."""
    told = [
        f"*{name}* trains {100 * _trained(one) / one.parameters:.1f} % and "
        f"keeps {_kept(one)} MiB a picture"
        for name, (one, *_) in groups.items()
    ]
    return f"Of all weights {'; '.join(told)}."


def rates(tried: Sequence[Record]) -> pd.DataFrame:
    """List validation accuracies, in per cent, of arms "name, rate r"."""
    rows: dict[str, dict[str, Any]] = {}
    for variant, runs in records.grouped(tried).items():
        arm, _, rate = variant.rpartition(", rate ")
        score = np.mean([records.validation(run) for run in runs])
        row = rows.setdefault(arm, {"arm": arm})
        row[f"rate {float(rate):g}"] = 100 * float(score)
    for arm, best in records.rates(tried).items():
        rows[arm]["chosen"] = f"{best:g}"
    return pd.DataFrame(list(rows.values()))


def at_the_edge(tried: Sequence[Record]) -> str:
    """Say which arms chose the highest rate that was tried."""
    best = records.rates(tried)
    ladder = {float(run.variant.rpartition(" ")[2]) for run in tried}
    edge = [name for name, rate in best.items() if rate == max(ladder)]
    return (
        f"Of {len(best)} arms {len(edge)} chose the highest of "
        f"{len(ladder)} rates ({', '.join(edge) or 'none'})."
    )


def agreement(runs: Sequence[Record], base: Sequence[Record]) -> str:
    """Say how far two arms' accuracies, and their answers, are the same."""
    same = [
        np.mean(records.unpack(a) == records.unpack(b))
        for a, b in zip(*map(_answers, (runs, base)), strict=True)
    ]
    return (
        f"*{runs[0].variant}* less *{base[0].variant}*: "
        f"{show.points(difference(runs, base))}; seed by seed, both give the "
        f"same answer to at least {100 * min(same):.2f} % of the test pictures."
    )


def blank_maps(groups: Groups) -> str:
    """Say how many maps of ``looks.npz`` have nothing on the object."""
    told = []
    for name, runs in groups.items():
        seen = [run.arrays("looks.npz")["mass"][0] == 0 for run in runs]
        blank = share([float(one.mean()) for one in seen])
        told.append(f"*{name}* {with_range(blank)} %")
    return f"Maps with nothing on the object: {'; '.join(told)}."


def _scored(run: Record) -> float:
    return run.scores["accuracy"]


def _answers(runs: Sequence[Record]) -> list[str]:
    ordered = sorted(runs, key=lambda run: run.seed)
    return [run.predictions or "" for run in ordered]


def _trained(run: Record) -> int:
    trained: int = run.notes.get("trained parameters", run.parameters)
    return trained


def _kept(run: Record) -> str:
    if "step_memory.npz" not in run.artefacts:
        return "–"
    return f"{float(run.arrays('step_memory.npz')['kept']) / MIB:.2f}"


def _gap(run: Record) -> float:
    last = run.history[-1]
    return float(last["validation_loss"] - last["train_loss"])
