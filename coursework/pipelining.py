"""One network over several devices: stages of layers, a device each.

A batch goes through them in micro-batches, forwards and then backwards, so
that stages work at the same time (GPipe, :cite:p:`huang2019gpipe`, section
2.2).  The slowest stage sets the pace, and each waits while the first
micro-batches fill the pipeline and the last ones drain it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor, distributed, nn
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.utils.flop_counter import FlopCounterMode

from coursework.recipe import at_least

Loss = Callable[[Tensor, Tensor], Tensor]


def bubble(stages: int, micro_batches: int) -> float:
    """Return the share of a step that a stage waits, if all are as fast.

    (p − 1) / (m + p − 1), :cite:p:`huang2019gpipe`, section 2.3.
    """
    at_least("stages", stages, 1)
    at_least("micro_batches", micro_batches, 1)
    return (stages - 1) / (micro_batches + stages - 1)


def costs(network: nn.Sequential, example: Tensor) -> list[int]:
    """Count the floating-point operations of each layer for an example."""
    found = []
    with torch.no_grad():
        for layer in network:
            with FlopCounterMode(display=False) as counter:
                example = layer(example)
            found.append(int(counter.get_total_flops()))
    return found


def cut(costs: Sequence[float], stages: int) -> list[slice]:
    """Cut a chain of layers so that the slowest stage is as fast as can be.

    Raises ValueError if there are fewer layers than stages.
    """
    at_least("stages", stages, 1)
    at_least("layers", len(costs), stages)

    @cache
    def best(start: int, left: int) -> tuple[float, tuple[int, ...]]:
        """Return the slowest stage's cost from here on, and all ends."""
        if left == 1:
            return sum(costs[start:]), (len(costs),)
        options = []
        for end in range(start + 1, len(costs) - left + 2):
            rest, ends = best(end, left - 1)
            options.append((max(sum(costs[start:end]), rest), (end, *ends)))
        return min(options)

    ends = best(0, stages)[1]
    starts = (0, *ends[:-1])
    return [slice(*pair) for pair in zip(starts, ends, strict=True)]


class Pipeline:
    """The stage that a rank has of a network, and its part in each step.

    All ranks hold the same ``network`` and ``stages``, one a rank.  Gradients
    are those of the mean ``loss`` of the batch, on the layers of ``stage``;
    but batch norm takes its statistics from a micro-batch.
    """

    def __init__(
        self,
        network: nn.Sequential,
        stages: Sequence[slice],
        micro_batches: int,
        loss: Loss,
    ) -> None:
        at_least("micro_batches", micro_batches, 1)
        ranks = distributed.get_world_size()
        if len(stages) != ranks:
            raise ValueError(
                f"{len(stages)} stages for {ranks} processes; accepted: a "
                "stage for each process"
            )
        rank = distributed.get_rank()
        self.first, self.last = rank == 0, rank == ranks - 1
        self.micro_batches = micro_batches
        self.stage = network[stages[rank]]
        device = next(network.parameters()).device
        self._schedule = ScheduleGPipe(
            PipelineStage(self.stage, rank, ranks, device), micro_batches, loss
        )

    def __call__(
        self, batch: Tensor, targets: Tensor
    ) -> tuple[Tensor, float] | None:
        """Add a batch's gradients; the last stage returns outputs and loss.

        Raises ValueError if micro-batches would not be of one size.
        """
        if len(batch) % self.micro_batches:
            raise ValueError(
                f"a batch of {len(batch)} in {self.micro_batches} "
                "micro-batches; accepted: a number of them that divides it"
            )
        losses: list[Tensor] = []
        outputs = self._schedule.step(
            *([batch] if self.first else []),
            target=targets if self.last else None,
            losses=losses if self.last else None,
        )
        if not self.last:
            return None
        return outputs.detach(), float(torch.stack(losses).detach().mean())
