"""One run trained by several processes of torchrun, a GPU each where there are.

``torchrun --standalone --nproc-per-node=2 -m coursework.distributed RUN.json``
trains what :func:`experiment.execute` would, batch by batch as :mod:`ranks`
says, and stores the same record.  Rank 0 does so; the others only train.  All
begin from its checkpoint, so a process that dies takes no more with it than
what was trained since.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from coursework import devices, records, stopping
from coursework.experiment import Epochs, Run, begin, execute
from coursework.launch import workers
from coursework.launch.launchers import Launcher
from coursework.launch.pool import Report
from coursework.recipe import at_least
from coursework.records import Record
from coursework.trial import Epoch

TRIAL = "coursework.training:fit"
RESTARTS = 3
ATTEMPT = "TORCHELASTIC_RESTART_COUNT"


def train(run: Run, processes: int) -> Record:
    """Do a run in several processes of this machine; return its record.

    Raises ValueError for a trial that can't be shared, RuntimeError if the
    processes ended without a record; what they said is on the terminal.
    """
    at_least("processes", processes, 1)
    refuse(run)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.json"
        file.write_text(json.dumps(asdict(run)))
        code = _wait(command(file, processes), processes)
    record = records.find(run.trial, run.seed, profile=run.profile)
    if record is None:
        stopping.check()
        raise RuntimeError(
            f"{run}: {processes} processes ended with status {code} and no "
            "record; the reason is in their output above"
        )
    return record


def launcher(processes: int) -> Launcher:
    """Return what does runs one after another, each in several processes."""
    at_least("devices", processes, 1)

    def launch(
        missing: Sequence[Run], jobs: int | None, deadline: float | None
    ) -> Report:
        report = Report()
        for run in missing:
            stopping.check()
            if deadline is not None and time.monotonic() >= deadline:
                report.left.append(run)
                continue
            try:
                train(run, processes)
            except (ValueError, RuntimeError) as error:
                report.failed[run] = str(error)
        return report

    return launch


def refuse(run: Run) -> None:
    """Raise ValueError, naming it, for a trial that can't be shared."""
    if run.spec["partial"] != TRIAL:
        raise ValueError(
            f"{run} is a trial of {run.spec['partial']}; several devices can "
            f"share one of {TRIAL}: leave the number of devices out"
        )


def command(file: Path, processes: int) -> list[str]:
    """Return what starts the processes that do the run in a file."""
    return [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        f"--nproc-per-node={processes}",
        f"--max-restarts={RESTARTS}",
        *("-m", "coursework.distributed", str(file)),
    ]


def environment(processes: int) -> dict[str, str]:
    """Share the cores, and keep memory as the pool's workers do."""
    ours = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
        "MALLOC_MMAP_THRESHOLD_": str(2**33),
        "MALLOC_TRIM_THRESHOLD_": str(2**34),
    }
    return ours | os.environ


def _wait(line: list[str], processes: int) -> int:
    """Run a command; it is asked to end if this process has to."""
    with subprocess.Popen(line, env=environment(processes)) as child:
        try:
            return child.wait()
        except BaseException:
            child.terminate()
            raise


def main(file: str) -> None:
    """Do a rank's part of the run in a file."""
    from torch import distributed  # noqa: PLC0415  # only ranks pay for it
    from torch.distributed.rendezvous import rendezvous  # noqa: PLC0415

    run = Run(**json.loads(Path(file).read_text()))
    refuse(run)
    gpu = take_gpu()
    store, rank, size = next(rendezvous("env://"))
    # torchrun keeps the addresses of the processes that a restart replaces
    store = distributed.PrefixStore(  # type: ignore[attr-defined]
        os.environ[ATTEMPT], store
    )
    distributed.init_process_group(
        "nccl" if gpu else "gloo", store=store, rank=rank, world_size=size
    )
    role = lead if rank == 0 else follow
    try:
        role(run)
    except stopping.Stopped:
        return  # a failure would be started again
    finally:
        distributed.destroy_process_group()


def take_gpu() -> bool:
    """Leave this rank one GPU alone to see, unless it is to use none.

    Raises NoDeviceError where there is none left for it.
    """
    asked, there = devices.asked(), workers.gpus()
    if asked == "cpu" or (asked == "auto" and not there):
        return False
    rank, ranks = (os.environ[f"LOCAL_{n}"] for n in ("RANK", "WORLD_SIZE"))
    if len(there) < int(ranks):
        raise devices.NoDeviceError(
            f"{ranks} processes want a GPU each; there are {len(there)}: ask "
            f"for as many devices or for {devices.VARIABLE}=cpu"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = there[int(rank)]
    os.environ[devices.VARIABLE] = "cuda"
    return True


def lead(run: Run) -> None:
    """Do a run as any process would, and let the others know of it."""

    def start(cell: Run) -> Epochs:
        _told(cell.spec)
        return begin(cell)

    def tell(_: Run, __: Epoch) -> None:
        _told(stopping.asked())

    execute(run, on_epoch=tell, start=start)
    _told(None)


def follow(run: Run) -> None:
    """Train whenever rank 0 does, and stop where it stops.

    What is written and what is looked at beside the training is rank 0's.
    """
    alone = {"test": False, "probes": (), "watches": ()}
    with stopping.noted():
        while spec := _told():
            epochs = begin(replace(run, spec=spec), **alone)
            for _ in epochs:
                if _told():
                    epochs.throw(stopping.Stopped())


def _told(word: Any = None) -> Any:
    """Return rank 0's word, on each rank."""
    from torch import distributed  # noqa: PLC0415

    words = [word]
    distributed.broadcast_object_list(words)
    return words[0]


if __name__ == "__main__":
    main(sys.argv[1])
