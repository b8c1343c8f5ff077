"""Checks of answers to the exercises; ``checks.NAME(None)`` says what to give.

A check computes what is right, on its own or from the runs that it is given;
it stores no answer.  None raises for an answer, whatever it is.
"""

from coursework.checks.generated import unsure_verdict
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
from coursework.checks.transfer import (
    largest_scale,
    lora_weights,
    most_folds,
    tuned_share,
)
from coursework.checks.tricks import (
    loop_counts,
    majority_of_five,
    smoothed_gap,
)

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
    "largest_scale",
    "loop_counts",
    "lora_weights",
    "majority_of_five",
    "mean_of_five",
    "most_folds",
    "opening_class",
    "query_factor",
    "rezero_at_one",
    "shared_gate",
    "silu_variance",
    "smoothed_gap",
    "squared_hinge",
    "steps_to",
    "tokens",
    "tuned_share",
    "underivable",
    "unmoved_scores",
    "unsure_verdict",
]
