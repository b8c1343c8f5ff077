"""The torch trial: one loop for every network, the data set in memory."""

from __future__ import annotations

import copy
import io
import itertools
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from coursework import checkpoints, ranks, stopping
from coursework.averaging import Average
from coursework.data import augment
from coursework.data.augment import View
from coursework.data.jitter import Augment
from coursework.data.mixing import Mix
from coursework.data.splits import Loader, Split, Splits, batches
from coursework.devices import pick_device
from coursework.models.transfer import Transfer
from coursework.optimisation import Penalty
from coursework.precision import autocast, choose_precision, prepare
from coursework.recipe import Precision, Recipe, plateau
from coursework.tasks import SingleLabel, Task
from coursework.trial import Epoch, Outcome, stream

EVALUATION_BATCH, EVALUATION_VALUES = 1000, 2**20  # pictures, numbers
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A network after its training, with all that a probe may look at."""

    network: nn.Module
    splits: Splits
    view: View
    precision: Precision
    seed: int

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def outputs(self, split: Split) -> NDArray[np.float32]:
        """Compute outputs (N, K) in evaluation mode."""
        return predict(self.network, split, self.view, self.precision)

    @cached_property
    def test_outputs(self) -> NDArray[np.float32]:
        """Compute those on the test split, once for all who ask."""
        return self.outputs(self.splits.test)


Probe = Callable[[Trained], Mapping[str, NDArray[Any]]]
Change = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def fit(
    *,
    model: Callable[[], nn.Module],
    data: Loader,
    recipe: Recipe,
    task: Task = SingleLabel(),
    view: View = View(),
    augmentation: Change = Augment(),
    mix: Mix = Mix(),
    penalty: Penalty | None = None,
    probes: Sequence[Probe] = (),
    watches: Sequence[Probe] = (),
    test: bool = True,
    seed: int,
    checkpoint: Path | None = None,
) -> Generator[Epoch, None, Outcome]:
    """Train a network on pictures and score the test split once, at the end.

    Pictures are uint8 (N, H, W) or (N, C, H, W); the network gets them as
    ``view`` says, in training after what the recipe's ``shift`` and ``flip``
    and ``augmentation`` make of them, and then mixed by ``mix``; ``penalty``
    of the network is added to the loss.  Stops as soon as the loss is not
    finite; the outcome then says where.  What each of ``probes`` sees in the
    trained network becomes an artefact of its name, as does what each of
    ``watches`` sees before training and after each epoch, stacked;
    ``test=False`` leaves the test split alone.  With a ``checkpoint`` file
    training goes on from there, as if it had never stopped, and yields the
    epochs before once more; asked to stop, it leaves one first.
    """
    splits = data()
    task = task.fitted(splits.train.targets)
    device = pick_device()
    torch.manual_seed(stream(seed, "init"))
    training = Training(model().to(device), recipe, view, seed, penalty)
    training.augmentation = augmentation
    training.mix = partial(mix, classes=len(splits.classes))
    if checkpoint and checkpoint.exists():
        checkpoints.load(checkpoint, training)
    yield from training.history
    saved = time.monotonic()
    inputs, targets = to_tensors(splits.train, device)
    trained = Trained(
        network=training.evaluated,
        splits=splits,
        view=view,
        precision=training.precision,
        seed=seed,
    )
    if not training.seen:
        training.look(watches, trained)
    try:
        while not training.finished:
            line = training.epoch(inputs, targets, task)
            training.history.append(
                training.validate(line, splits.validation, task)
            )
            training.keep_best()
            trained = replace(trained, network=training.evaluated)
            training.look(watches, trained)
            if checkpoint and time.monotonic() - saved >= CHECKPOINT_SECONDS:
                checkpoints.save(checkpoint, training)
                saved = time.monotonic()
            yield training.history[-1]
    except stopping.Stopped:
        if checkpoint:
            checkpoints.save(checkpoint, training)
        raise
    training.take_best()
    trained = replace(trained)  # nothing that a watch computed is up to date
    outcome = Outcome(
        data=splits.info(),
        scores={},
        parameters=sum(p.numel() for p in training.network.parameters()),
        multiply_adds=multiply_adds(training.network, inputs[:1], view),
        diverged=training.diverged,
        artefacts={f"{p.__name__}.npz": _npz(p(trained)) for p in probes}
        | {f"{name}.npz": _npz(seen) for name, seen in training.seen.items()},
        notes=training.notes(),
    )
    return _score(outcome, trained, task) if test else outcome


def _score(outcome: Outcome, trained: Trained, task: Task) -> Outcome:
    """Add the scores on the test split, computed this once."""
    held_out = trained.splits.validation
    task = task.tuned(lambda: trained.outputs(held_out), held_out.targets)
    targets = trained.splits.test.targets
    outputs = trained.test_outputs
    diverged = outcome.diverged
    if diverged is None and not np.isfinite(outputs).all():
        diverged = "outputs are not finite after the last step"
    return replace(
        outcome,
        scores=task.scores(outputs, targets),
        predictions=task.pack(outputs, targets),
        diverged=diverged,
    )


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


class Training:
    """A network in training, with all that a checkpoint has to hold."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        view: View,
        seed: int,
        penalty: Penalty | None = None,
    ) -> None:
        device = next(network.parameters()).device
        self.precision = choose_precision(recipe.precision, network, device)
        prepare(network, self.precision)
        self.network, self.recipe, self.view = network, recipe, view
        self.augmentation: Change = Augment()
        self.mix = partial(Mix(), classes=0)
        self.stepper = ranks.make_stepper(
            network, recipe, self.precision, penalty
        )
        self.average = Average(network, recipe.average, decay=0.99)
        self.order = stream(seed, "order")
        self.moves = torch.Generator().manual_seed(stream(seed, "shift"))
        self.step = 0
        self.diverged: str | None = None
        self.best: dict[str, Any] | None = None  # weights, to stop early
        self.history: list[Epoch] = []
        self.elsewhere: list[str] = []  # what another machine had
        self.begun = (0, 0.0, 0.0)  # batches, loss, seconds of this epoch
        self.seen: dict[str, dict[str, NDArray[Any]]] = {}

    def epoch(
        self, inputs: torch.Tensor, targets: torch.Tensor, task: Task
    ) -> Epoch:
        """Pass once over the training data, up to a loss that is not finite."""
        started = time.perf_counter()
        done, total, before = self.begun
        number, size = len(self.history) + 1, self.recipe.batch_size
        factor = self._factor()
        if isinstance(self.network, Transfer):
            self.network.unfreeze((number - 1) / self.recipe.epochs)
        self.network.train()
        order = batches(len(targets), size, self.order, number)
        for rows in itertools.islice(order, done, None):
            spent = before + time.perf_counter() - started
            self.begun = (done, total, spent)
            ranks.check(self.stepper)
            picked = torch.from_numpy(rows).to(inputs.device)
            # for bytes index_select is ten times faster than indexing
            drawn = inputs.index_select(0, picked)
            batch = augment.shift(drawn, self.recipe.shift, self.moves)
            if self.recipe.flip:
                batch = augment.flip(batch, self.moves)
            batch = self.augmentation(batch, self.moves)
            steps = self.recipe.steps(len(targets))
            rate = factor * self.recipe.rate(self.step, steps)
            batch, wanted = self.mix(
                self.view(batch), targets[picked], generator=self.moves
            )
            loss = self._update(batch, wanted, task, rate)
            total += loss * len(rows)
            done += 1
            self.average.after_step(self.step / steps)
            if not math.isfinite(loss):
                self.diverged = f"loss became {loss} at step {self.step}"
                break
        self.begun = (0, 0.0, 0.0)
        self.average.after_epoch(number / self.recipe.epochs)
        self.average.refresh(map(self.view, inputs.split(size or len(inputs))))
        return Epoch(
            epoch=number,
            learning_rate=rate,
            train_loss=total / len(targets),
            validation_loss=math.nan,
            validation={},
            seconds=before + time.perf_counter() - started,
        )

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """What updates the weights."""
        return self.stepper.optimiser

    @property
    def evaluated(self) -> nn.Module:
        """The network that is scored: the one in training, or an average."""
        return self.average.network

    def look(self, watches: Sequence[Probe], trained: Trained) -> None:
        """Put what watches see behind what they saw before."""
        for watch in watches:
            with torch.random.fork_rng():  # what is trained must not notice
                found = watch(trained)
            before = self.seen.setdefault(watch.__name__, {})
            for name, array in found.items():
                new = np.asarray(array)[None]
                old = before.get(name, new[:0])
                before[name] = np.concatenate([old, new])

    def _factor(self) -> float:
        """Return what the validation losses so far make of the rate."""
        if self.recipe.schedule != "plateau":
            return 1.0
        losses = [line.validation_loss for line in self.history]
        return plateau(losses, self.recipe.patience)

    def _update(
        self,
        batch: torch.Tensor,
        targets: torch.Tensor,
        task: Task,
        rate: float,
    ) -> float:
        """Make one step; return the loss before it."""
        loss = self.stepper(batch, targets, task, rate)
        self.step += 1
        return loss

    @property
    def finished(self) -> bool:
        """Tell whether the budget is spent, the loss lost, or all in vain."""
        losses = [line.validation_loss for line in self.history]
        if self.diverged or len(losses) >= self.recipe.epochs:
            return True
        patience = self.recipe.early_stop
        if patience is None or not losses:
            return False
        return len(losses) - 1 - int(np.argmin(losses)) >= patience

    def keep_best(self) -> None:
        """Remember the weights after the best epoch, if they'll be wanted."""
        losses = [line.validation_loss for line in self.history]
        if self.recipe.early_stop is not None and losses[-1] == min(losses):
            self.best = copy.deepcopy(self.evaluated.state_dict())

    def take_best(self) -> None:
        """Go back to the weights that were remembered."""
        if self.best is not None:
            self.evaluated.load_state_dict(self.best)

    def notes(self) -> dict[str, Any]:
        """Say what a reader of the record could not know otherwise."""
        found: dict[str, Any] = {"precision": self.precision}
        if self.elsewhere:
            found["went on elsewhere"] = self.elsewhere
        if ranks.count() > 1:
            found["processes"] = ranks.count()
        if self.stepper.parts > 1:
            found["parts of a batch"] = self.stepper.parts
        size = sum(p.numel() for p in self.network.parameters())
        if self.stepper.trained < size:
            found["trained parameters"] = self.stepper.trained
        return found

    def validate(self, line: Epoch, split: Split, task: Task) -> Epoch:
        """Add an epoch's scores on the validation split."""
        outputs = predict(self.evaluated, split, self.view, self.precision)
        logits, targets = map(torch.from_numpy, (outputs, split.targets))
        return replace(
            line,
            validation_loss=float(task.judged(logits, targets)),
            validation=task.scores(outputs, split.targets),
        )


def predict(
    network: nn.Module,
    split: Split,
    view: View = View(),
    precision: Precision = "float32",
) -> NDArray[np.float32]:
    """Compute outputs (N, K) in evaluation mode, in the split's order."""
    device = next(network.parameters()).device
    inputs, _ = to_tensors(split, device)
    network.eval()
    with torch.inference_mode(), autocast(precision, device):
        parts = [
            network(view(part)).float().cpu()
            for part in torch.split(inputs, _at_once(view(inputs[:1])))
        ]
    outputs: NDArray[np.float32] = torch.cat(parts).numpy()
    return outputs


def _at_once(example: torch.Tensor) -> int:
    """Say how many pictures to evaluate at once: of large ones, fewer."""
    return max(10, min(EVALUATION_BATCH, EVALUATION_VALUES // example.numel()))


def multiply_adds(
    network: nn.Module, example: torch.Tensor, view: View = View()
) -> int:
    """Count multiply-adds of one forward pass, by torch's own counter.

    It counts the products of convolutions, matrix products and attention;
    biases, normalisation and activations are not counted.
    """
    network.eval()
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(view(example))
    return int(counter.get_total_flops()) // 2


def to_tensors(
    split: Split, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put a whole split on a device: uint8 (N, C, H, W) and int64."""
    inputs = torch.from_numpy(split.inputs).to(device)
    if inputs.ndim == 3:
        inputs = inputs[:, None]
    return inputs, torch.from_numpy(split.targets).to(device)
