"""The trial of tiny networks: a stack of them trains at once, as one run."""

from __future__ import annotations

import io
import time
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from coursework.data.splits import Loader, Split, Splits
from coursework.mlp.film import Film
from coursework.models.stack import Stack
from coursework.optimisation import make_optimiser
from coursework.recipe import Recipe, at_least
from coursework.trial import Epoch, Outcome, stream

Floats = NDArray[np.floating[Any]]


def fit(
    *,
    activations: tuple[str, ...],
    data: Loader,
    recipe: Recipe,
    width: int = 10,
    networks: int = 30,
    readout_only: bool = False,
    reports: int = 20,
    frames: int = 0,
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Train a stack of networks on points of two classes, all at once.

    One run holds ``networks`` networks: they differ in their initial weights
    alone, share data and recipe, and do not touch each other.  The record's
    scores are means over them; each network's own lie in its notes, and
    ``stacks.networks`` makes a record of each.  Network i of a seed starts
    from the same weights whatever its activations.

    Each name in ``activations`` is a hidden layer, ``width`` units each;
    ``readout_only`` leaves all but the last layer as drawn.  Full batch,
    binary cross-entropy of the logit.  ``networks.npz`` has what each network
    did at each report; ``field.npz`` the field of the first network of
    seed 0.  Trains on the CPU, where so little work is done fastest.

    Raises ValueError for mini-batches, clipping, and unsuited activations.
    """
    _check(recipe, networks, reports)
    splits = data()
    stack = Stack(
        (splits.train.inputs.shape[1], *(width,) * len(activations), 1),
        activations,
        [stream(seed, f"init/{number}") for number in range(networks)],
    )
    if readout_only:
        for layer in (*stack.weights[:-1], *stack.biases[:-1]):
            layer.requires_grad_(False)
    descent = Descent(stack, splits.train, recipe)
    film = Film(splits.train, frames if seed == 0 else 0, recipe.epochs)
    every = -(-recipe.epochs // reports)
    for step in range(1, recipe.epochs + 1):
        descent.step()
        if step in film.epochs:
            view: Any = FirstNetwork(stack)  # a film asks for scores alone
            film.shoot(view)
        if step % every == 0 or step == recipe.epochs:
            yield descent.report(splits)
    outcome = _score(stack, splits)
    kept = film.artefacts() | {"networks.npz": descent.watched()}
    return Outcome(**vars(outcome) | {"artefacts": kept})


class Descent:
    """Full-batch training of a stack, and what each network does in it."""

    def __init__(self, stack: Stack, train: Split, recipe: Recipe) -> None:
        self.stack, self.recipe = stack, recipe
        self.optimiser = make_optimiser(stack, recipe)
        self.inputs = torch.from_numpy(train.inputs)
        self.targets = torch.from_numpy(train.targets)
        self.losses = torch.empty(0)
        self.steps, self.seconds = 0, 0.0
        self.log: list[Mapping[str, Floats | int]] = []

    def step(self) -> None:
        """Make one step of every network; keep the losses before it."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.steps, self.recipe.epochs)
        losses = losses_of(self.stack(self.inputs), self.targets)
        self.optimiser.zero_grad()
        # A network's loss has a gradient for its own weights alone.
        losses.sum().backward()
        self.optimiser.step()
        self.losses = losses.detach()
        self.steps += 1
        self.seconds += time.perf_counter() - started

    def report(self, splits: Splits) -> Epoch:
        """Note what each network does; return the means over all."""
        gradients = [
            torch.zeros(len(w))
            if w.grad is None
            else w.grad.flatten(1).norm(dim=1)
            for w in self.stack.weights
        ]
        self.log.append(
            {
                "step": self.steps,
                "loss": self.losses.numpy(),
                "accuracy": accuracies(self.stack, splits.train),
                "gradient": torch.stack(gradients, dim=1).numpy(),
            }
        )
        held_out = splits.validation
        logits = torch.from_numpy(logits_of(self.stack, held_out))
        losses = losses_of(logits, torch.from_numpy(held_out.targets))
        seconds, self.seconds = self.seconds, 0.0
        return Epoch(
            epoch=self.steps,
            learning_rate=self.optimiser.param_groups[0]["lr"],
            train_loss=float(self.losses.mean()),
            validation_loss=float(losses.mean()),
            validation={
                "accuracy": float(accuracies(self.stack, held_out).mean())
            },
            seconds=seconds,
        )

    def watched(self) -> bytes:
        """Pack step (T,), loss and accuracy (T, n), gradient (T, n, layers).

        All of the training points; the gradient is the norm of that of a
        layer's weights, 0 where they do not train.
        """
        file = io.BytesIO()
        arrays: dict[str, Any] = {
            name: np.stack([np.float32(line[name]) for line in self.log])
            for name in self.log[0]
        }
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return file.getvalue()


class FirstNetwork:
    """The first network of a stack, as a film takes it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def scores(self, points: NDArray[np.float32]) -> Floats:
        """Score points (N, 2) for both classes: (N, 2), kept finite."""
        with torch.inference_mode():
            logits = self.stack(torch.from_numpy(points), slice(1))[0]
        bounded = logits.nan_to_num(0.0, 1e4, -1e4).numpy()
        return np.stack([np.zeros_like(bounded), bounded], axis=1)


def losses_of(logits: Tensor, targets: Tensor) -> Tensor:
    """Average each network's loss, from logits (networks, N): (networks,)."""
    each = F.binary_cross_entropy_with_logits(
        logits, targets.to(logits.dtype).expand_as(logits), reduction="none"
    )
    return each.mean(dim=1)


def logits_of(stack: Stack, split: Split) -> Floats:
    """Compute logits (networks, N)."""
    with torch.inference_mode():
        logits: Floats = stack(torch.from_numpy(split.inputs)).numpy()
    return logits


def accuracies(stack: Stack, split: Split) -> Floats:
    """Score each network: (networks,); a logit that is NaN is wrong."""
    logits = logits_of(stack, split)
    right = np.where(split.targets == 1, logits > 0, logits <= 0)
    shares: Floats = right.mean(axis=1)
    return shares


def beyond(stack: Stack, split: Split, degree: int) -> Floats:
    """Measure what of a logit no polynomial of the two inputs explains.

    The share of each network's variance over the points that the best
    polynomial up to ``degree`` leaves: (networks,), 0 for a constant, NaN
    where a logit is not finite.
    """
    x, y = split.inputs.astype(np.float64).T
    powers = range(degree + 1)
    terms = [x**a * y**b for a in powers for b in powers if a + b <= degree]
    logits = logits_of(stack, split).astype(np.float64).T
    finite = np.isfinite(logits).all(axis=0)
    kept = np.where(finite, logits, 0)
    kept = kept - kept.mean(axis=0)
    basis = np.linalg.qr(np.stack(terms, axis=1))[0]
    rest = ((kept - basis @ (basis.T @ kept)) ** 2).sum(axis=0)
    total = np.maximum((kept**2).sum(axis=0), np.finfo(float).tiny)
    return np.where(finite, rest / total, np.nan)


def _check(recipe: Recipe, networks: int, reports: int) -> None:
    at_least("networks", networks, 1)
    at_least("reports", reports, 1)
    if recipe.batch_size is not None or recipe.clip is not None:
        raise ValueError(
            f"recipe.batch_size is {recipe.batch_size} and recipe.clip is "
            f"{recipe.clip}; a stack trains on the full batch and does not "
            "clip: set both to None"
        )
    if recipe.shift or recipe.flip:
        raise ValueError(
            f"recipe.shift is {recipe.shift} and recipe.flip {recipe.flip}; a "
            "stack trains on tables, which have neither: leave both out"
        )


def _score(stack: Stack, splits: Splits) -> Outcome:
    """Score each network on the test split."""
    train = accuracies(stack, splits.train)
    each = {
        "accuracy": accuracies(stack, splits.test),
        "train accuracy": train,
        "fits": (train == 1).astype(float),
        "beyond linear": beyond(stack, splits.validation, 1),
        "beyond quadratic": beyond(stack, splits.validation, 2),
    }
    lost = int(np.isnan(each["beyond linear"]).sum())
    shapes = [weight.shape[1:] for weight in stack.weights]
    return Outcome(
        data=splits.info(),
        scores={n: float(each[n].mean()) for n in ("accuracy", "fits")},
        parameters=sum(outputs * (inputs + 1) for outputs, inputs in shapes),
        multiply_adds=sum(outputs * inputs for outputs, inputs in shapes),
        diverged=f"{lost} of {len(train)} networks" if lost else None,
        notes={"networks": {k: v.round(6).tolist() for k, v in each.items()}},
    )
