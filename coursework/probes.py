"""What a trained network looks like inside, as arrays for a record.

A probe is an importable function of a :class:`training.Trained`; what it
returns is stored as the artefact ``<its name>.npz``.  It leaves the network
as it found it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from coursework import metrics
from coursework.data.splits import Split
from coursework.models.attention import SqueezeExcite
from coursework.models.deep import Layer
from coursework.models.residual import Unit
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
    test, outputs = trained.splits.test, trained.test_outputs
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


def gate_swaps(trained: Trained) -> Arrays:
    """Replace SE gates, and see what accuracy loses by it.

    ``accuracy`` () is that on the validation split; ``all`` (3,) with every
    block's gates replaced by their mean over pictures, by ones, and permuted
    across channels; ``each`` (blocks, 3) with one block's replaced.
    """
    split = trained.splits.validation
    split = split.take(np.arange(min(2 * LOOKED_AT, len(split))))
    blocks = list(_modules(trained.network, SqueezeExcite).values())
    means = [
        torch.from_numpy(gates.mean(0)).to(trained.device)
        for gates in _outputs(
            trained, {str(n): b.gate for n, b in enumerate(blocks)}
        ).values()
    ]

    def score(number: int, swap: Swap) -> float:
        chosen = range(len(blocks)) if number < 0 else [number]
        with ExitStack() as stack:
            for n in chosen:
                hook = partial(_swap, swap, means[n])
                stack.enter_context(hooked(blocks[n].gate, hook))
            return _accuracy(trained, split)

    return {
        "accuracy": np.array(_accuracy(trained, split)),
        "all": np.array([score(-1, swap) for swap in SWAPS.values()]),
        "each": np.array(
            [
                [score(number, swap) for swap in SWAPS.values()]
                for number in range(len(blocks))
            ]
        ),
    }


def _accuracy(trained: Trained, split: Split) -> float:
    return metrics.accuracy(trained.outputs(split).argmax(1), split.targets)


def permuted(gates: Tensor, mean: Tensor) -> Tensor:
    """Deal a picture's gates out to other channels, the same for all."""
    order = torch.randperm(
        gates.shape[1], generator=torch.Generator().manual_seed(0)
    )
    return gates[:, order.to(gates.device)]


Swap = Callable[[Tensor, Tensor], Tensor]  # of gates (N, C), their mean (C,)
SWAPS: Mapping[str, Swap] = {
    "mean": lambda gates, mean: mean.to(gates.dtype).expand_as(gates),
    "ones": lambda gates, mean: torch.ones_like(gates),
    "permuted": permuted,
}


def _swap(
    swap: Swap, mean: Tensor, module: nn.Module, inputs: Any, gates: Tensor
) -> Tensor:
    return swap(gates, mean)


def flow(trained: Trained) -> Arrays:
    """Measure signal and gradient at each residual unit, in training mode.

    On a batch of the first training pictures: ``signal`` (units,), root mean
    square of what a unit puts out; ``gradient`` (units,), that of the loss's
    derivative there; ``stem`` (), root mean square of the first unit's input,
    and ``side`` (), places along its maps; ``loss`` (), nats per picture.
    """
    rows = np.arange(min(BATCH, len(trained.splits.train)))
    split = trained.splits.train.take(rows)
    inputs, targets = to_tensors(split, trained.device)
    network = copy.deepcopy(trained.network).train()
    units = _modules(network, Unit)
    outputs: list[Tensor] = []
    stems: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        stems.append(given[0])
        outputs.append(output)

    with ExitStack() as stack:
        for unit in units.values():
            stack.enter_context(hooked(unit, keep))
        logits = network(trained.view(inputs))
    loss = cross_entropy(logits, targets)
    gradients = torch.autograd.grad(loss, outputs)
    return {
        "signal": np.array([_rms(output) for output in outputs]),
        "gradient": np.array([_rms(gradient) for gradient in gradients]),
        "stem": np.array(_rms(stems[0])),
        "side": np.array(stems[0].shape[-1]),
        "loss": np.array(loss.item()),
    }


def _rms(values: Tensor) -> float:
    # In float64, as squares of large and small values leave float32.
    return float(values.detach().double().square().mean().sqrt())


def layer_flow(trained: Trained) -> Arrays:
    """Measure signal, gradient and dead units at each hidden dense layer.

    On the first training pictures, by layer (layers,): ``signal``, root mean
    square of what its activation puts out; ``gradient``, that of the loss's
    derivative there; ``inside``, the share of the activation's inputs from -3
    to 3; ``shift``, the share of the mean square that a unit's own mean over
    pictures has; ``dead``, the share of units whose activation passes no
    gradient for any picture.  ``input`` () is the root mean square of the
    pictures.
    """
    rows = np.arange(min(LOOKED_AT, len(trained.splits.train)))
    split = trained.splits.train.take(rows)
    inputs, targets = to_tensors(split, trained.device)
    seen: list[tuple[Tensor, Tensor]] = []

    def keep(_: nn.Module, given: tuple[Tensor], output: Tensor) -> None:
        seen.append((given[0], output))

    with ExitStack() as stack:
        for layer in _modules(trained.network, Layer).values():
            stack.enter_context(hooked(layer.act, keep))
        logits = trained.network(trained.view(inputs))
    outputs = [output for _, output in seen]
    loss = cross_entropy(logits, targets)
    gradients = torch.autograd.grad(loss, outputs, retain_graph=True)
    found = [
        {
            "signal": _rms(output),
            "gradient": _rms(gradient),
            "inside": float((given.abs() <= 3).float().mean()),
            "shift": _rms(output.mean(0)) ** 2 / _rms(output) ** 2,
            "dead": _dead(given, output),
        }
        for (given, output), gradient in zip(seen, gradients, strict=True)
    ]
    arrays = {name: np.array([one[name] for one in found]) for name in found[0]}
    return arrays | {"input": np.array(_rms(trained.view(inputs)))}


def _dead(given: Tensor, output: Tensor) -> float:
    """Share of an activation's units that pass no gradient for any row."""
    # Uneven, as an even one is nothing to a softmax, whose sum is fixed.
    passed = torch.linspace(1, 2, output.shape[1], device=output.device)
    (slope,) = torch.autograd.grad(
        output, given, passed.expand_as(output), retain_graph=True
    )
    return float((slope == 0).all(0).float().mean())


def weights(trained: Trained) -> Arrays:
    """Measure ``weight`` (layers,), the root mean square of each layer's.

    A layer is a convolution or a dense one, in the network's order.
    """
    found = [
        _rms(module.weight)
        for module in trained.network.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    return {"weight": np.array(found)}


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
    with torch.random.fork_rng():  # dropout draws, and nobody notices
        found += [_in_training(trained, split, r) for r in (mixed, in_order)]
    return {"accuracy": np.array([right.mean() for right in found])}


def _in_training(
    trained: Trained, split: Split, rows: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Tell which rows are right, scored in training mode in their order."""
    network = copy.deepcopy(trained.network).train()
    inputs, targets = to_tensors(split.take(rows), trained.device)
    with torch.no_grad(), autocast(trained.precision, trained.device):
        outputs = [
            network(trained.view(batch)).argmax(1)
            for batch in torch.split(inputs, BATCH)
        ]
    right: NDArray[np.bool_] = (torch.cat(outputs) == targets).cpu().numpy()
    return right


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

    with ExitStack() as stack:
        for name, module in modules.items():
            stack.enter_context(hooked(module, keep(name)))
        yield seen


@contextmanager
def hooked(module: nn.Module, hook: Callable[..., Any]) -> Iterator[None]:
    """Have a module call a forward hook while the block runs."""
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
