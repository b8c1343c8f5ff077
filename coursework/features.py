"""The trial of a head on a frozen network, whose features are kept.

A frozen network in evaluation mode gives a picture the same features in
every epoch: they are computed once, kept on this machine, and read by every
head, seed and recipe that asks for them again.
"""

from __future__ import annotations

import functools
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from coursework import paths, training
from coursework.data.augment import View
from coursework.data.kept import kept
from coursework.data.splits import Loader, Split, Splits
from coursework.devices import pick_device
from coursework.precision import choose_precision, prepare
from coursework.recipe import Precision, Recipe
from coursework.tasks import SingleLabel, Task
from coursework.training import (
    Probe,
    Trained,
    multiply_adds,
    to_tensors,
)
from coursework.trial import Epoch, Outcome, stream

BATCH = 100  # pictures at once, which may be large ones


@dataclass(frozen=True)
class Untouched(View):
    """Give a network its inputs as they are: features, not pictures."""

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the features (N, size)."""
        return pictures


def fit_head(
    *,
    backbone: Callable[[], nn.Module],
    data: Loader,
    recipe: Recipe,
    task: Task = SingleLabel(),
    view: View = View(),
    head: Callable[[int, int], nn.Module] = nn.Linear,
    probes: Sequence[Probe] = (),
    test: bool = True,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Train ``head(size, classes)`` on the features of a frozen backbone.

    ``backbone`` builds a network whose outputs are features (N, size); what
    is random in it is drawn from the seed.  All else is as in
    :func:`training.fit`; the outcome counts backbone and head, and a probe
    sees both as one network, children ``backbone`` and ``head``, on the
    pictures.  Raises ValueError for a recipe that changes pictures, for each
    is seen once.
    """
    if recipe.flip or recipe.shift:
        raise ValueError(
            f"flip is {recipe.flip} and shift is {recipe.shift}, but features "
            "are computed once, from pictures as they are: leave both out, or "
            "train the whole network with training.fit"
        )
    body = frozen(
        backbone, data(), view=view, precision=recipe.precision, seed=seed
    )
    table = featured(body)
    size, classes = table.train.inputs.shape[1], len(table.classes)
    outcome = yield from training.fit(
        model=lambda: head(size, classes),
        data=lambda: table,
        recipe=recipe,
        task=task,
        view=Untouched(),
        probes=[_of_whole(probe, body) for probe in probes],
        test=test,
        seed=seed,
    )
    return _counted(outcome, body)


def featured(frozen: Trained) -> Splits:
    """Put features (N, size), float32, in place of the pictures."""
    splits = frozen.splits
    path = paths.data() / "features" / f"{key(frozen)}.npz"
    found = kept(
        path,
        lambda: {
            name: _features(frozen, split)
            for name, split in vars(splits).items()
            if isinstance(split, Split)
        },
    )
    return replace(
        splits,
        train=replace(splits.train, inputs=found["train"]),
        validation=replace(splits.validation, inputs=found["validation"]),
        test=replace(splits.test, inputs=found["test"]),
    )


def key(frozen: Trained) -> str:
    """Hash what decides about features: layers, weights, pictures, view."""
    parts = (
        repr(frozen.network),
        frozen.splits.info().sha256,
        frozen.view,
        frozen.precision,
    )
    digest = hashlib.sha256(repr(parts).encode())
    for name, tensor in frozen.network.state_dict().items():
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(tensor.cpu().numpy()).data)
    return digest.hexdigest()[:16]


def frozen(
    backbone: Callable[[], nn.Module],
    pictures: Splits,
    *,
    view: View = View(),
    precision: Precision = "float32",
    seed: int,
) -> Trained:
    """Build a network that is not to be trained, with its pictures."""
    device = pick_device()
    torch.manual_seed(stream(seed, "backbone"))
    network = backbone().to(device)
    precision = choose_precision(precision, network, device)
    prepare(network, precision)
    return Trained(
        network=network,
        splits=pictures,
        view=view,
        precision=precision,
        seed=seed,
    )


def _features(frozen: Trained, split: Split) -> NDArray[np.float32]:
    rows = np.arange(len(split))
    return np.concatenate(
        [
            frozen.outputs(split.take(rows[start : start + BATCH]))
            for start in range(0, len(rows), BATCH)
        ]
    )


def _of_whole(probe: Probe, frozen: Trained) -> Probe:
    """Let a probe of networks on pictures look at backbone and head."""

    @functools.wraps(probe)
    def look(trained: Trained) -> Mapping[str, NDArray[Any]]:
        parts = OrderedDict(backbone=frozen.network, head=trained.network)
        return probe(replace(frozen, network=nn.Sequential(parts)))

    return look


def _counted(outcome: Outcome, frozen: Trained) -> Outcome:
    """Add to a head's outcome what the backbone is and costs."""
    one = frozen.splits.train.take(np.arange(1))
    example, _ = to_tensors(one, frozen.device)
    cost = multiply_adds(frozen.network, example, frozen.view)
    size = sum(p.numel() for p in frozen.network.parameters())
    return replace(
        outcome,
        data=frozen.splits.info(),
        parameters=size + outcome.parameters,
        multiply_adds=cost + outcome.multiply_adds,
        notes={**outcome.notes, "trained parameters": outcome.parameters}
        | {"precision": frozen.precision},
    )
