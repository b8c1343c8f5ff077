"""Runs on a real SLURM: pre-empted, killed, their node lost, and all there."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest

from coursework import experiment, records, training
from coursework.experiment import Run
from coursework.launch import journal, slurm
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from tests import cluster, trials
from tests.cluster import Servers


@pytest.fixture(name="servers")
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    yield from cluster.start(tmp_path, monkeypatch)


def cells(number: int) -> list[Run]:
    trial = partial(
        training.fit,
        model=cluster.gated,
        data=trials.pictures,
        task=SingleLabel(),
        recipe=Recipe(epochs=4, batch_size=16, momentum=0.9),
    )
    return [
        Run.of("slurm", "gated", "smoke", seed, trial) for seed in range(number)
    ]


def said(run: Run, what: str) -> dict[str, Any]:
    """Wait until a line of that kind is noted on a run; return it."""

    def found() -> list[dict[str, Any]]:
        return [line for line in journal.lines(run) if line["what"] == what]

    trials.until(found, 150)
    return found()[-1]


def release(task: int) -> None:
    (trials.folder() / f"hold-{task}").unlink()


def disturb(runs: list[Run], servers: Servers) -> None:
    """Pre-empt the first job, kill the second, lose the third one's node."""
    job = said(runs[0], "started")["job"]
    # It asks again and again, for the answer is that the job is being changed.
    command = subprocess.Popen(["scancel", "--signal=USR2", job])
    said(runs[0], "stopped")
    command.terminate()
    command.wait()
    release(0)
    os.kill(said(runs[1], "started")["pid"], signal.SIGKILL)
    release(1)
    process = psutil.Process(said(runs[2], "started")["pid"])
    node = process.environ()["SLURMD_NODENAME"]
    steps = [p for p in process.parents() if "slurmstepd" in p.name()]
    servers[node].kill()
    for each in [*steps, *steps[-1].children(recursive=True), process]:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    # SLURM would see it for itself, but after minutes.
    cluster.said(
        *("scontrol", "update", f"NodeName={node}", "State=DOWN"), "Reason=lost"
    )
    release(2)
    while any(journal.attempts(run) < 2 for run in (runs[0], runs[2])):
        for task in (0, 2):  # requeued jobs have to wait for two minutes
            name = f"JobId={slurm.queued(runs[task])}"
            cluster.said("scontrol", "update", name, "StartTime=now")
        time.sleep(2)


def kept(run: Run) -> dict[str, Any]:
    """Return what a repetition must give again, to the last bit."""
    record = records.find(run.trial, run.seed)
    assert record is not None
    history = [{**epoch, "seconds": 0} for epoch in record.history]
    return {
        "scores": record.scores,
        "predictions": record.predictions,
        "history": history,
    }


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
def test_an_array_survives_preemption_a_kill_and_a_lost_node(
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = cells(8)
    for task in range(3):
        (tmp_path / f"hold-{task}").touch()
    trouble = threading.Thread(target=disturb, args=(runs, servers))
    trouble.start()
    deadline = time.monotonic() + 420
    report = slurm.run_all(runs, deadline, {"signal_delay_s": 1, "time": 5})
    trouble.join()
    assert not report.failed and not report.left
    assert len(list((tmp_path / "runs").glob("*.json"))) == 8
    attempts = [journal.attempts(run) for run in runs]
    print("attempts by seed:", attempts)  # for the log of CI
    assert attempts == [2, 2, 2, 1, 1, 1, 1, 1]
    found = list(map(kept, runs))
    monkeypatch.setenv("COURSEWORK_RUNS", str(tmp_path / "serial"))
    for run in runs:
        experiment.execute(run)
    assert found == list(map(kept, runs))
