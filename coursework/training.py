"""The torch trial: one loop for every network, the data set in memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursework.data import augment
from coursework.data.splits import Loader, Split, batches
from coursework.recipe import Optimiser, Recipe, named
from coursework.tasks import SingleLabel
from coursework.trial import Epoch, Outcome, stream

Optimisers = Mapping[Optimiser, Callable[..., torch.optim.Optimizer]]
OPTIMISERS: Optimisers = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
EVALUATION_BATCH = 1000


def fit(
    *,
    model: Callable[[], nn.Module],
    data: Loader,
    recipe: Recipe,
    task: SingleLabel = SingleLabel(),
    seed: int,
) -> Generator[Epoch, None, Outcome]:
    """Train a network on pictures and score the test split once, at the end.

    Pictures are uint8 (N, H, W) or (N, C, H, W); the network gets them as
    float32 (N, C, H, W) between -1 and 1.  Stops as soon as the loss is not
    finite; the outcome then says where.
    """
    splits = data()
    device = pick_device()
    torch.manual_seed(stream(seed, "init"))
    network = model().to(device)
    optimiser = make_optimiser(network, recipe)
    moves = torch.Generator().manual_seed(stream(seed, "shift"))
    inputs, targets = to_tensors(splits.train, device)
    steps, step, diverged = recipe.steps(len(targets)), 0, None
    for epoch in range(1, recipe.epochs + 1):
        started, total = time.perf_counter(), 0.0
        network.train()
        order = stream(seed, "order")
        for rows in batches(len(targets), recipe.batch_size, order, epoch):
            for group in optimiser.param_groups:
                group["lr"] = recipe.rate(step, steps)
            picked = torch.from_numpy(rows).to(device)
            batch = augment.shift(inputs[picked], recipe.shift, moves)
            loss = task.loss(network(normalise(batch)), targets[picked])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
            step += 1
            if not math.isfinite(total):
                diverged = f"loss became {loss.item()} at step {step}"
                break
        seconds = time.perf_counter() - started
        outputs = predict(network, splits.validation)
        labels = splits.validation.targets
        yield Epoch(
            epoch=epoch,
            learning_rate=recipe.rate(step - 1, steps),
            train_loss=total / len(targets),
            validation_loss=float(
                task.loss(torch.from_numpy(outputs), torch.from_numpy(labels))
            ),
            validation=task.scores(outputs, labels),
            seconds=seconds,
        )
        if diverged:
            break
    outputs = predict(network, splits.test)
    if diverged is None and not np.isfinite(outputs).all():
        diverged = "outputs are not finite after the last step"
    return Outcome(
        data=splits.info(),
        scores=task.scores(outputs, splits.test.targets),
        predictions=task.pack(outputs, splits.test.targets),
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds=multiply_adds(network, inputs[:1]),
        diverged=diverged,
    )


def predict(network: nn.Module, split: Split) -> NDArray[np.float32]:
    """Compute outputs (N, K) in evaluation mode, in the split's order."""
    device = next(network.parameters()).device
    inputs, _ = to_tensors(split, device)
    network.eval()
    with torch.inference_mode():
        parts = [
            network(normalise(part)).float().cpu()
            for part in torch.split(inputs, EVALUATION_BATCH)
        ]
    outputs: NDArray[np.float32] = torch.cat(parts).numpy()
    return outputs


def multiply_adds(network: nn.Module, example: torch.Tensor) -> int:
    """Count multiply-adds of one forward pass, by torch's own counter.

    It counts the products of convolutions, matrix products and attention;
    biases, normalisation and activations are not counted.
    """
    network.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(normalise(example))
    return int(counter.get_total_flops()) // 2


def make_optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Build the recipe's optimiser for all parameters of a network."""
    options: dict[str, Any] = {
        "lr": recipe.learning_rate,
        "weight_decay": recipe.weight_decay,
    }
    if recipe.optimiser == "sgd":
        options["momentum"] = recipe.momentum
    build = named(OPTIMISERS, recipe.optimiser, "optimiser")
    return build(network.parameters(), **options)


def to_tensors(
    split: Split, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put a whole split on a device: uint8 (N, C, H, W) and int64 (N,)."""
    inputs = torch.from_numpy(split.inputs).to(device)
    if inputs.ndim == 3:
        inputs = inputs[:, None]
    return inputs, torch.from_numpy(split.targets).to(device)


def normalise(pictures: torch.Tensor) -> torch.Tensor:
    """Map uint8 0…255 to float32 -1…1."""
    return pictures.float().div_(127.5).sub_(1)


def pick_device() -> torch.device:
    """Take the GPU if torch can use one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
