"""How a network is trained: one frozen record of choices, imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar, get_args

from coursework.names import nearest

Optimiser = Literal["sgd", "adam", "adamw", "lion"]
Averaging = Literal["none", "ema", "swa"]
Precision = Literal["float32", "bfloat16", "auto"]
ScheduleName = Literal[
    "constant",
    "exponential",
    "multistep",
    "plateau",
    "cosine",
    "one-cycle",
    "warm-restarts",
    "r1",
]
Schedule = Callable[..., float]  # of step, steps; some of warm_up
T = TypeVar("T")

WARM_UP = 0.2  # share of the steps in which the schedules of WARMED rise


def constant(step: int, steps: int) -> float:
    """Keep the peak rate."""
    return 1.0


def exponential(step: int, steps: int) -> float:
    """Fall by the same factor every step, to 1 % of the peak at the end."""
    return math.pow(0.01, step / steps)


def multistep(step: int, steps: int) -> float:
    """Divide the rate by ten after half and after three quarters."""
    return 1.0 if 2 * step < steps else 0.1 if 4 * step < 3 * steps else 0.01


def plateau(losses: Sequence[float], patience: int) -> float:
    """Divide the rate by ten after each ``patience`` + 1 epochs in vain.

    ``losses`` are those on the validation split, epoch by epoch; one is an
    improvement if it is at least 0.01 % below the best before.
    """
    best, waited, factor = math.inf, 0, 1.0
    for loss in losses:
        waited += 1
        if loss < best * (1 - 1e-4):
            best, waited = loss, 0
        if waited > patience:
            factor, waited = factor / 10, 0
    return factor


def cosine(step: int, steps: int, warm_up: float = WARM_UP) -> float:
    """Rise linearly, then fall along half a cosine to zero (SGDR, eq. 5).

    :cite:p:`loshchilov2017sgdr`, with a linear warm-up and no restart.
    """
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def one_cycle(step: int, steps: int, warm_up: float = WARM_UP) -> float:
    """Rise linearly, then fall linearly to zero (one-cycle, section 4).

    :cite:p:`smith2018superconvergence`; momentum is not cycled here.
    """
    warm = max(1, round(warm_up * steps))
    if step < warm:
        return (step + 1) / warm
    return (steps - step) / (steps - warm)


def warm_restarts(step: int, steps: int) -> float:
    """Fall along half a cosine three times, each twice as long as before.

    SGDR (:cite:p:`loshchilov2017sgdr`, eq. 5, T_mult = 2): the cycles take a
    seventh, two and four sevenths of all steps.
    """
    start, length = 0.0, steps / 7
    while step >= start + length and start + length < steps:
        start, length = start + length, 2 * length
    return 0.5 * (1 + math.cos(math.pi * (step - start) / length))


def r1(step: int, steps: int) -> float:
    """Report R1's schedule: it oscillates with a period of 80 steps.

    The report calls it a warm-up with cosine annealing.  In its code the
    cosine's argument grows by pi every 40 steps, so the rate falls and rises
    again; peaks shrink by 2 % every 10 steps.  The floor is a quarter of
    the peak (0.05 of 0.2), for the first step as for the last 20.
    """
    floor = 0.25
    if step < 20:
        return floor + (1 - floor) * (step + 1) / 20
    if step >= steps - 20:
        return floor
    swing = 1 + math.cos(math.pi * (step - 10) / 40)
    return floor + 0.5 * (1 - floor) * swing * 0.98 ** ((step - 20) // 10)


SCHEDULES: Mapping[ScheduleName, Schedule] = {
    "constant": constant,
    "exponential": exponential,
    "multistep": multistep,
    "plateau": constant,  # times what plateau() makes of the losses so far
    "cosine": cosine,
    "one-cycle": one_cycle,
    "warm-restarts": warm_restarts,
    "r1": r1,
}


WARMED: frozenset[ScheduleName] = frozenset({"cosine", "one-cycle"})
PRECISIONS: Mapping[Precision, Precision] = {
    name: name for name in get_args(Precision)
}
AVERAGES: Mapping[Averaging, Averaging] = {
    name: name for name in get_args(Averaging)
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimiser, rate, schedule, budget.

    ``learning_rate`` is the peak; a schedule multiplies it.  ``batch_size``
    ``None`` means the full batch: one step an epoch.  ``weight_decay`` is
    the factor lambda of ``lambda * w`` added to a weight's gradient (coupled
    L2; decoupled for ``adamw``).  ``shift`` moves each training picture by up
    to that many pixels in each direction, anew in every epoch, and ``flip``
    mirrors it left-right with probability 1/2.  ``clip`` bounds the norm of
    the whole gradient.  ``precision`` is that of products and convolutions,
    in training and evaluation; weights stay float32; "auto" is bfloat16 for
    networks of convolutions on a device that is faster so.  ``patience``
    belongs to the schedule "plateau", see :func:`plateau`, and ``warm_up``,
    a share of all steps, to those in ``WARMED``.  With ``early_stop`` training
    ends once the validation loss has not improved for so many epochs, and
    the weights after the best one are taken.  ``average`` names the weights
    that are evaluated: the last ones, or a mean over steps ("ema") or over
    the last epochs ("swa").  The numpy network has neither flip, clip,
    plateau, averages, early stopping nor another precision.
    """

    epochs: int
    batch_size: int | None = 128
    optimiser: Optimiser = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.0
    weight_decay: float = 0.0
    schedule: ScheduleName = "constant"
    shift: int = 0
    clip: float | None = None
    precision: Precision = "float32"
    patience: int = 10
    warm_up: float = WARM_UP
    flip: bool = False
    early_stop: int | None = None
    average: Averaging = "none"

    def __post_init__(self) -> None:
        """Refuse values that no training could mean."""
        named(SCHEDULES, self.schedule, "schedule")
        named(PRECISIONS, self.precision, "precision")
        named(AVERAGES, self.average, "average")
        at_least("epochs", self.epochs, 1)
        at_least("shift", self.shift, 0)
        at_least("patience", self.patience, 0)
        at_least("weight_decay", self.weight_decay, 0)
        for name in ("batch_size", "early_stop"):
            if (value := getattr(self, name)) is not None:
                at_least(name, value, 1)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"learning_rate is {self.learning_rate}; it must be above 0 "
                "and finite"
            )
        if not 0 <= self.warm_up < 1:
            raise ValueError(f"warm_up is {self.warm_up}; accepted: [0, 1)")
        if not 0 <= self.momentum < 1:
            raise ValueError(
                f"momentum is {self.momentum}; it must lie in [0, 1)"
            )

    def rate(self, step: int, steps: int) -> float:
        """Return the rate of a step, counted from 0, of ``steps`` in all."""
        shape = SCHEDULES[self.schedule]
        if self.schedule in WARMED:
            shape = partial(shape, warm_up=self.warm_up)
        return self.learning_rate * shape(step, steps)

    def steps(self, examples: int) -> int:
        """Count the updates on a training set of so many examples."""
        return self.epochs * math.ceil(
            examples / min(self.batch_size or examples, examples)
        )


def named(table: Mapping[Any, T], name: str, kind: str) -> T:
    """Look a name up, or say which names there are.

    Raises ValueError, with the unknown name and all accepted ones.
    """
    if name not in table:
        accepted = ", ".join(map(repr, table))
        raise ValueError(
            f"unknown {kind} {name!r}; accepted: {accepted}"
            f"{nearest(str(name), map(str, table))}"
        )
    return table[name]


def at_least(name: str, value: float, low: float) -> None:
    """Raise ValueError, naming the value, if it is below ``low``."""
    if not value >= low:  # which NaN is not, either
        raise ValueError(f"{name} is {value}; it must be at least {low}")
