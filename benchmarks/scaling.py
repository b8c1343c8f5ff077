"""Measure what it takes two processes to train as one does.

``python -m benchmarks.scaling`` passes over random pictures of 28 pixels with
the package's own training, in one process and in two that share each batch
(``coursework.ranks``, gloo), one thread each, in turns.  Shown is the
efficiency: the time of one process over twice that of two, and, beside it, its
CPU time over that of the two together, which is what the first could come to
on cores that have nothing else to do.  1 is the ideal.  LeNet works long on few
weights; the wide network does little with many, which all have to be sent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import distributed, nn

from benchmarks import bubble, turns
from coursework.data.augment import View
from coursework.models.lenet import LeNet
from coursework.optimisation import Stepper
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from coursework.training import Training

STEPS = 8


def wide() -> nn.Module:
    """Build a network of many weights and little work."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 1000), nn.ReLU(), nn.Linear(1000, 10)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {"LeNet": LeNet, "wide": wide}
SIZES = (64, 256, 1024)
Found = list[tuple[str, int, dict[str, list[float]]]]


def measure(rounds: int) -> Iterator[turns.Row]:
    """Measure each network and batch size; two rows each."""
    for network, size, ratios in bubble.in_ranks("scaling", rounds):
        for clock, found in ratios.items():
            yield turns.summary(clock, found, network=network, batch=size)


def rank(rounds: int) -> Found:
    """Measure in one of the processes."""
    return [
        (name, size, efficiency(build, size, rounds))
        for name, build in NETWORKS.items()
        for size in SIZES
    ]


def efficiency(
    build: Callable[[], nn.Module], size: int, rounds: int
) -> dict[str, list[float]]:
    """Let one process and two take turns; return ratios of their times."""
    alone, shared = epoch(build, size, alone=True), epoch(build, size)
    found: dict[str, list[float]] = {"by the clock": [], "by CPU time": []}
    for round_ in range(-1, rounds):  # the first round only warms up
        wall, used = taken(alone if distributed.get_rank() == 0 else None)
        wall_of_two, used_by_two = taken(shared)
        if round_ >= 0:
            found["by the clock"].append(wall / 2 / wall_of_two)
            found["by CPU time"].append(used / used_by_two)
    return found


def epoch(
    build: Callable[[], nn.Module], size: int, *, alone: bool = False
) -> turns.Contestant:
    """Prepare a pass over a few batches, by this process alone or by all."""
    recipe = Recipe(epochs=1000, batch_size=size, learning_rate=0.01)
    training = Training(build(), recipe, View(), seed=0)
    if alone:
        training.stepper = Stepper(training.network, recipe, "float32")
    drawn = torch.Generator().manual_seed(0)
    shape = (STEPS * size, 1, 28, 28)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=drawn)
    targets = torch.randint(10, (STEPS * size,), generator=drawn)
    return partial(training.epoch, pixels, targets, SingleLabel())


def taken(steps: turns.Contestant | None) -> tuple[float, float]:
    """Return the seconds until all are done, and those of CPU time in all."""
    distributed.barrier()
    started, used = time.perf_counter(), time.process_time()
    if steps is not None:
        steps()
    mine = torch.tensor(time.process_time() - used, dtype=torch.float64)
    distributed.all_reduce(mine)
    return time.perf_counter() - started, float(mine)


if __name__ == "__main__":
    if "LOCAL_RANK" in os.environ:
        torch.set_num_threads(1)
        bubble.as_rank(rank)
    else:
        turns.run("scaling", measure, rounds=9)
