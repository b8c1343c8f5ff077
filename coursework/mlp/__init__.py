"""A fully connected network in numpy, its gradients and its trial.

From the inside out: ``layers`` has activations, losses and initial weights,
``network`` computes scores and gradients, ``feed`` hands it batches,
``descent`` trains it, ``film`` watches it, and ``trial.fit`` is what an
experiment calls.  Nothing here imports torch.
"""

from coursework.mlp.descent import Descent, descend
from coursework.mlp.feed import Feed
from coursework.mlp.film import Film
from coursework.mlp.layers import (
    ACTIVATIONS,
    INITS,
    LOSSES,
    ActivationName,
    InitName,
    LossName,
    cross_entropy,
    hinge,
    squared_error,
)
from coursework.mlp.network import MLP, as_rows, gradient_check
from coursework.mlp.trial import fit

__all__ = [
    "ACTIVATIONS",
    "INITS",
    "LOSSES",
    "MLP",
    "ActivationName",
    "Descent",
    "Feed",
    "Film",
    "InitName",
    "LossName",
    "as_rows",
    "cross_entropy",
    "descend",
    "fit",
    "gradient_check",
    "hinge",
    "squared_error",
]
