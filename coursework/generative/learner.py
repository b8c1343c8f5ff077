"""The loop that trains any generative network, resumable step by step."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import training
from coursework.data.augment import View
from coursework.data.splits import Split, Splits
from coursework.generative import state
from coursework.training import to_tensors
from coursework.trial import Epoch, stream

DRAWN_AT_ONCE = 250
JUDGED = 500  # validation pictures a report
FRAME_CLASSES, FRAME_ROWS = 10, 4
LEAST_RATE = 1e-9  # below, nothing is learnt


class Method(Protocol):
    """How pictures are learnt: settings, and the networks they make."""

    @property
    def steps(self) -> int:
        """Count the updates."""

    @property
    def reports(self) -> int:
        """Count the entries of the history, at equal distances."""

    @property
    def batch_size(self) -> int:
        """Count the real pictures an update sees."""

    @property
    def learning_rate(self) -> float:
        """Return the rate that the history names."""

    def learner(self, shape: tuple[int, ...], classes: int) -> Learner:
        """Build networks for pictures of shape (C, H, W)."""


class Learner(ABC):
    """Networks in training.

    ``network`` holds all of them, ``optimiser`` all that trains them;
    ``frames`` are pictures of the same noise, uint8 (n, C, H, W) a report.
    """

    def __init__(self, network: nn.Module, optimiser: Any) -> None:
        self.network, self.optimiser = network, optimiser
        self.step = 0
        self.diverged: str | None = None
        self.history: list[Epoch] = []
        self.frames: list[NDArray[np.uint8]] = []

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.network.parameters()).device

    @abstractmethod
    def update(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> float:
        """Make one step on real pictures in -1..1; return the loss."""

    @abstractmethod
    def validate(
        self, real: Tensor, labels: Tensor, random: torch.Generator
    ) -> dict[str, float]:
        """Judge networks in evaluation mode: "loss" and what else there is."""

    @abstractmethod
    def draw(self, labels: Tensor, random: torch.Generator) -> Tensor:
        """Draw a picture in -1..1 for each label, in evaluation mode."""

    @property
    @abstractmethod
    def artist(self) -> nn.Module:
        """Return the network that draws."""

    def noise(self, *shape: int, random: torch.Generator) -> Tensor:
        """Draw standard normal numbers, the same ones on every device."""
        return torch.randn(shape, generator=random).to(self.device)

    def pictures(
        self, labels: NDArray[np.int64], seed: int
    ) -> NDArray[np.uint8]:
        """Draw a picture for each label: uint8 (N, C, H, W)."""
        random = torch.Generator().manual_seed(seed)
        self.network.eval()
        with torch.no_grad():
            parts = [
                self.draw(part.to(self.device), random).cpu()
                for part in torch.from_numpy(labels).split(DRAWN_AT_ONCE)
            ]
        exact = torch.cat(parts).add(1).mul(127.5)
        drawn: NDArray[np.uint8] = exact.round().clamp(0, 255).byte().numpy()
        return drawn


def make(method: Method, splits: Splits, seed: int) -> Learner:
    """Build a learner for a set's pictures, weights drawn from the seed.

    Raises ValueError for a set whose examples have several classes, or are no
    square pictures.
    """
    torch.manual_seed(stream(seed, "init"))
    shape = splits.train.inputs.shape[1:]
    if splits.train.targets.ndim != 1 or shape[-1:] != shape[-2:-1]:
        raise ValueError(
            f"examples of {splits.name} have shape {shape} and targets "
            f"{splits.train.targets.shape[1:] or 'of one class'}; accepted are "
            "square pictures of one class each, as those of mnist"
        )
    whole = (1, *shape) if len(shape) == 2 else shape
    return method.learner(whole, len(splits.classes))


def learn(
    learner: Learner,
    method: Method,
    splits: Splits,
    seed: int,
    checkpoint: Path | None = None,
) -> Generator[Epoch, None, None]:
    """Train, and yield one entry of the history a report.

    What a step draws is a function of (seed, step) alone, so a resumed run
    goes on as if it had never stopped.  Pictures of the same noise are kept
    at each report, see :func:`frame_labels`.
    """
    if checkpoint and checkpoint.exists():
        state.load(checkpoint, learner)
    yield from learner.history
    saved = time.monotonic()
    labels = frame_labels(len(splits.classes))
    while len(learner.history) < method.reports and not learner.diverged:
        learner.history.append(_report(learner, method, splits, seed))
        learner.frames.append(learner.pictures(labels, stream(seed, "frame")))
        if checkpoint and _due(saved):
            state.save(checkpoint, learner)
            saved = time.monotonic()
        yield learner.history[-1]


def frame_labels(classes: int) -> NDArray[np.int64]:
    """Say of each picture of a frame what it should show, column by column.

    Up to ten classes, four rows; row by row, as ``thumbnails`` are read.
    """
    return np.tile(np.arange(min(classes, FRAME_CLASSES)), FRAME_ROWS)


def _due(saved: float) -> bool:
    return time.monotonic() - saved >= training.CHECKPOINT_SECONDS


def _report(
    learner: Learner, method: Method, splits: Splits, seed: int
) -> Epoch:
    """Train up to the next report, and judge the networks there."""
    number, started = len(learner.history) + 1, time.perf_counter()
    inputs, targets = to_tensors(splits.train, learner.device)
    learner.network.train()
    losses = []
    while learner.step < number * method.steps // method.reports:
        random = _random(seed, f"step/{learner.step}")
        chosen = rows(len(targets), method.batch_size, seed, learner.step)
        picked = torch.from_numpy(chosen).to(learner.device)
        real = View()(inputs.index_select(0, picked))
        losses.append(learner.update(real, targets[picked], random))
        learner.step += 1
        if not math.isfinite(losses[-1]):
            learner.diverged = (
                f"loss became {losses[-1]} at step {learner.step}"
            )
            break
    seconds = time.perf_counter() - started
    found = _validation(learner, splits.validation, seed)
    return Epoch(
        epoch=number,
        learning_rate=method.learning_rate,
        train_loss=sum(losses) / len(losses),
        validation_loss=found.pop("loss"),
        validation=found,
        seconds=seconds,
    )


def _validation(learner: Learner, split: Split, seed: int) -> dict[str, float]:
    inputs, targets = to_tensors(split, learner.device)
    learner.network.eval()
    with torch.no_grad():
        return learner.validate(
            View()(inputs[:JUDGED]),
            targets[:JUDGED],
            _random(seed, "validation"),
        )


def rows(
    examples: int, batch_size: int, seed: int, step: int
) -> NDArray[np.int64]:
    """Choose a step's pictures; none twice where there are enough."""
    rng = np.random.default_rng((seed, step))
    return rng.choice(examples, batch_size, replace=examples < batch_size)


def _random(seed: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(stream(seed, purpose))


def average(
    kept: Mapping[str, Tensor], new: Mapping[str, Tensor], decay: float
) -> None:
    """Move kept weights towards new ones by 1 - ``decay``, in place.

    Whole numbers, such as a norm's count of batches, are copied.
    """
    for name, tensor in kept.items():
        if tensor.is_floating_point():
            tensor.lerp_(new[name], 1 - decay)
        else:
            tensor.copy_(new[name])
