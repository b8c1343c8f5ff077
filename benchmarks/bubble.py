"""Measure how long the stages of a pipeline wait, beside the formula.

``python -m benchmarks.bubble`` puts a batch through two stages in one, two,
four, eight and sixteen micro-batches (``coursework.pipelining``).  Shown is the
share of a step in which a stage does nothing: 0 is the ideal, 0.5 what two
devices cost that take turns.  A stage's work is a wait of a fixed time for
each row, forwards and again backwards, as of a device of its own; so other
work on this machine counts little, and what is measured is the schedule.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from benchmarks import turns
from coursework import distributed as ranks
from coursework.pipelining import Pipeline, bubble

STAGES, ROWS, SECONDS = 2, 16, 0.03  # a row's time, in each direction


class Wait(torch.autograd.Function):
    """Takes its time for a row, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        """Wait, and change nothing."""
        time.sleep(SECONDS * len(rows))
        return rows.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Wait as long again."""
        time.sleep(SECONDS * len(gradients[0]))
        return gradients[0]


class Paced(nn.Linear):
    """A layer whose work takes a known time."""

    def forward(self, rows: Tensor) -> Tensor:
        """Apply the layer."""
        worked = super().forward(rows)
        waited: Tensor = Wait.apply(worked)  # type: ignore[no-untyped-call]
        return waited


def waiting(micro_batches: int, rounds: int) -> list[float]:
    """Return the share of each round's step that this rank has waited."""
    network = nn.Sequential(*(Paced(1, 1) for _ in range(STAGES)))
    stages = [slice(number, number + 1) for number in range(STAGES)]
    step = Pipeline(network, stages, micro_batches, nn.functional.mse_loss)
    batch = torch.ones(ROWS, 1)
    found = []
    for _ in range(rounds + 1):  # the first round only warms up
        distributed.barrier()
        started = time.perf_counter()
        step(batch, batch)
        distributed.barrier()  # a step is over when all stages are done
        taken = time.perf_counter() - started
        found.append(1 - 2 * SECONDS * ROWS / taken)
    return found[1:]


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure each number of micro-batches; two rows each."""
    for count, shares in in_ranks("bubble", rounds).items():
        setting = {"stages": STAGES, "micro-batches": int(count)}
        expected = [bubble(STAGES, int(count))] * len(shares)
        yield turns.summary("waiting, measured", shares, **setting)
        yield turns.summary("(p − 1) / (m + p − 1)", expected, **setting)


def in_ranks(name: str, rounds: int) -> Any:
    """Run a benchmark's ``rank`` in two processes; return what it finds."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "found.json"
        line = [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node=2", "-m", f"benchmarks.{name}"),
            *(str(rounds), str(file)),
        ]
        environment = ranks.environment(2) | {"OMP_NUM_THREADS": "1"}
        subprocess.run(line, check=True, env=environment)
        return json.loads(file.read_text())


def rank(rounds: int) -> dict[int, list[float]]:
    """Measure in one of the processes."""
    return {count: waiting(count, rounds) for count in (1, 2, 4, 8, 16)}


def as_rank(rank: Any) -> None:
    """Be one of the processes; the last one, where steps end, reports."""
    rounds, file = sys.argv[1:]
    distributed.init_process_group("gloo")
    found = rank(int(rounds))
    if distributed.get_rank() == distributed.get_world_size() - 1:
        Path(file).write_text(json.dumps(found))
    distributed.destroy_process_group()


if __name__ == "__main__":
    if "LOCAL_RANK" in os.environ:
        as_rank(rank)
    else:
        turns.run("bubble", measure, rounds=5)
