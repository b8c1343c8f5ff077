"""What a trial is: the contract between training code and the run store.

A trial is an importable generator function.  It is called with its settings
and a ``seed``, yields an :class:`Epoch` after each epoch and returns an
:class:`Outcome`.  ``mlp.fit`` and ``training.fit`` are trials.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Trial = Callable[..., Generator["Epoch", None, "Outcome"]]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training data, as it is kept in a record.

    Losses are means per example, in nats where the loss is a cross-entropy.
    ``seconds`` is the time spent training in this epoch, evaluation apart.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class DataInfo:
    """Which data a trial saw: a record carries it beside its scores."""

    name: str
    sha256: str
    stand_in: bool
    sizes: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a trial hands back after training; the test set is scored here.

    ``predictions`` is what the task packs per test example, see ``tasks``.
    ``multiply_adds`` is per example, in the matrix products and convolutions
    only.  ``diverged`` says where training stopped being finite, if it did;
    its scores are then those of the network as it was left.
    """

    data: DataInfo
    scores: Mapping[str, float]
    parameters: int
    multiply_adds: int
    predictions: NDArray[np.uint8] | None = None
    artefacts: Mapping[str, bytes] = field(default_factory=dict)
    diverged: str | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


def stream(seed: int, purpose: str) -> int:
    """Derive the seed of one source of randomness from a run's seed.

    Every generator of a run is seeded here and nowhere else, so the same
    seed means the same initial weights in every variant, even where one
    variant draws more random numbers than another for something else.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
