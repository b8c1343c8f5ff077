"""The trial of an ensemble: several trials trained, one answer."""

from __future__ import annotations

import io
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coursework import ensembles
from coursework.training import Trained
from coursework.trial import Epoch, Outcome, Trial, stream


def ensemble(
    *, members: Sequence[Trial], copies: bool = False, seed: int
) -> Generator[Epoch, None, Outcome]:
    """Train each member with a seed of its own, and average what they say.

    Members are trials that take ``probes``, all on the same data; with
    ``copies`` they get one and the same seed.  The outcome's scores are those
    of the mean probability, and beside them the "gain" of accuracy over the
    best member, the members' mean "member accuracy", and over pairs of
    members the mean "disagreement" and "error correlation" (which is not
    there if some member's errors do not vary).  An epoch is a member, at the
    end of its training.

    Raises ValueError for fewer than two members.
    """
    if len(members) < 2:
        raise ValueError(
            f"there are {len(members)} members; an ensemble needs 2 or more"
        )
    seen: list[dict[str, NDArray[Any]]] = []
    outcomes: list[Outcome] = []
    for number, member in enumerate(members):
        own = seed if copies else stream(seed, f"member {number}")
        last, outcome = _played(member(probes=(answers,), seed=own))
        seen.append(_arrays(outcome))
        outcomes.append(outcome)
        yield replace(last, epoch=number + 1)
    found = ensembles.judge(
        np.stack([one["outputs"] for one in seen]), seen[0]["targets"]
    )
    first = outcomes[0]
    return replace(
        first,
        scores=found.together | _between(found),
        parameters=sum(one.parameters for one in outcomes),
        multiply_adds=sum(one.multiply_adds for one in outcomes),
        predictions=None,
        artefacts={},
        notes={"members": len(members)},
    )


def answers(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Keep outputs (N, K) and targets (N,) of the test split."""
    return {
        "outputs": trained.test_outputs,
        "targets": trained.splits.test.targets,
    }


def _between(found: ensembles.Ensemble) -> dict[str, float]:
    accuracy = found.members["accuracy"]
    pairs = np.triu_indices(len(accuracy), 1)
    correlation = found.correlation[pairs].mean()
    scores = {
        "gain": found.together["accuracy"] - accuracy.max(),
        "member accuracy": accuracy.mean(),
        "disagreement": found.disagreement[pairs].mean(),
    }
    if np.isfinite(correlation):
        scores["error correlation"] = correlation
    return {name: float(value) for name, value in scores.items()}


def _played(
    epochs: Generator[Epoch, None, Outcome],
) -> tuple[Epoch, Outcome]:
    last = next(epochs)
    while True:
        try:
            last = next(epochs)
        except StopIteration as stop:
            return last, stop.value


def _arrays(outcome: Outcome) -> dict[str, NDArray[Any]]:
    packed = io.BytesIO(outcome.artefacts[f"{answers.__name__}.npz"])
    with np.load(packed, allow_pickle=False) as arrays:
        return dict(arrays)
