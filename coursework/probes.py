"""What a trained network looks like inside, as arrays for a record.

A probe is an importable function of a :class:`training.Trained`; what it
returns is stored as the artefact ``<its name>.npz``.  It leaves the network
as it found it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from coursework import metrics
from coursework.models.attention import SqueezeExcite
from coursework.models.vit import Attention
from coursework.precision import autocast
from coursework.training import Trained, to_tensors

M = TypeVar("M", bound=nn.Module)
Arrays = Mapping[str, NDArray[Any]]
LOOKED_AT = 1000  # pictures of the validation split: enough for a mean
BATCH = 128  # report R2's batch
SHOWN = 40  # misclassified pictures that one seed keeps


def errors(trained: Trained) -> Arrays:
    """Confuse which test class (row) with which (column); keep pictures.

    ``confusion`` (K, K) counts the test split.  Seed 0 also keeps the
    ``pictures`` (n, H, W) uint8 that it got most wrong, with their
    ``targets``, what was ``predicted`` and the softmax ``probability`` (n,)
    of that.
    """
    test = trained.splits.test
    outputs = trained.outputs(test)
    predicted = outputs.argmax(1)
    arrays = {
        "confusion": metrics.confusion(
            predicted, test.targets, outputs.shape[1]
        )
    }
    if trained.seed:
        return arrays
    tops = torch.from_numpy(outputs).softmax(1).amax(1).numpy()
    wrong = np.flatnonzero(predicted != test.targets)
    worst = wrong[np.argsort(-tops[wrong], kind="stable")][:SHOWN]
    return arrays | {
        "pictures": test.inputs[worst],
        "targets": test.targets[worst],
        "predicted": predicted[worst],
        "probability": tops[worst],
    }


def gates(trained: Trained) -> Arrays:
    """Sum up each SE block's gates over validation pictures.

    By block, under its number from 0: ``mean_b`` and ``sd_b`` (C,) over
    pictures; ``first_b`` (C,), the gates of the first picture; ``range_b``
    (N,), largest minus smallest gate, of the first 250 pictures; for seed 0
    also ``by_class_b`` (K, C), means.  All are rounded to float16.
    """
    blocks = _modules(trained.network, SqueezeExcite)
    watched = {name: block.gate for name, block in blocks.items()}
    seen = _outputs(trained, watched)
    targets = trained.splits.validation.targets[:LOOKED_AT]
    classes = range(len(trained.splits.classes))
    arrays: dict[str, NDArray[Any]] = {}
    for number, values in enumerate(seen.values()):
        arrays |= {
            f"mean_{number}": values.mean(0),
            f"sd_{number}": values.std(0),
            f"first_{number}": values[0],
            f"range_{number}": np.ptp(values[:250], axis=1),
        }
        if trained.seed == 0:
            means = [values[targets == label].mean(0) for label in classes]
            arrays[f"by_class_{number}"] = np.stack(means)
    return {name: array.astype(np.float16) for name, array in arrays.items()}


def train_mode(trained: Trained) -> Arrays:
    """Score the validation split as report R2 scored: without ``eval()``.

    ``accuracy`` (3,) is that in evaluation mode; in training mode on batches
    of ``BATCH`` in a mixed order; and so in an order sorted by class.  In
    training mode dropout drops and batch norm takes its statistics from the
    batch it scores.
    """
    split = trained.splits.validation
    mixed = np.random.default_rng(0).permutation(len(split))
    in_order = np.argsort(split.targets, kind="stable")
    found = [trained.outputs(split).argmax(1) == split.targets]
    for rows in (mixed, in_order):
        network = copy.deepcopy(trained.network).train()
        inputs, targets = to_tensors(split.take(rows), trained.device)
        with torch.no_grad(), autocast(trained.precision, trained.device):
            outputs = [
                network(trained.view(batch)).argmax(1)
                for batch in torch.split(inputs, BATCH)
            ]
        found.append((torch.cat(outputs) == targets).cpu().numpy())
    return {"accuracy": np.array([right.mean() for right in found])}


def attention_entropy(trained: Trained) -> Arrays:
    """Measure how evenly attention rows are spread, in nats.

    ``entropy`` (blocks, heads) is the mean over tokens and pictures of each
    row's entropy; ``uniform`` is that of a row which takes all tokens alike.
    """
    blocks = _modules(trained.network, Attention)
    watched = {name: block.rows for name, block in blocks.items()}
    found = []
    for rows in _outputs(trained, watched, _entropy).values():
        found.append(rows.mean(0))
    tokens = trained.network.get_parameter("positions").shape[1]
    return {"entropy": np.stack(found), "uniform": np.log(np.array(tokens))}


def _entropy(rows: Tensor) -> Tensor:
    """Map attention rows (N, heads, T, T) to mean entropies (N, heads)."""
    entropies: Tensor = torch.special.entr(rows.float()).sum(-1)
    return entropies.mean(-1)


def _modules(network: nn.Module, kind: type[M]) -> dict[str, M]:
    return {n: m for n, m in network.named_modules() if isinstance(m, kind)}


def _outputs(
    trained: Trained,
    modules: Mapping[str, nn.Module],
    reduce: Callable[[Tensor], Tensor] = lambda output: output,
) -> dict[str, NDArray[np.float32]]:
    """Collect what modules put out on the first validation pictures."""
    rows = np.arange(min(LOOKED_AT, len(trained.splits.validation)))
    with watch(modules, reduce) as seen:
        trained.outputs(trained.splits.validation.take(rows))
    return {
        name: torch.cat(parts).float().cpu().numpy()
        for name, parts in seen.items()
    }


@contextmanager
def watch(
    modules: Mapping[str, nn.Module],
    reduce: Callable[[Tensor], Tensor] = lambda output: output,
) -> Iterator[dict[str, list[Tensor]]]:
    """Gather the outputs of named modules while the block runs.

    ``reduce`` is applied to each output at once, so that only a summary is
    kept.  The hooks are gone afterwards, whatever happens.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in modules}

    def keep(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            seen[name].append(reduce(output.detach()))

        return hook

    hooks = [
        module.register_forward_hook(keep(name))
        for name, module in modules.items()
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
