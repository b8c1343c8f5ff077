"""One pool of workers on this machine, a process a run.

So a crash, a full memory or a kill ends one run alone.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from coursework import identity
from coursework.experiment import Run, execute
from coursework.progress import Progress
from coursework.trial import Epoch

# What these modules import at first use, in seconds that each worker would
# pay again; the fork server pays them once.
LATE_IMPORTS = {
    "coursework.training": "torch._dynamo",
    "coursework.stacked": "torch._dynamo",
    "coursework.data.digits": "sklearn.datasets",
    "coursework.data.moons": "sklearn.datasets",
}


@dataclass
class Report:
    """What became of a batch: failures by run, and what time did not allow."""

    failed: dict[Run, str] = field(default_factory=dict)
    left: list[Run] = field(default_factory=list)


@dataclass
class _Worker:
    run: Run
    process: BaseProcess
    started: float


def run_all(
    missing: Sequence[Run], jobs: int, deadline: float | None = None
) -> Report:
    """Do runs side by side; each stores its own record.

    ``deadline`` is in seconds of ``time.monotonic``: no run is started that,
    going by its variant's runs so far, would end after it.
    """
    report, waiting = Report(), deque(missing)
    longest: dict[tuple[str, str], float] = {}
    workers: dict[Connection, _Worker] = {}
    context = _context(missing, jobs)
    with Progress(len(missing)) as progress:
        try:
            while waiting or workers:
                while waiting and len(workers) < jobs:
                    run = waiting.popleft()
                    guess = longest.get((run.grid, run.variant), 0.0)
                    ends = time.monotonic() + guess
                    if deadline is not None and ends > deadline:
                        report.left.append(run)
                        continue
                    pipe, worker = _start(context, run)
                    workers[pipe] = worker
                ready = wait(list(workers)) if workers else []
                for pipe in [p for p in workers if p in ready]:
                    worker = workers[pipe]
                    ended = _listen(pipe, worker, progress, report)
                    if ended:
                        del workers[pipe]
                        name = (worker.run.grid, worker.run.variant)
                        took = time.monotonic() - worker.started
                        longest[name] = max(longest.get(name, 0.0), took)
        finally:
            for worker in workers.values():
                worker.process.terminate()
    return report


def _context(runs: Iterable[Run], jobs: int) -> Any:
    """Share the cores among the workers; import what they need only once.

    The variables reach the workers because the fork server starts after.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    # glibc would hand each large map back to the system and fault it in again
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**33))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**34))
    context = multiprocessing.get_context("forkserver")
    modules = identity.modules([run.spec for run in runs])
    late = {LATE_IMPORTS[name] for name in modules & set(LATE_IMPORTS)}
    context.set_forkserver_preload(
        ["coursework.experiment", *sorted(modules | late)]
    )
    return context


def _start(context: Any, run: Run) -> tuple[Connection, _Worker]:
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(run, theirs))
    process.start()
    theirs.close()  # so that the end of the worker is the end of the pipe
    return ours, _Worker(run, process, time.monotonic())


def _work(run: Run, pipe: Connection) -> None:
    """Do one run in this process and tell the parent how it goes."""

    def tell(_: Run, epoch: Epoch) -> None:
        pipe.send(epoch)

    try:
        execute(run, on_epoch=tell)
        pipe.send("done")
    except BrokenPipeError:
        sys.exit("nobody waits for this run any more")  # the parent is gone
    except Exception:
        pipe.send(("failed", traceback.format_exc()))


def _listen(
    pipe: Connection, worker: _Worker, progress: Progress, report: Report
) -> bool:
    """Take one message; tell whether the worker has ended."""
    try:
        message = pipe.recv()
    except EOFError:
        worker.process.join()
        report.failed[worker.run] = (
            f"its process ended with status {worker.process.exitcode} "
            "(-9: killed, often for want of memory); run the command again "
            "to go on, with fewer --jobs if memory is short"
        )
        return True
    if isinstance(message, Epoch):
        progress.epoch(worker.run, message)
        return False
    if message == "done":
        progress.done(worker.run)
    else:
        report.failed[worker.run] = message[1]
    worker.process.join()
    return True
