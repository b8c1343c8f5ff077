"""Who does the runs that are missing: this machine, a part of it all, SLURM.

A run is claimed by a lock, resumed from its checkpoint and finished by a
record that is written whole.  So a launcher may start it twice and lose
nothing; each of them takes the same runs and gives the same report.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from coursework.experiment import Run
from coursework.launch import budget, pool, slurm, workers
from coursework.launch.pool import Report
from coursework.launch.shards import Shard

Name = Literal["local", "slurm", "shard"]
# Of runs, how many side by side at most (None: as many as there is room for)
# and when to end, in seconds of time.monotonic (None: when all is done).
Launcher = Callable[[Sequence[Run], int | None, float | None], Report]


def local(
    missing: Sequence[Run], jobs: int | None, deadline: float | None
) -> Report:
    """Do runs on this machine; with a deadline, the most wanted first.

    One at a time on each GPU where there are several, else one on each core.
    """
    guesses: dict[str, float] = {}
    if deadline is not None:
        costs = budget.Costs.known()
        missing, guesses = budget.order(missing, costs), costs.table(missing)
    return pool.run_all(missing, jobs or room(), deadline, guesses)


def room() -> int:
    """Return how many runs this machine does side by side."""
    found = len(workers.gpus())
    return found if found > 1 else os.cpu_count() or 1


def part(
    missing: Sequence[Run],
    jobs: int | None,
    deadline: float | None,
    *,
    shard: Shard,
) -> Report:
    """Do the runs of one part here; the others are elsewhere.

    A run that another process is at is waited for, and not done again.
    """
    mine, others = shard.split(missing)
    report = local(mine, jobs, deadline) if mine else Report()
    report.elsewhere += others
    return report


def cluster(
    missing: Sequence[Run],
    jobs: int | None,
    deadline: float | None,
    *,
    settings: Mapping[str, Any],
) -> Report:
    """Send runs to SLURM and wait for them, see :func:`slurm.run_all`."""
    if jobs is not None:
        settings = {"array_parallelism": jobs, **settings}
    return slurm.run_all(missing, deadline, settings)


def chosen(
    name: Name | None, shard: str | None, cluster_options: Sequence[str]
) -> Launcher:
    """Return the launcher that options ask for, by default this machine.

    ValueError for options that don't go together.
    """
    settings = slurm.settings(cluster_options)
    name = name or ("shard" if shard else "slurm" if settings else "local")
    if (name == "shard") != (shard is not None):
        raise ValueError(
            f"--launcher {name} with --shard {shard}; accepted is --launcher "
            "shard with --shard i/n, e.g. 0/8 to 7/8 on eight machines"
        )
    if settings and name != "slurm":
        raise ValueError(
            f"--slurm {' '.join(settings)} with --launcher {name}; settings "
            "of SLURM are accepted with --launcher slurm"
        )
    if shard is not None:
        return partial(part, shard=Shard.parse(shard))
    return partial(cluster, settings=settings) if name == "slurm" else local
