"""The chain of practical 7: factor after factor, each with the last winner.

Report R0 chose an activation, with it a gate, with both the pools, and so on.
Here a stage is a grid, and its winner comes of the records themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from coursework import records
from coursework.experiment import EVIDENCE
from coursework.recipe import named
from coursework.records import Record, grouped

T = TypeVar("T")

PRACTICAL, FACTORS = "07_triplet_ablations", "triplet-factors"
# The stages in their order, as report R0 names them on its command line.
STAGES: Mapping[str, str] = {
    "activation": "triplet-activation",
    "gate": "triplet-gate",
    "pool": "triplet-pool",
    "kernel": "triplet-kernel",
    "hybrid": "triplet-hybrid",
}
COMPARISONS: Mapping[str, str] = {
    "baseline": "triplet-attention",
    "factors": FACTORS,
}
# The grids whose winners decide what is trained, and the last that they do.
CHAIN = (*STAGES.values(), FACTORS, "triplet-chain")
# Report R0's numbers for its pools; the first is the paper's.
POOL_SETS: Mapping[str, tuple[str, ...]] = {
    "0": ("max", "avg"),
    "1": ("max", "avg", "median"),
    "2": ("l1", "max"),
    "3": ("l2", "max"),
}
# What a network puts out, by data set; the composed objects have at most the
# 20 classes of PASCAL VOC.
OUTPUTS: Mapping[str, int] = {
    "digits": 10,
    "objects": 20,
    "cifar10-jpeg": 10,
    "cifar10": 10,
    "cifar100": 100,
}


def winner(options: Mapping[str, T], runs: Sequence[Record]) -> T:
    """Take the option that validated best: it is carried on.

    Best is the highest mean over seeds of the last epoch's validation
    accuracy, and of equals the first declared.  Without any run, where a
    chain is only listed, it is the first.
    """
    return options[records.best(runs) if runs else next(iter(options))]


def one_by_one(
    baseline: str,
    factors: Mapping[str, Mapping[str, Any]],
    runs: Sequence[Record],
) -> dict[str, Any]:
    """Join the winners that factors have alone, each beside the baseline.

    ``factors`` maps an argument to its arms, each with the value it stands
    for; an argument that the baseline wins stays out.
    """
    arms, chosen = grouped(runs), dict[str, Any]()
    for argument, values in factors.items():
        tried = [r for arm in (baseline, *values) for r in arms.get(arm, ())]
        best = records.best(tried) if tried else baseline
        if best != baseline:
            chosen[argument] = values[best]
    return chosen


def pool_set_4(runs: Sequence[Record]) -> tuple[str, ...]:
    """Derive report R0's open set from the runs of the other sets.

    The best of l1, l2 and avg beside max, and the median if it helps.
    ``runs`` are of arms "pools l2, max" and the like; "Triplet" is set 0.
    """
    arms = grouped(runs)
    first = {"Triplet": "avg", "pools l1, max": "l1", "pools l2, max": "l2"}
    known = [run for arm in first for run in arms.get(arm, ())]
    lead = winner(first, known)
    median = "pools max, avg, median"
    both = [*arms.get("Triplet", ()), *arms.get(median, ())]
    more = ("median",) if both and records.best(both) == median else ()
    return (*(("max", "avg") if lead == "avg" else (lead, "max")), *more)


def pools(text: str) -> tuple[Any, ...]:
    """Read pools off "l2,max", or off report R0's number of a set.

    Raises LookupError for set 4 as long as the evidence that decides it is
    missing.
    """
    if text != "4":
        return POOL_SETS.get(text, tuple(text.split(",")))
    for profile in EVIDENCE:
        if runs := records.evidence(FACTORS, profile):
            return pool_set_4(runs)
    raise LookupError(
        f"pool set 4 is what the evidence of {FACTORS} says, and there is "
        f"none; `coursework run {PRACTICAL} --profile standard` and "
        f"`coursework record {PRACTICAL}` make it, sets 0 to 3 need none"
    )


def grids(task: str) -> tuple[str, ...]:
    """Name the grids that a task runs: a stage needs those before it.

    Raises ValueError for an unknown task, naming all.
    """
    grid = named({**STAGES, **COMPARISONS}, task, "task")
    stages = [*STAGES.values()]
    if grid not in stages:
        return (grid,)
    return tuple(stages[: stages.index(grid) + 1])


def shown(profile: str) -> str:
    """Say which profile's budget a page shows: that of the best evidence."""
    if profile != "evidence":
        return profile
    files = {p: records.evidence_file(CHAIN[0], p) for p in EVIDENCE}
    return next((p for p in EVIDENCE if files[p].exists()), EVIDENCE[-1])


def one_machine(found: Mapping[str, Sequence[Record]]) -> None:
    """Refuse a chain whose runs were made on different machines.

    Winners of one machine's runs decide what another's are of, and a few
    tenths of a point decide winners.  ``found`` maps grids to their records.
    """
    made: dict[str, list[Record]] = {}
    for run in (r for grid in CHAIN for r in found.get(grid, ())):
        where = ("device", "system", "torch")
        said = ", ".join(str(run.environment.get(name)) for name in where)
        made.setdefault(said, []).append(run)
    if len(made) > 1:
        told = "; ".join(
            f"{where}: {len(runs)} runs, such as {runs[0].grid} · "
            f"{runs[0].variant} · seed {runs[0].seed}"
            for where, runs in made.items()
        )
        raise ValueError(
            f"the runs of the chain {CHAIN} come from {len(made)} machines "
            f"({told}); a chain is promoted whole from one. Where it is to be "
            f"made, take away the others' files from the folder of runs and "
            f"the grids' evidence, then `coursework run {PRACTICAL}`"
        )
