"""The loops that people write for a GPU, each a pass over the same pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Subset

from benchmarks.turns import Contestant
from coursework import guard_torchvision

RATE, MOMENTUM = 0.01, 0.9
Build = Callable[[], nn.Module]


def peers(
    networks: tuple[Build, Build],
    pictures: Any,
    number: int,
    batch: int,
    device: torch.device,
) -> dict[str, Contestant]:
    """Prepare the loops with torchvision's network and with timm's.

    ``pictures`` is a data set of float pictures, of which the first
    ``number`` are taken.
    """
    theirs, timms = networks
    loader = loaded(pictures, number, batch, device)
    loop = partial(epoch, loader=loader, device=device)
    some, targets = next(iter(loader))
    short = partial(torch.autocast, device.type, torch.bfloat16)
    ready = [(some.to(device), targets.to(device))] * -(-number // batch)
    return {
        "DataLoader, float32": loop(theirs, lower=nullcontext),
        "DataLoader, autocast": loop(theirs, lower=short),
        "timm, autocast, channels last": loop(timms, lower=short, last=True),
        "bare steps, autocast, channels last": epoch(
            theirs, loader=ready, device=device, lower=short, last=True
        ),
    }


def named(name: str, classes: int = 10) -> tuple[Build, Build]:
    """Bind the network of that name in torchvision, and that in timm."""

    def theirs() -> nn.Module:
        guard_torchvision()
        from torchvision.models import get_model  # noqa: PLC0415

        network: nn.Module = get_model(name, num_classes=classes)
        return network

    def timms() -> nn.Module:
        import timm  # noqa: PLC0415

        network: nn.Module = timm.create_model(name, num_classes=classes)
        return network

    return theirs, timms


def loaded(
    pictures: Any, number: int, batch: int, device: torch.device
) -> DataLoader[Any]:
    """Load pictures as PyTorch's guide to performance says.

    A worker a core, which stay, and memory that the GPU can read.
    """
    on_gpu = device.type == "cuda"
    workers = (os.cpu_count() or 1) if on_gpu else 0
    return DataLoader(
        Subset(pictures, range(number)),
        batch,
        shuffle=True,
        num_workers=workers,
        pin_memory=on_gpu,
        persistent_workers=workers > 0,
    )


def epoch(
    build: Build,
    *,
    loader: Any,
    device: torch.device,
    lower: Callable[[], AbstractContextManager[Any]],
    last: bool = False,
) -> Contestant:
    """Prepare a pass of the usual loop, ``last`` with the channels last."""
    layout = torch.channels_last if last else torch.contiguous_format
    network = build().to(device)
    network.to(memory_format=layout)  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)

    def steps() -> None:
        network.train()
        for some, targets in loader:
            batch = some.to(device, non_blocking=True, memory_format=layout)
            with lower():
                outputs = network(batch)
                loss = cross_entropy(
                    outputs, targets.to(device, non_blocking=True)
                )
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()

    return steps
