"""Runs on a SLURM cluster, as arrays of jobs that submitit sends.

What submitit does not do: it sends a run again whose process was killed or
whose node was lost, and knows a run as done by its record, not by its job's
state, which without accounting is wrong for minutes.
"""

from __future__ import annotations

import getpass
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coursework import paths, stopping
from coursework.experiment import Run
from coursework.launch import journal
from coursework.launch.pool import ATTEMPTS, Report
from coursework.launch.workers import THREADS
from coursework.progress import Progress

POLL = 2.0  # seconds between two looks at the queue
# Sums must come out the same on whatever node: one thread a core asked for.
SETUP = [f"export {name}=${{SLURM_CPUS_PER_TASK:-1}}" for name in THREADS]
# How often a job may come to its time limit and go on in another.
TIMEOUTS = 20
MINUTES = 60  # of a job, unless told otherwise


class Work:
    """What a job does; submitit keeps it in a file beside its output."""

    def __call__(self, run: Run) -> None:
        """Do a run; pre-empted or out of time, keep its state and requeue.

        submitit's own handler requeues at once, from within a training step.
        """
        requeue = signal.getsignal(signal.SIGUSR2)
        try:
            journal.attempt(run)
        except stopping.Stopped:
            # A job that somebody cancels is asked to stop, too.
            state = (queue() or {}).get(journal.job() or "")
            if state == "RUNNING" and callable(requeue):
                requeue(signal.SIGUSR2, None)
            raise

    def checkpoint(self, run: Run) -> Any:
        """Say how the job goes on: with the same run, from its state."""
        from submitit.helpers import DelayedSubmission  # noqa: PLC0415

        return DelayedSubmission(self, run)


def settings(pairs: Sequence[str]) -> dict[str, int | str]:
    """Read options of sbatch, written KEY=VALUE; ValueError for others."""
    found: dict[str, int | str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or (key == "time" and not value.isdigit()):
            raise ValueError(
                f"--slurm {pair!r}: accepted is KEY=VALUE, e.g. partition=gpu "
                "mem=16GB time=240 (whole minutes)"
            )
        name = key.removeprefix("--").replace("-", "_")
        found[name] = int(value) if value.isdigit() else value
    return found


def run_all(
    missing: Sequence[Run],
    deadline: float | None,
    options: Mapping[str, Any],
) -> Report:
    """Send runs in one array and wait for their records.

    ``options`` are sbatch's, with underscores, e.g. partition, time
    (minutes), gpus_per_node, cpus_per_task, mem, account, and submitit's
    array_parallelism.  Runs that are queued already are not sent again.  A run
    whose job is gone and left no record is, up to ``ATTEMPTS`` times in all.
    At the ``deadline``, in seconds of ``time.monotonic``, or asked to stop,
    leave the jobs to themselves: the same command finds them again.

    Raises RuntimeError where submitit or SLURM is missing, ValueError for a
    setting that neither knows.
    """
    executor, report, here = _executor(options), Report(), queue() or {}
    jobs = {run: job for run in missing if (job := queued(run)) in here}
    jobs |= _submit(executor, [run for run in missing if run not in jobs])
    tries = dict.fromkeys(missing, 1)
    with stopping.noted(), Progress(len(missing)) as progress:
        while jobs and not stopping.asked() and not _past(deadline):
            time.sleep(POLL)
            lost = []
            for run, what in _ended(jobs, queue()):
                job = jobs.pop(run)
                if what == "done":
                    progress.done(run)
                elif what == "lost" and tries[run] < ATTEMPTS:
                    journal.note(run, "killed", job=job)
                    tries[run] += 1
                    lost.append(run)
                else:
                    report.failed[run] = _reason(run, job)
            jobs |= _submit(executor, lost)
    report.left += jobs
    return report


def _ended(
    jobs: Mapping[Run, str], here: Mapping[str, str] | None
) -> list[tuple[Run, str]]:
    """List the runs that are done, failed or lost, by what they noted.

    The queue is read before the notes: who leaves it in between is not lost.
    """
    found = []
    for run, job in jobs.items():
        said = _outcome(run, job)
        if said is None and here is not None and job not in here:
            said = "lost"
        if said:
            found.append((run, said))
    return found


def _outcome(run: Run, job: str) -> str | None:
    said = [ln["what"] for ln in journal.lines(run) if ln["job"] == job]
    return next((w for w in said if w in ("done", "failed")), None)


def _reason(run: Run, job: str) -> str:
    """Say why a run is given up, for people and for the journal."""
    for line in journal.lines(run):
        if line["what"] == "failed" and line["job"] == job:
            return str(line["why"])
    why = (
        f"{ATTEMPTS} jobs ended without a record, last job {job}; what it "
        f"said lies in {_folder()}. Killed for want of memory or time? Give "
        "more: --slurm mem=16GB time=240"
    )
    journal.note(run, "failed", why=why, job=job)
    return why


def queue() -> dict[str, str] | None:
    """Return this user's jobs and their states; None if SLURM is silent."""
    command = ["squeue", "--noheader", "--array", "--format=%i %T"]
    try:
        text = subprocess.run(
            [*command, f"--user={getpass.getuser()}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return {job: state for job, state in map(str.split, text.splitlines())}


def queued(run: Run) -> str:
    """Name the job that a run was last sent in."""
    jobs = [ln["job"] for ln in journal.lines(run) if ln["what"] == "queued"]
    return str(jobs[-1]) if jobs else ""


def _executor(options: Mapping[str, Any]) -> Any:
    try:
        import submitit  # noqa: PLC0415
    except ImportError:
        raise RuntimeError(
            "--launcher slurm needs submitit: pip install 'coursework[slurm]'"
        ) from None
    executor = submitit.SlurmExecutor(_folder(), max_num_timeout=TIMEOUTS)
    executor.update_parameters(
        **{
            "job_name": "coursework",
            "time": MINUTES,
            "setup": SETUP,
            "additional_parameters": {"requeue": True},
            **options,
        }
    )
    return executor


def _submit(executor: Any, runs: Sequence[Run]) -> dict[Run, str]:
    jobs = executor.map_array(Work(), runs) if runs else []
    sent = {r: str(job.job_id) for r, job in zip(runs, jobs, strict=True)}
    for run, job in sent.items():
        journal.note(run, "queued", job=job)
    return sent


def _folder() -> Path:
    return paths.runs() / ".slurm"


def _past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() > deadline
