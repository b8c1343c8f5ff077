"""Asked to stop by a signal: the state is kept, the command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from coursework import experiment, paths, stopping, training
from coursework.experiment import Run
from coursework.launch import batch, pool
from coursework.trial import DataInfo, Epoch, Outcome
from tests import trials
from tests.faults.scene import EPOCHS, cell, essence

STEPS = 2 * EPOCHS


def waiting(*, seed: int) -> Generator[Epoch, None, Outcome]:
    """Train one epoch, then a second that lasts until a request comes."""
    line = Epoch(
        epoch=1,
        learning_rate=0.1,
        train_loss=1.0,
        validation_loss=1.0,
        validation={"accuracy": 0.5},
        seconds=0.1,
    )
    yield line
    trials.note(f"waits {seed}")
    trials.until(stopping.asked)
    yield line
    trials.note(f"ends {seed}")
    info = DataInfo(name="none", sha256="0", stand_in=False, sizes={"train": 1})
    return Outcome(data=info, scores={}, parameters=1, multiply_adds=1)


def drive(number: int, jobs: int) -> None:
    """Do runs in a pool, as ``coursework run`` does, and write a report."""
    cells = [Run.of("g", "v", "smoke", seed, waiting) for seed in range(number)]
    with stopping.obeyed():
        report = pool.run_all(cells, jobs)
    told = {
        "failed": list(report.failed.values()),
        "left": sorted(run.seed for run in report.left),
    }
    (trials.folder() / "report").write_text(json.dumps(told))
    sys.exit(batch.Batch(left=report.left).status)


def striking(real: Callable[..., Any], at: int, number: int) -> Any:
    """Ask this process to stop in the ``at``-th call of a function."""
    calls = iter(range(1000))

    def call(*arguments: Any, **options: Any) -> Any:
        if next(calls) == at:
            os.kill(os.getpid(), number)
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize("number", stopping.SIGNALS)
@pytest.mark.parametrize(
    ("name", "at", "steps"),
    [
        ("_update", 0, 1),
        ("_update", 1, 2),  # the last step of an epoch
        ("_update", 4, 5),
        ("validate", 0, 2),
        ("look", 0, 0),  # before the first epoch
        ("look", EPOCHS, STEPS),  # after the last one
    ],
)
def test_a_run_stops_at_the_next_step_and_goes_on_to_the_same_bits(
    name: str, at: int, steps: int, number: int, one_thread: None
) -> None:
    wanted = essence(experiment.execute(cell()))
    for record in paths.runs().glob("*.json"):
        record.unlink()
    real, done = training.Training._update, []

    def count(*arguments: Any) -> float:
        done.append(1)
        return real(*arguments)

    with patch.object(training.Training, "_update", count):
        struck = striking(getattr(training.Training, name), at, number)
        with (
            patch.object(training.Training, name, struck),
            pytest.raises(stopping.Stopped),
        ):
            experiment.execute(cell())
        assert len(done) == steps and not stopping.asked()
        assert essence(experiment.execute(cell())) == wanted
    assert len(done) == STEPS  # none was made twice


def asked_for(line: str) -> subprocess.Popen[str]:
    """Start a command line."""
    run = "from coursework.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", run, *line.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_says_that_it_can_go_on() -> None:
    line = "train mnist-zoo --model lenet --dataset digits --epochs 100000"
    command = asked_for(f"{line} --train 32 --batch-size 16")
    assert command.stdout and command.stderr
    while not command.stdout.readline().startswith("epoch 2/"):
        assert command.poll() is None, command.stderr.read()
    command.send_signal(signal.SIGTERM)
    _, said = command.communicate(timeout=60)
    assert command.returncode == stopping.RESUMABLE == 75
    assert said.strip().endswith("the same command goes on")
    assert "Traceback" not in said
    assert list(paths.runs().glob(".checkpoints/*.pt"))
    assert not list(paths.runs().glob("*.json"))


@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_the_workers_of_a_pool_are_asked_too(
    number: int, tmp_path: Path
) -> None:
    code = "from tests import test_faults_stopping as t; t.drive(5, 2)"
    batch = subprocess.Popen([sys.executable, "-c", code])
    trials.until(lambda: len(trials.notes("waits")) == 2)
    batch.send_signal(number)
    assert batch.wait(60) == stopping.RESUMABLE
    told = json.loads((tmp_path / "report").read_text())
    assert told == {"failed": [], "left": [0, 1, 2, 3, 4]}
    assert len(trials.notes("waits")) == 2 and not trials.notes("ends")


def test_a_command_that_trains_nothing_leaves_at_once() -> None:
    with pytest.raises(stopping.Stopped), stopping.obeyed():
        os.kill(os.getpid(), signal.SIGTERM)
    assert not stopping.asked()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
