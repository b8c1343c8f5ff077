"""What two stages do for the tests: ``-m tests.staged FOLDER`` in each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.functional import cross_entropy

from coursework.pipelining import Pipeline

STAGES = [slice(0, 2), slice(2, 5)]
BATCH = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(8) % 4
COUNTS = (1, 2, 8)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 8),
        nn.Linear(8, 4),
    )


def gradients(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }


def step(micro_batches: int) -> dict[str, Any]:
    whole = network()
    pipeline = Pipeline(whole, STAGES, micro_batches, cross_entropy)
    found = pipeline(BATCH, TARGETS)
    return {"gradients": gradients(whole), "found": found}


def refusals() -> list[str]:
    """Ask for what no pipeline of two can do."""
    asked: list[Callable[[], object]] = [
        lambda: Pipeline(network(), [slice(0, 5)], 2, cross_entropy),
        lambda: Pipeline(network(), STAGES, 3, cross_entropy)(BATCH, TARGETS),
    ]
    said = []
    for ask in asked:
        try:
            ask()
        except ValueError as error:
            said.append(str(error))
    return said


def rank(folder: Path) -> None:
    distributed.init_process_group("gloo")
    found = {
        "steps": {count: step(count) for count in COUNTS},
        "said": refusals(),
    }
    torch.save(found, folder / f"stage-{distributed.get_rank()}")
    distributed.destroy_process_group()


if __name__ == "__main__":
    rank(Path(sys.argv[1]))
