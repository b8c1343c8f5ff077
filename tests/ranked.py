"""What two processes do for the tests: ``-m tests.ranked FOLDER`` in each."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import distributed, ranks, stopping, training
from coursework.data.splits import Splits
from coursework.experiment import Run
from coursework.models.transfer import Transfer
from coursework.penalties import penalty
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel
from tests import trials
from tests.trials import play

Arrays = dict[str, NDArray[Any]]
RECIPE = Recipe(
    epochs=3, batch_size=16, learning_rate=0.05, momentum=0.9, shift=1, clip=1.0
)


def pictures(train: int = 61) -> Splits:
    """Load pictures that make a last batch smaller than the others."""
    training.CHECKPOINT_SECONDS = 0.0  # here, in a rank: after each epoch
    return trials.pictures(train=train)


def plain() -> nn.Sequential:
    """Build a network that treats each picture by itself."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 6, 4),
    )


def normed() -> nn.Module:
    return nn.Sequential(nn.BatchNorm2d(1), *plain())


def gradual() -> nn.Module:
    return Transfer(plain(), "gradual")


class Event(nn.Module):
    """Gets the signal, in the rank and the step, that a file asks for."""

    steps = 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.steps += self.training
        file = trials.folder() / "event"
        if self.training and file.exists():
            number, rank, step = map(int, file.read_text().split())
            if (torch.distributed.get_rank(), self.steps) == (rank, step):
                file.unlink()
                os.kill(os.getpid(), number)
        return pictures


def eventful() -> nn.Module:
    """Build a network with all that a checkpoint has to bring back."""
    return nn.Sequential(Event(), trials.mates())


def weights(trained: training.Trained) -> Arrays:
    """Look at all of a network, and note which process does."""
    trials.note("look " + os.environ.get("RANK", "alone"))
    return {k: v.numpy() for k, v in trained.network.state_dict().items()}


def trial(model: Callable[[], nn.Module], **changes: Any) -> partial[Any]:
    settings: dict[str, Any] = {"data": pictures, "recipe": RECIPE}
    settings |= {"probes": (weights,)} | changes
    return partial(training.fit, model=model, **settings)


TRIALS = {
    "plain": trial(plain),
    "again": trial(plain),
    "penalised": trial(plain, penalty=partial(penalty, p=2)),
    "a last batch of one": trial(plain, data=partial(pictures, train=49)),
    "gradual": trial(gradual),
    "normed": trial(normed),
    "eventful": trial(eventful),
}


def played(name: str, **options: Any) -> Arrays:
    """Train and return the weights, the losses and what was predicted."""
    history, outcome = play(TRIALS[name](seed=3, **options))
    with np.load(io.BytesIO(outcome.artefacts["weights.npz"])) as found:
        arrays = dict(found)
    assert outcome.predictions is not None
    losses = [(e.train_loss, e.validation_loss) for e in history]
    return arrays | {
        "losses": np.array(losses),
        "predictions": outcome.predictions,
    }


def run(name: str) -> Run:
    return Run.of("ranks", name, "smoke", 3, TRIALS[name])


def step(parts: int) -> Arrays:
    """Make one step of 13 rows, each rank's in so many parts."""
    torch.manual_seed(0)
    network = plain()
    batch, targets = torch.randn(13, 1, 8, 8), torch.arange(13) % 4
    stepper = ranks.make_stepper(network, RECIPE, "float32")
    stepper.parts = parts
    loss = stepper(batch, targets, SingleLabel(), 0.1)
    moved = {k: v.detach().numpy() for k, v in network.named_parameters()}
    return moved | {"loss": np.array(loss)}


class Full(nn.Linear):
    """A layer on a device whose memory is full."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("planted")


def full() -> str:
    stepper = ranks.make_stepper(Full(2, 2), RECIPE, "float32")
    try:
        stepper(torch.ones(4, 2), torch.ones(4).long(), SingleLabel(), 0.1)
    except MemoryError as error:
        return str(error)
    return ""


def stopped(name: str) -> bool:
    """Do this rank's part of a run; tell whether it was stopped."""
    first = torch.distributed.get_rank() == 0
    try:
        (distributed.lead if first else distributed.follow)(run(name))
    except stopping.Stopped:
        return True
    return False


def rank(folder: Path) -> None:
    """Do in each of two ranks what the tests look at."""
    torch.distributed.init_process_group("gloo")
    number = torch.distributed.get_rank()
    checkpoint = folder / f"checkpoint-{number}"
    found: dict[str, Any] = {
        name: played(name, checkpoint=checkpoint if name == "plain" else None)
        for name in TRIALS
    }
    found |= {"step": step(1), "parts": step(3), "full": full()}
    trials.note(f"runs {number}")
    if number == 0:
        (folder / "event").write_text(f"{signal.SIGTERM} 0 6")
    torch.distributed.barrier()
    found["stopped"] = [stopped("eventful") for _ in range(3)]
    torch.save(found, folder / f"rank-{number}")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    from tests import ranked  # by the name that a spec has for it

    ranked.rank(Path(sys.argv[1]))
