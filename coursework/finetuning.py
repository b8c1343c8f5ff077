"""The trial of a network that is trained on one set and tuned on another.

Where no weights can be had from outside, a network learns its features here,
from a source set; each seed has its own source network, kept on this machine
for all arms that start from it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from coursework import identity, paths, training
from coursework.data.augment import View
from coursework.data.jitter import Augment
from coursework.data.kept import kept
from coursework.data.splits import Loader
from coursework.devices import pick_device
from coursework.models.adapters import ATTENTION, adapted
from coursework.models.transfer import Strategy, Transfer, transfer
from coursework.recipe import Recipe
from coursework.tasks import SingleLabel, Task
from coursework.training import (
    Change,
    Probe,
    Training,
    to_tensors,
)
from coursework.trial import Epoch, Outcome, stream

Backbone = Callable[..., nn.Module]
Weights = Mapping[str, NDArray[Any]]


def fine_tune(
    *,
    backbone: Backbone,
    classes: int,
    source: Loader,
    source_backbone: Backbone | None = None,
    source_classes: int,
    source_recipe: Recipe,
    strategy: Strategy = "all",
    layer_decay: float = 1.0,
    last: int = 1,
    adapter: str | None = None,
    data: Loader,
    recipe: Recipe,
    task: Task = SingleLabel(),
    view: View = View(),
    augmentation: Change = Augment(),
    probes: Sequence[Probe] = (),
    watches: Sequence[Probe] = (),
    test: bool = True,
    seed: int,
    checkpoint: Path | None = None,
) -> Generator[Epoch, None, Outcome]:
    """Train ``backbone(classes=…)`` on a source set, then tune it.

    Only the head starts anew, and what ``source_backbone``, if it is another
    network, does not have.  ``strategy``, ``layer_decay`` and ``last`` are
    those of :func:`transfer.transfer`; with an ``adapter`` only that trains, in
    the attention of our ViT, and the head.  All other settings, the data to
    tune on among them, are those of :func:`training.fit`.  Nothing of the
    source's training is in the record but its recipe.
    """
    weights = pretrained(
        backbone=source_backbone or backbone,
        data=source,
        classes=source_classes,
        recipe=source_recipe,
        view=view,
        seed=seed,
    )
    build = partial(
        transfer,
        backbone=backbone,
        classes=classes,
        strategy=strategy,
        layer_decay=layer_decay,
        last=last,
    )

    def model() -> nn.Module:
        whole = started(build(), weights)
        if adapter is None:
            return whole
        return adapted(
            build=lambda: whole.network,
            kind=adapter,
            targets=ATTENTION,
            head="head",
        )

    outcome = yield from training.fit(
        model=model,
        data=data,
        recipe=recipe,
        task=task,
        view=view,
        augmentation=augmentation,
        probes=probes,
        watches=watches,
        test=test,
        seed=seed,
        checkpoint=checkpoint,
    )
    return outcome


def pretrained(*, seed: int, **settings: Any) -> Weights:
    """Train a network by :func:`learn` once, and keep its weights."""
    spec = partial(learn, **settings)
    name = f"{identity.key(spec)}-{seed}.npz"
    return kept(paths.data() / "pretrained" / name, partial(spec, seed=seed))


def learn(
    *,
    backbone: Backbone,
    data: Loader,
    classes: int,
    recipe: Recipe,
    view: View = View(),
    seed: int,
) -> Weights:
    """Train a network on all of a set's training split; return its state."""
    splits = data()
    torch.manual_seed(stream(seed, "source"))
    network = backbone(classes=classes).to(pick_device())
    run = Training(network, recipe, view, stream(seed, "source"))
    inputs, targets = to_tensors(splits.train, pick_device())
    for _ in range(recipe.epochs):
        run.history.append(run.epoch(inputs, targets, SingleLabel()))
    state = network.state_dict()
    return {name: tensor.cpu().numpy() for name, tensor in state.items()}


def started(network: Transfer, weights: Weights) -> Transfer:
    """Copy a source's weights into a network, what it has of them.

    The head starts anew, as does a layer that the source had not.
    """
    head = set(network.stages[-1])
    with torch.no_grad():
        for name, tensor in network.network.state_dict().items():
            if name in weights and name not in head:
                tensor.copy_(torch.from_numpy(weights[name]))
    return network
