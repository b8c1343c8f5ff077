"""Let peers take turns with ours; a row says how many times longer each took.

All is measured on one thread, in CPU time of the process unless a benchmark
brings another clock, so that other work on the machine and waiting count for
nobody.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

import torch

from benchmarks import store

Contestant = Callable[[], object]
Clock = Callable[[], float]
Row = dict[str, Any]


def run(
    name: str, measure: Callable[[int], Iterable[Row]], rounds: int
) -> None:
    """Measure with one thread, print each row, store the table."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}")
    parser.add_argument("--rounds", type=int, default=rounds)
    chosen = parser.parse_args().rounds
    torch.set_num_threads(1)
    rows = []
    for row in measure(chosen):
        print(row, flush=True)
        rows.append(row)
    store(name, rows)


def compare(
    ours: Contestant,
    peers: Mapping[str, Contestant],
    rounds: int,
    clock: Clock | None = None,
    **setting: Any,
) -> list[Row]:
    """Measure each peer beside ours in every round; a row a peer."""
    ratios: dict[str, list[float]] = {name: [] for name in peers}
    for round_ in range(-1, rounds):  # the first round only warms up
        unit = seconds(ours, clock)
        for name, steps in peers.items():
            ratio = seconds(steps, clock) / unit
            if round_ >= 0:
                ratios[name].append(ratio)
    return [summary(name, found, **setting) for name, found in ratios.items()]


def seconds(steps: Contestant, clock: Clock | None = None) -> float:
    """Return the time of a call, by default its CPU time."""
    now = clock or time.process_time
    started = now()
    steps()
    return now() - started


def summary(peer: str, ratios: Sequence[float], **setting: Any) -> Row:
    """Sum up a peer's time in units of ours: median and middle half."""
    found = sorted(ratios)
    return {
        "peer": peer,
        **setting,
        "ratio": median(found),
        "low": found[len(found) // 4],
        "high": found[-1 - len(found) // 4],
        "n": len(found),
    }
