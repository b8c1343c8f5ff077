"""Trials that cost nothing, and records planted by hand, for the tests.

They lie in a module of their own because a trial must be importable.  What a
trial did is noted in the folder ``TRIALS_FOLDER``, line by line.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coursework import records
from coursework.data.splits import Split, Splits
from coursework.experiment import Run, execute
from coursework.launch import pool
from coursework.records import Record
from coursework.trial import DataInfo, Epoch, Outcome, stream

if TYPE_CHECKING:
    from torch import nn


def folder() -> Path:
    return Path(os.environ["TRIALS_FOLDER"])


def note(line: str) -> None:
    with (folder() / "log").open("a") as file:
        file.write(line + "\n")


def notes(word: str) -> list[str]:
    """Return what was noted after ``word``, in the order it happened."""
    log = folder() / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [line.partition(" ")[2] for line in lines if line.startswith(word)]


def play(
    epochs: Generator[Epoch, None, Outcome],
) -> tuple[list[Epoch], Outcome]:
    """Let a trial run to its end."""
    history = []
    while True:
        try:
            history.append(next(epochs))
        except StopIteration as stop:
            return history, stop.value


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition, or until so much time has passed."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


def fresh_workers() -> None:
    """Let the next pool's workers see this test's environment."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def fail(seed: int) -> None:
    raise RuntimeError("planted failure")


def kill(seed: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def pause(seed: int) -> None:
    """Say that the run of seed 2 is under way, and wait for leave."""
    if seed == 2:
        (folder() / "under way").touch()
        until((folder() / "go on").exists)


def meet(seed: int) -> None:
    """Let a second process, if nothing stops it, start the same run."""
    until(lambda: len(notes("ask")) == 2)
    until(lambda: len(notes("start")) == 2, seconds=0.5)


def kill_once(seed: int) -> None:
    """Be killed in the first attempt alone."""
    if len(notes("start")) == 1:
        kill(seed)


def gpu(seed: int) -> None:
    """Say which GPU this process may use, while others do."""
    note(f"gpu {os.environ['CUDA_VISIBLE_DEVICES']}")
    until(lambda: len(set(notes("gpu"))) == 2, seconds=20)


def work(seed: int) -> None:
    """Do nothing out of the ordinary."""


KINDS = (work, fail, kill, kill_once, gpu, pause, meet)
ACTS = {a.__name__: a for a in KINDS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """Something nested in a variant."""

    rate: float = 0.1
    sizes: tuple[int, ...] = (8, 4)


def source_of(*, size: int = 10) -> int:
    """Stand for a loader: a callable with a default, inside a variant."""
    return size


def tiny(
    *,
    level: float = 0.5,
    epochs: int = 2,
    act: str = "work",
    setting: Setting = Setting(),
    data: Callable[..., int] = source_of,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Pretend to train: the score is the level plus a seed's small noise."""
    note(f"start {seed}")
    score = level + stream(seed, "noise") % 1000 / 1e5
    for epoch in range(1, epochs + 1):
        ACTS[act](seed)
        yield Epoch(
            epoch=epoch,
            learning_rate=setting.rate,
            train_loss=1 / epoch,
            validation_loss=2 / epoch,
            validation={"accuracy": score},
            seconds=0.25,
        )
    note(f"end {seed}")
    return Outcome(
        data=DataInfo(
            name="numbers",
            sha256="0" * 64,
            stand_in=False,
            sizes={"train": 100, "validation": 10, "test": 1000},
        ),
        scores={"accuracy": score},
        parameters=7,
        multiply_adds=11,
        predictions=np.arange(3, dtype=np.uint8),
        artefacts={"note.txt": f"seed {seed}".encode()},
    )


NESTED = partial(
    tiny,
    level=0.25,
    setting=Setting(rate=0.3, sizes=(2, 1)),
    data=partial(source_of, size=20),
)


def variants(profile: str) -> Mapping[str, Any]:
    """Declare two variants; ``full`` has one more."""
    grid = {"low": tiny, "high": partial(tiny, level=0.75)}
    more = {"higher": partial(tiny, level=0.875)}
    return grid | more if profile == "full" else grid


def cell(variant: str = "low", seed: int = 0, **options: Any) -> Run:
    trial = partial(tiny, **options)
    return Run.of("trials", variant, "smoke", seed, trial)


def ask(act: str) -> None:
    """Do a run that another process does as well."""
    note("ask")
    execute(cell(act=act))


def drive(acts: Sequence[str], seeds: int) -> None:
    """Run a pool as ``coursework run`` does, and write its report down."""
    cells = [cell(act, seed, act=act) for act in acts for seed in range(seeds)]
    report = pool.run_all(cells, jobs=1 if seeds > 1 else 2)
    found = {
        "failed": {run.variant: why for run, why in report.failed.items()},
        "left": [run.variant for run in report.left],
    }
    (folder() / "report").write_text(json.dumps(found))


def pictures(*, train: int = 64) -> Splits:
    """Draw pictures (N, 8, 8) whose brightest quarter is their class."""
    rng = np.random.default_rng(0)

    def draw(size: int) -> Split:
        inputs = rng.integers(0, 128, (size, 8, 8), np.uint8)
        targets = rng.integers(0, 4, size)
        for picture, label in zip(inputs, targets, strict=True):
            row, column = 4 * (label // 2), 4 * (label % 2)
            picture[row : row + 4, column : column + 4] += 100
        return Split(inputs=inputs, targets=targets.astype(np.int64))

    return Splits(
        name="pictures",
        train=draw(train),
        validation=draw(32),
        test=draw(32),
        classes=("0", "1", "2", "3"),
    )


def mates() -> nn.Module:
    """Build a network that treats a picture by its batch when it trains."""
    from torch import nn  # noqa: PLC0415 - the pool's workers need no torch

    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 4),
    )


def planted(variant: str, seed: int, accuracy: float, **changes: Any) -> Record:
    """Make a record by hand; ``validation`` sets its curve."""
    level = accuracy if math.isfinite(accuracy) else 0.0
    run = cell(variant, seed, level=level)
    curve = changes.pop("validation", [accuracy])
    record = Record(
        grid="planted",
        variant=variant,
        profile="standard",
        seed=seed,
        key=run.key,
        spec=run.spec,
        source="0" * 16,
        data={
            "name": "numbers",
            "sha256": "0" * 64,
            "stand_in": False,
            "sizes": {"train": 100, "validation": 10, "test": 1000},
        },
        parameters=7,
        multiply_adds=11,
        scores={"accuracy": accuracy},
        history=[
            {
                "epoch": epoch,
                "learning_rate": 0.1,
                "train_loss": 1.0,
                "validation_loss": 1.0,
                "validation": {"accuracy": value},
                "seconds": 1.0,
            }
            for epoch, value in enumerate(curve, 1)
        ],
        seconds=2.0,
        examples_per_second=50.0,
        peak_memory_bytes=1000,
        environment={
            "commit": "c" * 40,
            "modified": False,
            "device": "a processor",
            "threads": 1,
        },
        created="2026-01-02T03:04:05+00:00",
    )
    return dataclasses.replace(record, **changes)


def evidence(
    grid: str, values: Mapping[str, Sequence[float]], profile: str = "standard"
) -> None:
    """Commit planted evidence: accuracies by variant, one a seed."""
    records.promote(
        [
            planted(variant, seed, value, grid=grid, profile=profile)
            for variant, scores in values.items()
            for seed, value in enumerate(scores)
        ]
    )
