"""One step of training: a batch's gradients, then the update."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from coursework import guard_torchvision
from coursework.models.transfer import Transfer
from coursework.precision import autocast
from coursework.recipe import Optimiser, Precision, Recipe, named
from coursework.tasks import Task

Penalty = Callable[[nn.Module], Tensor]


def lion(groups: Any, **options: Any) -> torch.optim.Optimizer:
    """Build Lion by timm (:cite:p:`chen2023lion`, algorithm 2).

    Its steps are signs, of size one: it wants a rate some three to ten times
    smaller than AdamW's, and a decay as many times larger.
    """
    guard_torchvision()
    from timm.optim.lion import Lion  # noqa: PLC0415  # takes a second

    built: torch.optim.Optimizer = Lion(groups, **options)
    return built


OPTIMISERS: Mapping[Optimiser, Callable[..., torch.optim.Optimizer]] = {
    "sgd": partial(torch.optim.SGD, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "adamw": partial(torch.optim.AdamW, fused=True),
    "lion": lion,
}


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimiser for what trains in a network.

    A group's ``scale`` is the factor of its learning rate.
    """
    options: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
    }
    if recipe.optimiser == "sgd":
        options["momentum"] = recipe.momentum
    groups = [{"params": [p for p in network.parameters() if p.requires_grad]}]
    if isinstance(network, Transfer):
        groups = network.groups()
    build = named(OPTIMISERS, recipe.optimiser, "optimiser")
    return build(groups, **options)


class Stepper:
    """Updates a network, and keeps what that takes from step to step.

    ``parts`` is the number of pieces in which a batch's gradients are
    computed: one, until a device runs out of memory.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        precision: Precision,
        penalty: Penalty | None = None,
    ) -> None:
        self.network, self.recipe = network, recipe
        self.precision, self.penalty = precision, penalty
        self.optimiser = make_optimiser(network, recipe)
        self.parts = 1

    def __call__(
        self, batch: Tensor, targets: Tensor, task: Task, rate: float
    ) -> float:
        """Make one step; return the loss before it, without the penalty."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        loss = self._gradients(batch, targets, task)
        if self.recipe.clip is not None:
            nn.utils.clip_grad_norm_(
                self.network.parameters(), self.recipe.clip
            )
        self.optimiser.step()
        return loss

    @property
    def trained(self) -> int:
        """Count the parameters that train, now or later."""
        groups = self.optimiser.param_groups
        return sum(p.numel() for group in groups for p in group["params"])

    def _gradients(self, batch: Tensor, targets: Tensor, task: Task) -> float:
        """Compute them in as many parts as the memory asks for.

        Raises MemoryError, saying what to do, if one picture is too many.
        """
        while True:
            self.optimiser.zero_grad()
            try:
                return self._accumulate(batch, targets, task)
            except torch.OutOfMemoryError as error:
                size = len(batch) // self.parts
                if size < 2:
                    raise MemoryError(
                        f"not even one picture {tuple(batch.shape[1:])} fits "
                        "into the device's memory: take smaller pictures, a "
                        "smaller network or precision 'bfloat16'"
                    ) from error
                self.parts *= 2
                warnings.warn(
                    f"out of memory with {size} pictures at once: gradients of "
                    f"a batch are now added up over {self.parts} parts",
                    stacklevel=2,
                )

    def _accumulate(self, batch: Tensor, targets: Tensor, task: Task) -> float:
        total = 0.0
        size = -(-len(batch) // self.parts)
        pairs = zip(batch.split(size), targets.split(size), strict=True)
        for some, wanted in pairs:
            with autocast(self.precision, batch.device):
                loss = task.loss(self.network(some), wanted)
            share = len(some) / len(batch)
            (loss * share if share < 1 else loss).backward()
            total += share * loss.item()
        if self.penalty is not None:
            self.penalty(self.network).backward()
        return total
