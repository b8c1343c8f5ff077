"""Checks of answers to the exercises; ``checks.NAME(None)`` says what to give.

A check computes what is right, on its own or from the runs that it is given;
it stores no answer.  None raises for an answer, whatever it is.
"""

from coursework.checks.networks import (
    balancing_weight,
    cifar_stem,
    gate_parameters,
    harmless_layers,
    query_factor,
    rezero_at_one,
    shared_gate,
    silu_variance,
    tokens,
)
from coursework.checks.numbers import (
    best_of_five,
    degree,
    equal_steps,
    mean_of_five,
    squared_hinge,
    underivable,
    unmoved_scores,
)
from coursework.checks.reply import CHECKS, Reply
from coursework.checks.runs import compared, opening_class, steps_to

__all__ = [
    "CHECKS",
    "Reply",
    "balancing_weight",
    "best_of_five",
    "cifar_stem",
    "compared",
    "degree",
    "equal_steps",
    "gate_parameters",
    "harmless_layers",
    "mean_of_five",
    "opening_class",
    "query_factor",
    "rezero_at_one",
    "shared_gate",
    "silu_variance",
    "squared_hinge",
    "steps_to",
    "tokens",
    "underivable",
    "unmoved_scores",
]
