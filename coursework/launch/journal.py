"""What happened to a run on its way: attempts, where they ran, why they ended.

A record says only how a run ended well.  Beside it lies a line for each thing
that happened before, written by whoever did it, on whatever machine: that is
how a launcher learns of a failure and ``coursework status`` of its reason.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from coursework import paths, stopping
from coursework.experiment import OnEpoch, Run, execute

What = Literal["queued", "started", "stopped", "killed", "failed", "done"]
Line = dict[str, Any]


def attempt(run: Run, on_epoch: OnEpoch | None = None) -> None:
    """Do a run as :func:`experiment.execute` does and note how it goes.

    The note is made under a lock of its own, so that the last one who
    started is the one who is at it.
    """
    with FileLock(_lock(run)):
        note(run, "started")
        try:
            execute(run, on_epoch=on_epoch)
        except (BrokenPipeError, stopping.Stopped):
            note(run, "stopped")  # by whoever waited for it: no fault of its
            raise
        except Exception:
            note(run, "failed", why=traceback.format_exc())
            raise
        note(run, "done")


def note(run: Run, what: What, **details: Any) -> None:
    """Add a line on a run; it says when and where."""
    line = {
        "what": what,
        "at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "pid": os.getpid(),
        "job": job(),
        **details,
    }
    path = _file(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write((json.dumps(line) + "\n").encode())


def job() -> str | None:
    """Name the job of SLURM that this process is, as its queue does."""
    here = os.environ
    if "SLURM_ARRAY_TASK_ID" in here:
        return f"{here['SLURM_ARRAY_JOB_ID']}_{here['SLURM_ARRAY_TASK_ID']}"
    return here.get("SLURM_JOB_ID")


def lines(run: Run) -> list[Line]:
    """Read what was noted on a run; what is not whole is left out."""
    return list(_whole(_file(run)))


def last(run: Run) -> Line:
    """Return the latest line on a run; without any, an empty one."""
    return next(reversed(lines(run)), {})


def attempts(run: Run) -> int:
    """Count how often a run was started."""
    return sum(line["what"] == "started" for line in lines(run))


def under_way(run: Run) -> bool:
    """Tell whether some process is at a run, noted here or not."""
    other = paths.runs() / ".locks" / f"{run.name}.lock"
    return any(map(_held, (_lock(run), other)))


def _held(lock: Path) -> bool:
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _whole(path: Path) -> Iterator[Line]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue  # its writer was killed


def _file(run: Run) -> Path:
    return paths.runs() / ".journal" / f"{run.name}.jsonl"


def _lock(run: Run) -> Path:
    path = _file(run).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
