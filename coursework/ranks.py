"""One step of training by several processes, as torchrun starts them.

All processes ("ranks") hold the same network and prepare the same batch; each
takes its rows of it.  What comes is what one process would do, except where
rows are not independent: batch norm takes its statistics from a rank's rows,
and dropout draws other masks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from coursework import stopping
from coursework.optimisation import Penalty, Stepper
from coursework.precision import autocast
from coursework.recipe import Precision, Recipe
from coursework.tasks import Task


def count() -> int:
    """Count the processes that train one network together."""
    return distributed.get_world_size() if _together() else 1


def leads() -> bool:
    """Tell the process that writes: rank 0, or the only one."""
    return not _together() or distributed.get_rank() == 0


def check(stepper: Stepper) -> None:
    """Raise Stopped before a step if this process was asked to stop.

    Of ranks all stop before the same step, if one was asked to: they would
    wait for each other otherwise.
    """
    if stepper.asked if isinstance(stepper, Ranked) else stopping.asked():
        raise stopping.Stopped


def _together() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def make_stepper(
    network: nn.Module,
    recipe: Recipe,
    precision: Precision,
    penalty: Penalty | None = None,
) -> Stepper:
    """Build what updates a network, in one process or in many."""
    kind = Ranked if count() > 1 else Stepper
    return kind(network, recipe, precision, penalty)


class Ranked(Stepper):
    """Updates a network that each rank holds, as if all rows were in one.

    Gradients are averaged while they are computed
    :cite:p:`li2020distributed`, and weighted by rows: a last batch need not
    be a multiple of the ranks.  Raises MemoryError where a rank's rows don't
    fit: ranks could not agree on parts in the middle of a step.
    """

    wrapped: DistributedDataParallel
    wrapped_for: tuple[bool, ...] = ()
    asked = False  # whether a rank is to stop

    def _accumulate(self, batch: Tensor, targets: Tensor, task: Task) -> float:
        rows, weight = _share(len(batch))
        with _own_random_numbers(batch.device):
            try:
                loss = self._mine(batch[rows], targets[rows], task, weight)
            except torch.OutOfMemoryError as error:
                raise MemoryError(
                    f"{len(batch[rows])} pictures {tuple(batch.shape[1:])} of "
                    f"a batch don't fit into the memory of one of {count()} "
                    "devices: take more devices, a smaller batch or precision "
                    "'bfloat16'"
                ) from error
        if self.penalty is not None:
            self.penalty(self.network).backward()  # the same on each rank
        return self._agreed(loss)

    def _mine(
        self, batch: Tensor, targets: Tensor, task: Task, weight: float
    ) -> Tensor:
        """Add this rank's gradients to the others'; return its loss."""
        network, total = self._wrapped(), torch.zeros((), device=batch.device)
        size = -(-len(batch) // self.parts)
        parts = list(zip(batch.split(size), targets.split(size), strict=True))
        for number, (some, wanted) in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else network.no_sync():
                with autocast(self.precision, batch.device):
                    loss = task.loss(network(some), wanted)
                loss = loss * (weight * len(some) / len(batch))
                loss.backward()
            total += loss.detach()
        return total

    def _wrapped(self) -> DistributedDataParallel:
        """Return the network that averages, of what trains by now."""
        trains = tuple(p.requires_grad for p in self.network.parameters())
        if trains != self.wrapped_for:
            self.wrapped = DistributedDataParallel(self.network)
            self.wrapped_for = trains
        return self.wrapped

    def _agreed(self, loss: Tensor) -> float:
        """Average the loss and batch norm's running statistics over ranks.

        Ranks that judged a network by their own would soon disagree on the
        rate, or on when to stop.  Whether one was asked to is told as well.
        """
        running = [
            statistic
            for part in self.network.modules()
            if isinstance(part, _BatchNorm) and part.training
            for statistic in (part.running_mean, part.running_var)
            if statistic is not None
        ]
        asked = loss.new_tensor([stopping.asked()])
        values = torch.cat([loss[None], asked, *running])
        distributed.all_reduce(values)
        values /= count()
        found = values[2:].split([len(statistic) for statistic in running])
        for statistic, mean in zip(running, found, strict=True):
            statistic.copy_(mean)
        self.asked = bool(values[1])
        return float(values[0])


def _share(size: int) -> tuple[slice, float]:
    """Choose this rank's rows of a batch, and what their mean counts.

    Of a batch without two rows for each rank, all ranks take all rows: batch
    norm has no statistics of one row, nor a loss a mean of none.
    """
    ranks, rank = count(), distributed.get_rank()
    if size < 2 * ranks:
        return slice(0, size), 1.0
    start, end = rank * size // ranks, (rank + 1) * size // ranks
    return slice(start, end), ranks * (end - start) / size


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Let ranks draw different numbers, and leave all in the same state."""
    drawn = int(torch.randint(2**62, ()))
    gpus = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=gpus):
        torch.manual_seed(drawn + distributed.get_rank())
        yield
