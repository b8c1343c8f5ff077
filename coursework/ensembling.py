"""Trials of ensembles: several trainings, or one, and one answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import ensembles, features, training
from coursework.data.augment import View
from coursework.data.splits import Loader
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel, Task
from coursework.training import Trained
from coursework.trial import Epoch, Outcome, Trial, stream

Epochs = Generator[Epoch, None, Outcome]


def ensemble(
    *, members: Sequence[Trial], copies: bool = False, seed: int
) -> Epochs:
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
        seen.append(_arrays(outcome, answers))
        outcomes.append(outcome)
        yield replace(last, epoch=number + 1)
    first = outcomes[0]
    whole = replace(
        first,
        parameters=sum(one.parameters for one in outcomes),
        multiply_adds=sum(one.multiply_adds for one in outcomes),
    )
    outputs = np.stack([one["outputs"] for one in seen])
    return _judged(whole, outputs, seen[0]["targets"])


def snapshots(
    *,
    backbone: Callable[[], nn.Module],
    data: Loader,
    recipe: Recipe,
    task: Task = SingleLabel(),
    view: View = View(),
    seed: int,
) -> Epochs:
    """Average a head with itself, at the end of each of its cycles.

    The recipe's schedule is "warm-restarts", whose three cycles end after a
    seventh, three sevenths and all of the epochs; so the epochs must be a
    multiple of 7.  Snapshot ensembles :cite:p:`huang2017snapshot` have cycles
    of one length.  The head is linear, on features of a frozen backbone; the
    scores are those of :func:`ensemble`, and costs are three networks'.

    Raises ValueError for another schedule or number of epochs.
    """
    if recipe.schedule != "warm-restarts" or recipe.epochs % 7:
        raise ValueError(
            f"the schedule is {recipe.schedule!r} over {recipe.epochs} epochs; "
            "accepted: 'warm-restarts' over a multiple of 7"
        )
    body = features.frozen(
        backbone, data(), view=view, precision=recipe.precision, seed=seed
    )
    table = features.featured(body)
    size, classes = table.train.inputs.shape[1], len(table.classes)
    outcome = yield from training.fit(
        model=lambda: nn.Linear(size, classes),
        data=lambda: table,
        recipe=recipe,
        task=task,
        view=features.Untouched(),
        watches=(answers,),
        seed=seed,
    )
    seen = _arrays(outcome, answers)
    sevenths = recipe.epochs // 7
    ends = [sevenths, 3 * sevenths, 7 * sevenths]  # 0 is before training
    example = training.to_tensors(body.splits.train.take(ROW), body.device)[0]
    cost = training.multiply_adds(body.network, example, view)
    inside = sum(p.numel() for p in body.network.parameters())
    whole = replace(
        outcome,
        data=body.splits.info(),
        parameters=len(ends) * (inside + outcome.parameters),
        multiply_adds=len(ends) * (cost + outcome.multiply_adds),
    )
    return _judged(whole, seen["outputs"][ends], seen["targets"][0])


def looks(*, member: Trial, seed: int) -> Epochs:
    """Train one network and let it look at each test picture several times.

    Test-time augmentation: the mean probability over ``LOOKS``.  The member
    is a trial that takes ``probes``; the scores are those of
    :func:`ensemble`, with looks for members.
    """
    outcome = yield from member(probes=(looked,), seed=seed)
    seen = _arrays(outcome, looked)
    whole = replace(outcome, multiply_adds=len(LOOKS) * outcome.multiply_adds)
    return _judged(whole, seen["outputs"], seen["targets"])


@dataclass(frozen=True)
class Look(View):
    """A view of the middle ``share`` of a picture's sides, maybe mirrored.

    Without a ``side`` to resize it to, the middle stays as small as it is.
    """

    share: float = 1.0
    mirrored: bool = False

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Turn uint8 (N, C, H, W) into what the network takes, see View."""
        sides = pictures.shape[-2:]
        high, wide = (max(1, round(self.share * side)) for side in sides)
        top, left = (sides[0] - high) // 2, (sides[1] - wide) // 2
        part = pictures[..., top : top + high, left : left + wide]
        batch = super().__call__(part)
        return batch.flip(-1) if self.mirrored else batch


LOOKS = tuple(
    (share, mirrored) for share in (1.0, 0.85) for mirrored in (False, True)
)
ROW = np.arange(1)


def answers(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Keep outputs (N, K) and targets (N,) of the test split."""
    return {
        "outputs": trained.test_outputs,
        "targets": trained.splits.test.targets,
    }


def looked(trained: Trained) -> Mapping[str, NDArray[Any]]:
    """Keep outputs (M, N, K) of M looks at the test split, and targets."""
    side, channels = trained.view.side, trained.view.channels
    views = [Look(side, channels, *how) for how in LOOKS]
    test = trained.splits.test
    seen = [replace(trained, view=view).outputs(test) for view in views]
    return {"outputs": np.stack(seen), "targets": test.targets}


def _judged(
    whole: Outcome, outputs: NDArray[Any], targets: NDArray[np.int64]
) -> Outcome:
    """Put an ensemble's scores in the place of a network's."""
    found = ensembles.judge(outputs, targets)
    return replace(
        whole,
        scores=found.together | _between(found),
        predictions=None,
        artefacts={},
        notes={"members": len(outputs)},
    )


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


def _played(epochs: Epochs) -> tuple[Epoch, Outcome]:
    last = next(epochs)
    while True:
        try:
            last = next(epochs)
        except StopIteration as stop:
            return last, stop.value


def _arrays(
    outcome: Outcome, probe: Callable[..., Any]
) -> dict[str, NDArray[Any]]:
    packed = io.BytesIO(outcome.artefacts[f"{probe.__name__}.npz"])
    with np.load(packed, allow_pickle=False) as arrays:
        return dict(arrays)
