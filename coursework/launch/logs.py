"""Where ``coursework train --log`` writes epochs to, besides the record."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from coursework import paths
from coursework.recipe import named
from coursework.trial import Epoch


class Nowhere(AbstractContextManager["Nowhere", None]):
    """Write nothing."""

    def __init__(self, name: str) -> None:
        pass

    def write(self, epoch: Epoch) -> None:
        """Write an epoch's numbers under its number."""

    def __exit__(self, *exception: object) -> None:
        """Close what is open."""


class TensorBoard(Nowhere):
    """Write event files into a run's own folder."""

    def __init__(self, name: str) -> None:
        writer = _import("torch.utils.tensorboard", "tensorboard")
        self.writer = writer.SummaryWriter(str(folder() / name))

    def write(self, epoch: Epoch) -> None:
        """Write an epoch's numbers under its number."""
        for tag, value in numbers(epoch).items():
            self.writer.add_scalar(tag, value, epoch.epoch)

    def __exit__(self, *exception: object) -> None:
        """Close the files."""
        self.writer.close()


class WeightsAndBiases(Nowhere):
    """Write a run of Weights & Biases.

    Offline, on this machine, unless its own variable ``WANDB_MODE`` says
    otherwise.
    """

    def __init__(self, name: str) -> None:
        wandb = _import("wandb", "wandb")
        folder().mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(
            project="coursework",
            name=name,
            dir=str(folder()),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )

    def write(self, epoch: Epoch) -> None:
        """Write an epoch's numbers under its number."""
        self.run.log(numbers(epoch), step=epoch.epoch)

    def __exit__(self, *exception: object) -> None:
        """Close the run."""
        self.run.finish()


LOGS: Mapping[str, Callable[[str], Nowhere]] = {
    "none": Nowhere,
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def open_log(kind: str, name: str) -> Nowhere:
    """Open a log for a run.

    Raises ValueError for an unknown kind, and if a log's package is missing,
    with the command that installs it.
    """
    return named(LOGS, kind, "log")(name)


def folder() -> Path:
    """Return where logs lie, beside this machine's runs."""
    return paths.runs() / "logs"


def numbers(epoch: Epoch) -> dict[str, float]:
    """Lay an epoch out as names and numbers."""
    return {
        "train loss": epoch.train_loss,
        "validation loss": epoch.validation_loss,
        "learning rate": epoch.learning_rate,
        "seconds": epoch.seconds,
        **{f"validation {k}": v for k, v in epoch.validation.items()},
    }


def _import(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"--log {package} needs a package that is not installed: "
            f"`pip install {package}`, or leave the option out"
        ) from error
