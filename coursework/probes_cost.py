"""Probes of what a training takes and how it starts: memory, empty batches."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from coursework.precision import autocast
from coursework.training import Trained, to_tensors

Arrays = Mapping[str, NDArray[Any]]
PICTURES = 16  # a batch to measure on, and report R3's


def step_memory(trained: Trained) -> Arrays:
    """Count the bytes of one step of training, in its precision.

    ``kept`` () is what autograd keeps for the backward pass, for each picture
    of a batch of 16, weights left out; ``gradients`` () those of all that
    trains.  Both follow from the network alone, so every seed gives the same.
    """
    rows = np.arange(min(PICTURES, len(trained.splits.train)))
    some = trained.splits.train.take(rows)
    batch = trained.view(to_tensors(some, trained.device)[0])
    # a copy, for its batch norms' statistics would move
    network = copy.deepcopy(trained.network).train()
    state = network.state_dict(keep_vars=True).values()
    seen = {tensor.untyped_storage().data_ptr() for tensor in state}
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept.append(storage.nbytes())
        return tensor.detach()

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved),
        autocast(trained.precision, trained.device),
    ):
        outputs = network(batch)
    del outputs  # until here it held all: no storage came twice
    trains = [p for p in network.parameters() if p.requires_grad]
    return {
        "kept": np.array(sum(kept) / len(rows)),
        "gradients": np.array(sum(p.numel() * 4 for p in trains)),
    }


def empty_batches(trained: Trained) -> Arrays:
    """Count training batches of 16 of which not one picture is right.

    ``hit`` () is the share of the batches with at least one right answer, in
    evaluation mode and a fixed random order; ``accuracy`` () that of all.
    """
    split = trained.splits.train
    right = trained.outputs(split).argmax(1) == split.targets
    mixed = np.random.default_rng(0).permutation(right)
    whole = mixed[: len(mixed) // PICTURES * PICTURES]
    hits = whole.reshape(-1, PICTURES).any(axis=1)
    return {
        "hit": np.array(hits.mean()),
        "accuracy": np.array(right.mean()),
    }
