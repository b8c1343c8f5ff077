"""Averages of a network's weights over its training: EMA and SWA."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import (
    AveragedModel,
    get_ema_multi_avg_fn,
    update_bn,
)

from coursework.recipe import named

AverageKind = Literal["none", "ema", "swa"]


class Average:
    """A second network, whose weights are an average of the first one's.

    "ema" takes ``decay`` of itself and the rest of the network after each
    step, batch norm's statistics included :cite:p:`tarvainen2017mean`; "swa"
    the plain mean of the networks after each epoch, whose statistics are to
    be computed anew with :meth:`refresh` :cite:p:`izmailov2018averaging`.
    Either begins with the network as it is when ``start_share`` of the
    training is over.
    """

    def __init__(
        self,
        network: nn.Module,
        kind: AverageKind = "none",
        decay: float = 0.999,
        start_share: float = 0.75,
    ) -> None:
        for name, value in (("decay", decay), ("start_share", start_share)):
            if not 0 <= value < 1:
                raise ValueError(f"{name} is {value}; accepted: [0, 1)")
        self.kind, self.start_share = kind, start_share
        self._trained = network
        self._average = named(KINDS, kind, "average")(network, decay)

    @property
    def network(self) -> nn.Module:
        """The averaged network; the trained one where there is none yet."""
        if self._average is None or not int(self._average.n_averaged):
            return self._trained
        averaged: nn.Module = self._average.module
        return averaged

    def after_step(self, share: float) -> None:
        """Take the network in after a step; ``share`` of them are over."""
        if self.kind == "ema":
            self._take(share)

    def after_epoch(self, share: float) -> None:
        """Take the network in after an epoch; ``share`` of them are over."""
        if self.kind == "swa":
            self._take(share)

    def refresh(self, inputs: Iterable[Tensor]) -> None:
        """Compute batch norm's statistics anew, from batches as trained on.

        Does nothing unless the kind is "swa" and the average has begun.  No
        random number that the training would draw is drawn here.
        """
        if self.kind == "swa" and self.network is not self._trained:
            with torch.random.fork_rng():
                update_bn(inputs, self.network)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a checkpoint has to hold."""
        return {} if self._average is None else self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        if self._average is not None:
            self._average.load_state_dict(state)

    def _take(self, share: float) -> None:
        if self._average is not None and share >= self.start_share:
            self._average.update_parameters(self._trained)


def _ema(network: nn.Module, decay: float) -> AveragedModel:
    average = get_ema_multi_avg_fn(decay)
    return AveragedModel(network, multi_avg_fn=average, use_buffers=True)


KINDS: Mapping[
    AverageKind, Callable[[nn.Module, float], AveragedModel | None]
] = {
    "none": lambda network, decay: None,
    "ema": _ema,
    "swa": lambda network, decay: AveragedModel(network),
}
