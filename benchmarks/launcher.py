"""Count what a process a run costs over runs one after another.

``python -m benchmarks.launcher`` trains LeNet on scikit-learn's digits eight
times, by the local launcher with two workers and in one process, and counts
the CPU time of all processes from their start to their end, imports included.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from multiprocessing import forkserver

from benchmarks import turns
from coursework.experiment import Run, train

RUNS, WORKERS = 8, 2


def measure(rounds: int) -> Iterator[turns.Row]:
    """Compare the two ways; a row."""
    yield from turns.compare(
        partial(alone, "launcher"),
        {"one process": partial(alone, "one process")},
        rounds,
        clock=of_children,
        runs=RUNS,
    )


def alone(way: str) -> None:
    """Do the runs in a new process and an empty store."""
    code = f"from benchmarks import launcher; launcher.WAYS[{way!r}]()"
    with tempfile.TemporaryDirectory() as store:
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"COURSEWORK_RUNS": store, "OMP_NUM_THREADS": "1"},
        )


def of_children() -> float:
    """Return the CPU seconds of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cells() -> list[Run]:
    """Declare the runs."""
    from coursework import training  # noqa: PLC0415 - the parent needs none
    from coursework.data.digits import digits  # noqa: PLC0415
    from coursework.models.lenet import LeNet  # noqa: PLC0415
    from coursework.recipe import Recipe  # noqa: PLC0415
    from coursework.tasks import SingleLabel  # noqa: PLC0415

    trial = partial(
        training.fit,
        model=LeNet,
        data=digits,
        task=SingleLabel(),
        recipe=Recipe(epochs=20),
    )
    return [
        Run.of("launcher", "LeNet", "smoke", seed, trial)
        for seed in range(RUNS)
    ]


def by_launcher() -> None:
    """Use the pool, and wait for its server so that its time counts."""
    from coursework.launch import pool  # noqa: PLC0415

    pool.run_all(cells(), WORKERS)
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def one_after_another() -> None:
    """Do as a notebook does that is opened by itself."""
    train(cells())


WAYS: Mapping[str, Callable[[], None]] = {
    "launcher": by_launcher,
    "one process": one_after_another,
}

if __name__ == "__main__":
    turns.run("launcher", measure, rounds=5)
