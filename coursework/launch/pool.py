"""One pool of workers on this machine, a process a run.

So a crash, a full memory or a kill ends one run alone.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from statistics import median

from coursework import devices, stopping
from coursework.experiment import Run
from coursework.launch import journal, workers
from coursework.progress import Progress
from coursework.trial import Epoch

# of a run whose process was killed or lost its GPU, and losses in a row after
# which a GPU is left alone; any other error would repeat itself
ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; twice as long each time after
GRACE = 10.0  # seconds before the deadline, for workers to keep their state
TICK = 0.2  # seconds between two looks at the clock


@dataclass
class Report:
    """What became of a batch: failures by run, and what is left to do.

    ``elsewhere`` are runs that others are to do, who share the plan.
    """

    failed: dict[Run, str] = field(default_factory=dict)
    left: list[Run] = field(default_factory=list)
    elsewhere: list[Run] = field(default_factory=list)


@dataclass
class _Task:
    run: Run
    attempt: int = 1
    not_before: float = 0.0


@dataclass
class _Worker:
    task: _Task
    process: BaseProcess
    started: float
    device: str | None
    asked: bool = False  # to stop


def run_all(
    missing: Sequence[Run],
    jobs: int,
    deadline: float | None = None,
    guesses: Mapping[str, float] | None = None,
) -> Report:
    """Do runs side by side; each stores its own record.

    ``deadline`` is in seconds of ``time.monotonic``.  No run is started that
    would end after it, going by its variant's runs so far or by ``guesses``
    (seconds by run name), unless it would fit into no such batch.  What is
    under way ``GRACE`` seconds before is asked to keep what it has; so is all
    when this process is asked to stop.  Runs not done are left.
    """
    pool = _Pool(missing, jobs, deadline, guesses or {})
    with stopping.noted(), Progress(len(missing)) as progress:
        try:
            while pool.tasks or pool.workers:
                pool.fill()
                pool.hear(progress)
                pool.hurry()
        finally:
            for worker in pool.workers.values():
                worker.process.terminate()
    return pool.report


class _Pool:
    """The tasks, the workers that are at some of them, and the report."""

    def __init__(
        self,
        missing: Sequence[Run],
        jobs: int,
        deadline: float | None,
        guesses: Mapping[str, float],
    ) -> None:
        self.jobs, self.deadline, self.guesses = jobs, deadline, guesses
        self.began = time.monotonic()
        self.tasks = list(map(_Task, missing))
        self.workers: dict[Connection, _Worker] = {}
        self.took: dict[tuple[str, str], float] = {}
        self.paces: list[float] = []  # times that runs took, in their guesses
        self.report = Report()
        self.context = workers.context(missing, jobs)
        found = workers.gpus()
        self.devices = found if len(found) > 1 else []
        self.losses = Counter[str | None]()  # by GPU, since it last did a run
        self.settings = dict[str, str]()  # of the workers' environment

    def fill(self) -> None:
        """Start what is to be started now, and sort out what is too late."""
        for task in list(self.tasks):
            if len(self.workers) >= self.jobs:
                return
            if stopping.asked() or self._late(task.run):
                self.tasks.remove(task)
                self.report.left.append(task.run)
            elif task.not_before <= time.monotonic():
                self.tasks.remove(task)
                self._start(task)

    def _late(self, run: Run) -> bool:
        if self.deadline is None:
            return False
        end, now = self.deadline - GRACE, time.monotonic()
        guess = self.guesses.get(run.name, 0.0) * median(self.paces or [1.0])
        guess = self.took.get((run.grid, run.variant), guess)
        fits = now + guess <= end
        return now >= end or (not fits and self.began + guess <= end)

    def _start(self, task: _Task) -> None:
        used = [worker.device for worker in self.workers.values()]
        device = min(
            self.devices,
            key=lambda gpu: (used.count(gpu), self.losses[gpu]),
            default=None,
        )
        if device is not None:
            self.settings["CUDA_VISIBLE_DEVICES"] = device
        ours, theirs = self.context.Pipe(duplex=False)
        process = self.context.Process(
            target=workers.work, args=(task.run, theirs, self.settings)
        )
        process.start()
        theirs.close()  # so that the end of the worker is the end of the pipe
        self.workers[ours] = _Worker(task, process, time.monotonic(), device)

    def hear(self, progress: Progress) -> None:
        """Wait for news, but not past what the clock asks for."""
        if not self.workers:
            time.sleep(TICK)
            return
        clock = self.deadline is not None or len(self.workers) < self.jobs
        for pipe in wait(list(self.workers), TICK if clock else None):
            assert isinstance(pipe, Connection)
            worker = self.workers[pipe]
            if self._listen(pipe, worker, progress):
                del self.workers[pipe]
                self._time(worker)

    def _time(self, worker: _Worker) -> None:
        run, took = worker.task.run, time.monotonic() - worker.started
        variant = (run.grid, run.variant)
        self.took[variant] = max(self.took.get(variant, 0.0), took)
        if self.guesses.get(run.name):
            self.paces.append(took / self.guesses[run.name])

    def hurry(self) -> None:
        """Ask the workers to stop before the deadline; end them at it."""
        if self.deadline is None:
            return
        left = self.deadline - time.monotonic()
        for worker in self.workers.values():
            if left <= GRACE and not worker.asked:
                worker.asked = True
                worker.process.terminate()
            if left <= 0:
                worker.process.kill()

    def _listen(
        self, pipe: Connection, worker: _Worker, progress: Progress
    ) -> bool:
        """Take one message; tell whether the worker has ended."""
        run = worker.task.run
        try:
            message = pipe.recv()
        except EOFError:
            message = None
        if isinstance(message, Epoch):
            progress.epoch(run, message)
            return False
        worker.process.join()
        if message == "done":
            self.losses[worker.device] = 0
            progress.done(run)
        elif message == "stopped" or stopping.asked() or worker.asked:
            self.report.left.append(run)
        elif message is None:
            self._killed(worker)
        elif message[0] == "lost":
            self._lost(worker, message[1])
        else:
            self.report.failed[run] = message[1]
        return True

    def _killed(self, worker: _Worker) -> None:
        task, status = worker.task, worker.process.exitcode
        journal.note(task.run, "killed", why=f"status {status}")
        why = (
            f"its process ended {ATTEMPTS} times, last with status {status} "
            "(-9: killed, often for want of memory); run the command again "
            "to go on, with fewer --jobs if memory is short"
        )
        if not self._again(task, why):
            journal.note(task.run, "failed", why=why)

    def _lost(self, worker: _Worker, why: str) -> None:
        """See that no run waits for a GPU that is gone, or does without one."""
        if devices.asked() == "auto":  # which would take the CPU
            self.settings[devices.VARIABLE] = "cuda"
        device = worker.device
        self.losses[device] += 1
        if (
            device is not None
            and self.losses[device] >= ATTEMPTS
            and len(self.devices) > 1
            and device in self.devices
        ):
            self.jobs -= self.jobs // len(self.devices)
            self.devices = [gpu for gpu in self.devices if gpu != device]
        self._again(worker.task, why)

    def _again(self, task: _Task, why: str) -> bool:
        """Try again after a while, a few times; then it has failed."""
        if task.attempt < ATTEMPTS:
            pause = PAUSE * 2 ** (task.attempt - 1)
            later = time.monotonic() + pause
            self.tasks.append(_Task(task.run, task.attempt + 1, later))
            return True
        self.report.failed[task.run] = why
        return False
