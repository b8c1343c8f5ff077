"""A small training, folders of its own, and what a try is compared with."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework import training
from coursework.experiment import Run
from coursework.recipe import Recipe
from coursework.records import Record
from tests.trials import mates, pictures

# What differs between two equal runs: time, memory and the commit.
WALL = {
    "seconds",
    "examples_per_second",
    "peak_memory_bytes",
    "created",
    "environment",
}
EPOCHS = 4


@dataclass
class Row:
    """A line of the table: how often a fault was tried, and what was lost."""

    fault: str
    tries: int = 0
    lost: list[str] = field(default_factory=list)

    def add(self, what: str, trouble: str) -> None:
        """Count a try; ``trouble`` is empty where nothing was lost."""
        self.tries += 1
        if trouble:
            self.lost.append(f"{what}: {trouble}")

    def __str__(self) -> str:
        survived = self.tries - len(self.lost)
        return f"{self.fault:44}{self.tries:7}{survived:10}{len(self.lost):6}"


def weights(trained: training.Trained) -> Mapping[str, NDArray[Any]]:
    """See all weights and statistics of a trained network."""
    state = trained.network.state_dict()
    return {name: tensor.numpy() for name, tensor in state.items()}


def spread(trained: training.Trained) -> Mapping[str, NDArray[Any]]:
    """See the size of the first weights, epoch by epoch."""
    first = next(trained.network.parameters()).detach()
    return {"norm": first.norm().numpy()[None]}


def cell() -> Run:
    """Describe a run with momentum, dropout, batch statistics and shifts."""
    trial = partial(
        training.fit,
        model=mates,
        data=partial(pictures, train=32),
        recipe=Recipe(
            epochs=EPOCHS,
            batch_size=16,
            momentum=0.9,
            learning_rate=0.05,
            schedule="cosine",
            shift=1,
        ),
        probes=(weights,),
        watches=(spread,),
    )
    return Run.of("faults", "small", "smoke", 3, trial)


def essence(record: Record) -> dict[str, Any]:
    """Keep of a record what two equal runs share, to the bit.

    The weights are among it: the record has the hash of their artefact.
    """
    fields = dataclasses.asdict(record)
    for epoch in fields["history"]:
        del epoch["seconds"]
    kept = {k: v for k, v in fields.items() if k not in WALL}
    return dict(json.loads(json.dumps(kept)))


@contextmanager
def folders() -> Iterator[Path]:
    """Give runs, evidence and data folders of their own."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory() as place:
        for name in ("RUNS", "RESULTS", "DATA"):
            os.environ[f"COURSEWORK_{name}"] = str(Path(place, name.lower()))
        os.environ["COURSEWORK_OFFLINE"] = "0"  # the only source is here
        try:
            yield Path(place)
        finally:
            os.environ.clear()
            os.environ.update(before)


def same(found: Mapping[str, NDArray[Any]], made: dict[str, Any]) -> bool:
    """Tell whether arrays are equal to the bit, names and types included."""
    return found.keys() == made.keys() and all(
        found[name].dtype == made[name].dtype
        and np.array_equal(found[name], made[name])
        for name in made
    )
