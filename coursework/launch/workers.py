"""The worker's side of the pool: what it needs, and what it does."""

from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

from coursework import identity, stopping
from coursework.experiment import Run
from coursework.launch import journal
from coursework.trial import Epoch

# What these modules import at first use, in seconds that each worker would
# pay again; the fork server pays them once.
LATE_IMPORTS = {
    "coursework.training": "torch._dynamo",
    "coursework.stacked": "torch._dynamo",
    "coursework.models.pretrained": "coursework.models.timm_ready",
    "coursework.data.digits": "sklearn.datasets",
    "coursework.data.moons": "sklearn.datasets",
}
# What torch says when a GPU has gone, or is of no more use to this process.  A
# failed assertion is the run's own fault, a full memory is not an "error".
LOST = re.compile(r"(CUDA|HIP|cuDNN|NCCL) error(?!: device-side assert)")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@cache
def gpus() -> list[str]:
    """Name the GPUs that this process may use, as CUDA wants them named."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    try:
        command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
        return subprocess.check_output(command, text=True).split()
    except (OSError, subprocess.CalledProcessError):
        return []


def context(runs: Iterable[Run], jobs: int) -> Any:
    """Share the cores among the workers; import what they need only once.

    The variables reach the workers because the fork server starts after.
    """
    threads = max(1, (os.cpu_count() or 1) // jobs)
    for name in THREADS:
        os.environ[name] = str(threads)
    # glibc would hand each large map back to the system and fault it in again
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", str(2**33))
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**34))
    context = multiprocessing.get_context("forkserver")
    modules = identity.modules([run.spec for run in runs])
    late = {LATE_IMPORTS[name] for name in modules & set(LATE_IMPORTS)}
    context.set_forkserver_preload(
        [__name__, *sorted(modules | late), "coursework.launch.known_code"]
    )
    return context


def work(run: Run, pipe: Connection, settings: Mapping[str, str]) -> None:
    """Do one run in this process and tell the parent how it goes.

    ``settings`` are variables of the environment.
    """

    def tell(_: Run, epoch: Epoch) -> None:
        pipe.send(epoch)

    os.environ.update(settings)
    message = "stopped"
    try:
        with suppress(stopping.Stopped):
            journal.attempt(run, on_epoch=tell)
            message = "done"
        pipe.send(message)
    except BrokenPipeError:
        sys.exit("nobody waits for this run any more")  # the parent is gone
    except Exception as error:
        what = "lost" if LOST.search(str(error)) else "failed"
        pipe.send((what, traceback.format_exc()))
